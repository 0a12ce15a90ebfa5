//! The desk of Mandate: everything that runs the filter outside of a production proxy.
//!
//! - [`harness`] runs the filter's module on Wasmtime under a test's control; a user's own `cargo test` can drive it.
//! - [`decide`] decides one request file with it.
//! - [`gateway`] puts it in front of an upstream: in a real Envoy ([`envoy`]) or embedded ([`embedded`]).
//! - [`issuer`], [`upstream`], [`client`] and [`tokens`] are the other ends, all of them real.

pub mod client;
pub mod decide;
pub mod embedded;
pub mod envoy;
pub mod filter_build;
pub mod gateway;
pub mod harness;
pub mod issuer;
mod loopback;
pub mod paths;
pub mod tokens;
pub mod upstream;

/// The plain filter, compiled from the source beside this package: a proxy-wasm module without policies.
pub static FILTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mandate.wasm"));
