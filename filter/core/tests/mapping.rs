//! Claims from where the issuer's entry says that they are: marks, mappings, agents and chains.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::chain::SignedToken;
use mandate_core::config::{Config, Issuer, Provider};
use mandate_core::denial::Evidence;
use mandate_core::flow::Stop;
use mandate_core::keys::InModule;
use mandate_core::limits;
use mandate_core::reason::Reason;
use mandate_core::token::{ClaimReader, ParsedToken};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{
    ISSUER, NOW_S, config_value, gate, get, parse_config, token, token_with_header, verify_with, with,
};

/// An issuer's entry with these members.
fn entry(members: Value) -> Issuer {
    let config = support::config(|config| {
        config["issuers"][0].as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        config["proofs"] = json!({ "external_uris": [support::AUDIENCE] });
    });
    config.issuers.into_iter().next().unwrap()
}

/// What an entry reads from a good token with these claims, or why not.
fn read(members: Value, claims: Value) -> Result<SignedToken, Reason> {
    verify_with(&token(claims), &entry(members))
}

fn reason(members: Value, claims: Value) -> Option<Reason> {
    read(members, claims).err()
}

fn scopes(members: Value, claims: Value) -> Vec<String> {
    read(members, claims).unwrap().scopes().to_vec()
}

#[test]
fn a_mark_that_is_absent_or_another_denies() {
    let missing = Some(Reason::ClaimMissing);
    let invalid = Some(Reason::ClaimInvalid);
    for (mark, claim, expected) in [
        (json!("access"), json!(null), missing),
        (json!("access"), json!("id"), invalid),
        (json!("access"), json!("Access"), invalid),
        (json!("access"), json!(["access"]), invalid),
        (json!("access"), json!("access id"), invalid),
        (json!("access"), json!("access"), None),
        (json!(true), json!("true"), invalid),
        (json!(true), json!(1), invalid),
        (json!(true), json!(true), None),
        (json!(1), json!("1"), invalid),
        (json!(1), json!(2), invalid),
        (json!(1), json!(1.0), None),
        (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), invalid),
        (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992.0), invalid),
        (json!(null), json!("x"), invalid),
        (json!(null), json!(null), None),
        (json!(["a", "b"]), json!(null), missing),
        (json!(["a", "b"]), json!("c"), invalid),
        (json!(["a", "b"]), json!("b"), None),
        (json!(["a", null]), json!("c"), invalid),
        (json!(["a", null]), json!(null), None),
        (json!({ "present": true }), json!(null), missing),
        (json!({ "present": true }), json!(false), None),
        (json!({ "present": true }), json!({}), None),
    ] {
        let entry = json!({ "claims": { "require": { "/kind": mark } } });
        assert_eq!(reason(entry, json!({ "kind": claim })), expected, "{mark} {claim}");
    }
    let deep = json!({ "claims": { "require": { "/a/0/b~1c": "x" } } });
    assert_eq!(reason(deep.clone(), json!({ "a": { "0": { "b/c": "x" } } })), None);
    assert_eq!(reason(deep.clone(), json!({ "a": [{ "b/c": "x" }] })), None);
    assert_eq!(reason(deep.clone(), json!({ "a": [{ "b": { "c": "x" } }] })), missing);
    assert_eq!(reason(deep, json!({ "a/0/b/c": "x" })), missing);
}

#[test]
fn a_mark_says_in_the_evidence_what_was_expected_and_what_came() {
    let entry = entry(json!({ "claims": { "require": { "/token_use": ["access", null] } } }));
    let token = ParsedToken::parse(&token(json!({ "token_use": "id" }))).unwrap();
    let denial = ClaimReader::new(&token, &entry).marks().unwrap_err();
    let evidence = Evidence::Mark {
        claim: "/token_use".to_owned(),
        expected: "\"access\" or absent".to_owned(),
        found: Some("\"id\"".into()),
    };
    assert_eq!(denial.evidence.as_deref(), Some(&evidence));
}

#[test]
fn marks_of_the_provider_stay_in_force_beside_written_ones() {
    let cognito = |require: Value| json!({ "provider": "cognito", "audiences": ["agent-app"], "token_types": ["at+jwt"], "claims": { "require": require } });
    let access = json!({ "token_use": "access", "tenant": "a" });
    let mark = json!({ "/tenant": "a" });
    assert_eq!(reason(cognito(mark.clone()), access.clone()), None);
    assert_eq!(
        reason(cognito(mark.clone()), with(access.clone(), json!({ "tenant": "b" }))),
        Some(Reason::ClaimInvalid)
    );
    assert_eq!(
        reason(cognito(mark), with(access.clone(), json!({ "token_use": "id" }))),
        Some(Reason::ClaimInvalid)
    );
    // The same pointer: the written one.
    assert_eq!(reason(cognito(json!({ "/token_use": "id" })), access), Some(Reason::ClaimInvalid));
}

#[test]
fn the_first_that_is_present_counts_and_null_in_the_list_admits_none() {
    let client = |places: Value| json!({ "claims": { "client": places } });
    let of = |places: Value, claims: Value| {
        read(client(places), claims).map(|token| token.client_id().map(str::to_owned))
    };
    let some = |text: &str| Ok(Some(text.to_owned()));
    let both = json!({ "azp": "web", "client_id": "app" });
    assert_eq!(of(json!(["/azp", "/client_id"]), both.clone()), some("web"));
    assert_eq!(of(json!(["/client_id", "/azp"]), both.clone()), some("app"));
    assert_eq!(of(json!(["/cid", "/azp"]), both.clone()), some("web"));
    assert_eq!(of(json!(["/cid"]), both.clone()), Err(Reason::ClaimMissing));
    assert_eq!(of(json!(["/cid", null]), both.clone()), Ok(None));
    assert_eq!(of(json!([]), both.clone()), Ok(None));
    // The first that is present is wrong: the second is not asked.
    assert_eq!(of(json!(["/azp", "/client_id"]), with(both, json!({ "azp": 7 }))), Err(Reason::ClaimInvalid));
    // A written list is what it says, whatever the type of the token.
    assert_eq!(of(json!(["/client_id", null]), json!({ "client_id": null })), Ok(None));
    assert_eq!(reason(json!({ "claims": { "token_id": [] } }), json!({ "jti": 7 })), None);
    assert_eq!(reason(json!({ "claims": { "token_id": ["/uti"] } }), json!({})), Some(Reason::ClaimMissing));
}

#[test]
fn a_principal_of_several_claims_needs_all_of_them_and_is_not_mistaken_for_another() {
    let joined = || json!({ "claims": { "principal": [["/tid", "/oid"], "/sub"] } });
    let of = |claims: Value| read(joined(), claims).map(|token| token.principal().subject.clone());
    assert_eq!(of(json!({ "tid": "t", "oid": "o" })), Ok("t/o".to_owned()));
    assert_eq!(of(json!({ "tid": "t" })), Ok("user:alice".to_owned()), "the next alternative");
    assert_eq!(of(json!({ "tid": "t", "sub": "t/o" })), Ok("t%2Fo".to_owned()), "and no other's name");
    assert_eq!(of(json!({ "tid": "t", "sub": null })), Err(Reason::ClaimMissing));
    assert_eq!(of(json!({ "tid": "t", "oid": "" })), Err(Reason::ClaimInvalid));
    assert_eq!(of(json!({ "tid": "t", "oid": 7 })), Err(Reason::ClaimInvalid));
    let pairs = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("a", "b%2Fc"), ("a%", "2Fb/c")];
    let names: Vec<String> =
        pairs.iter().map(|(tid, oid)| of(json!({ "tid": tid, "oid": oid })).unwrap()).collect();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{names:?}");
    }
    let half = "x".repeat(limits::IDENTITY_BYTES / 2);
    assert_eq!(of(json!({ "tid": half, "oid": half })), Err(Reason::ClaimInvalid), "too long together");
}

#[test]
fn audiences_are_looked_for_where_they_are_named_and_nowhere_else() {
    let cognito = || json!({ "audiences": ["agent-app"], "claims": { "audience": ["/client_id"] } });
    assert_eq!(reason(cognito(), json!({ "aud": null })), None);
    assert_eq!(reason(cognito(), json!({ "client_id": "other" })), Some(Reason::AudienceMismatch));
    assert_eq!(
        reason(cognito(), json!({ "aud": "agent-app", "client_id": "other" })),
        Some(Reason::AudienceMismatch)
    );
    assert_eq!(
        reason(cognito(), json!({ "aud": "agent-app", "client_id": null })),
        Some(Reason::ClaimMissing)
    );
}

#[test]
fn scopes_of_all_named_claims_are_taken_together_and_each_once() {
    let two = || json!({ "claims": { "scopes": ["/scope", "/permissions"] } });
    assert_eq!(scopes(two(), json!({ "scope": "a b", "permissions": ["b", "c"] })), ["a", "b", "c"]);
    assert_eq!(scopes(two(), json!({ "scope": null, "permissions": [] })), Vec::<String>::new());
    assert_eq!(scopes(two(), json!({ "scope": "", "permissions": "a" })), ["a"]);
    // A role that is no scope token cannot be asked for by any route.
    let roles = json!({ "scope": null, "permissions": ["a", "Ticket Operator", "", "é"] });
    assert_eq!(scopes(two(), roles), ["a"]);
    // The first that is present, where claims stand for each other.
    let either = || json!({ "claims": { "scopes": [["/scp", "/roles"]] } });
    assert_eq!(scopes(either(), json!({ "scp": "a", "roles": ["b"] })), ["a"]);
    assert_eq!(scopes(either(), json!({ "roles": ["b"] })), ["b"]);
    assert_eq!(scopes(either(), json!({ "scp": "", "roles": ["b"] })), Vec::<String>::new());
    for bad in [json!(["a", 7]), json!([["a"]]), json!({}), json!(7), json!("a  b")] {
        assert_eq!(reason(two(), json!({ "permissions": bad })), Some(Reason::ClaimInvalid), "{bad}");
    }
    let many: Vec<String> = (0..=limits::SCOPES).map(|index| format!("s{index}")).collect();
    assert_eq!(reason(two(), json!({ "scope": null, "permissions": many })), Some(Reason::ClaimInvalid));
    assert_eq!(scopes(json!({ "claims": { "scopes": [] } }), json!({ "scope": "a" })), Vec::<String>::new());
}

#[test]
fn without_a_time_of_issue_what_is_left_may_not_be_more_than_a_life() {
    let config = parse_config(&{
        let mut config = config_value();
        config["issuers"][0]["claims"] = json!({ "issued_at": ["/iat", null] });
        config["issuers"][0]["max_lifetime_s"] = json!(600);
        config
    });
    let decide = |claims: Value, at_s: u64| {
        let now = mandate_core::time::UnixTime::from_secs(at_s);
        support::decide_at(&mut gate(config.clone()), get(&token(claims)), now).reason()
    };
    let late = json!({ "iat": null, "nbf": null, "exp": NOW_S + 700 });
    assert_eq!(decide(late.clone(), NOW_S), Some(Reason::LifetimeTooLong));
    assert_eq!(decide(late, NOW_S + 100), None, "six hundred seconds are left");
    assert_eq!(decide(json!({ "iat": null, "nbf": null, "exp": NOW_S + 600 }), NOW_S), None);
    // With one, the whole life counts, however little of it is left.
    assert_eq!(decide(json!({ "iat": NOW_S - 700, "exp": NOW_S + 1 }), NOW_S), Some(Reason::LifetimeTooLong));
    // And by default it must be there.
    assert_eq!(reason(json!({}), json!({ "iat": null })), Some(Reason::ClaimMissing));
}

#[test]
fn a_client_is_an_agent_where_the_entry_says_so_and_its_words_are_there() {
    let rule = |when: Value| json!({ "agent": { "from": "client", "when": when } });
    let agent = |when: Value, claims: Value| {
        let token = read(rule(when), claims).unwrap();
        (token.agent().map(|agent| agent.subject.clone()), token.depth())
    };
    let named = |depth| (Some("agent-app".to_owned()), depth);
    let nobody = || (None, 0);
    assert_eq!(agent(json!({}), json!({})), named(1));
    let facet = json!({ "/xms_act_fct": "11" });
    for (facets, expected) in [
        (json!(null), nobody()),
        (json!("3 9"), nobody()),
        (json!("110"), nobody()),
        (json!("111 1"), nobody()),
        (json!(11), nobody()),
        (json!({ "11": true }), nobody()),
        (json!("11"), named(1)),
        (json!("3 9 11"), named(1)),
        (json!(["3", "11"]), named(1)),
        (json!([["11"]]), nobody()),
    ] {
        assert_eq!(agent(facet.clone(), json!({ "xms_act_fct": facets })), expected, "{facets}");
    }
    let both = json!({ "/a": "x", "/b": { "present": true } });
    assert_eq!(agent(both.clone(), json!({ "a": "x" })), nobody(), "all conditions hold");
    assert_eq!(agent(both, json!({ "a": "x", "b": 0 })), named(1));
    // With an `act`, it is the actor.
    let (name, depth) = agent(json!({}), json!({ "act": { "sub": "agent" } }));
    assert_eq!((name.as_deref(), depth), (Some("agent"), 1));
    // A client that is the principal itself is no hop.
    assert_eq!(agent(json!({}), json!({ "sub": "agent-app" })), named(0));
    // Nobody can be named.
    let absent = json!({ "agent": { "from": "client" }, "claims": { "client": ["/azp", null] } });
    assert_eq!(reason(absent, json!({})), Some(Reason::ClaimMissing));
}

#[test]
fn a_subject_is_an_agent_of_depth_0() {
    let token = read(
        json!({ "agent": { "from": "subject", "when": { "/sub_profile": "ai_agent" } } }),
        json!({ "sub_profile": "service ai_agent" }),
    )
    .unwrap();
    assert_eq!((token.agent(), token.depth(), token.hops().len()), (Some(token.principal()), 0, 0));
    let user = read(
        json!({ "agent": { "from": "subject", "when": { "/sub_profile": "ai_agent" } } }),
        json!({ "sub_profile": "user" }),
    )
    .unwrap();
    assert_eq!(user.agent(), None);
}

#[test]
fn an_actor_is_an_agent_only_if_it_has_the_marks_that_are_asked_for() {
    let rule = || json!({ "agent": { "from": "act", "when": { "/act/client_id": { "present": true } } } });
    let delegated = read(rule(), json!({ "act": { "sub": "id", "client_id": "agent" } })).unwrap();
    assert_eq!(delegated.agent().map(|agent| agent.subject.as_str()), Some("id"));
    assert_eq!(delegated.hops()[0].client_id.as_deref(), Some("agent"));
    let impersonated = read(rule(), json!({ "act": { "sub": "admin" } })).unwrap();
    assert_eq!((impersonated.agent(), impersonated.depth(), impersonated.hops().len()), (None, 1, 1));
}

#[test]
fn hops_of_another_kind_than_those_listed_do_not_count_and_all_hops_stay() {
    let rule = |count: Value| json!({ "chain": { "count": count } });
    let hop =
        |sub: &str, kind: &str, earlier: Value| json!({ "sub": sub, "sub_profile": kind, "act": earlier });
    // `a` does not say what it is: it counts, as the most restrictive reading.
    let chain =
        json!({ "act": hop("c", "service ai_agent", hop("b", "browser_app", json!({ "sub": "a" }))) });
    for (count, depth) in [
        (json!(null), 3),
        (json!(["ai_agent"]), 2),
        (json!(["ai_agent", "browser_app"]), 3),
        (json!(["ai"]), 1),
    ] {
        let token = read(rule(count.clone()), chain.clone()).unwrap();
        assert_eq!((token.depth(), token.hops().len()), (depth, 3), "{count}");
        assert_eq!(token.identity_headers().depth, depth.to_string());
        // What does not count is no agent.
        let is_agent = count != json!(["ai"]);
        assert_eq!(token.agent().is_some(), is_agent, "{count}");
    }
    for bad in [json!(7), json!(""), json!(["ai_agent"]), json!("a\nb")] {
        let refused = reason(rule(json!(["ai_agent"])), json!({ "act": { "sub": "a", "sub_profile": bad } }));
        assert_eq!(refused, Some(Reason::DelegationMalformed), "{bad}");
    }
}

#[test]
fn the_principal_is_who_the_mapping_says_and_not_the_subject() {
    let by_mail = || json!({ "claims": { "principal": ["/email"] } });
    let named = |claims: Value| with(json!({ "email": "alice@acme.example", "sub": "agent-1" }), claims);
    // The one who acts is `sub` here: it stays.
    let token = read(by_mail(), named(json!({ "act": { "sub": "agent-1" } }))).unwrap();
    assert_eq!((token.depth(), token.agent().map(|it| it.subject.as_str())), (1, Some("agent-1")));
    let client = with(by_mail(), json!({ "agent": { "from": "client" } }));
    let token = read(client, named(json!({ "client_id": "agent-1" }))).unwrap();
    assert_eq!((token.depth(), token.agent().map(|it| it.subject.as_str())), (1, Some("agent-1")));
    let twice = json!({ "act": { "sub": "a", "act": { "sub": "alice@acme.example" } } });
    assert!(read(by_mail(), named(twice)).unwrap().is_cyclic());
}

#[test]
fn earlier_hops_without_one_who_acts_are_malformed() {
    let okta = || json!({ "chain": { "form": "okta" } });
    let malformed = Some(Reason::DelegationMalformed);
    assert_eq!(reason(okta(), json!({ "origin": { "sub": "service" } })), malformed);
    assert_eq!(reason(okta(), json!({ "delegated_through": [{ "sub": "agent" }] })), malformed);
    // The principal began it, and nobody acts for it.
    let alone = read(okta(), json!({ "origin": { "sub": "user:alice" } })).unwrap();
    assert_eq!((alone.depth(), alone.agent()), (0, None));
}

#[test]
fn more_hops_than_there_may_be_are_malformed() {
    let okta = || json!({ "chain": { "form": "okta" } });
    let beside = |count: usize| {
        let hops: Vec<Value> = (0..count).map(|index| json!({ "sub": format!("a{index}") })).collect();
        json!({ "act": { "sub": "now" }, "delegated_through": hops })
    };
    assert_eq!(read(okta(), beside(limits::HOPS - 1)).unwrap().hops().len(), limits::HOPS);
    assert_eq!(reason(okta(), beside(limits::HOPS)), Some(Reason::DelegationMalformed));
    // In the other form these claims mean nothing.
    assert_eq!(read(json!({}), beside(3)).unwrap().hops().len(), 1);
}

#[test]
fn a_token_of_a_trust_domain_is_found_by_its_subject_and_verified_with_that_domains_keys() {
    let svid = |domain: &str, key: &support::Private| {
        let jwk = with(key.jwk(), json!({ "use": "jwt-svid", "kid": support::KID }));
        json!({
            "issuer": domain, "provider": "jwt_svid", "audiences": [support::AUDIENCE], "algorithms": ["EdDSA"],
            "keys": { "inline": { "keys": [jwk] } },
        })
    };
    let (ours, theirs) =
        (support::issuer_key(), support::Private::new(mandate_core::algorithm::Algorithm::EdDsa, 9));
    let mut config = config_value();
    config["issuers"]
        .as_array_mut()
        .unwrap()
        .extend([svid("spiffe://ours", &ours), svid("spiffe://theirs", &theirs)]);
    let mut gate = gate(parse_config(&config));
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": support::KID });
    let mut decide = |claims: Value| {
        let head = get(&token_with_header(&header, claims));
        let decision = support::decide(&mut gate, head);
        (decision.reason(), decision.token().map(|token| token.principal().issuer.clone()))
    };
    let workload = |claims: Value| with(json!({ "iss": null, "sub": "spiffe://ours/a" }), claims);
    assert_eq!(decide(workload(json!({}))), (None, Some("spiffe://ours".to_owned())));
    assert_eq!(decide(workload(json!({ "iss": "https://oidc.example" }))).0, None);
    assert_eq!(decide(workload(json!({ "sub": "spiffe://theirs/a" }))).0, Some(Reason::SignatureInvalid));
    assert_eq!(decide(workload(json!({ "sub": "spiffe://nobody/a" }))).0, Some(Reason::IssuerUnknown));
    // What names an issuer is that issuer's, whatever its subject.
    assert_eq!(decide(workload(json!({ "iss": ISSUER }))).0, Some(Reason::TokenType));
    // A trust domain is no issuer.
    assert_eq!(
        decide(workload(json!({ "iss": "spiffe://ours", "sub": "user:alice" }))).0,
        Some(Reason::IssuerUnknown)
    );
}

#[test]
fn a_token_may_be_as_long_as_its_issuer_says() {
    let long = || json!({ "pad": "x".repeat(12_000) });
    let mut config = config_value();
    let mut other = config["issuers"][0].clone();
    other["issuer"] = json!("https://long.example");
    other["token_bytes"] = json!(limits::MAX_TOKEN_BYTES);
    config["issuers"].as_array_mut().unwrap().push(other);
    let mut gate = gate(parse_config(&config));
    let mut refused = |claims: Value| support::decide(&mut gate, get(&token(claims))).reason();
    assert_eq!(refused(with(long(), json!({ "iss": "https://long.example" }))), None);
    assert_eq!(refused(long()), Some(Reason::TokenTooLarge), "the other issuer's limit is not this one's");
    assert_eq!(
        refused(json!({ "iss": "https://long.example", "pad": "x".repeat(30_000) })),
        Some(Reason::TokenTooLarge)
    );
}

#[test]
fn every_preset_is_a_configuration_of_its_own() {
    for provider in Provider::ALL {
        let name = match provider {
            Provider::JwtSvid => "spiffe://prod.example",
            Provider::Wit => "wimse://prod.example",
            _ => "https://idp.example/oauth2/x/",
        };
        let written = json!({
            "issuers": [{
                "issuer": name, "provider": provider.name(), "audiences": ["a"], "algorithms": ["RS256"],
                "keys": { "remote": { "cluster": "idp", "uri": "https://idp.example/k" } },
            }],
            "routes": [{ "match": { "path_prefix": "/" }, "policies": [] , "scopes": [] }],
            "proofs": { "external_uris": ["https://tools.example"] },
        });
        let config = parse_config(&written);
        assert_eq!(config.issuers[0].provider, *provider);
        // Written out in full it means the same, and naming no provider then changes only what is said by no member.
        let expanded = Config::expand(written.to_string().as_bytes()).unwrap();
        for member in ["token_types", "claims", "agent", "chain", "max_lifetime_s"] {
            assert!(expanded["issuers"][0].get(member).is_some(), "{member} of {}", provider.name());
        }
        assert_eq!(parse_config(&expanded), config);
        // A lifetime of more than a day is the operator's to write.
        assert!(config.issuers[0].max_lifetime_s <= limits::LONG_LIFETIME_S);
    }
}

#[test]
fn an_agent_whose_source_is_written_has_none_of_the_providers_conditions() {
    let of = |agent: Value| entry(json!({ "provider": "keycloak", "agent": agent })).agent;
    assert_eq!(of(json!({ "from": "client" })).when, []);
    assert_eq!(of(json!({})).when.len(), 1);
    assert_eq!(of(json!({ "from": "act" })).when.len(), 1, "the same source");
    assert_eq!(of(json!({ "when": { "/more": "x" } })).when.len(), 2, "conditions add up");
}

/// Any JSON that a claim may hold.
fn any_claim() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,2}( [a-c]{1,2}){0,2}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_pointer() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-e]|0|~1|~0", 1..3).prop_map(|segments| format!("/{}", segments.join("/")))
}

proptest! {
    /// Whatever the mapping and the token: a required mark that is absent denies.
    #[test]
    fn an_absent_mark_denies(
        provider in prop::sample::select(Provider::ALL),
        pointers in prop::collection::vec(any_pointer(), 1..4),
        mark in prop_oneof![Just(json!("a")), Just(json!(1)), Just(json!(["a", false])), Just(json!({ "present": true }))],
        claims in prop::collection::btree_map("[a-e]|sub|scope|act|azp", any_claim(), 0..6),
    ) {
        // None of the claims has this name.
        let absent = "/nowhere";
        let mut require = serde_json::Map::new();
        for pointer in pointers {
            require.insert(pointer, json!({ "present": true }));
        }
        require.insert(absent.to_owned(), mark);
        let is_svid = matches!(provider, Provider::JwtSvid | Provider::Wit);
        let name = if is_svid { "spiffe://prod.example" } else { ISSUER };
        let (key_use, typ) = match provider {
            Provider::JwtSvid => ("jwt-svid", "at+jwt"),
            Provider::Wit => ("wit-svid", "wit+jwt"),
            _ => ("sig", "at+jwt"),
        };
        let jwk = with(support::issuer_key().jwk(), json!({ "use": key_use, "kid": support::KID }));
        let entry = entry(json!({
            "issuer": name, "provider": provider.name(), "claims": { "require": require }, "token_types": [typ],
            "keys": { "inline": { "keys": [jwk] } },
        }));
        let mut all = support::claims_with(&json!({}));
        all.as_object_mut().unwrap().extend(claims);
        if is_svid {
            all["sub"] = json!("spiffe://prod.example/a");
        }
        let text = support::sign_texts(&support::issuer_key(), mandate_core::algorithm::Algorithm::EdDsa, &with(support::header(), json!({ "typ": typ })).to_string(), &all.to_string());
        if let Ok(token) = ParsedToken::parse(&text) {
            let refused = ClaimReader::new(&token, &entry).marks().map_err(|denial| denial.reason);
            prop_assert!(matches!(refused, Err(Reason::ClaimMissing | Reason::ClaimInvalid)));
            // And so does the whole way, whatever else is wrong.
            let mut gate = gate(Config { issuers: vec![entry], ..parse_config(&config_value()) });
            let key = gate.key_for(&token, &InModule, support::NOW);
            match key {
                Ok(key) => prop_assert!(SignedToken::verify(token, &key, &InModule).is_err()),
                Err(stop) => prop_assert!(matches!(stop, Stop::Deny(_))),
            }
        }
    }

    /// A claim that is not mapped never grants a scope.
    #[test]
    fn an_unmapped_claim_grants_no_scope(
        mapped in prop::collection::vec(any_pointer(), 0..3),
        claims in prop::collection::btree_map("[a-e]|scope|scp|roles|permissions", any_claim(), 0..6),
    ) {
        let mapped: std::collections::BTreeSet<String> = mapped.into_iter().collect();
        let entry = entry(json!({ "claims": { "scopes": mapped } }));
        let mut all = support::claims_with(&json!({}));
        all.as_object_mut().unwrap().extend(claims);
        let text = support::sign_texts(&support::issuer_key(), mandate_core::algorithm::Algorithm::EdDsa, &support::header().to_string(), &all.to_string());
        let token = ParsedToken::parse(&text).unwrap();
        let Ok(scopes) = ClaimReader::new(&token, &entry).scopes() else { return Ok(()) };
        // What the named places hold, read once more by serde's own pointers.
        let mut granted = Vec::new();
        for pointer in &mapped {
            match all.pointer(pointer) {
                Some(Value::String(text)) => granted.extend(text.split(' ').map(str::to_owned)),
                Some(Value::Array(list)) => granted.extend(list.iter().filter_map(Value::as_str).map(str::to_owned)),
                _ => {}
            }
        }
        prop_assert!(scopes.iter().all(|scope| granted.contains(scope)), "{scopes:?} of {granted:?}");
    }
}
