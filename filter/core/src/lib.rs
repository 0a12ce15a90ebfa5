//! The decisions of Mandate as pure functions: no clock, no I/O, no logging, no proxy types.
//!
//! Data flows one way, and each type can only be made from the one before it, so that no step can be skipped:
//!
//! ```text
//! bytes → ParsedToken → SignedToken → VerifiedChain → RequestContext → verdicts → Decision → (Reply, AuditRecord)
//! ```
//!
//! A proof cannot be made by hand:
//!
//! ```compile_fail,E0451
//! # use mandate_core::{chain::VerifiedChain, claims::SignedToken};
//! fn skip_the_checks(token: std::rc::Rc<SignedToken>) -> VerifiedChain {
//!     VerifiedChain { token }
//! }
//! ```
//!
//! ```compile_fail,E0451
//! # use mandate_core::{chain::VerifiedChain, context::RequestContext, headers::Headers, path::NormalPath, time::UnixTime};
//! fn skip_the_scopes<'a>(path: &'a NormalPath, headers: &'a Headers, chain: &'a VerifiedChain) -> RequestContext<'a> {
//!     RequestContext { method: "GET", path, headers, chain, now: UnixTime::default() }
//! }
//! ```
//!
//! ```compile_fail,E0423
//! # use mandate_core::decision::{Outcome, Permit};
//! let outcome = Outcome::Allow(Permit(todo!()));
//! ```
//!
//! ```compile_fail,E0616
//! # use mandate_core::token::ParsedToken;
//! fn trust_what_nobody_signed(token: ParsedToken) -> usize {
//!     token.claims.len()
//! }
//! ```
//!
//! [`flow`] is the machine that takes these steps; the modules are listed in the order in which they build on each other.

/// What the filter, the linker and policies agree on.
pub use mandate_seam as seam;

pub mod labels;
pub mod limits;
pub mod time;

pub mod algorithm;
pub mod headers;
pub mod host;
pub mod json;
pub mod path;
pub mod printable;
pub mod reason;

pub mod denial;
pub mod reserved;

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

pub mod canonical;
pub mod visit;

pub mod routes;
pub mod sandbox;

pub mod decision;

pub mod audit;
pub mod reply;

pub mod flow;
pub mod waiting;
