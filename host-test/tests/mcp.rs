//! Messages of MCP through a real Envoy: what is denied never reaches the upstream, and what is allowed reaches it byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_core::limits;
use mandate_host::client::{Request, blocking};
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;
use support::proxy::Proxy;
use support::{claims, sign, with_route};

/// An Envoy with tools on `/mcp` and everything on `/v1/`. `None`: no Envoy here.
fn proxy(shows_held_bodies: bool) -> Option<Proxy<Upstream>> {
    proxy_that_holds("head", shows_held_bodies)
}

fn proxy_that_holds(hold: &str, shows_held_bodies: bool) -> Option<Proxy<Upstream>> {
    let config = with_route(json!({
        "match": { "path_prefix": "/mcp" },
        "scopes": ["tickets.read"],
        "mcp": { "hold": hold, "tools": [{ "name": "tickets.close", "arguments": { "/env": ["staging"] } }, { "name": "tickets.list" }] },
    }));
    let upstream = Upstream::start().unwrap();
    let address = upstream.address();
    Proxy::start(upstream, address, &config, |setup| {
        if shows_held_bodies { setup.shows_held_bodies(limits::BODY_BYTES) } else { setup }
    })
}

fn call(tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": "call-1", "method": "tools/call", "params": params }).to_string()
}

fn good() -> String {
    sign(claims(support::now()))
}

impl Proxy<Upstream> {
    /// Status, JSON of the answer.
    fn post(&self, body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = Request::post("/mcp", body).bearer(&good());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = blocking::send(self.at, &request).unwrap();
        (answer.status, answer.json().unwrap_or_default())
    }

    /// The wire as it is written, part by part, each in a packet of its own; gives what comes back until the end.
    fn raw(&self, parts: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n",
            good()
        );
        stream.write_all(head.as_bytes()).unwrap();
        for part in parts {
            // An answer may come before the end: then the rest cannot be written.
            if stream.write_all(part).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// One chunk of chunked transfer coding.
fn chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}

#[test]
fn what_is_denied_never_reaches_the_upstream() {
    let Some(proxy) = proxy(true) else { return };
    let batch = format!("[{}]", call("tickets.list", &json!({})));
    let doubled = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"payments.send"}}"#;
    let posing = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tickets.list","Name":"payments.send"}}"#.to_owned();
    let list = call("tickets.list", &json!({}));
    for (body, headers, status, code) in [
        (call("payments.send", &json!({})), vec![], 403, "action_denied"),
        (call("payments.send", &json!({})), vec![("content-type", "text/plain")], 403, "action_denied"),
        (call("tickets.close", &json!({})), vec![], 403, "argument_denied"),
        (call("tickets.close", &json!({ "env": "production" })), vec![], 403, "argument_denied"),
        (doubled.to_owned(), vec![], 400, "body_malformed"),
        (posing, vec![], 400, "body_malformed"),
        (batch, vec![], 400, "body_malformed"),
        (String::new(), vec![], 400, "body_malformed"),
        (format!("{list}{list}"), vec![], 400, "body_malformed"),
        (format!("\u{feff}{list}"), vec![], 400, "body_malformed"),
        (list.clone(), vec![("content-encoding", "gzip")], 400, "body_malformed"),
        (list.clone(), vec![("mcp-method", "tools/list")], 400, "protocol_mismatch"),
        (list, vec![("mcp-method", "tools/call"), ("mcp-name", "payments.send")], 400, "protocol_mismatch"),
    ] {
        let (answered, answer) = proxy.post(body.clone(), &headers);
        assert_eq!(
            (answered, answer["error"]["data"]["code"].as_str()),
            (status, Some(code)),
            "{body} {headers:?}: {answer}"
        );
        assert_eq!(proxy.upstream.requests(), 0, "{body} {headers:?}");
    }
    let (_, answer) = proxy.post(call("payments.send", &json!({})), &[]);
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!("call-1")));
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.contains("action_denied") && said.contains("decision "), "{said}");
}

#[test]
fn what_is_allowed_reaches_the_upstream_byte_for_byte() {
    let Some(proxy) = proxy(true) else { return };
    let odd =
        format!(" \n{}\t", call("tickets.close", &json!({ "env": "staging", "note": "\u{e9}\u{1F600} \"" })));
    let long = call("tickets.list", &json!({ "text": "x".repeat(900_000) }));
    for body in [odd, long] {
        let (status, _) = proxy.post(body.clone(), &[("content-type", "application/json")]);
        assert_eq!(status, 200, "{}", proxy.envoy.log_tail());
        let received = proxy.upstream.received();
        assert_eq!(received.last().map(|it| it.body.as_slice()), Some(body.as_bytes()));
    }
    assert_eq!(proxy.upstream.requests(), 2);
}

#[test]
fn however_the_wire_splits_a_message_it_is_one() {
    let Some(proxy) = proxy(true) else { return };
    let chunked: &[u8] = b"transfer-encoding: chunked\r\n\r\n";
    let (end, trailers): (&[u8], &[u8]) = (b"0\r\n\r\n", b"0\r\nx-checksum: 1\r\n\r\n");
    for (tool, allowed) in [("payments.send", false), ("tickets.list", true)] {
        let body = call(tool, &json!({}));
        let pieces: Vec<Vec<u8>> =
            body.as_bytes().chunks(7).map(|it| chunk(std::str::from_utf8(it).unwrap())).collect();
        for last in [end, trailers] {
            let before = proxy.upstream.requests();
            let mut parts = vec![chunked];
            parts.extend(pieces.iter().map(Vec::as_slice));
            // Of a message that may still be denied nothing is passed on.
            parts.push(last);
            let answer = proxy.raw(&parts);
            let expected = if allowed { "HTTP/1.1 200" } else { "HTTP/1.1 403" };
            assert!(answer.starts_with(expected), "{tool}: {answer}\n{}", proxy.envoy.log_tail());
            assert_eq!(proxy.upstream.requests() - before, u64::from(allowed), "{tool}");
        }
    }
    let received = proxy.upstream.received();
    assert!(received.iter().all(|it| it.body == call("tickets.list", &json!({})).as_bytes()), "{received:?}");
}

#[test]
fn a_message_that_ends_early_reaches_nobody() {
    let Some(proxy) = proxy(true) else { return };
    let body = call("tickets.list", &json!({}));
    let mut stream = TcpStream::connect(proxy.at).unwrap();
    let length = body.len() + 10;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {length}\r\n\r\n{body}",
        good()
    );
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    stream.shutdown(Shutdown::Both).unwrap();
    // Another request shows that the proxy has gone on since.
    assert_eq!(proxy.post(body, &[]).0, 200);
    assert_eq!(proxy.upstream.requests(), 1);
}

#[test]
fn a_body_on_a_route_without_protocol_is_not_read() {
    let Some(proxy) = proxy(true) else { return };
    let body = vec![b'{'; limits::BODY_BYTES + 1];
    let answer = blocking::send(proxy.at, &Request::post("/v1/x", body.clone()).bearer(&good())).unwrap();
    assert_eq!(answer.status, 200, "{}", proxy.envoy.log_tail());
    assert_eq!(proxy.upstream.received()[0].body, body);
}

#[test]
fn without_the_setting_of_the_proxy_a_message_is_denied_and_the_log_says_why() {
    let Some(proxy) = proxy(false) else { return };
    let (status, answer) = proxy.post(call("tickets.list", &json!({})), &[]);
    assert_eq!((status, answer["error"]["data"]["code"].as_str()), (503, Some("internal")), "{answer}");
    assert_eq!(proxy.upstream.requests(), 0);
    assert!(proxy.envoy.log_tail().contains("allow_on_headers_stop_iteration"), "{}", proxy.envoy.log_tail());
    // What has no body needs no setting.
    let get = blocking::send(proxy.at, &Request::get("/mcp").bearer(&good())).unwrap();
    assert_eq!(get.status, 200, "{}", proxy.envoy.log_tail());
}

/// A proxy that cannot hold the head sends it ahead; the upstream never has a body that is denied, and runs nothing.
#[test]
fn where_only_the_body_is_held_no_denied_body_reaches_the_upstream() {
    for shows_held_bodies in [false, true] {
        let Some(proxy) = proxy_that_holds("body", shows_held_bodies) else { return };
        let (denied, allowed) =
            (call("payments.send", &json!({})), call("tickets.list", &json!({ "x": "é".repeat(20_000) })));
        let (status, answer) = proxy.post(denied.clone(), &[]);
        assert_eq!(
            (status, answer["error"]["data"]["code"].as_str()),
            (403, Some("action_denied")),
            "{answer}"
        );
        // In pieces, with and without trailers.
        for end in [&b"0\r\n\r\n"[..], b"0\r\nx-checksum: 1\r\n\r\n"] {
            let pieces: Vec<Vec<u8>> =
                denied.as_bytes().chunks(9).map(|it| chunk(std::str::from_utf8(it).unwrap())).collect();
            let mut parts = vec![&b"transfer-encoding: chunked\r\n\r\n"[..]];
            parts.extend(pieces.iter().map(Vec::as_slice));
            parts.push(end);
            let answer = proxy.raw(&parts);
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}\n{}", proxy.envoy.log_tail());
        }
        assert_eq!(proxy.upstream.requests(), 0, "a request whose body never came whole is none");
        let (status, _) = proxy.post(allowed.clone(), &[]);
        assert_eq!(status, 200, "{}", proxy.envoy.log_tail());
        let received = proxy.upstream.received();
        assert_eq!((received.len(), received[0].body.as_slice()), (1, allowed.as_bytes()));
        assert_eq!(received[0].header("x-mandate-principal"), Some("user:alice"));
        assert_eq!(received[0].header("authorization"), None);
    }
}
