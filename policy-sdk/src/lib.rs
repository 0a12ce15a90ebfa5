//! The SDK for policies of Mandate in Rust.
//!
//! A policy is a rule of the operator that is asked about requests whose token, delegation chain and scopes were already
//! verified. Policies only restrict: a request that passed all other checks is allowed unless a policy denies it or fails.
//!
//! A policy is a crate that implements [`Policy`] and exports it with [`policy!`]. Compiled for `wasm32-unknown-unknown` it
//! is a component of the world in `wit/`; compiled for the native target it is plain Rust, so `cargo test` runs its tests
//! without WebAssembly.
//!
//! ```
//! use mandate_policy::{Policy, Problem, Request, Verdict};
//! use serde::Deserialize;
//!
//! /// Denies writes by agents that the operator only lets read.
//! struct ReadOnly {
//!     settings: Settings,
//! }
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     /// The issuer of the agents.
//!     issuer: String,
//!     /// Their subjects.
//!     agents: Vec<String>,
//! }
//!
//! impl Policy for ReadOnly {
//!     const SUMMARY: &'static str = "denies writes by agents that only read";
//!     type Settings = Settings;
//!
//!     fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
//!         if settings.agents.is_empty() {
//!             return Err(Problem::at("/agents", "must have an agent; without any, all may write").into());
//!         }
//!         Ok(Self { settings })
//!     }
//!
//!     fn check(&self, request: &Request) -> Verdict {
//!         let Some(agent) = request.agent() else {
//!             return Verdict::abstain();
//!         };
//!         // The pair is the identity: the same name from another issuer is another agent.
//!         if agent.issuer != self.settings.issuer || !self.settings.agents.contains(&agent.subject) {
//!             return Verdict::abstain();
//!         }
//!         match request.method().as_str() {
//!             "GET" | "HEAD" => Verdict::allow().with_header("access", "read"),
//!             _ => Verdict::deny("read_only", format!("`{}` only reads", agent.subject)),
//!         }
//!     }
//! }
//!
//! mandate_policy::policy!(ReadOnly);
//!
//! // Its test, the denial first.
//! # fn main() {
//! use mandate_policy::testing::{configure, json};
//!
//! let idp = "https://idp.example";
//! let policy: ReadOnly = configure(json!({ "issuer": idp, "agents": ["agent:report"] })).unwrap();
//! let request = Request::builder().path("/v1/tickets").hop(idp, "agent:report");
//!
//! let write = request.clone().method("POST").build();
//! assert_eq!(policy.check(&write), Verdict::deny("read_only", "`agent:report` only reads"));
//! assert_eq!(policy.check(&request.build()), Verdict::allow().with_header("access", "read"));
//!
//! let problems = configure::<ReadOnly>(json!({ "issuer": idp, "agents": ["agent:report", 7] })).err().unwrap();
//! assert_eq!(problems, [Problem::at("/agents/1", "found `7`, expected a string")]);
//! # }
//! ```
//!
//! # The sandbox
//! A policy has no clock, no randomness, no files and no network; [`Request::now`] is the time. A panic, an exceeded limit
//! and an invalid verdict are faults, and a fault denies the request. Every call starts from the memory that
//! [`Policy::new`] left, so a policy cannot remember a request.
//!
//! For the same reason the default feature `allocator` provides an allocator that frees only the most recent allocation:
//! memory is reset before the next call. Without the feature, the allocator of the standard library is used.

pub mod log;
mod path_prefix;
mod pointer;
mod policy;
mod request;
mod settings;
mod verdict;

#[cfg(not(target_arch = "wasm32"))]
mod desk;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[allow(missing_docs, reason = "for the expansion of `policy!` only")]
pub mod sandbox;

pub use path_prefix::{PathPrefix, PathPrefixError};
pub use pointer::pointer;
pub use policy::Policy;
pub use request::{Action, ArgumentError, Claim, HeaderError, Identity, Request, Route};
pub use settings::{NoSettings, Problem};
pub use verdict::{Denial, Field, Obligation, Verdict};

/// Exports a type that implements [`Policy`] as the policy of this crate. Name and version are those of the package. A crate
/// is one policy: call the macro once, at the root of the crate.
///
/// A type that is not a policy does not compile:
///
/// ```compile_fail,E0277
/// struct Guard;
/// mandate_policy::policy!(Guard);
/// ```
///
/// Neither do settings that cannot be deserialised:
///
/// ```compile_fail,E0277
/// # use mandate_policy::{Policy, Problem, Request, Verdict};
/// struct Settings; // without `#[derive(serde::Deserialize)]`
/// struct Guard;
///
/// impl Policy for Guard {
///     const SUMMARY: &'static str = "denies everything";
///     type Settings = Settings;
///     // …
/// #   fn new(_: Settings) -> Result<Self, Vec<Problem>> { Ok(Self) }
/// #   fn check(&self, _: &Request) -> Verdict { Verdict::abstain() }
/// }
/// ```
#[macro_export]
macro_rules! policy {
    ($policy:ty) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn is_policy<P: $crate::Policy>() {}
            is_policy::<$policy>();
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::sandbox::{self, bindings};

            ::std::thread_local! {
                static CONFIGURED: ::std::cell::OnceCell<$policy> = const { ::std::cell::OnceCell::new() };
            }

            struct Component;

            impl bindings::Guest for Component {
                fn describe() -> bindings::Description {
                    sandbox::describe::<$policy>(
                        ::core::env!("CARGO_PKG_NAME"),
                        ::core::env!("CARGO_PKG_VERSION"),
                    )
                }

                fn configure(
                    settings: ::std::string::String,
                ) -> ::core::result::Result<(), ::std::vec::Vec<$crate::Problem>> {
                    sandbox::configure(&CONFIGURED, &settings)
                }

                fn check(request: &bindings::Request) -> $crate::Verdict {
                    sandbox::check(&CONFIGURED, request)
                }
            }

    bindings::export!(Component with_types_in bindings);
        };
    };
}

/// The policy in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
