//! Approvals: a signed yes of somebody else to one action with these arguments, used once.
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

mod actions;
mod keys;
mod needs;
mod once;
mod signed;

use mandate_core::algorithm::Algorithm;
use mandate_core::config::Config;
use mandate_core::decision::{AuditRecord, Decision, Reply};
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::proof::Surroundings;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{
    ISSUER, NOW, NOW_S, Private, act, b64, config_value, gate, head, parse_config, sign_texts, token, with,
};

const APPROVER: &str = "https://approve.example";
const AUDIENCE: &str = "https://gate.example";

fn approver_key() -> Private {
    Private::new(Algorithm::Es256, 5)
}

/// The small configuration with an approver, and two routes that need approvals: `/mcp` for one tool, `/v1` for everything.
fn document() -> Value {
    let mut value = config_value();
    let key = with(approver_key().jwk(), json!({ "kid": "approver-1" }));
    value["approvals"] = json!({
        "audience": AUDIENCE,
        "approvers": [{ "issuer": APPROVER, "algorithms": ["ES256"], "keys": { "inline": { "keys": [key] } } }],
    });
    value["routes"] = json!([
        { "match": { "path_prefix": "/mcp" }, "mcp": {
            "tools": [{ "name": "pay", "approval": true }, { "name": "*" }],
            "resources": [{ "uri": "bank://*", "approval": true }],
            "prompts": [{ "name": "*", "approval": true }],
        } },
        { "match": { "path_prefix": "/v1" }, "approval": true },
        { "match": { "path_prefix": "/" } },
    ]);
    value
}

fn config_with(change: impl FnOnce(&mut Value)) -> Config {
    let mut value = document();
    change(&mut value);
    parse_config(&value)
}

fn new_gate() -> Gate {
    gate(parse_config(&document()))
}

/// A token of an agent that acts for Alice.
fn agent_token() -> String {
    token(json!({ "act": act(&[(None, "agent:payer")]) }))
}

/// The digest of canonical JSON, which the test writes itself.
fn digest(canonical: &str) -> String {
    b64(Sha256::digest(canonical))
}

/// A call of `pay` with these arguments, as text.
fn call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"pay","arguments":{arguments}}}}}"#
    )
}

/// The claims of an approval of a call of `pay` for Alice's agent, over these canonical arguments.
fn claims(arguments: &str) -> Value {
    json!({
        "iss": APPROVER, "aud": AUDIENCE, "iat": NOW_S - 5, "exp": NOW_S + 60, "jti": "approval-1",
        "principal": { "iss": ISSUER, "sub": "user:alice" },
        "agent": { "iss": ISSUER, "sub": "agent:payer" },
        "action": { "protocol": "mcp", "kind": "tool", "name": "pay", "method": "tools/call", "host": "gate.example", "path": "/mcp" },
        "arguments": digest(arguments),
    })
}

fn jose() -> Value {
    json!({ "typ": "mandate-approval+jwt", "alg": "ES256", "kid": "approver-1" })
}

fn sign(claims: &Value) -> String {
    sign_texts(&approver_key(), Algorithm::Es256, &jose().to_string(), &claims.to_string())
}

/// The claims with `members` put over them; `null` takes one away.
fn changed(mut claims: Value, members: Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => _ = claims.as_object_mut().unwrap().remove(name),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// A message to `/mcp` of Alice's agent, with these approvals.
fn message(approvals: &[&str]) -> RequestHead {
    message_of(&agent_token(), approvals)
}

fn message_of(token: &str, approvals: &[&str]) -> RequestHead {
    let authorization = format!("Bearer {token}");
    let mut headers = vec![(":authority", "gate.example"), ("authorization", authorization.as_str())];
    headers.extend(approvals.iter().map(|approval| ("mandate-approval", *approval)));
    head("POST", "/mcp", &headers).with_body(true)
}

fn decide_in(
    gate: &mut Gate,
    head: RequestHead,
    body: Option<&str>,
    surroundings: &dyn Surroundings,
    now: UnixTime,
) -> Decision {
    let mut flow = Flow::new("decision-1".to_owned(), head);
    if let Some(body) = body {
        flow.set_body(Body::Whole(body.as_bytes().to_vec()));
    }
    match flow.advance(gate, surroundings, now) {
        Step::Done(decision) => *decision,
        other => panic!("{other:?}"),
    }
}

fn decide(gate: &mut Gate, head: RequestHead, body: &str) -> Decision {
    decide_in(gate, head, Some(body), &InModule, NOW)
}

/// What a fresh gate says to a call of `pay` with this approval.
fn reason(approval: &str, arguments: &str) -> Option<Reason> {
    decide(&mut new_gate(), message(&[approval]), &call(arguments)).reason()
}

fn record(decision: &Decision) -> Value {
    serde_json::from_str(&AuditRecord::new(decision).to_json()).unwrap()
}

/// What is wrong with the approval, as the record has it.
fn problem(decision: &Decision) -> String {
    let record = record(decision);
    assert_eq!(record["evidence"]["kind"], "approval", "{record}");
    record["evidence"]["problem"].as_str().unwrap().to_owned()
}

/// The body of a denial.
fn told(decision: &Decision, config: &Config) -> Value {
    let Reply::Local(answer) = Reply::new(decision, Some(config)) else { panic!("it passed") };
    serde_json::from_slice(&answer.body).unwrap()
}
