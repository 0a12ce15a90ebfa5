//! Ids of decisions.

use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;

/// The longest id: the worker's half, and the longest count.
const DECISION_ID_BYTES: usize = 16 + 1 + 20;

/// Makes decision ids: a random half for this worker, and a count.
#[derive(Debug)]
pub struct DecisionIds {
    /// The worker's half, with the dash.
    worker: String,
    count: u64,
}

/// Before there was anything random: the worker's half is zero.
impl Default for DecisionIds {
    fn default() -> Self {
        Self { worker: "0000000000000000-".to_owned(), count: 0 }
    }
}

impl DecisionIds {
    /// From sixteen random bytes of the host. They also key the cache's hash, which an id must not give away, so the
    /// worker's half is derived from them one way.
    #[must_use]
    pub fn new(seed: [u8; 16]) -> Self {
        let mut hasher = SipHasher24::new_with_key(&seed);
        hasher.write(b"decision ids");
        Self { worker: format!("{:016x}-", hasher.finish()), count: 0 }
    }

    /// The next id.
    pub fn next_id(&mut self) -> String {
        self.count = self.count.wrapping_add(1);
        let (mut digits, mut id) = (itoa::Buffer::new(), String::with_capacity(DECISION_ID_BYTES));
        id.push_str(&self.worker);
        id.push_str(digits.format(self.count));
        id
    }
}
