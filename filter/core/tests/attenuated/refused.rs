//! Each rule, broken alone.

use crate::made::{Chain, HEADER, Link, grant, holder, thumbprint};
use crate::support::{AUDIENCE, ISSUER, NOW_S, Private, config_value, decide, with};
use crate::{decided, gate, request, request_with, why};
use mandate_core::algorithm::Algorithm;
use mandate_core::reason::Reason;
use serde_json::{Value, json};

/// A change of the links of a good chain of three.
pub type Change = fn(&mut Vec<Link>);

/// Checks that each change alone is refused for this reason, with this evidence.
pub fn refused(rows: &[(&str, Change, Reason, Value)]) {
    assert_eq!(decided(&Chain::of(3)).reason(), None, "what is changed is good");
    for (what, change, reason, expected) in rows {
        let decision = decided(&Chain::of(3).with(change));
        let (found, evidence) = why(&decision);
        assert_eq!(found, Some(*reason), "{what}: {evidence}");
        let expected = expected.as_object().unwrap();
        for (name, value) in expected {
            assert_eq!(&evidence[name], value, "{what}: {name} of {evidence}");
        }
        assert!(
            decision.token().is_none() || *reason == Reason::TokenExpired,
            "{what}: nothing was verified"
        );
    }
}

/// Has a link constrain what it grants.
pub fn constrain(links: &mut [Link], at: usize, constraints: Value) {
    links[at].claims["authorization_details"][0]["constraints"] = constraints;
}

/// Evidence of a link.
pub fn link(link: usize, problem: &str) -> Value {
    json!({ "kind": "link", "link": link, "problem": problem })
}

#[test]
fn each_link_must_be_signed_by_who_held_the_one_before() {
    use Reason::{AlgorithmNotAllowed, DelegationMalformed, KeyUnknown, SignatureInvalid};
    let forged = |at| link(at, "the signature is not by the key that `cnf` of the link before it names");
    refused(&[
        ("the root by another", |l| l[0].signer = Some(9), SignatureInvalid, json!({ "kind": "key" })),
        (
            "the root under a key that is not there",
            |l| l[0].header["kid"] = json!("key-9"),
            KeyUnknown,
            json!({ "kind": "key" }),
        ),
        ("a link by another", |l| l[1].signer = Some(9), SignatureInvalid, forged(1)),
        ("a link by the issuer", |l| l[2].signer = None, SignatureInvalid, forged(2)),
        ("a link by its own holder", |l| l[2].signer = Some(102), SignatureInvalid, forged(2)),
        ("a link by the holder of the root", |l| l[2].signer = Some(100), SignatureInvalid, forged(2)),
        (
            "an algorithm that is not listed",
            |l| {
                l[1].claims["cnf"]["jwk"] = Private::new(Algorithm::Es256, 5).jwk();
                l[2].signer = Some(5);
                l[2].algorithm = Algorithm::Es256;
                l[2].header["alg"] = json!("ES256");
            },
            AlgorithmNotAllowed,
            json!({ "kind": "algorithm", "unverified_alg": "ES256" }),
        ),
        (
            "no algorithm",
            |l| l[2].header["alg"] = json!("none"),
            AlgorithmNotAllowed,
            json!({ "unverified_alg": "none" }),
        ),
        (
            "a key of another algorithm",
            |l| l[1].claims["cnf"]["jwk"] = Private::new(Algorithm::Es256, 5).jwk(),
            SignatureInvalid,
            forged(2),
        ),
        (
            "a key in the header alone",
            |l| {
                l[2].signer = Some(9);
                l[2].header["jwk"] = Private::new(Algorithm::EdDsa, 9).jwk();
            },
            SignatureInvalid,
            forged(2),
        ),
        (
            "a thumbprint, and no key to it",
            |l| l[1].claims["cnf"] = json!({ "jkt": thumbprint(&holder(1)) }),
            SignatureInvalid,
            forged(2),
        ),
        (
            "a thumbprint, and another key",
            |l| {
                l[1].claims["cnf"] = json!({ "jkt": thumbprint(&holder(1)) });
                l[2].signer = Some(9);
                l[2].header["jwk"] = Private::new(Algorithm::EdDsa, 9).jwk();
            },
            SignatureInvalid,
            forged(2),
        ),
        (
            "no key to sign with",
            |l| l[1].claims["cnf"] = json!({ "x5t#S256": "AAAA" }),
            DelegationMalformed,
            link(
                1,
                "`cnf` names no key that can sign the next link: give `jwk`, or `jkt` and the `jwk` in the header of the next",
            ),
        ),
    ]);
}

#[test]
fn a_link_belongs_to_one_parent_one_place_and_one_principal() {
    use Reason::{DelegationMalformed, DelegationTooDeep};
    let hash = |at| link(at, "`par_hash` is not the hash of the link before it");
    refused(&[
        (
            "the hash of another",
            |l| l[1].claims["par_hash"] = json!("A".repeat(43)),
            DelegationMalformed,
            hash(1),
        ),
        ("a hash that is none", |l| l[2].claims["par_hash"] = json!("!"), DelegationMalformed, hash(2)),
        ("a hash of nothing", |l| l[2].claims["par_hash"] = json!(""), DelegationMalformed, hash(2)),
        (
            "a root at another place",
            |l| l[0].claims["del_depth"] = json!(1),
            DelegationMalformed,
            link(0, "`del_depth` is not 0"),
        ),
        (
            "a link at another place",
            |l| l[2].claims["del_depth"] = json!(1),
            DelegationMalformed,
            link(2, "`del_depth` is not 2"),
        ),
        (
            "too many links for the root",
            |l| l[0].claims["del_max_depth"] = json!(2),
            DelegationTooDeep,
            json!({ "kind": "depth", "depth": 3, "max_depth": 2 }),
        ),
        (
            "too many links for another",
            |l| l[1].claims["del_max_depth"] = json!(2),
            DelegationTooDeep,
            json!({ "kind": "depth", "depth": 3, "max_depth": 2 }),
        ),
        (
            "another principal",
            |l| l[1].claims["sub"] = json!("user:bob"),
            DelegationMalformed,
            link(1, "`sub` is not that of the root"),
        ),
    ]);
}

/// A link that was made for a narrow token is put behind a broader one of the same holder.
#[test]
fn a_link_cannot_be_put_behind_another_parent() {
    let narrow =
        Chain::of(2).with(|l| l[0].claims["authorization_details"] = grant(&["tickets.read"], json!([])));
    let narrow = narrow.with(|l| l[1].claims["authorization_details"] = grant(&["tickets.read"], json!([])));
    let (_, broad) = Chain::of(2).sent();
    let head = request_with(&narrow, [(HEADER, broad.unwrap().as_str())]);
    let (reason, evidence) = why(&decide(&mut gate(|_| {}), head));
    assert_eq!(reason, Some(Reason::DelegationMalformed));
    assert_eq!(evidence["problem"], "`par_hash` is not the hash of the link before it");
}

#[test]
fn no_link_may_grant_what_the_one_before_does_not() {
    use Reason::DelegationWidened as Widened;
    let scopes = |at: usize, name: &str| json!({ "kind": "widened", "link": at, "client_id": format!("agent-{at}"), "member": "scopes", "name": name });
    refused(&[
        (
            "another scope",
            |l| l[1].claims["authorization_details"] = grant(&["tickets.read", "tickets.write"], json!([])),
            Widened,
            scopes(1, "tickets.write"),
        ),
        (
            "a scope that the one before gave up",
            |l| l[1].claims["authorization_details"] = grant(&["tickets.read"], json!([])),
            Widened,
            scopes(2, "crm.*"),
        ),
        (
            "a wildcard over a name",
            |l| l[2].claims["authorization_details"] = grant(&["tickets.*"], json!([])),
            Widened,
            scopes(2, "tickets.*"),
        ),
        (
            "what a wildcard is named after",
            |l| l[2].claims["authorization_details"] = grant(&["crm"], json!([])),
            Widened,
            scopes(2, "crm"),
        ),
        (
            "a name beside a wildcard",
            |l| l[2].claims["authorization_details"] = grant(&["crmx.read"], json!([])),
            Widened,
            scopes(2, "crmx.read"),
        ),
        (
            "a longer chain",
            |l| l[1].claims["del_max_depth"] = json!(9),
            Widened,
            json!({ "kind": "widened", "link": 1, "client_id": "agent-1", "member": "del_max_depth" }),
        ),
        (
            "a longer chain than one between",
            |l| {
                l[1].claims["del_max_depth"] = json!(3);
                l[2].claims["del_max_depth"] = json!(4);
            },
            Widened,
            json!({ "kind": "widened", "link": 2, "member": "del_max_depth" }),
        ),
        (
            "a longer life",
            |l| l[2].claims["exp"] = json!(NOW_S + 595),
            Widened,
            json!({ "kind": "widened", "link": 2, "client_id": "agent-2", "member": "exp" }),
        ),
    ]);
}

#[test]
fn a_constraint_may_neither_be_dropped_nor_loosened_nor_replaced() {
    let order = json!(["none", "internal", "any"]);
    let rank = |at: &str| json!({ "key": "k", "rank": at, "order": order });
    for (parent, child, constraint) in [
        (json!({ "key": "k", "max": 5 }), None, "max"),
        (json!({ "key": "k", "max": 5 }), Some(json!({ "key": "k", "max": 6 })), "max"),
        (json!({ "key": "k", "max": 5 }), Some(json!({ "key": "k", "max": 5.5 })), "max"),
        (json!({ "key": "k", "max": 5 }), Some(json!({ "key": "other", "max": 5 })), "max"),
        (json!({ "key": "k", "max": 5 }), Some(json!({ "key": "k", "max_lifetime": 5 })), "max"),
        (json!({ "key": "k", "max_lifetime": 5 }), Some(json!({ "key": "k", "max": 5 })), "max_lifetime"),
        (
            json!({ "key": "k", "max_lifetime": 5 }),
            Some(json!({ "key": "k", "max_lifetime": 6 })),
            "max_lifetime",
        ),
        (
            json!({ "key": "k", "max_subtree": 5 }),
            Some(json!({ "key": "k", "max_subtree": 6 })),
            "max_subtree",
        ),
        (json!({ "key": "k", "min": 5 }), Some(json!({ "key": "k", "min": 4 })), "min"),
        (
            json!({ "key": "k", "one_of": ["a", 1] }),
            Some(json!({ "key": "k", "one_of": ["a", "1"] })),
            "one_of",
        ),
        (json!({ "key": "k", "one_of": ["a"] }), Some(json!({ "key": "k", "one_of": ["a", "b"] })), "one_of"),
        (
            json!({ "key": "k", "not_one_of": ["a", "b"] }),
            Some(json!({ "key": "k", "not_one_of": ["a"] })),
            "not_one_of",
        ),
        (json!({ "key": "k", "prefix": "/a/" }), Some(json!({ "key": "k", "prefix": "/a" })), "prefix"),
        (json!({ "key": "k", "prefix": "/a/" }), Some(json!({ "key": "k", "prefix": "/b/" })), "prefix"),
        (rank("internal"), Some(rank("any")), "rank"),
        (
            rank("internal"),
            Some(json!({ "key": "k", "rank": "internal", "order": ["none", "internal"] })),
            "rank",
        ),
        (json!({ "key": "k", "window": 5 }), Some(json!({ "key": "k", "window": 4 })), "unknown"),
        (json!({ "key": "k", "window": 5 }), None, "unknown"),
    ] {
        let chain = Chain::of(3).with(|links| {
            for (at, constraint) in [(0, Some(&parent)), (1, child.as_ref()), (2, child.as_ref())] {
                constrain(links, at, json!(constraint.into_iter().collect::<Vec<_>>()));
            }
        });
        let (reason, evidence) = why(&decided(&chain));
        assert_eq!(reason, Some(Reason::DelegationWidened), "{parent} {child:?}");
        let expected = json!({
            "kind": "widened", "link": 1, "client_id": "agent-1", "member": "constraints", "name": "k", "constraint": constraint,
        });
        assert_eq!(evidence, expected, "{child:?}");
    }
}

#[test]
fn a_chain_is_good_while_all_of_its_links_are_and_for_no_longer_than_any_token() {
    use Reason::{LifetimeTooLong, TokenExpired, TokenNotYetValid};
    refused(&[
        (
            "the root begins later than it ends too late",
            |l| l[0].claims["exp"] = json!(NOW_S + 100_000),
            LifetimeTooLong,
            json!({ "kind": "lifetime" }),
        ),
        (
            "the last has expired",
            |l| {
                l[2].claims["iat"] = json!(NOW_S - 300);
                l[2].claims["exp"] = json!(NOW_S - 100);
            },
            TokenExpired,
            json!({ "kind": "expired" }),
        ),
    ]);
    for (what, claim) in [("the root", 0), ("one between", 1), ("the last", 2)] {
        for name in ["nbf", "iat"] {
            let chain = Chain::of(3).with(|l| l[claim].claims[name] = json!(NOW_S + 200));
            assert_eq!(decided(&chain).reason(), Some(TokenNotYetValid), "{what}: {name}");
        }
    }
}

#[test]
fn every_link_must_be_meant_for_us() {
    for at in 0..3 {
        let chain = Chain::of(3).with(|l| l[at].claims["aud"] = json!(["https://other.example"]));
        assert_eq!(decided(&chain).reason(), Some(Reason::AudienceMismatch), "{at}");
        let chain = Chain::of(3).with(|l| l[at].claims["aud"] = json!(["https://other.example", AUDIENCE]));
        assert_eq!(decided(&chain).reason(), None, "{at}");
    }
}

/// The draft, step 7: what is not known is not "not revoked".
#[test]
fn a_link_that_may_have_been_revoked_is_refused() {
    for at in 0..3 {
        let status = json!({ "status_list": { "idx": 0, "uri": "https://idp.example/status" } });
        let (reason, evidence) = why(&decided(&Chain::of(3).with(|l| l[at].claims["status"] = status)));
        assert_eq!((reason, &evidence["link"]), (Some(Reason::ClaimInvalid), &json!(at)), "{evidence}");
    }
}

#[test]
fn an_agent_of_another_namespace_is_trusted_only_if_it_is_listed() {
    let chain = Chain::of(3).with(|l| l[1].claims["iss"] = json!("https://agents.example"));
    assert_eq!(decided(&chain).reason(), Some(Reason::ActorUntrusted));
    let listed = |c: &mut Value| c["delegation"]["actor_issuers"] = json!([ISSUER, "https://agents.example"]);
    assert_eq!(decide(&mut gate(listed), request(&chain)).reason(), None);
    let root = Chain::of(2).with(|l| l[0].claims["iss"] = json!("https://evil.example"));
    assert_eq!(decided(&root).reason(), Some(Reason::IssuerUnknown));
}

#[test]
fn the_depth_of_the_configuration_and_of_the_route_counts_all_links() {
    for (depth, reason) in [(2, Some(Reason::DelegationTooDeep)), (3, None)] {
        let general = |c: &mut Value| c["delegation"]["max_depth"] = json!(depth);
        assert_eq!(decide(&mut gate(general), request(&Chain::of(3))).reason(), reason, "{depth}");
        let route = |c: &mut Value| c["routes"][0]["max_depth"] = json!(depth);
        assert_eq!(decide(&mut gate(route), request(&Chain::of(3))).reason(), reason, "{depth}");
    }
    let nine = Chain::of(9).with(|l| l[0].claims["del_max_depth"] = json!(100));
    let (reason, evidence) = why(&decided(&nine));
    assert_eq!((reason, &evidence["depth"]), (Some(Reason::DelegationTooDeep), &json!(9)));
    assert_eq!(decided(&Chain::of(8)).reason(), None);
}

#[test]
fn an_agent_that_is_in_the_chain_twice_is_a_cycle() {
    let chain = Chain::of(3).with(|l| l[2].claims["client_id"] = json!("agent-0"));
    assert_eq!(decided(&chain).reason(), Some(Reason::DelegationCycle));
    let chain = Chain::of(3).with(|l| l[1].claims["client_id"] = json!("user:alice"));
    assert_eq!(decided(&chain).reason(), Some(Reason::DelegationCycle));
}

#[test]
fn there_is_one_header_with_links_and_it_holds_tokens() {
    let chain = Chain::of(3);
    let earlier = chain.sent().1.unwrap();
    let (root, between) = earlier.split_once(',').unwrap();
    let mut gate = gate(|c| {
        let other = with(
            config_value()["issuers"][0].clone(),
            json!({ "issuer": "https://b.example", "chain": { "form": "attenuated", "header": "x-b" }, "proof": "required" }),
        );
        c["issuers"].as_array_mut().unwrap().push(other);
    });
    let mut reason = |headers: &[(&str, &str)]| {
        let (reason, evidence) = why(&decide(&mut gate, request_with(&chain, headers.iter().copied())));
        (reason, evidence["link"].as_u64())
    };
    use Reason::{CredentialAmbiguous as Ambiguous, DelegationMalformed as Malformed};
    assert_eq!(reason(&[(HEADER, &earlier)]), (None, None));
    assert_eq!(reason(&[(HEADER, &format!("{root} ,\t{between} "))]), (None, None));
    for (headers, expected) in [
        (vec![(HEADER, earlier.as_str()), (HEADER, &earlier)], (Some(Ambiguous), None)),
        (vec![(HEADER, root), (HEADER, between)], (Some(Ambiguous), None)),
        (vec![(HEADER, earlier.as_str()), (HEADER, "")], (Some(Ambiguous), None)),
        (vec![(HEADER, earlier.as_str()), ("x-b", &earlier)], (Some(Ambiguous), None)),
        // The root's issuer has its chains elsewhere.
        (vec![("x-b", earlier.as_str())], (Some(Malformed), Some(0))),
        (vec![(HEADER, "")], (Some(Malformed), Some(0))),
        (vec![(HEADER, &format!("{root},,{between}"))], (Some(Malformed), Some(1))),
        (vec![(HEADER, &format!("{earlier},"))], (Some(Malformed), Some(2))),
        (vec![(HEADER, &format!("{root} {between}"))], (Some(Malformed), Some(0))),
        (vec![(HEADER, &format!("{root},\u{e9}"))], (Some(Malformed), Some(1))),
        (vec![(HEADER, between)], (Some(Malformed), Some(0))),
        (vec![(HEADER, &format!("{between},{root}"))], (Some(Malformed), Some(0))),
        // Without its chain a link is no root.
        (vec![], (Some(Malformed), Some(0))),
    ] {
        assert_eq!(reason(&headers), expected, "{headers:?}");
    }
    let long = format!("{},{earlier}", "a".repeat(mandate_core::limits::CHAIN_BYTES));
    assert_eq!(reason(&[(HEADER, &long)]).0, Some(Reason::TokenTooLarge));
}

#[test]
fn a_chain_is_nothing_to_an_issuer_that_has_none() {
    let mut gate = gate(|c| {
        let plain = with(config_value()["issuers"][0].clone(), json!({ "issuer": "https://plain.example" }));
        c["issuers"].as_array_mut().unwrap().push(plain);
    });
    let chain =
        Chain::of(2).with(|l| l.iter_mut().for_each(|l| l.claims["iss"] = json!("https://plain.example")));
    let (reason, evidence) = why(&decide(&mut gate, request(&chain)));
    assert_eq!(reason, Some(Reason::DelegationMalformed));
    assert_eq!(evidence["problem"], "a chain came, and the issuer of its root has no chains in this header");
    // A token of an issuer with chains must be a root, though it would be a good token elsewhere.
    let token = crate::support::token(json!({ "scope": "tickets.read" }));
    let (reason, evidence) = why(&decide(&mut gate, crate::support::get(&token)));
    assert_eq!((reason, &evidence["link"]), (Some(Reason::DelegationMalformed), &json!(0)), "{evidence}");
}

#[test]
fn a_scope_that_the_last_link_does_not_grant_is_missing() {
    let needs = |scopes: Value| move |c: &mut Value| c["routes"][0]["scopes"] = scopes;
    for scope in ["tickets.write", "tickets", "crm", "crmx.read", "tickets.read.x"] {
        let mut gate = gate(needs(json!([scope])));
        assert_eq!(
            decide(&mut gate, request(&Chain::of(3))).reason(),
            Some(Reason::ScopeInsufficient),
            "{scope}"
        );
    }
    // What only the links before it grant, it does not.
    let chain = Chain::of(3).with(|l| l[2].claims["authorization_details"] = grant(&["crm.read"], json!([])));
    let mut gate = gate(needs(json!(["tickets.read"])));
    assert_eq!(decide(&mut gate, request(&chain)).reason(), Some(Reason::ScopeInsufficient));
    // Nor does a claim that is not narrowed.
    let chain = chain.with(|l| l[2].claims["scope"] = json!("tickets.read"));
    assert_eq!(decide(&mut gate, request(&chain)).reason(), Some(Reason::ScopeInsufficient));
}

#[test]
fn a_constraint_that_nobody_looks_at_denies() {
    let handled = |types: Value, policies: Value| {
        move |c: &mut Value| {
            c["issuers"][0]["chain"]["constraints"] = types;
            c["policies"] =
                json!([{ "name": "looks" }, { "name": "shadow", "policy": "looks", "mode": "shadow" }]);
            c["routes"][0]["policies"] = policies;
        }
    };
    let constrained = |constraint: &Value| {
        Chain::of(2).with(|l| (0..2).for_each(|at| constrain(l, at, json!([constraint]))))
    };
    let max = json!({ "key": "rows", "max": 5 });
    assert_eq!(decided(&constrained(&max)).reason(), Some(Reason::ClaimInvalid), "none is listed");
    for (constraint, types, policies, reason) in [
        (&max, json!(["min"]), json!(["looks"]), Some(Reason::ClaimInvalid)),
        (&max, json!(["max"]), json!([]), Some(Reason::ClaimInvalid)),
        (&max, json!(["max"]), json!(["shadow"]), Some(Reason::ClaimInvalid)),
        (
            &json!({ "key": "calls", "max_lifetime": 5 }),
            json!(["max"]),
            json!(["looks"]),
            Some(Reason::ClaimInvalid),
        ),
        (
            &json!({ "key": "calls", "max_subtree": 5 }),
            json!(["max"]),
            json!(["looks"]),
            Some(Reason::ClaimInvalid),
        ),
        (
            &json!({ "key": "calls", "window": 5 }),
            json!(["max"]),
            json!(["looks"]),
            Some(Reason::ClaimInvalid),
        ),
        (&max, json!(["max"]), json!(["looks"]), None),
        (&max, json!(["min", "max"]), json!(["shadow", "looks"]), None),
    ] {
        let decision =
            decide(&mut gate(handled(types.clone(), policies.clone())), request(&constrained(constraint)));
        let (found, evidence) = why(&decision);
        assert_eq!(found, reason, "{constraint} {types} {policies}: {evidence}");
        if reason.is_some() {
            assert_eq!((&evidence["kind"], &evidence["link"]), (&json!("link"), &json!(1)));
        }
    }
}
