//! Policies that misbehave in every way that was thought of. Each misdeed is one fault of one call: that request is denied,
//! the next one is not, and the machine lives on; on the harness, and in a real Envoy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "misbehaving/configuration.rs"]
mod configuration;
#[path = "support/guests.rs"]
mod guests;
#[path = "misbehaving/refusals.rs"]
mod refusals;
#[path = "misbehaving/requests.rs"]
mod requests;
#[path = "misbehaving/state.rs"]
mod state;
mod support;
#[path = "misbehaving/suspect.rs"]
mod suspect;
#[path = "misbehaving/suspects.rs"]
mod suspects;
#[path = "misbehaving/world.rs"]
mod world;
