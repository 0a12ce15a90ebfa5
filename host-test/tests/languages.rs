//! One policy in languages other than Rust: each says the same, in the ways in which it can run.
//!
//! A language whose toolchain is missing is skipped, visibly, unless `MANDATE_REQUIRE_LANGUAGES` is set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "languages/costs.rs"]
mod costs;

use mandate_core::config::PolicyLimits;
use mandate_host::FILTER;
use mandate_host::authoring::{Component, Trial, componentize};
use mandate_host::cases::{Subject, Table, on_oracle};
use mandate_host::oracle::Oracle;
use mandate_host::tokens::{Algorithm, SigningKey};
use mandate_link::Refusal;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use wit_bindgen_core::{Files, wit_parser::Resolve};

/// The name of the policy in every language.
const POLICY: &str = "tool-claim";
/// What the build scripts exit with when a tool is missing.
const UNAVAILABLE: i32 = 69;

fn languages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy-sdk/languages")
}

fn table() -> Table {
    Table::read(&languages().join("tests.yaml")).unwrap()
}

fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::EdDsa, "test").unwrap())
}

/// What the build script of a language makes, as a component.
fn build(language: &str) -> Option<Component> {
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(languages().join(language).join("build.sh")).arg(out.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.code() == Some(UNAVAILABLE) && std::env::var_os("MANDATE_REQUIRE_LANGUAGES").is_none() {
        // Past the capture of the test runner, so that it is seen.
        std::io::stderr().write_all(format!("skipped: {said}\n").as_bytes()).unwrap();
        return None;
    }
    assert!(output.status.success(), "{language}: {said}");
    let read = |file: &str| std::fs::read(out.path().join(file)).unwrap();
    let bytes = match language {
        "c" => componentize(&read("tool-claim.core.wasm")).unwrap(),
        _ => read("tool-claim.wasm"),
    };
    Some(Component { name: POLICY.to_owned(), bytes })
}

/// The policy with room for an interpreter.
fn roomy() -> Subject {
    let limits = PolicyLimits { fuel: 100_000_000, memory_bytes: 64 << 20, ..PolicyLimits::default() };
    Subject { limits, ..Subject::new(POLICY) }
}

fn assert_table_on_oracle(component: &Component) {
    let mut oracle = Oracle::new().unwrap();
    oracle.add(POLICY, &component.bytes).unwrap();
    for report in table().run(&roomy(), key(), &mut on_oracle(&oracle)) {
        assert_eq!(report.differences(), [""; 0], "{}", report.case.name);
    }
}

#[test]
fn a_policy_in_c_says_the_same_in_the_bundle_and_on_the_oracle() {
    let Some(component) = build("c") else { return };
    let trial = Trial::new(FILTER, &component).unwrap();
    for case in &table().cases {
        assert_eq!(trial.try_case(case).differences, [""; 0], "{}", case.name);
    }
}

/// The generator would be the largest part of the toolchain, so what it makes is kept.
#[test]
fn the_bindings_for_c_are_those_of_the_contract() {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(languages().join("../wit")).unwrap();
    let world = resolve.select_world(&[package], Some("policy")).unwrap();
    let version = resolve.packages[package].name.version.clone().unwrap();
    let short = |name: &str| (format!("mandate:policy/{name}@{version}"), name.to_owned());
    let options = wit_bindgen_c::Opts {
        rename: ["request", "types", "log"].map(short).to_vec(),
        // The handle of the request is given back when `check` returns, and no author can forget it.
        autodrop_borrows: wit_bindgen_c::Enabled::Yes,
        ..wit_bindgen_c::Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).unwrap();
    for (name, made) in files.iter() {
        let path = languages().join("c/bindings").join(name);
        if std::env::var_os("MANDATE_WRITE_BINDINGS").is_some() {
            std::fs::write(&path, made).unwrap();
        }
        let kept = std::fs::read(&path).unwrap();
        assert!(kept == made, "{name} is out of date: run this test with MANDATE_WRITE_BINDINGS=1");
    }
}

/// The linker takes it, engine and all; what stands against it in the proxy is what `costs` prints.
#[test]
fn a_policy_in_javascript_says_the_same_on_the_oracle() {
    let Some(component) = build("javascript") else { return };
    assert_table_on_oracle(&component);
    assert_eq!(mandate_link::check(&component.bytes), Ok(()));
}

#[test]
fn a_policy_in_python_says_the_same_on_the_oracle() {
    let Some(component) = build("python") else { return };
    assert_table_on_oracle(&component);
    let refusal = mandate_link::check(&component.bytes).unwrap_err();
    assert!(matches!(refusal, Refusal::TooLarge { .. }), "{refusal}");
}
