//! Headers of requests and responses: read, added, replaced and removed. The configuration names a header to remove.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

#[derive(Default)]
pub struct Root {
    removed: Option<String>,
}

impl Context for Root {}

impl RootContext for Root {
    /// Refuses what is no field name in lower case.
    fn on_configure(&mut self, _: usize) -> bool {
        let Some(configuration) = self.get_plugin_configuration() else { return true };
        match String::from_utf8(configuration) {
            Ok(name) if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') => {
                self.removed = Some(name);
                true
            }
            _ => {
                log::error!("the configuration is no name of a header");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Headers { removed: self.removed.clone() }))
    }
}

struct Headers {
    removed: Option<String>,
}

impl Context for Headers {}

impl HttpContext for Headers {
    fn on_http_request_headers(&mut self, count: usize, end: bool) -> Action {
        if self.get_http_request_header("x-forbidden").is_some() {
            self.send_http_response(403, vec![("x-reason", "forbidden")], Some(b"no\n"));
            return Action::Pause;
        }
        if let Some(name) = &self.removed {
            self.set_http_request_header(name, None);
        }
        self.add_http_request_header("x-seen", &format!("{count} headers, end: {end}"));
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        self.set_http_request_trailer("x-seen", Some(&format!("{count} trailers")));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("server", Some("guest"));
        if self.get_http_response_header(":status").as_deref() == Some("500") {
            self.send_http_response(502, vec![], Some(b"the upstream failed\n"));
            return Action::Pause;
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.add_http_response_trailer("x-checked", "yes");
        Action::Continue
    }

    fn on_log(&mut self) {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let status = self.get_http_response_header(":status").unwrap_or_default();
        log::info!("{path} {status}");
    }
}
