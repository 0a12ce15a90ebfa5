//! Nothing of one request is visible to the next, nor of one entry to another.

use super::guests::{Guest, check, component};
use super::{POLICY, key, oracle};
use mandate_core::config::{Config, PolicyEntry};
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::policy::RequestContext;
use mandate_core::policy::{CheckResult, Complaint, Fault, LinkedPolicy, Policies, PolicyRecord, Verdict};
use mandate_core::time::UnixTime;
use mandate_host::cases::{Case, Subject, Table};
use mandate_host::oracle::{Oracle, OracleError, Reusable};
use serde_json::json;

/// Denies with how often it was asked, by a global and by its memory, and with its settings.
fn counter() -> Vec<u8> {
    Guest {
        fields: r#"
            (global $count (mut i32) (i32.const 0x30))
            (global $kept (mut i32) (i32.const 0)) (global $kept-len (mut i32) (i32.const 0))
            (data (i32.const 1024) "n00")"#,
        configure: "
            (global.set $kept (local.get $settings)) (global.set $kept-len (local.get $length)) (call $accept)",
        check: "
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (i32.store8 (i32.const 1025) (global.get $count))
            (i32.store8 (i32.const 1026) (i32.add (i32.load8_u (i32.const 1026)) (i32.const 1)))
            (call $deny (i32.const 1024) (i32.const 3) (global.get $kept) (global.get $kept-len))",
        ..Guest::default()
    }
    .component()
}

fn case() -> Case {
    let table = Table::parse("cases: [{ name: a case, expect: { verdict: abstain } }]").unwrap();
    table.cases[0].clone()
}

/// Asks a gate about the case, several times.
fn ask(gate: &mut Gate, times: usize) -> Vec<Vec<PolicyRecord>> {
    let case = case();
    let headers = case.request(key()).unwrap().to_request().headers;
    let one = || {
        let mut flow = Flow::new("id".to_owned(), RequestHead::new(headers.clone()));
        match flow.advance(gate, &InModule, UnixTime::from_secs(case.now)) {
            Step::Done(decision) => decision.policies().to_vec(),
            Step::NeedKeys(_) | Step::NeedBody(_) => panic!("inline keys and no protocol: it never waits"),
        }
    };
    std::iter::repeat_with(one).take(times).collect()
}

fn gate(policies: Box<dyn Policies>, entries: &serde_json::Value) -> Gate {
    let mut config = case().configuration(&Subject::new(POLICY), key());
    config["policies"] = entries.clone();
    let names: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["name"].clone()).collect();
    config["routes"][0]["policies"] = json!(names);
    Gate::new(Config::parse(config.to_string().as_bytes()).unwrap(), policies, [0; 16]).unwrap()
}

#[test]
fn every_check_starts_from_what_configure_left() {
    let mut gate = gate(Box::new(oracle(&counter())), &json!([{ "name": POLICY }]));
    let codes: Vec<_> =
        ask(&mut gate, 3).into_iter().map(|records| records[0].code.clone().unwrap()).collect();
    assert_eq!(codes, ["n11", "n11", "n11"]);
}

/// The policy with one instance for all requests.
struct Reusing(Oracle, Option<Reusable>);

impl Policies for Reusing {
    fn linked(&self) -> &[LinkedPolicy] {
        self.0.linked()
    }

    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        self.1 = Some(self.0.reusable(entry)?);
        Ok(())
    }

    fn check(&mut self, _: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
        self.1.as_mut().unwrap().check(request)
    }
}

#[test]
fn an_instance_that_is_used_again_remembers() {
    let policies = Reusing(oracle(&counter()), None);
    let mut gate = gate(Box::new(policies), &json!([{ "name": POLICY }]));
    let codes: Vec<_> =
        ask(&mut gate, 3).into_iter().map(|records| records[0].code.clone().unwrap()).collect();
    assert_eq!(codes, ["n11", "n22", "n33"]);
}

#[test]
fn an_instance_that_is_used_again_gets_new_fuel_and_a_new_log() {
    let data = r#"(data (i32.const 1024) "x")"#;
    // About a third of what one call may use.
    let check = "
        (local.set $answer (i32.const 1000000))
        (loop $turns
            (local.set $answer (i32.sub (local.get $answer) (i32.const 1)))
            (br_if $turns (local.get $answer)))
        (call $log (i32.const 1) (i32.const 1024) (i32.const 1))
        (call $abstain)";
    let component = Guest { fields: data, check, ..Guest::default() }.component();
    let mut gate = gate(Box::new(Reusing(oracle(&component), None)), &json!([{ "name": POLICY }]));
    for records in ask(&mut gate, 10) {
        assert_eq!((records[0].verdict, records[0].log.lines().len()), ("abstain", 1));
    }
}

#[test]
fn two_entries_of_one_policy_have_their_own_settings() {
    let entries = json!([
        { "name": "first", "policy": POLICY, "mode": "shadow", "settings": { "a": [1, 2] } },
        { "name": "second", "policy": POLICY },
    ]);
    let mut gate = gate(Box::new(oracle(&counter())), &entries);
    for records in ask(&mut gate, 2) {
        let messages: Vec<_> = records.iter().map(|r| (&*r.policy, r.message.as_deref().unwrap())).collect();
        assert_eq!(messages, [("first", r#"{"a":[1,2]}"#), ("second", "{}")]);
    }
}

#[test]
fn an_entry_without_its_policy_is_missing() {
    struct Forgetful(Oracle);
    impl Policies for Forgetful {
        fn linked(&self) -> &[LinkedPolicy] {
            self.0.linked()
        }
        fn configure(&mut self, _: &PolicyEntry) -> Result<(), Vec<Complaint>> {
            Ok(())
        }
        fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
            let answer = self.0.check(&PolicyEntry { policy: "nobody".to_owned(), ..entry.clone() }, request);
            assert_eq!(answer.verdict, Err::<Verdict, _>(Fault::Missing));
            self.0.check(entry, request)
        }
    }
    let policies = Box::new(Forgetful(oracle(&check("(call $abstain)"))));
    let records = ask(&mut gate(policies, &json!([{ "name": POLICY }])), 1);
    assert_eq!(records[0][0].verdict, "abstain");
}

#[test]
fn a_component_that_is_no_policy_is_refused() {
    let mut oracle = oracle(&check("(call $abstain)"));
    let mut add = |name: &str, bytes: &[u8]| oracle.add(name, bytes).unwrap_err();
    let text = |wat: &str| wat::parse_str(wat).unwrap();

    assert!(matches!(add(POLICY, &counter()), OracleError::Duplicate(name) if name == POLICY));
    assert!(matches!(add("noise", b"\0asm"), OracleError::Compile { .. }));
    assert!(matches!(add("module", &text("(module)")), OracleError::Compile { .. }));
    assert!(matches!(add("empty", &text("(component)")), OracleError::Contract { .. }));
    let clock = text(
        r#"(component (import "wasi:clocks/monotonic-clock@0.2.0" (instance
        (export "now" (func (result u64))))))"#,
    );
    let error = add("clock", &clock);
    assert!(
        matches!(&error, OracleError::Import { import, .. } if import == "wasi:clocks/monotonic-clock@0.2.0"),
        "{error}"
    );
    let other_type = text(
        r#"(component (import "mandate:policy/log@0.1.0" (instance
        (export "log" (func (param "message" string))))))"#,
    );
    assert!(matches!(add("other-log", &other_type), OracleError::Contract { .. }));
    assert_eq!(oracle.linked().len(), 1, "none of them was taken");
}

#[test]
fn a_policy_is_known_by_the_digest_of_its_component() {
    use sha2::Digest as _;
    let bytes = component(
        r#"(module (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (unreachable))
            (func (export "describe") (result i32) (unreachable))
            (func (export "configure") (param i32 i32) (result i32) (unreachable))
            (func (export "check") (param i32) (result i32) (unreachable)))"#,
    );
    let digest: String = sha2::Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    let linked = oracle(&bytes).linked().to_vec();
    assert_eq!(linked, [LinkedPolicy { name: POLICY.to_owned(), sha256: digest }]);
}
