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

    /// Gives whether the configuration was taken; `others` are the other plugins of this machine.
    pub fn configure<'a>(&mut self, others: impl Iterator<Item = &'a Self>) -> bool {
        let taken = self.worker.configure(others.map(|other| &other.worker));
        if taken {
            self.fetcher.abandon(&mut self.worker);
        }
        taken
    }

    pub fn tick(&mut self, streams: &mut Streams) {
        self.fetcher.tick(&mut self.worker, streams);
        self.worker.metrics.hand_over();
    }

    pub fn answered(&mut self, streams: &mut Streams, token: u32, body_size: usize) {
        self.fetcher.answered(&mut self.worker, streams, token, body_size);
    }
}
