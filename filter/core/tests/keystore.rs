//! When keys are fetched, by whom, and how long they are trusted: arithmetic on times that are handed in.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::algorithm::Algorithm;
use mandate_core::config::RemoteKeys;
use mandate_core::json::JsonError;
use mandate_core::keys::{KeyError, KeySet, KeySetError, KeyUse, RejectedKey};
use mandate_core::keys::{KeyStore, Lookup, RemoteStore};
use mandate_core::limits;
use mandate_core::time::UnixTime;
use proptest::prelude::*;
use serde_json::json;
use support::{KID, NOW, Private, jwks, with};

const START_MS: u64 = 1_700_000_000_000;
const TIMEOUT_MS: u64 = 1000;
const REFRESH_MS: u64 = 300_000;
const STALE_MS: u64 = 3_600_000;

/// So many milliseconds after the start.
fn at(ms: u64) -> UnixTime {
    UnixTime::from_millis(START_MS + ms)
}

fn new_store() -> RemoteStore {
    let config = RemoteKeys {
        cluster: "idp".to_owned(),
        uri: "https://idp.example/jwks.json".to_owned(),
        timeout_ms: TIMEOUT_MS,
        refresh_s: REFRESH_MS / 1000,
        stale_s: STALE_MS / 1000,
    };
    RemoteStore::new(config, KeyUse::Signatures, [7; 16], 0)
}

/// A worker, with its store as the request path sees it.
struct Worker(KeyStore);

impl Worker {
    fn new() -> Self {
        Self(KeyStore::Remote(new_store()))
    }

    /// One whose set was fetched at the start.
    fn ready() -> Self {
        let mut worker = Self::new();
        worker.begin(0);
        worker.accept(&document(), 0);
        worker
    }

    fn store(&mut self) -> &mut RemoteStore {
        match &mut self.0 {
            KeyStore::Remote(store) => store,
            KeyStore::Inline(_) => panic!("a remote store"),
        }
    }

    fn begin(&mut self, ms: u64) {
        self.store().begin(at(ms));
    }

    fn accept(&mut self, document: &[u8], ms: u64) {
        self.store().accept(document, at(ms)).unwrap();
    }

    fn fail(&mut self, ms: u64) {
        self.store().failed(at(ms));
    }

    /// `found`, `unknown`, `wait` or `unavailable`.
    fn find(&mut self, kid: &str, ms: u64) -> &'static str {
        match self.0.find(Some(kid), Algorithm::EdDsa, at(ms)) {
            Lookup::Found(key, _) => {
                assert_eq!(key.kid(), Some(kid));
                "found"
            }
            Lookup::Unknown => "unknown",
            Lookup::Wait => "wait",
            Lookup::Unavailable => "unavailable",
        }
    }

    fn due(&mut self, ms: u64) -> bool {
        self.store().is_due(at(ms))
    }

    fn generation(&self, ms: u64) -> Option<u64> {
        self.0.generation(at(ms))
    }
}

fn document() -> Vec<u8> {
    jwks().to_string().into_bytes()
}

/// A document with one more key.
fn rotated() -> Vec<u8> {
    let old = jwks()["keys"][0].clone();
    let new = with(Private::new(Algorithm::EdDsa, 2).jwk(), json!({ "kid": "key-2" }));
    json!({ "keys": [old, new] }).to_string().into_bytes()
}

#[test]
fn inline_keys_never_wait_and_never_change() {
    let mut store = KeyStore::Inline(KeySet::parse(&document()).unwrap());
    assert!(matches!(store.find(Some("other"), Algorithm::EdDsa, at(0)), Lookup::Unknown));
    assert!(matches!(store.find(Some(KID), Algorithm::Es256, at(0)), Lookup::Unknown));
    assert!(matches!(store.find(Some(KID), Algorithm::EdDsa, at(0)), Lookup::Found(_, 0)));
    assert_eq!(store.generation(UnixTime::from_millis(u64::MAX)), Some(0));
}

#[test]
fn a_fetch_is_due_at_once_and_a_token_waits_for_it() {
    let mut worker = Worker::new();
    assert!(worker.due(0));
    assert_eq!(worker.generation(0), None);
    assert_eq!(worker.find(KID, 0), "wait");
    worker.begin(0);
    assert_eq!(worker.find(KID, 1), "wait");
    worker.accept(&document(), 20);
    assert_eq!(worker.find(KID, 20), "found");
    assert!(!worker.due(20));
}

#[test]
fn while_a_fetch_is_under_way_no_other_is_due_until_it_must_have_failed() {
    let mut worker = Worker::new();
    worker.begin(0);
    let lapse = TIMEOUT_MS + limits::KEYS_FETCH_GRACE_MS;
    for (ms, busy) in
        [(0, true), (1, true), (TIMEOUT_MS, true), (lapse - 1, true), (lapse, false), (lapse + 1, false)]
    {
        assert_eq!(worker.store().is_busy(at(ms)), busy, "{ms}");
        assert_eq!(worker.due(ms), !busy, "{ms}");
    }
}

#[test]
fn a_set_is_fetched_again_when_it_is_as_old_as_the_refresh() {
    let mut worker = Worker::ready();
    let (earliest, latest) = last_fifth(REFRESH_MS);
    for (ms, due) in [(0, false), (earliest - 1, false), (latest, true), (STALE_MS * 2, true)] {
        assert_eq!(worker.due(ms), due, "{ms}");
    }
    worker.begin(REFRESH_MS);
    assert!(!worker.due(REFRESH_MS));
    // The present keys serve meanwhile.
    assert_eq!(worker.find(KID, REFRESH_MS + 1), "found");
    worker.accept(&document(), REFRESH_MS + 10);
    assert!(!worker.due(REFRESH_MS + earliest + 9));
    assert!(worker.due(2 * REFRESH_MS + 10));
}

#[test]
fn after_each_failure_in_a_row_the_pause_is_twice_as_long_up_to_half_a_minute() {
    let mut worker = Worker::new();
    let mut now = 0;
    for pause in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
        assert!(worker.due(now), "due at {now}");
        worker.begin(now);
        worker.fail(now);
        let (earliest, pause) = last_fifth(pause);
        assert!(!worker.due(now + earliest - 1), "not before a pause of {earliest}");
        assert_eq!(
            worker.find(KID, now + earliest - 1),
            "unavailable",
            "nothing is under way, and nothing is due"
        );
        assert_eq!(worker.find(KID, now + pause), "wait");
        now += pause;
    }
    // A success ends the row.
    worker.begin(now);
    worker.accept(&document(), now);
    now += REFRESH_MS;
    worker.begin(now);
    worker.fail(now);
    assert!(!worker.due(now + 799));
    assert!(worker.due(now + 1000));
}

#[test]
fn very_many_failures_do_not_overflow_the_pause() {
    let mut worker = Worker::new();
    for _ in 0..200 {
        worker.fail(0);
    }
    assert!(!worker.due(last_fifth(limits::KEYS_BACKOFF_MAX_MS).0 - 1));
    assert!(worker.due(limits::KEYS_BACKOFF_MAX_MS));
}

#[test]
fn the_last_good_set_serves_while_fetches_fail_until_it_is_stale() {
    let mut worker = Worker::ready();
    let mut now = REFRESH_MS;
    while now + 1000 < STALE_MS {
        worker.begin(now);
        worker.fail(now);
        assert_eq!(worker.find(KID, now), "found", "{now}");
        now += 60_000;
    }
    assert_eq!(worker.find(KID, STALE_MS - 1), "found");
    assert!(worker.generation(STALE_MS - 1).is_some());
    assert_eq!(worker.generation(STALE_MS), None);
    // Too old: the next fetch is due, so wait for it; while none is due, there is nothing to wait for.
    assert_eq!(worker.find(KID, STALE_MS), "wait");
    worker.begin(STALE_MS);
    assert_eq!(worker.find(KID, STALE_MS + 1), "wait");
    worker.fail(STALE_MS + 1);
    assert_eq!(worker.find(KID, STALE_MS + 2), "unavailable");
    worker.begin(STALE_MS + 60_000);
    worker.accept(&document(), STALE_MS + 60_000);
    assert_eq!(worker.find(KID, STALE_MS + 60_001), "found");
}

#[test]
fn an_answer_that_is_no_usable_set_keeps_the_last_good_one() {
    let mut worker = Worker::ready();
    let generation = worker.generation(0);
    for (bad, expected) in [
        (&b""[..], KeySetError::Json(JsonError::Truncated { line: 1, column: 0 })),
        (b"<html></html>", KeySetError::Json(JsonError::Syntax { line: 1, column: 1 })),
        (b"\xEF\xBB\xBF{}", KeySetError::Json(JsonError::ByteOrderMark)),
        (b"{}", KeySetError::Malformed),
        (br#"{"keys":[]}"#, KeySetError::Empty { rejected: Vec::new() }),
        (
            br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
            KeySetError::Empty {
                rejected: vec![RejectedKey { position: 0, kid_hash: None, error: KeyError::Symmetric }],
            },
        ),
    ] {
        assert_eq!(worker.store().accept(bad, at(REFRESH_MS)), Err(expected));
        assert_eq!(worker.find(KID, REFRESH_MS), "found");
        assert_eq!(worker.generation(REFRESH_MS), generation);
        assert_eq!(worker.store().fetched_at(), Some(at(0)), "nor does it look fresher");
    }
    let mut empty = Worker::new();
    assert!(empty.store().accept(br#"{"keys":[]}"#, at(0)).is_err());
    assert_eq!(empty.generation(0), None);
}

#[test]
fn an_unknown_kid_causes_one_fetch_and_then_none_for_half_a_minute() {
    let pause = limits::UNKNOWN_KID_REFETCH_S * 1000;
    let mut worker = Worker::ready();
    assert!(!worker.due(1000), "nobody asked yet");
    assert_eq!(worker.find("key-2", 1000), "wait");
    assert!(worker.due(1000));
    worker.begin(1000);
    assert_eq!(worker.find("key-2", 1001), "wait", "under way");
    worker.accept(&document(), 1010);
    // The set is new and still has no such key.
    for ms in [1011, 5000, 1000 + pause - 1] {
        assert_eq!(worker.find("key-2", ms), "unknown", "{ms}");
        assert_eq!(worker.find("key-3", ms), "unknown", "{ms}: nor for another kid");
        assert!(!worker.due(ms), "{ms}");
    }
    assert_eq!(worker.find("key-2", 1000 + pause), "wait");
    assert!(worker.due(1000 + pause));
    worker.begin(1000 + pause);
    worker.accept(&rotated(), 1000 + pause + 10);
    assert_eq!(worker.find("key-2", 1000 + pause + 10), "found");
    assert_eq!(worker.find(KID, 1000 + pause + 10), "found");
}

#[test]
fn an_unknown_kid_that_was_fetched_for_is_not_fetched_for_again_unless_a_token_asks() {
    let mut worker = Worker::ready();
    assert_eq!(worker.find("key-2", 1000), "wait");
    worker.begin(1000);
    worker.accept(&document(), 1010);
    for ms in [1011, 31_000, 1010 + last_fifth(REFRESH_MS).0 - 1] {
        assert!(!worker.due(ms), "{ms}");
    }
}

#[test]
fn an_unknown_kid_does_not_fetch_while_fetches_fail() {
    let mut worker = Worker::ready();
    assert_eq!(worker.find("key-2", 1000), "wait");
    worker.begin(1000);
    worker.fail(1100);
    assert_eq!(worker.find("key-2", 1101), "unavailable");
    assert!(!worker.due(1101));
    assert_eq!(worker.find("key-2", 30_999), "unavailable");
    assert_eq!(worker.find("key-2", 31_000), "wait");
}

#[test]
fn a_token_with_a_known_kid_does_not_wait_for_a_refetch() {
    let mut worker = Worker::ready();
    assert_eq!(worker.find("key-2", 1000), "wait");
    worker.begin(1000);
    assert_eq!(worker.find(KID, 1001), "found");
}

#[test]
fn the_generation_changes_only_when_the_document_does() {
    let mut worker = Worker::ready();
    let first = worker.generation(0).unwrap();
    worker.accept(&document(), REFRESH_MS);
    assert_eq!(worker.generation(REFRESH_MS), Some(first));
    worker.accept(&rotated(), REFRESH_MS + 1);
    let second = worker.generation(REFRESH_MS + 1).unwrap();
    assert_ne!(second, first);
    worker.accept(&document(), REFRESH_MS + 2);
    let third = worker.generation(REFRESH_MS + 2).unwrap();
    assert!(third != second && third != first, "an old document is a change too: it may have lost a key");
}

/// Of what is drawn at random, every draw lies in the last fifth: not before the first of these, and surely at the second.
const fn last_fifth(ms: u64) -> (u64, u64) {
    (ms - ms / 5, ms)
}

#[test]
fn workers_do_not_all_fetch_at_the_same_moment() {
    let refresh = |seed: u8| {
        let mut store = RemoteStore::new(new_store().config().clone(), KeyUse::Signatures, [seed; 16], 0);
        store.accept(&document(), at(0)).unwrap();
        (0..=REFRESH_MS).step_by(100).find(|ms| store.is_due(at(*ms))).unwrap()
    };
    let (earliest, latest) = last_fifth(REFRESH_MS);
    let times: std::collections::BTreeSet<u64> = (0..32).map(refresh).collect();
    assert!(times.iter().all(|ms| (earliest..=latest).contains(ms)), "{times:?}");
    assert!(times.len() > 16, "{times:?}");
}

#[test]
fn a_new_configuration_takes_over_what_was_fetched_from_the_same_place_only() {
    let place = |cluster: &str, uri: &str| RemoteKeys {
        cluster: cluster.to_owned(),
        uri: uri.to_owned(),
        ..new_store().config().clone()
    };
    let mut earlier = RemoteStore::new(place("a/b", "https://c"), KeyUse::Signatures, [1; 16], 0);
    earlier.accept(&document(), at(5)).unwrap();
    // Joined to one text the two say the same.
    let mut other = RemoteStore::new(place("a", "b/https://c"), KeyUse::Signatures, [2; 16], 0);
    other.take_over(&earlier);
    assert_eq!(other.fetched_at(), None);

    let mut later = RemoteStore::new(place("a/b", "https://c"), KeyUse::Signatures, [2; 16], 0);
    later.take_over(&earlier);
    assert_eq!(later.fetched_at(), Some(at(5)), "as old as it is");
    assert!(!later.is_due(at(last_fifth(REFRESH_MS).0)) && later.is_due(at(REFRESH_MS + 5)));
    assert!(later.is_usable(at(STALE_MS)) && !later.is_usable(at(STALE_MS + 5)));
    // What is older is not taken.
    let mut old = RemoteStore::new(place("a/b", "https://c"), KeyUse::Signatures, [3; 16], 0);
    old.accept(&rotated(), at(1)).unwrap();
    later.take_over(&old);
    assert_eq!(later.fetched_at(), Some(at(5)));
}

#[test]
fn after_the_clock_was_set_back_keys_are_fetched_as_ever() {
    let (late, early) = (STALE_MS * 10, 1000);
    let mut worker = Worker::new();
    worker.begin(late);
    assert!(!worker.due(late) && worker.due(early), "a fetch under way then");
    worker.fail(late);
    assert!(!worker.due(late) && worker.due(early), "a pause then");
    worker.begin(early);
    worker.accept(&document(), early);
    assert_eq!(worker.find(KID, early), "found");
}

#[test]
fn a_set_from_the_future_is_fetched_again_for_nobody_knows_its_age() {
    let (late, early) = (STALE_MS * 10, 1000);
    let mut worker = Worker::new();
    worker.begin(late);
    worker.accept(&document(), late);
    assert!(!worker.due(late));
    assert!(worker.due(early));
    worker.begin(early);
    worker.accept(&document(), early);
    assert!(!worker.due(early));
}

proptest! {
    #[test]
    fn a_store_is_never_due_while_it_is_busy_or_pauses(ms in 0..u64::MAX / 2, seed: [u8; 16], failures in 0..70_usize) {
        let mut store = RemoteStore::new(new_store().config().clone(), KeyUse::Signatures, seed, 0);
        let now = UnixTime::from_millis(ms);
        store.begin(now);
        prop_assert!(store.is_busy(now) && !store.is_due(now));
        for _ in 0..=failures {
            store.failed(now);
            prop_assert!(!store.is_busy(now) && !store.is_due(now));
        }
        prop_assert!(store.is_due(now.plus_millis(limits::KEYS_BACKOFF_MAX_MS)));
    }
}

/// A bundle with this sequence number and refresh hint.
fn bundle(sequence: Option<u64>, hint_s: Option<u64>) -> Vec<u8> {
    let key = with(Private::new(Algorithm::Es256, 3).jwk(), json!({ "use": "jwt-svid", "kid": "a" }));
    let mut bundle = json!({ "keys": [key] });
    if let Some(sequence) = sequence {
        bundle["spiffe_sequence"] = sequence.into();
    }
    if let Some(hint_s) = hint_s {
        bundle["spiffe_refresh_hint"] = hint_s.into();
    }
    bundle.to_string().into_bytes()
}

fn bundle_store() -> RemoteStore {
    RemoteStore::new(new_store().config().clone(), KeyUse::JwtSvid, [7; 16], 0)
}

#[test]
fn an_older_bundle_does_not_replace_the_one_in_force() {
    let mut store = bundle_store();
    assert_eq!(store.accept(&bundle(Some(5), None), NOW), Ok(true));
    let older = Err(KeySetError::Older { sequence: 4, in_force: 5 });
    assert_eq!(store.accept(&bundle(Some(4), None), NOW.plus_secs(10)), older);
    assert_eq!(store.fetched_at(), Some(NOW));
    assert_eq!(store.accept(&bundle(Some(6), None), NOW.plus_secs(20)), Ok(true));
    // Nothing says that one without a number is older; it does not make an older one acceptable.
    assert_eq!(store.accept(&bundle(None, None), NOW.plus_secs(30)), Ok(true));
    let older = Err(KeySetError::Older { sequence: 5, in_force: 6 });
    assert_eq!(store.accept(&bundle(Some(5), None), NOW.plus_secs(35)), older);
    // A server that was set up anew counts from the beginning: what is no longer trusted does not stand in its way.
    assert_eq!(store.accept(&bundle(Some(9), None), NOW.plus_secs(40)), Ok(true));
    let later = NOW.plus_secs(40 + store.config().stale_s);
    assert_eq!(store.accept(&bundle(Some(1), None), later), Ok(true));
}

#[test]
fn a_bundle_may_ask_to_be_fetched_sooner_and_not_later() {
    let refresh_s = new_store().config().refresh_s;
    for (hint_s, every_s) in
        [(None, refresh_s), (Some(10), 10), (Some(refresh_s * 9), refresh_s), (Some(0), 1)]
    {
        let mut store = bundle_store();
        store.accept(&bundle(None, hint_s), NOW).unwrap();
        let (earliest, latest) = (every_s * 800 - 1, every_s * 1000);
        assert!(!store.is_due(NOW.plus_millis(earliest)), "{hint_s:?}");
        assert!(store.is_due(NOW.plus_millis(latest)), "{hint_s:?}");
    }
}

#[test]
fn a_bundle_that_revokes_all_keys_is_taken() {
    let mut store = KeyStore::Remote(bundle_store());
    let KeyStore::Remote(remote) = &mut store else { panic!() };
    remote.accept(&bundle(Some(1), None), NOW).unwrap();
    assert_eq!(remote.accept(br#"{"keys":[],"spiffe_sequence":2}"#, NOW.plus_secs(1)), Ok(true));
    assert!(!matches!(store.find(Some("a"), Algorithm::Es256, NOW.plus_secs(1)), Lookup::Found(..)));
}

#[test]
fn keys_for_one_use_are_not_taken_over_for_another() {
    let mut earlier = RemoteStore::new(new_store().config().clone(), KeyUse::Signatures, [1; 16], 0);
    earlier.accept(&document(), NOW).unwrap();
    let mut later = bundle_store();
    later.take_over(&earlier);
    assert_eq!(later.fetched_at(), None);
}

#[test]
fn an_older_bundle_is_not_taken_over_however_late_it_was_fetched() {
    let (mut own, mut other) = (bundle_store(), bundle_store());
    own.accept(&bundle(Some(5), None), NOW).unwrap();
    other.accept(&bundle(Some(4), None), NOW.plus_secs(10)).unwrap();
    own.take_over(&other);
    assert_eq!(own.fetched_at(), Some(NOW));
    other.accept(&bundle(Some(6), None), NOW.plus_secs(20)).unwrap();
    own.take_over(&other);
    assert_eq!(own.fetched_at(), Some(NOW.plus_secs(20)));
}
