//! The official SDK for MCP on both sides: what its user sees of an allowed and of a denied call, and what its server runs.

use super::gateway::{Gateway, token, token_of, token_that_ends};
use super::servers;
use mandate_host::client::{self, Request, blocking};
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
        assert_eq!(
            said("list").1,
            "tickets.list, tickets.close",
            "{mode}: what may not be called is not listed"
        );
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

/// The official server binds a session to nobody, for it is given no token.
#[test]
fn a_session_of_the_official_server_belongs_to_who_opened_it_and_its_streams_end_with_their_token() {
    let Some(server) = servers::mcp() else { return };
    let routes = json!([{
        "match": { "path_prefix": "/mcp" },
        "scopes": ["tickets.read"],
        "mcp": { "tools": [{ "name": "tickets.*" }] },
    }]);
    let Some(gateway) = Gateway::start(&routes, &[], &[("mcp", server)]) else { return };
    let in_session = |request: Request, token: &str, session: Option<&str>| {
        let request = request
            .bearer(token)
            .header("x-test-upstream", "mcp")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25");
        session.iter().fold(request, |request, id| request.header("mcp-session-id", *id))
    };
    let send = |request: Request, token: &str, session: Option<&str>| {
        blocking::send(gateway.address(), &in_session(request, token, session)).unwrap()
    };
    let post = |message: &Value| {
        Request::post("/mcp", message.to_string()).header("content-type", "application/json")
    };
    let client = json!({ "name": "test", "version": "1" });
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client,
    } });
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let alice = token("tickets.read");
    let opened = send(post(&initialize), &alice, None);
    assert_eq!(opened.status, 200, "{}", gateway.log());
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(send(post(&initialized), &alice, Some(&session)).status, 202);
    let unbound = session.rsplit_once('.').unwrap().0;
    for (who, session) in [
        (token_of("user:mallory", "agent:1", "tickets.read"), session.as_str()),
        (token_of("user:alice", "agent:2", "tickets.read"), session.as_str()),
        (alice.clone(), unbound),
    ] {
        for request in [post(&list), Request::get("/mcp"), Request::new("DELETE", "/mcp")] {
            let method = request.method.clone();
            let answer = send(request, &who, Some(session));
            assert_eq!(answer.status, 404, "{method}: {}", answer.text());
            assert!(answer.text().contains("session_unknown"), "{method}: {}", answer.text());
        }
    }
    let listed = send(post(&list), &alice, Some(&session)).text();
    assert!(listed.contains("tickets.close") && !listed.contains("payments.send"), "{listed}");

    let short = in_session(Request::get("/mcp"), &token_that_ends("tickets.read"), Some(&session));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let mut stream = client::stream(gateway.address(), &short).await.unwrap();
        assert_eq!(stream.status, 200, "{}", gateway.log());
        let whole = async { while let Ok(Some(_)) = stream.body.next().await {} };
        tokio::time::timeout(std::time::Duration::from_secs(60), whole).await
    });
    assert!(ended.is_ok(), "it goes on without a valid token");
    assert!(gateway.log().contains("its stream was ended"), "{}", gateway.log());
    // With another token of the same agent for the same principal the session goes on.
    assert_eq!(send(post(&list), &token("tickets.read tickets.write"), Some(&session)).status, 200);
}
