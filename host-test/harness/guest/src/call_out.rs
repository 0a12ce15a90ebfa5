//! Asks a service about every request, and lets it wait for the answer.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use std::time::Duration;

pub struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(CallOut))
    }
}

struct CallOut;

impl Context for CallOut {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body_size: usize, _: usize) {
        let status = (headers > 0).then(|| self.get_http_call_response_header(":status")).flatten();
        match status.as_deref() {
            Some("200") => {
                let user = self.get_http_call_response_body(0, body_size).unwrap_or_default();
                self.set_http_request_header_bytes("x-user", Some(&user));
                self.resume_http_request();
            }
            Some(_) => self.send_http_response(403, vec![], Some(b"denied\n")),
            None => {
                let (code, message) = self.get_grpc_status();
                let body = format!("no answer: {code} {}\n", message.unwrap_or_default());
                self.send_http_response(503, vec![], Some(body.as_bytes()));
            }
        }
    }
}

impl HttpContext for CallOut {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let headers = vec![(":method", "POST"), (":path", "/check"), (":authority", "authz.example")];
        let call =
            self.dispatch_http_call("authz", headers, Some(path.as_bytes()), vec![], Duration::from_secs(1));
        if call.is_err() {
            self.send_http_response(500, vec![], Some(b"no such service\n"));
        }
        Action::Pause
    }
}
