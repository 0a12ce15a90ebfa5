//! Proofs of possession through the real module: two workers of a proxy, what they share, and what the client is told.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "proofs/envoy.rs"]
mod envoy;
mod support;

use mandate_harness::{Exchange, Request, Response, SharedData, Vm};
use mandate_host::tokens::{Algorithm, DpopProof, SigningKey};
use serde_json::{Value, json};
use std::sync::OnceLock;
use support::{claims, sign};

const NOW: u64 = 1_790_000_000;
const ADDRESS: &str = "https://tools.example/v1/x";

fn agent_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::Es256, "agent").unwrap())
}

fn bound_token() -> String {
    sign(claims(NOW).bound_to(agent_key()).unwrap())
}

/// A proof by this key for a `GET` of [`ADDRESS`].
fn proof(key: &SigningKey, token: &str, members: &[(&str, Value)]) -> String {
    let proof = DpopProof::new("GET", ADDRESS, NOW.cast_signed()).of_token(token).id("1");
    let claim = |proof: DpopProof, (name, value): &(&str, Value)| proof.claim(name, value.clone());
    members.iter().fold(proof, claim).sign(key).unwrap()
}

fn configuration(dpop: &Value) -> String {
    let mut config = support::configuration();
    config["issuers"][0]["proof"] = json!("if_bound");
    config["proofs"] = json!({ "external_uris": ["https://tools.example"], "dpop": dpop });
    config.to_string()
}

fn worker(shared: &SharedData, vm_id: &str, dpop: &Value) -> Vm {
    let builder = support::filter().vm().configuration(configuration(dpop)).now(NOW);
    builder.shared_data(shared.clone()).vm_id(vm_id).start().unwrap()
}

fn request(token: &str, proof: &str) -> Request {
    Request::get("/v1/x").header("authorization", format!("DPoP {token}")).header("dpop", proof)
}

fn reason(exchange: &Exchange) -> Option<&str> {
    exchange.property("mandate.reason")
}

#[test]
fn two_workers_of_a_proxy_accept_a_proof_once() {
    let shared = SharedData::new();
    let none = json!({});
    let (mut one, mut two) = (worker(&shared, "mandate", &none), worker(&shared, "mandate", &none));
    let token = bound_token();
    let proof = proof(agent_key(), &token, &[]);
    let exchange = one.send(request(&token, &proof)).unwrap();
    let forwarded = exchange.outcome.forwarded().unwrap();
    for name in ["authorization", "dpop"] {
        assert_eq!(forwarded.headers.text(name), None, "{name}");
    }
    for worker in [&mut two, &mut one] {
        assert_eq!(reason(&worker.send(request(&token, &proof)).unwrap()), Some("proof_replayed"));
    }
}

#[test]
fn under_an_empty_vm_id_nothing_is_shared_and_the_log_says_so() {
    let shared = SharedData::new();
    let none = json!({});
    let (mut one, mut two) = (worker(&shared, "", &none), worker(&shared, "", &none));
    let token = bound_token();
    let proof = proof(agent_key(), &token, &[]);
    assert!(one.send(request(&token, &proof)).unwrap().outcome.forwarded().is_some());
    assert!(two.send(request(&token, &proof)).unwrap().outcome.forwarded().is_some());
    assert_eq!(reason(&two.send(request(&token, &proof)).unwrap()), Some("proof_replayed"));
    assert!(shared.of_vm_id("").keys().is_empty());
    let warns = |vm: &Vm| vm.logs().iter().any(|line| line.message.contains("remembers for itself"));
    assert!(warns(&one));
    assert!(!warns(&worker(&shared, "mandate", &none)));
}

#[test]
fn a_stolen_token_is_of_no_use() {
    let mut worker = worker(&SharedData::new(), "mandate", &json!({}));
    let token = bound_token();
    let thief = SigningKey::generate(Algorithm::Es256, "thief").unwrap();
    for (request, expected) in [
        (Request::get("/v1/x").header("authorization", format!("Bearer {token}")), "proof_required"),
        (Request::get("/v1/x").header("authorization", format!("DPoP {token}")), "proof_required"),
        (request(&token, &proof(&thief, &token, &[])), "proof_invalid"),
        (request(&token, &proof(agent_key(), "another", &[])), "proof_invalid"),
    ] {
        assert_eq!(reason(&worker.send(request).unwrap()), Some(expected));
    }
    assert!(
        worker.send(request(&token, &proof(agent_key(), &token, &[]))).unwrap().outcome.forwarded().is_some()
    );
}

#[test]
fn a_nonce_of_one_worker_is_known_to_the_other_and_renewed_in_time() {
    let shared = SharedData::new();
    let dpop = json!({ "nonce": "required", "nonce_lifetime_s": 40, "window_s": 300 });
    let (mut one, mut two) = (worker(&shared, "mandate", &dpop), worker(&shared, "mandate", &dpop));
    let token = bound_token();
    let exchange = one.send(request(&token, &proof(agent_key(), &token, &[]))).unwrap();
    assert_eq!(reason(&exchange), Some("proof_nonce_required"));
    let answer = exchange.outcome.local_reply().unwrap();
    assert_eq!(
        answer.headers.text("www-authenticate").unwrap(),
        "DPoP error=\"use_dpop_nonce\", scope=\"tickets.read\", algs=\"ES256 EdDSA\""
    );
    let nonce = answer.headers.text("dpop-nonce").unwrap().to_owned();
    let with = |nonce: &str, id: &str| {
        request(&token, &proof(agent_key(), &token, &[("nonce", json!(nonce)), ("jti", json!(id))]))
    };
    let ok = || Response::new(200, "{}").header("dpop-nonce", "of the upstream");
    let answered = |exchange: &Exchange| {
        let downstream = exchange.downstream.as_ref().unwrap();
        downstream.headers.text("dpop-nonce").map(str::to_owned)
    };
    let exchange = two.round_trip(with(&nonce, "2"), ok()).unwrap();
    assert_eq!(reason(&exchange), None);
    assert_eq!(answered(&exchange).as_deref(), Some("of the upstream"), "a fresh one needs no other");
    two.advance(std::time::Duration::from_secs(30));
    let exchange = two.round_trip(with(&nonce, "3"), ok()).unwrap();
    let renewed = answered(&exchange).unwrap();
    assert_ne!(renewed, nonce);
    one.advance(std::time::Duration::from_secs(60));
    assert_eq!(reason(&one.send(with(&nonce, "4")).unwrap()), Some("proof_nonce_required"));
    assert_eq!(reason(&one.send(with(&renewed, "5")).unwrap()), None);
}

#[test]
fn a_proof_that_comes_as_a_trailer_does_not_go_on() {
    let mut config: Value = serde_json::from_str(&configuration(&json!({}))).unwrap();
    config["upstream"] = json!({ "forward_token": true });
    let mut vm = support::filter().vm().configuration(config.to_string()).now(NOW).start().unwrap();
    let bearer = format!("Bearer {}", sign(claims(NOW)));
    let request =
        Request::new("POST", "/v1/x").header("authorization", bearer).body("{}").trailer("dpop", "x");
    let exchange = vm.send(request.trailer("x-kept", "y")).unwrap();
    let forwarded = exchange.outcome.forwarded().unwrap();
    let trailers = forwarded.trailers.as_ref().unwrap();
    assert_eq!((trailers.text("dpop"), trailers.text("x-kept")), (None, Some("y")));
}
