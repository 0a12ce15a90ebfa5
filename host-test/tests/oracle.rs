//! Policies as components on native Wasmtime: what they are told, what is made of what they say, and every way to fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "oracle/answers.rs"]
mod answers;
#[path = "oracle/faults.rs"]
mod faults;
#[path = "support/guests.rs"]
mod guests;
#[path = "oracle/isolation.rs"]
mod isolation;
#[path = "oracle/settings.rs"]
mod settings;
#[path = "oracle/tables.rs"]
mod tables;
#[path = "oracle/versions.rs"]
mod versions;

use mandate_host::cases::{CaseError, CaseOutcome, CaseVerdict, Subject, Table, on_oracle};
use mandate_host::oracle::Oracle;
use mandate_host::tokens::{Algorithm, SigningKey};
use std::sync::OnceLock;

/// The name of the policy in all these tests.
const POLICY: &str = "guest";

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::EdDsa, "test").unwrap())
}

fn oracle(component: &[u8]) -> Oracle {
    let mut oracle = Oracle::new().unwrap();
    oracle.add(POLICY, component).unwrap();
    oracle
}

/// Puts one case to the policy. `case` are the members of the case, but for its name and what it expects.
fn ask_with(oracle: &Oracle, subject: &Subject, case: &str) -> Result<CaseOutcome, CaseError> {
    let expect = if case.contains("expect:") { "" } else { "    expect: { verdict: abstain }" };
    let table = Table::parse(&format!("cases:\n  - name: a case\n{case}\n{expect}")).unwrap();
    table.cases[0].run(subject, key(), &mut on_oracle(oracle))
}

fn ask(component: &[u8], case: &str) -> CaseOutcome {
    ask_with(&oracle(component), &Subject::new(POLICY), case).unwrap()
}

/// The verdict and its code.
fn verdict(component: &[u8]) -> (CaseVerdict, Option<String>) {
    let outcome = ask(component, "");
    (outcome.verdict, outcome.code)
}

fn fault(kind: &str) -> (CaseVerdict, Option<String>) {
    (CaseVerdict::Fault, Some(kind.to_owned()))
}
