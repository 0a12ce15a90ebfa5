//! A proof is good for one request, also where several workers take requests.

use super::*;
use mandate_core::keys::InModule;
use mandate_core::limits;
use mandate_core::proof::{PartState, ReplayError, ReplayMemory, SharedMemory, SharedMemoryFailed, Use};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use support::World;

/// The memory that workers share, as a proxy has it.
#[derive(Default)]
struct Shared {
    parts: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    fails: Cell<bool>,
    /// How often another worker writes between a read and a write.
    races: Cell<usize>,
}

impl SharedMemory for Shared {
    fn read(&self, part: &str) -> Result<(Vec<u8>, PartState), SharedMemoryFailed> {
        if self.fails.get() {
            return Err(SharedMemoryFailed);
        }
        let found = self.parts.borrow().get(part).cloned();
        Ok(found.map_or((Vec::new(), None), |(bytes, state)| (bytes, Some(state))))
    }

    fn replace(&self, part: &str, bytes: &[u8], state: PartState) -> Result<bool, SharedMemoryFailed> {
        let mut parts = self.parts.borrow_mut();
        let known = parts.get(part).map(|(_, state)| *state);
        if self.races.get() > 0 {
            self.races.set(self.races.get() - 1);
            let (bytes, _) = parts.get(part).cloned().unwrap_or_default();
            parts.insert(part.to_owned(), (bytes, known.unwrap_or(0) + 1));
            return Ok(false);
        }
        if known != state {
            return Ok(false);
        }
        parts.insert(part.to_owned(), (bytes.to_vec(), known.unwrap_or(0) + 1));
        Ok(true)
    }
}

fn sent(jti: &str) -> RequestHead {
    request("DPoP", &bound_token(), &[&proof_with(&bound_token(), json!({ "jti": jti }))])
}

#[test]
fn a_proof_is_accepted_once() {
    let mut gate = proving(|_| {});
    assert_eq!(decide(&mut gate, sent("1")).reason(), None);
    let (reason, evidence) = refusal(&decide(&mut gate, sent("1"))).unwrap();
    assert_eq!(reason, Reason::ProofReplayed);
    assert!(evidence.contains("used before"), "{evidence}");
    assert_eq!(decide(&mut gate, sent("2")).reason(), None);
}

#[test]
fn the_same_id_of_two_senders_is_two_proofs() {
    let mut gate = proving(|_| {});
    let other = Private::new(Algorithm::Es256, 6);
    let token = token(json!({ "cnf": { "jkt": thumbprint(&other) } }));
    let proof = sign_proof(&other, &proof_header(&other), &proof_claims(&token));
    assert_eq!(decide(&mut gate, sent("proof-1")).reason(), None);
    assert_eq!(decide(&mut gate, request("DPoP", &token, &[&proof])).reason(), None);
}

#[test]
fn a_proof_is_remembered_for_as_long_as_it_could_be_used() {
    let mut gate = proving(|c| c["proofs"]["dpop"] = json!({ "window_s": 60 }));
    let sent = || {
        let proof = proof_with(&bound_token(), json!({ "iat": NOW_S + 60 }));
        request("DPoP", &bound_token(), &[&proof])
    };
    assert_eq!(decide(&mut gate, sent()).reason(), None);
    for later in [1, 60, 119, 120] {
        let decision = decide_in(&mut gate, sent(), &InModule, NOW.plus_secs(later));
        assert_eq!(decision.reason(), Some(Reason::ProofReplayed), "{later}");
    }
    let decision = decide_in(&mut gate, sent(), &InModule, NOW.plus_secs(121));
    assert_eq!(decision.reason(), Some(Reason::ProofInvalid), "then it is too old");
}

#[test]
fn another_worker_knows_that_a_proof_was_used_if_they_share_memory() {
    let (mut one, mut two) = (proving(|_| {}), proving(|_| {}));
    let shared = Shared::default();
    assert_eq!(decide_in(&mut one, sent("1"), &World::sharing(&shared), NOW).reason(), None);
    assert_eq!(
        decide_in(&mut two, sent("1"), &World::sharing(&shared), NOW).reason(),
        Some(Reason::ProofReplayed)
    );
    assert_eq!(decide_in(&mut two, sent("2"), &World::sharing(&shared), NOW).reason(), None);
    // Each for itself: once with each of them, which the documentation says.
    assert_eq!(decide(&mut one, sent("3")).reason(), None);
    assert_eq!(decide(&mut two, sent("3")).reason(), None);
    assert_eq!(decide(&mut two, sent("3")).reason(), Some(Reason::ProofReplayed));
}

#[test]
fn what_was_used_survives_a_new_configuration() {
    let mut before = proving(|_| {});
    assert_eq!(decide(&mut before, sent("1")).reason(), None);
    let mut after = proving(|c| c["routes"][0]["scopes"] = json!([]));
    after.take_over(&before);
    assert_eq!(decide(&mut after, sent("1")).reason(), Some(Reason::ProofReplayed));
    // The one before still serves connections, and both know the same.
    assert_eq!(decide(&mut before, sent("2")).reason(), None);
    assert_eq!(decide(&mut after, sent("2")).reason(), Some(Reason::ProofReplayed));
}

#[test]
fn shared_memory_that_fails_or_holds_something_else_denies() {
    let mut gate = proving(|_| {});
    let shared = Shared::default();
    shared.fails.set(true);
    assert_eq!(
        decide_in(&mut gate, sent("1"), &World::sharing(&shared), NOW).reason(),
        Some(Reason::Internal)
    );
    shared.fails.set(false);
    for slot in 0..limits::REPLAY_SLOTS {
        shared.parts.borrow_mut().insert(format!("mandate.used.dpop.{slot}"), (vec![1, 2, 3], 1));
    }
    assert_eq!(
        decide_in(&mut gate, sent("1"), &World::sharing(&shared), NOW).reason(),
        Some(Reason::Internal)
    );
}

#[test]
fn a_worker_tries_again_if_another_one_was_faster_and_then_denies() {
    let mut gate = proving(|_| {});
    let shared = Shared::default();
    shared.races.set(limits::REPLAY_ATTEMPTS);
    assert_eq!(
        decide_in(&mut gate, sent("1"), &World::sharing(&shared), NOW).reason(),
        Some(Reason::ReplayMemoryFull)
    );
    shared.races.set(limits::REPLAY_ATTEMPTS - 1);
    assert_eq!(decide_in(&mut gate, sent("2"), &World::sharing(&shared), NOW).reason(), None);
    assert_eq!(
        decide_in(&mut gate, sent("2"), &World::sharing(&shared), NOW).reason(),
        Some(Reason::ProofReplayed)
    );
}

/// Uses ids of one owner until there is no room for one.
fn fill(memory: &ReplayMemory, owner: &[u8]) -> usize {
    let until = NOW.plus_secs(60);
    let mut used = 0;
    loop {
        let id = format!("id-{used}");
        let next = Use { purpose: "test", owner, id: &id, until };
        match memory.use_once(None, &next, NOW) {
            Ok(()) => used += 1,
            Err(ReplayError::Full) => return used,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_sender_that_fills_its_share_is_denied_and_leaves_room_to_others() {
    let memory = ReplayMemory::default();
    let share = limits::REPLAY_SLOTS * limits::REPLAY_OWNER_USES;
    let used = fill(&memory, b"one");
    assert!((share / 16..share).contains(&used), "{used} of {share}");
    // Nothing was forgotten for it.
    let until = NOW.plus_secs(60);
    for id in ["id-0".to_owned(), format!("id-{}", used - 1)] {
        let again = Use { purpose: "test", owner: b"one", id: &id, until };
        assert_eq!(memory.use_once(None, &again, NOW), Err(ReplayError::Used), "{id}");
    }
    // Whatever it did, it chose nobody's room.
    for owner in 0_u8..64 {
        let one = Use { purpose: "test", owner: &[owner], id: "x", until };
        assert_eq!(memory.use_once(None, &one, NOW), Ok(()), "{owner}");
    }
    // Later there is room again.
    let late = Use { purpose: "test", owner: b"one", id: "late", until: until.plus_secs(100) };
    assert_eq!(memory.use_once(None, &late, NOW.plus_secs(62)), Ok(()));
    assert_eq!(memory.use_once(None, &late, NOW.plus_secs(62)), Err(ReplayError::Used));
}

#[test]
fn ids_of_different_purposes_have_nothing_to_do_with_each_other() {
    let memory = ReplayMemory::default();
    let until = NOW.plus_secs(60);
    for (purpose, owner, id) in
        [("a", "b", "c"), ("ab", "", "c"), ("a", "", "bc"), ("", "ab", "c"), ("a", "bc", "")]
    {
        let used = Use { purpose, owner: owner.as_bytes(), id, until };
        assert_eq!(memory.use_once(None, &used, NOW), Ok(()), "{purpose} {owner} {id}");
        assert_eq!(memory.use_once(None, &used, NOW), Err(ReplayError::Used), "{purpose} {owner} {id}");
    }
}
