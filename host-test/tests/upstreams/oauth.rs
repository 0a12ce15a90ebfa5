//! OAuth discovery by the official SDKs for MCP: a 401 leads to the metadata that the filter serves, that to the authorization server,
//! and that to a token. Beside the URL of the server, the client knows nothing.

use super::gateway::Gateway;
use super::servers::{self, Server};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// One of the clients in `servers/`: what it prints for a URL, a mode, and what the person says.
type Sdk = fn(&str, &str, &[&str]) -> Option<String>;

const SDKS: [(&str, Sdk); 2] =
    [("python", servers::mcp_oauth_client), ("typescript", servers::mcp_oauth_typescript_client)];

/// A server with tools behind the filter, and an authorization server beside it.
struct Desk {
    gateway: Gateway,
    idp: &'static Server,
    mcp: &'static Server,
    url: String,
}

/// `None` where a part of it cannot be had.
fn desk() -> Option<Desk> {
    let (mcp, idp) = (servers::mcp()?, servers::oauth()?);
    // The resource has the port in it, so it must be known before: one that was free a moment ago.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{free}/mcp");
    let issuer = format!("http://{}", idp.address);
    let routes = json!([{
        "match": { "path_prefix": "/mcp" },
        "scopes": ["tickets.read"],
        "mcp": {
            "tools": [{ "name": "tickets.close", "scopes": ["tickets.write"] }, { "name": "tickets.list" }],
        },
    }]);
    let keys = json!({ "remote": { "cluster": "idp", "uri": format!("{issuer}/jwks.json") } });
    let issuers = json!([{ "issuer": issuer, "audiences": [url], "algorithms": ["ES256"], "keys": keys }]);
    // More scopes than any call needs: what is asked for is what the challenge names.
    let resources = json!([{
        "resource": url, "authorization_servers": [issuer], "scopes_supported": ["tickets.read", "tickets.write", "admin"],
    }]);
    let members = [("issuers", issuers), ("protected_resources", resources)];
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free));
    let gateway = Gateway::listening(at, &routes, &members, &[("mcp", mcp), ("idp", idp)])?;
    Some(Desk { gateway, idp, mcp, url })
}

impl Desk {
    /// What the client's user sees, whose person says this when asked. `None` where the client cannot be had.
    fn seen(&self, sdk: Sdk, mode: &str, consents: &[&str]) -> Option<Vec<[String; 3]>> {
        let said = sdk(&self.url, mode, consents)?;
        Some(said.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// What ran at the server with tools.
    fn ran(&self) -> Vec<String> {
        handlers(&self.mcp.ran("mcp"))
    }

    /// What the authorization server was asked, beside its metadata, which it must have been asked first.
    fn asked_but_metadata(&self) -> Vec<String> {
        let mut asked = handlers(&self.idp.ran("oauth"));
        assert_eq!(asked.first().map(String::as_str), Some("metadata"), "{asked:?}");
        asked.retain(|it| it != "metadata");
        asked
    }
}

fn handlers(ran: &[Value]) -> Vec<String> {
    ran.iter().map(|line| line["handler"].as_str().unwrap().to_owned()).collect()
}

fn outcomes(seen: &[[String; 3]]) -> Vec<(&str, &str)> {
    seen.iter().map(|[what, outcome, _]| (what.as_str(), outcome.as_str())).collect()
}

#[test]
fn without_consent_no_call_reaches_the_server() {
    for (name, sdk) in SDKS {
        let Some(desk) = desk() else { return };
        let Some(seen) = desk.seen(sdk, "legacy", &["no"]) else { continue };
        assert_eq!(outcomes(&seen), [("session", "denied")], "{name}: {seen:?}\n{}", desk.gateway.log());
        assert_eq!(desk.ran(), [""; 0], "{name}");
        assert_eq!(desk.asked_but_metadata(), ["register", "authorize tickets.read"], "{name}");
    }
}

#[test]
fn consent_to_less_than_a_tool_needs_does_not_let_it_be_called() {
    for (name, sdk) in SDKS {
        let Some(desk) = desk() else { return };
        let Some(seen) = desk.seen(sdk, "legacy", &["yes", "no"]) else { continue };
        let list = ("tickets.list", "done");
        let (expected, ran) = match name {
            // This client gives up altogether.
            "python" => (vec![list, ("session", "denied")], vec!["tickets.list 0"]),
            _ => (
                vec![list, ("tickets.close", "denied"), ("payments.send", "denied"), list],
                vec!["tickets.list 0", "tickets.list 0"],
            ),
        };
        assert_eq!(outcomes(&seen), expected, "{name}: {seen:?}\n{}", desk.gateway.log());
        assert_eq!(desk.ran(), ran, "{name}");
        let asked = [
            "register",
            "authorize tickets.read",
            "token tickets.read",
            "authorize tickets.read tickets.write",
        ];
        assert_eq!(desk.asked_but_metadata(), asked, "{name}");
    }
}

#[test]
fn a_client_that_knows_nothing_but_the_url_gets_a_token_and_later_one_for_more() {
    for ((name, sdk), mode) in SDKS.into_iter().flat_map(|sdk| [(sdk, "auto"), (sdk, "legacy")]) {
        let Some(desk) = desk() else { return };
        let Some(seen) = desk.seen(sdk, mode, &["yes", "yes"]) else { continue };
        let expected = [
            ("tickets.list", "done"),
            ("tickets.close", "done"),
            ("payments.send", "denied"),
            ("tickets.list", "done"),
        ];
        assert_eq!(outcomes(&seen), expected, "{name} {mode}: {seen:?}\n{}", desk.gateway.log());
        assert!(seen[2][2].contains("action_denied"), "{name} {mode}: {seen:?}");
        let ran = ["tickets.list 0", "tickets.close staging", "tickets.list 0"];
        assert_eq!(desk.ran(), ran, "{name} {mode}");
        // The scopes of the challenge each time, and no others.
        let asked = [
            "register",
            "authorize tickets.read",
            "token tickets.read",
            "authorize tickets.read tickets.write",
            "token tickets.read tickets.write",
        ];
        assert_eq!(desk.asked_but_metadata(), asked, "{name} {mode}");
    }
}
