//! The official SDK for MCP on both sides: what its user sees of an allowed and of a denied call, and what its server runs.

use super::gateway::{Gateway, token};
use super::servers;
use serde_json::{Value, json};

/// Whether this call came out like that, and what its user sees.
fn said<'a>(seen: &'a [[String; 3]], what: &str, mode: &str) -> (&'a str, &'a str) {
    let found = seen.iter().find(|[name, ..]| name == what);
    let [_, outcome, said] = found.unwrap_or_else(|| panic!("{mode} {what}: {seen:?}"));
    (outcome.as_str(), said.as_str())
}

#[test]
fn the_users_of_the_official_client_in_typescript_see_results_and_why_a_call_is_denied() {
    let Some(server) = servers::mcp() else { return };
    let routes = json!([{
        "match": { "path_prefix": "/mcp" },
        "scopes": ["tickets.read"],
        "mcp": {
            "tools": [{ "name": "tickets.close", "arguments": { "/env": ["staging"] } }, { "name": "tickets.list" }],
            "resources": [{ "uri": "ticket://*" }],
        },
    }]);
    let Some(gateway) = Gateway::start(&routes, &[], &[("mcp", server)]) else { return };
    for mode in ["auto", "legacy"] {
        let url = format!("http://{}/mcp", gateway.address());
        let Some(printed) = servers::mcp_typescript_client(&url, &token("tickets.read"), mode) else {
            return;
        };
        let seen: Vec<[String; 3]> =
            printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (what, reason) in [
            ("tickets.close production", "argument_denied"),
            ("payments.send", "action_denied"),
            ("secret://7", "action_denied"),
        ] {
            let (outcome, text) = said(&seen, what, mode);
            assert_eq!(outcome, "denied", "{mode} {what}: {text}");
            assert!(text.contains(reason) && text.contains("decision "), "{mode} {what}: {text}");
        }
        for what in ["list", "tickets.list", "tickets.close staging", "ticket://7", "after"] {
            let (outcome, text) = said(&seen, what, mode);
            assert_eq!(outcome, "done", "{mode} {what}: {text}\n{}", gateway.log());
        }
    }
    let ran: Vec<Value> = server.ran("mcp").into_iter().map(|line| line["handler"].clone()).collect();
    let once = ["tickets.list 0", "tickets.close staging", "ticket://7", "tickets.list 0"];
    assert_eq!(ran, [once, once].concat());
}

#[test]
fn the_users_of_the_official_client_see_results_and_why_a_call_is_denied() {
    let Some(server) = servers::mcp() else { return };
    let routes = json!([{
        "match": { "path_prefix": "/mcp" },
        "scopes": ["tickets.read"],
        "mcp": {
            "tools": [
                { "name": "tickets.close", "arguments": { "/env": ["staging", null] } },
                { "name": "tickets.list" },
            ],
            "resources": [{ "uri": "ticket://*" }],
            "prompts": [{ "name": "greet" }],
            "body_bytes": 4_194_304,
        },
    }]);
    let Some(gateway) = Gateway::start(&routes, &[], &[("mcp", server)]) else { return };
    // `auto` is the newest revision that both know; `legacy` the newest one with a session.
    for mode in ["auto", "legacy"] {
        let seen: Vec<[String; 3]> =
            servers::mcp_client(&format!("http://{}/mcp", gateway.address()), &token("tickets.read"), mode)
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
        let said = |what: &str| said(&seen, what, mode);
        for (what, reason) in [
            ("tickets.close production", "argument_denied"),
            ("payments.send", "action_denied"),
            ("secret://7", "action_denied"),
            ("other", "action_denied"),
        ] {
            let (outcome, text) = said(what);
            assert_eq!(outcome, "denied", "{mode} {what}: {text}");
            assert!(text.contains(reason) && text.contains("decision "), "{mode} {what}: {text}");
        }
        for what in [
            "list",
            "tickets.list",
            "tickets.list up",
            "tickets.list down",
            "tickets.close staging",
            "ticket://7",
            "greet",
            "after",
        ] {
            assert_eq!(said(what).0, "done", "{mode} {what}: {}\n{}", said(what).1, gateway.log());
        }
        assert!(said("tickets.list down").1.parse::<usize>().unwrap() > 500_000, "{mode}");
    }
    let ran: Vec<Value> = server.ran("mcp").into_iter().map(|line| line["handler"].clone()).collect();
    let once = [
        "tickets.list 0",
        "tickets.list 3000000",
        "tickets.list 4",
        "tickets.close staging",
        "ticket://7",
        "greet",
        "tickets.list 0",
    ];
    assert_eq!(ran, [once, once].concat());
}
