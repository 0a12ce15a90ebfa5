//! Workload Identity Tokens with Workload Proof Tokens: each check broken alone.

use super::*;
use mandate_core::config::Config;
use mandate_core::decision::Reply;
use mandate_core::proof_kind::ProofKind;
use support::{challenged, vectors};

const DOMAIN: &str = "wimse://prod.example";
const WORKLOAD: &str = "wimse://prod.example/agents/booking";

/// A configuration of one trust domain, changed.
fn config_of(domain: &str, change: impl FnOnce(&mut Value)) -> Config {
    let mut value = json!({
        "issuers": [{
            "provider": "wit", "issuer": domain, "algorithms": ["ES256"], "keys": { "inline": issuer_keys(domain) },
        }],
        "proofs": { "external_uris": [BASE] },
        "routes": [{ "match": { "path_prefix": "/" } }],
    });
    change(&mut value);
    parse_config(&value)
}

fn workloads() -> Gate {
    gate(config_of(DOMAIN, |_| {}))
}

/// The key of the identity server.
fn server_key() -> Private {
    Private::new(Algorithm::Es256, 8)
}

fn issuer_keys(domain: &str) -> Value {
    let mut key = with(server_key().jwk(), json!({ "kid": "server-1" }));
    if domain.starts_with("spiffe") {
        key["use"] = json!("wit-svid");
    }
    json!({ "keys": [key] })
}

fn workload_jwk(key: &Private) -> Value {
    with(key.jwk(), json!({ "alg": "ES256" }))
}

fn wit_header() -> Value {
    json!({ "alg": "ES256", "typ": "wit+jwt", "kid": "server-1" })
}

fn wit_claims() -> Value {
    json!({ "sub": WORKLOAD, "exp": NOW_S + 600, "cnf": { "jwk": workload_jwk(&agent_key()) } })
}

/// Members over others; `null` takes a member away.
fn over(object: Value, members: Value) -> Value {
    let mut object = with(object, members);
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    object
}

fn wit_of(header: Value, claims: Value) -> String {
    sign_texts(
        &server_key(),
        Algorithm::Es256,
        &over(wit_header(), header).to_string(),
        &over(wit_claims(), claims).to_string(),
    )
}

fn wit() -> String {
    wit_of(json!({}), json!({}))
}

fn wpt_header() -> Value {
    json!({ "alg": "ES256", "typ": "wpt+jwt" })
}

fn wpt_claims(wit: &str) -> Value {
    json!({ "aud": format!("{BASE}{PATH}"), "exp": NOW_S + 60, "jti": "proof-1", "wth": b64(Sha256::digest(wit)) })
}

fn wpt_of(wit: &str, header: Value, claims: Value) -> String {
    let (header, claims) = (over(wpt_header(), header), over(wpt_claims(wit), claims));
    sign_texts(&agent_key(), Algorithm::Es256, &header.to_string(), &claims.to_string())
}

fn wpt(wit: &str) -> String {
    wpt_of(wit, json!({}), json!({}))
}

/// A request with this proof and these further headers.
fn sent(proof: &str, headers: &[(&str, &str)]) -> RequestHead {
    let authorization = format!("WPT {proof}");
    let mut all = vec![("authorization", authorization.as_str()), (":authority", "tools.example")];
    all.extend(headers);
    head(METHOD, PATH, &all)
}

const WIT: &str = "workload-identity-token";

/// What a request with this token and this proof, and nothing else amiss, is denied for.
fn denied_for(wit: &str, proof: &str) -> Option<(Reason, String)> {
    refusal(&decide(&mut workloads(), sent(proof, &[(WIT, wit)])))
}

#[test]
fn a_token_of_a_workload_that_breaks_one_rule_is_refused_for_that_rule() {
    let claims = |members: Value| wit_of(json!({}), members);
    let stranger =
        sign_texts(&agent_key(), Algorithm::Es256, &wit_header().to_string(), &wit_claims().to_string());
    let jwk = |members: Value| claims(json!({ "cnf": { "jwk": over(workload_jwk(&agent_key()), members) } }));
    let rows = [
        ("another typ", wit_of(json!({ "typ": "JWT" }), json!({})), Reason::TokenType, "wit+jwt"),
        ("no typ", wit_of(json!({ "typ": null }), json!({})), Reason::TokenType, "wit+jwt"),
        (
            "an access token's typ",
            wit_of(json!({ "typ": "at+jwt" }), json!({})),
            Reason::TokenType,
            "wit+jwt",
        ),
        ("another key", stranger, Reason::SignatureInvalid, "key"),
        ("an unknown key", wit_of(json!({ "kid": "server-2" }), json!({})), Reason::KeyUnknown, "key"),
        ("no sub", claims(json!({ "sub": null })), Reason::ClaimMissing, "iss"),
        ("no workload", claims(json!({ "sub": "booking" })), Reason::ClaimMissing, "iss"),
        ("a trust domain", claims(json!({ "sub": DOMAIN })), Reason::ClaimMissing, "iss"),
        (
            "another trust domain",
            claims(json!({ "sub": "wimse://test.example/a" })),
            Reason::IssuerUnknown,
            "wimse://test.example",
        ),
        (
            "another scheme",
            claims(json!({ "sub": "spiffe://prod.example/a" })),
            Reason::IssuerUnknown,
            "spiffe://prod.example",
        ),
        ("a query", claims(json!({ "sub": format!("{WORKLOAD}?a") })), Reason::ClaimMissing, "iss"),
        ("two workloads", claims(json!({ "sub": [WORKLOAD, WORKLOAD] })), Reason::ClaimMissing, "iss"),
        ("no exp", claims(json!({ "exp": null })), Reason::ClaimMissing, "exp"),
        ("expired", claims(json!({ "exp": NOW_S - 30 })), Reason::TokenExpired, "exp"),
        ("a day", claims(json!({ "exp": NOW_S + 86_400 })), Reason::LifetimeTooLong, "max"),
        ("yet to come", claims(json!({ "nbf": NOW_S + 31 })), Reason::TokenNotYetValid, "nbf"),
        ("an audience", claims(json!({ "aud": support::AUDIENCE })), Reason::AudienceMismatch, "audience"),
        ("no cnf", claims(json!({ "cnf": null })), Reason::ClaimMissing, "/cnf"),
        ("no jwk", claims(json!({ "cnf": {} })), Reason::ClaimMissing, "/cnf/jwk"),
        (
            "a thumbprint instead",
            claims(json!({ "cnf": { "jkt": thumbprint(&agent_key()) } })),
            Reason::ClaimMissing,
            "/cnf/jwk",
        ),
        ("a jwk that is none", claims(json!({ "cnf": { "jwk": "key" } })), Reason::ClaimInvalid, "/cnf/jwk"),
        ("no alg", jwk(json!({ "alg": null })), Reason::ClaimMissing, "/cnf/jwk/alg"),
        ("alg none", jwk(json!({ "alg": "none" })), Reason::ClaimInvalid, "/cnf/jwk/alg"),
        ("a secret's alg", jwk(json!({ "alg": "HS256" })), Reason::ClaimInvalid, "/cnf/jwk/alg"),
        ("alg for encryption", jwk(json!({ "alg": "ECDH-ES" })), Reason::ClaimInvalid, "/cnf/jwk/alg"),
        ("alg of another key", jwk(json!({ "alg": "ES384" })), Reason::ClaimInvalid, "/cnf/jwk"),
        ("a private key", jwk(json!({ "d": "AAAA" })), Reason::ClaimInvalid, "/cnf/jwk"),
        ("a key for encryption", jwk(json!({ "use": "enc" })), Reason::ClaimInvalid, "/cnf/jwk"),
    ];
    for (what, wit, reason, evidence) in rows {
        let (found, shown) = denied_for(&wit, &wpt(&wit)).unwrap_or_else(|| panic!("{what} was allowed"));
        assert_eq!(found, reason, "{what}: {shown}");
        assert!(shown.contains(evidence), "{what}: {shown}");
    }
    assert_eq!(denied_for(&wit(), &wpt(&wit())), None);
}

#[test]
fn a_proof_that_breaks_one_check_is_refused_for_that_check() {
    let wit = wit();
    let claims = |members: Value| wpt_of(&wit, json!({}), members);
    let header = |members: Value| wpt_of(&wit, members, json!({}));
    let good = wpt(&wit);
    let parts: Vec<&str> = good.split('.').collect();
    let forged = sign_texts(
        &Private::new(Algorithm::Es256, 4),
        Algorithm::Es256,
        &wpt_header().to_string(),
        &wpt_claims(&wit).to_string(),
    );
    let rows = [
        // A single and well-formed JWT.
        ("two parts", format!("{}.{}", parts[0], parts[1]), "parts"),
        ("two proofs", format!("{good},{good}"), "parts"),
        ("padded", format!("{good}="), "base64url"),
        ("a space", format!("{good} x"), "base64url"),
        ("crit", header(json!({ "crit": ["x"], "x": 1 })), "crit"),
        ("too long", claims(json!({ "x": "x".repeat(9000) })), "bytes"),
        // `alg` matches that of the token's key.
        ("alg none", header(json!({ "alg": "none" })), "`alg` of the proof is not `ES256`"),
        ("another alg", header(json!({ "alg": "ES384" })), "`alg` of the proof is not `ES256`"),
        ("alg in lower case", header(json!({ "alg": "es256" })), "`alg` of the proof is not `ES256`"),
        // The signature.
        ("another key", forged, "the signature of the proof"),
        ("no signature", format!("{}.{}.", parts[0], parts[1]), "the signature of the proof"),
        (
            "a changed claim",
            format!("{}.{}.{}", parts[0], claims(json!({ "jti": "2" })).split('.').nth(1).unwrap(), parts[2]),
            "the signature of the proof",
        ),
        // `typ`.
        ("no typ", header(json!({ "typ": null })), "`typ` of the proof"),
        ("a DPoP proof", header(json!({ "typ": "dpop+jwt" })), "`typ` of the proof"),
        ("a token of a workload", header(json!({ "typ": "wit+jwt" })), "`typ` of the proof"),
        // `aud`.
        ("no aud", claims(json!({ "aud": null })), "`aud` of the proof is missing"),
        ("another path", claims(json!({ "aud": format!("{BASE}/v1/other") })), "proof_address"),
        ("another host", claims(json!({ "aud": format!("https://evil.example{PATH}") })), "proof_address"),
        ("without TLS", claims(json!({ "aud": format!("http://tools.example{PATH}") })), "proof_address"),
        ("the base alone", claims(json!({ "aud": BASE })), "proof_address"),
        ("an id", claims(json!({ "aud": "wimse://prod.example/tools" })), "proof_address"),
        (
            "two addresses",
            claims(json!({ "aud": [format!("{BASE}{PATH}"), "https://evil.example"] })),
            "`aud` of the proof has more than 1",
        ),
        ("no address", claims(json!({ "aud": [] })), "`aud` of the proof has the wrong type"),
        ("a number", claims(json!({ "aud": 1 })), "`aud` of the proof has the wrong type"),
        // `exp`, `iat`, `nbf`.
        ("no exp", claims(json!({ "exp": null })), "`exp` of the proof is missing"),
        ("text as exp", claims(json!({ "exp": "1700000060" })), "`exp` of the proof is no date"),
        ("expired", claims(json!({ "exp": NOW_S })), "proof_expiry"),
        ("far ahead", claims(json!({ "exp": NOW_S + 301 })), "proof_expiry"),
        ("made for long", claims(json!({ "exp": NOW_S + 60, "iat": NOW_S - 241 })), "proof_expiry"),
        ("made later", claims(json!({ "iat": NOW_S + 31 })), "proof_time"),
        ("for later", claims(json!({ "nbf": NOW_S + 31 })), "proof_time"),
        ("text as iat", claims(json!({ "iat": "1" })), "`iat` of the proof is no date"),
        // `wth`.
        ("no wth", claims(json!({ "wth": null })), "`wth` of the proof is missing"),
        (
            "another token",
            claims(json!({ "wth": b64(Sha256::digest("other")) })),
            "`wth` of the proof is not",
        ),
        ("no digest", claims(json!({ "wth": "x" })), "`wth` of the proof is not"),
        // `jti`.
        ("no jti", claims(json!({ "jti": null })), "`jti` of the proof is missing"),
        ("empty jti", claims(json!({ "jti": "" })), "`jti` of the proof is empty"),
        ("a number as jti", claims(json!({ "jti": 1 })), "`jti` of the proof has the wrong type"),
        // Digests of what did not come.
        ("a transaction", claims(json!({ "tth": b64(Sha256::digest("t")) })), "`tth` of the proof"),
        (
            "another header",
            claims(json!({ "oth": { "x-other": b64(Sha256::digest("")) } })),
            "`oth` of the proof",
        ),
        ("no object", claims(json!({ "oth": ["x"] })), "`oth` of the proof"),
        ("null", claims(json!({ "oth": { "x-other": 1 } })), "`oth` of the proof"),
    ];
    for (what, proof, evidence) in rows {
        let (reason, found) = denied_for(&wit, &proof).unwrap_or_else(|| panic!("{what} was allowed"));
        assert_eq!(reason, Reason::ProofInvalid, "{what}: {found}");
        assert!(found.contains(evidence), "{what}: {found}");
    }
    for (what, members) in [
        ("one address in a list", json!({ "aud": [format!("{BASE}{PATH}")] })),
        ("a query and another spelling", json!({ "aud": "HTTPS://TOOLS.example:443/v1/%74ickets?q=1#f" })),
        ("times", json!({ "iat": NOW_S, "nbf": NOW_S })),
        ("claims that nobody knows", json!({ "ath": "x", "example.com/a": 1 })),
        ("no other tokens", json!({ "oth": {} })),
    ] {
        assert_eq!(denied_for(&wit, &claims(members)), None, "{what}");
    }
}

#[test]
fn the_time_of_a_proof_has_two_edges() {
    let wit = wit();
    let at = |members: Value| denied_for(&wit, &wpt_of(&wit, json!({}), members)).map(|(reason, _)| reason);
    let edge = NOW_S as f64;
    assert_eq!(at(json!({ "exp": NOW_S })), Some(Reason::ProofInvalid));
    assert_eq!(at(json!({ "exp": edge + 0.001 })), None);
    assert_eq!(at(json!({ "exp": NOW_S + 300 })), None);
    assert_eq!(at(json!({ "exp": edge + 300.001 })), Some(Reason::ProofInvalid));
    assert_eq!(at(json!({ "iat": NOW_S - 240 })), None);
    assert_eq!(at(json!({ "iat": edge - 240.001 })), Some(Reason::ProofInvalid));
    for claim in ["iat", "nbf"] {
        assert_eq!(at(json!({ claim: NOW_S + 30 })), None, "{claim}");
        assert_eq!(at(json!({ claim: edge + 30.001 })), Some(Reason::ProofInvalid), "{claim}");
    }
    let mut short = gate(config_of(DOMAIN, |c| c["proofs"]["wpt"] = json!({ "lifetime_s": 10 })));
    let mut at = |exp: u64| {
        let proof = wpt_of(&wit, json!({}), json!({ "exp": exp, "jti": exp.to_string() }));
        decide(&mut short, sent(&proof, &[(WIT, &wit)])).reason()
    };
    assert_eq!(at(NOW_S + 11), Some(Reason::ProofInvalid));
    assert_eq!(at(NOW_S + 10), None);
}

#[test]
fn a_proof_is_used_once_while_it_is_valid() {
    let wit = wit();
    let mut gate = workloads();
    let mut at = |proof: &str, now_s: u64| {
        decide_in(
            &mut gate,
            sent(proof, &[(WIT, &wit)]),
            &mandate_core::keys::InModule,
            UnixTime::from_secs(now_s),
        )
        .reason()
    };
    let proof = wpt(&wit);
    assert_eq!(at(&proof, NOW_S), None);
    assert_eq!(at(&proof, NOW_S), Some(Reason::ProofReplayed));
    assert_eq!(at(&proof, NOW_S + 59), Some(Reason::ProofReplayed));
    // The same `jti` in another proof of this workload.
    let again = wpt_of(&wit, json!({}), json!({ "exp": NOW_S + 120 }));
    assert_eq!(at(&again, NOW_S + 59), Some(Reason::ProofReplayed));
    assert_eq!(at(&wpt_of(&wit, json!({}), json!({ "jti": "proof-2" })), NOW_S), None);
    assert_eq!(at(&again, NOW_S + 61), None);
}

#[test]
fn another_workload_may_use_the_same_id_of_a_proof() {
    let mut gate = workloads();
    let mut by = |number: u8| {
        let key = Private::new(Algorithm::Es256, number);
        let wit = wit_of(json!({}), json!({ "cnf": { "jwk": workload_jwk(&key) } }));
        let proof =
            sign_texts(&key, Algorithm::Es256, &wpt_header().to_string(), &wpt_claims(&wit).to_string());
        decide(&mut gate, sent(&proof, &[(WIT, &wit)])).reason()
    };
    assert_eq!((by(3), by(4), by(3)), (None, None, Some(Reason::ProofReplayed)));
}

#[test]
fn tokens_that_come_along_must_be_those_of_the_proof() {
    let wit = wit();
    let digest = |text: &str| b64(Sha256::digest(text));
    let decided = |members: Value, headers: &[(&str, &str)]| {
        let mut all = vec![(WIT, wit.as_str())];
        all.extend(headers);
        decide(&mut workloads(), sent(&wpt_of(&wit, json!({}), members), &all)).reason()
    };
    let transaction = ("txn-token", "a.b.c");
    let invalid = Some(Reason::ProofInvalid);
    assert_eq!(decided(json!({}), &[transaction]), invalid);
    assert_eq!(decided(json!({ "tth": digest("other") }), &[transaction]), invalid);
    assert_eq!(decided(json!({ "tth": "x" }), &[transaction]), invalid);
    assert_eq!(decided(json!({ "tth": 1 }), &[transaction]), invalid);
    assert_eq!(decided(json!({ "tth": digest("a.b.c") }), &[transaction, transaction]), invalid);
    assert_eq!(decided(json!({ "tth": digest("a.b.c") }), &[transaction]), None);
    let other = ("x-custom-token", " value ");
    let oth = |name: &str, text: &str| json!({ "oth": { name: digest(text) } });
    assert_eq!(decided(oth("x-custom-token", "other"), &[other]), invalid);
    assert_eq!(decided(oth("x-custom-token", " value "), &[other]), invalid);
    assert_eq!(decided(oth("X-Custom-Token", "value"), &[other]), invalid);
    assert_eq!(decided(oth("x-custom-token", "value"), &[other, other]), invalid);
    assert_eq!(decided(oth("x-custom-token", "value"), &[]), invalid);
    assert_eq!(decided(oth("x-custom-token", "value"), &[other]), None);
    let both = json!({ "oth": { "x-custom-token": digest("value"), "x-b": digest("b") } });
    assert_eq!(decided(both.clone(), &[other]), invalid);
    assert_eq!(decided(both, &[other, ("x-b", "b")]), None);
    // What the proof says nothing of is not decided by.
    assert_eq!(decided(json!({}), &[other]), None);
}

#[test]
fn exactly_one_token_and_one_proof_must_come() {
    let wit = wit();
    let proof = wpt(&wit);
    let authorization = format!("WPT {proof}");
    let decided = |headers: &[(&str, &str)]| decide(&mut workloads(), head(METHOD, PATH, headers)).reason();
    for (what, headers, reason) in [
        ("nothing", vec![], Reason::TokenMissing),
        ("no proof", vec![(WIT, wit.as_str())], Reason::TokenMissing),
        ("no token", vec![("authorization", authorization.as_str())], Reason::TokenMissing),
        ("an empty proof", vec![("authorization", "WPT"), (WIT, &wit)], Reason::ProofRequired),
        ("an empty token", vec![("authorization", &authorization), (WIT, "")], Reason::TokenMalformed),
        (
            "two tokens",
            vec![("authorization", &authorization), (WIT, &wit), (WIT, &wit)],
            Reason::CredentialAmbiguous,
        ),
        (
            "two credentials",
            vec![("authorization", &authorization), ("authorization", "Bearer x"), (WIT, &wit)],
            Reason::CredentialAmbiguous,
        ),
        ("the older header", vec![("workload-proof-token", &proof), (WIT, &wit)], Reason::TokenMissing),
    ] {
        assert_eq!(decided(&headers), Some(reason), "{what}");
    }
    let joined = format!("{wit},{wit}");
    assert_eq!(
        decided(&[("authorization", &authorization), (WIT, &joined)]),
        Some(Reason::CredentialAmbiguous)
    );
    let lower = format!("wpt  {proof}");
    assert_eq!(decided(&[("authorization", &lower), (WIT, &wit)]), None);
}

/// A trust domain beside the usual issuer, whose tokens may be bound.
fn both() -> Gate {
    let mut value = config_value();
    value["issuers"][0]["proof"] = json!("if_bound");
    let wit = config_of_value();
    value["issuers"].as_array_mut().unwrap().push(wit);
    value["proofs"] = json!({ "external_uris": [BASE] });
    gate(parse_config(&value))
}

fn config_of_value() -> Value {
    json!({ "provider": "wit", "issuer": DOMAIN, "algorithms": ["ES256"], "keys": { "inline": issuer_keys(DOMAIN) } })
}

#[test]
fn a_token_of_a_workload_is_no_bearer_token_whatever_is_said_of_proofs() {
    let wit = wit();
    for scheme in ["Bearer", "DPoP"] {
        let (reason, evidence) = refusal(&decide(&mut both(), request(scheme, &wit, &[]))).unwrap();
        assert_eq!(reason, Reason::ProofRequired, "{scheme}");
        assert!(evidence.contains("the token is a Workload Identity Token"), "{evidence}");
    }
    // Also when it is known from a request with a proof.
    let mut gate = both();
    assert_eq!(decide(&mut gate, sent(&wpt(&wit), &[(WIT, &wit)])).reason(), None);
    assert_eq!(decide(&mut gate, request("Bearer", &wit, &[])).reason(), Some(Reason::ProofRequired));
    for mode in ["none", "if_bound", "required"] {
        let config = config_of(DOMAIN, |c| {
            c["issuers"][0]["proof"] = json!(mode);
            c["routes"][0]["proof"] = json!(mode);
        });
        let bearer = decide(&mut support::gate(config.clone()), request("Bearer", &wit, &[]));
        assert_eq!(bearer.reason(), Some(Reason::ProofRequired), "{mode}");
        assert_eq!(
            decide(&mut support::gate(config), sent(&wpt(&wit), &[(WIT, &wit)])).reason(),
            None,
            "{mode}"
        );
    }
}

#[test]
fn another_token_is_none_of_a_workload() {
    let mut gate = both();
    for token in [token(json!({})), bound_token()] {
        let proof = wpt(&token);
        for _ in 0..2 {
            let decision = decide(&mut gate, sent(&proof, &[(WIT, &token)]));
            assert_eq!(decision.reason(), Some(Reason::ProofInvalid));
            // So that it is known the second time.
            decide(&mut gate, request("Bearer", &token, &[]));
        }
    }
}

#[test]
fn a_token_of_a_workload_beside_another_credential_means_nothing() {
    let (token, wit) = (token(json!({})), wit());
    let authorization = format!("Bearer {token}");
    let both_came = head(METHOD, PATH, &[("authorization", &authorization), (WIT, &wit)]);
    let decision = decide(&mut both(), both_came);
    assert_eq!(decision.reason(), None);
    assert_eq!(decision.token().unwrap().principal().subject, "user:alice");
}

#[test]
fn the_scheme_is_unsupported_where_no_trust_domain_is_configured() {
    let decision = decide(&mut proving(|_| {}), sent(&wpt(&wit()), &[(WIT, &wit())]));
    assert_eq!(decision.reason(), Some(Reason::ProofUnsupported));
}

#[test]
fn a_token_of_a_workload_that_is_bound_to_a_certificate_too_needs_both() {
    let jwk = workload_jwk(&agent_key());
    let wit = wit_of(json!({}), json!({ "cnf": { "jwk": jwk, "x5t#S256": b64([1; 32]) } }));
    let mut gate = workloads();
    let mut decided = |certificate| {
        let connection = mtls::connected(certificate);
        decide_in(&mut gate, sent(&wpt(&wit), &[(WIT, &wit)]), &connection, NOW).reason()
    };
    assert_eq!(decided(None), Some(Reason::ProofRequired));
    assert_eq!(decided(Some((2, ""))), Some(Reason::ProofInvalid));
    // The proof was not used up by those.
    assert_eq!(decided(Some((1, ""))), None);
    assert_eq!(decided(Some((1, ""))), Some(Reason::ProofReplayed));
    // A second proof by another key has no place in such a request.
    let jwk = workload_jwk(&agent_key());
    let wit = wit_of(json!({}), json!({ "cnf": { "jwk": jwk, "jkt": thumbprint(&agent_key()) } }));
    let decision = decide(&mut workloads(), sent(&wpt(&wit), &[(WIT, &wit)]));
    assert_eq!(decision.reason(), Some(Reason::ProofUnsupported));
}

#[test]
fn the_workload_is_principal_and_agent() {
    let wit = wit();
    let decision = decide(&mut workloads(), sent(&wpt(&wit), &[(WIT, &wit)]));
    assert_eq!(refusal(&decision), None);
    let token = decision.token().unwrap();
    assert_eq!((token.principal().issuer.as_str(), token.principal().subject.as_str()), (DOMAIN, WORKLOAD));
    assert_eq!((token.agent(), token.depth()), (Some(token.principal()), 0));
    assert_eq!(decision.proofs(), [ProofKind::Wpt]);
}

#[test]
fn every_refusal_names_the_scheme_wpt_without_parameters() {
    let config = config_of(DOMAIN, |c| c["routes"][0]["scopes"] = json!(["a"]));
    let wit = wit();
    let expired = wit_of(json!({}), json!({ "exp": NOW_S - 60 }));
    for (what, head) in [
        ("no credential", head(METHOD, PATH, &[])),
        ("no proof", head(METHOD, PATH, &[("authorization", &format!("Bearer {wit}"))])),
        ("a bad proof", sent("x", &[(WIT, &wit)])),
        ("an old token", sent(&wpt(&expired), &[(WIT, &expired)])),
        ("an old proof", sent(&wpt_of(&wit, json!({}), json!({ "exp": NOW_S - 1 })), &[(WIT, &wit)])),
        (
            "another address",
            sent(&wpt_of(&wit, json!({}), json!({ "aud": "https://evil.example" })), &[(WIT, &wit)]),
        ),
    ] {
        let decision = decide(&mut gate(config.clone()), head);
        let (status, challenges) = challenged(&decision, &config);
        assert_eq!((status, challenges), (401, vec!["WPT".to_owned()]), "{what}");
    }
    assert_eq!(vectors::wimse()["wpt_02"]["challenge"], "WPT");
}

#[test]
fn where_both_kinds_of_tokens_are_accepted_both_schemes_are_offered() {
    let mut value = config_value();
    value["issuers"].as_array_mut().unwrap().push(config_of_value());
    value["proofs"] = json!({ "external_uris": [BASE] });
    let config = parse_config(&value);
    let decision = decide(&mut gate(config.clone()), head(METHOD, PATH, &[]));
    assert_eq!(challenged(&decision, &config).1, ["Bearer", "WPT"]);
}

#[test]
fn neither_token_nor_proof_goes_on_to_the_upstream() {
    let wit = wit();
    for forward in [false, true] {
        let config = config_of(DOMAIN, |c| c["upstream"] = json!({ "forward_token": forward }));
        let decision = decide(&mut gate(config.clone()), sent(&wpt(&wit), &[(WIT, &wit)]));
        let Reply::Forward(changes) = Reply::new(&decision, Some(&config)) else { panic!("denied") };
        for name in ["authorization", WIT] {
            assert_eq!(changes.remove.contains(&name), !forward, "{name}");
        }
    }
    // Beside another credential, and on an open route, nobody looked at it.
    let bearer = support::config(|c| c["upstream"] = json!({ "forward_token": true }));
    let open = support::config(|c| c["routes"][0]["anonymous"] = json!(true));
    for config in [bearer, open] {
        let authorization = format!("Bearer {}", token(json!({})));
        let head = head(METHOD, PATH, &[("authorization", &authorization), (WIT, &wit)]);
        let decision = decide(&mut gate(config.clone()), head);
        let Reply::Forward(changes) = Reply::new(&decision, Some(&config)) else { panic!("denied") };
        assert!(changes.remove.contains(&WIT));
    }
}

#[test]
fn nobody_may_be_told_to_drop_the_token_on_the_way() {
    let wit = wit();
    let head = sent(&wpt(&wit), &[(WIT, &wit), ("connection", "Workload-Identity-Token")]);
    assert_eq!(decide(&mut workloads(), head).reason(), Some(Reason::ConnectionInvalid));
}

#[test]
fn an_audience_that_is_configured_must_be_in_the_token() {
    let mut gate = gate(config_of(DOMAIN, |c| c["issuers"][0]["audiences"] = json!([support::AUDIENCE])));
    let mut decided = |aud: Value, jti: &str| {
        let wit = wit_of(json!({}), json!({ "aud": aud }));
        decide(&mut gate, sent(&wpt_of(&wit, json!({}), json!({ "jti": jti })), &[(WIT, &wit)])).reason()
    };
    assert_eq!(decided(Value::Null, "1"), Some(Reason::ClaimMissing));
    assert_eq!(decided(json!("https://other.example"), "2"), Some(Reason::AudienceMismatch));
    assert_eq!(decided(json!([support::AUDIENCE]), "3"), None);
}

#[test]
fn the_workload_must_be_named_by_its_certificate_too_if_so_configured() {
    let agreeing =
        |agree: Value| gate(config_of(DOMAIN, |c| c["issuers"][0]["agent"] = json!({ "agree": agree })));
    let wit = wit();
    let decided = |agree: Value| decide(&mut agreeing(agree), sent(&wpt(&wit), &[(WIT, &wit)])).reason();
    assert_eq!(decided(json!(["certificate"])), Some(Reason::AgentMismatch));
    assert_eq!(decided(json!(["client"])), Some(Reason::AgentMismatch));
    assert_eq!(decided(json!(["workload"])), None);
    // An actor that the token names is the agent, and not the workload.
    let acted = wit_of(json!({}), json!({ "act": { "sub": "other" } }));
    let by_actor = |agree: Value| decide(&mut agreeing(agree), sent(&wpt(&acted), &[(WIT, &acted)])).reason();
    assert_eq!(by_actor(json!(["workload"])), Some(Reason::AgentMismatch));
    assert_eq!(by_actor(json!([])), None);
}

/// A WIT-SVID, with these members over the usual ones.
fn svid(header: Value, claims: Value) -> String {
    wit_of(header, with(json!({ "sub": "spiffe://prod.example/booking" }), claims))
}

#[test]
fn a_wit_svid_has_rules_of_its_own() {
    let decided = |wit: &str, header: Value, key: &Private| {
        let (header, claims) = (over(wpt_header(), header), wpt_claims(wit));
        let algorithm = Algorithm::from_name(header["alg"].as_str().unwrap()).unwrap();
        let proof = sign_texts(key, algorithm, &header.to_string(), &claims.to_string());
        let mut gate = gate(config_of("spiffe://prod.example", |_| {}));
        decide(&mut gate, sent(&proof, &[(WIT, wit)])).reason()
    };
    let of_agent = |wit: String| decided(&wit, json!({}), &agent_key());
    // WIT-SVID §2.1: `kid` must be there.
    assert_eq!(of_agent(svid(json!({ "kid": null }), json!({}))), Some(Reason::KeyUnknown));
    // §3.1: what is an id of a workload elsewhere is none here.
    assert_eq!(
        of_agent(svid(json!({}), json!({ "sub": "spiffe://prod.example/a:b" }))),
        Some(Reason::ClaimMissing)
    );
    // §3.2: EdDSA is not among the algorithms.
    let edwards = Private::new(Algorithm::EdDsa, 5);
    let jwk = with(edwards.jwk(), json!({ "alg": "EdDSA" }));
    let wit = svid(json!({}), json!({ "cnf": { "jwk": jwk } }));
    assert_eq!(decided(&wit, json!({ "alg": "EdDSA" }), &edwards), Some(Reason::ClaimInvalid));
    // §3.8: no audience.
    assert_eq!(of_agent(svid(json!({}), json!({ "aud": "x" }))), Some(Reason::AudienceMismatch));
    assert_eq!(of_agent(svid(json!({}), json!({ "iss": "anything", "jti": "1", "iat": NOW_S }))), None);
}

#[test]
fn only_keys_for_wit_svids_sign_for_a_trust_domain_of_spiffe() {
    // Beside another one that does.
    let good = with(agent_key().jwk(), json!({ "kid": "server-2", "use": "wit-svid" }));
    let with_use = |key_use: Value| {
        let key = over(with(server_key().jwk(), json!({ "kid": "server-1" })), json!({ "use": key_use }));
        let keys = json!({ "inline": { "keys": [key, good] } });
        let config = config_of("spiffe://prod.example", |c| c["issuers"][0]["keys"] = keys);
        let wit = svid(json!({}), json!({}));
        decide(&mut gate(config), sent(&wpt(&wit), &[(WIT, &wit)])).reason()
    };
    for key_use in [json!("jwt-svid"), json!("x509-svid"), json!("sig"), Value::Null] {
        assert_eq!(with_use(key_use.clone()), Some(Reason::KeyUnknown), "{key_use}");
    }
    assert_eq!(with_use(vectors::wimse()["wit_svid_key_use"]["value"].clone()), None);
}

#[test]
fn a_trust_domain_may_have_both_kinds_of_tokens() {
    let domain = "spiffe://prod.example";
    let jwt_key = Private::new(Algorithm::Es256, 9);
    let jwt_keys = json!({ "keys": [with(jwt_key.jwk(), json!({ "kid": "jwt-1", "use": "jwt-svid" }))] });
    let config = config_of(domain, |c| {
        c["issuers"].as_array_mut().unwrap().push(json!({
            "provider": "jwt_svid", "issuer": domain, "audiences": [support::AUDIENCE], "algorithms": ["ES256"],
            "keys": { "inline": jwt_keys },
        }));
    });
    let claims = json!({ "sub": "spiffe://prod.example/a", "aud": support::AUDIENCE, "exp": NOW_S + 60 });
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "jwt-1" });
    let jwt = sign_texts(&jwt_key, Algorithm::Es256, &header.to_string(), &claims.to_string());
    let wit = svid(json!({}), json!({}));
    let mut gate = gate(config);
    assert_eq!(decide(&mut gate, request("Bearer", &wit, &[])).reason(), Some(Reason::ProofRequired));
    assert_eq!(decide(&mut gate, sent(&wpt(&jwt), &[(WIT, &jwt)])).reason(), Some(Reason::ProofInvalid));
    // The key of the one does not sign for the other.
    let header = json!({ "alg": "ES256", "typ": "wit+jwt", "kid": "jwt-1" });
    let crossed = sign_texts(
        &jwt_key,
        Algorithm::Es256,
        &header.to_string(),
        &with(wit_claims(), json!({ "sub": "spiffe://prod.example/a" })).to_string(),
    );
    assert_eq!(
        decide(&mut gate, sent(&wpt(&crossed), &[(WIT, &crossed)])).reason(),
        Some(Reason::KeyUnknown)
    );
    assert_eq!(decide(&mut gate, request("Bearer", &jwt, &[])).reason(), None);
    assert_eq!(decide(&mut gate, sent(&wpt(&wit), &[(WIT, &wit)])).reason(), None);
}

#[test]
fn the_published_token_with_a_proof_of_its_key_is_accepted() {
    let published = vectors::wimse();
    let text = |pointer: &str| published.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let wit = text("/wit/token");
    let config = || {
        parse_config(&json!({
            "issuers": [{
                "provider": "wit", "issuer": "wimse://example.com", "algorithms": ["ES256"],
                "keys": { "inline": { "keys": [published["issuer_key"]["value"]] } },
            }],
            "proofs": { "external_uris": ["https://workload.example.com"] },
            "routes": [{ "match": { "path_prefix": "/" } }],
        }))
    };
    let at = |proof: &str, now_s: u64| {
        let authorization = format!("WPT {proof}");
        let head = head("POST", "/path", &[("authorization", &authorization), (WIT, &wit)]);
        decide_in(&mut gate(config()), head, &mandate_core::keys::InModule, UnixTime::from_secs(now_s))
    };
    // That of the draft before has `ath`, which nobody looks at any more; all else is the same.
    let proof = text("/wpt_01/proof");
    let expires_at = published["wpt_01"]["claims"]["exp"].as_u64().unwrap();
    assert_eq!(at(&proof, expires_at).reason(), Some(Reason::ProofInvalid));
    assert_eq!(at(&proof, expires_at - 301).reason(), Some(Reason::ProofInvalid));
    let decision = at(&proof, expires_at - 60);
    assert_eq!(refusal(&decision), None);
    assert_eq!(decision.token().unwrap().principal().subject, "wimse://example.com/specific-workload");
    // The claims of the present draft are for another token than that of the credentials draft.
    let octets: [u8; 32] = support::unb64(&text("/workload_key/value/d")).try_into().unwrap();
    let key = Private::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&octets)));
    let sign = |claims: &Value| {
        sign_texts(&key, Algorithm::EdDsa, &published["wpt_02"]["header"].to_string(), &claims.to_string())
    };
    let claims = published["wpt_02"]["claims"].clone();
    let (reason, evidence) = refusal(&at(&sign(&claims), expires_at - 60)).unwrap();
    assert_eq!(reason, Reason::ProofInvalid);
    assert!(evidence.contains("`wth` of the proof is not"), "{evidence}");
    let claims = with(claims, json!({ "wth": published["wth"]["value"] }));
    assert_eq!(refusal(&at(&sign(&claims), expires_at - 60)), None);
}

#[test]
fn the_published_svid_is_read_and_refused_for_its_unknown_key_only() {
    let published = vectors::wimse();
    let wit = published["wit_svid"]["token"].as_str().unwrap();
    let decided = |kid: &str| {
        let key = with(server_key().jwk(), json!({ "kid": kid, "use": "wit-svid" }));
        let config = config_of("spiffe://example.com", |c| {
            c["issuers"][0]["keys"] = json!({ "inline": { "keys": [key] } })
        });
        decide(&mut gate(config), sent(&wpt(wit), &[(WIT, wit)])).reason()
    };
    assert_eq!(decided("other"), Some(Reason::KeyUnknown));
    assert_eq!(
        decided(published["wit_svid"]["header"]["kid"].as_str().unwrap()),
        Some(Reason::SignatureInvalid)
    );
}

#[test]
fn the_published_identifiers_are_those_of_workloads() {
    let published = vectors::wimse();
    for id in published["identifiers"]["workloads"].as_array().unwrap() {
        let domain = mandate_core::workload::trust_domain(id.as_str().unwrap()).unwrap();
        assert!(mandate_core::workload::is_trust_domain(domain), "{domain}");
    }
    for origin in published["identifiers"]["origins"].as_array().unwrap() {
        assert!(mandate_core::workload::is_trust_domain(origin.as_str().unwrap()), "{origin}");
    }
}
