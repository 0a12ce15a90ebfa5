//! Where an issuer's keys come from, and how they stay fresh.
//!
//! A remote set is fetched at start, again every `refresh_s`, and once more for a `kid` that nobody knows, at most
//! every [`limits::UNKNOWN_KID_REFETCH_S`]. A failed or empty answer never replaces good keys; they are used until
//! they are `stale_s` old. All of this is arithmetic on times that the caller brings; the caller also does the
//! fetching. Workers agree on who fetches through a [`Ledger`] that they keep in shared memory.

use crate::algorithm::Algorithm;
use crate::config::RemoteKeys;
use crate::keys::{KeySet, KeySetError, PublicKey};
use crate::{limits, time::UnixTime};

/// No fetch is under way for longer.
const LONGEST_FETCH_MS: u64 = *limits::KEYS_TIMEOUT_MS.end() + limits::KEYS_FETCH_GRACE_MS;

/// A set that was fetched in the future means that the clock was set back: nobody knows how old it is.
fn is_from_the_future(fetched_at: UnixTime, now: UnixTime) -> bool {
    fetched_at > now.plus_millis(LONGEST_FETCH_MS)
}

/// The keys of one issuer.
#[derive(Debug)]
pub enum KeyStore {
    /// Given in the configuration; they change only with it.
    Inline(KeySet),
    /// Fetched.
    Remote(RemoteStore),
}

/// What a look for a key found.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// The key, and the generation of the set that it is from.
    Found(&'a PublicKey, u64),
    /// The issuer has no such key.
    Unknown,
    /// The set is missing or too old, or a newer one may have the key: a fetch is due or under way.
    Wait,
    /// The set is missing or too old, and no fetch is due yet.
    Unavailable,
}

impl KeyStore {
    /// Looks for a key. Asking for an unknown `kid` makes a refetch due, if none was made for that lately.
    pub fn find(&mut self, kid: Option<&str>, algorithm: Algorithm, now: UnixTime) -> Lookup<'_> {
        match self {
            Self::Inline(set) => {
                set.find(kid, algorithm).map_or(Lookup::Unknown, |key| Lookup::Found(key, 0))
            }
            Self::Remote(store) => store.find(kid, algorithm, now),
        }
    }

    /// Which set the keys are from now; `None` if there is none to be trusted.
    #[must_use]
    pub fn generation(&self, now: UnixTime) -> Option<u64> {
        match self {
            Self::Inline(_) => Some(0),
            Self::Remote(store) => store.is_usable(now).then_some(store.generation),
        }
    }
}

/// Who fetches, and when the next attempt may be made: a few numbers that all workers share for one issuer.
///
/// In shared memory it is five little-endian 64-bit integers; anything else there counts as an empty ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Until when some worker's fetch is under way; zero when none is.
    busy_until: UnixTime,
    /// Before when no attempt may be made, after failures.
    not_before: UnixTime,
    /// When an unknown `kid` last caused a fetch.
    unknown_kid_at: UnixTime,
    /// When the newest set was fetched that lies in shared memory.
    fetched_at: UnixTime,
    /// How many attempts failed since the last success.
    failures: u64,
}

impl Ledger {
    /// Length of the shared form in bytes.
    pub const BYTES: usize = 40;

    /// The shared form.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let times =
            [self.busy_until, self.not_before, self.unknown_kid_at, self.fetched_at].map(UnixTime::as_millis);
        times.into_iter().chain([self.failures]).flat_map(u64::to_le_bytes).collect()
    }

    /// From the shared form.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let numbers: Vec<u64> =
            bytes.chunks_exact(8).filter_map(|c| c.try_into().ok().map(u64::from_le_bytes)).collect();
        match (bytes.len(), numbers.as_slice()) {
            (Self::BYTES, &[busy_until, not_before, unknown_kid_at, fetched_at, failures]) => Self {
                busy_until: UnixTime::from_millis(busy_until),
                not_before: UnixTime::from_millis(not_before),
                unknown_kid_at: UnixTime::from_millis(unknown_kid_at),
                fetched_at: UnixTime::from_millis(fetched_at),
                failures,
            },
            _ => Self::default(),
        }
    }
}

/// A key set that is fetched over HTTP.
#[derive(Debug)]
pub struct RemoteStore {
    config: RemoteKeys,
    set: Option<(KeySet, UnixTime)>,
    /// The document that `set` was read from.
    document: Vec<u8>,
    generation: u64,
    ledger: Ledger,
    /// A token named a `kid` that the set does not have, and a fetch for it is owed.
    unknown_kid: bool,
}

impl RemoteStore {
    /// An empty store: a fetch is due at once.
    #[must_use]
    pub fn new(config: RemoteKeys) -> Self {
        Self {
            config,
            set: None,
            document: Vec::new(),
            generation: 0,
            ledger: Ledger::default(),
            unknown_kid: false,
        }
    }

    /// Where to fetch from.
    #[must_use]
    pub fn config(&self) -> &RemoteKeys {
        &self.config
    }

    /// When the present set was fetched.
    #[must_use]
    pub fn fetched_at(&self) -> Option<UnixTime> {
        self.set.as_ref().map(|(_, at)| *at)
    }

    fn find(&mut self, kid: Option<&str>, algorithm: Algorithm, now: UnixTime) -> Lookup<'_> {
        if !self.is_usable(now) {
            return if self.is_busy(now) || self.is_due(now) { Lookup::Wait } else { Lookup::Unavailable };
        }
        // Asked twice because the borrow checker cannot see that the early return ends the first borrow.
        if self.set.as_ref().is_none_or(|(set, _)| set.find(kid, algorithm).is_none()) {
            if self.is_busy(now) {
                return Lookup::Wait;
            }
            self.unknown_kid = self.may_refetch_for_unknown_kid(now);
            return match self.unknown_kid {
                true => Lookup::Wait,
                // The issuer may have the key by now; nobody could ask.
                false if self.ledger.failures > 0 => Lookup::Unavailable,
                false => Lookup::Unknown,
            };
        }
        let found = self.set.as_ref().and_then(|(set, _)| set.find(kid, algorithm));
        found.map_or(Lookup::Unknown, |key| Lookup::Found(key, self.generation))
    }

    fn is_usable(&self, now: UnixTime) -> bool {
        self.set
            .as_ref()
            .is_some_and(|(_, at)| now < at.plus_secs(self.config.stale_s) && !is_from_the_future(*at, now))
    }

    /// Whether a fetch is under way, here or in another worker.
    #[must_use]
    pub fn is_busy(&self, now: UnixTime) -> bool {
        // A claim that ends later than any could is from a clock that was set back, or no claim at all.
        now < self.ledger.busy_until && self.ledger.busy_until <= now.plus_millis(LONGEST_FETCH_MS)
    }

    /// Whether a fetch should be started now.
    #[must_use]
    pub fn is_due(&self, now: UnixTime) -> bool {
        if self.is_busy(now) || self.must_pause(now) {
            return false;
        }
        let is_old =
            |at: &UnixTime| now >= at.plus_secs(self.config.refresh_s) || is_from_the_future(*at, now);
        let refresh = self.set.as_ref().is_none_or(|(_, at)| is_old(at));
        refresh || (self.unknown_kid && self.may_refetch_for_unknown_kid(now))
    }

    fn may_refetch_for_unknown_kid(&self, now: UnixTime) -> bool {
        let last = self.ledger.unknown_kid_at;
        !self.must_pause(now) && (now < last || now >= last.plus_secs(limits::UNKNOWN_KID_REFETCH_S))
    }

    /// Whether the pause after a failure is not over. One that is longer than any could be is not believed.
    fn must_pause(&self, now: UnixTime) -> bool {
        let until = self.ledger.not_before;
        now < until && until <= now.plus_millis(limits::KEYS_BACKOFF_MAX_MS)
    }

    /// The ledger as it stands now, whoever wrote it.
    pub fn observe(&mut self, ledger: Ledger) {
        self.ledger = ledger;
    }

    /// The ledger that claims the next fetch. Write it only if nobody else wrote meanwhile, then [`observe`](Self::observe) it.
    #[must_use]
    pub fn claim(&self, now: UnixTime) -> Ledger {
        let busy_until = now.plus_millis(self.config.timeout_ms.saturating_add(limits::KEYS_FETCH_GRACE_MS));
        let unknown_kid_at = if self.unknown_kid { now } else { self.ledger.unknown_kid_at };
        Ledger { busy_until, unknown_kid_at, ..self.ledger }
    }

    /// Takes a set that was fetched at `at`, by this worker or another.
    ///
    /// # Errors
    /// If it is no usable key set; the present one is kept then.
    pub fn accept(&mut self, document: &[u8], at: UnixTime) -> Result<(), KeySetError> {
        let set = KeySet::parse(document)?;
        self.set = Some((set, at));
        self.unknown_kid = false;
        if self.document != document {
            self.generation = self.generation.wrapping_add(1);
            self.document = document.to_vec();
        }
        Ok(())
    }

    /// The ledger to write after a fetch that succeeded, once the set itself lies in shared memory.
    #[must_use]
    pub fn succeeded(&self) -> Ledger {
        Ledger {
            unknown_kid_at: self.ledger.unknown_kid_at,
            fetched_at: self.fetched_at().unwrap_or_default(),
            ..Ledger::default()
        }
    }

    /// The ledger to write after a fetch that failed: wait a second, then two, four, … before the next.
    #[must_use]
    pub fn failed(&self, now: UnixTime) -> Ledger {
        let failures = self.ledger.failures.saturating_add(1);
        let pause =
            1000_u64.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(limits::KEYS_BACKOFF_MAX_MS);
        Ledger {
            busy_until: UnixTime::default(),
            not_before: now.plus_millis(pause),
            failures,
            ..self.ledger
        }
    }

    /// Whether another worker fetched a newer set than this one has.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.ledger.fetched_at > self.fetched_at().unwrap_or_default()
    }
}
