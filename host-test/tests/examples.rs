//! The example policies: one corpus, and the same verdicts from the policy in native code, the oracle, the bundle on the
//! harness, and the bundle in Envoy.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "examples/corpus.rs"]
mod corpus;
#[path = "examples/native.rs"]
mod native;
mod support;

use corpus::{Corpus, NAMES, Verdicts, table};
use mandate_core::limits;
use mandate_harness::{Filter, Timestamp};
use mandate_host::authoring::{Component, Project, bundle};
use mandate_host::cases::{self, CaseOutcome, CaseVerdict, Engine, Subject};
use mandate_host::client;
use mandate_host::envoy::{Envoy, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::oracle::Oracle;
use mandate_host::tokens::Algorithm;
use mandate_host::upstream::Upstream;
use mandate_host::{FILTER, decide};
use std::path::Path;
use std::sync::OnceLock;
use support::key;

/// The components, built as an author builds them.
fn components() -> &'static [Component] {
    static BUILT: OnceLock<Vec<Component>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy-sdk/examples");
        NAMES.iter().map(|name| Project::open(&folder.join(name)).unwrap().build(|_| {}).unwrap()).collect()
    })
}

fn module() -> &'static [u8] {
    static LINKED: OnceLock<Vec<u8>> = OnceLock::new();
    LINKED.get_or_init(|| bundle(FILTER, components()).unwrap())
}

fn filter() -> &'static Filter {
    static COMPILED: OnceLock<Filter> = OnceLock::new();
    COMPILED.get_or_init(|| Filter::compile(module()).unwrap())
}

fn oracle() -> Oracle {
    let mut oracle = Oracle::new().unwrap();
    for component in components() {
        oracle.add(&component.name, &component.bytes).unwrap();
    }
    oracle
}

#[test]
fn every_table_holds_on_the_oracle_on_the_bundle_and_in_native_code() {
    let mut denied = 0;
    for name in NAMES {
        let (table, subject) = (table(name), Subject::new(name));
        let run = |engine: &mut dyn Engine| -> Vec<CaseOutcome> {
            let reports = table.run(&subject, key(Algorithm::Es256), engine);
            for report in &reports {
                assert!(
                    report.differences().is_empty(),
                    "{name}, {}: {:?}",
                    report.case.name,
                    report.differences()
                );
            }
            reports.into_iter().map(|report| report.outcome.unwrap().unmetered()).collect()
        };
        let linked = run(&mut cases::on_harness(filter()));
        assert_eq!(run(&mut cases::on_oracle(&oracle())), linked, "{name}");
        for (case, outcome) in table.cases.iter().zip(&linked) {
            assert_eq!(native::outcome(name, case), native::comparable(outcome), "{name}, {}", case.name);
        }
        denied += linked.iter().filter(|outcome| outcome.verdict == CaseVerdict::Deny).count();
    }
    assert!(denied > 20, "the tables say no often: {denied}");
}

/// Every request of every table is put to every policy with every settings that its table has.
#[test]
fn every_engine_says_the_same_to_every_request() {
    let corpus = Corpus::new(None);
    let vm = filter().vm().configuration(corpus.configuration()).now(corpus.now);
    let mut vm = vm.allow_on_headers_stop_iteration(true).start().unwrap();
    let mut gate = corpus.gate(oracle());
    let mut seen = Verdicts::default();
    for case in &corpus.cases {
        let exchange = decide::settle(&mut vm, corpus.request(case).to_request(), None).unwrap();
        let linked = corpus::of_audit(&decide::Decided::of(&exchange, &vm).audit.unwrap());
        assert_eq!(corpus.on_oracle(&mut gate, case), corpus::unmetered(&linked), "{}", case.name);
        assert_eq!(corpus.natively(case), corpus::without_sandbox(&linked), "{}", case.name);
        seen.count(&linked);
    }
    seen.assert_varied();
}

/// Envoy's clock cannot be set, so the corpus is moved to now, and each decision is replayed on the harness at the very
/// millisecond at which Envoy made it.
#[test]
fn envoy_says_the_same_for_the_same_fuel() {
    let Some(binary) = support::envoy() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.wasm");
    std::fs::write(&path, module()).unwrap();
    // Only now, for building takes a while, and tokens are short-lived.
    let corpus = Corpus::new(Some(support::now()));
    let upstream = Upstream::start().unwrap();
    let setup = EnvoySetup::new(upstream.address()).filter(path, corpus.configuration());
    let setup = setup.shows_held_bodies(limits::BODY_BYTES);
    let envoy = Envoy::start(&binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
    let address = envoy.listener().unwrap();
    for case in &corpus.cases {
        let request = corpus.request(case);
        let wire =
            request.headers.iter().fold(
                client::Request::new(&request.method, request.path.as_bytes()),
                |wire, (name, value)| wire.header(name.as_bytes(), value.as_bytes()),
            );
        let body = request.body.clone().unwrap_or_default().into_bytes();
        let wire = client::Request { body, ..wire };
        let response = client::blocking::send(address, &wire).unwrap();
        assert_eq!(response.status, 200, "{}: shadows never decide", case.name);
    }
    let log = envoy.stop();
    let audits: Vec<serde_json::Value> =
        log.lines().filter_map(|line| serde_json::from_str(line.split_once(" audit ")?.1).ok()).collect();
    assert_eq!(audits.len(), corpus.cases.len(), "one record for each request, in order");
    let mut seen = Verdicts::default();
    for (case, audit) in corpus.cases.iter().zip(&audits) {
        let at = Timestamp::from_nanos(audit["time_ms"].as_u64().unwrap() * 1_000_000);
        let vm = filter().vm().configuration(corpus.configuration()).now(at);
        let mut vm = vm.allow_on_headers_stop_iteration(true).start().unwrap();
        let exchange = decide::settle(&mut vm, corpus.request(case).to_request(), None).unwrap();
        let replayed = corpus::of_audit(&decide::Decided::of(&exchange, &vm).audit.unwrap());
        let in_envoy = corpus::of_audit(audit);
        assert_eq!(in_envoy, replayed, "{}: verdicts and fuel", case.name);
        seen.count(&in_envoy);
    }
    seen.assert_varied();
}
