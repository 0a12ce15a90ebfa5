//! The way of a request through the machine, from its head to a decision.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::config::Problem;
use mandate_core::decision::{Decision, DecisionIds, Outcome};
use mandate_core::denial::KeysProblem;
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::Headers;
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::policy::{Fault, NoPolicies, Policies, Verdict};
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::policies::{Scripted, allow, allow_with, approve, deny, digest, note, set_header};
use support::{
    NOW, NOW_S, act_of_depth, config, decide, decide_at, denials, gate, get, head, jwks, token,
    token_with_header, with,
};

fn problems(change: impl FnOnce(&mut Value), policies: impl Policies + 'static) -> Vec<Problem> {
    Gate::new(config(change), Box::new(policies), [7; 16]).err().unwrap_or_default()
}

fn pointers(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|p| p.pointer.as_str()).collect()
}

#[test]
fn every_reason_comes_about() {
    let mut seen = BTreeSet::new();
    for denied in denials(&json!({})) {
        assert_eq!(denied.decision.reason(), Some(denied.reason));
        seen.insert(denied.reason);
    }
    let missing: Vec<Reason> = Reason::ALL.into_iter().filter(|r| !seen.contains(r)).collect();
    assert_eq!(missing, [], "each reason needs a request that is denied for it");
}

#[test]
fn a_good_request_is_allowed_by_its_chain() {
    let decision = decide(&mut gate(config(|_| {})), get(&token(json!({ "act": act_of_depth(2) }))));
    let Outcome::Allow(permit) = decision.outcome() else { panic!("{decision:?}") };
    assert_eq!(permit.chain().unwrap().depth(), 2);
    assert_eq!((decision.id(), decision.at(), decision.method()), ("decision-1", NOW, "GET"));
    assert_eq!(decision.path().unwrap().as_str(), "/v1/tickets");
    assert_eq!(decision.route().map(|route| route.index()), Some(0));
    assert_eq!(decision.token().unwrap().token_id(), Some("token-1"));
}

#[test]
fn the_first_route_that_matches_decides() {
    let mut gate = gate(config(|c| {
        c["routes"] = json!([
            { "match": { "path_prefix": "/open", "methods": ["GET"] }, "anonymous": true },
            { "match": { "path_prefix": "/open/closed" } },
            { "match": { "path_prefix": "/open", "methods": ["POST"] }, "scopes": ["write"] },
        ]);
    }));
    for (method, path, expected) in [
        ("DELETE", "/open", Some(Reason::RouteUnmatched)),
        ("get", "/open", Some(Reason::RouteUnmatched)),
        ("", "/open", Some(Reason::RouteUnmatched)),
        ("GET", "/opens", Some(Reason::RouteUnmatched)),
        ("GET", "/OPEN", Some(Reason::RouteUnmatched)),
        ("GET", "/", Some(Reason::RouteUnmatched)),
        ("GET", "", Some(Reason::PathInvalid)),
        ("GET", "open", Some(Reason::PathInvalid)),
        ("GET", "/open/%2fx", Some(Reason::PathInvalid)),
        ("GET", "/../open", Some(Reason::PathInvalid)),
        ("POST", "/open", Some(Reason::TokenMissing)),
        ("DELETE", "/open/closed", Some(Reason::TokenMissing)),
        ("GET", "/x/../open", None),
        ("GET", "/open", None),
        ("GET", "/open/closed/x?y", None),
    ] {
        assert_eq!(decide(&mut gate, head(method, path, &[])).reason(), expected, "{method} {path}");
    }
}

#[test]
fn an_anonymous_route_looks_at_no_credential() {
    let config = || config(|c| c["routes"] = json!([{ "match": { "path_prefix": "/" }, "anonymous": true }]));
    for value in ["Bearer garbage", "", "Bearer a.b.c, Bearer a.b.c"] {
        let decision = decide(&mut gate(config()), head("GET", "/", &[("authorization", value)]));
        let Outcome::Allow(permit) = decision.outcome() else { panic!("{decision:?}") };
        assert!(permit.chain().is_none() && permit.obligations().is_empty());
        assert!(decision.token().is_none());
    }
}

#[test]
fn a_token_in_the_query_is_never_looked_at() {
    let path = format!("/v1?access_token={}", token(json!({})));
    assert_eq!(
        decide(&mut gate(config(|_| {})), head("GET", &path, &[])).reason(),
        Some(Reason::TokenMissing)
    );
}

#[test]
fn a_token_that_comes_as_proof_bound_is_denied_while_no_proof_is_checked() {
    let mut gate = gate(config(|c| {
        c["routes"] = json!([
            { "match": { "path_prefix": "/open" }, "anonymous": true },
            { "match": { "path_prefix": "/" } },
        ]);
    }));
    let token = token(json!({}));
    let at = |gate: &mut Gate, path: &str, headers: &[(&str, &str)]| decide(gate, head("GET", path, headers));
    let bearer = format!("Bearer {token}");
    assert_eq!(at(&mut gate, "/v1", &[("authorization", &bearer)]).reason(), None);
    assert_eq!(gate.take_cache_counts(), (0, 1));
    for scheme in ["DPoP", "dpop", "DPOP"] {
        let value = format!("{scheme} {token}");
        for headers in [
            &[("authorization", value.as_str())][..],
            // A proof that nobody checks proves nothing.
            &[("authorization", value.as_str()), ("dpop", "a.b.c")],
        ] {
            let decision = at(&mut gate, "/v1", headers);
            assert_eq!(decision.reason(), Some(Reason::ProofUnsupported), "{scheme}");
            assert_eq!(decision.route().map(|route| route.index()), Some(1));
            assert!(decision.token().is_none(), "{scheme}: nothing was verified");
        }
        // An anonymous route looks at no credential, whatever its scheme.
        assert_eq!(at(&mut gate, "/open", &[("authorization", &value)]).reason(), None, "{scheme}");
    }
    assert_eq!(gate.take_cache_counts(), (0, 0), "that the token is known as a bearer's does not help");
    for (value, reason) in [("DPoP", Reason::ProofUnsupported), ("DPoPs a", Reason::TokenMissing)] {
        assert_eq!(at(&mut gate, "/v1", &[("authorization", value)]).reason(), Some(reason), "{value}");
    }
    let two = [("authorization", bearer.as_str()), ("authorization", "DPoP a.b.c")];
    assert_eq!(at(&mut gate, "/v1", &two).reason(), Some(Reason::CredentialAmbiguous));
}

#[test]
fn a_token_that_comes_as_proof_bound_does_not_cause_a_fetch() {
    let mut gate = remote_gate();
    let value = format!("DPoP {}", token(json!({})));
    let decision = decide(&mut gate, head("GET", "/v1", &[("authorization", &value)]));
    assert_eq!(decision.reason(), Some(Reason::ProofUnsupported));
}

#[test]
fn every_scope_of_the_route_must_be_granted() {
    let config =
        || config(|c| c["routes"] = json!([{ "match": { "path_prefix": "/" }, "scopes": ["a.b", "c"] }]));
    for (scope, allowed) in [
        (json!(null), false),
        (json!(""), false),
        (json!("a.b"), false),
        (json!("a.b C"), false),
        (json!("a c"), false),
        (json!("a.* c"), false),
        (json!("a.bc c"), false),
        (json!("c a.b"), true),
        (json!("x c y a.b"), true),
    ] {
        let decision = decide(&mut gate(config()), get(&token(json!({ "scope": scope }))));
        let expected = (!allowed).then_some(Reason::ScopeInsufficient);
        assert_eq!(decision.reason(), expected, "{scope}");
    }
}

#[test]
fn a_route_may_allow_fewer_hops_than_the_rest() {
    let config = || {
        config(|c| {
            c["routes"] = json!([
                { "match": { "path_prefix": "/v1" }, "max_depth": 1 },
                { "match": { "path_prefix": "/" } },
            ]);
        })
    };
    let bearer = format!("Bearer {}", token(json!({ "act": act_of_depth(2) })));
    let mut gate = gate(config());
    let on =
        |gate: &mut Gate, path: &str| decide(gate, head("GET", path, &[("authorization", &bearer)])).reason();
    assert_eq!(on(&mut gate, "/v1"), Some(Reason::DelegationTooDeep));
    assert_eq!(on(&mut gate, "/v2"), None);
    // Also once the token is known.
    assert_eq!(on(&mut gate, "/v1"), Some(Reason::DelegationTooDeep));
}

#[test]
fn a_known_token_is_found_again_and_still_judged_anew() {
    let mut gate = gate(config(|_| {}));
    let token = token(json!({ "exp": NOW_S + 60, "scope": "a" }));
    assert_eq!(decide(&mut gate, get(&token)).reason(), None);
    assert_eq!(gate.take_cache_counts(), (0, 1));
    assert_eq!(decide(&mut gate, get(&token)).reason(), None);
    assert_eq!(gate.take_cache_counts(), (1, 0));
    let changed = format!("{token}A");
    assert!(decide(&mut gate, get(&changed)).reason().is_some());
    assert_eq!(gate.take_cache_counts(), (0, 1));
    // Within the skew it is verified anew, after it it is expired.
    assert_eq!(decide_at(&mut gate, get(&token), UnixTime::from_secs(NOW_S + 89)).reason(), None);
    assert_eq!(gate.take_cache_counts(), (0, 1));
    let late = decide_at(&mut gate, get(&token), UnixTime::from_secs(NOW_S + 90));
    assert_eq!(late.reason(), Some(Reason::TokenExpired));
}

#[test]
fn a_token_that_was_denied_is_denied_again_and_a_forged_one_is_not_remembered() {
    let mut gate = gate(config(|_| {}));
    let good = token(json!({}));
    let (input, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}", support::b64([0; 64]));
    for _ in 0..3 {
        assert_eq!(decide(&mut gate, get(&forged)).reason(), Some(Reason::SignatureInvalid));
    }
    assert_eq!(gate.take_cache_counts(), (0, 3));
    assert_eq!(decide(&mut gate, get(&good)).reason(), None);
    assert_eq!(decide(&mut gate, get(&forged)).reason(), Some(Reason::SignatureInvalid));
}

fn remote_gate() -> Gate {
    gate(config(|c| {
        c["issuers"][0]["keys"] =
            json!({ "remote": { "cluster": "idp", "uri": "https://idp.example/jwks.json", "stale_s": 400 } });
    }))
}

fn accept(gate: &mut Gate, document: &Value, at: UnixTime) {
    gate.remote_store(0).unwrap().accept(document.to_string().as_bytes(), at).unwrap();
}

#[test]
fn a_request_waits_for_keys_and_goes_on_when_they_came() {
    let mut gate = remote_gate();
    let mut flow = Flow::new("decision-1".to_owned(), get(&token(json!({}))));
    assert!(matches!(flow.advance(&mut gate, &InModule, NOW), Step::NeedKeys(0)));
    assert!(matches!(flow.advance(&mut gate, &InModule, NOW), Step::NeedKeys(0)), "nothing came yet");
    accept(&mut gate, &jwks(), NOW);
    let Step::Done(decision) = flow.advance(&mut gate, &InModule, NOW) else { panic!("the keys came") };
    assert_eq!(decision.reason(), None);
    assert_eq!((decision.id(), decision.route().map(|route| route.index())), ("decision-1", Some(0)));
    assert_eq!(decision.path().unwrap().as_str(), "/v1/tickets");
    // The next one does not wait.
    assert_eq!(decide(&mut gate, get(&token(json!({})))).reason(), None);
}

#[test]
fn a_request_that_waited_is_judged_by_the_time_when_it_goes_on() {
    let mut gate = remote_gate();
    let mut flow = Flow::new("decision-1".to_owned(), get(&token(json!({ "exp": NOW_S + 5 }))));
    assert!(matches!(flow.advance(&mut gate, &InModule, NOW), Step::NeedKeys(0)));
    let later = UnixTime::from_secs(NOW_S + 60);
    accept(&mut gate, &jwks(), later);
    let Step::Done(decision) = flow.advance(&mut gate, &InModule, later) else { panic!("the keys came") };
    assert_eq!(decision.reason(), Some(Reason::TokenExpired));
}

#[test]
fn a_request_that_waited_in_vain_is_denied_with_what_is_known_of_it() {
    let mut gate = remote_gate();
    let mut flow = Flow::new("decision-1".to_owned(), get(&token(json!({}))));
    assert!(matches!(flow.advance(&mut gate, &InModule, NOW), Step::NeedKeys(0)));
    let decision = flow.give_up(&gate, KeysProblem::Late, NOW);
    assert_eq!(decision.reason(), Some(Reason::KeysUnavailable));
    assert_eq!(
        (decision.id(), decision.method(), decision.route().map(|route| route.index())),
        ("decision-1", "GET", Some(0))
    );
    assert!(decision.path().is_some() && decision.token().is_none());
}

#[test]
fn while_no_fetch_may_be_made_a_request_does_not_wait() {
    let mut gate = remote_gate();
    let store = gate.remote_store(0).unwrap();
    store.failed(NOW);
    assert_eq!(decide(&mut gate, get(&token(json!({})))).reason(), Some(Reason::KeysUnavailable));
}

#[test]
fn a_token_of_a_type_or_algorithm_that_is_not_accepted_does_not_cause_a_fetch() {
    let mut gate = remote_gate();
    for (header, reason) in [
        (json!({ "alg": "EdDSA", "typ": "JWT" }), Reason::TokenType),
        (json!({ "alg": "RS256", "typ": "at+jwt" }), Reason::AlgorithmNotAllowed),
    ] {
        assert_eq!(decide(&mut gate, get(&token_with_header(&header, json!({})))).reason(), Some(reason));
    }
}

#[test]
fn a_cached_token_dies_with_the_key_set_that_it_was_verified_with() {
    let mut gate = remote_gate();
    accept(&mut gate, &jwks(), NOW);
    let token = token(json!({}));
    assert_eq!(decide(&mut gate, get(&token)).reason(), None);
    // The same document again changes nothing.
    accept(&mut gate, &jwks(), NOW);
    assert_eq!(decide(&mut gate, get(&token)).reason(), None);
    assert_eq!(gate.take_cache_counts(), (1, 1));
    // The issuer withdraws the key; the unknown `kid` asks for one more fetch, which has nothing new.
    let other = json!({ "keys": [with(support::Private::new(mandate_core::algorithm::Algorithm::EdDsa, 2).jwk(), json!({ "kid": "key-2" }))] });
    accept(&mut gate, &other, NOW);
    let mut flow = Flow::new("decision-1".to_owned(), get(&token));
    assert!(matches!(flow.advance(&mut gate, &InModule, NOW), Step::NeedKeys(0)));
    gate.remote_store(0).unwrap().begin(NOW);
    accept(&mut gate, &other, NOW);
    let Step::Done(decision) = flow.advance(&mut gate, &InModule, NOW) else { panic!("no more fetches") };
    assert_eq!(decision.reason(), Some(Reason::KeyUnknown));
}

#[test]
fn a_cached_token_is_not_allowed_once_the_keys_are_stale() {
    let mut gate = remote_gate();
    accept(&mut gate, &jwks(), NOW);
    let token = token(json!({}));
    assert_eq!(decide(&mut gate, get(&token)).reason(), None);
    let stale = UnixTime::from_secs(NOW_S + 400);
    let store = gate.remote_store(0).unwrap();
    store.failed(stale);
    assert_eq!(decide_at(&mut gate, get(&token), stale).reason(), Some(Reason::KeysUnavailable));
}

#[test]
fn decision_ids_are_distinct_and_do_not_give_the_seed_away() {
    let seed = [0xab; 16];
    let (mut one, mut two) = (DecisionIds::new(seed), DecisionIds::new([0xac; 16]));
    let ids: BTreeSet<String> = (0..100).flat_map(|_| [one.next_id(), two.next_id()]).collect();
    assert_eq!(ids.len(), 200);
    assert!(ids.iter().all(|id| !id.contains("abababab")));
}

// Policies.

/// A configuration with these entries, all on one route.
fn with_policies(entries: Value) -> impl FnOnce(&mut Value) {
    let names: Vec<Value> = entries.as_array().unwrap().iter().map(|e| e["name"].clone()).collect();
    move |c| {
        c["policies"] = entries;
        c["routes"] = json!([{ "match": { "path_prefix": "/" }, "policies": names }]);
    }
}

fn decide_by(entries: Value, policies: &Scripted) -> Decision {
    let mut gate = Gate::new(config(with_policies(entries)), Box::new(policies.clone()), [7; 16])
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    decide(&mut gate, get(&token(json!({ "act": act_of_depth(1) }))))
}

fn verdicts(decision: &Decision) -> Vec<(&str, &str, Option<&str>)> {
    decision.policies().iter().map(|r| (&*r.policy, r.verdict, r.code.as_deref())).collect()
}

#[test]
fn a_policy_that_is_not_linked_fails_the_configuration() {
    let entry = json!([{ "name": "guard" }]);
    assert_eq!(pointers(&problems(with_policies(entry.clone()), NoPolicies)), ["/policies/0/name"]);
    let other = Scripted::default().with("other", allow());
    assert_eq!(pointers(&problems(with_policies(entry.clone()), other)), ["/policies/0/name"]);
    assert!(problems(with_policies(entry), Scripted::default().with("guard", allow())).is_empty());
}

#[test]
fn a_policy_that_is_not_linked_is_pointed_at_where_it_is_named() {
    let entry = json!([{ "name": "morning", "policy": "guard" }]);
    assert_eq!(pointers(&problems(with_policies(entry), NoPolicies)), ["/policies/0/policy"]);
}

#[test]
fn a_pin_that_is_not_the_linked_policys_digest_fails_the_configuration() {
    let linked = || Scripted::default().with("guard", allow());
    let pinned = |sha256: String| with_policies(json!([{ "name": "guard", "sha256": sha256 }]));
    assert_eq!(pointers(&problems(pinned("0".repeat(64)), linked())), ["/policies/0/sha256"]);
    assert!(problems(pinned(digest("guard")), linked()).is_empty());
}

#[test]
fn refused_settings_fail_the_configuration_with_every_message() {
    let policies = Scripted::default().with("one", allow()).with("two", allow());
    let policies = policies.refusing("two", &["`hours` is missing", "`zone` is unknown"]);
    let found = problems(with_policies(json!([{ "name": "one" }, { "name": "two" }])), policies);
    assert_eq!(pointers(&found), ["/policies/1/settings", "/policies/1/settings"]);
    assert_eq!(found[0].message, "`hours` is missing");
    assert_eq!(found[1].message, "`zone` is unknown");
}

#[test]
fn inline_keys_that_cannot_be_used_fail_the_configuration() {
    let keys = |keys: Value| move |c: &mut Value| c["issuers"][0]["keys"]["inline"]["keys"] = keys;
    let good = jwks()["keys"][0].clone();
    let bad = json!({ "kty": "oct", "k": "AAAA" });
    let pointer = |i: usize| format!("/issuers/0/keys/inline/keys/{i}");
    assert_eq!(pointers(&problems(keys(json!([good, bad])), NoPolicies)), [pointer(1)]);
    assert_eq!(pointers(&problems(keys(json!([bad, bad])), NoPolicies)), [pointer(0), pointer(1)]);
    assert_eq!(pointers(&problems(keys(json!([])), NoPolicies)), ["/issuers/0/keys/inline"]);
    let idle = |c: &mut Value| c["issuers"][0]["algorithms"] = json!(["EdDSA", "ES256"]);
    assert_eq!(pointers(&problems(idle, NoPolicies)), ["/issuers/0/algorithms/1"]);
}

#[test]
fn a_denial_wins_and_later_policies_are_not_asked() {
    let policies = Scripted::default()
        .with("first", allow_with(&[set_header("a", "1")]))
        .with("second", deny("too-late"))
        .with("third", allow());
    let decision =
        decide_by(json!([{ "name": "first" }, { "name": "second" }, { "name": "third" }]), &policies);
    let Outcome::Deny(denial) = decision.outcome() else { panic!("{decision:?}") };
    assert_eq!(denial.reason, Reason::PolicyDenied);
    assert_eq!(denial.policy, Some(("second".to_owned(), Some("too-late".to_owned()))));
    assert_eq!(verdicts(&decision), [("first", "allow", None), ("second", "deny", Some("too-late"))]);
    assert_eq!(*policies.asked.borrow(), ["first", "second"]);
    assert!(decision.token().is_some());
}

#[test]
fn every_kind_of_fault_denies() {
    for (fault, code) in [
        (Fault::Trap, "trap"),
        (Fault::Fuel, "fuel"),
        (Fault::Stack, "stack"),
        (Fault::Memory, "memory"),
        (Fault::Output, "output"),
        (Fault::Malformed, "malformed"),
        (Fault::Missing, "missing"),
    ] {
        let policies = Scripted::default().with("guard", Err(fault)).with("after", allow());
        let decision = decide_by(json!([{ "name": "guard" }, { "name": "after" }]), &policies);
        let Outcome::Deny(denial) = decision.outcome() else { panic!("{decision:?}") };
        assert_eq!(denial.reason, Reason::PolicyFault, "{code}");
        assert_eq!(denial.policy, None, "{code}: which policy fails, and how, is for the record only");
        assert_eq!(verdicts(&decision), [("guard", "fault", Some(code))]);
    }
}

#[test]
fn a_denial_whose_code_is_not_of_its_form_is_a_malformed_fault() {
    let long = "a".repeat(65);
    for bad in ["", "Upper", "a b", "a.b", "a:b", "a/b", "a\n", "a\0", "é", "user:alice", "\"", long.as_str()]
    {
        let policies = Scripted::default().with("guard", deny(bad)).with("after", allow());
        let decision = decide_by(json!([{ "name": "guard" }, { "name": "after" }]), &policies);
        let Outcome::Deny(denial) = decision.outcome() else { panic!("{decision:?}") };
        assert_eq!((denial.reason, &denial.policy), (Reason::PolicyFault, &None), "{bad:?}");
        assert_eq!(verdicts(&decision), [("guard", "fault", Some("malformed"))], "{bad:?}");
        assert_eq!(decision.policies()[0].message, None, "{bad:?}");
        assert_eq!(*policies.asked.borrow(), ["guard"], "{bad:?}: a fault ends the asking");
    }
    for good in ["a", "0", "-", "_", "too-late_2", &long[..64]] {
        let decision =
            decide_by(json!([{ "name": "guard" }]), &Scripted::default().with("guard", deny(good)));
        assert_eq!(decision.reason(), Some(Reason::PolicyDenied), "{good}");
        assert_eq!(verdicts(&decision), [("guard", "deny", Some(good))]);
    }
}

#[test]
fn an_abstention_is_recorded_and_does_not_decide() {
    let policies = Scripted::default().with("guard", Ok(Verdict::Abstain));
    let decision = decide_by(json!([{ "name": "guard" }]), &policies);
    assert_eq!(decision.reason(), None);
    assert_eq!(verdicts(&decision), [("guard", "abstain", None)]);
}

#[test]
fn a_policy_in_shadow_is_recorded_and_never_decides() {
    let policies = Scripted::default()
        .with("denies", deny("no"))
        .with("faults", Err(Fault::Trap))
        .with("adds", allow_with(&[set_header("a", "1"), note("b", "2")]))
        .with("last", allow());
    let shadow = |name: &str| json!({ "name": name, "mode": "shadow" });
    let entries = json!([shadow("denies"), shadow("faults"), shadow("adds"), { "name": "last" }]);
    let decision = decide_by(entries, &policies);
    let Outcome::Allow(permit) = decision.outcome() else { panic!("{decision:?}") };
    assert!(permit.obligations().is_empty(), "what a shadow asks for is not done");
    let shadows: Vec<bool> = decision.policies().iter().map(|r| r.shadow).collect();
    assert_eq!(shadows, [true, true, true, false]);
    let verdicts: Vec<&str> = decision.policies().iter().map(|r| r.verdict).collect();
    assert_eq!(verdicts, ["deny", "fault", "allow", "allow"]);
}

#[test]
fn a_denial_after_a_shadows_names_the_policy_that_decided() {
    let policies = Scripted::default().with("shadow", deny("no")).with("real", deny("really-no"));
    let decision = decide_by(json!([{ "name": "shadow", "mode": "shadow" }, { "name": "real" }]), &policies);
    let Outcome::Deny(denial) = decision.outcome() else { panic!("{decision:?}") };
    assert_eq!(denial.policy, Some(("real".to_owned(), Some("really-no".to_owned()))));
}

#[test]
fn obligations_of_all_allowing_policies_are_passed_on_in_order() {
    let policies = Scripted::default()
        .with("one", allow_with(&[set_header("tier", "gold"), note("why", "é\n")]))
        .with("two", allow_with(&[set_header("empty", "")]));
    let decision = decide_by(json!([{ "name": "one" }, { "name": "two" }]), &policies);
    let Outcome::Allow(permit) = decision.outcome() else { panic!("{decision:?}") };
    assert_eq!(
        permit.obligations(),
        [set_header("tier", "gold"), note("why", "é\n"), set_header("empty", "")]
    );
}

#[test]
fn an_obligation_that_could_do_more_than_it_may_is_a_fault() {
    let long = "a".repeat(65);
    for bad in [
        set_header("", "x"),
        set_header("Upper", "x"),
        set_header("a_b", "x"),
        set_header("a b", "x"),
        set_header("a:b", "x"),
        set_header("a\r\nb", "x"),
        set_header("é", "x"),
        set_header(&long, "x"),
        set_header("a", "x\r\ny: z"),
        set_header("a", "x\n"),
        set_header("a", "\0"),
        set_header("a", "\t"),
        set_header("a", "é"),
        set_header("a", "\u{7f}"),
        note("", "x"),
        note("Upper", "x"),
        note("a.b", "x"),
        note(&long, "x"),
        approve(""),
        approve(&"é".repeat(257)),
        approve("two\nlines"),
        approve("a\u{202e}b"),
        approve("\u{200b}"),
        approve("\0"),
        approve("a\tb"),
    ] {
        let policies = Scripted::default().with("guard", allow_with(&[set_header("good", "x"), bad.clone()]));
        let decision = decide_by(json!([{ "name": "guard" }]), &policies);
        assert_eq!(decision.reason(), Some(Reason::PolicyFault), "{bad:?}");
        assert_eq!(verdicts(&decision), [("guard", "fault", Some("malformed"))]);
    }
    let policies = Scripted::default().with("guard", allow_with(&[set_header(&long[..64], "~ x")]));
    assert_eq!(decide_by(json!([{ "name": "guard" }]), &policies).reason(), None);
}

#[test]
fn a_request_that_a_policy_wants_approved_is_denied_and_every_wish_is_recorded() {
    let policies = Scripted::default()
        .with("one", allow_with(&[approve("more than 500 EUR"), set_header("tier", "gold")]))
        .with("two", allow_with(&[approve("more than 500 EUR"), approve("a new payee")]))
        .with("three", Ok(Verdict::Abstain));
    let entries = json!([{ "name": "one" }, { "name": "two" }, { "name": "three" }]);
    let decision = decide_by(entries, &policies);
    let Outcome::Deny(denial) = decision.outcome() else { panic!("{decision:?}") };
    assert_eq!((denial.reason, &denial.policy), (Reason::ApprovalRequired, &None));
    assert_eq!(*policies.asked.borrow(), ["one", "two", "three"], "a later policy may still deny");
    let said: Vec<_> = decision.policies().iter().map(|record| record.obligations.clone()).collect();
    assert_eq!(
        said,
        [
            vec![approve("more than 500 EUR"), set_header("tier", "gold")],
            vec![approve("more than 500 EUR"), approve("a new payee")],
            vec![],
        ]
    );
}

#[test]
fn what_denies_or_fails_is_not_asked_to_be_approved() {
    for (answer, expected) in [(deny("no"), Reason::PolicyDenied), (Err(Fault::Trap), Reason::PolicyFault)] {
        let policies =
            Scripted::default().with("one", allow_with(&[approve("a new payee")])).with("two", answer);
        let decision = decide_by(json!([{ "name": "one" }, { "name": "two" }]), &policies);
        assert_eq!(decision.reason(), Some(expected));
    }
}

#[test]
fn a_wish_of_a_policy_in_shadow_is_recorded_and_asks_for_nothing() {
    let longest = "é".repeat(256);
    let policies = Scripted::default().with("guard", allow_with(&[approve(&longest)]));
    let enforced = decide_by(json!([{ "name": "guard" }]), &policies);
    assert_eq!(enforced.reason(), Some(Reason::ApprovalRequired));
    let shadow = decide_by(json!([{ "name": "guard", "mode": "shadow" }]), &policies);
    assert_eq!(shadow.reason(), None);
    assert_eq!(shadow.policies()[0].obligations, [approve(&longest)]);
}

/// A message that is ruled on after its head went on, or before.
#[test]
fn a_message_that_a_policy_wants_approved_is_denied_whether_its_head_went_ahead_or_not() {
    for (hold, answer, expected) in [
        ("head", allow_with(&[approve("a tool")]), Some(Reason::ApprovalRequired)),
        ("body", allow_with(&[approve("a tool")]), Some(Reason::ApprovalRequired)),
        // What cannot be done with or without an approval is not worth one.
        ("body", allow_with(&[approve("a tool"), set_header("a", "1")]), Some(Reason::PolicyFault)),
        ("body", allow_with(&[note("a", "1")]), None),
    ] {
        let config = config(|c| {
            c["policies"] = json!([{ "name": "guard" }]);
            let mcp = json!({ "tools": [{ "name": "*" }], "hold": hold });
            c["routes"] = json!([{ "match": { "path_prefix": "/" }, "mcp": mcp, "policies": ["guard"] }]);
        });
        let policies = Scripted::default().with("guard", answer);
        let mut gate = Gate::new(config, Box::new(policies), [7; 16]).unwrap();
        let bearer = format!("Bearer {}", token(json!({})));
        let head = head("POST", "/mcp", &[("authorization", &bearer)]).with_body(true);
        let mut flow = Flow::new("decision-1".to_owned(), head);
        assert!(matches!(flow.advance(&mut gate, &InModule, NOW), Step::NeedBody(_)));
        assert_eq!(flow.take_ahead().is_some(), hold == "body");
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "pay" } });
        flow.set_body(Body::Whole(call.to_string().into_bytes()));
        let Step::Done(decision) = flow.advance(&mut gate, &InModule, NOW) else { panic!("{flow:?}") };
        assert_eq!(decision.reason(), expected, "{hold}");
        assert_eq!(decision.policies().len(), 1);
    }
}

#[test]
fn policies_are_asked_last_and_on_every_request() {
    let policies = Scripted::default().with("guard", allow());
    let asked = policies.asked.clone();
    let change = |c: &mut Value| {
        c["policies"] = json!([{ "name": "guard" }]);
        c["routes"] = json!([{ "match": { "path_prefix": "/" }, "scopes": ["a"], "policies": ["guard"] }]);
    };
    let mut gate = Gate::new(config(change), Box::new(policies), [7; 16]).unwrap();
    for members in [
        json!({}),
        json!({ "scope": "a", "act": act_of_depth(5) }),
        json!({ "scope": "a", "iat": NOW_S - 3000, "exp": NOW_S - 2000 }),
        json!({ "scope": "a", "aud": "urn:other" }),
    ] {
        assert!(decide(&mut gate, get(&token(members))).reason().is_some());
    }
    assert!(asked.borrow().is_empty(), "none of those came so far");
    let good = token(json!({ "scope": "a" }));
    for times in 1..=3 {
        assert_eq!(decide(&mut gate, get(&good)).reason(), None);
        assert_eq!(asked.borrow().len(), times);
    }
}

#[test]
fn a_policy_sees_the_request_in_its_normal_form_and_never_the_credential() {
    let policies = Scripted::default().with("guard", allow());
    let mut gate =
        Gate::new(config(with_policies(json!([{ "name": "guard" }]))), Box::new(policies.clone()), [7; 16])
            .unwrap();
    let bearer = format!("Bearer {}", token(json!({ "act": act_of_depth(1) })));
    let request = head("PUT", "/a/../v1//x?q=1", &[("Authorization", &bearer), ("x-tenant", "acme")]);
    assert_eq!(decide(&mut gate, request).reason(), None);
    let now = NOW.as_millis().to_string();
    let expected =
        ["PUT", "/v1/x", "Ok(None)", "Ok(Some(\"acme\"))", "Some(String(\"agent-0\"))", "1", now.as_str()];
    assert_eq!(*policies.seen.borrow(), expected);
}

#[test]
fn two_entries_may_use_one_policy() {
    let policies = Scripted::default().with("guard", deny("no"));
    let entries = json!([{ "name": "soft", "policy": "guard", "mode": "shadow" }, { "name": "hard", "policy": "guard" }]);
    let decision = decide_by(entries, &policies);
    assert_eq!(verdicts(&decision), [("soft", "deny", Some("no")), ("hard", "deny", Some("no"))]);
    assert_eq!(decision.reason(), Some(Reason::PolicyDenied));
}

#[test]
fn a_method_that_a_server_might_fold_does_not_slip_by_a_stricter_route() {
    let config = config(|c| {
        c["routes"] = json!([
            { "match": { "path_prefix": "/v1", "methods": ["DELETE"] }, "scopes": ["admin"] },
            { "match": { "path_prefix": "/v1" } },
        ]);
    });
    let mut gate = gate(config);
    let with_method = |method: &str| {
        let request = get(&token(json!({})));
        let others = request.headers().iter().filter(|(name, _)| *name != b":method");
        RequestHead::new(others.chain([(&b":method"[..], method.as_bytes())]).collect::<Headers>())
    };
    for method in ["delete", "Delete", "dELETE", "", "DEL ETE", "DELETE\0", "D\u{00c9}LETE"] {
        assert_eq!(
            decide(&mut gate, with_method(method)).reason(),
            Some(Reason::RouteUnmatched),
            "{method:?}"
        );
    }
    assert_eq!(decide(&mut gate, with_method("DELETE")).reason(), Some(Reason::ScopeInsufficient));
    assert_eq!(decide(&mut gate, with_method("M-SEARCH")).reason(), None);
}
