//! `configure` takes the settings, refuses them, or fails.

use super::guests::Guest;
use super::{POLICY, ask, ask_with, oracle};
use mandate_host::cases::{CaseVerdict, Refusal, Subject};

/// Two problems: `/tools` with a message, and the whole with none.
const PROBLEMS: &str = r#"
    (data (i32.const 1024) "/toolsmust be a list")
    (data (i32.const 2048)
        "\00\04\00\00" "\06\00\00\00" "\06\04\00\00" "\0e\00\00\00"
        "\00\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\00\00")"#;

fn refused(configure: &str) -> Vec<Refusal> {
    let guest = Guest { fields: PROBLEMS, configure, ..Guest::default() };
    let outcome = ask(&guest.component(), "");
    assert_eq!(outcome.verdict, CaseVerdict::Refused, "{outcome:?}");
    outcome.refused
}

fn refusal(pointer: &str, message: &str) -> Refusal {
    Refusal { pointer: pointer.to_owned(), message: message.to_owned() }
}

#[test]
fn problems_are_told_with_their_place() {
    assert_eq!(
        refused("(call $refuse (i32.const 2048) (i32.const 2))"),
        [refusal("/tools", "must be a list"), refusal("", "")]
    );
}

#[test]
fn of_many_problems_the_first_are_told() {
    assert_eq!(refused("(call $refuse (i32.const 4096) (i32.const 33))").len(), 32);
    assert_eq!(refused("(call $refuse (i32.const 4096) (i32.const 1024))").len(), 32);
    assert_eq!(
        refused("(call $refuse (i32.const 4096) (i32.const 1025))"),
        [refusal("", "the policy failed: output")]
    );
}

#[test]
fn a_refusal_without_a_problem_is_a_refusal() {
    assert_eq!(
        refused("(call $refuse (i32.const 0) (i32.const 0))"),
        [refusal("", "the policy refuses its settings and does not say why")]
    );
}

#[test]
fn who_fails_to_take_the_settings_refuses_them() {
    for (configure, fault) in [
        ("(unreachable)", "trap"),
        ("(loop (br 0)) (unreachable)", "fuel"),
        ("(i32.const 65536)", "malformed"),
        ("(i32.store8 (i32.const 64) (i32.const 2)) (i32.const 64)", "malformed"),
        (
            "(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable))) (call $accept)",
            "memory",
        ),
        // There is no request to ask about yet.
        ("(drop (call $depth (i32.const 1))) (call $accept)", "malformed"),
    ] {
        assert_eq!(refused(configure), [refusal("", &format!("the policy failed: {fault}"))], "{configure}");
    }
}

#[test]
fn a_policy_that_needs_more_memory_than_it_has_fails() {
    let failed = |pages| {
        let outcome = ask(&Guest { pages, ..Guest::default() }.component(), "");
        outcome.refused.into_iter().map(|r| r.message).next()
    };
    assert_eq!(failed(16), None);
    assert_eq!(failed(17).as_deref(), Some("the policy failed: memory"));

    let mut subject = Subject::new(POLICY);
    subject.limits.memory_bytes = 2 * 1024 * 1024;
    let component = Guest { pages: 17, ..Guest::default() }.component();
    assert_eq!(ask_with(&oracle(&component), &subject, "").unwrap().verdict, CaseVerdict::Abstain);
}

#[test]
fn a_start_function_that_traps_fails_the_configuration() {
    let component =
        Guest { fields: "(func $start (unreachable)) (start $start)", ..Guest::default() }.component();
    assert_eq!(ask(&component, "").refused, [refusal("", "the policy failed: trap")]);
}
