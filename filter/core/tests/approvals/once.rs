//! An approval is used once.

use super::*;
use mandate_core::proof::{PartState, SharedMemory, SharedMemoryFailed};
use support::World;

const ARGUMENTS: &str = r#"{"amount":100}"#;

#[test]
fn a_second_use_is_denied_also_of_a_request_that_is_the_same() {
    let mut gate = new_gate();
    let approval = sign(&claims(ARGUMENTS));
    assert_eq!(decide(&mut gate, message(&[&approval]), &call(ARGUMENTS)).reason(), None);
    let again = decide(&mut gate, message(&[&approval]), &call(ARGUMENTS));
    assert_eq!(again.reason(), Some(Reason::ApprovalUsed));
    assert_eq!(problem(&again), "the approval was used before");
    // Signed anew it is still the same approval; another is not.
    let later = sign(&changed(claims(ARGUMENTS), json!({ "exp": NOW_S + 90 })));
    assert_eq!(decide(&mut gate, message(&[&later]), &call(ARGUMENTS)).reason(), Some(Reason::ApprovalUsed));
    let other = sign(&changed(claims(ARGUMENTS), json!({ "jti": "approval-2" })));
    assert_eq!(decide(&mut gate, message(&[&other]), &call(ARGUMENTS)).reason(), None);
}

#[test]
fn it_is_remembered_until_it_would_not_be_accepted_any_more() {
    let mut gate = new_gate();
    let approval = sign(&claims(ARGUMENTS));
    assert_eq!(decide(&mut gate, message(&[&approval]), &call(ARGUMENTS)).reason(), None);
    for (after_s, expected) in [(89, Reason::ApprovalUsed), (90, Reason::ApprovalInvalid)] {
        let decision = decide_in(
            &mut gate,
            message(&[&approval]),
            Some(&call(ARGUMENTS)),
            &InModule,
            NOW.plus_secs(after_s),
        );
        assert_eq!(decision.reason(), Some(expected), "after {after_s} s");
    }
}

#[test]
fn what_was_refused_is_not_used() {
    let mut gate = new_gate();
    let approval = sign(&claims(ARGUMENTS));
    let other = decide(&mut gate, message(&[&approval]), &call(r#"{"amount":101}"#));
    assert_eq!(other.reason(), Some(Reason::ApprovalInvalid));
    let needless = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    assert_eq!(decide(&mut gate, message(&[&approval]), &needless).reason(), None);
    assert_eq!(decide(&mut gate, message(&[&approval]), &call(ARGUMENTS)).reason(), None);
}

#[test]
fn a_head_that_goes_ahead_of_its_body_uses_nothing_and_the_body_does_once() {
    let config = config_with(|c| c["routes"][0]["mcp"]["hold"] = json!("body"));
    let mut gate = gate(config.clone());
    let approval = sign(&claims(ARGUMENTS));
    let mut flow = Flow::new("decision-1".to_owned(), message(&[&approval]));
    assert!(matches!(flow.advance(&mut gate, &InModule, NOW), Step::NeedBody(_)));
    let ahead = flow.take_ahead().unwrap();
    assert!(ahead.forward(&config).remove.contains(&"mandate-approval"));
    flow.set_body(Body::Whole(call(ARGUMENTS).into_bytes()));
    let Step::Done(decision) = flow.advance(&mut gate, &InModule, NOW) else { panic!("the body is there") };
    assert_eq!(decision.reason(), None);
    let again = decide(&mut gate, message(&[&approval]), &call(ARGUMENTS));
    assert_eq!(again.reason(), Some(Reason::ApprovalUsed));
}

#[test]
fn a_new_configuration_remembers_what_was_used() {
    let mut before = new_gate();
    let approval = sign(&claims(ARGUMENTS));
    assert_eq!(decide(&mut before, message(&[&approval]), &call(ARGUMENTS)).reason(), None);
    let mut after = new_gate();
    after.take_over(&before);
    let again = decide(&mut after, message(&[&approval]), &call(ARGUMENTS));
    assert_eq!(again.reason(), Some(Reason::ApprovalUsed));
}

/// The memory that all workers share, in one of its moods.
struct Memory(Result<bool, SharedMemoryFailed>);

impl SharedMemory for Memory {
    fn read(&self, _: &str) -> Result<(Vec<u8>, PartState), SharedMemoryFailed> {
        self.0.map(|_| (Vec::new(), None))
    }

    fn replace(&self, _: &str, _: &[u8], _: PartState) -> Result<bool, SharedMemoryFailed> {
        self.0
    }
}

#[test]
fn what_cannot_be_remembered_is_denied() {
    for (memory, expected) in [
        (Memory(Ok(false)), Some(Reason::ReplayMemoryFull)),
        (Memory(Err(SharedMemoryFailed)), Some(Reason::Internal)),
        (Memory(Ok(true)), None),
    ] {
        let head = message(&[&sign(&claims(ARGUMENTS))]);
        let decision =
            decide_in(&mut new_gate(), head, Some(&call(ARGUMENTS)), &World::sharing(&memory), NOW);
        assert_eq!(decision.reason(), expected);
    }
}
