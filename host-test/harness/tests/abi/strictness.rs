//! What no correct filter does.

use mandate_harness::{HarnessError, HostCall, Outcome, Request, Response, Status, Violation};

use crate::support::{filter, on, on_headers};

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
fn a_violation_says_what_was_done_where_and_what_envoy_answers() {
    let violation = violation("(drop (call $done))");
    assert_eq!(violation.call, HostCall::Done);
    assert_eq!((violation.callback, violation.context), ("proxy_on_request_headers", 2));
    assert_eq!(violation.answer, Status::NotFound.code());
}

#[test]
fn a_context_that_never_was_is_a_violation() {
    violation("(drop (call $as (i32.const 77)))");
}

#[test]
fn pointers_outside_of_memory_are_violations() {
    violation("(drop (call $log (i32.const 2) (i32.const 0x7fffffff) (i32.const 1)))");
    violation("(drop (call $log (i32.const 2) (i32.const 1024) (i32.const -1)))");
    violation(r#"(drop (call $get (i32.const 0) $":path" (i32.const 262142) (i32.const 20)))"#);
    violation("(drop (call $random (i32.const 262140) (i32.const 5)))");
}

#[test]
fn maps_and_buffers_that_are_not_there_now_are_violations() {
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
    let violation = violation(r#"(drop (call $set_property $"module\00decision" $"deny"))"#);
    assert!(violation.what.contains("NUL"), "{violation}");
}

/// What Envoy answers to misuse, from its own source.
#[test]
fn a_lenient_host_records_and_answers_as_envoy_does() {
    use Status::{BadArgument, InvalidMemoryAccess, NotFound, Ok, Unimplemented};
    let read = |buffer: u32, start: u32| {
        format!(
            "(call $get_buffer (i32.const {buffer}) (i32.const {start}) (i32.const 9) (i32.const 16) (i32.const 20))"
        )
    };
    let table = [
        // A map that is not there has no fields, and no values.
        ("(call $get_pairs (i32.const 2) (i32.const 16) (i32.const 20))".to_owned(), Ok),
        (r#"(call $get (i32.const 2) $"a" (i32.const 16) (i32.const 20))"#.to_owned(), BadArgument),
        (r#"(call $add (i32.const 3) $"a" $"b")"#.to_owned(), BadArgument),
        ("(call $get_pairs (i32.const 8) (i32.const 16) (i32.const 20))".to_owned(), BadArgument),
        ("(call $map_size (i32.const 6) (i32.const 24))".to_owned(), BadArgument),
        // What is malformed has no fields either.
        (r#"(call $set_pairs (i32.const 0) $"\01\00\00\00")"#.to_owned(), Ok),
        // Buffers of streams are empty while there is nothing in them, and those of calls and plugins are not there.
        (read(0, 0), Ok),
        (read(5, 0), Ok),
        (read(4, 0), NotFound),
        (read(7, 0), NotFound),
        (read(9, 0), BadArgument),
        (read(6, 1), Ok),
        ("(call $buffer_size (i32.const 4) (i32.const 24) (i32.const 28))".to_owned(), NotFound),
        (r#"(call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) $"x")"#.to_owned(), BadArgument),
        ("(call $continue (i32.const 0))".to_owned(), Ok),
        ("(call $continue (i32.const 2))".to_owned(), Ok),
        ("(call $continue (i32.const 3))".to_owned(), Unimplemented),
        ("(call $continue (i32.const 4))".to_owned(), BadArgument),
        ("(call $close (i32.const 3))".to_owned(), Ok),
        ("(call $close (i32.const 4))".to_owned(), BadArgument),
        ("(call $as (i32.const 77))".to_owned(), BadArgument),
        ("(call $done)".to_owned(), NotFound),
        ("(call $get_status (i32.const 24) (i32.const 16) (i32.const 20))".to_owned(), Ok),
        ("(call $increment (i32.const 4) (i64.const 1))".to_owned(), NotFound),
        ("(call $increment (i32.const 6) (i64.const 1))".to_owned(), BadArgument),
        ("(call $metric (i32.const 6) (i32.const 24))".to_owned(), BadArgument),
        (r#"(call $grpc_send (i32.const 4) $"" (i32.const 0))"#.to_owned(), BadArgument),
        ("(call $grpc_close (i32.const 4))".to_owned(), BadArgument),
        ("(call $log (i32.const 9) (i32.const 0) (i32.const 0))".to_owned(), BadArgument),
        ("(call $log (i32.const 2) (i32.const -1) (i32.const 1))".to_owned(), InvalidMemoryAccess),
    ];
    for (code, status) in table {
        let filter = filter(&on_headers(&format!("(call $note {code})"), 0));
        let mut vm = filter.vm().strict(false).start().unwrap();
        let exchange = vm.send(Request::get("/")).unwrap();
        assert_eq!(exchange.property("status"), Some(format!("{:02}", status.code()).as_str()), "{code}");
        assert_eq!(vm.violations()[0].answer, status.code(), "{code}");
        assert!(matches!(exchange.outcome, Outcome::Forwarded(_)), "{code}");
        let strict = filter.vm().start().unwrap().send(Request::get("/"));
        assert!(matches!(strict, Err(HarnessError::Violation(_))), "{code}");
    }
}

/// These the ABI has a status for, and a filter is right to ask.
#[test]
fn what_is_not_there_is_no_violation() {
    let table = [
        (r#"(call $get (i32.const 0) $"x-none" (i32.const 16) (i32.const 20))"#, Status::NotFound),
        (r#"(call $get_property $"none" (i32.const 16) (i32.const 20))"#, Status::NotFound),
        (r#"(call $get_shared $"none" (i32.const 16) (i32.const 20) (i32.const 24))"#, Status::NotFound),
        (r#"(call $resolve $"" $"none" (i32.const 24))"#, Status::NotFound),
        (r#"(call $enqueue (i32.const 9) $"item")"#, Status::NotFound),
        ("(call $dequeue (i32.const 9) (i32.const 16) (i32.const 20))", Status::NotFound),
        (
            r#"(block (result i32) (drop (call $register $"q" (i32.const 24)))
                 (call $dequeue (call $number) (i32.const 16) (i32.const 20)))"#,
            Status::Empty,
        ),
        (r#"(call $foreign $"none" $"" (i32.const 16) (i32.const 20))"#, Status::NotFound),
        (r#"(call $foreign $"clear_route_cache" $"" (i32.const 0) (i32.const 0))"#, Status::Ok),
        ("(call $grpc_cancel (i32.const 5))", Status::NotFound),
        ("(call $grpc_close (i32.const 6))", Status::NotFound),
        (r#"(call $grpc_send (i32.const 6) $"" (i32.const 1))"#, Status::NotFound),
        (r#"(call $grpc_stream $"other" $"s" $"m" $"" (i32.const 24))"#, Status::ParseFailure),
        (
            r#"(call $grpc_call $"other" $"s" $"m" $"" $"" (i32.const 1) (i32.const 24))"#,
            Status::ParseFailure,
        ),
        // A serialised service that names a cluster, and one that names none.
        (r#"(call $grpc_stream $"\0a\05\0a\03idp" $"s" $"m" $"" (i32.const 24))"#, Status::Ok),
        (r#"(call $grpc_stream $"" $"s" $"m" $"" (i32.const 24))"#, Status::BadArgument),
        ("(call $as (i32.const 0))", Status::Ok),
        ("(call $map_size (i32.const 0) (i32.const 24))", Status::Ok),
    ];
    for (code, status) in table {
        let filter = filter(&on_headers(&format!("(call $note {code})"), 0));
        let mut vm = filter.vm().clusters(["idp"]).start().unwrap();
        let exchange = vm.send(Request::get("/")).unwrap();
        assert_eq!(exchange.property("status"), Some(format!("{:02}", status.code()).as_str()), "{code}");
    }
}

#[test]
fn a_reply_cannot_take_the_place_of_what_the_client_has() {
    let code = on("proxy_on_response_body", r#"(call $deny (i32.const 502) $"")"#, 1);
    let mut vm = filter(&code).vm().start().unwrap();
    let error = vm.round_trip(Request::get("/"), Response::new(200, "body")).unwrap_err();
    assert!(error.to_string().contains("the client has a response"), "{error}");
    // Envoy resets the stream.
    let mut vm = filter(&code).vm().strict(false).start().unwrap();
    let exchange = vm.round_trip(Request::get("/"), Response::new(200, "body")).unwrap();
    assert_eq!((exchange.response, exchange.downstream.unwrap().body), (Some(Outcome::Reset), Vec::new()));
}

#[test]
fn a_response_is_changed_in_its_phase_only() {
    let change = r#"(drop (call $add (i32.const 2) $"a" $"b"))"#;
    let body = on("proxy_on_response_body", change, 0);
    let mut vm = filter(&body).vm().start().unwrap();
    assert!(vm.round_trip(Request::get("/"), Response::new(200, "body")).is_err());
    let headers = on("proxy_on_response_headers", change, 0);
    let exchange =
        filter(&headers).vm().start().unwrap().round_trip(Request::get("/"), Response::new(200, ""));
    assert_eq!(exchange.unwrap().downstream.unwrap().headers.text("a"), Some("b"));
}

#[test]
fn little_is_allowed_while_the_module_initialises() {
    let code = r#"(func (export "_initialize") (drop (call $tick_every (i32.const 1))))"#;
    let filter = filter(code);
    assert!(matches!(filter.vm().start(), Err(HarnessError::Violation(_))));
    // Envoy lets the module trap.
    assert!(matches!(filter.vm().strict(false).start(), Err(HarnessError::Start(_))));
}

#[test]
fn a_violation_at_the_start_fails_the_start() {
    let code = r#"(func (export "_initialize") (drop (call $log (i32.const 9) $"x")))"#;
    let filter = filter(code);
    assert!(matches!(filter.vm().start(), Err(HarnessError::Violation(_))));
    assert!(matches!(filter.vm().start_or_dead(), Err(HarnessError::Violation(_))));
}
