//! Faults of the host, and of the filter.

use std::collections::BTreeSet;

use mandate_harness::{Effect, HarnessError, HostCall, Injection, Nth, Outcome, Request, Response, Status};

use crate::support::{filter, on_headers};

const READS_PATH: &str = r#"(call $note (call $get (i32.const 0) $":path" (i32.const 16) (i32.const 20)))"#;

#[test]
fn a_trap_ends_the_machine_until_it_is_reloaded() {
    let code = r#"(if (i32.eq (local.get 1) (i32.const 5))
        (then (drop (call $log (i32.const 5) $"panicked at x")) (unreachable)))"#;
    let filter = filter(&on_headers(code, 0));
    let mut vm = filter.vm().start().unwrap();
    assert!(vm.send(Request::get("/")).unwrap().outcome.forwarded().is_some());

    let exchange = vm.send(Request::get("/").header("x-bad", "1")).unwrap();
    let Outcome::Trapped { message } = &exchange.outcome else { panic!("{exchange:?}") };
    assert!(message.starts_with("proxy_on_request_headers: "), "{message}");
    assert!(message.ends_with("(last said: panicked at x)"), "{message}");
    assert_eq!((exchange.outcome.status(), exchange.upstream), (Some(503), None));

    assert_eq!(vm.send(Request::get("/")).unwrap().outcome.status(), Some(503));
    vm.reload().unwrap();
    assert_eq!(vm.dead(), None);
    assert!(vm.send(Request::get("/")).unwrap().outcome.forwarded().is_some());
}

#[test]
fn a_reply_before_a_trap_does_not_count() {
    let mut vm =
        filter(&on_headers(r#"(call $deny (i32.const 403) $"") unreachable"#, 0)).vm().start().unwrap();
    assert_eq!(vm.send(Request::get("/")).unwrap().outcome.status(), Some(503));
}

#[test]
fn a_trap_while_a_request_waits_leaves_it_unforwarded() {
    let code = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $tick_every (i32.const 1))) (i32.const 1))
        (func (export "proxy_on_tick") (param i32) unreachable)"#;
    let mut vm = filter(&format!("{}{code}", on_headers("", 1))).vm().start().unwrap();
    let held = vm.send(Request::get("/")).unwrap();
    vm.tick().unwrap();
    assert!(vm.dead().unwrap().starts_with("proxy_on_tick: "));
    assert_eq!(vm.outcome(held.stream).unwrap(), Outcome::Paused);
    vm.tick().unwrap();
    assert_eq!(vm.finish(held.stream).unwrap().upstream, None);
}

#[test]
fn an_uncaught_exception_and_an_exit_are_traps() {
    for code in ["(throw $t)", "(call $exit (i32.const 1))"] {
        let mut vm = filter(&format!("(tag $t) {}", on_headers(code, 0))).vm().start().unwrap();
        let outcome = vm.send(Request::get("/")).unwrap().outcome;
        assert!(matches!(outcome, Outcome::Trapped { .. }), "{outcome:?}");
    }
}

#[test]
fn a_trap_at_the_start_is_an_error_or_a_dead_machine() {
    let filter = filter(r#"(func (export "_initialize") unreachable)"#);
    assert!(
        matches!(filter.vm().start(), Err(HarnessError::Start(message)) if message.starts_with("_initialize: "))
    );
    let mut vm = filter.vm().start_or_dead().unwrap();
    assert_eq!(vm.send(Request::get("/")).unwrap().outcome.status(), Some(503));
}

#[test]
fn an_injected_status_is_what_the_filter_sees() {
    let filter = filter(&on_headers(READS_PATH, 0));
    for status in Status::ALL {
        let injection = Injection::status(HostCall::GetHeaderMapValue, Nth::Always, status);
        let mut vm = filter.vm().inject(injection).start().unwrap();
        let exchange = vm.send(Request::get("/")).unwrap();
        assert_eq!(exchange.property("status"), Some(format!("{:02}", status.code()).as_str()));
    }
}

#[test]
fn only_the_nth_call_fails() {
    let mut vm = filter(&on_headers(READS_PATH, 0)).vm().start().unwrap();
    vm.inject(Injection::status(HostCall::GetHeaderMapValue, Nth::Only(2), Status::InternalFailure)).unwrap();
    let mut status = || vm.send(Request::get("/")).unwrap().property("status").map(str::to_owned);
    assert_eq!([status(), status(), status()].map(Option::unwrap), ["00", "10", "00"]);
    assert_eq!(vm.call_counts()[&HostCall::GetHeaderMapValue], 3);
    assert!(!vm.call_counts().contains_key(&HostCall::RandomGet));
}

#[test]
fn an_injected_failure_has_no_effect_on_the_world() {
    let code =
        r#"(drop (call $remove (i32.const 0) $"x")) (drop (call $set_shared $"k" $"v" (i32.const 0)))"#;
    let mut vm = filter(&on_headers(code, 0)).vm().start().unwrap();
    vm.inject(Injection::status(HostCall::RemoveHeaderMapValue, Nth::Always, Status::BadArgument)).unwrap();
    vm.inject(Injection::status(HostCall::SetSharedData, Nth::Always, Status::InternalFailure)).unwrap();
    let exchange = vm.send(Request::get("/").header("x", "1")).unwrap();
    assert!(exchange.outcome.forwarded().unwrap().headers.contains("x"));
    assert!(vm.shared_data().keys().is_empty());
    vm.clear_injections();
    let exchange = vm.send(Request::get("/").header("x", "1")).unwrap();
    assert!(!exchange.outcome.forwarded().unwrap().headers.contains("x"));
}

#[test]
fn a_host_can_answer_nonsense() {
    let code =
        r#"(call $note (call $get_pairs (i32.const 0) (i32.const 16) (i32.const 20))) (call $keep $"pairs")"#;
    let filter = filter(&on_headers(code, 0));
    for bytes in [&b"\xff\xff\xff\xff"[..], b""] {
        let effect = Effect::Bytes(bytes.to_vec());
        let injection = Injection { call: HostCall::GetHeaderMapPairs, nth: Nth::Always, effect };
        let exchange = filter.vm().inject(injection).start().unwrap().send(Request::get("/")).unwrap();
        assert_eq!(
            (exchange.property("status"), &exchange.properties["pairs"]),
            (Some("00"), &bytes.to_vec())
        );
    }
}

#[test]
fn bytes_cannot_be_injected_into_a_call_that_returns_none() {
    let filter = filter("");
    let injection = Injection { call: HostCall::Log, nth: Nth::Always, effect: Effect::Bytes(Vec::new()) };
    let start = filter.vm().inject(injection.clone()).start();
    assert!(matches!(start, Err(HarnessError::Injection { call: HostCall::Log })));
    assert!(filter.vm().start().unwrap().inject(injection).is_err());
}

#[test]
fn every_call_of_a_scenario_can_be_made_to_trap_or_fail() {
    let code = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
            (drop (call $environ_sizes (i32.const 24) (i32.const 28)))
            (drop (call $define (i32.const 0) $"m" (i32.const 24)))
            (i32.eqz (call $random (i32.const 100) (i32.const 8))))"#;
    let on_headers = on_headers(
        r#"(if (call $now (i32.const 24)) (then (call $deny (i32.const 503) $"") (return (i32.const 1))))
           (if (call $get (i32.const 0) $":path" (i32.const 16) (i32.const 20))
             (then (call $deny (i32.const 503) $"") (return (i32.const 1))))"#,
        0,
    );
    let filter = filter(&format!("{code}{on_headers}"));
    let mut vm = filter.vm().start().unwrap();
    vm.send(Request::get("/")).unwrap();
    let counts = vm.call_counts();
    assert_eq!(counts.values().sum::<u64>(), 5);
    for (call, count) in counts {
        for nth in 1..=count {
            let trap = Injection { call, nth: Nth::Only(nth), effect: Effect::Trap };
            let exchange = filter.vm().inject(trap).start_or_dead().unwrap().send(Request::get("/")).unwrap();
            assert!(matches!(exchange.outcome, Outcome::Trapped { .. }), "{call}");
        }
    }
    for call in [HostCall::RandomGet, HostCall::GetCurrentTimeNanoseconds, HostCall::GetHeaderMapValue] {
        let fail = Injection { call, nth: Nth::Always, effect: Effect::Status(29) };
        let exchange = filter.vm().inject(fail).start().unwrap().send(Request::get("/")).unwrap();
        assert_eq!(exchange.outcome.status(), Some(503), "{call}");
    }
}

#[test]
fn a_request_released_in_a_callback_that_traps_later_is_released_in_envoy_too() {
    let code = r#"(func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
          (drop (call $as (global.get $waiting))) (drop (call $continue (i32.const 0))) (unreachable))"#;
    let headers = crate::support::pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]);
    let call = format!(
        r#"(global.set $waiting (local.get 0))
           (drop (call $http_call $"idp" $"{headers}" $"" $"" (i32.const 0) (i32.const 24)))"#
    );
    let mut vm = filter(&format!("{}{code}", on_headers(&call, 1))).vm().start().unwrap();
    let held = vm.send(Request::get("/")).unwrap();
    vm.answer_call(vm.calls()[0].token, Response::new(200, "")).unwrap();
    assert!(vm.dead().is_some());
    assert!(vm.outcome(held.stream).unwrap().forwarded().is_some());
}

#[test]
fn the_table_of_host_calls_is_in_step_with_itself() {
    let names: BTreeSet<_> = HostCall::ALL.iter().map(|call| (call.module(), call.name())).collect();
    assert_eq!(names.len(), HostCall::ALL.len());
    for call in HostCall::ALL {
        assert_eq!(HostCall::by_name(call.module(), call.name()), Some(call));
        assert!(!(call.is_wasi() && call.returns_bytes()));
    }
    assert_eq!(HostCall::by_name("env", "random_get"), None);
}
