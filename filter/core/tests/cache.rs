//! Verified tokens are found again by their exact bytes, and never longer than they may be.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::chain::SignedToken;
use mandate_core::chain::TokenCache;
use mandate_core::limits;
use mandate_core::time::UnixTime;
use proptest::prelude::*;
use serde_json::json;
use std::num::NonZeroUsize;
use std::rc::Rc;
use support::{NOW, NOW_S, verify};

fn verified() -> Rc<SignedToken> {
    Rc::new(verify(json!({})).unwrap())
}

fn cache(entries: usize, bytes: usize) -> TokenCache {
    TokenCache::with_bounds([7; 16], NonZeroUsize::new(entries).unwrap(), bytes)
}

fn has(cache: &mut TokenCache, token: &str) -> bool {
    cache.get(token, NOW, |_| Some(1)).is_some()
}

#[test]
fn a_token_that_differs_in_one_character_is_not_found() {
    let mut cache = cache(10, 1000);
    cache.insert("aaa.bbb.ccc", verified(), 1);
    for other in
        ["aaa.bbb.ccd", "aaa.bbb.cc", "aaa.bbb.cccc", "AAA.bbb.ccc", "aaa.bbb.ccc ", "", "baa.bbb.ccc"]
    {
        assert!(!has(&mut cache, other), "{other}");
    }
    assert!(has(&mut cache, "aaa.bbb.ccc"));
}

#[test]
fn a_token_is_not_found_from_its_expiry_on_and_is_then_forgotten() {
    let exp_ms = (NOW_S + 600) * 1000;
    for (now_ms, found) in [(exp_ms, false), (exp_ms + 1, false), (u64::MAX, false), (exp_ms - 1, true)] {
        let mut cache = cache(10, 1000);
        cache.insert("token", verified(), 1);
        assert_eq!(
            cache.get("token", UnixTime::from_millis(now_ms), |_| Some(1)).is_some(),
            found,
            "{now_ms}"
        );
        assert_eq!(cache.is_empty(), !found, "{now_ms}");
        assert_eq!(
            has(&mut cache, "token"),
            found,
            "an expired token does not come back when the clock goes back"
        );
    }
}

#[test]
fn a_token_of_another_key_generation_or_of_none_is_not_found_and_is_then_forgotten() {
    for (generation, found) in [(Some(2), false), (Some(0), false), (None, false), (Some(1), true)] {
        let mut cache = cache(10, 1000);
        cache.insert("token", verified(), 1);
        assert_eq!(cache.get("token", NOW, |_| generation).is_some(), found, "{generation:?}");
        assert_eq!(
            has(&mut cache, "token"),
            found,
            "{generation:?}: it does not come back with the old keys"
        );
    }
}

#[test]
fn the_generation_asked_for_is_that_of_the_tokens_issuer() {
    let mut cache = cache(10, 1000);
    cache.insert("token", verified(), 1);
    assert!(
        cache
            .get("token", NOW, |issuer| {
                assert_eq!(issuer, 0);
                Some(1)
            })
            .is_some()
    );
}

#[test]
fn the_least_recently_used_token_goes_first() {
    let mut cache = cache(2, 1000);
    cache.insert("a", verified(), 1);
    cache.insert("b", verified(), 1);
    assert!(has(&mut cache, "a"));
    cache.insert("c", verified(), 1);
    assert!(!has(&mut cache, "b"));
    assert!(has(&mut cache, "a") && has(&mut cache, "c"));
}

#[test]
fn a_token_longer_than_the_whole_bound_is_not_kept() {
    let mut cache = cache(10, 10);
    cache.insert("12345678901", verified(), 1);
    assert!(cache.is_empty());
    cache.insert("1234567890", verified(), 1);
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_token_longer_than_the_whole_bound_pushes_no_other_out() {
    let mut cache = cache(10, 10);
    cache.insert("12345", verified(), 1);
    cache.insert("abcde", verified(), 1);
    cache.insert("12345678901", verified(), 1);
    assert!(!has(&mut cache, "12345678901"));
    assert!(has(&mut cache, "12345") && has(&mut cache, "abcde"), "the bound is as full as it was");
    // Nor is it counted: what fits next takes the place of one, not of both.
    cache.insert("vwxyz", verified(), 1);
    assert!(has(&mut cache, "vwxyz") && has(&mut cache, "abcde") && !has(&mut cache, "12345"));
}

#[test]
fn the_default_bounds_hold() {
    let mut cache = TokenCache::new([7; 16]);
    let token = verified();
    for i in 0..limits::CACHE_ENTRIES + 10 {
        cache.insert(format!("{i:08}"), Rc::clone(&token), 1);
    }
    assert_eq!(cache.len(), limits::CACHE_ENTRIES);
    assert!(!has(&mut cache, "00000009"));
    assert!(has(&mut cache, "00000010"));

    let mut cache = TokenCache::new([7; 16]);
    let long = "x".repeat(limits::TOKEN_BYTES - 8);
    for i in 0..limits::CACHE_BYTES / limits::TOKEN_BYTES + 10 {
        cache.insert(format!("{i:08}{long}"), Rc::clone(&token), 1);
    }
    assert_eq!(cache.len(), limits::CACHE_BYTES / limits::TOKEN_BYTES);
}

#[derive(Debug, Clone)]
enum Action {
    Insert(usize, u64),
    Get(usize, u64),
    GetLate(usize),
}

/// What the cache should be: a list, the most recently used last.
#[derive(Default)]
struct Model(Vec<(String, u64)>);

impl Model {
    fn take(&mut self, token: &str) -> Option<(String, u64)> {
        let at = self.0.iter().position(|(t, _)| t == token)?;
        Some(self.0.remove(at))
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|(t, _)| t.len()).sum()
    }

    fn insert(&mut self, token: &str, generation: u64, entries: usize, bytes: usize) {
        let _ = self.take(token);
        if token.len() > bytes {
            return;
        }
        self.0.push((token.to_owned(), generation));
        while self.0.len() > entries || self.bytes() > bytes {
            self.0.remove(0);
        }
    }

    fn get(&mut self, token: &str, generation: u64, expired: bool) -> bool {
        match self.take(token) {
            Some(entry) if entry.1 == generation && !expired => {
                self.0.push(entry);
                true
            }
            _ => false,
        }
    }
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        3 => (0_usize..12, 0_u64..3).prop_map(|(t, g)| Action::Insert(t, g)),
        3 => (0_usize..12, 0_u64..3).prop_map(|(t, g)| Action::Get(t, g)),
        1 => (0_usize..12).prop_map(Action::GetLate),
    ];
    prop::collection::vec(action, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn the_cache_does_what_a_list_would_and_never_keeps_more_than_its_bounds(
        actions in actions(), entries in 1_usize..6, bytes in 1_usize..80,
    ) {
        let token = verified();
        let mut cache = cache(entries, bytes);
        let mut model = Model::default();
        // Different lengths, some too long for any bound here.
        let name = |n: usize| format!("{n:02}{}", "x".repeat(n * 8));
        for action in actions {
            match action {
                Action::Insert(n, generation) => {
                    cache.insert(name(n), Rc::clone(&token), generation);
                    model.insert(&name(n), generation, entries, bytes);
                }
                Action::Get(n, generation) => {
                    let found = cache.get(name(n), NOW, |_| Some(generation)).is_some();
                    prop_assert_eq!(found, model.get(&name(n), generation, false));
                }
                Action::GetLate(n) => {
                    let found = cache.get(name(n), token.expires_at(), |_| Some(1)).is_some();
                    prop_assert_eq!(found, model.get(&name(n), 1, true));
                }
            }
            prop_assert_eq!(cache.len(), model.0.len());
            prop_assert!(cache.len() <= entries && model.bytes() <= bytes);
        }
        // What is kept is what the model kept, so its bytes are within the bound too.
        for (kept, generation) in model.0 {
            prop_assert!(cache.get(&kept, NOW, |_| Some(generation)).is_some());
        }
    }
}
