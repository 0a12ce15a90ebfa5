//! What a request of A2A is about to do, however it is spelled, and which rule admits it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod arguments;
mod spellings;
#[path = "../support/mod.rs"]
mod support;

use mandate_core::config::{A2aMethod, Config};
use mandate_core::decision::{AuditRecord, Decision, Reply};
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::{Headers, RequestHead};
use mandate_core::keys::InModule;
use mandate_core::reason::Reason;
use serde_json::{Value, json};
use std::sync::LazyLock;
use support::{NOW, act_of_depth, config_value, gate, parse_config, policies, token};

fn config(a2a: Value) -> Config {
    let mut config = config_value();
    config["routes"] =
        json!([{ "match": { "path_prefix": "/agent" }, "scopes": ["tickets.read"], "a2a": a2a }]);
    parse_config(&config)
}

/// Only these methods, and nothing asked of them.
fn only<'a>(methods: impl IntoIterator<Item = &'a str>) -> Gate {
    let rules: Vec<Value> = methods.into_iter().map(|name| json!({ "name": name })).collect();
    gate(config(json!({ "methods": rules })))
}

/// One rule.
fn rule(rule: Value) -> Gate {
    gate(config(json!({ "methods": [rule] })))
}

#[derive(Clone, Debug)]
struct Sent {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Option<Vec<u8>>,
    claims: Value,
}

fn rest(method: &'static str, path: &str, body: Option<Value>) -> Sent {
    let body = body.map(|body| body.to_string().into_bytes());
    Sent { method, path: format!("/agent{path}"), headers: vec![], body, claims: json!({}) }
}

/// The same in version 1.0.
fn rest_1(method: &'static str, path: &str, body: Option<Value>) -> Sent {
    Sent { headers: vec![("a2a-version", "1.0")], ..rest(method, path, body) }
}

fn call(method: &str, params: Value) -> Sent {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    rest("POST", "", Some(body))
}

fn raw(body: &[u8]) -> Sent {
    Sent { body: Some(body.to_vec()), ..rest("POST", "", None) }
}

fn decide(gate: &mut Gate, sent: Sent) -> Decision {
    static USUAL: LazyLock<String> =
        LazyLock::new(|| format!("Bearer {}", token(json!({ "scope": "tickets.read" }))));
    if sent.claims == json!({}) {
        return decide_with(gate, sent, Some(&USUAL));
    }
    let bearer = format!("Bearer {}", token(sent.claims.clone()));
    decide_with(gate, sent, Some(&bearer))
}

fn decide_with(gate: &mut Gate, sent: Sent, authorization: Option<&str>) -> Decision {
    let headers: Headers = [(":method", sent.method), (":path", sent.path.as_str())]
        .into_iter()
        .chain(authorization.map(|value| ("authorization", value)))
        .chain(sent.headers)
        .collect();
    let head = RequestHead::new(headers).with_body(sent.body.is_some());
    let mut flow = Flow::new("decision-1".to_owned(), head);
    let step = match flow.advance(gate, &InModule, NOW) {
        Step::NeedBody(_) => {
            flow.set_body(Body::Whole(sent.body.unwrap()));
            flow.advance(gate, &InModule, NOW)
        }
        other => other,
    };
    let Step::Done(decision) = step else { panic!("{step:?}") };
    *decision
}

fn reason(gate: &mut Gate, sent: Sent) -> Option<Reason> {
    decide(gate, sent).reason()
}

fn send() -> Value {
    json!({ "message": { "messageId": "m", "role": "ROLE_USER", "parts": [{ "text": "hello" }] } })
}

fn early_send() -> Value {
    json!({ "message": { "kind": "message", "messageId": "m", "role": "user", "parts": [{ "kind": "text", "text": "hello" }] } })
}

fn push(task: &str) -> Value {
    json!({ "taskId": task, "url": "https://hook.example/a" })
}

/// Every spelling of a method.
fn spellings(method: A2aMethod) -> Vec<Sent> {
    let (params, early) = match method {
        A2aMethod::SendMessage | A2aMethod::SendStreamingMessage => (send(), early_send()),
        A2aMethod::GetTask | A2aMethod::CancelTask | A2aMethod::SubscribeToTask => {
            (json!({ "id": "t1" }), json!({ "id": "t1" }))
        }
        A2aMethod::CreatePushConfig => (
            push("t1"),
            json!({ "taskId": "t1", "pushNotificationConfig": { "url": "https://hook.example/a" } }),
        ),
        A2aMethod::GetPushConfig | A2aMethod::DeletePushConfig => {
            (json!({ "taskId": "t1", "id": "c1" }), json!({ "id": "t1", "pushNotificationConfigId": "c1" }))
        }
        A2aMethod::ListPushConfigs => (json!({ "taskId": "t1" }), json!({ "id": "t1" })),
        A2aMethod::ListTasks | A2aMethod::GetExtendedAgentCard => (json!({}), json!({})),
    };
    let mut all = vec![
        call(method.name(), params.clone()),
        Sent { headers: vec![("a2a-version", "1.0")], ..call(method.name(), params.clone()) },
        Sent { path: "/agent/rpc?A2A-Version=1.0".to_owned(), ..call(method.name(), params) },
        call(method.earlier_name(), early.clone()),
        Sent { headers: vec![("a2a-version", "0.3")], ..call(method.earlier_name(), early) },
        // A notification is carried out, too.
        Sent {
            body: Some(
                json!({ "jsonrpc": "2.0", "method": method.name(), "params": {} }).to_string().into_bytes(),
            ),
            ..call("", json!({}))
        },
    ];
    let addresses: &[(&'static str, &str)] = match method {
        A2aMethod::SendMessage => &[("POST", "/message:send")],
        A2aMethod::SendStreamingMessage => &[("POST", "/message:stream")],
        A2aMethod::GetTask => &[("GET", "/tasks/t1"), ("HEAD", "/tasks/t1")],
        A2aMethod::ListTasks => &[("GET", "/tasks")],
        A2aMethod::CancelTask => &[("POST", "/tasks/t1:cancel")],
        A2aMethod::SubscribeToTask => &[("POST", "/tasks/t1:subscribe"), ("GET", "/tasks/t1:subscribe")],
        A2aMethod::CreatePushConfig => &[("POST", "/tasks/t1/pushNotificationConfigs")],
        A2aMethod::GetPushConfig => &[("GET", "/tasks/t1/pushNotificationConfigs/c1")],
        A2aMethod::ListPushConfigs => &[("GET", "/tasks/t1/pushNotificationConfigs")],
        A2aMethod::DeletePushConfig => &[("DELETE", "/tasks/t1/pushNotificationConfigs/c1")],
        A2aMethod::GetExtendedAgentCard => &[("GET", "/extendedAgentCard")],
    };
    for (http, path) in addresses {
        let body = match method {
            A2aMethod::SendMessage | A2aMethod::SendStreamingMessage => Some(send()),
            A2aMethod::CreatePushConfig => Some(push("t1")),
            A2aMethod::CancelTask => Some(json!({ "id": "t1" })),
            _ => None,
        };
        let encoded = path.replace(':', "%3A");
        let lower = path.replace(':', "%3a").replace('m', "%6d").replace('t', "%74");
        for path in [
            (*path).to_owned(),
            format!("/acme{path}"),
            format!("/v1{path}"),
            format!("{path}/"),
            format!("/{path}"),
            format!("/./x/..{path}"),
            path.replace("tasks/", "tasks//"),
            format!("{path}?historyLength=1&A2A-Version=1.0"),
            encoded,
            lower,
        ] {
            all.push(rest_1(http, &path, body.clone()));
        }
    }
    let early: &[(&'static str, &str, Option<Value>)] = &match method {
        A2aMethod::SendMessage => {
            let body = json!({ "request": { "message_id": "m", "role": "ROLE_USER", "content": [{ "text": "hello" }] } });
            vec![("POST", "/v1/message:send", Some(body)), ("POST", "/v1/message:send", Some(early_send()))]
        }
        A2aMethod::CreatePushConfig => {
            let body = json!({
                "parent": "tasks/t1", "config_id": "c1",
                "config": { "name": "tasks/t1/pushNotificationConfigs/c1", "push_notification_config": { "id": "c1", "url": "https://hook.example/a" } },
            });
            vec![("POST", "/v1/tasks/t1/pushNotificationConfigs", Some(body))]
        }
        A2aMethod::CancelTask => vec![
            ("POST", "/v1/tasks/t1:cancel", None),
            ("POST", "/v1/tasks/t1:cancel", Some(json!({ "name": "tasks/t1" }))),
        ],
        A2aMethod::GetExtendedAgentCard => {
            vec![("GET", "/v1/card", None), ("GET", "/agent/authenticatedExtendedCard", None)]
        }
        _ => vec![],
    };
    all.extend(early.iter().map(|(http, path, body)| rest(http, path, body.clone())));
    all
}

#[test]
fn a_method_that_is_not_listed_is_denied_in_every_spelling() {
    for method in A2aMethod::ALL {
        let others = A2aMethod::ALL.into_iter().filter(|other| *other != method);
        let mut gate = only(others.map(A2aMethod::name));
        for sent in spellings(method) {
            let denied = Some(Reason::ActionDenied);
            assert_eq!(reason(&mut gate, sent.clone()), denied, "{method:?} {sent:?}");
        }
    }
}

#[test]
fn a_rule_admits_its_method_in_every_spelling() {
    for method in A2aMethod::ALL {
        let mut gate = only([method.name()]);
        for sent in spellings(method) {
            let decision = decide(&mut gate, sent.clone());
            assert_eq!(decision.reason(), None, "{method:?} {sent:?} {:?}", decision.outcome());
            let record: Value = serde_json::from_str(&AuditRecord::new(&decision).to_json()).unwrap();
            assert_eq!(record["action"]["protocol"], "a2a");
            assert_eq!(record["action"]["kind"], "method");
            assert_eq!(record["action"]["name"], method.name());
        }
    }
}

#[test]
fn a_prefix_admits_what_begins_so_in_version_1_and_nothing_else() {
    let mut gate = only(["Get*"]);
    for method in A2aMethod::ALL {
        let expected = (!method.name().starts_with("Get")).then_some(Reason::ActionDenied);
        for sent in spellings(method) {
            assert_eq!(reason(&mut gate, sent.clone()), expected, "{sent:?}");
        }
    }
    assert_eq!(reason(&mut gate, call("tasks/delete", json!({}))), Some(Reason::ActionDenied));
}

#[test]
fn a_name_that_a_server_may_take_for_a_method_is_denied() {
    // Whatever is admitted.
    let mut gate = only(["*"]);
    for name in
        ["getTask", "gettask", "Get_Task", "get_task", " GetTask", "GetTask\n", "Tasks/Get", "TASKS/CANCEL"]
    {
        assert_eq!(reason(&mut gate, call(name, json!({}))), Some(Reason::BodyMalformed), "{name:?}");
    }
    // Of an extension.
    assert_eq!(reason(&mut gate, call("acme/refund", json!({}))), None);
    assert_eq!(reason(&mut only(["acme/refund"]), call("acme/refund", json!({}))), None);
    assert_eq!(
        reason(&mut only(["acme/refund"]), call("acme/Refund", json!({}))),
        Some(Reason::ActionDenied)
    );
}

#[test]
fn a_path_that_servers_read_in_different_ways_is_denied() {
    let mut gate = only(["*"]);
    for (http, path) in [
        ("POST", "/Message:Send"),
        ("POST", "/message:SEND"),
        ("POST", "/me%C5%BF%C5%BFage:send"),
        ("POST", "/tasks/t1:Cancel"),
        ("POST", "/Tasks/t1:cancel"),
        ("POST", "/TASKS/t1:subscribe"),
        ("POST", "/tasks/t1/pushnotificationconfigs"),
        ("GET", "/Tasks"),
        ("GET", "/tasks."),
        ("GET", "/TASKS/t1"),
        ("GET", "/tasks/t1/PushNotificationConfigs"),
        ("DELETE", "/tasks/t1/PushNotificationConfigs/c1"),
        ("GET", "/ExtendedAgentCard"),
        // A task, or the tasks of a tenant.
        ("GET", "/tasks/tasks"),
        ("GET", "/tasks/extendedAgentCard"),
        ("GET", "/tasks/tasks/pushNotificationConfigs"),
        ("GET", "/tasks/t1/pushNotificationConfigs/tasks"),
        ("GET", "/tasks/tasks/pushNotificationConfigs/pushNotificationConfigs"),
    ] {
        let body = (http == "POST").then(send);
        let sent = rest_1(http, path, body);
        assert_eq!(reason(&mut gate, sent), Some(Reason::PathInvalid), "{http} {path}");
    }
}

#[test]
fn what_is_no_request_of_the_protocol_is_denied() {
    let mut gate = only(["*"]);
    for (http, path) in [
        ("GET", ""),
        ("GET", "/anything"),
        ("DELETE", ""),
        ("OPTIONS", "/message:send"),
        ("PUT", "/message:send"),
        ("PATCH", "/tasks/t1"),
        ("DELETE", "/tasks/t1"),
        ("GET", "/message:send"),
        ("GET", "/tasks/t1:cancel"),
        ("DELETE", "/tasks/t1:cancel"),
        ("PUT", "/tasks/t1/pushNotificationConfigs/c1"),
        ("DELETE", "/.well-known/agent-card.json"),
        ("GET", "/.well-known/Agent-Card.json"),
        ("GET", "/.well-known/agent-card.json/"),
    ] {
        let expected = Some(Reason::ActionDenied);
        assert_eq!(reason(&mut gate, rest_1(http, path, None)), expected, "{http} {path}");
    }
    // Where an agent has addresses of REST, or a later version may have some, no message of JSON-RPC is taken.
    for path in [
        "/tasks",
        "/tasks/t1",
        "/tasks/t1:pause",
        "/lf.a2a.v1.A2AService/CancelTask",
        "/a2a.v1.a2aservice/CancelTask",
        "/message:delete",
        "/tasks/t1/pushNotificationConfigs/c1",
        "/task/t1/pushNotificationConfigs",
        "/extendedAgentCard",
        "/.well-known/agent-card.json",
        "/.Well-Known/agent.json",
    ] {
        let sent = Sent { path: format!("/agent{path}"), ..call("GetTask", json!({ "id": "t1" })) };
        assert_eq!(reason(&mut gate, sent), Some(Reason::ActionDenied), "{path}");
    }
}

#[test]
fn a_body_that_is_not_one_message_is_denied() {
    let mut gate = only(["*"]);
    let malformed = Some(Reason::BodyMalformed);
    for body in [
        &b""[..],
        b"[]",
        br#"[{"jsonrpc":"2.0","id":1,"method":"GetTask"}]"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"GetTask","method":"CancelTask"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"GetTask","Method":"CancelTask"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"a","id":"b"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"GetTask","params":["a"]}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        br#"{"jsonrpc":"2.0","id":true,"method":"GetTask"}"#,
        br#"{"id":1,"method":"GetTask"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"GetTask"} {}"#,
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
    ] {
        assert_eq!(reason(&mut gate, raw(body)), malformed, "{}", String::from_utf8_lossy(body));
        for path in ["/agent/message:send", "/agent/v1/message:stream"] {
            let sent = Sent { path: path.to_owned(), ..raw(body) };
            let is_object = body == br#"{"id":1,"method":"GetTask"}"#;
            assert_eq!(reason(&mut gate, sent), if is_object { None } else { malformed });
        }
    }
    // At an address of REST it might be read as a message of JSON-RPC.
    for (name, path) in
        [("jsonrpc", "/message:send"), ("JsonRpc", "/message:send"), ("jsonrpc", "/tasks/t1:cancel")]
    {
        let body = json!({ name: "2.0", "id": "t1", "method": "GetTask", "params": {} });
        assert_eq!(reason(&mut gate, rest_1("POST", path, Some(body))), malformed, "{name}");
    }
    for (name, value) in [("content-encoding", "gzip"), ("content-type", "application/json; charset=utf-16")]
    {
        let headers = vec![(name, value)];
        assert_eq!(
            reason(&mut gate, Sent { headers: headers.clone(), ..call("GetTask", json!({})) }),
            malformed
        );
        let sent = rest("POST", "/message:send", Some(send()));
        assert_eq!(reason(&mut gate, Sent { headers, ..sent }), malformed);
    }
    // With another method there is none to read.
    let sent = rest_1("GET", "/tasks/t1", Some(json!({})));
    assert_eq!(reason(&mut gate, sent), Some(Reason::ProtocolMismatch));
    let long = Sent { body: Some(vec![b' '; 1_048_577]), ..raw(b"") };
    assert_eq!(reason(&mut gate, long), Some(Reason::BodyTooLarge));
}

#[test]
fn a_version_that_is_not_known_or_not_the_one_of_the_method_is_denied() {
    let mut gate = only(["*"]);
    let version = |value| vec![("a2a-version", value)];
    let with = |headers, sent: Sent| Sent { headers, ..sent };
    let get = || call("GetTask", json!({ "id": "t1" }));
    let early = || call("tasks/get", json!({ "id": "t1" }));
    let address = || rest("GET", "/tasks/t1", None);
    for sent in [
        with(version("2.0"), get()),
        with(version("1.0, 0.3"), get()),
        with(version("1"), address()),
        with([version("1.0"), version("1.0")].concat(), address()),
        with([version("0.3"), version("1.0")].concat(), early()),
        with(version("0.3"), get()),
        with(version("1.0"), early()),
        with(version("1.0"), rest("GET", "/tasks/t1?A2A-Version=0.3", None)),
        rest("GET", "/tasks/t1?a2a-version=9", None),
        rest("GET", "/tasks/t1?A2A-Version=1.0&A2A-Version=1.0", None),
        rest("GET", "/tasks/t1?A2A%2DVersion=7", None),
    ] {
        assert_eq!(reason(&mut gate, sent.clone()), Some(Reason::ProtocolMismatch), "{sent:?}");
    }
    for sent in [
        with(version(""), early()),
        with(version("1.0"), get()),
        with(version("1.0"), rest("GET", "/tasks/t1?A2A-Version=1.0", None)),
        address(),
    ] {
        assert_eq!(reason(&mut gate, sent.clone()), None, "{sent:?}");
    }
}

#[test]
fn a_rule_asks_for_scopes_depth_and_policies() {
    let mut config = config_value();
    config["policies"] = json!([{ "name": "denier" }]);
    config["routes"] = json!([{ "match": { "path_prefix": "/agent" }, "scopes": ["tickets.read"], "a2a": { "methods": [
        { "name": "SendMessage", "scopes": ["send"], "max_depth": 1 },
        { "name": "CancelTask", "policies": ["denier"] },
        { "name": "GetTask" },
    ] } }]);
    let denier = policies::Scripted::default().with("denier", policies::deny("too-late"));
    let mut gate = Gate::new(parse_config(&config), Box::new(denier), [7; 16]).unwrap();
    for sent in spellings(A2aMethod::SendMessage) {
        assert_eq!(reason(&mut gate, sent.clone()), Some(Reason::ScopeInsufficient), "{sent:?}");
        let claims = json!({ "scope": "tickets.read send", "act": act_of_depth(2) });
        let deep = Sent { claims, ..sent.clone() };
        assert_eq!(reason(&mut gate, deep), Some(Reason::DelegationTooDeep), "{sent:?}");
        let claims = json!({ "scope": "tickets.read send", "act": act_of_depth(1) });
        assert_eq!(reason(&mut gate, Sent { claims, ..sent.clone() }), None, "{sent:?}");
    }
    for sent in spellings(A2aMethod::CancelTask) {
        assert_eq!(reason(&mut gate, sent.clone()), Some(Reason::PolicyDenied), "{sent:?}");
    }
    for sent in spellings(A2aMethod::GetTask) {
        assert_eq!(reason(&mut gate, sent.clone()), None, "{sent:?}");
    }
}

#[test]
fn the_public_card_needs_a_token_unless_it_is_for_everybody() {
    let card = |http, path: &str| Sent { path: path.to_owned(), ..rest(http, "", None) };
    let well_known = "/agent/.well-known/agent-card.json";
    let mut gate = only([]);
    assert_eq!(decide_with(&mut gate, card("GET", well_known), None).reason(), Some(Reason::TokenMissing));
    let decision = decide(&mut gate, card("GET", well_known));
    assert_eq!(decision.reason(), None);
    let record: Value = serde_json::from_str(&AuditRecord::new(&decision).to_json()).unwrap();
    assert_eq!(record["action"]["kind"], "card");

    let mut gate = self::gate(config(json!({ "agent_card": "anonymous" })));
    for (http, path, expected) in [
        ("GET", "/agent/.well-known/agent-card.json/", Some(Reason::TokenMissing)),
        ("GET", "/agent/.well-known/Agent-card.json", Some(Reason::TokenMissing)),
        ("GET", "/agent/.well-known/other.json", Some(Reason::TokenMissing)),
        ("GET", "/agent/agent-card.json", Some(Reason::TokenMissing)),
        ("GET", "/agent/x.well-known/agent-card.json", Some(Reason::TokenMissing)),
        ("POST", well_known, Some(Reason::TokenMissing)),
        ("GET", "/agent/extendedAgentCard", Some(Reason::TokenMissing)),
        ("GET", "/agent/tasks", Some(Reason::TokenMissing)),
        ("GET", "/.well-known/agent-card.json", Some(Reason::RouteUnmatched)),
        ("GET", well_known, None),
        ("HEAD", well_known, None),
        ("GET", "/agent/.well-known/agent.json", None),
        ("GET", "/agent/billing/.well-known/agent-card.json?x=1", None),
    ] {
        assert_eq!(decide_with(&mut gate, card(http, path), None).reason(), expected, "{http} {path}");
    }
    // With a body it is more than a look at the card.
    let with_body = Sent { body: Some(vec![b'x']), ..card("GET", well_known) };
    assert_eq!(decide_with(&mut gate, with_body, None).reason(), Some(Reason::TokenMissing));
    // What a token says that nobody checked is not handed on.
    let config = config(json!({ "agent_card": "anonymous" }));
    let decision = decide_with(&mut gate, card("GET", well_known), Some("Bearer x"));
    let Reply::Forward(forward) = Reply::new(&decision, Some(&config)) else { panic!("it is allowed") };
    assert!(forward.remove.contains(&"authorization"));
}

#[test]
fn a_denial_is_an_error_of_json_rpc_only_where_json_rpc_is_spoken() {
    let config = config(json!({ "methods": [{ "name": "GetTask" }] }));
    let reply = |decision: &Decision| match Reply::new(decision, Some(&config)) {
        Reply::Local(reply) => reply,
        Reply::Forward(_) => panic!("it is denied"),
    };
    let media_type = |sent: Sent, bearer: Option<&str>| {
        let decision = match bearer {
            Some(_) => decide(&mut gate(config.clone()), sent),
            None => decide_with(&mut gate(config.clone()), sent, None),
        };
        let reply = reply(&decision);
        assert!(reply.status >= 400);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        (reply.headers[0].1.clone(), body)
    };
    let (json, problem) = ("application/json", "application/problem+json");
    let (is, body) = media_type(call("CancelTask", json!({ "id": "t1" })), Some(""));
    assert_eq!((is.as_str(), &body["id"]), (json, &json!(7)));
    assert_eq!(body["error"]["data"]["code"], "action_denied");
    let (is, body) = media_type(call("tasks/get", json!({})), None);
    assert_eq!((is.as_str(), &body["error"]["data"]["code"]), (json, &json!("token_missing")));
    let unknown = Sent { headers: vec![("a2a-version", "9.9")], ..call("GetTask", json!({})) };
    assert_eq!(media_type(unknown, Some("")).1["error"]["code"], -32009);
    for sent in [
        rest_1("POST", "/message:send", Some(send())),
        rest_1("POST", "/v1/tasks/t1:cancel", None),
        rest_1("GET", "/tasks", None),
        rest_1("GET", "/nothing", None),
        rest_1("POST", "/Message:Send", Some(send())),
    ] {
        let (is, body) = media_type(sent.clone(), Some(""));
        assert_eq!(is, problem, "{sent:?}");
        assert!(body["code"].is_string());
        assert_eq!(media_type(sent, None).0, problem);
    }
}

#[test]
fn the_record_says_how_the_method_was_spelled() {
    let mut gate = only(["GetTask"]);
    let spelled = |gate: &mut Gate, sent| {
        let record: Value = serde_json::from_str(&AuditRecord::new(&decide(gate, sent)).to_json()).unwrap();
        record["action"]["method"].as_str().unwrap().to_owned()
    };
    assert_eq!(spelled(&mut gate, call("tasks/get", json!({ "id": "t1" }))), "tasks/get");
    assert_eq!(spelled(&mut gate, rest_1("GET", "/tasks/t1", None)), "GET tasks/{id}");
    assert_eq!(spelled(&mut gate, rest_1("POST", "/tasks/t1:cancel", None)), "POST tasks/{id}:cancel");
}
