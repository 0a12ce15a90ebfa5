//! Headers by which an application is mounted elsewhere, or is told another path, user or address.

use super::gateway::{Gateway, token};
use super::servers;
use mandate_host::client::Request;
use serde_json::{Value, json};
use std::sync::OnceLock;

fn gateway() -> Option<&'static Gateway> {
    static GATEWAY: OnceLock<Option<Gateway>> = OnceLock::new();
    let start = || {
        let routes = json!([
            { "match": { "path_prefix": "/healthz", "methods": ["GET"] }, "anonymous": true },
            { "match": { "path_prefix": "/v1/payments" }, "scopes": ["payments.write"] },
            { "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] },
        ]);
        Gateway::start(&routes, &[], &[("flask", servers::flask()?)])
    };
    GATEWAY.get_or_init(start).as_ref()
}

/// Each of them makes some server, or a middleware that is common, serve `/v1/payments` for `/healthz/v1/payments`.
const MOUNTS: [(&str, &str); 12] = [
    ("SCRIPT_NAME", "/healthz"),
    ("Script_Name", "/healthz"),
    ("Script-Name", "/healthz"),
    ("script.name", "/healthz"),
    ("PATH_INFO", "/v1/payments"),
    ("Path-Info", "/v1/payments"),
    ("X-Script-Name", "/healthz"),
    ("X-Forwarded-Prefix", "/healthz"),
    ("X-Original-URL", "/v1/payments"),
    ("X-Original-URI", "/v1/payments"),
    ("X-Rewrite-URL", "/v1/payments"),
    ("X-Forwarded-Uri", "/v1/payments"),
];

#[test]
fn no_header_takes_a_request_to_another_mount_point() {
    let Some(gateway) = gateway() else { return };
    for (name, value) in MOUNTS {
        let seen = gateway.send("flask", Request::get("/healthz/v1/payments").header(name, value));
        let ran = seen.assert_ran("health", name);
        assert_eq!(ran["mount"], "", "{name}: {ran}");
    }
    gateway.send("flask", Request::get("/v1/payments")).assert_denied(401, "token_missing", "the plain path");
}

/// A token is no excuse: what it may not do stays out of reach.
#[test]
fn no_header_takes_a_request_with_a_token_to_another_path() {
    let Some(gateway) = gateway() else { return };
    let token = token("tickets.read");
    for (name, value) in MOUNTS {
        let value = if value == "/healthz" { "/v1/whoami" } else { value };
        let request = Request::get("/v1/whoami").bearer(&token).header(name, value);
        gateway.send("flask", request).assert_ran("whoami", name);
    }
}

#[test]
fn no_header_makes_the_caller_another_user_or_brings_it_from_another_address() {
    let Some(gateway) = gateway() else { return };
    let token = token("tickets.read");
    for name in [
        "Remote-User",
        "Remote_User",
        "X-Remote-User",
        "X-Forwarded-User",
        "X-Auth-Request-Email",
        "X-WEBAUTH-USER",
        "X-MS-Client-Principal-Name",
        "X-Goog-Authenticated-User-Email",
        "Cf-Access-Authenticated-User-Email",
        "SM_USER",
        "SSL_CLIENT_CERT",
        "X-Real-IP",
        "True-Client-IP",
        "Client-IP",
    ] {
        let request = Request::get("/v1/whoami").bearer(&token).header(name, "mallory");
        let seen = gateway.send("flask", request);
        let ran = seen.assert_ran("whoami", name);
        let claimed = |value: &Value| value.as_str().is_some_and(|value| value.contains("mallory"));
        assert!(!ran["headers"].as_object().unwrap().values().any(claimed), "{name}: {ran}");
        assert_eq!((&ran["user"], &ran["agent"]), (&Value::Null, &json!("agent:1")), "{name}: {ran}");
    }
}
