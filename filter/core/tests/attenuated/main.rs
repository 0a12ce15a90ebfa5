//! Attenuated chains, through the machine: every line of the rules is broken alone, then chains are narrowed and widened at random.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod allowed;
mod made;
mod malformed;
mod narrowing;
mod refused;
#[path = "../support/mod.rs"]
mod support;

use made::{Chain, HEADER};
use mandate_core::config::Config;
use mandate_core::decision::{AuditRecord, Decision};
use mandate_core::flow::Gate;
use mandate_core::http::RequestHead;
use mandate_core::reason::Reason;
use serde_json::{Value, json};
use support::policies::{Scripted, allow};
use support::{config, decide, head};

/// A configuration whose issuer has chains, changed.
pub fn chained(change: impl FnOnce(&mut Value)) -> Config {
    config(|c| {
        c["issuers"][0]["chain"] = json!({ "form": "attenuated", "header": HEADER });
        c["issuers"][0]["proof"] = json!("required");
        c["proofs"] = json!({ "external_uris": ["https://tools.example"] });
        c["delegation"] = json!({ "max_depth": 8 });
        change(c);
    })
}

/// The same, at work, with a policy `looks` that allows everything.
pub fn gate(change: impl FnOnce(&mut Value)) -> Gate {
    let policies = Scripted::default().with("looks", allow());
    Gate::new(chained(change), Box::new(policies), [7; 16]).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The path of requests.
pub const PATH: &str = "/v1/tickets";

/// A request with a chain, and a proof of the key of its last link.
pub fn request(chain: &Chain) -> RequestHead {
    let (_, earlier) = chain.sent();
    request_with(chain, earlier.iter().map(|earlier| (HEADER, earlier.as_str())))
}

/// A request with the access token of a chain, a proof, and more headers.
pub fn request_with<'a>(chain: &Chain, more: impl IntoIterator<Item = (&'a str, &'a str)>) -> RequestHead {
    let proven = chain.proven(PATH);
    let more: Vec<(&str, &str)> = more.into_iter().collect();
    let proven = proven.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    head("GET", PATH, &proven.chain(more.iter().copied()).collect::<Vec<_>>())
}

/// What is decided on it.
pub fn decided(chain: &Chain) -> Decision {
    decide(&mut gate(|_| {}), request(chain))
}

/// The record of a decision.
pub fn record(decision: &Decision) -> Value {
    serde_json::from_str(&AuditRecord::new(decision).to_json()).unwrap()
}

/// Why a decision is a denial, and what led to it.
pub fn why(decision: &Decision) -> (Option<Reason>, Value) {
    (decision.reason(), record(decision)["evidence"].clone())
}
