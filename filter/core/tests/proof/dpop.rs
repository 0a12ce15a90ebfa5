//! Each step of RFC 9449 §4.3, broken alone.

use super::*;
use mandate_core::decision::Reply;
use mandate_core::flow::Body;
use mandate_core::keys::InModule;
use support::parse_config;

/// What a request with this proof, and nothing else amiss, is denied for.
fn denied_for(proof: &str) -> Option<(Reason, String)> {
    refusal(&decide(&mut proving(|_| {}), request("DPoP", &bound_token(), &[proof])))
}

#[test]
fn a_proof_that_breaks_one_step_is_refused_for_that_step() {
    let token = bound_token();
    let key = agent_key();
    let with_header =
        |members: Value| sign_proof(&key, &with(proof_header(&key), members), &proof_claims(&token));
    let with_claims = |members: Value| proof_with(&token, members);
    let good = with_claims(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let without_jwk = {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256" });
        sign_proof(&key, &header, &proof_claims(&token))
    };
    let with_d = with(key.jwk(), json!({ "d": "AAAA" }));
    let stranger = Private::new(Algorithm::Es256, 4);
    let by_stranger = sign_proof(&stranger, &proof_header(&stranger), &proof_claims(&token));
    let forged = sign_proof(&stranger, &proof_header(&key), &proof_claims(&token));
    let rows = [
        // Step 2.
        ("2 empty", String::new(), "parts"),
        ("2 two parts", format!("{}.{}", parts[0], parts[1]), "parts"),
        ("2 four parts", format!("{good}.x"), "parts"),
        ("2 two proofs in one header", format!("{good},{good}"), "parts"),
        ("2 not base64url", format!("{}+.{}.{}", parts[0], parts[1], parts[2]), "base64url"),
        ("2 padded", format!("{}.{}.{}=", parts[0], parts[1], parts[2]), "base64url"),
        ("2 a space", format!(" {good}"), "base64url"),
        ("2 too long", format!("{good}{}", "A".repeat(9000)), "bytes"),
        ("2 no object", sign_texts(&key, Algorithm::Es256, &proof_header(&key).to_string(), "[]"), "claims"),
        (
            "2 a claim twice",
            sign_texts(
                &key,
                Algorithm::Es256,
                &proof_header(&key).to_string(),
                &proof_claims(&token).to_string().replacen('{', r#"{"htm":"POST","#, 1),
            ),
            "twice",
        ),
        ("2 crit", with_header(json!({ "crit": ["x"], "x": 1 })), "crit"),
        // Step 3.
        ("3 no jti", with_claims(json!({ "jti": null })), "`jti` of the proof is missing"),
        ("3 empty jti", with_claims(json!({ "jti": "" })), "`jti` of the proof is empty"),
        (
            "3 long jti",
            with_claims(json!({ "jti": "x".repeat(2049) })),
            "`jti` of the proof is empty, longer",
        ),
        ("3 a number as jti", with_claims(json!({ "jti": 1 })), "`jti` of the proof has the wrong type"),
        ("3 no htm", with_claims(json!({ "htm": null })), "`htm` of the proof is missing"),
        ("3 no htu", with_claims(json!({ "htu": null })), "`htu` of the proof is missing"),
        ("3 no iat", with_claims(json!({ "iat": null })), "`iat` of the proof is missing"),
        ("3 text as iat", with_claims(json!({ "iat": "1700000000" })), "`iat` of the proof is no date"),
        ("3 no ath", with_claims(json!({ "ath": null })), "`ath` of the proof is missing"),
        // Step 4.
        ("4 another typ", with_header(json!({ "typ": "JWT" })), "`typ` of the proof"),
        ("4 an access token", with_header(json!({ "typ": "at+jwt" })), "`typ` of the proof"),
        (
            "4 no typ",
            {
                let mut header = proof_header(&key);
                header.as_object_mut().unwrap().remove("typ");
                sign_proof(&key, &header, &proof_claims(&token))
            },
            "`typ` of the proof",
        ),
        // Step 5.
        ("5 none", with_header(json!({ "alg": "none" })), "`alg` of the proof"),
        ("5 a secret", with_header(json!({ "alg": "HS256" })), "`alg` of the proof"),
        (
            "5 not accepted here",
            {
                let rsa = Private::new(Algorithm::Rs256, 0);
                sign_proof(&rsa, &with(proof_header(&rsa), json!({ "alg": "RS256" })), &proof_claims(&token))
            },
            "`alg` of the proof",
        ),
        (
            "5 of another type of key",
            {
                let header = with(proof_header(&key), json!({ "alg": "EdDSA" }));
                let input = format!("{}.{}", b64(header.to_string()), b64(proof_claims(&token).to_string()));
                format!("{input}.{}", b64([0; 64]))
            },
            "is no key for EdDSA",
        ),
        // Step 6.
        ("6 another key", forged, "the signature of the proof"),
        ("6 no signature", format!("{}.{}.", parts[0], parts[1]), "the signature of the proof"),
        (
            "6 a changed claim",
            {
                let other = with_claims(json!({ "jti": "proof-2" }));
                format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2])
            },
            "the signature of the proof",
        ),
        // Step 7.
        ("7 a private key", with_header(json!({ "jwk": with_d })), "private part"),
        ("7 a secret", with_header(json!({ "jwk": { "kty": "oct", "k": "AAAA" } })), "symmetric"),
        ("7 no key", without_jwk, "is missing"),
        ("7 not an object", with_header(json!({ "jwk": "key" })), "`kty` is missing"),
        (
            "7 for encryption",
            with_header(json!({ "jwk": with(key.jwk(), json!({ "use": "enc" })) })),
            "`use`",
        ),
        // Step 8.
        ("8 another method", with_claims(json!({ "htm": "POST" })), "`htm` of the proof is not"),
        ("8 in lower case", with_claims(json!({ "htm": "get" })), "`htm` of the proof is not"),
        // Step 9.
        ("9 another path", with_claims(json!({ "htu": format!("{BASE}/v1/other") })), "proof_address"),
        (
            "9 another host",
            with_claims(json!({ "htu": format!("https://evil.example{PATH}") })),
            "proof_address",
        ),
        (
            "9 without TLS",
            with_claims(json!({ "htu": format!("http://tools.example{PATH}") })),
            "proof_address",
        ),
        ("9 no address", with_claims(json!({ "htu": PATH })), "proof_address"),
        // Step 11.
        ("11 long ago", with_claims(json!({ "iat": NOW_S - 61 })), "proof_time"),
        ("11 yet to come", with_claims(json!({ "iat": NOW_S + 61 })), "proof_time"),
        // Step 12.
        (
            "12 another token",
            with_claims(json!({ "ath": b64(Sha256::digest("other")) })),
            "`ath` of the proof is not",
        ),
        ("12 no digest", with_claims(json!({ "ath": "x" })), "`ath` of the proof is not"),
        ("12 another key", by_stranger, "not the one that the token is bound to"),
    ];
    for (step, proof, evidence) in rows {
        let (reason, found) = denied_for(&proof).unwrap_or_else(|| panic!("{step} was allowed"));
        assert_eq!(reason, Reason::ProofInvalid, "{step}: {found}");
        assert!(found.contains(evidence), "{step}: {found}");
    }
    assert_eq!(denied_for(&good), None);
}

#[test]
fn more_than_one_proof_is_refused() {
    // Step 1.
    let proofs = [proof_with(&bound_token(), json!({})), proof_with(&bound_token(), json!({ "jti": "2" }))];
    let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
    let head = || request("DPoP", &bound_token(), &proofs);
    let (reason, evidence) = refusal(&decide(&mut proving(|_| {}), head())).unwrap();
    assert_eq!(reason, Reason::ProofInvalid);
    assert!(evidence.contains("more than one proof"), "{evidence}");
}

#[test]
fn the_window_for_the_time_of_issue_has_two_edges() {
    let mut gate = proving(|c| c["proofs"]["dpop"] = json!({ "window_s": 10 }));
    let mut at = |iat: Value, jti: &str| {
        let proof = proof_with(&bound_token(), json!({ "iat": iat, "jti": jti }));
        refusal(&decide(&mut gate, request("DPoP", &bound_token(), &[&proof]))).map(|(reason, _)| reason)
    };
    let edge = NOW_S as f64;
    assert_eq!(at(json!(edge - 10.001), "a"), Some(Reason::ProofInvalid));
    assert_eq!(at(json!(NOW_S - 10), "b"), None);
    assert_eq!(at(json!(NOW_S + 10), "c"), None);
    assert_eq!(at(json!(edge + 10.001), "d"), Some(Reason::ProofInvalid));
}

#[test]
fn every_accepted_algorithm_is_accepted_and_no_other() {
    for algorithm in
        [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256]
    {
        let key = Private::new(algorithm, 5);
        let token = token(json!({ "cnf": { "jkt": thumbprint(&key) } }));
        let header = with(proof_header(&key), json!({ "alg": algorithm.name() }));
        let proof = sign_proof(&key, &header, &proof_claims(&token));
        let decided = |algorithms: Value| {
            let mut gate = proving(|c| c["proofs"]["dpop"] = json!({ "algorithms": algorithms }));
            decide(&mut gate, request("DPoP", &token, &[&proof])).reason()
        };
        let others: Vec<&str> =
            Algorithm::ALL.into_iter().filter(|it| *it != algorithm).map(Algorithm::name).collect();
        assert_eq!(decided(json!(others)), Some(Reason::ProofInvalid), "{algorithm}");
        assert_eq!(decided(json!([algorithm.name()])), None, "{algorithm}");
    }
}

#[test]
fn an_address_in_another_spelling_is_the_same() {
    for (jti, htu) in [
        ("1", "HTTPS://TOOLS.example:443/v1/tickets?q=1#f"),
        ("2", "https://tools.example/v1/./tickets"),
        ("3", "https://tools.example/v1/%74ickets"),
    ] {
        let proof = proof_with(&bound_token(), json!({ "htu": htu, "jti": jti }));
        assert_eq!(denied_for(&proof), None, "{htu}");
    }
}

#[test]
fn the_host_of_the_request_counts_only_if_configured() {
    let head = |host: &str| {
        let proof = proof_with(&bound_token(), json!({ "htu": format!("https://{host}{PATH}") }));
        let authorization = format!("DPoP {}", bound_token());
        let headers = [(":authority", host), ("authorization", authorization.as_str()), ("dpop", &proof)];
        support::head(METHOD, PATH, &headers)
    };
    let from_host = || proving(|c| c["proofs"] = json!({ "uris_from_host": true }));
    assert_eq!(decide(&mut proving(|_| {}), head("other.example:8443")).reason(), Some(Reason::ProofInvalid));
    assert_eq!(decide(&mut from_host(), head("other.example:8443")).reason(), None);
    // A port is a part of the address.
    let proof = proof_with(&bound_token(), json!({ "htu": format!("https://other.example{PATH}") }));
    let authorization = format!("DPoP {}", bound_token());
    let headers = [(":authority", "other.example:8443"), ("authorization", &authorization), ("dpop", &proof)];
    let decision = decide(&mut from_host(), support::head(METHOD, PATH, &headers));
    assert_eq!(decision.reason(), Some(Reason::ProofInvalid));
}

#[test]
fn a_second_key_of_the_same_client_does_not_pass_behind_the_first() {
    // The key of the first proof is kept with the token: another one must still be refused.
    let mut gate = proving(|_| {});
    let good = proof_with(&bound_token(), json!({}));
    assert_eq!(decide(&mut gate, request("DPoP", &bound_token(), &[&good])).reason(), None);
    let stranger = Private::new(Algorithm::Es256, 4);
    let claims = with(proof_claims(&bound_token()), json!({ "jti": "proof-2" }));
    for (key, header) in [(&stranger, proof_header(&stranger)), (&stranger, proof_header(&agent_key()))] {
        let proof = sign_proof(key, &header, &claims);
        let decision = decide(&mut gate, request("DPoP", &bound_token(), &[&proof]));
        assert_eq!(decision.reason(), Some(Reason::ProofInvalid));
    }
    // The same key in another spelling is the same key.
    let padded = {
        let mut jwk = agent_key().jwk();
        jwk["x"] = json!(format!("{}=", jwk["x"].as_str().unwrap()));
        jwk
    };
    let header = with(proof_header(&agent_key()), json!({ "jwk": padded }));
    let proof = sign_proof(&agent_key(), &header, &claims);
    assert_eq!(decide(&mut gate, request("DPoP", &bound_token(), &[&proof])).reason(), None);
}

#[test]
fn a_proof_is_used_up_once_though_its_request_waits_for_its_body() {
    let config = parse_config(&{
        let mut value = config_value();
        value["issuers"][0]["proof"] = json!("required");
        value["proofs"] = json!({ "external_uris": [BASE] });
        value["routes"][0]["mcp"] = json!({ "tools": [{ "name": "*" }] });
        value
    });
    let mut gate = gate(config);
    let proof = proof_with(&bound_token(), json!({ "htm": "POST" }));
    let authorization = format!("DPoP {}", bound_token());
    let headers = [("authorization", authorization.as_str()), ("dpop", &proof)];
    let begun = |gate: &mut Gate| {
        let head = support::head("POST", PATH, &headers).with_body(true);
        let mut flow = Flow::new("decision-1".to_owned(), head);
        let step = flow.advance(gate, &InModule, NOW);
        (flow, step)
    };
    let (mut flow, step) = begun(&mut gate);
    assert!(matches!(step, Step::NeedBody(_)), "{step:?}");
    // The same proof while the first request waits.
    let (_, step) = begun(&mut gate);
    let Step::Done(second) = step else { panic!("{step:?}") };
    assert_eq!(second.reason(), Some(Reason::ProofReplayed));
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "a" } });
    flow.set_body(Body::Whole(call.to_string().into_bytes()));
    // Long after the proof is too old to be looked at again.
    let Step::Done(first) = flow.advance(&mut gate, &InModule, NOW.plus_secs(400)) else {
        panic!("{flow:?}")
    };
    assert_eq!(first.reason(), None);
}

#[test]
fn neither_token_nor_proof_goes_on_to_the_upstream() {
    let config = |forward: bool| {
        config(|c| {
            c["issuers"][0]["proof"] = json!("if_bound");
            c["proofs"] = json!({ "external_uris": [BASE] });
            c["upstream"] = json!({ "forward_token": forward });
        })
    };
    for forward in [false, true] {
        let config = config(forward);
        let proof = proof_with(&bound_token(), json!({}));
        let decision = decide(&mut gate(config.clone()), request("DPoP", &bound_token(), &[&proof]));
        let Reply::Forward(changes) = Reply::new(&decision, Some(&config)) else { panic!("denied") };
        for name in ["authorization", "dpop"] {
            assert_eq!(changes.remove.contains(&name), !forward, "{name}");
        }
    }
    let open = support::config(|c| c["routes"][0]["anonymous"] = json!(true));
    let decision = decide(&mut gate(open.clone()), request("DPoP", "x", &["y"]));
    let Reply::Forward(changes) = Reply::new(&decision, Some(&open)) else { panic!("denied") };
    assert!(changes.remove.contains(&"dpop"), "nobody checked it");
}

#[test]
fn a_proof_for_one_virtual_host_is_none_for_another() {
    let addresses = json!(["https://tickets.example", "https://payments.example", "https://tools.example"]);
    let at = |host: &str, address: &str| {
        let mut gate = proving(|c| c["proofs"] = json!({ "external_uris": addresses }));
        let proof = proof_with(&bound_token(), json!({ "htu": format!("https://{address}{PATH}") }));
        let authorization = format!("DPoP {}", bound_token());
        let headers = [(":authority", host), ("authorization", authorization.as_str()), ("dpop", &proof)];
        decide(&mut gate, support::head(METHOD, PATH, &headers)).reason()
    };
    assert_eq!(at("payments.example", "tickets.example"), Some(Reason::ProofInvalid));
    assert_eq!(at("payments.example:443", "tickets.example"), Some(Reason::ProofInvalid));
    assert_eq!(at("payments.example", "payments.example"), None);
    // A name that only the proxies in front know.
    assert_eq!(at("gateway.internal", "tickets.example"), None);
}

#[test]
fn who_does_not_hold_the_key_says_nothing_of_what_it_is_for() {
    let key = Private::new(Algorithm::Rs256, 0);
    let token = token(json!({ "cnf": { "jkt": thumbprint(&key) } }));
    let mut gate = proving(|c| c["proofs"]["dpop"] = json!({ "algorithms": ["RS256", "RS512"] }));
    let header = |alg: &str, jwk: Value| json!({ "typ": "dpop+jwt", "alg": alg, "jwk": jwk });
    let public = with(key.jwk(), json!({ "alg": "RS512" }));
    let forged = {
        let proof = sign_proof(&key, &header("RS512", public), &proof_claims(&token));
        let (input, _) = proof.rsplit_once('.').unwrap();
        format!("{input}.{}", b64([1; 256]))
    };
    let decided = |gate: &mut Gate, proof: &str| decide(gate, request("DPoP", &token, &[proof])).reason();
    assert_eq!(decided(&mut gate, &forged), Some(Reason::ProofInvalid));
    let good = sign_proof(&key, &header("RS256", key.jwk()), &proof_claims(&token));
    assert_eq!(decided(&mut gate, &good), None);
}
