//! How the principal must have authenticated, and what a client is told that must have it do so again (RFC 9470).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::config::Config;
use mandate_core::decision::{AuditRecord, Decision, Reply};
use mandate_core::flow::{Body, Flow, Step};
use mandate_core::keys::InModule;
use mandate_core::reason::Reason;
use serde_json::{Value, json};
use support::{NOW, NOW_S, act_of_depth, config, decide, gate, get, head, token};

fn route(members: Value) -> Config {
    config(|c| {
        c["routes"][0] = json!({ "match": { "path_prefix": "/" } });
        c["routes"][0].as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    })
}

fn challenge(decision: &Decision, config: &Config) -> String {
    let Reply::Local(answer) = Reply::new(decision, Some(config)) else { panic!("it passed") };
    answer.headers.into_iter().find(|(name, _)| *name == "www-authenticate").unwrap().1
}

fn evidence(decision: &Decision) -> Value {
    let record: Value = serde_json::from_str(&AuditRecord::new(decision).to_json()).unwrap();
    record["evidence"].clone()
}

#[test]
fn a_token_must_say_one_of_the_contexts_of_its_route() {
    let config = route(json!({ "acr_values": ["phr", "mfa"] }));
    let insufficient = Some(Reason::AuthenticationInsufficient);
    for (acr, expected) in [
        (json!(null), insufficient),
        (json!("pwd"), insufficient),
        (json!("PHR"), insufficient),
        (json!("phr mfa"), insufficient),
        (json!(["phr"]), insufficient),
        (json!(1), insufficient),
        (json!(""), insufficient),
        (json!("phr"), None),
        (json!("mfa"), None),
    ] {
        let decision = decide(&mut gate(config.clone()), get(&token(json!({ "acr": acr }))));
        assert_eq!(decision.reason(), expected, "{acr}");
    }
}

#[test]
fn a_token_must_be_of_a_recent_authentication() {
    let config = route(json!({ "max_age_s": 300 }));
    let insufficient = Some(Reason::AuthenticationInsufficient);
    let skew = 30;
    for (auth_time, expected) in [
        (json!(null), insufficient),
        (json!("1700000000"), insufficient),
        (json!(-1), insufficient),
        (json!(NOW_S - 300 - skew - 1), insufficient),
        // To the millisecond.
        (json!(NOW_S as f64 - 330.25), insufficient),
        (json!(NOW_S - 300 - skew), None),
        (json!(NOW_S), None),
        (json!(NOW_S + skew), None),
        (json!(NOW_S + skew + 1), insufficient),
        (json!(u64::MAX), insufficient),
    ] {
        let decision = decide(&mut gate(config.clone()), get(&token(json!({ "auth_time": auth_time }))));
        assert_eq!(decision.reason(), expected, "{auth_time}");
    }
}

#[test]
fn without_a_demand_the_claims_may_be_anything() {
    for claims in [json!({ "acr": 7, "auth_time": "x" }), json!({})] {
        assert_eq!(decide(&mut gate(route(json!({}))), get(&token(claims))).reason(), None);
    }
}

#[test]
fn a_known_token_ages() {
    let mut gate = gate(route(json!({ "max_age_s": 60 })));
    let token = token(json!({ "auth_time": NOW_S }));
    assert_eq!(decide(&mut gate, get(&token)).reason(), None);
    let later = NOW.plus_secs(91);
    let decision = support::decide_at(&mut gate, get(&token), later);
    assert_eq!(decision.reason(), Some(Reason::AuthenticationInsufficient));
    assert_eq!(gate.take_cache_counts(), (1, 1));
}

#[test]
fn the_record_says_what_was_asked_for_and_what_came() {
    let config = route(json!({ "acr_values": ["phr"], "max_age_s": 300 }));
    let of = |claims| evidence(&decide(&mut gate(config.clone()), get(&token(claims))));
    let asked = json!({ "kind": "authentication", "acr_values": ["phr"], "max_age_s": 300 });
    let with = |claim: &str, problem: &str| {
        let mut all = asked.clone();
        (all["claim"], all["problem"]) = (json!(claim), json!(problem));
        all
    };
    assert_eq!(of(json!({})), with("acr", "is missing or has the wrong form"));
    assert_eq!(of(json!({ "acr": "pwd" })), with("acr", "is not one of those that are asked for"));
    let old = json!({ "acr": "phr", "auth_time": NOW_S - 3600 });
    assert_eq!(of(old), with("auth_time", "is 3600 s ago"));
    let future = json!({ "acr": "phr", "auth_time": NOW_S + 3600 });
    assert_eq!(of(future), with("auth_time", "is in the future"));
}

#[test]
fn what_no_other_token_can_help_with_comes_first_and_the_scopes_last() {
    let config = route(json!({ "acr_values": ["phr"], "scopes": ["a", "b"], "max_depth": 0 }));
    let decided = |claims| decide(&mut gate(config.clone()), get(&token(claims)));
    assert_eq!(decided(json!({ "act": act_of_depth(1) })).reason(), Some(Reason::DelegationTooDeep));
    // One new token is enough: the challenge names the scopes too.
    let decision = decided(json!({}));
    assert_eq!(decision.reason(), Some(Reason::AuthenticationInsufficient));
    let expected = r#"Bearer error="insufficient_user_authentication", acr_values="phr", scope="a b""#;
    assert_eq!(challenge(&decision, &config), expected);
    assert_eq!(decided(json!({ "acr": "phr" })).reason(), Some(Reason::ScopeInsufficient));
    assert_eq!(decided(json!({ "acr": "phr", "scope": "a b" })).reason(), None);
}

fn call(config: &Config, tool: &str, claims: Value) -> Decision {
    let body =
        json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool } }).to_string();
    let authorization = format!("Bearer {}", token(claims));
    let head = head("POST", "/mcp", &[("authorization", &authorization)]).with_body(true);
    let mut flow = Flow::new("decision-1".to_owned(), head);
    flow.set_body(Body::Whole(body.into_bytes()));
    let Step::Done(decision) = flow.advance(&mut gate(config.clone()), &InModule, NOW) else {
        panic!("the body is there")
    };
    *decision
}

#[test]
fn a_rule_asks_beside_its_route_and_the_challenge_is_for_both() {
    let with = |of_route: Value, of_rule: Value| {
        let mut tool = json!({ "name": "pay", "scopes": ["pay"] });
        tool.as_object_mut().unwrap().extend(of_rule.as_object().unwrap().clone());
        let mut members = json!({ "mcp": { "tools": [tool, { "name": "*" }] } });
        members.as_object_mut().unwrap().extend(of_route.as_object().unwrap().clone());
        route(members)
    };
    let both = with(
        json!({ "acr_values": ["mfa", "phr", "hw"], "max_age_s": 3600 }),
        json!({ "acr_values": ["hw", "phr"], "max_age_s": 300 }),
    );
    let recent = NOW_S - 1000;
    let decision = call(&both, "pay", json!({ "acr": "mfa", "auth_time": recent }));
    assert_eq!(decision.reason(), Some(Reason::AuthenticationInsufficient));
    let expected =
        r#"Bearer error="insufficient_user_authentication", acr_values="hw phr", max_age="300", scope="pay""#;
    assert_eq!(challenge(&decision, &both), expected);
    let decision = call(&both, "pay", json!({ "acr": "phr", "auth_time": recent }));
    assert_eq!(challenge(&decision, &both), expected, "also if one of the two is what it should be");
    assert_eq!(call(&both, "list", json!({ "acr": "mfa", "auth_time": recent })).reason(), None);
    let good = json!({ "acr": "phr", "auth_time": NOW_S, "scope": "pay" });
    assert_eq!(call(&both, "pay", good).reason(), None);

    // What only one of them asks for is asked for.
    let parted = with(json!({ "acr_values": ["mfa"] }), json!({ "max_age_s": 300 }));
    let decision = call(&parted, "pay", json!({ "acr": "mfa" }));
    let expected =
        r#"Bearer error="insufficient_user_authentication", acr_values="mfa", max_age="300", scope="pay""#;
    assert_eq!(challenge(&decision, &parted), expected);
    // The rule cannot take back what the route asks for.
    let lax = with(json!({ "max_age_s": 60 }), json!({ "max_age_s": 3600 }));
    let decision = call(&lax, "pay", json!({ "auth_time": recent, "scope": "pay" }));
    assert_eq!(decision.reason(), Some(Reason::AuthenticationInsufficient));
    let contrary = with(json!({ "acr_values": ["mfa"] }), json!({ "acr_values": ["phr"] }));
    for acr in ["mfa", "phr"] {
        let decision = call(&contrary, "pay", json!({ "acr": acr, "scope": "pay" }));
        assert_eq!(decision.reason(), Some(Reason::AuthenticationInsufficient), "{acr}");
    }
}

#[test]
fn another_letter_case_does_not_lead_round_what_a_route_asks_for() {
    for (strict, lax) in [
        (json!({ "acr_values": ["phr"] }), json!({})),
        (json!({ "acr_values": ["phr"] }), json!({ "acr_values": ["phr", "pwd"] })),
        (json!({ "max_age_s": 60 }), json!({ "max_age_s": 61 })),
        (json!({ "max_age_s": 60 }), json!({})),
    ] {
        let config = config(|c| {
            let of = |path: &str, members: &Value| {
                let mut route = json!({ "match": { "path_prefix": path } });
                route.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
                route
            };
            c["routes"] = json!([of("/v1/Tickets", &strict), of("/", &lax)]);
        });
        let token = token(json!({ "acr": "pwd", "auth_time": NOW_S - 91 }));
        let decision = decide(&mut gate(config), get(&token));
        assert_eq!(decision.reason(), Some(Reason::PathInvalid), "{strict} {lax}");
    }
}
