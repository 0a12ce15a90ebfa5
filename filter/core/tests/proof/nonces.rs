//! Nonces that the gateway gives out (RFC 9449 §8 and §9).

use super::*;
use mandate_core::decision::{LocalReply, Reply};
use mandate_core::keys::InModule;

fn asking() -> Gate {
    proving(|c| c["proofs"]["dpop"] = json!({ "nonce": "required", "nonce_lifetime_s": 100 }))
}

fn answer(gate: &Gate, decision: &Decision) -> Option<LocalReply> {
    match Reply::new(decision, Some(gate.config())) {
        Reply::Forward(_) => None,
        Reply::Local(reply) => Some(reply),
    }
}

fn header(reply: &LocalReply, name: &str) -> Option<String> {
    reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

fn sent(nonce: Option<&str>, jti: &str, at: UnixTime) -> RequestHead {
    let members = json!({ "jti": jti, "nonce": nonce, "iat": at.as_secs() });
    request("DPoP", &bound_token(), &[&proof_with(&bound_token(), members)])
}

/// A nonce, as a client gets it that has none.
fn nonce(gate: &mut Gate, now: UnixTime) -> String {
    let decision = decide_in(gate, sent(None, "x", now), &InModule, now);
    assert_eq!(decision.reason(), Some(Reason::ProofNonceRequired));
    let reply = answer(gate, &decision).unwrap();
    assert_eq!(reply.status, 401);
    let challenge = header(&reply, "www-authenticate").unwrap();
    assert_eq!(challenge, "DPoP error=\"use_dpop_nonce\", algs=\"ES256 EdDSA\"");
    header(&reply, "dpop-nonce").unwrap()
}

#[test]
fn a_proof_without_a_nonce_of_this_gateway_is_refused_and_told_one() {
    let mut gate = asking();
    let good = nonce(&mut gate, NOW);
    let mut tampered = support::unb64(&good);
    tampered[7] ^= 1;
    let shorter = b64(&support::unb64(&good)[..23]);
    let of_another = {
        let mut other = mandate_core::flow::Gate::new(
            gate.config().clone(),
            Box::new(mandate_core::policy::NoPolicies),
            [8; 16],
        )
        .unwrap();
        nonce(&mut other, NOW)
    };
    for bad in ["", "x", &b64(&tampered), &shorter, &of_another, &format!("{good}A"), &format!("{good}=")] {
        let decision = decide(&mut gate, sent(Some(bad), "1", NOW));
        assert_eq!(decision.reason(), Some(Reason::ProofNonceRequired), "{bad}");
        assert!(header(&answer(&gate, &decision).unwrap(), "dpop-nonce").is_some());
    }
    let number = proof_with(&bound_token(), json!({ "nonce": 1 }));
    let decision = decide(&mut gate, request("DPoP", &bound_token(), &[&number]));
    assert_eq!(decision.reason(), Some(Reason::ProofNonceRequired));
    assert_eq!(decide(&mut gate, sent(Some(&good), "1", NOW)).reason(), None);
    // A nonce may be used by many proofs, each of which is used once.
    assert_eq!(decide(&mut gate, sent(Some(&good), "2", NOW)).reason(), None);
    assert_eq!(decide(&mut gate, sent(Some(&good), "2", NOW)).reason(), Some(Reason::ProofReplayed));
}

#[test]
fn an_allowed_request_with_an_old_nonce_is_given_a_new_one() {
    let mut gate = asking();
    let first = nonce(&mut gate, NOW);
    for (later, jti, expected) in [(0, "a", false), (50, "b", false), (51, "c", true), (100, "d", true)] {
        let now = NOW.plus_secs(later);
        let decision = decide_in(&mut gate, sent(Some(&first), jti, now), &InModule, now);
        assert_eq!(decision.reason(), None, "{later}");
        assert_eq!(decision.nonce().is_some(), expected, "{later}");
    }
    let later = NOW.plus_secs(90);
    let decision = decide_in(&mut gate, sent(Some(&first), "e", later), &InModule, later);
    let second = decision.nonce().unwrap().to_owned();
    assert_ne!(first, second);
    // After the rotation both hold, until the first is too old.
    for (nonce, jti) in [(&first, "f"), (&second, "g")] {
        let now = NOW.plus_secs(99);
        assert_eq!(decide_in(&mut gate, sent(Some(nonce), jti, now), &InModule, now).reason(), None);
    }
    let now = NOW.plus_secs(101);
    let refused = decide_in(&mut gate, sent(Some(&first), "h", now), &InModule, now);
    assert_eq!(refusal(&refused).unwrap().0, Reason::ProofNonceRequired);
    assert!(refusal(&refused).unwrap().1.contains("too old"));
    assert_eq!(decide_in(&mut gate, sent(Some(&second), "i", now), &InModule, now).reason(), None);
}

#[test]
fn gateways_with_one_secret_know_each_others_nonces() {
    let fleet = |seed: u8, secret: &[u8]| {
        let config = asking().config().clone();
        let gate = Gate::new(config, Box::new(mandate_core::policy::NoPolicies), [seed; 16]).unwrap();
        gate.with_secret(secret)
    };
    let (mut one, mut two, mut stranger) =
        (fleet(1, b"one secret"), fleet(2, b"one secret"), fleet(3, b"another"));
    let nonce = nonce(&mut one, NOW);
    assert_eq!(decide(&mut two, sent(Some(&nonce), "1", NOW)).reason(), None);
    assert_eq!(
        decide(&mut stranger, sent(Some(&nonce), "1", NOW)).reason(),
        Some(Reason::ProofNonceRequired)
    );
    assert!(!one.lacks_shared_secret() && asking().lacks_shared_secret());
}

#[test]
fn where_no_nonce_is_asked_for_none_is_looked_at_or_given() {
    let mut gate = proving(|_| {});
    let decision = decide(&mut gate, sent(Some("anything"), "1", NOW));
    assert_eq!((decision.reason(), decision.nonce()), (None, None));
}
