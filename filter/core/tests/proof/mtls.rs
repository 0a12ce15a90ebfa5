//! Tokens that are bound to the certificate of the connection (RFC 8705 §3), and who the certificate names.

use super::*;
use mandate_core::http::ClientCertificate;
use mandate_core::proof::ConnectionFailed;
use support::{World, challenged, unb64, vectors};

const AGENT: &str = "spiffe://prod.example/agent";

/// A client with this certificate: its number, and the URI in it.
pub(crate) fn connected(certificate: Option<(u8, &str)>) -> World<'static> {
    let read =
        |(number, uri): (u8, &str)| ClientCertificate::of_connection(hex(number).as_bytes(), uri.as_bytes());
    World::connected(Ok(certificate.and_then(read)))
}

/// The digest of a certificate, which is known here by a number.
fn hex(certificate: u8) -> String {
    format!("{certificate:02x}").repeat(32)
}

fn bound(certificate: u8) -> Value {
    json!({ "x5t#S256": b64([certificate; 32]) })
}

/// The decision on a token that is bound so, from a client with this certificate.
fn decided(gate: &mut Gate, members: Value, certificate: Option<(u8, &'static str)>) -> Decision {
    decide_in(gate, request("Bearer", &token(members), &[]), &connected(certificate), NOW)
}

#[test]
fn a_stolen_token_without_its_certificate_is_refused() {
    let refused = |certificate| {
        refusal(&decided(&mut proving(|_| {}), json!({ "cnf": bound(1) }), certificate)).unwrap()
    };
    let (reason, evidence) = refused(None);
    assert_eq!(reason, Reason::ProofRequired);
    assert!(
        evidence.contains(r#""proof":"mtls""#) && evidence.contains("the connection has none"),
        "{evidence}"
    );
    let (reason, evidence) = refused(Some((2, AGENT)));
    assert_eq!(reason, Reason::ProofInvalid);
    assert!(evidence.contains("not the one that the token is bound to"), "{evidence}");
    let decision = decided(&mut proving(|_| {}), json!({ "cnf": bound(1) }), Some((1, "")));
    assert_eq!(refusal(&decision), None);
    assert_eq!(decision.proofs(), [mandate_core::proof_kind::ProofKind::Mtls]);
}

#[test]
fn the_refusal_is_that_of_an_invalid_bearer_token() {
    // RFC 8705 §3.
    let value = {
        let mut value = config_value();
        value["issuers"][0]["proof"] = json!("if_bound");
        value["issuers"][0]["proof_kinds"] = json!(["mtls"]);
        value
    };
    let config = parse_config(&value);
    for certificate in [None, Some((2, AGENT))] {
        let decision = decided(&mut gate(config.clone()), json!({ "cnf": bound(1) }), certificate);
        let (status, challenges) = challenged(&decision, &config);
        assert_eq!((status, challenges), (401, vec!["Bearer error=\"invalid_token\"".to_owned()]));
    }
}

#[test]
fn a_proxy_that_does_not_say_who_the_client_is_lets_nobody_in() {
    let head = || request("Bearer", &token(json!({ "cnf": bound(1) })), &[]);
    let failed = World::connected(Err(ConnectionFailed));
    assert_eq!(decide_in(&mut proving(|_| {}), head(), &failed, NOW).reason(), Some(Reason::Internal));
    // Whose token is not bound is not affected.
    let plain = request("Bearer", &token(json!({})), &[]);
    assert_eq!(decide_in(&mut proving(|_| {}), plain, &failed, NOW).reason(), None);
}

#[test]
fn a_thumbprint_that_is_none_makes_the_token_invalid() {
    let published = vectors::rfc8705()["claims"]["value"]["cnf"].clone();
    for cnf in [
        json!({ "x5t#S256": "" }),
        json!({ "x5t#S256": hex(1) }),
        json!({ "x5t#S256": b64([1; 31]) }),
        json!({ "x5t#S256": 1 }),
        // The example of RFC 8705 §3.1 is no digest in base64url: bits that must be zero are not.
        published,
    ] {
        let decision = decided(&mut proving(|_| {}), json!({ "cnf": cnf }), Some((1, "")));
        assert_eq!(decision.reason(), Some(Reason::ClaimInvalid), "{cnf}");
    }
}

#[test]
fn the_published_certificate_is_accepted_for_the_token_that_is_bound_to_it() {
    let certificate = vectors::rfc8705()["certificate"].clone();
    let digest = certificate["sha256_hex"].as_str().unwrap();
    let connection = World::connected(Ok(ClientCertificate::of_connection(digest.as_bytes(), b"")));
    let bound_to = certificate["x5t#S256"].as_str().unwrap();
    assert_eq!(unb64(bound_to).len(), 32);
    let head =
        |thumbprint: &str| request("Bearer", &token(json!({ "cnf": { "x5t#S256": thumbprint } })), &[]);
    let decision = decide_in(&mut proving(|_| {}), head(&b64([1; 32])), &connection, NOW);
    assert_eq!(decision.reason(), Some(Reason::ProofInvalid));
    assert_eq!(decide_in(&mut proving(|_| {}), head(bound_to), &connection, NOW).reason(), None);
}

#[test]
fn a_token_that_is_bound_in_two_ways_needs_both_proofs() {
    let both = json!({ "cnf": { "x5t#S256": b64([1; 32]), "jkt": thumbprint(&agent_key()) } });
    let token = token(both);
    let proof = proof_with(&token, json!({}));
    let decided = |scheme: &str, proofs: &[&str], certificate| {
        decide_in(&mut proving(|_| {}), request(scheme, &token, proofs), &connected(certificate), NOW)
            .reason()
    };
    let own = Some((1, ""));
    assert_eq!(decided("Bearer", &[], own), Some(Reason::ProofRequired));
    assert_eq!(decided("DPoP", &[], own), Some(Reason::ProofRequired));
    assert_eq!(decided("DPoP", &[&proof], None), Some(Reason::ProofRequired));
    assert_eq!(decided("DPoP", &[&proof], Some((2, ""))), Some(Reason::ProofInvalid));
    assert_eq!(decided("DPoP", &[&proof], own), None);
}

#[test]
fn a_proof_is_not_used_up_by_a_request_without_the_certificate() {
    let token = token(json!({ "cnf": { "x5t#S256": b64([1; 32]), "jkt": thumbprint(&agent_key()) } }));
    let proof = proof_with(&token, json!({}));
    let mut gate = proving(|_| {});
    let mut decided = |certificate| {
        decide_in(&mut gate, request("DPoP", &token, &[&proof]), &connected(certificate), NOW).reason()
    };
    assert_eq!(decided(None), Some(Reason::ProofRequired));
    assert_eq!(decided(Some((1, ""))), None);
    assert_eq!(decided(Some((1, ""))), Some(Reason::ProofReplayed));
}

/// A request with this header of a proxy in front, from a client with certificate 9.
fn forwarded(gate: &mut Gate, values: &[&str]) -> Decision {
    let authorization = format!("Bearer {}", token(json!({ "cnf": bound(1) })));
    let mut headers = vec![("authorization", authorization.as_str())];
    headers.extend(values.iter().map(|value| ("x-forwarded-client-cert", *value)));
    decide_in(gate, head(METHOD, PATH, &headers), &connected(Some((9, ""))), NOW)
}

#[test]
fn the_header_of_a_proxy_in_front_counts_only_if_configured() {
    let own = format!("By=spiffe://prod.example/proxy;Hash={};URI={AGENT}", hex(1));
    assert_eq!(forwarded(&mut proving(|_| {}), &[&own]).reason(), Some(Reason::ProofInvalid));
    let mut gate = proving(|c| c["proofs"]["mtls"] = json!({ "certificate": "xfcc" }));
    let other = own.replace(&hex(1), &hex(2));
    for (values, reason) in [
        (vec![], Some(Reason::ProofRequired)),
        (vec![other.as_str()], Some(Reason::ProofInvalid)),
        (vec![own.as_str(), own.as_str()], Some(Reason::ProofInvalid)),
        (vec![own.as_str(), other.as_str()], Some(Reason::ProofInvalid)),
        (vec![""], Some(Reason::ProofInvalid)),
        (vec!["By=a"], Some(Reason::ProofInvalid)),
        (vec![own.as_str()], None),
    ] {
        assert_eq!(forwarded(&mut gate, &values).reason(), reason, "{values:?}");
    }
    let several = format!("{own},{own}");
    let (reason, evidence) = refusal(&forwarded(&mut gate, &[&several])).unwrap();
    assert_eq!(reason, Reason::ProofInvalid);
    assert!(evidence.contains("x-forwarded-client-cert: several elements"), "{evidence}");
}

/// The small configuration, its agents with these sources of their name.
fn agreeing(agree: Value, from: &str) -> Gate {
    proving(|c| {
        c["issuers"][0]["agent"] = json!({ "from": from, "agree": agree });
        c["issuers"][0]["claims"] = json!({ "client": ["/client_id", null] });
    })
}

#[test]
fn every_source_must_name_the_agent_of_the_token() {
    let acted = |members: Value| with(json!({ "act": { "sub": AGENT } }), members);
    let certificate = Some((1, AGENT));
    for (what, agree, members, certificate, problem) in [
        ("no agent", json!(["certificate"]), json!({}), certificate, "the token names no agent"),
        (
            "no agent, whatever else agrees",
            json!(["client"]),
            json!({ "client_id": AGENT }),
            None,
            "the token names no agent",
        ),
        ("no certificate", json!(["certificate"]), acted(json!({})), None, "no name"),
        ("no URI", json!(["certificate"]), acted(json!({})), Some((1, "")), "no name"),
        (
            "another workload",
            json!(["certificate"]),
            acted(json!({})),
            Some((1, "spiffe://prod.example/other")),
            "another name",
        ),
        (
            "in another case",
            json!(["certificate"]),
            acted(json!({})),
            Some((1, "spiffe://prod.example/AGENT")),
            "another name",
        ),
        (
            "another trust domain",
            json!(["certificate"]),
            acted(json!({})),
            Some((1, "spiffe://test.example/agent")),
            "another name",
        ),
        ("no client", json!(["client"]), acted(json!({ "client_id": null })), None, "no name"),
        ("another client", json!(["client"]), acted(json!({ "client_id": "agent" })), None, "another name"),
        (
            "one of two",
            json!(["client", "certificate"]),
            acted(json!({ "client_id": AGENT })),
            None,
            "no name",
        ),
        (
            "the other of two",
            json!(["client", "certificate"]),
            acted(json!({ "client_id": "agent" })),
            certificate,
            "another name",
        ),
        (
            "an earlier actor",
            json!(["certificate"]),
            json!({ "act": { "sub": "b", "act": { "sub": AGENT } } }),
            certificate,
            "another name",
        ),
    ] {
        let decision = decided(&mut agreeing(agree, "act"), members, certificate);
        let (reason, evidence) = refusal(&decision).unwrap_or_else(|| panic!("{what} was allowed"));
        assert_eq!(reason, Reason::AgentMismatch, "{what}: {evidence}");
        assert!(evidence.contains(problem), "{what}: {evidence}");
    }
    for (agree, members, certificate) in [
        (json!([]), json!({}), None),
        (json!(["certificate"]), acted(json!({ "client_id": "other" })), certificate),
        (json!(["client"]), acted(json!({ "client_id": AGENT })), None),
        (json!(["client", "certificate"]), acted(json!({ "client_id": AGENT })), certificate),
    ] {
        let decision = decided(&mut agreeing(agree.clone(), "act"), members, certificate);
        assert_eq!(refusal(&decision), None, "{agree}");
    }
}

#[test]
fn a_client_or_a_subject_that_is_the_agent_is_held_to_its_certificate_too() {
    for (from, members) in [("client", json!({ "client_id": AGENT })), ("subject", json!({ "sub": AGENT }))] {
        let decided = |certificate| {
            decided(&mut agreeing(json!(["certificate"]), from), members.clone(), certificate).reason()
        };
        assert_eq!(decided(Some((1, "spiffe://prod.example/other"))), Some(Reason::AgentMismatch), "{from}");
        assert_eq!(decided(Some((1, AGENT))), None, "{from}");
    }
}

#[test]
fn names_must_agree_also_where_no_proofs_are_verified() {
    let config =
        support::config(|c| c["issuers"][0]["agent"] = json!({ "from": "act", "agree": ["certificate"] }));
    let decided = |uri| {
        let head = request("Bearer", &token(json!({ "act": { "sub": AGENT } })), &[]);
        decide_in(&mut gate(config.clone()), head, &connected(Some((1, uri))), NOW).reason()
    };
    assert_eq!(decided("spiffe://prod.example/other"), Some(Reason::AgentMismatch));
    assert_eq!(decided(AGENT), None);
}
