//! Bodies of requests and responses: buffered until they are whole, and rewritten to capitals.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

pub struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Bodies { holds_request: false }))
    }
}

struct Bodies {
    holds_request: bool,
}

impl Context for Bodies {}

impl HttpContext for Bodies {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        // It will be of another length.
        self.set_http_request_header("content-length", None);
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        self.holds_request = !end;
        if self.holds_request {
            return Action::Pause;
        }
        if let Some(body) = self.get_http_request_body(0, size) {
            self.set_http_request_body(0, size, &body.to_ascii_uppercase());
        }
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        // A body that is held is whole now, and still within reach.
        if self.holds_request
            && let Some(body) = self.get_http_request_body(0, usize::MAX)
        {
            self.set_http_request_body(0, body.len(), &body.to_ascii_uppercase());
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("content-length", None);
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return Action::Pause;
        }
        if let Some(body) = self.get_http_response_body(0, size) {
            let mut shouted = body.to_ascii_uppercase();
            shouted.push(b'!');
            self.set_http_response_body(0, size, &shouted);
            self.add_http_response_trailer("x-length", &shouted.len().to_string());
        }
        Action::Continue
    }
}
