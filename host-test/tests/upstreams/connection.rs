//! What the next proxy takes away: with an upgrade, the headers that `connection` names (RFC 9110 §7.6.1).

use super::gateway::{Gateway, token};
use super::servers::{self, Server};
use mandate_host::client::Request;
use serde_json::json;
use std::sync::OnceLock;

/// Envoy, Apache httpd, and Starlette, which writes down what is left.
fn gateway() -> Option<&'static Gateway> {
    static GATEWAY: OnceLock<Option<Gateway>> = OnceLock::new();
    let start = || {
        let routes = json!([{ "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] }]);
        Gateway::start(&routes, &[], &[("starlette", behind_apache()?)])
    };
    GATEWAY.get_or_init(start).as_ref()
}

/// Requests go to Apache; what ran is Starlette's to say.
fn behind_apache() -> Option<&'static Server> {
    static APACHE: OnceLock<Option<Server>> = OnceLock::new();
    let start = || Some(servers::apache(servers::starlette()?)?.recorded_by(servers::starlette()?));
    APACHE.get_or_init(start).as_ref()
}

fn upgrade(connection: &[&str]) -> Request {
    let request = Request::get("/v1/socket")
        .bearer(&token("tickets.read"))
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    connection.iter().fold(request, |request, value| request.header("connection", *value))
}

#[test]
fn an_upgrade_that_names_what_the_filter_adds_is_refused() {
    let Some(gateway) = gateway() else { return };
    for connection in [
        &["upgrade, x-mandate-agent, x-mandate-chain"][..],
        &["Upgrade,X-Mandate-Agent"],
        &["x-mandate-depth , upgrade"],
        &["upgrade", "x-mandate-principal"],
        &["upgrade, x-mandate-decision"],
        &["upgrade, x-mandate-ext-team"],
        &["upgrade, x_mandate_agent"],
        &["upgrade, authorization"],
    ] {
        let what = format!("{connection:?}");
        gateway.send("starlette", upgrade(connection)).assert_denied(400, "connection_invalid", &what);
    }
}

#[test]
fn an_upgrade_goes_through_and_the_server_sees_who_acts() {
    let Some(gateway) = gateway() else { return };
    for connection in ["upgrade", "Upgrade", "keep-alive, Upgrade"] {
        let seen = gateway.send("starlette", upgrade(&[connection]));
        assert_eq!((seen.status, seen.ran.len()), (101, 1), "{connection}: {seen:?}");
        let ran = &seen.ran[0];
        assert_eq!(ran["handler"], "socket", "{connection}");
        assert_eq!(
            (&ran["principal"], &ran["agent"]),
            (&json!("user:alice"), &json!("agent:1")),
            "{connection}"
        );
    }
}

/// Without an upgrade Envoy drops `connection` before the filter sees it.
#[test]
fn without_an_upgrade_nothing_is_taken_away() {
    let Some(gateway) = gateway() else { return };
    let request = Request::get("/v1/whoami")
        .bearer(&token("tickets.read"))
        .header("connection", "close, x-mandate-agent, x-mandate-chain");
    let seen = gateway.send("starlette", request);
    let ran = seen.assert_ran("whoami", "no upgrade");
    assert_eq!((&ran["principal"], &ran["agent"]), (&json!("user:alice"), &json!("agent:1")));
}
