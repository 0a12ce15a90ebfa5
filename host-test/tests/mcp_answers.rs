//! Answers to messages of MCP through a real Envoy: lists show what the caller may call, sessions belong to who opened them, and streams
//! end with their token.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_core::limits;
use mandate_host::client::{Request, Response, blocking};
use mandate_host::embedded::Embedded;
use mandate_host::envoy::EnvoySetup;
use mandate_host::tool_server::{Form, ToolServer};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use support::proxy::Proxy;
use support::{claims, sign, through, with_route};

fn rules() -> Value {
    json!({
        "tools": [{ "name": "tickets.close", "scopes": ["tickets.write"] }, { "name": "tickets.*" }],
        "resources": [{ "uri": "ticket://*" }],
        "prompts": [{ "name": "greet" }],
    })
}

fn route(rules: &Value) -> Value {
    json!({ "match": { "path_prefix": "/mcp" }, "scopes": ["tickets.read"], "mcp": rules })
}

/// An Envoy in front of the server of tools. `None`: no Envoy here.
fn proxy(form: Form, rules: &Value) -> Option<Proxy<ToolServer>> {
    let upstream = ToolServer::start(form).unwrap();
    let address = upstream.address();
    let shows = |setup: EnvoySetup| setup.shows_held_bodies(limits::BODY_BYTES);
    Proxy::start(upstream, address, &with_route(route(rules)), shows)
}

fn token(principal: &str, agent: &str, scopes: &str) -> String {
    sign(through(support::now(), &[agent]).subject(principal).scope(scopes))
}

impl Proxy<ToolServer> {
    fn post(&self, token: &str, session: Option<&str>, method: &str, params: &Value) -> Response {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = Request::post("/mcp", body.to_string()).bearer(token);
        request = request.header("accept", "application/json, text/event-stream");
        request = request.header("accept-encoding", "gzip");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        blocking::send(self.at, &request).unwrap_or_else(|error| panic!("{error}: {}", self.envoy.log_tail()))
    }
}

/// The message in an answer, whatever its form.
fn message(answer: &Response) -> Value {
    let text = answer.text();
    match text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back() {
        Some(data) => serde_json::from_str(data).unwrap(),
        None => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")),
    }
}

fn names(answer: &Response, list: &str, member: &str) -> Vec<String> {
    let message = message(answer);
    let list = message["result"][list].as_array().unwrap_or_else(|| panic!("{message}"));
    list.iter().map(|element| element[member].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_show_what_the_caller_may_call_in_every_form() {
    for form in [Form::Json, Form::Events] {
        let Some(proxy) = proxy(form, &rules()) else { return };
        let reader = token("alice", "agent", "tickets.read");
        let writer = token("alice", "agent", "tickets.read tickets.write");
        for (method, list, member, shown) in [
            ("tools/list", "tools", "name", vec!["tickets.list"]),
            ("resources/list", "resources", "uri", vec!["ticket://7"]),
            ("resources/templates/list", "resourceTemplates", "uriTemplate", vec!["ticket://{id}"]),
            ("prompts/list", "prompts", "name", vec!["greet"]),
        ] {
            let answer = proxy.post(&reader, None, method, &json!({}));
            assert_eq!(answer.status, 200, "{}", proxy.envoy.log_tail());
            assert_eq!(names(&answer, list, member), shown, "{form:?} {}", answer.text());
            assert_eq!(message(&answer)["id"], 1);
        }
        let answer = proxy.post(&writer, None, "tools/list", &json!({}));
        assert_eq!(names(&answer, "tools", "name"), ["tickets.list", "tickets.close"]);
        assert_eq!(message(&answer)["result"]["cacheScope"], "private");
        // What is no list passes as it is, and none is asked for in compressed form.
        let called = proxy.post(&reader, None, "tools/call", &json!({ "name": "tickets.list" }));
        assert!(message(&called)["result"]["content"].is_array(), "{}", called.text());
        let received = proxy.upstream.received();
        let encoding = |at: usize| received[at].header("accept-encoding");
        assert_eq!((encoding(0), encoding(5)), (None, Some("gzip")));
        // Where the operator does not want it, lists stay as they are.
        let mut open = rules();
        open["narrow_lists"] = json!(false);
        let Some(proxy) = self::proxy(form, &open) else { return };
        let answer = proxy.post(&reader, None, "tools/list", &json!({}));
        assert_eq!(names(&answer, "tools", "name"), ToolServer::TOOLS);
    }
}

#[test]
fn a_session_belongs_to_the_principal_and_the_agent_that_opened_it() {
    let Some(proxy) = proxy(Form::Json, &rules()) else { return };
    let alice = token("alice", "agent", "tickets.read");
    let opened = proxy.post(&alice, None, "initialize", &json!({}));
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    assert_ne!(id, "session-0");
    let call =
        |token: &str, id: &str| proxy.post(token, Some(id), "tools/call", &json!({ "name": "tickets.list" }));
    let before = proxy.upstream.requests();
    let forged = format!("session-0.{}", "A".repeat(43));
    let other_id = id.replacen("session-0", "session-1", 1);
    for (who, id) in [
        (token("mallory", "agent", "tickets.read"), id.as_str()),
        (token("alice", "other", "tickets.read"), id.as_str()),
        (alice.clone(), "session-0"),
        (alice.clone(), forged.as_str()),
        (alice.clone(), other_id.as_str()),
    ] {
        let answer = call(&who, id);
        let said = message(&answer);
        assert_eq!(
            (answer.status, &said["error"]["data"]["code"]),
            (404, &json!("session_unknown")),
            "{id}: {said}"
        );
        for method in ["GET", "DELETE"] {
            let request = Request::new(method, "/mcp").bearer(&who).header("mcp-session-id", id);
            assert_eq!(blocking::send(proxy.at, &request).unwrap().status, 404, "{method} {id}");
        }
    }
    assert_eq!(proxy.upstream.requests(), before, "{}", proxy.envoy.log_tail());
    // Another token of the same agent for the same principal has the same session.
    let again = token("alice", "agent", "tickets.read tickets.write");
    for token in [&alice, &again] {
        let answer = call(token, &id);
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), proxy.envoy.log_tail());
    }
    let last = proxy.upstream.received().pop().unwrap();
    assert_eq!(last.header("mcp-session-id"), Some("session-0"));
}

/// What a stream told until it ended, whose token is valid for a few seconds more, and how it ended.
fn listen(at: SocketAddr, upstream: &ToolServer) -> (String, String) {
    let now = i64::try_from(support::now()).unwrap();
    // With the half minute that clocks may differ.
    let short = claims(support::now()).issued_at(now - 60).not_before(now - 60).expires_at(now - 26);
    let request = Request::get("/mcp").bearer(&sign(short)).header("accept", "text/event-stream");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut stream = mandate_host::client::stream(at, &request).await.unwrap();
        assert_eq!(stream.status, 200);
        let mut told = String::new();
        loop {
            upstream.send(&json!({ "jsonrpc": "2.0", "method": "notifications/message" }));
            let next = tokio::time::timeout(Duration::from_secs(20), stream.body.next()).await;
            match next {
                Ok(Ok(Some(piece))) => told.push_str(&String::from_utf8_lossy(&piece)),
                Ok(end) => break (told, format!("{end:?}")),
                Err(_) => break (told, "it goes on".to_owned()),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
}

#[test]
fn a_stream_ends_when_its_token_does() {
    let Some(proxy) = proxy(Form::Json, &rules()) else { return };
    let (told, ended) = listen(proxy.at, &proxy.upstream);
    let log = proxy.envoy.log_tail();
    assert!(told.contains("notifications/message") && ended != "it goes on", "{ended}: {told}");
    assert!(log.contains("its stream was ended"), "{ended} {log}");
}

#[test]
fn a_stream_ends_when_its_token_does_without_envoy_too() {
    let upstream = ToolServer::start(Form::Json).unwrap();
    let config = with_route(route(&rules())).to_string();
    let listening = SocketAddr::from(([127, 0, 0, 1], 0));
    let gateway =
        Embedded::start(&support::filter(), &config, upstream.address(), Vec::new(), listening).unwrap();
    let (told, ended) = listen(gateway.address(), &upstream);
    assert!(told.contains("notifications/message") && ended != "it goes on", "{ended}: {told}");
    assert!(gateway.log().contains("its stream was ended"), "{ended} {}", gateway.log());
}
