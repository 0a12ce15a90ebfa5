//! The record of a decision: it loses no hop and holds no token.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::decision::AuditRecord;
use mandate_core::decision::Decision;
use mandate_core::flow::Gate;
use mandate_core::reason::Reason;
use serde_json::{Value, json};
use support::policies::{Scripted, allow_with, approve, deny, digest, note, set_header};
use support::{ISSUER, NOW, NOW_S, act, act_of_depth, config, decide, denials, gate, get, head, token};

fn record(decision: &Decision) -> Value {
    let line = AuditRecord::new(decision).to_json();
    assert!(!line.contains('\n'), "one line");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn what_the_configuration_does_not_want_is_not_recorded() {
    for (log, allowed, denied) in [
        (json!("none"), false, false),
        (json!("denied"), false, true),
        (json!("all"), true, true),
        // The default.
        (json!(null), false, true),
    ] {
        let config = config(|c| {
            if !log.is_null() {
                c["audit"] = json!({ "log": log });
            }
        });
        let mut gate = gate(config.clone());
        let yes = decide(&mut gate, get(&token(json!({}))));
        let no = decide(&mut gate, head("GET", "/", &[]));
        assert_eq!(AuditRecord::wanted(&yes, Some(&config)).is_some(), allowed, "{log}: allowed");
        assert_eq!(AuditRecord::wanted(&no, Some(&config)).is_some(), denied, "{log}: denied");
    }
    let refused = Decision::refusal("decision-1".to_owned(), NOW, Reason::ConfigInvalid);
    assert!(AuditRecord::wanted(&refused, None).is_some(), "without a configuration a denial is wanted");
}

#[test]
fn the_record_of_an_allowed_request_tells_who_did_what_for_whom_by_what_right() {
    let config = config(|_| {});
    let members = json!({ "scope": "a b", "act": act(&[(None, "now"), (None, "before"), (None, "oldest")]) });
    let decision = decide(&mut gate(config), get(&token(members)));
    let expected = json!({
        "decision": "decision-1",
        "time_ms": NOW.as_millis(),
        "result": "allow",
        "method": "GET",
        "path": "/v1/tickets",
        "route": { "index": 0, "path_prefix": "/" },
        "chain": [
            { "iss": ISSUER, "sub": "user:alice" },
            { "iss": ISSUER, "sub": "oldest" },
            { "iss": ISSUER, "sub": "before" },
            { "iss": ISSUER, "sub": "now" },
        ],
        "depth": 3,
        "agent": "now",
        "token": {
            "jti": "token-1", "client_id": "agent-app", "kid": support::KID, "scopes": ["a", "b"],
            "exp_ms": (NOW_S + 600) * 1000,
        },
    });
    assert_eq!(record(&decision), expected);
}

#[test]
fn a_chain_that_was_denied_for_its_depth_is_recorded_whole() {
    let config = config(|_| {});
    let decision = decide(&mut gate(config), get(&token(json!({ "act": act_of_depth(20) }))));
    let record = record(&decision);
    assert_eq!((&record["result"], &record["reason"]), (&json!("deny"), &json!("delegation_too_deep")));
    assert_eq!(record["depth"], 20);
    let subjects: Vec<&str> =
        record["chain"].as_array().unwrap().iter().map(|h| h["sub"].as_str().unwrap()).collect();
    let hops = (0..20).rev().map(|i| format!("agent-{i}"));
    let expected: Vec<String> = std::iter::once("user:alice".to_owned()).chain(hops).collect();
    assert_eq!(subjects, expected);
}

#[test]
fn every_denial_is_recorded_with_its_reason_and_a_chain_only_if_it_was_verified() {
    for denied in denials(&json!({})) {
        let record = record(&denied.decision);
        assert_eq!((&record["result"], &record["reason"]), (&json!("deny"), &json!(denied.reason.code())));
        assert_eq!(record["decision"], "decision-1");
        let verified = matches!(
            denied.reason,
            Reason::TokenExpired
                | Reason::TokenNotYetValid
                | Reason::DelegationRequired
                | Reason::DelegationTooDeep
                | Reason::ActorUntrusted
                | Reason::DelegationCycle
                | Reason::ProofRequired
                | Reason::ProofInvalid
                | Reason::ProofReplayed
                | Reason::ProofNonceRequired
                | Reason::ReplayMemoryFull
                | Reason::AgentMismatch
                | Reason::AuthenticationInsufficient
                | Reason::ScopeInsufficient
                | Reason::ActionDenied
                | Reason::ArgumentDenied
                | Reason::BodyMalformed
                | Reason::BodyTooLarge
                | Reason::ProtocolMismatch
                | Reason::SessionUnknown
                | Reason::PolicyDenied
                | Reason::PolicyFault
                | Reason::ApprovalRequired
                | Reason::ApprovalInvalid
                | Reason::ApprovalUsed
        );
        for member in ["chain", "depth", "token"] {
            assert_eq!(record.get(member).is_some(), verified, "{}: {member}", denied.reason);
        }
        assert_eq!(record.get("principal"), None, "{}: it heads the chain", denied.reason);
    }
}

#[test]
fn no_record_holds_a_token_a_header_or_a_query() {
    let config = config(|_| {});
    let token = token(json!({ "email": "secret-claim" }));
    let request = head(
        "GET",
        "/v1/tickets?key=secret-query",
        &[("authorization", &format!("Bearer {token}")), ("x-api-key", "secret-header")],
    );
    let decision = decide(&mut gate(config), request);
    let line = AuditRecord::new(&decision).to_json();
    for part in token.split('.') {
        assert!(!line.contains(part), "{line}");
    }
    assert!(!line.contains("secret") && !line.contains("Bearer"), "{line}");
    for denied in denials(&json!({})) {
        let line = AuditRecord::new(&denied.decision).to_json();
        assert!(!line.contains("eyJ") && !line.contains("Bearer"), "{line}");
    }
}

#[test]
fn what_policies_said_and_asked_for_is_recorded() {
    let config = config(|c| {
        c["policies"] = json!([{ "name": "one" }, { "name": "two", "mode": "shadow" }]);
        c["routes"][0]["policies"] = json!(["one", "two"]);
    });
    let policies = Scripted::default()
        .with(
            "one",
            allow_with(&[set_header("tier", "gold"), note("why", "a \"quote\"\n"), note("ticket", "7")]),
        )
        .with("two", deny("too-late"));
    let mut gate = Gate::new(config, Box::new(policies), [7; 16]).unwrap();
    let record = record(&decide(&mut gate, get(&token(json!({})))));
    let expected = json!([
        { "policy": "one", "sha256": digest("one"), "verdict": "allow", "shadow": false, "obligations": [
            { "header": { "name": "tier", "value": "gold" } },
            { "audit": { "name": "why", "value": "a \"quote\"\n" } },
            { "audit": { "name": "ticket", "value": "7" } },
        ] },
        { "policy": "two", "sha256": digest("two"), "verdict": "deny", "code": "too-late", "message": "because", "shadow": true },
    ]);
    assert_eq!(record["policies"], expected);
    let notes = json!([{ "name": "why", "value": "a \"quote\"\n" }, { "name": "ticket", "value": "7" }]);
    assert_eq!(record["obligations"], notes, "in the order of asking, and without the header");
}

#[test]
fn why_an_approval_is_asked_for_is_recorded_with_the_denial() {
    let config = config(|c| {
        c["policies"] = json!([{ "name": "one" }]);
        c["routes"][0]["policies"] = json!(["one"]);
    });
    let policies = Scripted::default().with("one", allow_with(&[approve("500 € \"now\""), note("a", "1")]));
    let mut gate = Gate::new(config, Box::new(policies), [7; 16]).unwrap();
    let record = record(&decide(&mut gate, get(&token(json!({})))));
    assert_eq!((&record["result"], &record["reason"]), (&json!("deny"), &json!("approval_required")));
    let obligations =
        json!([{ "approve": { "reason": "500 € \"now\"" } }, { "audit": { "name": "a", "value": "1" } }]);
    assert_eq!(record["policies"][0]["obligations"], obligations);
    assert_eq!(record.get("obligations"), None, "of a denial nothing is carried out");
}

#[test]
fn notes_of_one_name_all_stay_in_the_order_of_the_policies() {
    let config = config(|c| {
        c["policies"] = json!([{ "name": "one" }, { "name": "two" }]);
        c["routes"][0]["policies"] = json!(["two", "one"]);
    });
    let policies = Scripted::default()
        .with("one", allow_with(&[note("why", "first")]))
        .with("two", allow_with(&[note("why", "second"), note("also", "x"), note("why", "second")]));
    let mut gate = Gate::new(config, Box::new(policies), [7; 16]).unwrap();
    let record = record(&decide(&mut gate, get(&token(json!({})))));
    let expected = json!([
        { "name": "why", "value": "second" },
        { "name": "also", "value": "x" },
        { "name": "why", "value": "second" },
        { "name": "why", "value": "first" },
    ]);
    assert_eq!(record["obligations"], expected);
}

#[test]
fn a_request_without_an_actor_has_a_chain_of_its_principal_alone() {
    let config = config(|_| {});
    let record = record(&decide(&mut gate(config), get(&token(json!({})))));
    assert_eq!(record["chain"], json!([{ "iss": ISSUER, "sub": "user:alice" }]));
    assert_eq!(record["depth"], 0, "the principal is no hop");
}

#[test]
fn names_that_would_break_a_line_are_escaped() {
    let config = config(|_| {});
    let decision = decide(&mut gate(config), get(&token(json!({ "sub": "\u{2028}\"},\\ë" }))));
    assert_eq!(record(&decision)["chain"][0]["sub"], "\u{2028}\"},\\ë");
}

#[test]
fn a_refusal_without_a_configuration_leaves_out_what_is_not_known() {
    let refused = Decision::refusal("decision-1".to_owned(), NOW, Reason::ConfigInvalid);
    let expected = json!({
        "decision": "decision-1", "time_ms": NOW.as_millis(), "result": "deny", "reason": "config_invalid", "method": "",
    });
    assert_eq!(record(&refused), expected);
}
