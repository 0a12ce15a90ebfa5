//! Reads lines of a TCP connection: holds what has no end yet, marks what the client says, and closes at `quit`.

use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType, PeerType};

pub struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }

    fn create_stream_context(&self, _: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Lines))
    }
}

struct Lines;

impl Context for Lines {}

impl StreamContext for Lines {
    fn on_downstream_data(&mut self, size: usize, end: bool) -> Action {
        let data = self.get_downstream_data(0, size).unwrap_or_default();
        if data == b"quit\n" {
            self.close_downstream();
            return Action::Pause;
        }
        if !data.ends_with(b"\n") && !end {
            return Action::Pause;
        }
        self.set_downstream_data(0, 0, b"> ");
        Action::Continue
    }

    fn on_upstream_data(&mut self, size: usize, _: bool) -> Action {
        let data = self.get_upstream_data(0, size).unwrap_or_default();
        self.set_upstream_data(0, size, &data.to_ascii_uppercase());
        Action::Continue
    }

    fn on_downstream_close(&mut self, peer: PeerType) {
        log::info!("the client's end was closed: {peer:?}");
    }

    fn on_upstream_close(&mut self, peer: PeerType) {
        log::info!("the upstream's end was closed: {peer:?}");
    }

    fn on_log(&mut self) {
        log::info!("the connection is over");
    }
}
