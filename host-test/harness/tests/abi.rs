//! The harness, driven with filters that do one thing each.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "abi/calls.rs"]
mod calls;
#[path = "abi/faults.rs"]
mod faults;
#[path = "abi/requests.rs"]
mod requests;
#[path = "abi/strictness.rs"]
mod strictness;
#[path = "abi/support.rs"]
mod support;
#[path = "abi/verify.rs"]
mod verify;
#[path = "abi/world.rs"]
mod world;
