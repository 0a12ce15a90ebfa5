//! Mandate as a proxy-wasm module. It only carries: callbacks to `mandate-core`, and its calls to the proxy.
//!
//! `abi` has all that the proxy calls, `host` all that is called of it, `seam` what the linked policies are reached by.

mod abi;
mod host;
mod seam;
