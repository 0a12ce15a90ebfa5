//! The plugin configuration: what is accepted, what is refused and where, and what the schema makes of both.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod accepted;
mod random;
mod refused;
#[cfg(feature = "schema")]
mod schema;
mod table;
mod warnings;
