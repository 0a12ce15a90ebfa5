//! Components of earlier versions of the contract, and answers that are new: the same in the bundle and on the oracle.

use super::answers::{CHAIN, CURIOUS_SAYS, with_curious};
use super::guests::{Guest, check, check_with};
use super::{POLICY, key, oracle};
use mandate_harness::{Filter, Request};
use mandate_host::FILTER;
use mandate_host::cases::{CaseOutcome, CaseVerdict, Subject, Table, on_harness, on_oracle};
use mandate_host::filter_log::Entry;
use mandate_link::{Policy, Refusal, link};
use serde_json::{Value, json};

/// A component that the SDK of 0.1.0 made of the example `drift`.
const FIRST: &[u8] = include_bytes!("../fixtures/contract-0.1.0/drift.wasm");
/// Its table, as it was.
const FIRST_TABLE: &str = include_str!("../fixtures/contract-0.1.0/drift.yaml");

/// Components that the SDK of 0.1.1 made of examples, and their tables: one asks what came with 0.1.1, one has an obligation.
const SECOND: [(&[u8], &str); 2] = [
    (
        include_bytes!("../fixtures/contract-0.1.1/argument-limits.wasm"),
        include_str!("../fixtures/contract-0.1.1/argument-limits.yaml"),
    ),
    (
        include_bytes!("../fixtures/contract-0.1.1/production-writes.wasm"),
        include_str!("../fixtures/contract-0.1.1/production-writes.yaml"),
    ),
];

fn linked(component: &[u8]) -> Filter {
    Filter::compile(&link(FILTER, &[Policy { name: POLICY, component }]).unwrap()).unwrap()
}

/// What a policy says to each case of a table, which both engines must agree on.
fn outcomes(component: &[u8], table: &Table) -> Vec<CaseOutcome> {
    let subject = Subject::new(POLICY);
    let (filter, oracle) = (linked(component), oracle(component));
    let both = table.cases.iter().map(|case| {
        let linked = case.run(&subject, key(), &mut on_harness(&filter)).unwrap();
        assert_eq!(linked.differences(&case.expect), [""; 0], "{}", case.name);
        let linked = linked.unmetered();
        assert_eq!(case.run(&subject, key(), &mut on_oracle(&oracle)).unwrap(), linked, "{}", case.name);
        linked
    });
    both.collect()
}

#[test]
fn a_component_that_was_made_for_the_first_version_says_what_it_said() {
    let outcomes = outcomes(FIRST, &Table::parse(FIRST_TABLE).unwrap());
    for verdict in [CaseVerdict::Deny, CaseVerdict::Allow, CaseVerdict::Refused] {
        assert!(outcomes.iter().any(|outcome| outcome.verdict == verdict), "never {verdict}");
    }
}

#[test]
fn every_function_of_the_first_version_answers_what_it_answered() {
    let component = with_curious(|guest| guest.first_component());
    assert_ne!(component, with_curious(|guest| guest.component()));
    let case = format!("cases:\n  - name: all\n{CHAIN}\n    expect: {{ verdict: deny, code: seen }}");
    let [outcome] = &outcomes(&component, &Table::parse(&case).unwrap())[..] else { panic!() };
    assert_eq!(outcome.message.as_deref(), Some(CURIOUS_SAYS));
}

#[test]
fn a_component_that_was_made_for_the_second_version_says_what_it_said() {
    let mut obligations = 0;
    for (component, table) in SECOND {
        let outcomes = outcomes(component, &Table::parse(table).unwrap());
        for verdict in [CaseVerdict::Deny, CaseVerdict::Allow, CaseVerdict::Abstain, CaseVerdict::Refused] {
            assert!(outcomes.iter().any(|outcome| outcome.verdict == verdict), "never {verdict}");
        }
        obligations += outcomes.iter().map(|outcome| outcome.headers.len()).sum::<usize>();
    }
    assert!(obligations > 0);
}

/// Three elements of 20 bytes: a header, a field, and what is a wish for an approval since 0.1.2, and was nothing before.
const OBLIGATIONS: &str = r#"(data (i32.const 1024) "plangoldrule7")
    (data (i32.const 2048)
        "\00\00\00\00" "\00\04\00\00" "\04\00\00\00" "\04\04\00\00" "\04\00\00\00"
        "\01\00\00\00" "\08\04\00\00" "\04\00\00\00" "\0c\04\00\00" "\01\00\00\00"
        "\02\00\00\00" "\00\04\00\00" "\04\00\00\00" "\04\04\00\00" "\04\00\00\00")"#;

/// All in one bundle, so that each is held to the version that it was made for, and to no other's.
#[test]
fn an_obligation_that_a_version_does_not_have_is_malformed_and_the_others_lie_where_they_lay() {
    let guest = |check| Guest { fields: OBLIGATIONS, check, ..Guest::default() };
    let two = guest("(call $allow (i32.const 2048) (i32.const 2))");
    let three = guest("(call $allow (i32.const 2048) (i32.const 3))");
    let two_of_them = "{ verdict: allow, headers: { plan: gold }, audit: { rule: '7' } }";
    let malformed = "{ verdict: fault, code: malformed }";
    let all = "{ verdict: allow, headers: { plan: gold }, audit: { rule: '7' }, approve: [plan] }";
    let guests = [
        ("today-all", three.component(), all),
        ("first-two", two.first_component(), two_of_them),
        ("first-all", three.first_component(), malformed),
        ("today-two", two.component(), two_of_them),
        ("second-two", two.second_component(), two_of_them),
        ("second-all", three.second_component(), malformed),
    ];
    let mut policies: Vec<Policy<'_>> =
        guests.iter().map(|(name, component, _)| Policy { name, component }).collect();
    policies.insert(2, Policy { name: "drift", component: FIRST });
    let filter = Filter::compile(&link(FILTER, &policies).unwrap()).unwrap();
    for (name, component, expect) in &guests {
        let table = Table::parse(&format!("cases: [{{ name: a, expect: {expect} }}]")).unwrap();
        let case = &table.cases[0];
        let linked = case.run(&Subject::new(*name), key(), &mut on_harness(&filter)).unwrap();
        assert_eq!(linked.differences(&case.expect), [""; 0], "{name}");
        let unlinked = case.run(&Subject::new(POLICY), key(), &mut on_oracle(&oracle(component))).unwrap();
        assert_eq!(unlinked, linked.unmetered(), "{name}");
    }
}

/// In the proxy: what an approving policy wants is not there, so the request is denied.
#[test]
fn a_request_that_a_policy_wants_approved_does_not_reach_the_upstream() {
    let wants = check_with(OBLIGATIONS, "(call $allow (i32.const 2088) (i32.const 1))");
    let table = Table::parse("cases: [{ name: a, expect: { verdict: allow, approve: [plan] } }]").unwrap();
    let case = &table.cases[0];
    let mut configuration = case.configuration(&Subject::new(POLICY), key());
    let filter = linked(&wants);
    for (mode, reason) in [("enforce", Some("approval_required")), ("shadow", None)] {
        configuration["policies"][0]["mode"] = json!(mode);
        let vm = filter.vm().configuration(configuration.to_string()).now(1_790_000_000);
        let mut vm = vm.start().unwrap();
        let exchange = vm.send(case.request(key()).unwrap().to_request()).unwrap();
        assert_eq!(exchange.property("mandate.reason"), reason, "{mode}");
        assert_eq!(
            exchange.outcome.forwarded().is_some(),
            reason.is_none(),
            "{mode}: {:?}",
            exchange.outcome
        );
        let audit = vm.take_logs().iter().find_map(|line| Entry::of(&line.message).audit()).unwrap();
        let wish = json!([{ "approve": { "reason": "plan" } }]);
        assert_eq!(audit["policies"][0]["obligations"], wish, "{mode}");
    }
}

/// A component names what it was made for: an older linker refuses it, before it is in any proxy.
#[test]
fn a_component_of_a_later_version_is_refused_by_the_name_of_what_is_missing() {
    let mut component = check("(call $abstain)");
    while let Some(at) = component.windows(6).position(|bytes| bytes == b"@0.1.2") {
        component[at + 5] = b'3';
    }
    let error = link(FILTER, &[Policy { name: POLICY, component: &component }]).unwrap_err().to_string();
    assert!(
        error.contains("mandate:policy/") && error.contains("@0.1.3") && error.contains("0.1.2"),
        "{error}"
    );

    // With the old name of the interface, the function is what is missing.
    let text = wat::parse_str(
        r#"(component (import "mandate:policy/request@0.1.2" (instance
            (export "request" (type $request (sub resource)))
            (export "[method]request.body" (func (param "self" (borrow $request)) (result string))))))"#,
    );
    let refusal = mandate_link::check(&text.unwrap()).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::UnknownImport { item, .. } if item == "[method]request.body"),
        "{refusal}"
    );
}

/// A policy that asks for all arguments, though its memory may not have room for them.
fn greedy() -> Vec<u8> {
    let grow = "
        (local.set $at (global.get $next))
        (global.set $next (i32.add (local.get $at) (local.get $size)))
        (if (i32.gt_u (global.get $next) (i32.shl (memory.size) (i32.const 16))) (then
            (if (i32.eq (i32.const -1)
                    (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))
                (then (unreachable)))))
        (local.get $at)";
    let ask =
        "(call $arguments (local.get $request) (i32.const 512)) (call $allow (i32.const 0) (i32.const 0))";
    Guest { check: ask, realloc: grow, ..Guest::default() }.component()
}

#[test]
fn an_answer_that_its_memory_has_no_room_for_is_the_fault_of_one_policy() {
    let modest = check("(call $allow (i32.const 0) (i32.const 0))");
    let policies =
        [Policy { name: "greedy", component: &greedy() }, Policy { name: "modest", component: &modest }];
    let filter = Filter::compile(&link(FILTER, &policies).unwrap()).unwrap();
    let case = |bytes: usize| {
        let text = format!(
            "cases: [{{ name: a, action: {{ name: t, arguments: {{ a: {} }} }}, expect: {{ verdict: allow }} }}]",
            "x".repeat(bytes)
        );
        Table::parse(&text).unwrap().cases.remove(0)
    };
    let mut configuration = case(1).configuration(&Subject::new("greedy"), key());
    configuration["policies"] = json!([
        { "name": "greedy", "mode": "shadow", "limits": { "memory_bytes": 262_144 } },
        { "name": "modest", "limits": { "memory_bytes": 262_144 } },
    ]);
    configuration["routes"][0]["policies"] = json!(["greedy", "modest"]);
    let vm = filter.vm().configuration(configuration.to_string()).now(1_790_000_000);
    let mut vm = vm.allow_on_headers_stop_iteration(true).start().unwrap();
    let mut said = |bytes: usize| -> Vec<Value> {
        let request: Request = case(bytes).request(key()).unwrap().to_request();
        let exchange = vm.send(request).unwrap();
        assert!(exchange.outcome.forwarded().is_some(), "{bytes}: {:?}", exchange.outcome);
        let audit = vm.take_logs().iter().find_map(|line| Entry::of(&line.message).audit()).unwrap();
        audit["policies"].as_array().unwrap().iter().map(|one| json!([one["verdict"], one["code"]])).collect()
    };
    let allow = json!(["allow", null]);
    for _ in 0..2 {
        assert_eq!(said(400_000), [json!(["fault", "memory"]), allow.clone()]);
        assert_eq!(said(10), [allow.clone(), allow.clone()]);
    }
    // The oracle says the same.
    let mut subject = Subject::new(POLICY);
    subject.limits.memory_bytes = 262_144;
    let outcome = case(400_000).run(&subject, key(), &mut on_oracle(&oracle(&greedy()))).unwrap();
    assert_eq!((outcome.verdict, outcome.code.as_deref()), (CaseVerdict::Fault, Some("memory")));
}
