//! What an approval is for: an action with its arguments, however they are written.

use super::*;

#[test]
fn one_value_has_one_digest_however_it_is_written() {
    for (canonical, sent) in [
        (r#"{"amount":100,"to":"bob"}"#, r#"{"to":"bob","amount":100}"#),
        (r#"{"amount":1}"#, r#"{"amount":1.0}"#),
        (r#"{"amount":1}"#, r#"{ "amount" : 10e-1 }"#),
        (r#"{"amount":0}"#, r#"{"amount":-0.0}"#),
        (r#"{"amount":0.1}"#, r#"{"amount":1e-1}"#),
        (r#"{"to":"Zoë"}"#, r#"{"to":"Zo\u00eb"}"#),
        (r#"{"to":"😀"}"#, r#"{"to":"\ud83d\ude00"}"#),
        (r#"{"to":"a/b"}"#, r#"{"to":"a\/b"}"#),
        // By UTF-16 code units, and not by code points.
        ("{\"\u{1f600}\":1,\"\u{fb33}\":2}", "{\"\u{fb33}\":2,\"\u{1f600}\":1}"),
        (r#"{"a":{"b":[1,{"c":null}],"d":true}}"#, r#"{"a":{"d":true,"b":[1.0,{"c":null}]}}"#),
        ("{}", "{}"),
        ("{}", "null"),
    ] {
        assert_eq!(reason(&sign(&claims(canonical)), sent), None, "{sent}");
    }
}

#[test]
fn another_value_has_another_digest() {
    for (canonical, sent) in [
        (r#"{"amount":1}"#, r#"{"amount":"1"}"#),
        (r#"{"amount":1}"#, r#"{"amount":1,"more":null}"#),
        (r#"{"amount":1}"#, r#"{"amount":1.0000001}"#),
        (r#"{"list":[1,2]}"#, r#"{"list":[2,1]}"#),
        // Composed and decomposed letters are different texts.
        (r#"{"to":"Zoë"}"#, r#"{"to":"Zoe\u0308"}"#),
        (r#"{"to":"bob"}"#, r#"{"to":"bob\u200b"}"#),
        ("{}", r#"{"amount":1}"#),
        (r#"{"amount":1}"#, "{}"),
    ] {
        assert_eq!(reason(&sign(&claims(canonical)), sent), Some(Reason::ApprovalInvalid), "{sent}");
    }
}

#[test]
fn what_servers_may_read_otherwise_nobody_can_approve() {
    for number in ["9007199254740993", "1e21", "-9007199254740992"] {
        let arguments = format!(r#"{{"amount":{number}}}"#);
        let config = parse_config(&document());
        let decision =
            decide(&mut gate(config.clone()), message(&[&sign(&claims(&arguments))]), &call(&arguments));
        assert_eq!(decision.reason(), Some(Reason::ApprovalRequired), "{number}");
        assert!(problem(&decision).starts_with("no approval can be given: a number"), "{number}");
        // So nothing is named that could be approved.
        assert_eq!(told(&decision, &config)["error"]["data"].get("approval"), None);
        assert_eq!(
            record(&decision)["approval"],
            json!({ "needed_by": [{ "by": "rule", "kind": "tool", "index": 0 }] })
        );
    }
    let long = format!("bank://{}", "x".repeat(2048));
    let read = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": long } });
    let decision = decide(&mut new_gate(), message(&[]), &read.to_string());
    assert!(problem(&decision).contains("longer than 2048 bytes"));
}

#[test]
fn what_else_a_message_says_is_approved_too() {
    let sent = |params: Value, action: Value| {
        let method = action["method"].as_str().unwrap();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let of =
            changed(action.clone(), json!({ "protocol": "mcp", "host": "gate.example", "path": "/mcp" }));
        let arguments = params.get("arguments").map_or_else(|| "{}".to_owned(), Value::to_string);
        let approval = sign(&changed(claims(&arguments), json!({ "action": of })));
        decide(&mut new_gate(), message(&[&approval]), &body.to_string()).reason()
    };
    let tool = json!({ "kind": "tool", "name": "pay", "method": "tools/call" });
    let with_parameters =
        |action: &Value, canonical: &str| changed(action.clone(), json!({ "parameters": digest(canonical) }));
    let invalid = Some(Reason::ApprovalInvalid);
    // `_meta` is about the message.
    let params = json!({ "name": "pay", "arguments": {}, "_meta": { "progressToken": 1 } });
    assert_eq!(sent(params, tool.clone()), None);
    let params = json!({ "name": "pay", "arguments": {}, "inputResponses": { "ok": true } });
    assert_eq!(sent(params.clone(), tool.clone()), invalid);
    let other = r#"{"inputResponses":{"ok":false}}"#;
    assert_eq!(sent(params.clone(), with_parameters(&tool, other)), invalid);
    let same = r#"{"inputResponses":{"ok":true}}"#;
    assert_eq!(sent(params, with_parameters(&tool, same)), None);

    let resource = json!({ "kind": "resource", "name": "bank://1", "method": "resources/read" });
    assert_eq!(sent(json!({ "uri": "bank://1" }), resource.clone()), None);
    assert_eq!(sent(json!({ "uri": "bank://2" }), resource.clone()), invalid);
    // Another method is another action.
    let subscribe = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": { "uri": "bank://1" } });
    let of = changed(resource, json!({ "protocol": "mcp", "host": "gate.example", "path": "/mcp" }));
    let approval = sign(&changed(claims("{}"), json!({ "action": of })));
    assert_eq!(decide(&mut new_gate(), message(&[&approval]), &subscribe.to_string()).reason(), invalid);

    // What is completed decides what is done.
    let prompt = json!({ "kind": "prompt", "name": "greet", "method": "completion/complete" });
    let params = json!({ "ref": { "type": "ref/prompt", "name": "greet" }, "argument": { "name": "a", "value": "b" } });
    assert_eq!(sent(params.clone(), prompt.clone()), invalid);
    let canonical = r#"{"argument":{"name":"a","value":"b"},"ref":{"name":"greet","type":"ref/prompt"}}"#;
    assert_eq!(sent(params, with_parameters(&prompt, canonical)), None);
}

#[test]
fn a_request_without_a_protocol_is_approved_by_method_host_path_and_query() {
    let request = |method: &str, host: Option<&str>, path: &str, approval: &str| {
        let authorization = format!("Bearer {}", agent_token());
        let mut headers = vec![("authorization", authorization.as_str()), ("mandate-approval", approval)];
        headers.extend(host.map(|host| (":authority", host)));
        head(method, path, &headers)
    };
    let of = |action: Value| sign(&changed(claims("{}"), json!({ "action": action })));
    let approval = of(
        json!({ "method": "DELETE", "host": "gate.example", "path": "/v1/tickets/7", "query": digest("force=1&a=%41") }),
    );
    let sent = |method, host, path| {
        decide_in(&mut new_gate(), request(method, host, path, &approval), None, &InModule, NOW).reason()
    };
    let (invalid, host) = (Some(Reason::ApprovalInvalid), Some("gate.example"));
    assert_eq!(sent("PUT", host, "/v1/tickets/7?force=1&a=%41"), invalid);
    assert_eq!(sent("DELETE", Some("other.example"), "/v1/tickets/7?force=1&a=%41"), invalid);
    assert_eq!(sent("DELETE", None, "/v1/tickets/7?force=1&a=%41"), invalid);
    assert_eq!(sent("DELETE", host, "/v1/tickets/8?force=1&a=%41"), invalid);
    assert_eq!(sent("DELETE", host, "/v1/tickets/7"), invalid);
    // Servers may take the one spelling of a query for another than the other.
    assert_eq!(sent("DELETE", host, "/v1/tickets/7?force=1&a=A"), invalid);
    assert_eq!(sent("DELETE", Some("Gate.Example:443"), "/v1//tickets/x/../%37?force=1&a=%41"), None);
    let bare = of(json!({ "method": "GET", "path": "/v1/x" }));
    assert_eq!(
        decide_in(&mut new_gate(), request("GET", None, "/v1/x", &bare), None, &InModule, NOW).reason(),
        None
    );
}

#[test]
fn a_body_that_is_not_read_is_not_approved() {
    let approval = sign(&changed(
        claims("{}"),
        json!({ "action": { "method": "POST", "host": "gate.example", "path": "/v1/x" } }),
    ));
    let authorization = format!("Bearer {}", agent_token());
    let headers = [
        (":authority", "gate.example"),
        ("authorization", authorization.as_str()),
        ("mandate-approval", approval.as_str()),
    ];
    let with_body = head("POST", "/v1/x", &headers).with_body(true);
    let decision = decide_in(&mut new_gate(), with_body, None, &InModule, NOW);
    assert_eq!(decision.reason(), Some(Reason::ApprovalRequired));
    assert_eq!(
        problem(&decision),
        "no approval can be given: the request has a body, which is not read on a route without a protocol"
    );
    let without = head("POST", "/v1/x", &headers);
    assert_eq!(decide_in(&mut new_gate(), without, None, &InModule, NOW).reason(), None);
}

#[test]
fn a_message_of_a2a_is_approved_by_its_name_of_1_0_wherever_its_arguments_come_from() {
    let config = config_with(|c| {
        c["routes"] = json!([{ "match": { "path_prefix": "/agent" }, "a2a": { "methods": [
            { "name": "CancelTask", "approval": true }, { "name": "*" },
        ] } }]);
    });
    let send = |path: &str, body: &str, approval: &str| {
        let authorization = format!("Bearer {}", agent_token());
        let headers = [
            (":authority", "gate.example"),
            ("authorization", authorization.as_str()),
            ("mandate-approval", approval),
            ("content-type", "application/json"),
            ("a2a-version", "1.0"),
        ];
        decide(&mut gate(config.clone()), head("POST", path, &headers).with_body(true), body)
    };
    let of = |method: &str, path: &str| {
        sign(&changed(
            claims(r#"{"id":"7"}"#),
            json!({ "action": {
            "protocol": "a2a", "kind": "method", "name": "CancelTask", "method": method, "host": "gate.example", "path": path,
        } }),
        ))
    };
    let rest = |id: &str, approval: &str| send(&format!("/agent/tasks/{id}:cancel"), "{}", approval);
    let approval = of("POST tasks/{id}:cancel", "/agent/tasks/7:cancel");
    assert_eq!(rest("8", &approval).reason(), Some(Reason::ApprovalInvalid));
    let decision = rest("7", &approval);
    assert_eq!(decision.reason(), None, "{}", record(&decision));
    // Whatever the server takes from the query.
    let elsewhere = send("/agent/tasks/7:cancel?tenant=8", "{}", &approval);
    assert_eq!(elsewhere.reason(), Some(Reason::ApprovalInvalid));
    // A tenant is in the path.
    let of_tenant = send("/agent/tenant/tasks/7:cancel", "{}", &approval);
    assert_eq!(of_tenant.reason(), Some(Reason::ApprovalInvalid));
    let rpc =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "CancelTask", "params": { "id": "7" } }).to_string();
    assert_eq!(send("/agent", &rpc, &of("CancelTask", "/agent")).reason(), None);
    assert_eq!(
        send("/agent", &rpc, &of("CancelTask", "/agent/other")).reason(),
        Some(Reason::ApprovalInvalid)
    );
}

#[test]
fn a_host_that_is_not_one_to_everybody_cannot_be_approved() {
    let authorization = format!("Bearer {}", agent_token());
    let decided = |hosts: &[(&str, &str)]| {
        let headers = [hosts, &[("authorization", authorization.as_str())]].concat();
        let decision = decide_in(&mut new_gate(), head("GET", "/v1", &headers), None, &InModule, NOW);
        (decision.reason(), record(&decision)["approval"]["action"]["host"].clone())
    };
    for hosts in [
        vec![(":authority", "gate.example,other.example")],
        vec![(":authority", "gate.example"), ("host", "other.example")],
        vec![("host", "gate%2eexample")],
    ] {
        let (reason, host) = decided(&hosts);
        assert_eq!((reason, host), (Some(Reason::ApprovalRequired), Value::Null), "{hosts:?}");
    }
    assert_eq!(decided(&[(":authority", "gate.example")]).1, "gate.example");
}

#[test]
fn what_upstreams_may_take_for_the_host_is_removed_where_approvals_are_for_one() {
    let without = gate(parse_config(&config_value()));
    for name in ["x-forwarded-host", "forwarded"] {
        assert!(new_gate().reserved().contains(name), "{name}");
        assert!(!without.reserved().contains(name), "{name}");
    }
}

#[test]
fn the_approval_of_a_route_is_not_gone_round_by_letter_case() {
    // On the second route what is open to all needs none, on the first everything does.
    let mut gate = gate(config_with(|c| {
        c["routes"] = json!([
            { "match": { "path_prefix": "/Admin" }, "approval": true },
            { "match": { "path_prefix": "/" }, "approval": true, "mcp": { "tools": [{ "name": "*" }] } },
        ]);
    }));
    let authorization = format!("Bearer {}", agent_token());
    let headers = [(":authority", "gate.example"), ("authorization", authorization.as_str())];
    let mut reason =
        |path: &str| decide_in(&mut gate, head("GET", path, &headers), None, &InModule, NOW).reason();
    assert_eq!(reason("/admin/x"), Some(Reason::PathInvalid));
    assert_eq!(reason("/Admin/x"), Some(Reason::ApprovalRequired));
    assert_eq!(reason("/other"), None);
}
