//! Where approvers' keys are from.

use super::*;
use mandate_core::flow::Gate;
use mandate_core::policy::NoPolicies;

const ARGUMENTS: &str = r#"{"amount":100}"#;

fn remote() -> Config {
    config_with(|c| {
        c["approvals"]["approvers"][0]["keys"] =
            json!({ "remote": { "cluster": "approve", "uri": "https://approve.example/jwks.json" } });
    })
}

fn set(kid: &str) -> Vec<u8> {
    json!({ "keys": [with(approver_key().jwk(), json!({ "kid": kid }))] }).to_string().into_bytes()
}

#[test]
fn a_request_waits_for_an_approvers_keys_and_uses_its_approval_once() {
    let mut gate = gate(remote());
    // Behind the one issuer.
    assert_eq!(gate.remote_stores().map(|(position, _)| position).collect::<Vec<_>>(), [1]);
    assert_eq!(gate.name_of(1), "approver `https://approve.example`");
    let approval = sign(&claims(ARGUMENTS));
    let mut flow = Flow::new("decision-1".to_owned(), message(&[&approval]));
    flow.set_body(Body::Whole(call(ARGUMENTS).into_bytes()));
    assert!(matches!(flow.advance(&mut gate, &InModule, NOW), Step::NeedKeys(1)));
    gate.remote_store(1).unwrap().accept(&set("approver-1"), NOW).unwrap();
    let Step::Done(decision) = flow.advance(&mut gate, &InModule, NOW) else { panic!("the keys are there") };
    assert_eq!(decision.reason(), None);
    let again = decide(&mut gate, message(&[&approval]), &call(ARGUMENTS));
    assert_eq!(again.reason(), Some(Reason::ApprovalUsed));
}

#[test]
fn without_keys_nothing_is_approved() {
    let mut gate = gate(remote());
    gate.remote_store(1).unwrap().failed(NOW);
    let decision = decide(&mut gate, message(&[&sign(&claims(ARGUMENTS))]), &call(ARGUMENTS));
    assert_eq!(decision.reason(), Some(Reason::KeysUnavailable));
    assert_eq!(record(&decision)["evidence"]["issuer"], APPROVER);
    // Whoever brings no approval need not wait to hear that one is needed.
    let bare = decide(&mut gate, message(&[]), &call(ARGUMENTS));
    assert_eq!(bare.reason(), Some(Reason::ApprovalRequired));
}

#[test]
fn a_new_configuration_takes_over_an_approvers_keys() {
    let mut before = gate(remote());
    before.remote_store(1).unwrap().accept(&set("approver-1"), NOW).unwrap();
    let mut after = gate(remote());
    after.take_over(&before);
    let decision = decide(&mut after, message(&[&sign(&claims(ARGUMENTS))]), &call(ARGUMENTS));
    assert_eq!(decision.reason(), None);
}

#[test]
fn inline_keys_that_cannot_be_used_fail_the_configuration_where_they_are() {
    let problems = |keys: Value, algorithms: Value| {
        let config = config_with(|c| {
            let approver = &mut c["approvals"]["approvers"][0];
            (approver["keys"], approver["algorithms"]) = (json!({ "inline": { "keys": keys } }), algorithms);
        });
        match Gate::new(config, Box::new(NoPolicies), [7; 16]) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(|problem| problem.pointer).collect::<Vec<_>>(),
        }
    };
    let at = "/approvals/approvers/0";
    let good = approver_key().jwk();
    let secret = with(good.clone(), json!({ "d": "AAAA" }));
    assert_eq!(problems(json!([good, secret]), json!(["ES256"])), [format!("{at}/keys/inline/keys/1")]);
    assert_eq!(problems(json!([]), json!(["ES256"])), [format!("{at}/keys/inline")]);
    assert_eq!(problems(json!([good]), json!(["ES256", "EdDSA"])), [format!("{at}/algorithms/1")]);
    assert_eq!(problems(json!([good]), json!(["ES256"])), Vec::<String>::new());
}

#[test]
fn two_approvers_have_keys_and_ids_of_their_own() {
    let second = Private::new(Algorithm::EdDsa, 8);
    let config = config_with(|c| {
        let key = with(second.jwk(), json!({ "kid": "approver-1" }));
        c["approvals"]["approvers"].as_array_mut().unwrap().push(json!({
            "issuer": "https://second.example", "algorithms": ["EdDSA"], "keys": { "inline": { "keys": [key] } },
        }));
    });
    let mut gate = gate(config);
    let theirs = changed(claims(ARGUMENTS), json!({ "iss": "https://second.example" }));
    let by_first = sign(&theirs);
    let forged = decide(&mut gate, message(&[&by_first]), &call(ARGUMENTS));
    assert_eq!(forged.reason(), Some(Reason::ApprovalInvalid));
    let header = with(jose(), json!({ "alg": "EdDSA" })).to_string();
    let by_second = sign_texts(&second, Algorithm::EdDsa, &header, &theirs.to_string());
    assert_eq!(decide(&mut gate, message(&[&by_second]), &call(ARGUMENTS)).reason(), None);
    // The same id of the other is another.
    assert_eq!(decide(&mut gate, message(&[&sign(&claims(ARGUMENTS))]), &call(ARGUMENTS)).reason(), None);
}
