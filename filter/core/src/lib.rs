//! The decisions of Mandate as pure functions: no clock, no I/O, no logging, no proxy types.
//!
//! Data flows one way, and each type can only be made from the one before it, so that no step can be skipped:
//!
//! ```text
//! bytes → ParsedToken → SignedToken → VerifiedChain → RequestContext → verdicts → Decision → (Reply, AuditRecord)
//! ```
//!
//! [`flow`] is the machine that takes these steps; the modules are listed in the order in which they build on each other.

pub mod limits;
pub mod time;

pub mod algorithm;
pub mod json;
pub mod path;
pub mod reason;

pub mod config;

pub mod token;

pub mod keys;
pub mod keystore;
pub mod signature;

pub mod claims;

pub mod cache;
pub mod chain;

pub mod context;
pub mod request;

pub mod policy;

pub mod decision;

pub mod audit;
pub mod reply;

pub mod flow;
