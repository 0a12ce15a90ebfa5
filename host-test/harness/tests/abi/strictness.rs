//! What no correct filter does.

use mandate_harness::{HarnessError, HostCall, Outcome, Request, Violation};

use crate::support::{filter, on_headers};

/// Runs the code on the headers of a request and returns the violation that ended it.
fn violation(code: &str) -> Violation {
    let mut vm = filter(&on_headers(code, 0)).vm().start().unwrap();
    let error = vm.send(Request::get("/").body("b")).unwrap_err();
    let HarnessError::Violation(violation) = error else { panic!("{error}") };
    assert_eq!(vm.violations(), std::slice::from_ref(&violation));
    assert!(vm.dead().is_some());
    assert!(matches!(vm.send(Request::get("/")).unwrap().outcome, Outcome::Trapped { .. }));
    violation
}

#[test]
fn a_call_that_nothing_needs_is_a_violation() {
    let violation = violation("(drop (call $dequeue (i32.const 1) (i32.const 16) (i32.const 20)))");
    assert_eq!(violation.call, HostCall::DequeueSharedQueue);
    assert_eq!((violation.callback, violation.context), ("proxy_on_request_headers", 2));
}

#[test]
fn pointers_outside_of_memory_are_violations() {
    violation("(drop (call $log (i32.const 2) (i32.const 0x7fffffff) (i32.const 1)))");
    violation("(drop (call $log (i32.const 2) (i32.const 1024) (i32.const -1)))");
    violation(r#"(drop (call $get (i32.const 0) $":path" (i32.const 262142) (i32.const 20)))"#);
    violation("(drop (call $random (i32.const 262140) (i32.const 5)))");
}

#[test]
fn maps_and_buffers_out_of_season_are_violations() {
    for map in [1, 2, 3, 4, 5, 6, 7, 8] {
        violation(&format!("(drop (call $get_pairs (i32.const {map}) (i32.const 16) (i32.const 20)))"));
        violation(&format!(r#"(drop (call $add (i32.const {map}) $"a" $"b"))"#));
    }
    for buffer in [0, 1, 2, 3, 4, 5, 7, 8, 9] {
        violation(&format!(
            "(drop (call $get_buffer (i32.const {buffer}) (i32.const 0) (i32.const 9) (i32.const 16) (i32.const 20)))"
        ));
    }
    violation(r#"(drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) $"x"))"#);
}

#[test]
fn headers_that_were_let_pass_can_be_neither_read_nor_changed() {
    for code in [
        r#"(drop (call $get (i32.const 0) $":path" (i32.const 16) (i32.const 20)))"#,
        r#"(drop (call $remove (i32.const 0) $"authorization"))"#,
    ] {
        let body = format!(
            r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {code} (i32.const 0))"#
        );
        let mut vm = filter(&body).vm().start().unwrap();
        let error = vm.send(Request::get("/").body("b")).unwrap_err();
        assert!(matches!(error, HarnessError::Violation(_)), "{error}");
    }
}

#[test]
fn malformed_fields_are_violations() {
    violation(r#"(drop (call $add (i32.const 0) $"x\20y" $"v"))"#);
    violation(r#"(drop (call $add (i32.const 0) $"" $"v"))"#);
    violation(r#"(drop (call $replace (i32.const 0) $"x" $"a\0d\0aSet-Cookie:\20b"))"#);
    violation(r#"(drop (call $remove (i32.const 0) $":path"))"#);
    violation(r#"(drop (call $get (i32.const 0) $"\ff" (i32.const 16) (i32.const 20)))"#);
    violation(r#"(drop (call $set_pairs (i32.const 0) $"\01\00\00\00"))"#);
    violation(r#"(drop (call $set_pairs (i32.const 0) $""))"#);
}

#[test]
fn metrics_that_were_never_defined_are_violations() {
    violation("(drop (call $increment (i32.const 1) (i64.const 1)))");
    violation("(drop (call $record (i32.const 0) (i64.const 1)))");
    violation("(drop (call $metric (i32.const 7) (i32.const 24)))");
    violation(r#"(drop (call $define (i32.const 3) $"m" (i32.const 24)))"#);
    violation(
        r#"(drop (call $define (i32.const 0) $"m" (i32.const 24)))
           (drop (call $increment (call $number) (i64.const -1)))"#,
    );
}

#[test]
fn answering_and_resuming_at_the_wrong_time_are_violations() {
    violation("(drop (call $continue (i32.const 0)))");
    violation("(drop (call $continue (i32.const 1)))");
    violation("(drop (call $close (i32.const 2)))");
    violation(r#"(call $deny (i32.const 99) $"")"#);
    violation(r#"(call $deny (i32.const 403) $"") (call $deny (i32.const 200) $"")"#);
    violation(r#"(drop (call $as (i32.const 1))) (call $deny (i32.const 403) $"")"#);
}

#[test]
fn a_property_path_of_several_segments_cannot_be_set() {
    let violation = violation(r#"(drop (call $set_property $"mandate\00decision" $"deny"))"#);
    assert!(violation.what.contains("NUL"), "{violation}");
}

#[test]
fn a_lenient_host_records_and_answers_as_envoy_would() {
    let code = r#"(call $note (call $dequeue (i32.const 1) (i32.const 16) (i32.const 20)))"#;
    let mut vm = filter(&on_headers(code, 0)).vm().strict(false).start().unwrap();
    let exchange = vm.send(Request::get("/")).unwrap();
    assert_eq!(exchange.property("status"), Some("12"));
    assert!(exchange.outcome.forwarded().is_some());
    assert_eq!(vm.violations().len(), 1);
}

#[test]
fn a_violation_at_the_start_fails_the_start() {
    let code = r#"(func (export "_initialize") (drop (call $log (i32.const 9) $"x")))"#;
    let filter = filter(code);
    assert!(matches!(filter.vm().start(), Err(HarnessError::Violation(_))));
    assert!(matches!(filter.vm().start_or_dead(), Err(HarnessError::Violation(_))));
}
