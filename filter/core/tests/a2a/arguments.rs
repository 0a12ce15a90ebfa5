//! What a rule sees of a request: its arguments by one name however they are spelled, and no more than a server may read.

use crate::support::{config_value, gate, parse_config, policies};
use crate::{Sent, call, config, push, reason, rest, rest_1, rule, send};
use mandate_core::flow::Gate;
use mandate_core::reason::Reason;
use serde_json::{Value, json};

#[test]
fn an_argument_is_found_however_it_is_spelled() {
    let mut gate = rule(json!({ "name": "SendMessage", "arguments": { "/message/taskId": [null, "t1"] } }));
    let (denied, malformed) = (Some(Reason::ArgumentDenied), Some(Reason::BodyMalformed));
    let with = |name: &str, id: &str| {
        let mut params = send();
        params["message"][name] = json!(id);
        params
    };
    let early = |mut params: Value| {
        params["message"]["kind"] = json!("message");
        params
    };
    let in_request = |message: Value| json!({ "request": message["message"] });
    for (sent, expected) in [
        (call("SendMessage", with("taskId", "t2")), denied),
        (call("message/send", early(with("taskId", "t2"))), denied),
        (rest_1("POST", "/message:send", Some(with("taskId", "t2"))), denied),
        (rest("POST", "/v1/message:send", Some(with("taskId", "t2"))), denied),
        // By the field's own name.
        (rest("POST", "/v1/message:send", Some(with("task_id", "t2"))), denied),
        (rest("POST", "/v1/message:send", Some(in_request(with("task_id", "t2")))), denied),
        (rest("POST", "/v1/message:send", Some(in_request(with("taskId", "t2")))), denied),
        (call("SendMessage", with("task_id", "t2")), malformed),
        (call("message/send", early(with("task_id", "t2"))), malformed),
        (rest_1("POST", "/message:send", Some(with("task_id", "t2"))), malformed),
        (rest_1("POST", "/message:send", Some(in_request(with("taskId", "t2")))), malformed),
        (call("SendMessage", in_request(with("taskId", "t2"))), malformed),
        (call("SendMessage", with("TaskId", "t2")), malformed),
        (rest("POST", "/v1/message:send", Some(with("Task_Id", "t2"))), malformed),
        (call("SendMessage", json!({ "Message": with("taskId", "t2")["message"] })), malformed),
        (call("SendMessage", json!({ "message": "{\"taskId\":\"t2\"}" })), malformed),
        (
            rest("POST", "/v1/message:send", Some(json!({ "message": { "taskId": "t1", "task_id": "t2" } }))),
            malformed,
        ),
        (
            rest(
                "POST",
                "/v1/message:send",
                Some(json!({ "message": { "taskId": "t1" }, "request": { "taskId": "t2" } })),
            ),
            malformed,
        ),
        // In the query, for a server that joins the two.
        (rest_1("POST", "/message:send?message.taskId=t2", Some(send())), denied),
        (rest_1("POST", "/message:send?message%5BtaskId%5D=t2", Some(send())), denied),
        (rest_1("POST", "/message:send?Message=t2", Some(send())), denied),
        (call("SendMessage", with("taskId", "t1")), None),
        (call("SendMessage", send()), None),
        (rest("POST", "/v1/message:send", Some(in_request(with("task_id", "t1")))), None),
        (rest_1("POST", "/message:send?x=1", Some(with("taskId", "t1"))), None),
    ] {
        assert_eq!(reason(&mut gate, sent.clone()), expected, "{sent:?}");
    }
}

#[test]
fn ids_in_the_path_are_arguments() {
    let mut gate =
        rule(json!({ "name": "*", "arguments": { "/id": ["t1", "c1"], "/taskId": [null, "t1"] } }));
    let denied = Some(Reason::ArgumentDenied);
    for (http, path, expected) in [
        ("GET", "/tasks/t2", denied),
        ("GET", "/acme/tasks/t2", denied),
        ("GET", "/tasks/t%32", denied),
        ("POST", "/tasks/t2:cancel", denied),
        ("GET", "/tasks/t2:subscribe", denied),
        ("GET", "/tasks/t2/pushNotificationConfigs/c1", denied),
        ("DELETE", "/tasks/t1/pushNotificationConfigs/c2", denied),
        // Some server might prefer the query.
        ("GET", "/tasks/t1?id=t2", denied),
        ("GET", "/tasks/t1?ID=t2", denied),
        ("GET", "/tasks/t1?%69d=t2", denied),
        ("GET", "/tasks/t1?x=1;id=t2", denied),
        ("GET", "/tasks/t1?name=tasks%2Ft2", denied),
        ("GET", "/tasks/t1/pushNotificationConfigs/c1?task_id=t2", denied),
        ("GET", "/tasks", denied),
        ("GET", "/tasks/t1?historyLength=3", None),
        ("GET", "/tasks/%741", None),
        ("POST", "/tasks/t1:cancel", None),
        ("GET", "/tasks/t1/pushNotificationConfigs/c1", None),
    ] {
        assert_eq!(reason(&mut gate, rest_1(http, path, None)), expected, "{http} {path}");
    }
    // A body that says otherwise is not what the address says.
    let mismatch = Some(Reason::ProtocolMismatch);
    for (path, body) in [
        ("/tasks/t1:cancel", json!({ "id": "t2" })),
        ("/tasks/t1:cancel", json!({ "id": 1 })),
        ("/tasks/t1/pushNotificationConfigs", push("t2")),
    ] {
        assert_eq!(reason(&mut gate, rest_1("POST", path, Some(body.clone()))), mismatch, "{path} {body}");
    }
    for (path, body) in [
        ("/v1/tasks/t1:cancel", json!({ "name": "tasks/t2" })),
        (
            "/v1/tasks/t1/pushNotificationConfigs",
            json!({ "parent": "tasks/t2", "config": { "pushNotificationConfig": {} } }),
        ),
        (
            "/v1/tasks/t1/pushNotificationConfigs",
            json!({ "config": { "name": "tasks/t2/pushNotificationConfigs/", "pushNotificationConfig": {} } }),
        ),
        (
            "/v1/tasks/t1/pushNotificationConfigs",
            json!({ "configId": "c2", "config": { "pushNotificationConfig": { "id": "c1" } } }),
        ),
    ] {
        assert_eq!(reason(&mut gate, rest("POST", path, Some(body.clone()))), mismatch, "{path} {body}");
    }
}

#[test]
fn a_rule_reads_ids_of_version_0_3_by_their_names_in_1_0() {
    let mut gate = rule(json!({ "name": "*", "arguments": { "/taskId": ["t1"], "/id": [null, "c1"] } }));
    let denied = Some(Reason::ArgumentDenied);
    let get = "tasks/pushNotificationConfig/get";
    for (method, params, expected) in [
        (get, json!({ "id": "t2", "pushNotificationConfigId": "c1" }), denied),
        (get, json!({ "id": "t2", "taskId": "t1" }), Some(Reason::BodyMalformed)),
        (get, json!({ "id": "t1", "pushNotificationConfigId": "c2" }), denied),
        (
            "GetTaskPushNotificationConfig",
            json!({ "taskId": "t1", "pushNotificationConfigId": "c2" }),
            Some(Reason::BodyMalformed),
        ),
        (
            "tasks/pushNotificationConfig/set",
            json!({ "taskId": "t1", "pushNotificationConfig": { "id": "c2" } }),
            denied,
        ),
        ("tasks/pushNotificationConfig/list", json!({ "id": "t2" }), denied),
        ("tasks/pushNotificationConfig/list", json!({ "id": "t1" }), None),
        (get, json!({ "id": "t1", "pushNotificationConfigId": "c1" }), None),
    ] {
        assert_eq!(reason(&mut gate, call(method, params.clone())), expected, "{method} {params}");
    }
}

#[test]
fn whether_a_message_blocks_is_the_opposite_of_returning_at_once() {
    let mut gate =
        rule(json!({ "name": "SendMessage", "arguments": { "/configuration/returnImmediately": [false] } }));
    let with = |name: &str, value: Value| {
        let mut params = send();
        params["configuration"] = json!({ name: value });
        params
    };
    let (denied, malformed) = (Some(Reason::ArgumentDenied), Some(Reason::BodyMalformed));
    for (method, name, value, expected) in [
        ("message/send", "blocking", json!(false), denied),
        ("message/send", "blocking", json!(null), denied),
        ("message/send", "blocking", json!("yes"), malformed),
        ("SendMessage", "blocking", json!(true), malformed),
        ("SendMessage", "returnImmediately", json!(true), denied),
        ("SendMessage", "returnImmediately", json!(false), None),
        ("message/send", "blocking", json!(true), None),
    ] {
        let sent = call(method, with(name, value.clone()));
        assert_eq!(reason(&mut gate, sent), expected, "{method} {name} {value}");
    }
}

#[test]
fn a_tenant_of_rest_is_not_known_and_fulfils_no_rule() {
    let mut gate = rule(json!({ "name": "SendMessage", "arguments": { "/tenant": [null, "acme"] } }));
    let mut params = send();
    params["tenant"] = json!("acme");
    assert_eq!(reason(&mut gate, call("SendMessage", params.clone())), None);
    let denied = Some(Reason::ArgumentDenied);
    assert_eq!(reason(&mut gate, rest_1("POST", "/message:send", Some(params))), denied);
    assert_eq!(reason(&mut gate, rest_1("POST", "/other/message:send", Some(send()))), denied);
}

#[test]
fn a_message_that_brings_a_push_notification_configuration_needs_its_rule_too() {
    let with = |name: &str| {
        let mut params = send();
        params["configuration"] = json!({ name: { "url": "https://evil.example/hook" } });
        params
    };
    let all = [
        call("SendMessage", with("taskPushNotificationConfig")),
        call("message/send", with("pushNotificationConfig")),
        call("message/send", with("pushNotification")),
        rest_1("POST", "/message:send", Some(with("taskPushNotificationConfig"))),
        rest("POST", "/v1/message:send", Some(with("push_notification"))),
        rest("POST", "/v1/message:send", Some(with("pushNotification"))),
    ];
    let denied = Some(Reason::ArgumentDenied);
    let message = json!({ "name": "SendMessage" });
    let mut gate = rule(message.clone());
    for sent in &all {
        assert_eq!(reason(&mut gate, sent.clone()), denied, "{sent:?}");
    }
    let push = json!({
        "name": "CreateTaskPushNotificationConfig", "scopes": ["push"],
        "arguments": { "/url": ["https://good.example/hook"] },
    });
    let mut gate = self::gate(config(json!({ "methods": [message, push] })));
    for sent in &all {
        assert_eq!(reason(&mut gate, sent.clone()), denied, "{sent:?}");
        let text = String::from_utf8(sent.body.clone().unwrap()).unwrap().replace("evil", "good");
        let good = Sent { body: Some(text.into_bytes()), ..sent.clone() };
        assert_eq!(reason(&mut gate, good.clone()), Some(Reason::ScopeInsufficient), "{good:?}");
        let scoped = Sent { claims: json!({ "scope": "tickets.read push" }), ..good };
        assert_eq!(reason(&mut gate, scoped.clone()), None, "{scoped:?}");
    }
    // Names of the other version.
    let malformed = Some(Reason::BodyMalformed);
    assert_eq!(reason(&mut gate, call("SendMessage", with("pushNotificationConfig"))), malformed);
    assert_eq!(reason(&mut gate, call("SendMessage", with("task_push_notification_config"))), malformed);
}

/// What readers of several servers found: each is executed by some server as what its rule is not for.
#[test]
fn what_a_rule_does_not_see_is_denied() {
    let denied = Some(Reason::ArgumentDenied);
    // Parts of version 0.3 hold their data and files in other ways.
    let parts = json!({ "name": "SendMessage", "arguments": {
        "/message/parts/0/data/amount": [1, null], "/message/parts/0/url": ["https://ok.example", null],
    } });
    let with = |part: Value| {
        let mut params = send();
        params["message"]["parts"] = json!([part]);
        params
    };
    let plain = json!({ "data": { "amount": 1 } });
    let mut gate = rule(parts);
    for part in [
        plain.clone(),
        json!({ "data": { "amount": 1, "data": { "amount": 9999 } } }),
        json!({ "kind": "file", "url": "https://ok.example", "file": { "uri": "http://169.254.169.254/" } }),
    ] {
        assert_eq!(reason(&mut gate, call("message/send", with(part.clone()))), denied, "{part}");
        assert_eq!(
            reason(&mut gate, rest("POST", "/v1/message:send", Some(with(part.clone())))),
            denied,
            "{part}"
        );
    }
    assert_eq!(reason(&mut gate, call("SendMessage", with(plain.clone()))), None);
    assert_eq!(reason(&mut gate, rest_1("POST", "/message:send", Some(with(plain)))), None);

    // A gateway may add the query to the body.
    let mut gate = rule(json!({ "name": "SendMessage" }));
    for name in [
        "configuration.taskPushNotificationConfig.url",
        "configuration.task_push_notification_config.url",
        "Configuration[x]",
    ] {
        let path = format!("/message:send?{name}=http://evil.example/");
        assert_eq!(reason(&mut gate, rest_1("POST", &path, Some(send()))), denied, "{name}");
    }
    assert_eq!(reason(&mut gate, rest_1("POST", "/message:send?verbose=1", Some(send()))), None);

    // The official SDK for .NET leaves out an s.
    let singular = || call("ListTaskPushNotificationConfig", json!({ "taskId": "t" }));
    let mut gate = self::gate(config(json!({ "methods": [
        { "name": "ListTaskPushNotificationConfigs", "scopes": ["admin"] }, { "name": "*" },
    ] })));
    assert_eq!(reason(&mut gate, singular()), Some(Reason::ScopeInsufficient));
    let mut gate = rule(json!({ "name": "ListTaskPushNotificationConfigs" }));
    assert_eq!(reason(&mut gate, singular()), None);

    // A server of version 0.3 does not know this name, and blocks.
    let mut gate =
        rule(json!({ "name": "SendMessage", "arguments": { "/configuration/returnImmediately": [true] } }));
    let mut params = send();
    params["configuration"] = json!({ "returnImmediately": true });
    assert_eq!(reason(&mut gate, call("message/send", params.clone())), Some(Reason::BodyMalformed));
    assert_eq!(reason(&mut gate, call("SendMessage", params)), None);
}

/// Policies of the rule for push notifications would be asked about the message, not about the address that it brings.
#[test]
fn a_message_does_not_bring_what_a_policy_of_another_rule_should_look_at() {
    let mut config = config_value();
    config["policies"] = json!([{ "name": "callbacks" }]);
    let push = json!({ "name": "CreateTaskPushNotificationConfig", "policies": ["callbacks"] });
    let mut ask = |message: Value| {
        config["routes"] = json!([{ "match": { "path_prefix": "/agent" }, "scopes": ["tickets.read"], "a2a": { "methods": [message, push.clone()] } }]);
        let callbacks = policies::Scripted::default().with("callbacks", policies::allow());
        let mut gate = Gate::new(parse_config(&config), Box::new(callbacks), [0; 16]).unwrap();
        let mut params = send();
        params["configuration"] = json!({ "taskPushNotificationConfig": { "url": "https://x.example/" } });
        reason(&mut gate, call("SendMessage", params))
    };
    assert_eq!(ask(json!({ "name": "SendMessage" })), Some(Reason::ArgumentDenied));
    // Where the message's own rule asks it too, it can look at the address in the message.
    assert_eq!(ask(json!({ "name": "SendMessage", "policies": ["callbacks"] })), None);
}
