//! Calls out, ticks, and the streams that wait for them.

use std::time::Duration;

use mandate_harness::{HarnessError, Outcome, Request, Response};

use crate::support::{filter, on_headers, pairs};

/// Pauses each request and calls for keys from the root context; resumes the waiting request with the answer's body in a
/// header, or answers 503 when the call failed.
fn waits_for_keys() -> String {
    let headers = pairs(&[(":method", "GET"), (":path", "/jwks"), (":authority", "idp.example")]);
    format!(
        r#"
        (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
          (global.set $waiting (local.get $id))
          (drop (call $as (i32.const 1)))
          (call $note_log (call $http_call $"idp" $"{headers}" $"" $"" (i32.const 1500) (i32.const 24)))
          (i32.const 1))
        (func $note_log (param $status i32)
          (if (local.get $status) (then (drop (call $log (i32.const 4) $"the call failed")))))
        (func (export "proxy_on_http_call_response")
          (param $root i32) (param $token i32) (param $headers i32) (param $body i32) (param $trailers i32)
          (if (i32.eqz (local.get $headers)) (then
            (drop (call $as (global.get $waiting)))
            (call $deny (i32.const 503) $"no keys")
            (return)))
          (drop (call $get_buffer (i32.const 4) (i32.const 0) (local.get $body) (i32.const 16) (i32.const 20)))
          (drop (call $as (global.get $waiting)))
          (drop (call $replace (i32.const 0) $"x-keys" (call $pointer) (call $size)))
          (drop (call $get (i32.const 6) $":status" (i32.const 16) (i32.const 20)))
          (call $keep $"keys")
          (drop (call $continue (i32.const 0))))"#
    )
}

#[test]
fn a_failed_call_lets_the_filter_deny_the_request_that_waits() {
    let mut vm = filter(&waits_for_keys()).vm().start().unwrap();
    let held = vm.send(Request::get("/").body("b")).unwrap();
    assert_eq!(held.outcome, Outcome::Paused);
    vm.fail_call(vm.calls()[0].token).unwrap();
    assert!(vm.calls().is_empty());
    let exchange = vm.finish(held.stream).unwrap();
    assert_eq!(exchange.outcome.local_reply().unwrap().text(), "no keys");
    assert_eq!(exchange.upstream, None);
}

#[test]
fn a_call_to_an_unknown_cluster_is_refused() {
    let mut vm = filter(&waits_for_keys()).vm().clusters(["other"]).start().unwrap();
    vm.send(Request::get("/")).unwrap();
    assert!(vm.calls().is_empty());
    assert_eq!(vm.logs()[0].message, "the call failed");
}

#[test]
fn an_answer_to_a_call_that_was_never_made_is_an_error() {
    let mut vm = filter(&waits_for_keys()).vm().start().unwrap();
    assert!(matches!(vm.answer_call(9, Response::default()), Err(HarnessError::UnknownCall(9))));
}

#[test]
fn a_request_resumes_with_its_body_when_the_call_is_answered() {
    let mut vm = filter(&waits_for_keys()).vm().start().unwrap();
    let held = vm.send(Request::new("POST", "/").body("b").trailer("t", "1")).unwrap();
    let calls = vm.calls();
    assert_eq!((calls[0].cluster.as_str(), calls[0].timeout), ("idp", Some(Duration::from_millis(1500))));
    assert_eq!(calls[0].headers.text(":path"), Some("/jwks"));
    vm.answer_call(calls[0].token, Response::new(200, "K")).unwrap();
    let exchange = vm.finish(held.stream).unwrap();
    let seen = exchange.outcome.forwarded().unwrap();
    assert_eq!((seen.headers.text("x-keys"), seen.body.as_slice()), (Some("K"), &b"b"[..]));
    assert_eq!(seen.trailers.as_ref().unwrap().text("t"), Some("1"));
    assert_eq!(exchange.property("keys"), Some("200"));
}

#[test]
fn an_answer_for_a_request_that_went_away_finds_no_context() {
    let code = r#"(func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
          (if (i32.eq (call $as (global.get $waiting)) (i32.const 2))
            (then (drop (call $log (i32.const 2) $"gone")))))"#;
    let headers = pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    let call = format!(
        r#"(global.set $waiting (local.get 0))
           (drop (call $http_call $"idp" $"{headers}" $"" $"" (i32.const 0) (i32.const 24)))"#
    );
    let mut vm = filter(&format!("{}{code}", on_headers(&call, 1))).vm().start().unwrap();
    let held = vm.send(Request::get("/")).unwrap();
    vm.finish(held.stream).unwrap();
    let call = vm.calls().remove(0);
    assert_eq!(call.timeout, None);
    vm.answer_call(call.token, Response::new(200, "")).unwrap();
    assert_eq!(vm.logs()[0].message, "gone");
}

const TICKS: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $tick_every (i32.const 250))) (i32.const 1))
    (func (export "proxy_on_tick") (param i32)
      (drop (call $now (i32.const 24)))
      (i64.store (i32.const 24) (i64.rem_u (i64.load (i32.const 24)) (i64.const 1000000000)))
      (if (i64.eqz (i64.load (i32.const 24))) (then (return)))
      (drop (call $as (global.get $waiting)))
      (drop (call $continue (i32.const 0))))"#;

#[test]
fn a_filter_that_asked_for_no_ticks_gets_none() {
    let mut vm = filter("").vm().start().unwrap();
    assert_eq!(vm.tick_period(), None);
    assert!(matches!(vm.tick(), Err(HarnessError::NoTick)));
}

#[test]
fn a_tick_releases_a_request_once_time_has_passed() {
    let headers = on_headers("(global.set $waiting (local.get 0))", 1);
    let mut vm = filter(&format!("{headers}{TICKS}")).vm().now(1_000).start().unwrap();
    assert_eq!(vm.tick_period(), Some(Duration::from_millis(250)));
    let held = vm.send(Request::get("/")).unwrap();
    vm.tick().unwrap();
    assert_eq!(vm.outcome(held.stream).unwrap(), Outcome::Paused);
    vm.advance(Duration::from_millis(250));
    vm.tick().unwrap();
    assert!(vm.outcome(held.stream).unwrap().forwarded().is_some());
}
