//! Verified tokens, found again by their exact bytes.
//!
//! Only the part of a decision that cannot change is kept: signature and shape. Time, depth, scopes and policies are
//! looked at on every request, and no denial is ever kept. An entry dies with its expiry, with its issuer's key set,
//! or because the bound is reached, whichever comes first. The hash has a random key, so that nobody can aim collisions at
//! it; should two tokens collide, the later one takes the place of the earlier.

use super::signed::SignedToken;
use crate::{limits, time::UnixTime};
use lru::LruCache;
use siphasher::sip::SipHasher13;
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroUsize;
use std::rc::Rc;

/// A bounded cache of verified tokens; the least recently used goes first.
#[derive(Debug)]
pub struct TokenCache {
    /// By the hash of the token's bytes.
    entries: LruCache<u64, Entry, BuildHasherDefault<AsItIs>>,
    hash_key: [u8; 16],
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    bytes: Box<[u8]>,
    token: Rc<SignedToken>,
    key_generation: u64,
}

/// The keys of the map are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    /// Asked of every hasher, and never called: the keys are numbers.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
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
        let mut entries = LruCache::unbounded_with_hasher(BuildHasherDefault::default());
        entries.resize(max_entries);
        Self { entries, hash_key, bytes: 0, max_bytes }
    }

    /// The token with exactly these bytes, if it was verified with the keys of `generation_of(issuer)` and has not expired.
    pub fn get(
        &mut self,
        token: impl AsRef<[u8]>,
        now: UnixTime,
        generation_of: impl FnOnce(usize) -> Option<u64>,
    ) -> Option<Rc<SignedToken>> {
        let token = token.as_ref();
        let hash = self.hash(token);
        let entry = self.entries.get(&hash).filter(|entry| same(&entry.bytes, token))?;
        let current = generation_of(entry.token.issuer().index()) == Some(entry.key_generation);
        // Without the clock skew: between `exp` and `exp` + skew a token is verified anew each time, which is rare and safe.
        if current && now < entry.token.expires_at() {
            return Some(Rc::clone(&entry.token));
        }
        let forgotten = self.entries.pop(&hash);
        self.gave_up(forgotten);
        None
    }

    /// Keeps a token that was verified with the keys of `key_generation`.
    pub fn insert(&mut self, token: impl AsRef<[u8]>, verified: Rc<SignedToken>, key_generation: u64) {
        let token = token.as_ref();
        let hash = self.hash(token);
        let replaced = self.entries.pop(&hash);
        self.gave_up(replaced);
        if token.len() > self.max_bytes {
            return;
        }
        while self.bytes.saturating_add(token.len()) > self.max_bytes {
            let Some((_, evicted)) = self.entries.pop_lru() else { return };
            self.gave_up(Some(evicted));
        }
        self.bytes = self.bytes.saturating_add(token.len());
        let entry = Entry { bytes: token.into(), token: verified, key_generation };
        let evicted = self.entries.push(hash, entry);
        self.gave_up(evicted.map(|(_, entry)| entry));
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

    fn hash(&self, token: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        hasher.write(token);
        hasher.finish()
    }

    fn gave_up(&mut self, entry: Option<Entry>) {
        self.bytes = self.bytes.saturating_sub(entry.map_or(0, |entry| entry.bytes.len()));
    }
}

/// Whether both are equal, eight bytes at a time: the C library's `memcmp` of this target goes byte by byte.
fn same(a: &[u8], b: &[u8]) -> bool {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks(), b.as_chunks());
    let words = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b);
    a.len() == b.len() && a_rest == b_rest && a.iter().zip(b).all(words)
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn texts_are_the_same_to_the_last_byte() {
        for len in 0..40_u8 {
            let text: Vec<u8> = (0..len).collect();
            assert!(same(&text, &text.clone()));
            assert!(!same(&text, &[text.as_slice(), &[0]].concat()), "{len}");
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!same(&text, &other), "{at} of {len}");
            }
        }
    }
}
