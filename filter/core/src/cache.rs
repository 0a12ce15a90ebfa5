//! Verified tokens, found again by their exact bytes.
//!
//! Only the part of a decision that cannot change is kept: signature and shape. Time, depth, scopes and policies are
//! looked at on every request, and no denial is ever kept. An entry dies with its expiry, with its issuer's key set,
//! or because the bound is reached, whichever comes first. The map hashes with a random key, so that nobody can aim
//! collisions at it.

use crate::{claims::SignedToken, limits, time::UnixTime};
use lru::LruCache;
use siphasher::sip::SipHasher13;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::rc::Rc;

/// A bounded cache of verified tokens; the least recently used goes first.
#[derive(Debug)]
pub struct TokenCache {
    entries: LruCache<Box<[u8]>, Entry, HashKey>,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    token: Rc<SignedToken>,
    key_generation: u64,
}

/// SipHash under a key from the host's random numbers; the standard library's own would trap if the host had none.
#[derive(Debug, Clone)]
struct HashKey([u8; 16]);

impl BuildHasher for HashKey {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

impl TokenCache {
    /// A cache of at most [`limits::CACHE_ENTRIES`] tokens that together are at most [`limits::CACHE_BYTES`] long.
    #[must_use]
    pub fn new(hash_key: [u8; 16]) -> Self {
        let max_entries = NonZeroUsize::new(limits::CACHE_ENTRIES).unwrap_or(NonZeroUsize::MIN);
        Self::with_bounds(hash_key, max_entries, limits::CACHE_BYTES)
    }

    /// A cache of at most `max_entries` tokens that together are at most `max_bytes` long.
    #[must_use]
    pub fn with_bounds(hash_key: [u8; 16], max_entries: NonZeroUsize, max_bytes: usize) -> Self {
        // An unbounded map grows with use, where a bounded one is allocated whole: a worker that sees ten tokens
        // pays for ten. `resize` then sets the bound.
        let mut entries = LruCache::unbounded_with_hasher(HashKey(hash_key));
        entries.resize(max_entries);
        Self { entries, bytes: 0, max_bytes }
    }

    /// The token with exactly these bytes, if it was verified with the keys of `generation_of(issuer)` and has not expired.
    pub fn get(
        &mut self,
        token: impl AsRef<[u8]>,
        now: UnixTime,
        generation_of: impl FnOnce(usize) -> Option<u64>,
    ) -> Option<Rc<SignedToken>> {
        let token = token.as_ref();
        let entry = self.entries.get(token)?;
        let current = generation_of(entry.token.issuer_index()) == Some(entry.key_generation);
        // Without the clock skew: between `exp` and `exp` + skew a token is verified anew each time, which is rare and safe.
        if current && now < entry.token.expires_at() {
            return Some(Rc::clone(&entry.token));
        }
        self.remove(token);
        None
    }

    /// Keeps a token that was verified with the keys of `key_generation`.
    pub fn insert(&mut self, token: impl AsRef<[u8]>, verified: Rc<SignedToken>, key_generation: u64) {
        let token = token.as_ref();
        self.remove(token);
        if token.len() > self.max_bytes {
            return;
        }
        while self.bytes.saturating_add(token.len()) > self.max_bytes {
            let Some((evicted, _)) = self.entries.pop_lru() else { return };
            self.bytes = self.bytes.saturating_sub(evicted.len());
        }
        self.bytes = self.bytes.saturating_add(token.len());
        if let Some((evicted, _)) = self.entries.push(token.into(), Entry { token: verified, key_generation })
        {
            self.bytes = self.bytes.saturating_sub(evicted.len());
        }
    }

    /// How many tokens are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no token is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn remove(&mut self, token: &[u8]) {
        if self.entries.pop(token).is_some() {
            self.bytes = self.bytes.saturating_sub(token.len());
        }
    }
}
