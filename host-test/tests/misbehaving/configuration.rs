//! Misdeeds before any request: while a policy is instantiated, and while it takes its settings.

use super::guests::{Guest, check_with, component};
use super::suspect::Outcome::Fault;
use super::suspects::{FOREVER, GREED, RECURSION, configurers};
use super::world::{self, Ask};
use mandate_core::config::Config;
use mandate_core::policy::Policies as _;
use mandate_harness::{Filter, Outcome, Request, Vm};
use mandate_host::FILTER;
use mandate_host::envoy::{Envoy, EnvoyError, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::oracle::Oracle;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use wasmparser::{ExternalKind, Parser, Payload};

/// Policies that no settings can help: a name, a component, and how it fails.
fn hopeless() -> Vec<(String, Vec<u8>, &'static str)> {
    let abstain = "(call $abstain)";
    let starts = |name: &str, kind, code: &str| {
        let fields = format!("{RECURSION} (func $start {code}) (start $start)");
        (format!("start-{name}"), check_with(&fields, abstain), kind)
    };
    let initialises = |name: &str, kind, code: &str| {
        let fields = format!(r#"{RECURSION} (func (export "_initialize") {code})"#);
        (format!("initialize-{name}"), check_with(&fields, abstain), kind)
    };
    let allocates = |name: &str, kind, realloc: &str| {
        let guest = Guest { fields: RECURSION, realloc, ..Guest::default() };
        (format!("allocator-{name}"), guest.component(), kind)
    };
    // Its own bound is two pages, and the budget sixteen.
    let bounds_itself = |name: &str, kind, pages: u32| {
        let grow =
            format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (unreachable)))");
        (format!("bounds-itself-{name}"), component(&BOUNDED.replace("GROW", &grow)), kind)
    };
    let give_up = "(unreachable)";
    let log = "(call $log (i32.const 1) (i32.const 256) (i32.const 5))";
    let down = "(drop (call $down (i32.const 0)))";
    let ask = "(drop (call $depth (i32.const 1)))";
    vec![
        starts("loops", "fuel", FOREVER),
        starts("gives-up", "trap", give_up),
        starts("recurses", "stack", down),
        starts("grows", "memory", GREED),
        starts("logs", "trap", log),
        initialises("loops", "fuel", FOREVER),
        initialises("gives-up", "trap", give_up),
        // To the oracle there is no such request; to the linked policy there is nobody to ask yet.
        initialises("asks", "trap", ask),
        bounds_itself("and-keeps-the-budget", "trap", 2),
        bounds_itself("and-exceeds-the-budget", "memory", 16),
        allocates("loops", "fuel", &format!("{FOREVER} (i32.const 0)")),
        allocates("gives-up", "trap", give_up),
        allocates("recurses", "stack", "(call $down (i32.const 0))"),
        allocates("is-beyond-the-end", "malformed", "(i32.const 65535)"),
        allocates("is-at-the-top", "malformed", "(i32.const -1)"),
        allocates("logs", "trap", &format!("{log} (i32.const 32768)")),
    ]
}

const BOUNDED: &str = r#"(module
    (memory (export "memory") 1 2)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "describe") (result i32) (unreachable))
    (func (export "configure") (param i32 i32) (result i32) GROW (i32.const 64))
    (func (export "check") (param i32) (result i32) (unreachable)))"#;

/// A policy whose module exports what a proxy would call, and what the linker looks for in a filter.
fn impostor() -> Vec<u8> {
    let trap = |name: &str| format!(r#"(func (export "{name}") (unreachable))"#);
    let names = [
        "proxy_on_request_headers",
        "proxy_on_configure",
        "proxy_on_vm_start",
        "proxy_on_memory_allocate",
        "proxy_abi_version_0_2_1",
        "malloc",
        "_start",
        "main",
        "mandate_seam_call",
        "mandate_seam_answer",
    ];
    let fields: String = names.iter().map(|name| trap(name)).collect();
    check_with(
        &format!(r#"{fields} (table (export "__indirect_function_table") 1 funcref)"#),
        "(call $abstain)",
    )
}

struct Policies {
    components: Vec<(String, Vec<u8>)>,
    bundle: Vec<u8>,
    filter: Filter,
}

fn policies() -> &'static Policies {
    static POLICIES: OnceLock<Policies> = OnceLock::new();
    POLICIES.get_or_init(|| {
        let mut components: Vec<_> = hopeless().into_iter().map(|(name, bytes, _)| (name, bytes)).collect();
        components.push(("configurers".to_owned(), configurers().component()));
        components.push(("impostor".to_owned(), impostor()));
        components.push(("good".to_owned(), super::guests::check("(call $abstain)")));
        let bundle = world::link(&components);
        Policies { filter: Filter::compile(&bundle).unwrap(), bundle, components }
    })
}

/// The entries that fail, with how.
fn failing() -> Vec<(Value, String, &'static str)> {
    let hopeless = hopeless().into_iter().map(|(name, _, kind)| (json!({ "name": name }), name, kind));
    let by_settings = (1..).zip(configurers().misdeeds).map(|(number, misdeed)| {
        let Fault(kind) = misdeed.outcome else { panic!("{misdeed:?} fails nothing") };
        (json!({ "name": "configurers", "settings": { "mode": number } }), misdeed.name, kind)
    });
    hopeless.chain(by_settings).collect()
}

fn start(entries: &[Value]) -> Vm {
    world::start(&policies().filter, &world::configuration(entries))
}

fn denied(vm: &mut Vm, entry: &str) -> Option<String> {
    let exchange = vm.send(Request::get(&format!("/{entry}/x"))).unwrap();
    assert!(matches!(exchange.outcome, Outcome::LocalReply(_)), "{entry}: {exchange:?}");
    exchange.property("mandate.reason").map(str::to_owned)
}

#[test]
fn a_policy_that_fails_on_its_settings_fails_the_configuration() {
    for (entry, name, kind) in failing() {
        // Where it decides nothing, it fails nevertheless.
        let mode = if name.len() % 2 == 0 { "enforce" } else { "shadow" };
        let mut entry = entry;
        entry["mode"] = json!(mode);
        let mut vm = start(std::slice::from_ref(&entry));
        let complaints = world::complaints(&vm);
        assert_eq!(complaints.len(), 1, "{name}: {complaints:?}");
        // An initialiser may ask, of the request too, of which there is none.
        let kind = if name == "initialize-asks" { "malformed" } else { kind };
        let (place, says) = complaints[0].split_once(": ").unwrap();
        assert!(place.starts_with("`/policies/0"), "{name}: {place}");
        assert_eq!(says, format!("the policy failed: {kind}"), "{name}");
        let entry = entry["name"].as_str().unwrap();
        assert_eq!(denied(&mut vm, entry).as_deref(), Some("config_invalid"), "{name}");
    }
}

#[test]
fn a_policy_that_fails_on_its_settings_fails_by_the_oracle_too() {
    let mut oracle = Oracle::new().unwrap();
    for (name, component) in &policies().components {
        oracle.add(name, component).unwrap();
    }
    let by_settings = configurers();
    for (entry, name, kind) in failing() {
        let config = world::configuration(std::slice::from_ref(&entry));
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        let misdeed = by_settings.misdeeds.iter().find(|misdeed| misdeed.name == name);
        let kind = match misdeed.and_then(|misdeed| misdeed.oracle) {
            Some(Fault(other)) => other,
            _ if name == "initialize-asks" => "malformed",
            _ => kind,
        };
        let complaints = oracle.configure(&config.policies[0]).unwrap_err();
        assert_eq!(complaints[0].message, format!("the policy failed: {kind}"), "{name}");
    }
}

#[test]
fn a_policy_that_fails_on_its_settings_leaves_the_others_alone_once_it_is_gone() {
    for (entry, name, _) in failing().into_iter().step_by(5) {
        let mut vm = start(&[entry, json!({ "name": "good" })]);
        assert_eq!(denied(&mut vm, "good").as_deref(), Some("config_invalid"), "{name}");
    }
    let mut vm = start(&[json!({ "name": "good" })]);
    assert!(world::ask_vm(&mut vm, &Ask::new("good", 0)).0.allowed);
}

#[test]
fn a_policy_that_needs_more_memory_than_its_budget_fails_the_configuration() {
    let entry = json!({ "name": "good", "limits": { "memory_bytes": 65536 } });
    assert_eq!(world::complaints(&start(&[entry])), [""; 0]);
    let big = Guest { pages: 2, ..Guest::default() }.component();
    let filter = Filter::compile(&world::link(&[("big".to_owned(), big)])).unwrap();
    for (memory_bytes, starts) in [(65536, false), (131_071, false), (131_072, true)] {
        let entry = json!({ "name": "big", "limits": { "memory_bytes": memory_bytes } });
        let complaints = world::complaints(&world::start(&filter, &world::configuration(&[entry])));
        assert_eq!(complaints.is_empty(), starts, "{complaints:?}");
        assert!(
            complaints.iter().all(|complaint| complaint.contains("131072 bytes of memory")),
            "{complaints:?}"
        );
    }
}

#[test]
fn what_a_policy_exports_is_no_export_of_the_bundle() {
    let of_filter: BTreeSet<_> =
        exports(FILTER).into_iter().filter(|(name, _)| !name.starts_with("mandate_seam_")).collect();
    assert_eq!(exports(&policies().bundle), of_filter);
    let mut vm = start(&[json!({ "name": "impostor" })]);
    for _ in 0..2 {
        assert!(world::ask_vm(&mut vm, &Ask::new("impostor", 0)).0.allowed);
    }
}

fn exports(module: &[u8]) -> BTreeSet<(String, bool)> {
    let mut exports = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(section) = payload.unwrap() {
            let all = section.into_iter().map(Result::unwrap);
            exports.extend(all.map(|export| (export.name.to_owned(), export.kind == ExternalKind::Func)));
        }
    }
    exports
}

#[test]
fn envoy_does_not_start_with_policies_that_fail_on_their_settings_and_says_which() {
    let Some(binary) = super::support::envoy() else { return };
    let mut entries: Vec<Value> = failing()
        .into_iter()
        .map(|(entry, ..)| entry)
        .filter(|entry| entry["name"] != "configurers")
        .collect();
    entries.push(json!({ "name": "configurers", "settings": { "mode": 2 } }));
    entries.push(json!({ "name": "good" }));
    let module = tempfile::tempdir().unwrap();
    let path = module.path().join("mandate.wasm");
    std::fs::write(&path, &policies().bundle).unwrap();
    let config = world::configuration(&entries).to_string();
    let setup = EnvoySetup::new(([127, 0, 0, 1], 1).into()).filter(path, config);
    let log = match Envoy::start(&binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()) {
        // It ended by itself, with a message; a signal would be another status.
        Err(EnvoyError::Ended { status, log }) => {
            assert_eq!(status, "exit status: 1", "{log}");
            log
        }
        other => panic!("it started: {other:?}"),
    };
    for (position, entry) in entries.iter().enumerate().take(entries.len() - 1) {
        let place = format!("configuration: `/policies/{position}");
        assert!(
            log.lines().any(|line| line.contains(&place) && line.contains("the policy failed: ")),
            "{entry}: {log}"
        );
    }
}
