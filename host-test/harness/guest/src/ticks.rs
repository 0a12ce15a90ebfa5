//! Counts the ticks of the proxy and the calls of its extensions, and asks for time before it ends: it ends with the next tick.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType};
use std::time::{Duration, UNIX_EPOCH};

#[derive(Default)]
pub struct Root {
    ticks: u32,
    ending: bool,
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        self.ending = true;
        false
    }

    fn on_foreign_function(&mut self, function: u32, size: usize) {
        let arguments = proxy_wasm::hostcalls::get_buffer(BufferType::CallData, 0, size);
        let arguments = arguments.ok().flatten().unwrap_or_default();
        log::info!("function {function}: {}", String::from_utf8_lossy(&arguments));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let period =
            self.get_plugin_configuration().and_then(|text| String::from_utf8(text).ok()?.parse().ok());
        self.set_tick_period(Duration::from_millis(period.unwrap_or(1_000)));
        true
    }

    fn on_tick(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
        let now = self.get_current_time().duration_since(UNIX_EPOCH).unwrap_or_default();
        log::info!("tick {} at {} s", self.ticks, now.as_secs());
        if self.ending {
            self.done();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Ticks { ticks: self.ticks }))
    }
}

struct Ticks {
    ticks: u32,
}

impl Context for Ticks {}

impl HttpContext for Ticks {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_request_header("x-ticks", Some(&self.ticks.to_string()));
        Action::Continue
    }
}
