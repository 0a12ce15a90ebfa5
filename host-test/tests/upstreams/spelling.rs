//! Other spellings of a path or method: percent-encoding, upper case, `HEAD`.

use super::gateway::{Gateway, Seen, token};
use super::servers;
use mandate_host::client::Request;
use serde_json::{Value, json};
use std::sync::OnceLock;

/// What stands plain in a segment, and what servers decode (RFC 3986 §3.3).
const PLAIN: &str = "!$&'()*+,=:@";

fn decoding() -> Option<&'static Gateway> {
    static GATEWAY: OnceLock<Option<Gateway>> = OnceLock::new();
    let start = || {
        let strict = PLAIN.chars().map(|octet| {
            json!({ "match": { "path_prefix": format!("/a2a/message{octet}send") }, "scopes": ["a2a.send"] })
        });
        let others = [
            json!({ "match": { "path_prefix": "/a2a/" }, "scopes": ["tickets.read"] }),
            json!({ "match": { "path_prefix": "/reports", "methods": ["GET"] }, "scopes": ["reports.read"] }),
            json!({ "match": { "path_prefix": "/reports" }, "scopes": ["tickets.read"] }),
        ];
        let servers =
            [("flask", servers::flask()?), ("starlette", servers::starlette()?), ("a2a", servers::a2a()?)];
        Gateway::start(&strict.chain(others).collect::<Value>(), &[], &servers)
    };
    GATEWAY.get_or_init(start).as_ref()
}

/// A message as the A2A server takes it; to the others it is any body.
fn post(gateway: &Gateway, server: &str, path: &str, scope: &str) -> Seen {
    let message = json!({ "message": {
        "messageId": "1",
        "role": "ROLE_USER",
        "parts": [{ "text": "pay" }],
    } });
    let request = Request::post(path, message.to_string())
        .header("content-type", "application/json")
        .header("a2a-version", "1.0")
        .bearer(&token(scope));
    gateway.send(server, request)
}

#[test]
fn an_encoded_octet_that_may_stand_plain_is_ruled_as_the_plain_one() {
    let Some(gateway) = decoding() else { return };
    for octet in PLAIN.chars() {
        let upper = format!("/a2a/message%{:02X}send", u32::from(octet));
        let lower = format!("/a2a/message%{:02x}send", u32::from(octet));
        let plain = format!("/a2a/message{octet}send");
        for server in gateway.servers().filter(|server| *server != "a2a" || octet == ':') {
            for path in [&plain, &upper, &lower] {
                let what = format!("{server} {path}");
                post(gateway, server, path, "tickets.read").assert_denied(403, "scope_insufficient", &what);
                post(gateway, server, path, "a2a.send").assert_ran(&format!("send {octet}"), &what);
            }
        }
    }
}

#[test]
fn what_servers_decode_each_in_their_own_way_is_refused() {
    let Some(gateway) = decoding() else { return };
    for path in [
        "/a2a/message%ffsend",
        "/a2a/message%C3%28send",
        "/a2a/message%ED%A0%80send",
        "/a2a/message:send%20",
        "/a2a%20/b",
        "/a2a%20",
        "/a2a/x%20/message:send",
    ] {
        for server in gateway.servers() {
            let what = format!("{server} {path}");
            post(gateway, server, path, "a2a.send tickets.read").assert_denied(403, "path_invalid", &what);
        }
    }
    // What is UTF-8, and a space within a segment, are the application's business.
    for path in ["/a2a/caf%C3%A9", "/a2a/two%20words"] {
        for server in ["flask", "starlette"] {
            post(gateway, server, path, "tickets.read").assert_ran("a2a", path);
        }
    }
}

/// Flask and Starlette run the handler of `GET` for `HEAD`.
#[test]
fn head_needs_what_get_needs() {
    let Some(gateway) = decoding() else { return };
    for server in ["flask", "starlette"] {
        let send = |method: &str, scope: &str| {
            gateway.send(server, Request::new(method, "/reports").bearer(&token(scope)))
        };
        send("GET", "tickets.read").assert_denied(403, "scope_insufficient", server);
        let head = send("HEAD", "tickets.read");
        // An answer to HEAD has no body that could name the reason.
        assert_eq!((head.status, head.ran.as_slice()), (403, [].as_slice()), "{server}: {head:?}");
        assert!(
            head.challenge.as_deref().is_some_and(|challenge| challenge.contains("reports.read")),
            "{head:?}"
        );
        for method in ["GET", "HEAD"] {
            let seen = send(method, "reports.read");
            assert_eq!(seen.assert_ran("reports", server)["method"], method);
        }
    }
}

fn payments() -> Value {
    json!([
        { "match": { "path_prefix": "/v1/payments" }, "scopes": ["payments.write"] },
        { "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] },
    ])
}

#[test]
fn a_path_that_is_a_stricter_one_but_for_case_is_refused() {
    let Some(express) = servers::express("insensitive") else { return };
    let Some(gateway) = Gateway::start(&payments(), &[], &[("express", express)]) else { return };
    let get = |path: &str, scope: &str| gateway.send("express", Request::get(path).bearer(&token(scope)));
    get("/v1/payments", "tickets.read").assert_denied(403, "scope_insufficient", "the plain path");
    for path in ["/v1/Payments", "/v1/PAYMENTS", "/v1/Payments/", "/v1/Payments/7", "/v1/%50ayments"] {
        for scope in ["tickets.read", "tickets.read payments.write"] {
            get(path, scope).assert_denied(403, "path_invalid", path);
        }
    }
    // No rule of this configuration holds for it at all.
    let seen = get("/V1/payments", "tickets.read payments.write");
    assert_eq!((seen.status, seen.ran.as_slice()), (403, [].as_slice()), "{seen:?}");
    get("/v1/payments", "payments.write").assert_ran("payments", "the plain path");
    get("/v1/Tickets", "tickets.read").assert_ran("other", "a path that no rule names");
    get("/v1/Payments2", "tickets.read").assert_ran("other", "another segment");
}

#[test]
fn where_the_upstream_reads_case_the_operator_says_so() {
    let Some(express) = servers::express("sensitive") else { return };
    let members = [("upstream", json!({ "case_sensitive_paths": true }))];
    let Some(gateway) = Gateway::start(&payments(), &members, &[("express", express)]) else { return };
    let get = |path: &str, scope: &str| gateway.send("express", Request::get(path).bearer(&token(scope)));
    get("/v1/payments", "tickets.read").assert_denied(403, "scope_insufficient", "the plain path");
    get("/v1/Payments", "payments.write").assert_denied(403, "scope_insufficient", "the other rule's path");
    get("/v1/Payments", "tickets.read").assert_ran("other", "the other rule's path");
    get("/v1/payments", "payments.write").assert_ran("payments", "the plain path");
}
