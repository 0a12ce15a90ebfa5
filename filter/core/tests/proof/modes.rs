//! Which tokens need a proof, and what a client is told that sent none.

use super::*;
use support::challenged;

/// The decision on a request, and its challenges.
fn told(gate: &mut Gate, head: RequestHead) -> (Option<Reason>, Vec<String>) {
    let decision = decide(gate, head);
    let challenges = match decision.reason() {
        Some(_) => challenged(&decision, gate.config()).1,
        None => Vec::new(),
    };
    (decision.reason(), challenges)
}

#[test]
fn a_token_without_the_proof_that_it_needs_is_refused() {
    let bound = bound_token();
    let unbound = token(json!({}));
    let good = || proof_with(&bound_token(), json!({}));
    let dpop = "DPoP error=\"invalid_token\", algs=\"ES256 EdDSA\"";
    let bearer = "Bearer error=\"invalid_token\"";
    // Another kind of token would do, with either.
    let both = &[bearer, dpop][..];
    let (dpop, bearer) = (&[dpop][..], &[bearer][..]);
    let none: Option<(Reason, &[&str])> = None;
    for (mode, scheme, token, proofs, expected) in [
        // RFC 9449 §7.2: a bound token as a bearer token, with its proof or without.
        ("if_bound", "Bearer", &bound, vec![], Some((Reason::ProofRequired, dpop))),
        ("if_bound", "Bearer", &bound, vec![good()], Some((Reason::ProofRequired, dpop))),
        ("if_bound", "DPoP", &bound, vec![], Some((Reason::ProofRequired, dpop))),
        ("required", "Bearer", &bound, vec![good()], Some((Reason::ProofRequired, dpop))),
        // RFC 9449 §7.1: the scheme says what the token is not.
        ("if_bound", "DPoP", &unbound, vec![good()], Some((Reason::ProofRequired, both))),
        ("required", "DPoP", &unbound, vec![good()], Some((Reason::ProofRequired, both))),
        ("required", "Bearer", &unbound, vec![], Some((Reason::ProofRequired, both))),
        ("none", "Bearer", &bound, vec![], Some((Reason::ClaimInvalid, bearer))),
        ("none", "DPoP", &bound, vec![good()], Some((Reason::ProofUnsupported, bearer))),
        ("none", "DPoP", &unbound, vec![good()], Some((Reason::ProofUnsupported, bearer))),
        ("none", "Bearer", &unbound, vec![], none),
        ("if_bound", "Bearer", &unbound, vec![], none),
        ("if_bound", "DPoP", &bound, vec![good()], none),
        ("required", "DPoP", &bound, vec![good()], none),
    ] {
        let mut gate = proving(|c| c["issuers"][0]["proof"] = json!(mode));
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let found = told(&mut gate, request(scheme, token, &proofs));
        let expected = match expected {
            Some((reason, challenges)) => {
                (Some(reason), challenges.iter().map(|&challenge| challenge.to_owned()).collect())
            }
            None => (None, vec![]),
        };
        assert_eq!(found, expected, "{mode}, {scheme}, {} proofs", proofs.len());
    }
}

#[test]
fn the_stricter_of_issuer_and_route_applies() {
    for (issuer, route, bound, unbound) in [
        ("none", "none", Some(Reason::ProofUnsupported), None),
        ("none", "if_bound", None, None),
        ("none", "required", None, Some(Reason::ProofRequired)),
        ("if_bound", "none", None, None),
        ("if_bound", "required", None, Some(Reason::ProofRequired)),
        ("required", "none", None, Some(Reason::ProofRequired)),
        ("required", "if_bound", None, Some(Reason::ProofRequired)),
    ] {
        let mut gate = proving(|c| {
            c["issuers"][0]["proof"] = json!(issuer);
            c["routes"][0]["proof"] = json!(route);
        });
        let proof = proof_with(&bound_token(), json!({}));
        let decision = decide(&mut gate, request("DPoP", &bound_token(), &[&proof]));
        assert_eq!(decision.reason(), bound, "{issuer}, {route}");
        let decision = decide(&mut gate, request("Bearer", &token(json!({})), &[]));
        assert_eq!(decision.reason(), unbound, "{issuer}, {route}");
    }
}

#[test]
fn a_token_that_is_bound_in_any_way_is_refused_while_no_proof_is_verified() {
    let digest = thumbprint(&agent_key());
    for cnf in [json!({}), json!({ "kid": "1" }), json!({ "jkt": digest }), json!({ "x5t#S256": digest })] {
        let mut gate = gate(config(|_| {}));
        let decision = decide(&mut gate, request("Bearer", &token(json!({ "cnf": cnf })), &[]));
        assert_eq!(decision.reason(), Some(Reason::ClaimInvalid), "{cnf}");
    }
}

#[test]
fn a_binding_that_is_not_understood_is_refused() {
    for (cnf, reason) in [
        (json!({}), Reason::ProofUnsupported),
        (json!({ "kid": "1" }), Reason::ProofUnsupported),
        (json!({ "jku": "https://evil.example" }), Reason::ProofUnsupported),
        (json!("x"), Reason::ClaimInvalid),
        (json!({ "jkt": "x" }), Reason::ClaimInvalid),
        (json!({ "jkt": 1 }), Reason::ClaimInvalid),
        (json!({ "jkt": format!("{}=", thumbprint(&agent_key())) }), Reason::ClaimInvalid),
    ] {
        let token = token(json!({ "cnf": cnf }));
        let decision = decide(&mut proving(|_| {}), request("Bearer", &token, &[]));
        assert_eq!(decision.reason(), Some(reason), "{cnf}");
    }
    // What is not known beside what is known is ignored (RFC 7800 §3.1).
    let token = token(json!({ "cnf": { "jkt": thumbprint(&agent_key()), "kid": "1" } }));
    let proof = proof_with(&token, json!({}));
    assert_eq!(decide(&mut proving(|_| {}), request("DPoP", &token, &[&proof])).reason(), None);
}

#[test]
fn a_kind_of_proof_that_is_not_listed_is_refused() {
    let mut gate = proving(|c| c["issuers"][0]["proof_kinds"] = json!(["mtls"]));
    let proof = proof_with(&bound_token(), json!({}));
    let decision = decide(&mut gate, request("DPoP", &bound_token(), &[&proof]));
    assert_eq!(decision.reason(), Some(Reason::ProofUnsupported));
    let decision = decide(&mut gate, request("Bearer", &bound_token(), &[]));
    assert_eq!(decision.reason(), Some(Reason::ProofUnsupported));
}

#[test]
fn a_client_without_a_token_learns_which_schemes_would_do() {
    let dpop = "DPoP algs=\"ES256 EdDSA\"";
    for (issuer, route, kinds, expected) in [
        ("none", "none", json!(["dpop"]), vec!["Bearer"]),
        ("if_bound", "none", json!(["dpop"]), vec!["Bearer", dpop]),
        ("required", "none", json!(["dpop"]), vec![dpop]),
        ("none", "required", json!(["dpop"]), vec![dpop]),
        ("required", "none", json!(["dpop", "mtls"]), vec!["Bearer", dpop]),
        ("required", "none", json!(["mtls"]), vec!["Bearer"]),
    ] {
        let mut gate = proving(|c| {
            c["issuers"][0]["proof"] = json!(issuer);
            c["issuers"][0]["proof_kinds"] = kinds.clone();
            c["routes"][0]["proof"] = json!(route);
        });
        let (reason, challenges) = told(&mut gate, head(METHOD, PATH, &[]));
        assert_eq!(
            (reason, challenges),
            (Some(Reason::TokenMissing), expected.iter().map(ToString::to_string).collect()),
            "{issuer}, {route}, {kinds}"
        );
    }
}

#[test]
fn other_errors_are_told_in_the_scheme_that_the_token_came_with() {
    let mut gate = proving(|c| c["routes"][0]["scopes"] = json!(["tickets.write"]));
    let proof = proof_with(&bound_token(), json!({}));
    let (reason, challenges) = told(&mut gate, request("DPoP", &bound_token(), &[&proof]));
    assert_eq!(reason, Some(Reason::ScopeInsufficient));
    let expected = "DPoP error=\"insufficient_scope\", scope=\"tickets.write\", algs=\"ES256 EdDSA\"";
    assert_eq!(challenges, [expected]);
    let (reason, challenges) = told(&mut gate, request("DPoP", "a.b.c", &[]));
    assert_eq!(reason, Some(Reason::TokenMalformed));
    let expected = "DPoP error=\"invalid_token\", scope=\"tickets.write\", algs=\"ES256 EdDSA\"";
    assert_eq!(challenges, [expected]);
    let bad = proof_with(&bound_token(), json!({ "htm": "PUT" }));
    let (_, challenges) = told(&mut gate, request("DPoP", &bound_token(), &[&bad]));
    let expected = "DPoP error=\"invalid_dpop_proof\", scope=\"tickets.write\", algs=\"ES256 EdDSA\"";
    assert_eq!(challenges, [expected]);
}

#[test]
fn a_stricter_route_is_not_gone_round_by_letter_case() {
    let mut gate = proving(|c| {
        c["routes"] = json!([
            { "match": { "path_prefix": "/v1/tickets" }, "proof": "required" },
            { "match": { "path_prefix": "/" } },
        ]);
    });
    let authorization = format!("Bearer {}", token(json!({})));
    let decision = decide(&mut gate, head(METHOD, "/V1/tickets", &[("authorization", &authorization)]));
    assert_eq!(decision.reason(), Some(Reason::PathInvalid));
}

#[test]
fn the_record_says_how_the_key_was_shown() {
    let proof = proof_with(&bound_token(), json!({}));
    let decision = decide(&mut proving(|_| {}), request("DPoP", &bound_token(), &[&proof]));
    let record: Value = serde_json::from_str(&AuditRecord::new(&decision).to_json()).unwrap();
    assert_eq!((&record["result"], &record["proofs"]), (&json!("allow"), &json!(["dpop"])));
    let decision = decide(&mut proving(|_| {}), request("Bearer", &token(json!({})), &[]));
    let record: Value = serde_json::from_str(&AuditRecord::new(&decision).to_json()).unwrap();
    assert_eq!(record.get("proofs"), None);
}

#[test]
fn proofs_that_name_an_address_need_addresses() {
    let problems = |change: &dyn Fn(&mut Value)| {
        let mut value = config_value();
        change(&mut value);
        let parsed = mandate_core::config::Config::parse(value.to_string().as_bytes());
        parsed.err().unwrap_or_default().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
    };
    assert_eq!(problems(&|c| c["issuers"][0]["proof"] = json!("if_bound")), ["/issuers/0/proof"]);
    assert_eq!(problems(&|c| c["routes"][0]["proof"] = json!("required")), ["/routes/0/proof"]);
    let none: [&str; 0] = [];
    assert_eq!(
        problems(&|c| {
            c["issuers"][0]["proof"] = json!("if_bound");
            c["issuers"][0]["proof_kinds"] = json!(["mtls"]);
            c["routes"][0]["proof"] = json!("required");
        }),
        none
    );
    for uri in [
        "tools.example",
        "https://tools.example?x",
        "https://tools.example/#f",
        "ftp://a",
        "https://u@a",
        "https://a/%2F",
    ] {
        let found = problems(&|c| c["proofs"] = json!({ "external_uris": [uri] }));
        assert_eq!(found, ["/proofs/external_uris/0"], "{uri}");
    }
}
