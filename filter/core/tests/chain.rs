//! A chain is good for one moment and one route: time, depth, trust and cycles.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::chain::VerifiedChain;
use mandate_core::config::{Delegation, Issuer};
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use serde_json::{Value, json};
use std::rc::Rc;
use support::{ISSUER, NOW, NOW_S, act, act_of_depth, config, issuer, only_route, token, verify_with};

const OTHER: &str = "https://other.example";

fn chain_at(
    members: Value,
    issuer: &Issuer,
    delegation: &Delegation,
    max_depth: Option<u8>,
    now: UnixTime,
) -> Result<VerifiedChain, Reason> {
    let token = verify_with(&token(members), issuer).unwrap();
    let mut config = config(|_| {});
    config.routes[0].max_depth = max_depth;
    let route = only_route(&config);
    Ok(VerifiedChain::verify(Rc::new(token), route, delegation, now)?)
}

/// The delegation part of a configuration that has these members.
fn delegation(members: Value) -> Delegation {
    config(|c| c["delegation"] = members).delegation
}

fn refusal(members: Value, delegation: &Delegation, max_depth: Option<u8>) -> Option<Reason> {
    chain_at(members, &issuer(|_| {}), delegation, max_depth, NOW).err()
}

#[test]
fn a_token_is_expired_from_exp_plus_the_skew_on() {
    // RFC 7519 §4.1.4: "on or after".
    for skew in [0, 30, 60] {
        let entry = issuer(|i| i["clock_skew_s"] = json!(skew));
        let exp_ms = (NOW_S + 600 + skew) * 1000;
        for (now_ms, expected) in [
            (exp_ms + 1, Some(Reason::TokenExpired)),
            (exp_ms, Some(Reason::TokenExpired)),
            (exp_ms - 1, None),
            (u64::MAX, Some(Reason::TokenExpired)),
        ] {
            let now = UnixTime::from_millis(now_ms);
            let refused = chain_at(json!({}), &entry, &Delegation::default(), None, now).err();
            assert_eq!(refused, expected, "skew {skew}, {now_ms} ms against {exp_ms}");
        }
    }
}

#[test]
fn a_token_is_not_yet_valid_before_nbf_or_iat_less_the_skew() {
    // RFC 7519 §4.1.5: "before"; exactly then is late enough.
    for skew in [0, 30, 60] {
        let entry = issuer(|i| i["clock_skew_s"] = json!(skew));
        for (members, start_s) in [
            (json!({ "iat": NOW_S + 100, "exp": NOW_S + 600 }), NOW_S + 100),
            (json!({ "nbf": NOW_S + 200 }), NOW_S + 200),
            (json!({ "nbf": NOW_S + 100, "iat": NOW_S + 200, "exp": NOW_S + 600 }), NOW_S + 200),
            (json!({ "nbf": NOW_S + 200, "iat": NOW_S + 100, "exp": NOW_S + 600 }), NOW_S + 200),
        ] {
            let start_ms = (start_s - skew) * 1000;
            for (now_ms, expected) in [
                (0, Some(Reason::TokenNotYetValid)),
                (start_ms - 1, Some(Reason::TokenNotYetValid)),
                (start_ms, None),
                (start_ms + 1, None),
            ] {
                let now = UnixTime::from_millis(now_ms);
                let refused = chain_at(members.clone(), &entry, &Delegation::default(), None, now).err();
                assert_eq!(refused, expected, "skew {skew}, {members}, {now_ms} ms against {start_ms}");
            }
        }
    }
}

#[test]
fn fractions_of_a_second_count() {
    let entry = issuer(|i| i["clock_skew_s"] = json!(0));
    let members = json!({ "nbf": 1_700_000_000.5, "exp": 1_700_000_010.25 });
    for (now_ms, expected) in [
        (1_700_000_000_499, Some(Reason::TokenNotYetValid)),
        (1_700_000_000_500, None),
        (1_700_000_010_249, None),
        (1_700_000_010_250, Some(Reason::TokenExpired)),
    ] {
        let now = UnixTime::from_millis(now_ms);
        let refused = chain_at(members.clone(), &entry, &Delegation::default(), None, now).err();
        assert_eq!(refused, expected, "{now_ms}");
    }
}

#[test]
fn a_chain_deeper_than_the_limit_is_refused_and_one_as_deep_is_not() {
    // (general, route, hops, denied)
    for (general, route, hops, denied) in [
        (0, None, 1, true),
        (0, None, 0, false),
        (4, None, 5, true),
        (4, None, 4, false),
        (8, None, 9, true),
        (8, None, 8, false),
        // The stricter of the two holds.
        (4, Some(2), 3, true),
        (4, Some(2), 2, false),
        (4, Some(0), 1, true),
        (4, Some(0), 0, false),
        (2, Some(4), 3, true),
        (2, Some(4), 2, false),
        (2, Some(255), 3, true),
    ] {
        let delegation = delegation(json!({ "max_depth": general }));
        let members = if hops == 0 { json!({}) } else { json!({ "act": act_of_depth(hops) }) };
        let expected = denied.then_some(Reason::DelegationTooDeep);
        assert_eq!(refusal(members, &delegation, route), expected, "{general}, {route:?}, {hops} hops");
    }
}

#[test]
fn a_route_may_ask_for_a_delegation_of_its_own() {
    let at = |required: bool, members: Value| {
        let mut config = config(|_| {});
        config.routes[0].delegation_required = required;
        let token = verify_with(&token(members), &issuer(|_| {})).unwrap();
        let chain = VerifiedChain::verify(Rc::new(token), only_route(&config), &Delegation::default(), NOW);
        chain.err().map(Reason::from)
    };
    assert_eq!(at(true, json!({})), Some(Reason::DelegationRequired));
    assert_eq!(at(true, json!({ "act": act_of_depth(1) })), None);
    assert_eq!(at(false, json!({})), None);
}

#[test]
fn a_request_without_an_actor_is_refused_where_delegation_is_required() {
    let required = delegation(json!({ "required": true }));
    assert_eq!(refusal(json!({}), &required, None), Some(Reason::DelegationRequired));
    // Nor does another claim stand in for one.
    assert_eq!(refusal(json!({ "azp": "agent" }), &required, None), Some(Reason::DelegationRequired));
    assert_eq!(refusal(json!({ "act": act_of_depth(1) }), &required, None), None);
    assert_eq!(refusal(json!({}), &Delegation::default(), None), None);
}

#[test]
fn an_actor_of_an_issuer_that_is_not_trusted_is_refused_wherever_it_stands() {
    let default = Delegation::default();
    let listed = delegation(json!({ "actor_issuers": [OTHER] }));
    let both = delegation(json!({ "actor_issuers": [ISSUER, OTHER] }));
    let (own, other, third) = ((None, "a"), (Some(OTHER), "b"), (Some("https://third.example"), "c"));
    let untrusted = Some(Reason::ActorUntrusted);
    for (hops, rules, expected) in [
        // By default only the token's own issuer.
        (vec![other], &default, untrusted),
        (vec![own, other], &default, untrusted),
        (vec![other, own], &default, untrusted),
        (vec![(Some("https://idp.example/"), "a")], &default, untrusted),
        (vec![own], &default, None),
        (vec![(Some(ISSUER), "a"), (None, "b")], &default, None),
        // A list takes the default's place, also for hops that have the token's issuer.
        (vec![own], &listed, untrusted),
        (vec![(Some(ISSUER), "a")], &listed, untrusted),
        (vec![other, own], &listed, untrusted),
        (vec![other], &listed, None),
        (vec![own, third], &both, untrusted),
        (vec![third, own], &both, untrusted),
        (vec![own, third, other], &both, untrusted),
        (vec![own, other], &both, None),
    ] {
        assert_eq!(refusal(json!({ "act": act(&hops) }), rules, None), expected, "{hops:?}");
    }
}

#[test]
fn the_same_identity_twice_is_a_cycle_unless_cycles_are_allowed() {
    let rules = |allow: bool| delegation(json!({ "actor_issuers": [ISSUER, OTHER], "allow_cycles": allow }));
    let cycle = Some(Reason::DelegationCycle);
    let alice = "user:alice";
    for (hops, expected) in [
        (vec![(None, "a"), (None, "a")], cycle),
        (vec![(None, "a"), (None, "b"), (None, "a")], cycle),
        (vec![(None, "b"), (None, "a"), (None, "a")], cycle),
        (vec![(None, "a"), (Some(ISSUER), "a")], cycle),
        (vec![(Some(OTHER), "a"), (Some(OTHER), "a")], cycle),
        // The principal belongs to the chain.
        (vec![(None, "a"), (None, alice)], cycle),
        (vec![(None, alice), (None, "a")], cycle),
        // OAuth actor profile: an actor that is the principal is no delegation.
        (vec![(None, alice)], None),
        (vec![(Some(ISSUER), alice)], None),
        // Identity is the pair: the same name elsewhere is somebody else.
        (vec![(Some(OTHER), alice)], None),
        (vec![(None, "a"), (Some(OTHER), "a")], None),
        (vec![(None, "a"), (None, "A")], None),
        (vec![(None, "a"), (None, "b"), (None, "c"), (None, "d")], None),
    ] {
        assert_eq!(refusal(json!({ "act": act(&hops) }), &rules(false), None), expected, "{hops:?}");
        assert_eq!(
            refusal(json!({ "act": act(&hops) }), &rules(true), None),
            None,
            "{hops:?}, cycles allowed"
        );
    }
}

#[test]
fn the_rules_are_asked_in_the_order_of_the_design() {
    // One chain that breaks every rule: time first, then depth, trust, cycles.
    let hops = [(Some(OTHER), "a"), (Some(OTHER), "a"), (None, "user:alice")];
    let members = || json!({ "act": act(&hops) });
    let late = UnixTime::from_secs(NOW_S + 10_000);
    let expired =
        chain_at(members(), &issuer(|_| {}), &delegation(json!({ "max_depth": 1 })), None, late).err();
    assert_eq!(expired, Some(Reason::TokenExpired));
    assert_eq!(
        refusal(members(), &delegation(json!({ "max_depth": 1 })), None),
        Some(Reason::DelegationTooDeep)
    );
    assert_eq!(refusal(members(), &Delegation::default(), None), Some(Reason::ActorUntrusted));
    let both = json!({ "actor_issuers": [ISSUER, OTHER] });
    assert_eq!(refusal(members(), &delegation(both), None), Some(Reason::DelegationCycle));
}

#[test]
fn a_verified_chain_tells_who_acts_for_whom() {
    let chain = chain_at(json!({}), &issuer(|_| {}), &Delegation::default(), None, NOW).unwrap();
    assert_eq!((chain.depth(), chain.agent()), (0, None));

    let members = json!({ "act": act(&[(None, "current"), (None, "oldest")]) });
    let chain = chain_at(members, &issuer(|_| {}), &Delegation::default(), None, NOW).unwrap();
    assert_eq!(chain.depth(), 2);
    assert_eq!(chain.principal().subject, "user:alice");
    assert_eq!(chain.agent().unwrap().subject, "current");
    let subjects: Vec<&str> = chain.hops().iter().map(|h| h.identity.subject.as_str()).collect();
    assert_eq!(subjects, ["oldest", "current"]);
    assert_eq!(chain.token().token_id(), Some("token-1"));
}
