//! The root context: configuration, ticks, and the answers to key fetches.

use crate::fetch::Fetcher;
use crate::request::Request;
use crate::worker::Worker;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::cell::RefCell;
use std::rc::Rc;

/// The root context of one VM.
#[derive(Debug)]
pub struct Root {
    worker: Rc<RefCell<Worker>>,
    fetcher: Fetcher,
}

impl Root {
    pub fn new(context: u32) -> Self {
        Self { worker: Rc::default(), fetcher: Fetcher::new(context) }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, _: usize, body_size: usize, _: usize) {
        if let Ok(mut worker) = self.worker.try_borrow_mut() {
            self.fetcher.answered(&mut worker, token, body_size);
        }
    }
}

impl RootContext for Root {
    /// Always accepts: a proxy that was told no may go on without the filter. A configuration that is wrong is kept as
    /// the reason why every request is denied.
    fn on_configure(&mut self, _: usize) -> bool {
        if let Ok(mut worker) = self.worker.try_borrow_mut() {
            self.fetcher.abandon(&mut worker);
            worker.configure();
        }
        true
    }

    fn on_tick(&mut self) {
        if let Ok(mut worker) = self.worker.try_borrow_mut() {
            self.fetcher.tick(&mut worker);
            worker.metrics.hand_over();
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::new(context, Rc::clone(&self.worker))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
