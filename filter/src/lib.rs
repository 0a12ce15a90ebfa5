//! Mandate as a proxy-wasm module. It only carries: headers, keys and time to the decisions of `mandate-core`, and
//! decisions back to the proxy.
//!
//! One [`Worker`](worker::Worker) per VM holds the configuration and the keys; each request has a
//! [`Request`](request::Request). `host` is the only file that calls the proxy.

#![expect(missing_docs, reason = "the entry point that the macro makes")]

mod fetch;
mod host;
mod metrics;
mod request;
mod root;
mod seam;
mod verifier;
mod worker;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| Box::new(root::Root::new(id)));
}}
