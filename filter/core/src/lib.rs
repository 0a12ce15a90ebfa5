//! The decisions of Mandate as pure functions: no clock, no I/O, no logging, no proxy types.
//!
//! Data flows one way, and each type can only be made from the one before it, so that no step can be skipped:
//!
//! ```text
//! bytes → ParsedToken → SignedToken → VerifiedChain → Possession → RequestContext → verdicts → Decision → (Reply, AuditRecord)
//! ```
//!
//! A proof cannot be made by hand: fields are private, and `tests/ui` holds what the compiler says to whoever tries.
//!
//! [`flow`] is the machine that takes these steps. The rooms below are listed in the order in which they build on each other: each
//! imports earlier ones only (`tests/rooms.rs` holds them to it).

/// What the filter, the linker and policies agree on.
pub use mandate_seam as seam;

pub mod limits;
pub mod log_level;
pub mod printable;
pub mod time;

pub mod algorithm;
pub mod json;
pub mod proof_kind;
pub mod reason;
pub mod spiffe;
pub mod workload;

pub mod denial;

pub mod http;

pub mod config;

pub mod routes;

pub mod resources;

pub mod keys;

pub mod token;

pub mod chain;

pub mod proof;

pub mod action;

pub mod policy;

pub mod decision;

pub mod flow;

pub mod plugin;
