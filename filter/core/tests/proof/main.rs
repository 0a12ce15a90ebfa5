//! Proofs of possession: who sends a token must hold the key that it is bound to.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

#[path = "../support/mod.rs"]
mod support;

mod dpop;
mod memory;
mod modes;
mod mtls;
mod nonces;
mod published;
mod wpt;

use mandate_core::algorithm::Algorithm;
use mandate_core::decision::{AuditRecord, Decision};
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::proof::Surroundings;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{
    NOW, NOW_S, Private, b64, config, config_value, gate, head, parse_config, sign_texts, token, with,
};

const METHOD: &str = "GET";
const PATH: &str = "/v1/tickets";
const BASE: &str = "https://tools.example";

/// The agent's key.
fn agent_key() -> Private {
    Private::new(Algorithm::Es256, 3)
}

fn thumbprint(key: &Private) -> String {
    b64(key.public().thumbprint())
}

/// A token that is bound to the agent's key.
fn bound_token() -> String {
    token(json!({ "cnf": { "jkt": thumbprint(&agent_key()) } }))
}

/// The small configuration, its issuer's tokens with proofs, changed.
fn proving(change: impl FnOnce(&mut Value)) -> Gate {
    let mut value = config_value();
    value["issuers"][0]["proof"] = json!("if_bound");
    value["proofs"] = json!({ "external_uris": [BASE] });
    change(&mut value);
    gate(parse_config(&value))
}

fn proof_header(key: &Private) -> Value {
    json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk() })
}

/// The claims of a proof for a `GET` of [`PATH`] with this token.
fn proof_claims(token: &str) -> Value {
    json!({
        "jti": "proof-1", "htm": METHOD, "htu": format!("{BASE}{PATH}"), "iat": NOW_S,
        "ath": b64(Sha256::digest(token)),
    })
}

fn sign_proof(key: &Private, header: &Value, claims: &Value) -> String {
    let algorithm = Algorithm::from_name(header["alg"].as_str().unwrap()).unwrap_or(Algorithm::Es256);
    sign_texts(key, algorithm, &header.to_string(), &claims.to_string())
}

/// A proof of the agent with these claims over the accepted ones; `null` takes a claim away.
fn proof_with(token: &str, members: Value) -> String {
    let mut claims = with(proof_claims(token), members);
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    sign_proof(&agent_key(), &proof_header(&agent_key()), &claims)
}

/// A request with this token and these proofs.
fn request(scheme: &str, token: &str, proofs: &[&str]) -> RequestHead {
    let authorization = format!("{scheme} {token}");
    let mut headers = vec![("authorization", authorization.as_str()), (":authority", "tools.example")];
    headers.extend(proofs.iter().map(|proof| ("dpop", *proof)));
    head(METHOD, PATH, &headers)
}

/// The decision on a request, in these surroundings.
fn decide_in(gate: &mut Gate, head: RequestHead, surroundings: &dyn Surroundings, now: UnixTime) -> Decision {
    match Flow::new("decision-1".to_owned(), head).advance(gate, surroundings, now) {
        Step::Done(decision) => *decision,
        other => panic!("{other:?}"),
    }
}

fn decide(gate: &mut Gate, head: RequestHead) -> Decision {
    decide_in(gate, head, &mandate_core::keys::InModule, NOW)
}

/// The reason and the evidence of a denial; `None` if it was allowed.
fn refusal(decision: &Decision) -> Option<(Reason, String)> {
    let record: Value = serde_json::from_str(&AuditRecord::new(decision).to_json()).unwrap();
    decision.reason().map(|reason| (reason, record["evidence"].to_string()))
}
