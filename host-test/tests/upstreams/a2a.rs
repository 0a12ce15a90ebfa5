//! The official SDK for A2A on both sides: what its user sees of an allowed and of a denied request, and what its server runs.

use super::gateway::{Gateway, token};
use super::servers;
use serde_json::{Value, json};

#[test]
fn the_users_of_the_official_client_see_results_in_every_version_and_binding() {
    let Some(server) = servers::a2a() else { return };
    let routes = json!([{
        "match": { "path_prefix": "/a2a" },
        "scopes": ["tickets.read"],
        "a2a": {
            "methods": [
                { "name": "SendMessage" },
                { "name": "SendStreamingMessage" },
                { "name": "GetTask" },
                { "name": "SubscribeToTask" },
                { "name": "CancelTask", "scopes": ["tickets.write"] },
                { "name": "CreateTaskPushNotificationConfig", "arguments": { "/url": ["https://hook.example/"] } },
            ],
            "agent_card": "anonymous",
        },
    }]);
    let Some(gateway) = Gateway::start(&routes, &[], &[("a2a", server)]) else { return };
    let url = format!("http://{}/a2a", gateway.address());
    for (binding, version) in
        [("JSONRPC", "1.0"), ("JSONRPC", "0.3"), ("HTTP+JSON", "1.0"), ("HTTP+JSON", "0.3")]
    {
        let how = format!("{binding} {version}");
        let of = |token: &str| -> Vec<[String; 3]> {
            let printed = servers::a2a_client(&url, token, binding, version);
            printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let seen = of(&token("tickets.read"));
        let said = |what: &str| {
            let found = seen.iter().find(|[name, ..]| name == what);
            let [_, outcome, said] = found.unwrap_or_else(|| panic!("{how} {what}: {seen:?}"));
            (outcome.as_str(), said.as_str())
        };
        for what in ["send push", "extended card", "cancel"] {
            let (outcome, text) = said(what);
            assert_eq!(outcome, "denied", "{how} {what}: {text}");
            assert!(text.contains("403"), "{how} {what}: {text}");
        }
        // Version 0.3 of the client cannot list.
        assert_eq!(said("list").0, "denied", "{how}");
        for what in ["card", "send", "stream", "send task", "get", "push", "subscribe", "after"] {
            assert_eq!(said(what).0, "done", "{how} {what}: {}\n{}", said(what).1, gateway.log());
        }
        let ran =
            || -> Vec<Value> { server.ran(&how).into_iter().map(|line| line["handler"].clone()).collect() };
        let once = ["send hello", "send hello", "send task", "send hello"];
        assert_eq!(ran(), once, "{how}");
        // With another token the task is cancelled.
        let seen = of(&token("tickets.read tickets.write"));
        assert!(
            seen.iter().any(|[what, outcome, _]| what == "cancel" && outcome == "done"),
            "{how}: {seen:?}"
        );
        assert_eq!(ran(), [&once[..], &once[..3], &["cancel", "send hello"]].concat(), "{how}");
    }
}
