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
use mandate_core::keys::{KeySet, KeySetError};
use mandate_core::keystore::{KeyStore, Ledger, Lookup, RemoteStore};
use mandate_core::limits;
use mandate_core::time::UnixTime;
use proptest::prelude::*;
use serde_json::json;
use support::{KID, Private, jwks, with};

const START_MS: u64 = 1_700_000_000_000;
const TIMEOUT_MS: u64 = 1000;
const REFRESH_MS: u64 = 300_000;
const STALE_MS: u64 = 3_600_000;

/// So many milliseconds after the start.
fn at(ms: u64) -> UnixTime {
    UnixTime::from_millis(START_MS + ms)
}

fn new_store() -> RemoteStore {
    RemoteStore::new(RemoteKeys {
        cluster: "idp".to_owned(),
        uri: "https://idp.example/jwks.json".to_owned(),
        timeout_ms: TIMEOUT_MS,
        refresh_s: REFRESH_MS / 1000,
        stale_s: STALE_MS / 1000,
    })
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
        worker.claim(0);
        worker.accept(&document(), 0);
        worker
    }

    fn store(&mut self) -> &mut RemoteStore {
        match &mut self.0 {
            KeyStore::Remote(store) => store,
            KeyStore::Inline(_) => panic!("a remote store"),
        }
    }

    fn claim(&mut self, ms: u64) -> Ledger {
        let ledger = self.store().claim(at(ms));
        self.store().observe(ledger);
        ledger
    }

    fn accept(&mut self, document: &[u8], ms: u64) -> Ledger {
        self.store().accept(document, at(ms)).unwrap();
        let ledger = self.store().succeeded();
        self.store().observe(ledger);
        ledger
    }

    fn fail(&mut self, ms: u64) {
        let ledger = self.store().failed(at(ms));
        self.store().observe(ledger);
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
    worker.claim(0);
    assert_eq!(worker.find(KID, 1), "wait");
    worker.accept(&document(), 20);
    assert_eq!(worker.find(KID, 20), "found");
    assert!(!worker.due(20));
}

#[test]
fn while_a_fetch_is_under_way_no_other_is_due_until_it_must_have_failed() {
    let mut worker = Worker::new();
    worker.claim(0);
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
    for (ms, due) in [(0, false), (REFRESH_MS - 1, false), (REFRESH_MS, true), (STALE_MS * 2, true)] {
        assert_eq!(worker.due(ms), due, "{ms}");
    }
    worker.claim(REFRESH_MS);
    assert!(!worker.due(REFRESH_MS));
    // The present keys serve meanwhile.
    assert_eq!(worker.find(KID, REFRESH_MS + 1), "found");
    worker.accept(&document(), REFRESH_MS + 10);
    assert!(!worker.due(2 * REFRESH_MS + 9));
    assert!(worker.due(2 * REFRESH_MS + 10));
}

#[test]
fn after_each_failure_in_a_row_the_pause_is_twice_as_long_up_to_half_a_minute() {
    let mut worker = Worker::new();
    let mut now = 0;
    for pause in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
        assert!(worker.due(now), "due at {now}");
        worker.claim(now);
        worker.fail(now);
        assert!(!worker.due(now + pause - 1), "not before a pause of {pause}");
        assert_eq!(
            worker.find(KID, now + pause - 1),
            "unavailable",
            "nothing is under way, and nothing is due"
        );
        assert_eq!(worker.find(KID, now + pause), "wait");
        now += pause;
    }
    // A success ends the row.
    worker.claim(now);
    worker.accept(&document(), now);
    now += REFRESH_MS;
    worker.claim(now);
    worker.fail(now);
    assert!(!worker.due(now + 999));
    assert!(worker.due(now + 1000));
}

#[test]
fn very_many_failures_do_not_overflow_the_pause() {
    let mut worker = Worker::new();
    for _ in 0..200 {
        worker.fail(0);
    }
    assert!(!worker.due(limits::KEYS_BACKOFF_MAX_MS - 1));
    assert!(worker.due(limits::KEYS_BACKOFF_MAX_MS));
    let ledger = Ledger::from_bytes(&[0xff; Ledger::BYTES]);
    worker.store().observe(ledger);
    worker.fail(0);
    worker.claim(0);
}

#[test]
fn the_last_good_set_serves_while_fetches_fail_until_it_is_stale() {
    let mut worker = Worker::ready();
    let mut now = REFRESH_MS;
    while now + 1000 < STALE_MS {
        worker.claim(now);
        worker.fail(now);
        assert_eq!(worker.find(KID, now), "found", "{now}");
        now += 60_000;
    }
    assert_eq!(worker.find(KID, STALE_MS - 1), "found");
    assert!(worker.generation(STALE_MS - 1).is_some());
    assert_eq!(worker.generation(STALE_MS), None);
    // Too old: the next fetch is due, so wait for it; while none is due, there is nothing to wait for.
    assert_eq!(worker.find(KID, STALE_MS), "wait");
    worker.claim(STALE_MS);
    assert_eq!(worker.find(KID, STALE_MS + 1), "wait");
    worker.fail(STALE_MS + 1);
    assert_eq!(worker.find(KID, STALE_MS + 2), "unavailable");
    worker.claim(STALE_MS + 60_000);
    worker.accept(&document(), STALE_MS + 60_000);
    assert_eq!(worker.find(KID, STALE_MS + 60_001), "found");
}

#[test]
fn an_answer_that_is_no_usable_set_keeps_the_last_good_one() {
    let mut worker = Worker::ready();
    let generation = worker.generation(0);
    for (bad, expected) in [
        (&b""[..], KeySetError::Malformed),
        (b"<html></html>", KeySetError::Malformed),
        (b"{}", KeySetError::Malformed),
        (br#"{"keys":[]}"#, KeySetError::Empty),
        (br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#, KeySetError::Empty),
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
    worker.claim(1000);
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
    worker.claim(1000 + pause);
    worker.accept(&rotated(), 1000 + pause + 10);
    assert_eq!(worker.find("key-2", 1000 + pause + 10), "found");
    assert_eq!(worker.find(KID, 1000 + pause + 10), "found");
}

#[test]
fn an_unknown_kid_that_was_fetched_for_is_not_fetched_for_again_unless_a_token_asks() {
    let mut worker = Worker::ready();
    assert_eq!(worker.find("key-2", 1000), "wait");
    worker.claim(1000);
    worker.accept(&document(), 1010);
    for ms in [1011, 31_000, 1010 + REFRESH_MS - 1] {
        assert!(!worker.due(ms), "{ms}");
    }
}

#[test]
fn an_unknown_kid_does_not_fetch_while_fetches_fail() {
    let mut worker = Worker::ready();
    assert_eq!(worker.find("key-2", 1000), "wait");
    worker.claim(1000);
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
    worker.claim(1000);
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

#[test]
fn of_two_workers_one_fetches_and_the_other_learns_of_it() {
    let (mut one, mut two) = (Worker::new(), Worker::new());
    assert!(one.due(0) && two.due(0));
    let shared = one.claim(0);
    two.store().observe(shared);
    assert!(!two.due(1), "the other fetches");
    assert_eq!(two.find(KID, 1), "wait");
    assert!(!two.store().is_behind());

    let shared = one.accept(&document(), 50);
    assert!(!one.store().is_behind());
    two.store().observe(Ledger::from_bytes(&shared.to_bytes()));
    assert!(two.store().is_behind(), "there is a newer set in shared memory");
    two.store().accept(&document(), at(50)).unwrap();
    assert!(!two.store().is_behind());
    assert_eq!(two.find(KID, 51), "found");
    assert!(!two.due(REFRESH_MS + 49));
    assert!(two.due(REFRESH_MS + 50));

    // The other worker's failure and its claim for an unknown kid count here, too.
    one.claim(REFRESH_MS + 50);
    one.fail(REFRESH_MS + 60);
    let shared = one.store().failed(at(REFRESH_MS + 60));
    two.store().observe(shared);
    assert!(!two.due(REFRESH_MS + 61));
}

#[test]
fn a_worker_takes_over_a_fetch_whose_worker_is_gone() {
    let (mut gone, mut here) = (Worker::new(), Worker::new());
    here.store().observe(gone.claim(0));
    let lapse = TIMEOUT_MS + limits::KEYS_FETCH_GRACE_MS;
    assert!(!here.due(lapse - 1));
    assert!(here.due(lapse));
    assert_eq!(here.find(KID, lapse), "wait");
}

/// A ledger as it lies in shared memory; times in milliseconds after the start.
fn ledger(busy_until: u64, not_before: u64, unknown_kid_at: u64) -> Ledger {
    let times = [busy_until, not_before, unknown_kid_at].map(|ms| at(ms).as_millis());
    let bytes: Vec<u8> = times.into_iter().chain([START_MS, 0]).flat_map(u64::to_le_bytes).collect();
    Ledger::from_bytes(&bytes)
}

/// The longest that a fetch may be under way, whichever timeout its worker was configured with.
const LONGEST_FETCH_MS: u64 = *limits::KEYS_TIMEOUT_MS.end() + limits::KEYS_FETCH_GRACE_MS;

#[test]
fn a_claim_that_lasts_longer_than_any_fetch_is_not_believed() {
    let now = 1000;
    for (lasts, busy) in [
        (1, true),
        (LONGEST_FETCH_MS, true),
        (LONGEST_FETCH_MS + 1, false),
        (STALE_MS, false),
        // The end of time.
        (u64::MAX - START_MS - now, false),
    ] {
        let mut worker = Worker::new();
        worker.store().observe(ledger(now + lasts, 0, 0));
        assert_eq!(worker.store().is_busy(at(now)), busy, "{lasts}");
        assert_eq!(worker.due(now), !busy, "{lasts}");
    }
    // The one that fetches then leaves a claim that is believed again.
    let mut worker = Worker::new();
    worker.store().observe(ledger(now + STALE_MS, 0, 0));
    worker.claim(now);
    assert!(worker.store().is_busy(at(now)) && !worker.due(now));
}

#[test]
fn a_claim_with_the_longest_timeout_is_believed_to_its_end() {
    let mut store = RemoteStore::new(RemoteKeys {
        timeout_ms: *limits::KEYS_TIMEOUT_MS.end(),
        ..new_store().config().clone()
    });
    store.observe(store.claim(at(0)));
    let mut other = new_store();
    other.observe(store.claim(at(0)));
    for (ms, busy) in [(0, true), (LONGEST_FETCH_MS - 1, true), (LONGEST_FETCH_MS, false)] {
        assert_eq!(store.is_busy(at(ms)), busy, "{ms}");
        assert_eq!(other.is_busy(at(ms)), busy, "{ms}: here with a shorter timeout of its own");
    }
}

#[test]
fn a_pause_longer_than_any_is_not_believed() {
    // Late enough that the ledger's last fetch for an unknown `kid` does not bound another.
    let now = limits::UNKNOWN_KID_REFETCH_S * 1000;
    for (lasts, pauses) in [
        (1, true),
        (limits::KEYS_BACKOFF_MAX_MS, true),
        (limits::KEYS_BACKOFF_MAX_MS + 1, false),
        (STALE_MS, false),
        (u64::MAX - START_MS - now, false),
    ] {
        let mut worker = Worker::new();
        worker.store().observe(ledger(0, now + lasts, 0));
        assert_eq!(worker.due(now), !pauses, "{lasts}");
        assert_eq!(worker.find(KID, now), if pauses { "unavailable" } else { "wait" }, "{lasts}");

        let mut worker = Worker::ready();
        worker.store().observe(ledger(0, now + lasts, 0));
        assert_eq!(worker.find("key-2", now), if pauses { "unknown" } else { "wait" }, "{lasts}");
        assert_eq!(worker.due(now), !pauses, "{lasts}: for the unknown kid");
    }
}

#[test]
fn an_unknown_kid_that_was_fetched_for_in_the_future_does_not_block() {
    let (now, pause) = (1000, limits::UNKNOWN_KID_REFETCH_S * 1000);
    for (last, waits) in [
        (now, false),
        (now + 1, true),
        (now + pause, true),
        (now + STALE_MS, true),
        (u64::MAX - START_MS, true),
    ] {
        let mut worker = Worker::ready();
        worker.store().observe(ledger(0, 0, last));
        assert_eq!(worker.find("key-2", now), if waits { "wait" } else { "unknown" }, "{last}");
        assert_eq!(worker.due(now), waits, "{last}");
        // After one fetch the ledger has the time of this clock, and the bound holds again.
        if waits {
            worker.claim(now);
            worker.accept(&document(), now + 10);
            assert_eq!(worker.find("key-2", now + pause - 1), "unknown", "{last}");
            assert_eq!(worker.find("key-2", now + pause), "wait", "{last}");
        }
    }
}

#[test]
fn after_the_clock_was_set_back_keys_are_fetched_as_ever() {
    let (late, early) = (STALE_MS * 10, 1000);
    let mut worker = Worker::new();
    worker.claim(late);
    assert!(!worker.due(late) && worker.due(early), "a fetch under way then");
    worker.fail(late);
    assert!(!worker.due(late) && worker.due(early), "a pause then");
    worker.claim(early);
    worker.accept(&document(), early);
    assert_eq!(worker.find(KID, early), "found");
}

#[test]
fn a_set_from_the_future_is_fetched_again_for_nobody_knows_its_age() {
    let (late, early) = (STALE_MS * 10, 1000);
    let mut worker = Worker::new();
    worker.claim(late);
    worker.accept(&document(), late);
    assert!(!worker.due(late));
    assert!(worker.due(early));
    worker.claim(early);
    worker.accept(&document(), early);
    assert!(!worker.due(early));
}

#[test]
fn an_unknown_kid_that_another_worker_fetched_for_is_not_fetched_for_again() {
    let (mut one, mut two) = (Worker::ready(), Worker::ready());
    assert_eq!(one.find("key-2", 1000), "wait");
    one.claim(1000);
    let shared = one.accept(&document(), 1010);
    two.store().observe(shared);
    assert_eq!(two.find("key-2", 1020), "unknown");
    assert!(!two.due(1020));
}

#[test]
fn anything_but_a_ledger_counts_as_an_empty_one() {
    for bytes in
        [&[][..], &[1], &[1; Ledger::BYTES - 1], &[1; Ledger::BYTES + 1], &[1; Ledger::BYTES + 8], &[1; 8]]
    {
        assert_eq!(Ledger::from_bytes(bytes), Ledger::default(), "{} bytes", bytes.len());
    }
    assert_eq!(Ledger::from_bytes(&[0; Ledger::BYTES]), Ledger::default());
    assert_ne!(Ledger::from_bytes(&[1; Ledger::BYTES]), Ledger::default());
}

proptest! {
    #[test]
    fn a_ledger_comes_back_from_its_bytes(bytes in prop::collection::vec(any::<u8>(), Ledger::BYTES)) {
        let ledger = Ledger::from_bytes(&bytes);
        prop_assert_eq!(ledger.to_bytes(), bytes);
        prop_assert_eq!(Ledger::from_bytes(&ledger.to_bytes()), ledger);
    }

    #[test]
    fn bytes_of_another_length_are_an_empty_ledger(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assume!(bytes.len() != Ledger::BYTES);
        prop_assert_eq!(Ledger::from_bytes(&bytes), Ledger::default());
    }

    #[test]
    fn no_ledger_makes_a_store_panic_or_fetch_while_it_is_busy(bytes in prop::collection::vec(any::<u8>(), Ledger::BYTES), ms: u64) {
        let mut store = new_store();
        store.observe(Ledger::from_bytes(&bytes));
        let now = UnixTime::from_millis(ms);
        prop_assert!(!(store.is_busy(now) && store.is_due(now)));
        store.observe(store.claim(now));
        prop_assert!(!store.is_due(now) || ms == u64::MAX);
        store.observe(store.failed(now));
        prop_assert!(!store.is_due(now) || ms == u64::MAX);
    }
}
