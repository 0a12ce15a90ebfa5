//! Asks a gRPC service about every request, with a call or on a stream, and lets the request wait for the answer.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, GrpcStatusCode};
use std::time::Duration;

pub struct Root {
    streaming: bool,
}

impl Root {
    pub fn unary() -> Self {
        Self { streaming: false }
    }

    pub fn streaming() -> Self {
        Self { streaming: true }
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Grpc { streaming: self.streaming, pending: None }))
    }
}

struct Grpc {
    streaming: bool,
    pending: Option<u32>,
}

impl Grpc {
    fn decide(&self, answer: &[u8]) {
        if answer == b"allow" {
            self.resume_http_request();
        } else {
            self.send_grpc_response(GrpcStatusCode::PermissionDenied, Some("denied"), vec![]);
        }
    }
}

impl Context for Grpc {
    fn on_grpc_call_response(&mut self, _: u32, status: u32, size: usize) {
        self.pending = None;
        if status == 0 {
            self.decide(&self.get_grpc_call_response_body(0, size).unwrap_or_default());
        } else {
            let (code, message) = self.get_grpc_status();
            let body = format!("{code}: {}\n", message.unwrap_or_default());
            self.send_http_response(503, vec![], Some(body.as_bytes()));
        }
    }

    fn on_grpc_stream_initial_metadata(&mut self, token: u32, count: u32) {
        let server = self.get_grpc_stream_initial_metadata_value("server").unwrap_or_default();
        self.set_http_request_header_bytes("x-server", Some(&server));
        if count > 0 {
            let path = self.get_http_request_header(":path").unwrap_or_default();
            self.send_grpc_stream_message(token, Some(path.as_bytes()), false);
        }
    }

    fn on_grpc_stream_message(&mut self, token: u32, size: usize) {
        let answer = self.get_grpc_stream_message(0, size).unwrap_or_default();
        self.close_grpc_stream(token);
        self.pending = None;
        self.decide(&answer);
    }

    fn on_grpc_stream_trailing_metadata(&mut self, _: u32, _: u32) {
        let trailers = self.get_grpc_stream_trailing_metadata();
        let names: Vec<&str> = trailers.iter().map(|(name, _)| name.as_str()).collect();
        self.set_property(vec!["trailers"], Some(names.join(",").as_bytes()));
    }

    fn on_grpc_stream_close(&mut self, _: u32, status: u32) {
        self.set_property(vec!["closed"], Some(status.to_string().as_bytes()));
    }

    fn on_done(&mut self) -> bool {
        // A client that went away needs no answer.
        if let Some(pending) = self.pending.take() {
            if self.streaming {
                self.cancel_grpc_stream(pending);
            } else {
                self.cancel_grpc_call(pending);
            }
        }
        true
    }
}

impl HttpContext for Grpc {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let metadata = vec![("x-caller", b"guest".as_slice())];
        let call = if self.streaming {
            self.open_grpc_stream("authz", "example.Authz", "Watch", metadata)
        } else {
            let path = self.get_http_request_header(":path").unwrap_or_default();
            let timeout = Duration::from_millis(250);
            self.dispatch_grpc_call(
                "authz",
                "example.Authz",
                "Check",
                metadata,
                Some(path.as_bytes()),
                timeout,
            )
        };
        match call {
            Ok(token) => self.pending = Some(token),
            Err(_) => self.send_http_response(500, vec![], Some(b"no such service\n")),
        }
        Action::Pause
    }
}
