//! Requests through a filter: answered, held, stripped, forwarded.

use mandate_harness::{HarnessError, Outcome, Request};

use crate::support::{filter, on_headers, pairs};

#[test]
fn a_local_reply_ends_the_request_whatever_the_callback_returns() {
    let headers = pairs(&[("Content-Type", "application/problem+json"), ("x-a", "1")]);
    for action in [0, 1, 7] {
        let deny =
            format!(r#"(drop (call $reply (i32.const 403) $"why\20not" $"no" $"{headers}" (i32.const -1)))"#);
        let mut vm = filter(&on_headers(&deny, action)).vm().start().unwrap();
        let exchange = vm.send(Request::get("/").body("unseen")).unwrap();
        let Outcome::LocalReply(reply) = exchange.outcome else { panic!("{exchange:?}") };
        assert_eq!((reply.status, reply.text().as_str(), reply.grpc_status), (403, "no", None));
        assert_eq!(reply.headers.text("content-type"), Some("application/problem+json"));
        assert_eq!(reply.headers.iter().next().unwrap().0, "content-type");
        assert_eq!(reply.details, "why not");
        assert_eq!(exchange.upstream, None);
        assert!(vm.streams().is_empty());
    }
}

#[test]
fn a_grpc_status_comes_out_with_the_reply() {
    let deny = r#"(drop (call $reply (i32.const 200) $"" $"no" (i32.const 0) (i32.const 0) (i32.const 7)))"#;
    let mut vm = filter(&on_headers(deny, 1)).vm().start().unwrap();
    let exchange = vm.send(Request::get("/")).unwrap();
    assert_eq!(exchange.outcome.local_reply().unwrap().grpc_status, Some(7));
}

#[test]
fn a_stream_that_the_filter_closes_is_reset() {
    let mut vm = filter(&on_headers("(drop (call $close (i32.const 0)))", 1)).vm().start().unwrap();
    assert_eq!(vm.send(Request::get("/")).unwrap().outcome, Outcome::Reset);
}

#[test]
fn a_paused_request_is_shown_nothing_more_and_never_reaches_the_upstream() {
    let body = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) unreachable)"#;
    let mut vm = filter(&format!("{}{body}", on_headers("", 1))).vm().start().unwrap();
    let exchange = vm.send(Request::get("/").body("a body").trailer("t", "1")).unwrap();
    assert_eq!((exchange.outcome, exchange.upstream), (Outcome::Paused, None));
    let exchange = vm.finish(exchange.stream).unwrap();
    assert_eq!(exchange.outcome, Outcome::Paused);
    assert!(matches!(vm.outcome(exchange.stream), Err(HarnessError::UnknownStream(_))));
}

#[test]
fn spoofed_headers_are_stripped_and_the_filters_own_arrive() {
    let code = r#"
        (drop (call $remove (i32.const 0) $"X-Internal-User"))
        (drop (call $add (i32.const 0) $"X-Twice" $"b"))
        (drop (call $replace (i32.const 0) $"X-Once" $"new"))"#;
    let mut vm = filter(&on_headers(code, 0)).vm().start().unwrap();
    let request = Request::get("/v1")
        .header("x-internal-user", "root")
        .header("X-INTERNAL-USER", "root again")
        .header("x-twice", "a")
        .header("x-once", "1")
        .header("x-once", "2");
    let exchange = vm.send(request).unwrap();
    let seen = exchange.outcome.forwarded().unwrap();
    assert!(!seen.headers.contains("x-internal-user"));
    assert_eq!(seen.headers.all("x-twice").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(seen.headers.all("x-once").collect::<Vec<_>>(), [b"new"]);
    assert_eq!(seen.headers.text(":path"), Some("/v1"));
    assert_eq!((seen.body.as_slice(), &seen.trailers), (&b""[..], &None));
}

#[test]
fn the_first_value_is_read_and_a_missing_one_is_not_found() {
    let code = r#"
        (drop (call $get (i32.const 0) $"X-Many" (i32.const 16) (i32.const 20)))
        (call $keep $"first")
        (call $note (call $get (i32.const 0) $"x-none" (i32.const 16) (i32.const 20)))"#;
    let mut vm = filter(&on_headers(code, 0)).vm().start().unwrap();
    let exchange = vm.send(Request::get("/").header("x-many", "1").header("x-many", "2")).unwrap();
    assert_eq!((exchange.property("first"), exchange.property("status")), (Some("1"), Some("01")));
}

#[test]
fn all_pairs_survive_the_way_to_the_filter_and_back() {
    let code = r#"
        (drop (call $get_pairs (i32.const 0) (i32.const 16) (i32.const 20)))
        (drop (call $set_pairs (i32.const 0) (call $pointer) (call $size)))"#;
    let mut vm = filter(&on_headers(code, 0)).vm().start().unwrap();
    let request =
        Request::get("/").header("x-bytes", [0xff, 0xfe]).header("x-empty", "").header("x-bytes", "2");
    let before = request.header_map();
    assert_eq!(vm.send(request).unwrap().outcome.forwarded().unwrap().headers, before);
}

#[test]
fn a_body_that_the_filter_buffers_is_seen_whole_and_forwarded_whole() {
    let body = r#"
        (func (export "proxy_on_request_body") (param $id i32) (param $size i32) (param $end i32) (result i32)
          (drop (call $get_buffer (i32.const 0) (i32.const 0) (local.get $size) (i32.const 16) (i32.const 20)))
          (call $keep $"seen")
          (i32.eqz (local.get $end)))"#;
    let code = format!("{}{body}", on_headers("", 1));
    let vm = filter(&code).vm().allow_on_headers_stop_iteration(true);
    let mut vm = vm.start().unwrap();
    let stream = vm.stream();
    assert_eq!(vm.request_headers(stream, Request::get("/").header_map(), false).unwrap(), Outcome::Paused);
    assert_eq!(vm.request_body(stream, "one ", false).unwrap(), Outcome::Paused);
    let outcome = vm.request_body(stream, "two", true).unwrap();
    assert_eq!(outcome.forwarded().unwrap().body, b"one two");
    assert_eq!(vm.finish(stream).unwrap().property("seen"), Some("one two"));
}

#[test]
fn a_body_that_streams_is_forwarded_piece_by_piece() {
    let body = r#"
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) $">"))
          (i32.const 0))"#;
    let mut vm = filter(body).vm().start().unwrap();
    let stream = vm.stream();
    assert_eq!(
        vm.request_headers(stream, Request::get("/").header_map(), false).unwrap(),
        Outcome::Streaming
    );
    assert_eq!(vm.request_body(stream, "one", false).unwrap(), Outcome::Streaming);
    assert_eq!(vm.exchange(stream).unwrap().upstream.unwrap().body, b">one");
    let outcome = vm.request_body(stream, "two", true).unwrap();
    assert_eq!(outcome.forwarded().unwrap().body, b">one>two");
}

#[test]
fn a_denial_after_the_headers_went_shows_what_leaked() {
    let body = r#"
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
          (call $deny (i32.const 413) $"") (i32.const 0))"#;
    let mut vm = filter(body).vm().start().unwrap();
    let exchange = vm.send(Request::get("/leak").body("x")).unwrap();
    assert_eq!(exchange.outcome.status(), Some(413));
    let upstream = exchange.upstream.unwrap();
    assert_eq!((upstream.headers.text(":path"), upstream.body.as_slice()), (Some("/leak"), &b""[..]));
}

#[test]
fn trailers_are_seen_and_changed_in_their_phase() {
    let trailers = r#"
        (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
          (drop (call $add (i32.const 1) $"x-checked" $"yes")) (i32.const 0))"#;
    let mut vm = filter(trailers).vm().start().unwrap();
    let exchange = vm.send(Request::get("/").body("b").trailer("X-Sum", "1")).unwrap();
    let trailers = exchange.outcome.forwarded().unwrap().trailers.clone().unwrap();
    assert_eq!((trailers.text("x-sum"), trailers.text("x-checked")), (Some("1"), Some("yes")));
}

#[test]
fn the_end_of_a_stream_comes_in_envoys_order() {
    let end = r#"
        (func (export "proxy_on_log") (param i32)
          (drop (call $get (i32.const 0) $":path" (i32.const 16) (i32.const 20)))
          (call $keep $"logged")
          (drop (call $log (i32.const 2) $"log")))
        (func (export "proxy_on_done") (param i32) (result i32) (drop (call $log (i32.const 2) $"done")) (i32.const 1))
        (func (export "proxy_on_delete") (param i32) (drop (call $log (i32.const 2) $"delete")))"#;
    let mut vm = filter(end).vm().start().unwrap();
    let exchange = vm.send(Request::get("/p")).unwrap();
    assert_eq!(exchange.property("logged"), Some("/p"));
    let said: Vec<&str> = vm.logs().iter().map(|line| line.message.as_str()).collect();
    assert_eq!(said, ["log", "done", "delete"]);
}

#[test]
fn a_request_cannot_go_on_after_its_end() {
    let mut vm = filter("").vm().start().unwrap();
    let stream = vm.stream();
    assert!(matches!(vm.request_body(stream, "", true), Err(HarnessError::OutOfOrder { .. })));
    vm.request_headers(stream, Request::get("/").header_map(), true).unwrap();
    assert!(matches!(vm.request_body(stream, "", true), Err(HarnessError::OutOfOrder { .. })));
    assert!(matches!(
        vm.request_headers(stream, Request::get("/").header_map(), true),
        Err(HarnessError::OutOfOrder { .. })
    ));
}

#[test]
fn a_failing_test_shows_text_as_text() {
    let mut vm = filter("").vm().start().unwrap();
    let exchange = vm.send(Request::get("/p").header("x", [0xff]).body("b")).unwrap();
    let shown = format!("{:?}", exchange.outcome);
    assert!(shown.contains(r#"":path": "/p""#) && shown.contains(r#""x": b"\xff""#), "{shown}");
    assert!(shown.contains(r#"body: "b""#), "{shown}");
}
