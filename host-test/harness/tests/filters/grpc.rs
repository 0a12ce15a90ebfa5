//! gRPC calls and streams that a request waits for.

use std::time::Duration;

use mandate_harness::{HarnessError, Headers, Outcome, Request};

use crate::guest;

#[test]
fn a_request_waits_for_a_grpc_call() {
    let mut vm = guest("grpc-call").clusters(["authz"]).start().unwrap();
    for (answer, status) in [("allow", None), ("deny", Some(200))] {
        let held = vm.send(Request::get("/v1")).unwrap();
        assert_eq!(held.outcome, Outcome::Paused);
        let call = vm.grpc_calls().remove(0);
        assert_eq!((call.cluster.as_str(), call.timeout), ("authz", Duration::from_millis(250)));
        assert_eq!((call.service.as_str(), call.method.as_str()), ("example.Authz", "Check"));
        assert_eq!((call.metadata.text("x-caller"), call.message.as_slice()), (Some("guest"), &b"/v1"[..]));
        vm.answer_grpc_call(call.token, answer).unwrap();
        assert!(vm.grpc_calls().is_empty());
        let outcome = vm.finish(held.stream).unwrap().outcome;
        assert_eq!((outcome.status(), outcome.forwarded().is_some()), (status, status.is_none()));
        if let Some(reply) = outcome.local_reply() {
            assert_eq!((reply.grpc_status, reply.text().as_str()), (Some(7), "denied"));
        }
    }
}

#[test]
fn a_grpc_call_fails_with_a_status_and_a_message() {
    let mut vm = guest("grpc-call").start().unwrap();
    let held = vm.send(Request::get("/")).unwrap();
    vm.fail_grpc_call(vm.grpc_calls()[0].token, 14, "no healthy upstream").unwrap();
    let exchange = vm.finish(held.stream).unwrap();
    assert_eq!(exchange.outcome.local_reply().unwrap().text(), "14: no healthy upstream\n");
}

#[test]
fn a_cluster_that_is_not_there_cannot_be_called() {
    for root_id in ["grpc-call", "grpc-stream"] {
        let mut vm = guest(root_id).clusters(["other"]).start().unwrap();
        assert_eq!(vm.send(Request::get("/")).unwrap().outcome.status(), Some(500), "{root_id}");
    }
}

#[test]
fn a_client_that_goes_away_cancels_what_it_waited_for() {
    for root_id in ["grpc-call", "grpc-stream"] {
        let mut vm = guest(root_id).start().unwrap();
        let held = vm.send(Request::get("/")).unwrap();
        assert_eq!(vm.grpc_calls().len() + vm.grpc_streams().len(), 1);
        vm.finish(held.stream).unwrap();
        assert_eq!(vm.grpc_calls().len() + vm.grpc_streams().len(), 0, "{root_id}");
    }
}

#[test]
fn a_grpc_stream_goes_through_all_its_phases() {
    let mut vm = guest("grpc-stream").start().unwrap();
    let held = vm.send(Request::get("/v1")).unwrap();
    let token = vm.grpc_streams()[0].token;
    assert!(vm.grpc_streams()[0].messages.is_empty());
    vm.send_grpc_initial_metadata(token, Headers::from_iter([("server", "authz-1")])).unwrap();
    assert_eq!(vm.grpc_streams()[0].messages, [b"/v1"]);
    vm.send_grpc_message(token, "allow").unwrap();
    assert!(vm.grpc_streams()[0].closed_by_filter);
    let outcome = vm.outcome(held.stream).unwrap();
    assert_eq!(outcome.forwarded().unwrap().headers.text("x-server"), Some("authz-1"));
    vm.send_grpc_trailing_metadata(token, Headers::from_iter([("x-cost", "1"), ("x-more", "2")])).unwrap();
    vm.close_grpc_stream(token, 0, "").unwrap();
    assert!(vm.grpc_streams().is_empty());
    let exchange = vm.finish(held.stream).unwrap();
    assert_eq!(
        (exchange.property("trailers"), exchange.property("closed")),
        (Some("x-cost,x-more"), Some("0"))
    );
    assert!(vm.violations().is_empty());
}

#[test]
fn a_stream_that_the_service_closed_hears_nothing_more() {
    let mut vm = guest("grpc-stream").start().unwrap();
    vm.send(Request::get("/")).unwrap();
    let token = vm.grpc_streams()[0].token;
    vm.close_grpc_stream(token, 14, "gone").unwrap();
    assert!(vm.grpc_streams()[0].closed_by_service, "the filter has yet to close its side");
    assert!(matches!(vm.send_grpc_message(token, ""), Err(HarnessError::UnknownCall(_))));
    assert!(matches!(vm.answer_grpc_call(token, ""), Err(HarnessError::UnknownCall(_))));
}
