//! Headers and trailers, local replies, the access log, and a configuration that is refused.

use mandate_harness::{HarnessError, LogLevel, Outcome, Request, Response};

use crate::{guest, messages};

#[test]
fn a_request_and_its_response_pass_with_other_headers() {
    let mut vm = guest("headers").configuration("x-internal").start().unwrap();
    let request = Request::get("/v1").header("X-Internal", "secret").trailer("x-sum", "1");
    let response = Response::new(200, "[]").header("server", "upstream").trailer("x-sum", "2");
    let exchange = vm.round_trip(request, response).unwrap();

    let upstream = exchange.outcome.forwarded().unwrap();
    assert!(!upstream.headers.contains("x-internal"));
    assert_eq!(upstream.headers.text("x-seen"), Some("5 headers, end: false"));
    assert_eq!(upstream.trailers.as_ref().unwrap().text("x-seen"), Some("1 trailers"));

    let Some(Outcome::Forwarded(downstream)) = &exchange.response else { panic!("{exchange:?}") };
    assert_eq!(exchange.downstream.as_ref(), Some(downstream));
    assert_eq!(downstream.headers.all("server").collect::<Vec<_>>(), [b"guest"]);
    assert_eq!(downstream.body, b"[]");
    let trailers = downstream.trailers.as_ref().unwrap();
    assert_eq!((trailers.text("x-sum"), trailers.text("x-checked")), (Some("2"), Some("yes")));
    assert_eq!(messages(&vm), ["/v1 200"]);
    assert!(vm.streams().is_empty() && vm.violations().is_empty());
}

#[test]
fn the_filter_is_shown_its_own_reply_as_in_envoy() {
    let mut vm = guest("headers").start().unwrap();
    let exchange = vm.round_trip(Request::get("/v1").header("x-forbidden", ""), Response::default()).unwrap();
    assert_eq!(exchange.outcome.local_reply().unwrap().text(), "no\n");
    assert_eq!(exchange.upstream, None);
    let downstream = exchange.downstream.unwrap();
    assert_eq!(downstream.headers.text(":status"), Some("403"));
    assert_eq!(downstream.headers.text("x-reason"), Some("forbidden"));
    assert_eq!(downstream.headers.text("content-length"), Some("3"));
    assert_eq!(downstream.headers.text("content-type"), Some("text/plain"));
    assert_eq!(downstream.headers.text("server"), Some("guest"));
    assert_eq!(downstream.body, b"no\n");
    assert_eq!(messages(&vm), ["/v1 403"]);
}

#[test]
fn a_reply_takes_the_place_of_a_response_that_the_client_does_not_have_yet() {
    let mut vm = guest("headers").start().unwrap();
    let exchange = vm.round_trip(Request::get("/"), Response::new(500, "stack trace")).unwrap();
    assert!(exchange.upstream.is_some());
    let reply = exchange.outcome.local_reply().unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (502, "the upstream failed\n"));
    let downstream = exchange.downstream.unwrap();
    assert_eq!(downstream.headers.text(":status"), Some("502"));
    assert!(!downstream.headers.contains("server"), "it is not shown to the filter");
    assert_eq!(downstream.body, b"the upstream failed\n");
}

#[test]
fn a_configuration_is_refused() {
    let mut vm = guest("headers").configuration("No Header").start().unwrap();
    assert!(vm.startup().vm_start() && !vm.startup().configured());
    let line = &vm.logs()[0];
    assert_eq!((line.level, line.context), (LogLevel::Error, 1));
    assert_eq!(line.message, "the configuration is no name of a header");
    assert_eq!(vm.send(Request::get("/")).unwrap().outcome.status(), Some(503));
}

#[test]
fn an_update_that_is_refused_leaves_the_configuration_before() {
    let mut vm = guest("headers").configuration("x-a").start().unwrap();
    let removes = |vm: &mut mandate_harness::Vm| {
        let request = Request::get("/").header("x-a", "").header("x-b", "");
        let headers = vm.send(request).unwrap().outcome.forwarded().unwrap().headers.clone();
        (!headers.contains("x-a"), !headers.contains("x-b"))
    };
    assert_eq!(removes(&mut vm), (true, false));
    assert!(!vm.update("No Header").unwrap());
    assert_eq!(removes(&mut vm), (true, false));
    assert!(vm.update("x-b").unwrap());
    assert_eq!(removes(&mut vm), (false, true));
}

#[test]
fn a_response_comes_after_the_request_and_only_once() {
    let mut vm = guest("headers").start().unwrap();
    let out_of_order = |result| matches!(result, Err(HarnessError::OutOfOrder { .. }));
    let unsent = vm.stream();
    assert!(out_of_order(vm.respond(unsent, Response::new(200, ""))));
    let stream = vm.begin(Request::get("/")).unwrap().stream;
    vm.response_headers(stream, Response::new(200, "").headers, false).unwrap();
    assert!(out_of_order(vm.respond(stream, Response::new(200, ""))));
    assert_eq!(vm.response_outcome(stream).unwrap(), Outcome::Streaming);
    vm.response_body(stream, "", true).unwrap();
    assert!(matches!(vm.response_body(stream, "", true), Err(HarnessError::OutOfOrder { .. })));
    assert!(vm.finish(stream).unwrap().response.unwrap().is_final());
}

#[test]
fn a_context_is_made_once() {
    let mut vm = guest("headers").start().unwrap();
    let stream = vm.stream_with_id(7).unwrap();
    assert!(matches!(vm.stream_with_id(7), Err(HarnessError::ContextExists(7))));
    for taken in [0, 1] {
        assert!(matches!(vm.stream_with_id(taken), Err(HarnessError::ContextExists(_))), "{taken}");
    }
    vm.request_headers(stream, Request::get("/").header_map(), true).unwrap();
    assert_eq!(vm.contexts(), [1, 7]);
    assert!(matches!(
        vm.request_headers(stream, Request::get("/").header_map(), true),
        Err(HarnessError::OutOfOrder { .. })
    ));
    vm.finish(stream).unwrap();
    // The filter forgot it, and so may the host.
    let stream = vm.stream_with_id(7).unwrap();
    assert!(vm.request_headers(stream, Request::get("/").header_map(), true).unwrap().forwarded().is_some());
}
