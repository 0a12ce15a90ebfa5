//! Counts requests, keeps a gauge of those under way, and records the sizes of bodies.

use proxy_wasm::hostcalls::{define_metric, get_metric, increment_metric, record_metric};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MetricType};

#[derive(Clone, Copy, Default)]
pub struct Root {
    requests: u32,
    under_way: u32,
    body_bytes: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        let metrics = (
            define_metric(MetricType::Counter, "requests"),
            define_metric(MetricType::Gauge, "requests_under_way"),
            define_metric(MetricType::Histogram, "body_bytes"),
        );
        let (Ok(requests), Ok(under_way), Ok(body_bytes)) = metrics else { return false };
        *self = Self { requests, under_way, body_bytes };
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Metrics { metrics: *self }))
    }
}

struct Metrics {
    metrics: Root,
}

impl Context for Metrics {
    fn on_done(&mut self) -> bool {
        increment_metric(self.metrics.under_way, -1).is_ok()
    }
}

impl HttpContext for Metrics {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let counted =
            increment_metric(self.metrics.requests, 1).and(increment_metric(self.metrics.under_way, 1));
        let number = counted.and(get_metric(self.metrics.requests));
        self.set_http_request_header("x-number", number.ok().map(|number| number.to_string()).as_deref());
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, _: bool) -> Action {
        match record_metric(self.metrics.body_bytes, size as u64) {
            Ok(()) => Action::Continue,
            Err(_) => Action::Pause,
        }
    }
}
