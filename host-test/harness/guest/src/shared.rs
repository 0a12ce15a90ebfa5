//! Counts requests in shared data, together with the other workers, and passes their paths to the worker that reads the queue.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

const COUNT: &str = "count";
const QUEUE: &str = "paths";

#[derive(Default)]
pub struct Root {
    queue: Option<u32>,
}

impl Context for Root {}

impl RootContext for Root {
    /// The worker that is configured to be the `reader` opens the queue; the others look it up.
    fn on_configure(&mut self, _: usize) -> bool {
        self.queue = if self.get_plugin_configuration().as_deref() == Some(b"reader") {
            Some(self.register_shared_queue(QUEUE))
        } else {
            self.resolve_shared_queue("", QUEUE)
        };
        true
    }

    fn on_queue_ready(&mut self, queue: u32) {
        if let Ok(Some(path)) = self.dequeue_shared_queue(queue) {
            log::info!("someone asked for {}", String::from_utf8_lossy(&path));
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Shared { queue: self.queue }))
    }
}

struct Shared {
    queue: Option<u32>,
}

impl Context for Shared {}

impl Shared {
    /// Adds one, again if another worker was faster.
    fn count(&self) -> u32 {
        loop {
            let (value, cas) = self.get_shared_data(COUNT);
            let count = value.and_then(|value| value.try_into().ok()).map_or(0, u32::from_le_bytes);
            let next = count.wrapping_add(1);
            if self.set_shared_data(COUNT, Some(&next.to_le_bytes()), cas).is_ok() {
                return next;
            }
        }
    }
}

impl HttpContext for Shared {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let count = self.count();
        self.set_http_request_header("x-count", Some(&count.to_string()));
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let queued = self.queue.map(|queue| self.enqueue_shared_queue(queue, Some(path.as_bytes())));
        self.set_http_request_header("x-queued", Some(&format!("{queued:?}")));
        Action::Continue
    }
}
