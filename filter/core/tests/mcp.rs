//! What a message is about to do, and which rule admits it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::action::SessionKey;
use mandate_core::chain::VerifiedChain;
use mandate_core::config::Config;
use mandate_core::decision::{AuditRecord, Decision, Reply};
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::Headers;
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::reason::Reason;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::rc::Rc;
use support::{NOW, act_of_depth, config_value, gate, only_route, parse_config, token, verify};

fn config(mcp: Value) -> Config {
    let mut config = config_value();
    config["routes"] =
        json!([{ "match": { "path_prefix": "/mcp" }, "scopes": ["tickets.read"], "mcp": mcp }]);
    parse_config(&config)
}

fn rules() -> Config {
    config(json!({
        "tools": [
            { "name": "tickets.close", "scopes": ["tickets.write"], "max_depth": 1, "arguments": { "/env": ["staging", null], "/n": [1] } },
            { "name": "tickets.*" },
            { "name": "réglage" },
        ],
        "resources": [{ "uri": "ticket://*" }],
        "prompts": [{ "name": "greet" }],
        "methods": ["tasks/*", "logging/setLevel"],
    }))
}

struct Sent<'a> {
    method: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: Option<Vec<u8>>,
    claims: Value,
}

fn message(body: Value) -> Sent<'static> {
    Sent { method: "POST", headers: vec![], body: Some(body.to_string().into_bytes()), claims: json!({}) }
}

fn decide_with(gate: &mut Gate, sent: Sent<'_>) -> Decision {
    let mut claims = json!({ "scope": "tickets.read" });
    claims.as_object_mut().unwrap().extend(sent.claims.as_object().unwrap().clone());
    let bearer = format!("Bearer {}", token(claims));
    let headers: Headers = [(":method", sent.method), (":path", "/mcp"), ("authorization", &bearer)]
        .into_iter()
        .chain(sent.headers)
        .collect();
    let head = RequestHead::new(headers).with_body(sent.body.is_some());
    let mut flow = Flow::new("decision-1".to_owned(), head);
    let step = flow.advance(gate, &InModule, NOW);
    let step = match step {
        Step::NeedBody(_) => {
            flow.set_body(Body::Whole(sent.body.unwrap()));
            flow.advance(gate, &InModule, NOW)
        }
        other => other,
    };
    let Step::Done(decision) = step else { panic!("{step:?}") };
    *decision
}

fn reason(sent: Sent<'_>) -> Option<Reason> {
    decide_with(&mut gate(rules()), sent).reason()
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

fn named(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

#[test]
fn what_no_rule_admits_is_denied() {
    for (body, expected) in [
        (call("payments.send", json!({})), Some(Reason::ActionDenied)),
        (call("Tickets.list", json!({})), Some(Reason::ActionDenied)),
        (call("tickets", json!({})), Some(Reason::ActionDenied)),
        (call("tickets.list", json!({})), None),
        (named("resources/read", json!({ "uri": "file:///etc/passwd" })), Some(Reason::ActionDenied)),
        (named("resources/subscribe", json!({ "uri": "file:///x" })), Some(Reason::ActionDenied)),
        (named("resources/read", json!({ "uri": "ticket://7" })), None),
        (named("prompts/get", json!({ "name": "greeting" })), Some(Reason::ActionDenied)),
        (named("prompts/get", json!({ "name": "greet" })), None),
        (named("sampling/createMessage", json!({})), Some(Reason::ActionDenied)),
        (named("logging/setLevel", json!({ "level": "debug" })), None),
        (named("tasks/cancel", json!({ "taskId": "1" })), None),
        (named("tools/list", json!({})), None),
        (named("initialize", json!({ "protocolVersion": "2025-11-25" })), None),
        (named("server/discover", json!({})), None),
        (json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }), None),
        // A request by the name of a notification might be anything.
        (named("notifications/initialized", json!({})), Some(Reason::ActionDenied)),
        // A notification by the name of a call is a call: some servers carry it out.
        (
            json!({ "jsonrpc": "2.0", "method": "tools/call", "params": { "name": "payments.send" } }),
            Some(Reason::ActionDenied),
        ),
        (json!({ "jsonrpc": "2.0", "id": 1, "result": {} }), None),
    ] {
        assert_eq!(reason(message(body.clone())), expected, "{body}");
    }
}

#[test]
fn what_is_not_one_message_is_denied_with_its_own_reason() {
    let malformed = Some(Reason::BodyMalformed);
    for body in [
        json!([call("tickets.list", json!({}))]),
        json!({}),
        named("tools/call", json!({})),
        named("tools/call", json!({ "name": 7 })),
        named("tools/call", json!({ "name": "tickets.list", "arguments": [] })),
        named("resources/read", json!({ "name": "ticket://7" })),
    ] {
        assert_eq!(reason(message(body.clone())), malformed, "{body}");
    }
    let raw = |body: &[u8]| Sent { body: Some(body.to_vec()), ..message(json!(0)) };
    assert_eq!(reason(raw(b"")), malformed);
    assert_eq!(reason(raw(br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tickets.list","name":"payments.send"}}"#)), malformed);
    assert_eq!(reason(raw(b"\xff\xfe{\0}\0")), malformed, "UTF-16");
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-type", "application/json;charset=\"latin-1\""),
        ("content-type", "text/plain; x=1, application/json; Charset=UTF-7"),
    ] {
        let sent = Sent { headers: vec![(name, value)], ..message(call("tickets.list", json!({}))) };
        assert_eq!(reason(sent), malformed, "{name}: {value}");
    }
    for value in ["application/json", "application/json; charset=utf-8", "text/plain", "application/json, x"]
    {
        let sent =
            Sent { headers: vec![("content-type", value)], ..message(call("tickets.list", json!({}))) };
        assert_eq!(reason(sent), None, "{value}");
    }
}

#[test]
fn headers_that_do_not_agree_with_the_body_are_denied() {
    let (old, new) = (("mcp-protocol-version", "2025-06-18"), ("mcp-protocol-version", "2026-07-28"));
    let (method, name) = (("mcp-method", "tools/call"), ("mcp-name", "tickets.list"));
    let mismatch = Some(Reason::ProtocolMismatch);
    for (headers, expected) in [
        (vec![], None),
        (vec![old], None),
        (vec![new, method, name], None),
        (vec![new], mismatch),
        (vec![new, method], mismatch),
        (vec![new, name], mismatch),
        (vec![new, method, ("mcp-name", "payments.send")], mismatch),
        (vec![new, ("mcp-method", "tools/list"), name], mismatch),
        // Also where the revision does not ask for them.
        (vec![("mcp-name", "payments.send")], mismatch),
        (vec![old, ("mcp-name", "payments.send")], mismatch),
        (vec![old, ("mcp-method", "ping")], mismatch),
        (vec![old, old], mismatch),
        (vec![old, new, method, name], mismatch),
        (vec![new, method, name, name], mismatch),
        (vec![("mcp-protocol-version", "2024-11-04")], mismatch),
        (vec![("mcp-protocol-version", "2024-11-05")], None),
        (vec![("mcp-protocol-version", "")], mismatch),
        (vec![new, method, ("mcp-name", "=?base64?dGlja2V0cy5saXN0?=")], None),
        (vec![new, method, ("mcp-name", "=?base64?cGF5bWVudHM=?=")], mismatch),
    ] {
        let sent = Sent { headers: headers.clone(), ..message(call("tickets.list", json!({}))) };
        assert_eq!(reason(sent), expected, "{headers:?}");
    }
    let encoded = vec![new, method, ("mcp-name", "=?base64?csOpZ2xhZ2U=?=")];
    assert_eq!(reason(Sent { headers: encoded, ..message(call("réglage", json!({}))) }), None);
    let declared = |version: &str| {
        let mut body = call("tickets.list", json!({}));
        body["params"]["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": version });
        body
    };
    assert_eq!(reason(message(declared("2026-07-28"))), mismatch, "the header is missing");
    assert_eq!(reason(Sent { headers: vec![old], ..message(declared("2026-07-28")) }), mismatch);
    assert_eq!(reason(Sent { headers: vec![new, method, name], ..message(declared("2026-07-28")) }), None);
}

#[test]
fn a_rule_asks_for_scopes_depth_and_arguments_beside_the_route() {
    let close =
        |arguments: Value, claims: Value| Sent { claims, ..message(call("tickets.close", arguments)) };
    let write = || json!({ "scope": "tickets.read tickets.write" });
    let good = || json!({ "env": "staging", "n": 1 });
    assert_eq!(reason(close(good(), write())), None);
    assert_eq!(reason(close(good(), json!({}))), Some(Reason::ScopeInsufficient));
    let mut deep = write();
    deep["act"] = act_of_depth(2);
    assert_eq!(reason(close(good(), deep)), Some(Reason::DelegationTooDeep));
    // As on the route: the chain comes before the scopes.
    assert_eq!(reason(close(good(), json!({ "act": act_of_depth(2) }))), Some(Reason::DelegationTooDeep));
    for (arguments, expected) in [
        (json!({ "n": 1 }), None),
        (json!({ "n": 1, "env": null }), Some(Reason::ArgumentDenied)),
        (json!({ "n": 1, "env": "production" }), Some(Reason::ArgumentDenied)),
        (json!({ "n": 1, "env": ["staging"] }), Some(Reason::ArgumentDenied)),
        (json!({ "env": "staging" }), Some(Reason::ArgumentDenied)),
        (json!({ "n": "1" }), Some(Reason::ArgumentDenied)),
        (json!({ "n": 1, "other": {} }), None),
    ] {
        assert_eq!(reason(close(arguments.clone(), write())), expected, "{arguments}");
    }
    // The first rule that matches counts: the wider one behind it does not help.
    assert_eq!(reason(message(call("tickets.close", json!({})))), Some(Reason::ArgumentDenied));
}

/// Whatever servers there are: none may read another name, another argument or another resource than was ruled on.
#[test]
fn what_servers_read_in_different_ways_is_denied() {
    let malformed = Some(Reason::BodyMalformed);
    for params in [
        json!({ "name": "tickets.list", "Name": "payments.send" }),
        json!({ "name": "tickets.list", "NAME": "payments.send" }),
        json!({ "name": "tickets.list", "argument\u{17f}": {} }),
        json!({ "name": "tickets.list", "Arguments": {} }),
    ] {
        assert_eq!(reason(message(named("tools/call", params.clone()))), malformed, "{params}");
    }
    let mut posing = named("ping", json!({}));
    posing["Method"] = json!("tools/call");
    assert_eq!(reason(message(posing)), malformed);
    for uri in
        ["ticket://a/../b", "ticket://a/%2e%2e/b", "ticket://a\\b", "ticket://a/.\t./b", "ticket://a%2fb"]
    {
        assert_eq!(reason(message(named("resources/read", json!({ "uri": uri })))), malformed, "{uri}");
    }
    let nested = || {
        config(json!({ "tools": [
            { "name": "deploy", "arguments": { "/options/env": ["staging", null], "/list/0": ["a", null], "/n": [1, null] } },
        ] }))
    };
    let deploy = |arguments: &Value| {
        decide_with(&mut gate(nested()), message(call("deploy", arguments.clone()))).reason()
    };
    for arguments in [
        json!({ "options": { "env": "production" } }),
        json!({ "options": { "env": "staging", "ENV": "production" } }),
        json!({ "options": {}, "Options": { "env": "production" } }),
        json!({ "options": { "__proto__": { "env": "production" } } }),
        json!({ "__proto__": { "n": 2 } }),
        // JSON text within a string, which some servers parse.
        json!({ "options": "{\"env\":\"production\"}" }),
        json!({ "list": "[\"evil\"]" }),
        json!({ "options": 7 }),
        json!({ "n": "1" }),
        json!({ "n": 1.5 }),
        json!({ "n": 9_007_199_254_740_993_u64 }),
    ] {
        assert_eq!(deploy(&arguments), Some(Reason::ArgumentDenied), "{arguments}");
    }
    for arguments in [
        json!({}),
        json!({ "options": { "env": "staging" }, "list": ["a", "b"], "n": 1 }),
        json!({ "options": {}, "list": [], "n": 1.0 }),
        json!({ "options": null }),
    ] {
        assert_eq!(deploy(&arguments), None, "{arguments}");
    }
}

#[test]
fn the_record_of_a_denied_argument_names_the_rule_and_what_is_wrong_and_no_value() {
    let evidence = |arguments: Value| {
        let decision = decide_with(&mut gate(rules()), message(call("tickets.close", arguments)));
        let record: Value = serde_json::from_str(&AuditRecord::new(&decision).to_json()).unwrap();
        assert!(!record.to_string().contains("hunter2"), "{record}");
        let evidence = record["evidence"].clone();
        assert_eq!((&evidence["argument"], &evidence["rule"]), (&json!("/env"), &json!(0)));
        evidence["problem"].as_str().unwrap().to_owned()
    };
    assert!(evidence(json!({ "env": "hunter2" })).contains("not one of those"));
    assert!(evidence(json!({ "env": "staging", "ENV": "hunter2" })).contains("letter case"));
}

#[test]
fn completion_falls_under_the_rule_for_what_it_completes() {
    let complete = |reference: Value| {
        reason(message(named(
            "completion/complete",
            json!({ "ref": reference, "argument": { "name": "path", "value": "/etc/" } }),
        )))
    };
    assert_eq!(
        complete(json!({ "type": "ref/resource", "uri": "file:///{path}" })),
        Some(Reason::ActionDenied)
    );
    assert_eq!(complete(json!({ "type": "ref/prompt", "name": "other" })), Some(Reason::ActionDenied));
    assert_eq!(complete(json!({ "type": "ref/tool", "name": "greet" })), Some(Reason::BodyMalformed));
    assert_eq!(complete(Value::Null), Some(Reason::BodyMalformed));
    for posing in [
        json!({ "type": "ref/prompt", "name": "greet", "Name": "other" }),
        json!({ "type": "ref/prompt", "Type": "ref/resource", "name": "greet", "uri": "file:///x" }),
    ] {
        assert_eq!(complete(posing.clone()), Some(Reason::BodyMalformed), "{posing}");
    }
    assert_eq!(complete(json!({ "type": "ref/resource", "uri": "ticket://{id}" })), None);
    assert_eq!(complete(json!({ "type": "ref/prompt", "name": "greet" })), None);
}

#[test]
fn news_of_lists_are_open_and_those_of_resources_are_not() {
    let listen =
        |wanted: Value| reason(message(named("subscriptions/listen", json!({ "notifications": wanted }))));
    assert_eq!(
        listen(json!({ "resourceSubscriptions": ["file:///etc/passwd"] })),
        Some(Reason::ActionDenied)
    );
    assert_eq!(listen(json!({ "something": { "else": 1 } })), Some(Reason::ActionDenied));
    assert_eq!(listen(json!([])), Some(Reason::ActionDenied));
    assert_eq!(listen(json!({ "toolsListChanged": true, "resourceSubscriptions": [] })), None);
}

#[test]
fn a_notification_needs_no_headers_and_a_method_that_is_called_response_is_none() {
    let version = ("mcp-protocol-version", "2026-07-28");
    let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": {} });
    assert_eq!(reason(Sent { headers: vec![version], ..message(progress.clone()) }), None);
    let lying = Sent { headers: vec![version, ("mcp-method", "ping")], ..message(progress) };
    assert_eq!(reason(lying), Some(Reason::ProtocolMismatch));
    assert_eq!(reason(message(named("response", json!({})))), Some(Reason::ActionDenied));
    assert_eq!(reason(message(call("tickets.list", Value::Null))), None);
}

#[test]
fn a_number_that_has_neighbours_cannot_be_asked_for() {
    let rule =
        json!({ "tools": [{ "name": "x", "arguments": { "/to": [12_345_678_901_234_567_890_u64] } }] });
    let mut document = config_value();
    document["routes"] = json!([{ "match": { "path_prefix": "/mcp" }, "mcp": rule }]);
    let problems = Config::parse(document.to_string().as_bytes()).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].pointer, "/routes/0/mcp/tools/0/arguments/~1to/0");
}

#[test]
fn a_session_is_opened_and_ended_without_a_message() {
    let without = |method| Sent { method, body: None, ..message(json!(0)) };
    for method in ["GET", "HEAD", "DELETE"] {
        assert_eq!(reason(without(method)), None, "{method}");
        let with_body = Sent { method, ..message(call("tickets.list", json!({}))) };
        assert_eq!(reason(with_body), Some(Reason::ProtocolMismatch), "{method}");
    }
    for method in ["PUT", "PATCH", "OPTIONS"] {
        assert_eq!(reason(without(method)), Some(Reason::ActionDenied), "{method}");
    }
    assert_eq!(reason(without("POST")), Some(Reason::BodyMalformed));
}

#[test]
fn a_denial_is_an_error_of_the_protocol_with_the_requests_id() {
    let config = rules();
    let mut gate = gate(config.clone());
    let mut answer = |sent| {
        let decision = decide_with(&mut gate, sent);
        let Reply::Local(local) = Reply::new(&decision, Some(&config)) else { panic!("{decision:?}") };
        let header = |name| local.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
        let body: Value = serde_json::from_slice(&local.body).unwrap();
        (local.status, header("content-type"), header("www-authenticate"), body)
    };
    let json_type = Some("application/json".to_owned());
    let (status, media_type, challenge, body) = answer(message(call("payments.send", json!({}))));
    assert_eq!((status, &media_type, challenge), (403, &json_type, None));
    assert_eq!(
        (&body["jsonrpc"], &body["id"], &body["error"]["code"]),
        (&json!("2.0"), &json!(7), &json!(403))
    );
    let text = body["error"]["message"].as_str().unwrap();
    assert!(text.contains("action_denied") && text.contains("decision-1"), "{text}");
    assert_eq!(body["error"]["data"]["code"], "action_denied");
    assert!(!body.to_string().contains("payments"), "nothing of the request is repeated but its id");
    // The challenge names what the route and the action need.
    let (status, _, challenge, _) = answer(message(call("tickets.close", json!({ "n": 1 }))));
    assert_eq!(
        (status, challenge.as_deref()),
        (403, Some("Bearer error=\"insufficient_scope\", scope=\"tickets.read tickets.write\""))
    );
    let (status, _, _, body) =
        answer(Sent { headers: vec![("mcp-name", "x")], ..message(call("tickets.list", json!({}))) });
    assert_eq!((status, &body["id"], &body["error"]["code"]), (400, &json!(7), &json!(-32020)));
    let (status, _, _, body) = answer(message(json!([])));
    assert_eq!((status, &body["id"], &body["error"]["code"]), (400, &Value::Null, &json!(-32600)));
    // A denial before the message was read has no id.
    let (status, media_type, challenge, body) =
        answer(Sent { claims: json!({ "exp": 1 }), ..message(json!(0)) });
    assert_eq!((status, media_type, &body["id"]), (401, json_type, &Value::Null));
    assert!(challenge.unwrap().contains("scope=\"tickets.read\""));
}

#[test]
fn the_record_names_the_action_and_not_its_arguments() {
    let decision =
        decide_with(&mut gate(rules()), message(call("tickets.list", json!({ "secret": "hunter2" }))));
    let record: Value = serde_json::from_str(&AuditRecord::new(&decision).to_json()).unwrap();
    assert_eq!(
        record["action"],
        json!({ "protocol": "mcp", "kind": "tool", "name": "tickets.list", "method": "tools/call" })
    );
    assert!(!record.to_string().contains("hunter2"));
}

#[test]
fn a_route_without_a_protocol_asks_for_no_body() {
    let mut config = config_value();
    config["routes"] = json!([{ "match": { "path_prefix": "/mcp" } }]);
    let mut gate = gate(parse_config(&config));
    assert_eq!(decide_with(&mut gate, message(json!([]))).reason(), None);
}

proptest! {
    /// Whatever bytes a message is, what is allowed is a call of a tool that a rule names, as any reader of JSON reads it.
    #[test]
    fn no_bytes_make_a_call_of_another_tool(
        tool in prop_oneof![Just("tickets.list".to_owned()), Just("payments.send".to_owned()), "[a-z.*\u{e9}\\\\]{0,12}"],
        noise in "[ \\t\\n]{0,3}",
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut body = format!("{noise}{}{noise}", call(&tool, json!({ "n": 1 }))).into_bytes();
        if let Some((at, byte)) = change {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let read: Option<Value> = serde_json::from_slice(&body).ok();
        let decision = decide_with(&mut gate(rules()), Sent { body: Some(body), ..message(json!(0)) });
        if decision.reason().is_none() {
            // The lenient reader, which takes the last of two members, reads the same.
            let read = read.unwrap();
            let action = decision.action().unwrap();
            let method = read["method"].as_str().unwrap_or("response");
            prop_assert_eq!(action.method(), method);
            if method == "tools/call" {
                prop_assert_eq!(read["params"]["name"].as_str(), Some(action.name()));
                prop_assert!(action.name().starts_with("tickets.") || action.name() == "réglage");
            }
        }
    }
}

#[test]
fn a_session_that_is_bound_to_somebody_else_is_unknown() {
    let mut gate = gate(rules());
    let chain = |config: &Config| {
        let token = verify(json!({ "act": { "sub": "agent" } })).unwrap();
        VerifiedChain::verify(Rc::new(token), only_route(config), &config.delegation, NOW).unwrap()
    };
    let alice = chain(&rules());
    // What another upstream calls a session is another one.
    let elsewhere = chain(&parse_config(&{
        let mut config = config_value();
        config["routes"] = json!([{ "match": { "path_prefix": "/other" }, "mcp": {} }]);
        config
    }));
    let elsewhere = gate.session_key().bind(&elsewhere, b"s-1").unwrap();
    let id = gate.session_key().bind(&alice, b"s-1").unwrap();
    let tampered = id.replacen("s-1", "s-2", 1);
    let padded = format!("{id}=");
    let list = || named("tools/list", json!({}));
    let other_key = SessionKey::new(b"another secret").bind(&alice, b"s-1").unwrap();
    for (claims, id, expected) in [
        (json!({ "act": { "sub": "agent" } }), id.as_str(), None),
        (json!({ "act": { "sub": "agent" }, "jti": "another token of theirs" }), id.as_str(), None),
        (
            json!({ "act": { "sub": "agent" }, "sub": "user:mallory" }),
            id.as_str(),
            Some(Reason::SessionUnknown),
        ),
        (json!({ "act": { "sub": "other" } }), id.as_str(), Some(Reason::SessionUnknown)),
        // The agent is the last of the chain, whoever stands before it.
        (
            json!({ "act": { "sub": "other", "act": { "sub": "agent" } } }),
            id.as_str(),
            Some(Reason::SessionUnknown),
        ),
        (json!({}), id.as_str(), Some(Reason::SessionUnknown)),
        (json!({ "act": { "sub": "agent" } }), "s-1", Some(Reason::SessionUnknown)),
        (json!({ "act": { "sub": "agent" } }), "", Some(Reason::SessionUnknown)),
        (json!({ "act": { "sub": "agent" } }), ".", Some(Reason::SessionUnknown)),
        (json!({ "act": { "sub": "agent" } }), "s-1.", Some(Reason::SessionUnknown)),
        (json!({ "act": { "sub": "agent" } }), tampered.as_str(), Some(Reason::SessionUnknown)),
        (json!({ "act": { "sub": "agent" } }), padded.as_str(), Some(Reason::SessionUnknown)),
        (json!({ "act": { "sub": "agent" } }), other_key.as_str(), Some(Reason::SessionUnknown)),
        (json!({ "act": { "sub": "agent" } }), elsewhere.as_str(), Some(Reason::SessionUnknown)),
    ] {
        for method in ["POST", "GET", "DELETE"] {
            let body = (method == "POST").then(|| list().to_string().into_bytes());
            let sent = Sent { method, headers: vec![("mcp-session-id", id)], body, claims: claims.clone() };
            let decision = decide_with(&mut gate, sent);
            assert_eq!(decision.reason(), expected, "{method} {id} {claims}");
            if expected.is_none() {
                let Reply::Forward(forward) = Reply::new(&decision, Some(gate.config())) else { panic!() };
                assert_eq!(forward.session, Some("s-1"));
            }
        }
    }
    for name in ["mcp_session_id", "mcp.session-id", "mcp-method_", "mcp_method", "mcp_name", "last_event_id"]
    {
        let sent = Sent { headers: vec![(name, "s-1")], ..message(list()) };
        let expected = (name != "mcp-method_").then_some(Reason::ProtocolMismatch);
        assert_eq!(decide_with(&mut gate, sent).reason(), expected, "{name}");
    }
    let twice = Sent { headers: vec![("mcp-session-id", &id), ("mcp-session-id", "s-1")], ..message(list()) };
    assert_eq!(decide_with(&mut gate, twice).reason(), Some(Reason::ProtocolMismatch));
}

/// What one upstream calls a session is another's at the next one, and where an upstream is the order of its hosts does not say.
#[test]
fn a_session_is_of_the_hosts_and_the_prefix_of_its_route() {
    let gate = gate(rules());
    let bound = |matcher: Value| {
        let mut config = config_value();
        config["routes"] = json!([{ "match": matcher, "mcp": {} }]);
        let config = parse_config(&config);
        let token = verify(json!({})).unwrap();
        let chain =
            VerifiedChain::verify(Rc::new(token), only_route(&config), &config.delegation, NOW).unwrap();
        gate.session_key().bind(&chain, b"s-1").unwrap()
    };
    let here = bound(json!({ "path_prefix": "/mcp", "hosts": ["a.example", "b.example"] }));
    for elsewhere in [
        json!({ "path_prefix": "/mcp" }),
        json!({ "path_prefix": "/mcp", "hosts": ["a.example"] }),
        json!({ "path_prefix": "/mcp", "hosts": ["a.example", "c.example"] }),
        json!({ "path_prefix": "/mcp/", "hosts": ["a.example", "b.example"] }),
        json!({ "path_prefix": "/", "hosts": ["a.example", "b.example"] }),
    ] {
        assert_ne!(bound(elsewhere.clone()), here, "{elsewhere}");
    }
    let same = json!({ "path_prefix": "/mcp", "hosts": ["b.example", "a.example"], "methods": ["GET"] });
    assert_eq!(bound(same), here);
}

#[test]
fn where_sessions_are_not_bound_the_upstream_is_asked() {
    let config = config(json!({ "sessions": "unbound" }));
    let sent = Sent { headers: vec![("mcp-session-id", "s-1")], ..message(named("tools/list", json!({}))) };
    let mut gate = gate(config);
    let decision = decide_with(&mut gate, sent);
    assert_eq!(decision.reason(), None);
    let Reply::Forward(forward) = Reply::new(&decision, Some(gate.config())) else { panic!() };
    assert_eq!(forward.session, None);
}
