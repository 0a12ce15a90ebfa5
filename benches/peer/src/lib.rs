//! A filter as one is written with the `proxy-wasm` crate, to compare with: it reads all headers of a request and adds one.

#![expect(missing_docs, reason = "the entry point that the macro makes")]

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| Box::new(Peer));
}}

/// One request.
#[derive(Debug)]
struct Peer;

impl Context for Peer {}

impl HttpContext for Peer {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let count = self.get_http_request_headers().len();
        self.set_http_request_header("x-header-count", Some(&count.to_string()));
        Action::Continue
    }
}
