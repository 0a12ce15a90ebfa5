//! A call that a request waits for.

use std::time::Duration;

use mandate_harness::{Effect, HostCall, Injection, Nth, Outcome, Request, Response, Status};

use crate::guest;

#[test]
fn a_request_waits_for_the_answer_and_goes_on_with_it() {
    let mut vm = guest("call-out").start().unwrap();
    let held = vm.send(Request::new("POST", "/v1").body("a body")).unwrap();
    assert_eq!(held.outcome, Outcome::Paused);
    let call = vm.calls().remove(0);
    assert_eq!((call.cluster.as_str(), call.body.as_slice()), ("authz", &b"/v1"[..]));
    assert_eq!((call.headers.text(":path"), call.timeout), (Some("/check"), Some(Duration::from_secs(1))));
    vm.answer_call(call.token, Response::new(200, "alice")).unwrap();
    let exchange = vm.respond(held.stream, Response::new(200, "ok")).unwrap();
    let upstream = exchange.outcome.forwarded().unwrap();
    assert_eq!((upstream.headers.text("x-user"), upstream.body.as_slice()), (Some("alice"), &b"a body"[..]));
    assert_eq!(exchange.downstream.unwrap().body, b"ok");
}

#[test]
fn requests_wait_side_by_side_and_each_gets_its_own_answer() {
    let mut vm = guest("call-out").start().unwrap();
    let [first, second] = ["/1", "/2"].map(|path| vm.send(Request::get(path)).unwrap().stream);
    let calls = vm.calls();
    vm.answer_call(calls[1].token, Response::new(200, "bob")).unwrap();
    assert_eq!(vm.outcome(first).unwrap(), Outcome::Paused);
    vm.answer_call(calls[0].token, Response::new(401, "")).unwrap();
    let user = |exchange: mandate_harness::Exchange| {
        exchange.outcome.forwarded().and_then(|request| request.headers.text("x-user").map(str::to_owned))
    };
    assert_eq!(user(vm.finish(second).unwrap()).as_deref(), Some("bob"));
    assert_eq!(vm.finish(first).unwrap().outcome.status(), Some(403));
}

#[test]
fn a_call_that_fails_says_why() {
    let mut vm = guest("call-out").start().unwrap();
    let held = vm.send(Request::get("/")).unwrap();
    vm.fail_call(vm.calls()[0].token).unwrap();
    let exchange = vm.finish(held.stream).unwrap();
    assert_eq!(exchange.outcome.local_reply().unwrap().text(), "no answer: 11 reset\n");
}

#[test]
fn a_call_to_a_cluster_that_is_not_there_fails_at_once() {
    let mut vm = guest("call-out").clusters(["other"]).start().unwrap();
    let exchange = vm.send(Request::get("/")).unwrap();
    assert_eq!(exchange.outcome.local_reply().unwrap().text(), "no such service\n");
}

#[test]
fn an_answer_that_comes_after_the_client_went_away_finds_nobody() {
    let mut vm = guest("call-out").start().unwrap();
    let held = vm.send(Request::get("/")).unwrap();
    vm.finish(held.stream).unwrap();
    vm.answer_call(vm.calls()[0].token, Response::new(200, "alice")).unwrap();
    assert_eq!((vm.dead(), vm.violations().len()), (None, 0));
}

#[test]
fn no_single_fault_of_the_host_lets_the_request_through() {
    let play = |vm: &mut mandate_harness::Vm| {
        let exchange = vm.send(Request::get("/")).unwrap();
        for call in vm.calls() {
            vm.answer_call(call.token, Response::new(403, "")).unwrap();
        }
        if exchange.outcome.is_final() { exchange } else { vm.finish(exchange.stream).unwrap() }
    };
    let mut vm = guest("call-out").start().unwrap();
    assert_eq!(play(&mut vm).outcome.status(), Some(403));
    let counts = vm.call_counts();
    assert!(counts.contains_key(&HostCall::HttpCall) && counts.contains_key(&HostCall::SendLocalResponse));
    for (call, count) in counts {
        for nth in (1..=count).map(Nth::Only) {
            for effect in [Effect::Trap, Effect::Status(Status::InternalFailure.code())] {
                let mut vm =
                    guest("call-out").inject(Injection { call, nth, effect }).start_or_dead().unwrap();
                assert_eq!(play(&mut vm).upstream, None, "{call} {nth:?}");
            }
        }
    }
}
