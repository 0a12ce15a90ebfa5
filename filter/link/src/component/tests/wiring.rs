//! Components of the right world whose core modules cannot be linked.

use super::{
    super::read,
    fixtures::{by_hand, component_with_adapter, edit},
};
use crate::refusal::{ImportProblem, Refusal, Wiring};

/// What is said about the wiring of the component made by hand, with edits.
fn wiring(edits: &[(&str, &str)]) -> Wiring {
    match read(&by_hand(edits)).unwrap_err() {
        Refusal::Wiring(wiring) => wiring,
        other => panic!("refused for another reason: {other:?}"),
    }
}

fn import(name: &str, problem: ImportProblem) -> Wiring {
    Wiring::Import { module: "host".into(), name: name.into(), problem }
}

#[test]
fn what_the_linker_does_not_know_at_all_is_refused() {
    for (instead, words) in [
        ("(component)", "within itself"),
        ("(instance)", "within itself"),
        ("(type $own (resource (rep i32))) (core func (canon resource.new $own))", "canonical function"),
        ("(core module $more) (alias outer 0 $more (core module))", "an alias"),
    ] {
        let refusal = wiring(&[("  (core module $policy", &format!("{instead} (core module $policy"))]);
        assert!(matches!(refusal, Wiring::Unsupported(what) if what.contains(words)), "{refusal:?}");
    }
}

#[test]
fn a_function_that_is_lifted_and_lowered_again_is_refused() {
    let refusal = wiring(&[(
        "(core func $path (canon lower (func $path)",
        r#"(func $again (param "self" (borrow $resource)) (result string)
                 (canon lift (core func $policy "check") (memory $memory)))
               (core func $path (canon lower (func $again)"#,
    )]);
    assert!(matches!(refusal, Wiring::Unsupported(what) if what.contains("lowered again")), "{refusal:?}");
}

#[test]
fn strings_that_are_not_utf8_are_refused() {
    for (encoding, words) in [("utf16", "UTF-16"), ("latin1+utf16", "Latin-1")] {
        let lowered = wiring(&[("string-encoding=utf8", &format!("string-encoding={encoding}"))]);
        let Wiring::CanonicalOption { function, option } = lowered else { panic!("{lowered:?}") };
        assert_eq!(function, "[method]request.path");
        assert!(option.contains(words), "{option}");

        let lift = "(canon lift (core func $configure')";
        let lifted = wiring(&[(lift, &format!("{lift} string-encoding={encoding}"))]);
        assert!(matches!(lifted, Wiring::CanonicalOption { function, .. } if function == "configure"));
    }
}

#[test]
fn a_second_module_with_code_or_state_is_refused() {
    let shim = "(core module $shim\n";
    for (more, words) in [
        ("(func unreachable)", "code"),
        ("(func (param i32 i32) local.get 1 local.get 0 i32.const 0 call_indirect (param i32 i32))", "code"),
        ("(func (param i32) (result i32) local.get 0 i32.const 0 call_indirect)", "code"),
        ("(func (param i32) local.get 0 i32.const 0 call_indirect (param i32) nop)", "code"),
        ("(func (param i32) local.get 0 i32.const -1 call_indirect (param i32))", "code"),
        ("(memory 1)", "a memory"),
        ("(global i32 (i32.const 0))", "globals"),
        ("(data \"\")", "data"),
    ] {
        let refusal = wiring(&[(shim, &format!("{shim}{more}\n"))]);
        assert!(
            matches!(refusal, Wiring::SecondModule { module: 1, what } if what.contains(words)),
            "{more}: {refusal:?}"
        );
        assert!(refusal.to_string().contains("`wasm32-unknown-unknown`"), "{refusal}");
    }
    let refusal = wiring(&[(
        "(import \"policy\" \"begin\" (func $begin))",
        "(import \"policy\" \"begin\" (func $begin)) (import \"policy\" \"memory\" (memory 1))",
    )]);
    assert!(matches!(refusal, Wiring::SecondModule { module: 2, .. }), "{refusal:?}");
}

#[test]
fn an_adapter_of_another_target_is_refused() {
    let adapter = "(module (global $calls (mut i32) (i32.const 0)) (func (export \"f\") i32.const 1 global.set $calls))";
    for adapter in [adapter, "(module (func (export \"f\") unreachable))"] {
        let refusal = read(&component_with_adapter(adapter)).unwrap_err();
        assert!(matches!(refusal, Refusal::Wiring(Wiring::SecondModule { .. })), "{refusal:?}");
        assert!(refusal.to_string().contains("a target without an adapter"), "{refusal}");
    }
}

#[test]
fn every_module_is_instantiated_once() {
    let idle = wiring(&[("  (core instance $shim ", "(core module $idle) (core instance $shim ")]);
    assert_eq!(idle, Wiring::Instances { module: 3, times: 0 });
    let again = "(core instance (instantiate $policy (with \"host\" (instance $host))))";
    let twice = wiring(&[(
        "(alias core export $policy \"memory\"",
        &format!("{again} (alias core export $policy \"memory\""),
    )]);
    assert_eq!(twice, Wiring::Instances { module: 0, times: 2 });
}

#[test]
fn exports_of_two_instances_are_refused() {
    let refusal = wiring(&[(
        "  (alias core export $policy \"check\" (core func $check'))",
        r#"
            (core module $other (func (export "check") (param i32) (result i32) unreachable))
            (core instance $other (instantiate $other))
            (alias core export $other "check" (core func $check'))"#,
    )]);
    assert_eq!(refusal, Wiring::SeveralPolicies { export: "check".into() });
}

#[test]
fn an_export_that_is_no_code_of_the_policy_is_refused() {
    // A function of the contract, passed off as the policy's.
    let passed_on = wiring(&[("(canon lift (core func $check')", "(canon lift (core func $depth)")]);
    assert_eq!(passed_on, Wiring::NotCode { function: "check".into() });
    // The same, by the policy itself.
    let exported = wiring(&[
        (
            "(import \"host\" \"depth\" (func (param i32) (result i32)))",
            "(import \"host\" \"depth\" (func $depth (param i32) (result i32)))",
        ),
        (
            "(func (export \"check\") (param i32) (result i32) unreachable)",
            "(export \"check\" (func $depth))",
        ),
    ]);
    assert_eq!(exported, Wiring::NotCode { function: "check".into() });
    let after = wiring(&[("(post-return $after)", "(post-return $drop)")]);
    assert_eq!(after, Wiring::NotCode { function: "check".into() });
}

#[test]
fn a_policy_has_memory_and_tables_of_its_own() {
    for (kind, memory, import, lent) in [
        (
            "a table",
            "(memory (export \"memory\") 1)",
            "(table 1 funcref)",
            "(table (export \"it\") 1 funcref)",
        ),
        (
            "a global",
            "(memory (export \"memory\") 1)",
            "(global i32)",
            "(global (export \"it\") i32 (i32.const 0))",
        ),
        ("a memory", "(export \"memory\" (memory 0))", "(memory 1)", "(memory (export \"it\") 1)"),
    ] {
        let lender = format!(
            "(core module $lender {lent}) (core instance $lender (instantiate $lender)) \
             (core instance $policy (instantiate $policy (with \"lender\" (instance $lender))"
        );
        let refusal = wiring(&[
            ("(core module $policy", &format!("(core module $policy (import \"lender\" \"it\" {import})")),
            ("(memory (export \"memory\") 1)", memory),
            ("(core instance $policy (instantiate $policy", &lender),
        ]);
        assert_eq!(refusal, Wiring::SharedState { kind, module: "lender".into(), name: "it".into() });
    }
}

#[test]
fn an_import_that_leads_to_other_code_is_refused() {
    let refusal = wiring(&[
        ("(core module $shim\n", "(core module $shim (func $idle (export \"idle\")) (start $idle)\n"),
        (
            "(core func $drop (canon",
            "(alias core export $shim \"idle\" (core func $idle)) (core func $drop (canon",
        ),
        ("(export \"drop\" (func $drop))", "(export \"drop\" (func $idle))"),
        ("(import \"host\" \"drop\" (func (param i32)))", "(import \"host\" \"drop\" (func))"),
    ]);
    assert_eq!(refusal, import("drop", ImportProblem::Code));
    assert!(refusal.to_string().contains("`host` `drop`"), "{refusal}");
}

#[test]
fn an_import_that_leads_back_to_the_policy_is_refused() {
    let refusal = wiring(&[
        (
            "(core instance $lowered (export \"path\" (func $path)))",
            "(core instance $lowered (export \"path\" (func $itself)))",
        ),
        (
            "(alias core export $policy \"after\"",
            "(alias core export $policy \"itself\" (core func $itself)) (alias core export $policy \"after\"",
        ),
        ("(func (export \"begin\"))", "(func (export \"begin\")) (func (export \"itself\") (param i32 i32))"),
    ]);
    assert_eq!(refusal, import("path", ImportProblem::Itself));
}

#[test]
fn an_import_that_leads_to_an_empty_slot_is_refused() {
    let refusal = wiring(&[("(elem (i32.const 0) func $path)", "")]);
    assert_eq!(refusal, import("path", ImportProblem::EmptySlot(0)));
}

#[test]
fn dropping_another_resource_is_refused() {
    let refusal = wiring(&[(
        "(core func $drop (canon resource.drop $resource))",
        "(type $own (resource (rep i32))) (core func $drop (canon resource.drop $own))",
    )]);
    assert_eq!(refusal, import("drop", ImportProblem::OtherResource));
}

#[test]
fn a_call_through_a_table_with_another_signature_is_refused() {
    // At run time it would trap.
    let refusal = wiring(&[
        ("(type $path (func (param i32 i32)))\n    (table", "(type $path (func (param i32)))\n    (table"),
        ("(type $path) local.get 0 local.get 1", "(type $path) local.get 0"),
        (
            "(import \"host\" \"path\" (func (param i32 i32)))",
            "(import \"host\" \"path\" (func (param i32)))",
        ),
    ]);
    assert_eq!(refusal, import("path", ImportProblem::Signature));
}

#[test]
fn lifts_and_lowers_share_one_memory_and_one_allocator() {
    let second = "(alias core export $policy \"realloc2\" (core func $realloc2)) (alias export $request \"[method]request.path\"";
    let realloc = "(func (export \"realloc\") (param i32 i32 i32 i32) (result i32) unreachable)";
    let refusal = wiring(&[
        (realloc, &format!("{realloc} {}", edit(realloc, "realloc", "realloc2"))),
        ("(alias export $request \"[method]request.path\"", second),
        ("(realloc $realloc) string", "(realloc $realloc2) string"),
    ]);
    assert_eq!(refusal, Wiring::SharedAbi { function: "[method]request.path".into(), what: "a `realloc`" });

    let lender = "(core module $lender (memory (export \"memory\") 1)) (core instance $lender (instantiate $lender)) \
                  (alias core export $lender \"memory\" (core memory $memory))";
    let refusal = wiring(&[("(alias core export $policy \"memory\" (core memory $memory))", lender)]);
    assert_eq!(refusal, Wiring::SharedAbi { function: "describe".into(), what: "a memory" });
}

#[test]
fn one_allocator_may_have_two_names() {
    let realloc = "(func (export \"realloc\") (param";
    let component = by_hand(&[
        (realloc, "(func (export \"realloc\") (export \"realloc2\") (param"),
        (
            "(alias export $request \"[method]request.path\"",
            "(alias core export $policy \"realloc2\" (core func $realloc2)) (alias export $request \"[method]request.path\"",
        ),
        ("(realloc $realloc) string", "(realloc $realloc2) string"),
    ]);
    assert_eq!(read(&component).unwrap().exports.realloc, "realloc");
}

#[test]
fn tables_are_filled_once_within_bounds_and_by_constants() {
    let filling = "(elem (i32.const 0) func $path)";
    for (instead, words) in [
        ("(elem (i32.const 0) func $path) (elem (i32.const 0) func $path)", "twice"),
        ("(elem (i32.const 1) func $path)", "beyond its end"),
        ("(elem (i32.const -1) func $path)", "constant offset"),
        ("(elem (i32.const 0) func $path $path)", "beyond its end"),
        ("(elem (i32.add (i32.const 0) (i32.const 0)) func $path)", "constant offset"),
        ("(elem func $path)", "active segment"),
        ("(elem declare func $path)", "active segment"),
        ("(elem (i32.const 0) funcref (ref.null func))", "active segment"),
    ] {
        let refusal = wiring(&[(filling, instead)]);
        assert!(
            matches!(refusal, Wiring::Table { module: 2, what } if what.contains(words)),
            "{instead}: {refusal:?}"
        );
    }
}

#[test]
fn the_table_of_the_policy_is_its_own() {
    let refusal = wiring(&[("(import \"shim\" \"table\"", "(import \"policy\" \"table\"")]);
    assert_eq!(refusal, Wiring::Table { module: 2, what: "the table belongs to the policy" });
}

#[test]
fn a_start_function_that_does_more_than_call_the_policy_is_refused() {
    let begin = "(import \"policy\" \"begin\" (func $begin))";
    for edits in [
        // Code of its own.
        vec![("(start $begin)", "(func $more call $begin nop) (start $more)")],
        vec![("(start $begin)", "(func $more i32.const 0 call_indirect) (start $more)")],
        // A call of something else.
        vec![
            (begin, "(import \"shim\" \"idle\" (func $begin))"),
            ("(core module $shim\n", "(core module $shim (func $idle (export \"idle\")) (start $idle)\n"),
        ],
    ] {
        assert_eq!(wiring(&edits), Wiring::Start { module: 2 }, "{edits:?}");
    }
}

#[test]
fn calls_that_go_in_circles_come_to_an_end() {
    // The slot of the table holds the very function that calls through it.
    let refusal = wiring(&[(
        "(core instance $lowered (export \"path\" (func $path)))",
        "(core instance $lowered (export \"path\" (func $through-table)))",
    )]);
    assert!(matches!(refusal, Wiring::TooLong { .. }), "{refusal:?}");
}

#[test]
fn endless_chains_of_instances_are_refused() {
    let (mut chain, mut last) = (String::new(), "$drop".to_owned());
    for link in 0..100 {
        chain += &format!(
            "(core instance $chain{link} (export \"f\" (func {last}))) \
             (alias core export $chain{link} \"f\" (core func $f{link}))"
        );
        last = format!("$f{link}");
    }
    let host = "(core instance $host";
    let refusal = wiring(&[
        (host, &format!("{chain} {host}")),
        ("(export \"drop\" (func $drop))", &format!("(export \"drop\" (func {last}))")),
    ]);
    assert!(matches!(refusal, Wiring::TooLong { .. }), "{refusal:?}");
}
