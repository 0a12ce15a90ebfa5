//! Mandate as a proxy-wasm module. It only carries: headers, keys and time to the decisions of `mandate-core`, and
//! decisions back to the proxy.
//!
//! `abi` has all that the proxy calls, `host` all that is called of it. One [`Root`](root::Root) per plugin holds the
//! configuration and the keys.

mod abi;
mod fetch;
mod host;
mod metrics;
mod request;
mod root;
mod seam;
mod verifier;
mod worker;
