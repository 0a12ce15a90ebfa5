//! A policy that fails denies, and says how it failed.

use super::guests::{Guest, check, check_with};
use super::{POLICY, ask_with, fault, oracle, verdict};
use mandate_host::cases::{CaseVerdict, Subject};

/// Every body fails in the same way.
fn all_fail(kind: &str, bodies: &[&str]) {
    for body in bodies {
        assert_eq!(verdict(&check(body)), fault(kind), "{body}");
    }
}

#[test]
fn what_cannot_be_carried_out_is_a_trap() {
    all_fail(
        "trap",
        &[
            "(unreachable)",
            "(i32.div_s (i32.const 1) (i32.const 0))",
            "(i32.load (i32.const 65533))",
            "(i32.trunc_f32_s (f32.const nan))",
        ],
    );
    assert_eq!(
        verdict(&check_with(
            "(table 1 funcref) (type $f (func (result i32)))",
            "(call_indirect (type $f) (i32.const 0))"
        )),
        fault("trap")
    );
}

#[test]
fn an_exception_that_nobody_catches_is_a_trap() {
    assert_eq!(verdict(&check_with("(tag $oops)", "(throw $oops)")), fault("trap"));
}

#[test]
fn a_trap_after_the_answer_is_still_a_trap() {
    let component =
        check_with(r#"(func (export "cabi_post_check") (param i32) (unreachable))"#, "(call $abstain)");
    assert_eq!(verdict(&component), fault("trap"));
}

#[test]
fn only_configure_and_check_themselves_may_ask() {
    let log = "(call $log (i32.const 1) (i32.const 0) (i32.const 0))";
    let post_return = format!(r#"(func (export "cabi_post_check") (param i32) {log})"#);
    assert_eq!(verdict(&check_with(&post_return, "(call $abstain)")), fault("trap"));
    let realloc = format!("(if (global.get $asking) (then {log})) (i32.const 2048)");
    let component = |asking| {
        let check = format!(
            "(global.set $asking (i32.const {asking}))
            (call $path (local.get $request) (i32.const 512)) (call $abstain)"
        );
        let fields = "(global $asking (mut i32) (i32.const 0))";
        Guest { fields, check: &check, realloc: &realloc, ..Guest::default() }.component()
    };
    assert_eq!(verdict(&component(0)), (CaseVerdict::Abstain, None));
    assert_eq!(verdict(&component(1)), fault("trap"));
}

#[test]
fn a_policy_without_an_end_runs_out_of_fuel() {
    assert_eq!(verdict(&check("(loop (br 0)) (unreachable)")), fault("fuel"));
}

#[test]
fn the_limits_of_the_entry_bound_one_call() {
    let component = check(
        "(local.set $answer (i32.const 1000000))
        (loop $turns
            (local.set $answer (i32.sub (local.get $answer) (i32.const 1)))
            (br_if $turns (local.get $answer)))
        (call $abstain)",
    );
    let mut subject = Subject::new(POLICY);
    let mut with = |fuel| {
        subject.limits.fuel = fuel;
        ask_with(&oracle(&component), &subject, "").unwrap().verdict
    };
    assert_eq!((with(1_000_000), with(1_000)), (CaseVerdict::Abstain, CaseVerdict::Fault));
}

#[test]
fn a_recursion_without_an_end_runs_out_of_stack() {
    let recursion = "(func $down (param i32) (result i32)
        (i32.add (local.get 0) (call $down (i32.add (local.get 0) (i32.const 1)))))";
    assert_eq!(verdict(&check_with(recursion, "(call $down (i32.const 0))")), fault("stack"));
}

#[test]
fn who_is_refused_memory_and_gives_up_ran_out_of_memory() {
    let give_up =
        "(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable))) (call $abstain)";
    assert_eq!(verdict(&check(give_up)), fault("memory"));
    // One page is there from the start, and sixteen make the budget.
    let fits = give_up.replace("16", "15");
    assert_eq!(verdict(&check(&fits)), (CaseVerdict::Abstain, None));
}

#[test]
fn who_is_refused_memory_and_copes_is_heard() {
    let component = check_with(
        r#"(data (i32.const 1024) "full")"#,
        "(drop (memory.grow (i32.const 16))) (call $deny (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 0))",
    );
    assert_eq!(verdict(&component), (CaseVerdict::Deny, Some("full".to_owned())));
}

#[test]
fn a_refusal_of_memory_excuses_no_other_fault() {
    let refused = "(drop (memory.grow (i32.const 16)))";
    assert_eq!(verdict(&check(&format!("{refused} (loop (br 0)) (unreachable)"))), fault("fuel"));
    assert_eq!(verdict(&check(&format!("{refused} (i32.const 65536)"))), fault("malformed"));
    // What `configure` was refused is forgotten.
    let component = Guest {
        configure: "(drop (memory.grow (i32.const 16))) (call $accept)",
        check: "(unreachable)",
        ..Guest::default()
    };
    assert_eq!(verdict(&component.component()), fault("trap"));
}

#[test]
fn an_answer_within_its_budget_is_heard_and_one_byte_more_is_not() {
    let data = r#"(data (i32.const 1024) "c") (func $fill
        (memory.fill (i32.const 2048) (i32.const 0x61) (i32.const 8192)))"#;
    let denial = |message: u32| {
        check_with(
            data,
            &format!(
                "(call $fill) (call $deny (i32.const 1024) (i32.const 1) (i32.const 2048) (i32.const {message}))"
            ),
        )
    };
    assert_eq!(verdict(&denial(4095)), (CaseVerdict::Deny, Some("c".to_owned())));
    assert_eq!(verdict(&denial(4096)), fault("output"));

    let mut subject = Subject::new(POLICY);
    subject.limits.output_bytes = 8;
    let within = |message| ask_with(&oracle(&denial(message)), &subject, "").unwrap().verdict;
    assert_eq!((within(7), within(8)), (CaseVerdict::Deny, CaseVerdict::Fault));
}

#[test]
fn a_long_list_of_nothing_is_too_large() {
    // Within the bounds, they are still no obligations. Each takes sixteen bytes of the budget.
    let list = |len: u32| check(&format!("(call $allow (i32.const 4096) (i32.const {len}))"));
    assert_eq!(verdict(&list(64)), fault("malformed"));
    assert_eq!(verdict(&list(65)), fault("output"));
    assert_eq!(verdict(&list(257)), fault("output"));
}

#[test]
fn text_that_is_handed_over_is_bounded() {
    let ask = |question: &str, len: u32| {
        let check = format!("{} (call $abstain)", question.replace("LEN", &len.to_string()));
        verdict(&Guest { check: &check, pages: 2, ..Guest::default() }.component())
    };
    for question in [
        "(call $log (i32.const 1) (i32.const 1024) (i32.const LEN))",
        "(drop (call $has-scope (local.get $request) (i32.const 1024) (i32.const LEN)))",
        "(call $header (local.get $request) (i32.const 1024) (i32.const LEN) (i32.const 512))",
        "(call $claim (local.get $request) (i32.const 1024) (i32.const LEN) (i32.const 512))",
        "(call $argument (local.get $request) (i32.const 1024) (i32.const LEN) (i32.const 512))",
        "(call $header-values (local.get $request) (i32.const 1024) (i32.const LEN) (i32.const 512))",
        "(call $claim-json (local.get $request) (i32.const 1024) (i32.const LEN) (i32.const 512))",
    ] {
        assert_eq!(ask(question, 65536), (CaseVerdict::Abstain, None), "{question}");
        assert_eq!(ask(question, 65537), fault("output"), "{question}");
    }
}

#[test]
fn text_must_be_utf_8() {
    let component = |len: u32| {
        check_with(
            r#"(data (i32.const 1024) "c") (data (i32.const 2048) "good\c3")"#,
            &format!("(call $deny (i32.const 1024) (i32.const 1) (i32.const 2048) (i32.const {len}))"),
        )
    };
    assert_eq!(verdict(&component(4)), (CaseVerdict::Deny, Some("c".to_owned())));
    assert_eq!(verdict(&component(5)), fault("malformed"));
    all_fail(
        "malformed",
        &["(i32.store8 (i32.const 512) (i32.const 0xff))
        (call $log (i32.const 1) (i32.const 512) (i32.const 1)) (call $abstain)"],
    );
}

#[test]
fn a_pointer_must_lead_into_memory_and_be_aligned() {
    all_fail(
        "malformed",
        &[
            // The answer itself: beyond the end, half beyond it, and askew.
            "(i32.const 65536)",
            "(i32.const 65520)",
            "(i32.const -4)",
            "(drop (call $abstain)) (i32.const 18)",
            // A string and a list of it.
            "(call $deny (i32.const 65536) (i32.const 1) (i32.const 0) (i32.const 0))",
            "(call $deny (i32.const -8) (i32.const 16) (i32.const 0) (i32.const 0))",
            "(call $allow (i32.const 65536) (i32.const 1))",
            "(call $allow (i32.const 1026) (i32.const 1))",
            // What is asked, and where the answer shall go.
            "(call $header (local.get $request) (i32.const 65536) (i32.const 1) (i32.const 512)) (call $abstain)",
            "(call $method (local.get $request) (i32.const 65532)) (call $abstain)",
            "(call $method (local.get $request) (i32.const 514)) (call $abstain)",
            "(call $action (local.get $request) (i32.const 65504)) (call $abstain)",
            "(call $argument (local.get $request) (i32.const 65536) (i32.const 1) (i32.const 512)) (call $abstain)",
            "(call $argument (local.get $request) (i32.const 0) (i32.const 1) (i32.const 516)) (call $abstain)",
            "(call $header-names (local.get $request) (i32.const 65532)) (call $abstain)",
        ],
    );
}

#[test]
fn an_allocator_must_find_room() {
    let ask = |realloc: &str| {
        let check = "(call $method (local.get $request) (i32.const 512)) (call $abstain)";
        let configure = "(global.set $configured (i32.const 1)) (call $accept)";
        // The settings need room too.
        let realloc =
            format!("(if (result i32) (global.get $configured) (then {realloc}) (else (i32.const 2048)))");
        let fields = "(global $configured (mut i32) (i32.const 0))";
        verdict(&Guest { fields, configure, check, realloc: &realloc, ..Guest::default() }.component())
    };
    assert_eq!(ask("(i32.const 4096)"), (CaseVerdict::Abstain, None));
    assert_eq!(ask("(i32.const 65536)"), fault("malformed"));
    assert_eq!(ask("(unreachable)"), fault("trap"));
}

#[test]
fn a_case_must_be_one_of_the_type() {
    assert_eq!(
        verdict(&check("(i32.store8 (i32.const 16) (i32.const 2)) (i32.const 16)")).0,
        CaseVerdict::Abstain
    );
    all_fail(
        "malformed",
        &[
            "(i32.store8 (i32.const 16) (i32.const 3)) (i32.const 16)",
            "(i32.store8 (i32.const 1024) (i32.const 2)) (call $allow (i32.const 1024) (i32.const 1))",
            "(call $log (i32.const 3) (i32.const 1024) (i32.const 1)) (call $abstain)",
        ],
    );
}

#[test]
fn the_request_must_be_given_back_once() {
    let kept = Guest { returns: false, ..Guest::default() }.component();
    assert_eq!(verdict(&kept), fault("malformed"));
    all_fail("malformed", &["(call $drop (local.get $request)) (call $abstain)"]);
}

#[test]
fn a_request_is_asked_by_the_handle_that_was_lent() {
    all_fail(
        "malformed",
        &[
            "(drop (call $depth (i32.const 77))) (call $abstain)",
            "(drop (call $depth (i32.const 0))) (call $abstain)",
            "(call $drop (i32.add (local.get $request) (i32.const 1))) (call $abstain)",
        ],
    );
    // After it was given back.
    let check = "(call $drop (local.get $request)) (drop (call $depth (local.get $request))) (call $abstain)";
    assert_eq!(verdict(&Guest { check, returns: false, ..Guest::default() }.component()), fault("malformed"));
}

#[test]
fn an_answer_that_no_request_can_carry_is_malformed() {
    let code = |code: &str| {
        let len = code.len();
        check_with(
            &format!(r#"(data (i32.const 1024) "{code}")"#),
            &format!("(call $deny (i32.const 1024) (i32.const {len}) (i32.const 0) (i32.const 0))"),
        )
    };
    assert_eq!(verdict(&code("no-way_1")), (CaseVerdict::Deny, Some("no-way_1".to_owned())));
    assert_eq!(verdict(&code("No")), fault("malformed"));
}
