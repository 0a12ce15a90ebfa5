//! The harness, driven with filters that do one thing each.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "harness/calls.rs"]
mod calls;
#[path = "harness/faults.rs"]
mod faults;
#[path = "harness/requests.rs"]
mod requests;
#[path = "harness/strictness.rs"]
mod strictness;
#[path = "harness/support.rs"]
mod support;
#[path = "harness/verify.rs"]
mod verify;
#[path = "harness/world.rs"]
mod world;
