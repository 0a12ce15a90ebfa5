//! What a good chain amounts to.

use crate::made::{Chain, HEADER, Link, grant, holder, thumbprint};
use crate::support::policies::{allow, digest};
use crate::support::{ISSUER, NOW_S, decide, decide_at, head};
use crate::{PATH, chained, gate, record, request, request_with};
use mandate_core::config::{Config, PolicyEntry};
use mandate_core::decision::{Decision, Reply};
use mandate_core::flow::Gate;
use mandate_core::policy::{CheckResult, Complaint, LinkedPolicy, Policies, RequestContext};
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn forwarded(decision: &Decision, config: &Config) -> (Vec<String>, Vec<String>) {
    let Reply::Forward(forward) = Reply::new(decision, Some(config)) else {
        panic!("{:?}", decision.reason())
    };
    let chains =
        forward.remove_chains.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let added = forward.add.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    (chains, added)
}

#[test]
fn the_record_and_the_upstream_see_every_agent() {
    let config = chained(|_| {});
    let decision = decide(&mut gate(|_| {}), request(&Chain::of(3)));
    let record = record(&decision);
    assert_eq!(record["result"], "allow");
    let party = |client: &str| json!({ "iss": ISSUER, "sub": client, "client_id": client });
    let expected =
        json!([{ "iss": ISSUER, "sub": "user:alice" }, party("agent-0"), party("agent-1"), party("agent-2")]);
    assert_eq!(record["chain"], expected);
    assert_eq!((&record["depth"], &record["agent"]), (&json!(3), &json!("agent-2")));
    let token = json!({
        "jti": "link-2", "client_id": "agent-2", "kid": "key-1", "scopes": ["tickets.read", "crm.*"], "exp_ms": (NOW_S + 580) * 1000,
    });
    assert_eq!(record["token"], token);
    let (removed, added) = forwarded(&decision, &config);
    assert_eq!(removed, [HEADER]);
    assert!(added.contains(&"x-mandate-principal: user:alice".to_owned()), "{added:?}");
    assert!(added.contains(&"x-mandate-agent: agent-2".to_owned()), "{added:?}");
    assert!(added.contains(&"x-mandate-depth: 3".to_owned()), "{added:?}");
    let chain = added.iter().find(|header| header.starts_with("x-mandate-chain")).unwrap();
    for agent in ["agent-0", "agent-1", "agent-2"] {
        assert!(chain.contains(&format!("\"{agent}\";iss=\"{ISSUER}\"")), "{chain}");
    }
}

#[test]
fn a_root_alone_is_a_chain_of_one() {
    let decision = decide(&mut gate(|_| {}), request(&Chain::of(1)));
    let record = record(&decision);
    assert_eq!((&record["result"], &record["depth"]), (&json!("allow"), &json!(1)), "{record}");
    assert_eq!(record["agent"], "agent-0");
}

#[test]
fn an_agent_that_acts_for_itself_delegates_from_its_second_link_on() {
    for (links, agent, depth) in [(1, "agent-0", 0), (3, "agent-2", 2)] {
        let chain =
            Chain::of(links).with(|l| l.iter_mut().for_each(|link| link.claims["sub"] = json!("agent-0")));
        let record = record(&decide(&mut gate(|_| {}), request(&chain)));
        assert_eq!(record["result"], "allow", "{record}");
        assert_eq!((&record["agent"], &record["depth"]), (&json!(agent), &json!(depth)), "{record}");
    }
}

#[test]
fn a_key_may_be_named_by_its_thumbprint_and_shown_by_what_it_signs() {
    let chain = Chain::of(3).with(|l| {
        for at in 0..2 {
            l[at].claims["cnf"] = json!({ "jkt": thumbprint(&holder(at)) });
            l[at + 1].header["jwk"] = holder(at).jwk();
        }
    });
    assert_eq!(decide(&mut gate(|_| {}), request(&chain)).reason(), None);
    let both = Chain::of(3).with(|l| l[0].claims["cnf"]["jkt"] = json!(thumbprint(&holder(0))));
    assert_eq!(decide(&mut gate(|_| {}), request(&both)).reason(), None);
}

#[test]
fn a_wildcard_grants_what_lies_below_it_also_to_policies_and_routes() {
    for scopes in [json!(["crm.read"]), json!(["crm.x.y", "tickets.read"]), json!(["crm.*"])] {
        let mut gate = gate(|c| c["routes"][0]["scopes"] = scopes.clone());
        let decision = decide(&mut gate, request(&Chain::of(3)));
        assert_eq!(decision.reason(), None, "{scopes}");
        assert!(decision.token().unwrap().grants("crm.read") && !decision.token().unwrap().grants("crm"));
    }
}

/// An agent signs its link itself: what it says of the user is its own word.
#[test]
fn claims_that_are_not_about_the_delegation_are_those_of_the_root() {
    let chain = Chain::of(3).with(|l| {
        l[0].claims["acr"] = json!("low");
        l[0].claims["tenant"] = json!("a");
        for (name, value) in [("acr", "high"), ("tenant", "b"), ("email", "root@example"), ("role", "admin")]
        {
            l[2].claims[name] = json!(value);
        }
        l[2].claims["authorization_details"] = grant(&["crm.x"], json!([]));
    });
    let decision = decide(&mut gate(|_| {}), request(&chain));
    let claims = decision.token().unwrap().claims();
    assert_eq!((&claims["acr"], &claims["tenant"]), (&json!("low"), &json!("a")));
    assert!(claims.get("email").is_none() && claims.get("role").is_none(), "{claims}");
    assert_eq!(claims["authorization_details"][0]["scopes"], json!(["crm.x"]));
    assert_eq!((&claims["jti"], &claims["client_id"]), (&json!("link-2"), &json!("agent-2")));
    assert_eq!(claims["cnf"]["jkt"], json!(thumbprint(&holder(2))));
    // So are marks.
    let marked = |c: &mut Value| c["issuers"][0]["claims"] = json!({ "require": { "/role": "admin" } });
    assert_eq!(decide(&mut gate(marked), request(&chain)).reason(), Some(Reason::ClaimMissing));
}

#[test]
fn a_chain_is_known_again_by_all_of_its_bytes() {
    let mut gate = gate(|_| {});
    let (one, two) = (Chain::of(3), Chain::of(3).with(|l| l[1].claims["jti"] = json!("other")));
    assert_eq!(decide(&mut gate, request(&one)).reason(), None);
    assert_eq!(gate.take_cache_counts(), (0, 1));
    assert_eq!(decide(&mut gate, request(&one)).reason(), None);
    assert_eq!(gate.take_cache_counts(), (1, 0));
    // The same token behind other links is not known, and no chain.
    let (own, other) = (one.sent().1.unwrap(), two.sent().1.unwrap());
    let (root, between) = own.split_once(',').unwrap();
    for (more, header) in [
        (String::new(), Some(other.as_str())),
        (String::new(), None),
        // All in one header, or another part of it.
        (format!(",{own}"), None),
        (format!(",{root}"), Some(between)),
    ] {
        let mut headers = one.proven(PATH);
        headers[0].1.push_str(&more);
        headers.extend(header.map(|header| (HEADER.to_owned(), header.to_owned())));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let decision = decide(&mut gate, head("GET", PATH, &headers));
        assert!(decision.reason().is_some());
        assert_eq!(gate.take_cache_counts().0, 0);
    }
    // What depends on the time is looked at again.
    let late = UnixTime::from_secs(NOW_S + 581 + 30);
    assert_eq!(decide_at(&mut gate, request(&one), late).reason(), Some(Reason::TokenExpired));
}

#[test]
fn the_links_go_no_further_unless_the_token_does() {
    for (forward_token, anonymous, expected) in [
        (false, false, vec![HEADER, "X_Delegation.Chain"]),
        (true, false, vec!["X_Delegation.Chain"]),
        (false, true, vec![HEADER, "X_Delegation.Chain"]),
        (true, true, vec![HEADER, "X_Delegation.Chain"]),
    ] {
        let change = |c: &mut Value| {
            c["upstream"] = json!({ "forward_token": forward_token });
            if anonymous {
                c["routes"][0]["anonymous"] = json!(true);
            }
        };
        let chain = Chain::of(2);
        let earlier = chain.sent().1.unwrap();
        let head = request_with(&chain, [(HEADER, earlier.as_str()), ("X_Delegation.Chain", "x")]);
        let decision = decide(&mut gate(change), head);
        let (removed, _) = forwarded(&decision, &chained(change));
        let expected: Vec<String> = expected.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(removed, expected, "{forward_token} {anonymous}");
    }
}

/// A policy that notes what it is shown.
#[derive(Default)]
struct Looking {
    linked: Vec<LinkedPolicy>,
    seen: Rc<RefCell<Vec<String>>>,
}

impl Policies for Looking {
    fn linked(&self) -> &[LinkedPolicy] {
        &self.linked
    }

    fn configure(&mut self, _: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        Ok(())
    }

    fn check(&mut self, _: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
        let mut seen = self.seen.borrow_mut();
        seen.extend(request.chain().hops().iter().map(|hop| hop.identity.subject.clone()));
        for name in [HEADER, "X_Delegation_Chain", "x-other"] {
            seen.push(format!("{:?} {:?}", request.header(name), request.header_values(name)));
        }
        seen.push(request.header_names().join(" "));
        allow().into()
    }
}

#[test]
fn policies_see_the_whole_chain_and_no_token_of_it() {
    let policies = Looking {
        linked: vec![LinkedPolicy { name: "looks".to_owned(), sha256: digest("looks") }],
        ..Looking::default()
    };
    let seen = Rc::clone(&policies.seen);
    let config = chained(|c| {
        c["policies"] = json!([{ "name": "looks" }]);
        c["routes"][0]["policies"] = json!(["looks"]);
    });
    let mut gate = Gate::new(config, Box::new(policies), [7; 16]).unwrap();
    let chain = Chain::of(3);
    let earlier = chain.sent().1.unwrap();
    let more = [(HEADER, earlier.as_str()), ("x_delegation_chain", "x"), ("x-other", "y")];
    assert_eq!(decide(&mut gate, request_with(&chain, more)).reason(), None);
    let expected = [
        "agent-0",
        "agent-1",
        "agent-2",
        "Ok(None) Ok([])",
        "Ok(None) Ok([])",
        "Ok(Some(\"y\")) Ok([\"y\"])",
        "x-other",
    ];
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn a_connection_header_cannot_take_the_links_away() {
    let chain = Chain::of(2);
    let earlier = chain.sent().1.unwrap();
    let head = request_with(&chain, [(HEADER, earlier.as_str()), ("connection", "X-Delegation-Chain")]);
    let decision = decide(&mut gate(|_| {}), head);
    assert_eq!(decision.reason(), Some(Reason::ConnectionInvalid));
}

#[test]
fn the_last_link_always_needs_a_proof_of_its_own_key() {
    let chain = Chain::of(3);
    let (token, earlier) = chain.sent();
    let earlier = earlier.unwrap();
    let bearer = format!("Bearer {token}");
    let decision =
        decide(&mut gate(|_| {}), head("GET", PATH, &[("authorization", &bearer), (HEADER, &earlier)]));
    assert_eq!(decision.reason(), Some(Reason::ProofRequired));
    // Neither who granted it, nor anybody before, may use it.
    for at in 0..2 {
        let mut headers = chain.proven_by(&holder(at), PATH);
        headers.push((HEADER.to_owned(), earlier.clone()));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let decision = decide(&mut gate(|_| {}), head("GET", PATH, &headers));
        assert_eq!(decision.reason(), Some(Reason::ProofInvalid), "{at}");
    }
    // A key that no kind of proof is for.
    let chain = Chain::of(2).with(|l| l[1].claims["cnf"] = json!({ "jku": "https://a.example" }));
    assert_eq!(decide(&mut gate(|_| {}), request(&chain)).reason(), Some(Reason::ProofRequired));
}

#[test]
fn what_narrows_is_accepted() {
    let order = json!(["none", "internal", "any"]);
    let looks = |c: &mut Value| {
        c["issuers"][0]["chain"]["constraints"] =
            json!(["max", "min", "one_of", "not_one_of", "prefix", "rank"]);
        c["policies"] = json!([{ "name": "looks" }]);
        c["routes"][0]["policies"] = json!(["looks"]);
    };
    for (parent, child) in [
        (json!({ "key": "k", "max": 5 }), json!({ "key": "k", "max": 5 })),
        (json!({ "key": "k", "max": 5 }), json!({ "key": "k", "max": 4.5 })),
        (json!({ "key": "k", "min": 5 }), json!({ "key": "k", "min": 6 })),
        (json!({ "key": "k", "one_of": ["a", 1, true] }), json!({ "key": "k", "one_of": [1] })),
        (json!({ "key": "k", "one_of": ["a"] }), json!({ "key": "k", "one_of": [] })),
        (json!({ "key": "k", "not_one_of": ["a"] }), json!({ "key": "k", "not_one_of": ["b", "a"] })),
        (json!({ "key": "k", "prefix": "/a" }), json!({ "key": "k", "prefix": "/a/b" })),
        (
            json!({ "key": "k", "rank": "any", "order": order }),
            json!({ "key": "k", "rank": "none", "order": order }),
        ),
    ] {
        let constrain = |links: &mut Vec<Link>| {
            links[0].claims["authorization_details"][0]["constraints"] = json!([parent]);
            let more = json!({ "key": "more", "max": 1 });
            links[1].claims["authorization_details"][0]["constraints"] = json!([more, child]);
        };
        let decision = decide(&mut gate(looks), request(&Chain::of(2).with(constrain)));
        assert_eq!(decision.reason(), None, "{parent} {child}: {}", record(&decision));
        let constraints = &decision.token().unwrap().claims()["authorization_details"][0]["constraints"];
        assert_eq!(constraints[1], child, "shown to policies");
    }
}
