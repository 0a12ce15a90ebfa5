//! The desk of Mandate: everything that runs the filter outside of a production proxy.
//!
//! - [`mandate_harness`] runs the filter's module on Wasmtime under a test's control; a user's own `cargo test` can drive it.
//! - [`decide`] decides one request file with it; [`filter_log`] reads what it logs.
//! - [`authoring`] begins a policy, compiles it, tests it, and links it.
//! - [`oracle`] runs policies that are not linked, to keep the linker honest; [`cases`] are tables of what a policy must say.
//! - [`init`] writes a first configuration; [`reading`] tells how a token would be read; [`reference`] writes the reference of the configuration.
//! - [`gateway`] puts it in front of an upstream: in a real Envoy ([`envoy`]) or embedded ([`embedded`]).
//! - [`issuer`], [`upstream`], [`tool_server`], [`client`] and [`tokens`] are the other ends, all of them real.

pub mod authoring;
mod cargo;
pub mod cases;
pub mod client;
pub mod decide;
pub mod embedded;
pub mod envoy;
pub mod filter_build;
pub mod filter_log;
pub mod gateway;
pub mod init;
pub mod issuer;
mod loopback;
pub mod oracle;
pub mod paths;
mod policy_build;
pub mod reading;
pub mod reference;
pub mod tokens;
pub mod tool_server;
pub mod upstream;

/// The plain filter, compiled from the source beside this package: a proxy-wasm module without policies.
pub static FILTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mandate.wasm"));

/// The core modules of two example policies, by name; [`authoring::examples`] makes components of them.
static EXAMPLES: &[(&str, &[u8])] = &[
    ("tool-allow-list", include_bytes!(concat!(env!("OUT_DIR"), "/tool-allow-list.wasm"))),
    ("production-writes", include_bytes!(concat!(env!("OUT_DIR"), "/production-writes.wasm"))),
];
