//! Requests of A2A through a real Envoy: what is denied never reaches the upstream, and what is allowed reaches it byte for byte.
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
use support::proxy::Proxy;
use support::{claims, sign, with_route};

/// An Envoy with an agent on `/agent`. `None`: no Envoy here.
fn proxy() -> Option<Proxy<Upstream>> {
    let config = with_route(json!({
        "match": { "path_prefix": "/agent" },
        "scopes": ["tickets.read"],
        "a2a": {
            "methods": [
                { "name": "SendMessage", "arguments": { "/message/taskId": [null, "t1"] } },
                { "name": "GetTask" },
                { "name": "SubscribeToTask" },
            ],
            "agent_card": "anonymous",
        },
    }));
    let upstream = Upstream::start().unwrap();
    let address = upstream.address();
    Proxy::start(upstream, address, &config, |setup| setup.shows_held_bodies(limits::BODY_BYTES))
}

fn call(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": "call-1", "method": method, "params": params }).to_string()
}

fn message(task: &str) -> Value {
    let parts = json!([{ "text": "\u{e9}\u{1F600} \"" }]);
    json!({ "message": { "messageId": "m", "role": "ROLE_USER", "taskId": task, "parts": parts } })
}

impl Proxy<Upstream> {
    /// Status, and the code of a denial.
    fn send(&self, request: &Request) -> (u16, Option<String>, Value) {
        let answer = blocking::send(self.at, request).unwrap();
        let body = answer.json().unwrap_or_default();
        let code = body["code"].as_str().or_else(|| body["error"]["data"]["code"].as_str());
        (answer.status, code.map(str::to_owned), body)
    }
}

fn good() -> String {
    sign(claims(support::now()))
}

fn post(path: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::post(path, body).bearer(&good())
}

fn get(path: &str) -> Request {
    Request::get(path).bearer(&good())
}

#[test]
fn what_is_denied_never_reaches_the_upstream() {
    let Some(proxy) = proxy() else { return };
    let cancel = call("CancelTask", &json!({ "id": "t1" }));
    let (sent, other) = (message("t1").to_string(), message("t2").to_string());
    let doubled = r#"{"jsonrpc":"2.0","id":1,"method":"GetTask","method":"CancelTask","params":{"id":"t1"}}"#;
    let snake = r#"{"message":{"messageId":"m","task_id":"t2"}}"#;
    let pushed = r#"{"message":{"messageId":"m"},"configuration":{"taskPushNotificationConfig":{"url":"https://evil.example"}}}"#;
    for (request, status, code) in [
        (post("/agent", cancel.clone()), 403, "action_denied"),
        (post("/agent", call("tasks/cancel", &json!({ "id": "t1" }))), 403, "action_denied"),
        (post("/agent", cancel).header("content-type", "text/plain"), 403, "action_denied"),
        (post("/agent", call("cancel_task", &json!({ "id": "t1" }))), 400, "body_malformed"),
        (post("/agent", doubled), 400, "body_malformed"),
        (post("/agent", ""), 400, "body_malformed"),
        (post("/agent", call("SendMessage", &message("t2"))), 403, "argument_denied"),
        (post("/agent", call("message/send", &message("t2"))), 403, "argument_denied"),
        (post("/agent", call("GetTask", &json!({}))).header("a2a-version", "2.0"), 400, "protocol_mismatch"),
        (post("/agent/tasks/t1:cancel", ""), 403, "action_denied"),
        (post("/agent/tasks/t1%3Acancel", "{}"), 403, "action_denied"),
        (post("/agent//acme//tasks/t1:cancel/", "{}"), 403, "action_denied"),
        (post("/agent/tasks/t1:CANCEL", "{}"), 403, "path_invalid"),
        (post("/agent/tasks/t1/pushNotificationConfigs", "{}"), 403, "action_denied"),
        (post("/agent/message:stream", sent.clone()), 403, "action_denied"),
        (post("/agent/message:send", other.clone()), 403, "argument_denied"),
        (post("/agent/v1/message%3asend", other), 403, "argument_denied"),
        (post("/agent/message:send", snake).header("a2a-version", "1.0"), 400, "body_malformed"),
        (post("/agent/v1/message:send", snake), 403, "argument_denied"),
        (post("/agent/message:send", pushed).header("a2a-version", "1.0"), 403, "argument_denied"),
        (post("/agent/message:send", call("GetTask", &json!({}))), 400, "body_malformed"),
        (post("/agent/message:send", "").header("x-http-method-override", "DELETE"), 400, "body_malformed"),
        (get("/agent/tasks"), 403, "action_denied"),
        (get("/agent/tasks/tasks"), 403, "path_invalid"),
        (get("/agent/extendedAgentCard"), 403, "action_denied"),
        (get("/agent/v1/card"), 403, "action_denied"),
        (get("/agent/anything"), 403, "action_denied"),
        (Request::get("/agent/tasks/t1"), 401, "token_missing"),
        (Request::post("/agent/.well-known/agent-card.json", ""), 401, "token_missing"),
    ] {
        let shown = format!("{request:?}");
        let (answered, said, body) = proxy.send(&request);
        assert_eq!((answered, said.as_deref()), (status, Some(code)), "{shown}: {body}");
        assert_eq!(proxy.upstream.requests(), 0, "{shown}");
    }
    // An error of JSON-RPC where JSON-RPC is spoken, and nowhere else.
    let (_, _, body) = proxy.send(&post("/agent", call("ListTasks", &json!({}))));
    assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), &json!("call-1")));
    let (_, _, body) = proxy.send(&post("/agent/message:stream", sent));
    assert_eq!((&body["status"], &body["jsonrpc"]), (&json!(403), &Value::Null));
}

#[test]
fn what_is_allowed_reaches_the_upstream_byte_for_byte() {
    let Some(proxy) = proxy() else { return };
    let odd = format!(" \n{}\t", call("SendMessage", &message("t1")));
    let rest = format!("\n{}", message("t1"));
    let long = json!({ "message": { "messageId": "m", "parts": [{ "text": "x".repeat(900_000) }] } });
    for (path, body, arrives) in [
        ("/agent", odd.clone(), "/agent"),
        ("/agent/", odd, "/agent/"),
        ("/agent/message:send", rest.clone(), "/agent/message:send"),
        ("/agent/v1/message%3Asend", rest, "/agent/v1/message:send"),
        ("/agent/message:send", long.to_string(), "/agent/message:send"),
        ("/agent/tasks/t1:subscribe", String::new(), "/agent/tasks/t1:subscribe"),
    ] {
        let (status, _, answer) = proxy.send(&post(path, body.clone()));
        assert_eq!(status, 200, "{path}: {answer}\n{}", proxy.envoy.log_tail());
        let received = proxy.upstream.received();
        let last = received.last().unwrap();
        assert_eq!((last.path.as_str(), last.body.as_slice()), (arrives, body.as_bytes()));
    }
    for request in [
        get("/agent/tasks/t1?historyLength=1"),
        get("/agent/acme/tasks/t1"),
        get("/agent/tasks/t1:subscribe"),
        Request::get("/agent/.well-known/agent-card.json"),
        Request::get("/agent/billing/.well-known/agent.json"),
    ] {
        let shown = format!("{request:?}");
        let (status, _, answer) = proxy.send(&request);
        assert_eq!(status, 200, "{shown}: {answer}\n{}", proxy.envoy.log_tail());
    }
    assert_eq!(proxy.upstream.requests(), 11);
}
