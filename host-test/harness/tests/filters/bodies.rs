//! Bodies in pieces, buffered and rewritten, of requests and of responses.

use mandate_harness::{Outcome, Request, Response};

use crate::guest;

#[test]
fn bodies_are_seen_whole_and_rewritten_on_both_sides() {
    let mut vm = guest("bodies").start().unwrap();
    let request = Request::new("POST", "/").header("content-length", "5").body("hello");
    let response = Response::new(200, "welcome").header("content-length", "7");
    let exchange = vm.round_trip(request, response).unwrap();
    let upstream = exchange.outcome.forwarded().unwrap();
    assert_eq!(
        (upstream.body.as_slice(), upstream.headers.contains("content-length")),
        (&b"HELLO"[..], false)
    );
    let downstream = exchange.downstream.unwrap();
    assert_eq!(downstream.body, b"WELCOME!");
    // Trailers that the filter made, since the upstream sent none.
    assert_eq!(downstream.trailers.unwrap().text("x-length"), Some("8"));
}

#[test]
fn pieces_come_out_the_same_wherever_they_are_cut_and_wherever_the_end_is() {
    let pieces: [&[&str]; 6] = [
        &["hello"],
        &["hel", "lo"],
        &["h", "e", "l", "l", "o"],
        &["", "hello"],
        &["hello", ""],
        &["he", "", "llo"],
    ];
    for pieces in pieces {
        for with_trailers in [false, true] {
            let mut vm = guest("bodies").start().unwrap();
            let stream = vm.stream();
            vm.request_headers(stream, Request::new("POST", "/").header_map(), false).unwrap();
            for (position, piece) in pieces.iter().enumerate() {
                let last = position + 1 == pieces.len() && !with_trailers;
                let outcome = vm.request_body(stream, *piece, last).unwrap();
                assert_eq!(outcome.is_final(), last, "{pieces:?}");
                if !last {
                    assert_eq!(outcome, Outcome::Paused);
                }
            }
            if with_trailers {
                vm.request_trailers(stream, [("t", "1")].into_iter().collect()).unwrap();
            }
            let forwarded = vm.outcome(stream).unwrap().forwarded().unwrap().clone();
            assert_eq!(forwarded.body, b"HELLO", "{pieces:?}");
            assert_eq!(forwarded.trailers.is_some(), with_trailers);

            vm.response_headers(stream, Response::new(200, "").headers, false).unwrap();
            for (position, piece) in pieces.iter().enumerate() {
                vm.response_body(stream, *piece, position + 1 == pieces.len()).unwrap();
            }
            let exchange = vm.finish(stream).unwrap();
            assert_eq!(exchange.downstream.unwrap().body, b"HELLO!", "{pieces:?}");
        }
    }
}

#[test]
fn messages_without_a_body_pass() {
    let mut vm = guest("bodies").start().unwrap();
    let exchange = vm.round_trip(Request::get("/"), Response::new(204, "")).unwrap();
    assert_eq!(exchange.outcome.forwarded().unwrap().body, b"");
    let downstream = exchange.downstream.unwrap();
    assert_eq!((downstream.headers.text(":status"), downstream.trailers), (Some("204"), None));
    let trailers = Request::get("/").trailer("t", "1");
    assert!(vm.send(trailers).unwrap().outcome.forwarded().unwrap().trailers.is_some());
}

#[test]
fn an_upstream_may_answer_before_it_has_the_whole_request() {
    let mut vm = guest("headers").start().unwrap();
    let stream = vm.stream();
    assert_eq!(
        vm.request_headers(stream, Request::new("POST", "/").header_map(), false).unwrap(),
        Outcome::Streaming
    );
    let exchange = vm.respond(stream, Response::new(413, "too long")).unwrap();
    assert_eq!(exchange.response.unwrap().forwarded().unwrap().body, b"too long");
    assert_eq!(vm.outcome(stream).unwrap(), Outcome::Streaming);
    vm.request_body(stream, "the rest", true).unwrap();
    assert_eq!(vm.finish(stream).unwrap().outcome.forwarded().unwrap().body, b"the rest");
}
