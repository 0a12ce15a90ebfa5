//! One plugin of the virtual machine: its configuration, and the answers to its key fetches.

use crate::abi::Streams;
use crate::fetch::Fetcher;
use crate::worker::Worker;

/// What belongs to one root context.
#[derive(Debug)]
pub struct Root {
    pub worker: Worker,
    fetcher: Fetcher,
}

impl Root {
    pub fn new(context: u32) -> Self {
        Self { worker: Worker::default(), fetcher: Fetcher::new(context) }
    }

    pub fn configure(&mut self) {
        self.fetcher.abandon(&mut self.worker);
        self.worker.configure();
    }

    pub fn tick(&mut self, streams: &mut Streams) {
        self.fetcher.tick(&mut self.worker, streams);
        self.worker.metrics.hand_over();
    }

    pub fn answered(&mut self, streams: &mut Streams, token: u32, body_size: usize) {
        self.fetcher.answered(&mut self.worker, streams, token, body_size);
    }
}
