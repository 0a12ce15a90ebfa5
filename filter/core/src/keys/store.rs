//! Where an issuer's keys come from, and how they stay fresh.
//!
//! A remote set is fetched after start, again every `refresh_s`, and once more for a `kid` that nobody knows, at most
//! every [`limits::UNKNOWN_KID_REFETCH_S`]. A failed or empty answer never replaces good keys; they are used until
//! they are `stale_s` old. All of this is arithmetic on times that the caller brings; the caller also does the
//! fetching.
//!
//! **Nothing is shared between workers.** What a proxy lets its workers share, it lets every other plugin of the same
//! `vm_id` write, and Istio gives all plugins the same: keys from there are a neighbour's to choose. So each worker fetches
//! for itself, and what it costs falls on the issuer: *(workers + 1) × proxies / `refresh_s`* requests a second at least, for the
//! proxy's main thread fetches too. For 10,000 proxies of 16 workers and a `refresh_s` of 300 that is 567 a second, and about 630
//! with the early refresh: so that fetches come evenly, a refresh is due at a random moment between 80 % and 100 % of `refresh_s`,
//! drawn anew after each fetch, and pauses after failures are drawn likewise.
//!
//! A new configuration takes the last good set over from the one before it, see [`RemoteStore::take_over`].

use super::key::{KeyUse, PublicKey};
use super::set::{KeySet, KeySetError};
use crate::algorithm::Algorithm;
use crate::config::RemoteKeys;
use crate::{limits, time::UnixTime};
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use std::rc::Rc;

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

/// A key set that was fetched, and what it was read from.
#[derive(Debug, Clone)]
struct Fetched {
    set: Rc<KeySet>,
    document: Rc<[u8]>,
    at: UnixTime,
}

/// When the next attempt may be made.
#[derive(Debug, Clone, Copy, Default)]
struct Pacing {
    /// Until when a fetch is under way; zero when none is.
    busy_until: UnixTime,
    /// Before when no attempt may be made, after failures.
    not_before: UnixTime,
    /// When an unknown `kid` last caused a fetch.
    unknown_kid_at: UnixTime,
    /// When the present set should be fetched again.
    refresh_at: UnixTime,
    /// How many attempts failed since the last success.
    failures: u64,
}

/// Random numbers that no other worker has: a keyed hash of a count, its key from the host.
#[derive(Clone)]
struct Dice {
    key: [u8; 16],
    issuer: usize,
    thrown: u64,
}

impl Dice {
    /// A number below `bound`; zero if that is zero.
    fn below(&mut self, bound: u64) -> u64 {
        self.thrown = self.thrown.wrapping_add(1);
        // The key is also that of the token cache and of the decisions' ids; the text keeps the three apart.
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(b"fetch times");
        hasher.write_usize(self.issuer);
        hasher.write_u64(self.thrown);
        hasher.finish().checked_rem(bound).unwrap_or(0)
    }

    /// A time between 80 % and 100 % of so many milliseconds.
    fn late_in(&mut self, ms: u64) -> u64 {
        let fifth = ms / 5;
        ms.saturating_sub(self.below(fifth.saturating_add(1)))
    }
}

impl std::fmt::Debug for Dice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dice").finish_non_exhaustive()
    }
}

/// A key set that is fetched over HTTP.
#[derive(Debug)]
pub struct RemoteStore {
    config: RemoteKeys,
    key_use: KeyUse,
    fetched: Option<Fetched>,
    /// The highest sequence number of a bundle that was in force while this one is.
    sequence: Option<u64>,
    generation: u64,
    pacing: Pacing,
    dice: Dice,
    /// A token named a `kid` that the set does not have, and a fetch for it is owed.
    unknown_kid: bool,
}

impl RemoteStore {
    /// An empty store for keys of this use. `seed` is random, from the host, and `issuer` the position of the issuer: they
    /// decide at which of the possible moments this store fetches.
    #[must_use]
    pub fn new(config: RemoteKeys, key_use: KeyUse, seed: [u8; 16], issuer: usize) -> Self {
        Self {
            config,
            key_use,
            fetched: None,
            sequence: None,
            generation: 0,
            pacing: Pacing::default(),
            dice: Dice { key: seed, issuer, thrown: 0 },
            unknown_kid: false,
        }
    }

    /// Takes over what `earlier` has, if it fetches from the same place and its set is newer: a store of the configuration
    /// before, or of another plugin of this module in the same memory. So a configuration that changes while the issuer is
    /// down costs nobody their keys.
    pub fn take_over(&mut self, earlier: &Self) {
        // Compared as a pair: joined to one text, other pairs might say the same.
        let place = |store: &Self| (store.config.cluster.clone(), store.config.uri.clone());
        if self.key_use != earlier.key_use
            || place(self) != place(earlier)
            || self.fetched_at() >= earlier.fetched_at()
        {
            return;
        }
        let Some(fetched) = earlier.fetched.clone() else { return };
        // Fetched later, and yet an older bundle: from a server that lags behind.
        if earlier.sequence < self.sequence {
            return;
        }
        self.sequence = earlier.sequence;
        // A fetch that is under way there is answered there.
        self.pacing = Pacing { busy_until: UnixTime::default(), ..earlier.pacing };
        let at = fetched.at;
        self.fetched = Some(fetched);
        self.pacing.refresh_at = self.refresh_after(at);
        self.generation = self.generation.wrapping_add(1);
    }

    /// Where to fetch from.
    #[must_use]
    pub fn config(&self) -> &RemoteKeys {
        &self.config
    }

    /// When the present set was fetched.
    #[must_use]
    pub fn fetched_at(&self) -> Option<UnixTime> {
        self.fetched.as_ref().map(|fetched| fetched.at)
    }

    fn find(&mut self, kid: Option<&str>, algorithm: Algorithm, now: UnixTime) -> Lookup<'_> {
        if !self.is_usable(now) {
            return if self.is_busy(now) || self.is_due(now) { Lookup::Wait } else { Lookup::Unavailable };
        }
        // Asked twice because the borrow checker cannot see that the early return ends the first borrow.
        if self.fetched.as_ref().is_none_or(|fetched| fetched.set.find(kid, algorithm).is_none()) {
            if self.is_busy(now) {
                return Lookup::Wait;
            }
            self.unknown_kid = self.may_refetch_for_unknown_kid(now);
            return match self.unknown_kid {
                true => Lookup::Wait,
                // The issuer may have the key by now; nobody could ask.
                false if self.pacing.failures > 0 => Lookup::Unavailable,
                false => Lookup::Unknown,
            };
        }
        let found = self.fetched.as_ref().and_then(|fetched| fetched.set.find(kid, algorithm));
        found.map_or(Lookup::Unknown, |key| Lookup::Found(key, self.generation))
    }

    /// Whether there is a set that may be trusted.
    #[must_use]
    pub fn is_usable(&self, now: UnixTime) -> bool {
        self.fetched_at()
            .is_some_and(|at| now < at.plus_secs(self.config.stale_s) && !is_from_the_future(at, now))
    }

    /// Whether a fetch is under way.
    #[must_use]
    pub fn is_busy(&self, now: UnixTime) -> bool {
        // One that ends later than any could began before the clock was set back.
        now < self.pacing.busy_until && self.pacing.busy_until <= now.plus_millis(LONGEST_FETCH_MS)
    }

    /// Whether a fetch should be started now.
    #[must_use]
    pub fn is_due(&self, now: UnixTime) -> bool {
        if self.is_busy(now) || self.must_pause(now) {
            return false;
        }
        let is_old = |at| now >= self.pacing.refresh_at || is_from_the_future(at, now);
        self.fetched_at().is_none_or(is_old) || (self.unknown_kid && self.may_refetch_for_unknown_kid(now))
    }

    fn may_refetch_for_unknown_kid(&self, now: UnixTime) -> bool {
        let last = self.pacing.unknown_kid_at;
        !self.must_pause(now) && (now < last || now >= last.plus_secs(limits::UNKNOWN_KID_REFETCH_S))
    }

    /// Whether the pause after a failure is not over. One that is longer than any could be is not believed.
    fn must_pause(&self, now: UnixTime) -> bool {
        let until = self.pacing.not_before;
        now < until && until <= now.plus_millis(limits::KEYS_BACKOFF_MAX_MS)
    }

    /// When a set that was fetched at this time should be fetched again: a bundle may ask for it sooner than the
    /// configuration does.
    fn refresh_after(&mut self, at: UnixTime) -> UnixTime {
        let hint_s = self.set().and_then(KeySet::refresh_hint_s).unwrap_or(u64::MAX);
        let refresh_s = self.config.refresh_s.min(hint_s.max(*limits::KEYS_REFRESH_S.start()));
        at.plus_millis(self.dice.late_in(refresh_s.saturating_mul(1000)))
    }

    /// Notes that a fetch starts. What comes of it goes to [`accept`](Self::accept) or [`failed`](Self::failed).
    pub fn begin(&mut self, now: UnixTime) {
        self.pacing.busy_until =
            now.plus_millis(self.config.timeout_ms.saturating_add(limits::KEYS_FETCH_GRACE_MS));
        if self.unknown_kid {
            self.pacing.unknown_kid_at = now;
        }
    }

    /// The present set.
    #[must_use]
    pub fn set(&self) -> Option<&KeySet> {
        self.fetched.as_ref().map(|fetched| &*fetched.set)
    }

    /// Takes a set that was fetched at `at`, and says whether it is another than the present one.
    ///
    /// # Errors
    /// If it is no usable key set; the present one is kept then, and the fetch has [`failed`](Self::failed).
    pub fn accept(&mut self, document: &[u8], at: UnixTime) -> Result<bool, KeySetError> {
        let mut is_new = false;
        match &mut self.fetched {
            Some(fetched) if *fetched.document == *document => fetched.at = at,
            _ => {
                let set = Rc::new(KeySet::parse_for(self.key_use, document)?);
                let in_force = self.sequence.filter(|_| self.is_usable(at));
                if let (Some(sequence), Some(in_force)) = (set.sequence(), in_force)
                    && sequence < in_force
                {
                    return Err(KeySetError::Older { sequence, in_force });
                }
                // One without a number does not make an older one acceptable.
                self.sequence = set.sequence().or(in_force);
                self.fetched = Some(Fetched { set, document: document.into(), at });
                self.generation = self.generation.wrapping_add(1);
                is_new = true;
            }
        }
        self.unknown_kid = false;
        let refresh_at = self.refresh_after(at);
        self.pacing = Pacing { unknown_kid_at: self.pacing.unknown_kid_at, refresh_at, ..Pacing::default() };
        Ok(is_new)
    }

    /// Notes that a fetch failed: wait about a second, then two, four, … before the next.
    pub fn failed(&mut self, now: UnixTime) {
        let failures = self.pacing.failures.saturating_add(1);
        let pause =
            1000_u64.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(limits::KEYS_BACKOFF_MAX_MS);
        self.pacing.failures = failures;
        self.pacing.busy_until = UnixTime::default();
        self.pacing.not_before = now.plus_millis(self.dice.late_in(pause));
    }
}
