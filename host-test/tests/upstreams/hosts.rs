//! Rules for some hosts of a gateway, and servers that ask a header which host is meant.

use super::gateway::{Gateway, Seen, token};
use super::servers;
use mandate_host::client::Request;
use serde_json::json;
use std::sync::OnceLock;

fn gateway() -> Option<&'static Gateway> {
    static GATEWAY: OnceLock<Option<Gateway>> = OnceLock::new();
    let start = || {
        let routes = json!([
            { "match": { "hosts": ["admin.example"], "path_prefix": "/v1/" }, "scopes": ["admin"] },
            { "match": { "hosts": ["tools.example", "*.tools.example"], "path_prefix": "/v1/" }, "scopes": ["tickets.read"] },
        ]);
        Gateway::start(&routes, &[], &[("django", servers::django()?), ("flask", servers::flask()?)])
    };
    GATEWAY.get_or_init(start).as_ref()
}

fn whoami(host: &str, scope: &str, headers: &[(&str, &str)]) -> Option<Seen> {
    let request = Request::get("/v1/whoami").header("host", host).bearer(&token(scope));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Some(gateway()?.send("django", request))
}

#[test]
fn a_host_is_ruled_by_its_own_rules_without_port_and_case() {
    if gateway().is_none() {
        return;
    }
    let get = |host: &str, scope: &str| whoami(host, scope, &[]).unwrap();
    for host in
        ["admin.example", "ADMIN.example", "admin.example:8443", "admin.example.", "Admin.Example.:8443"]
    {
        get(host, "tickets.read").assert_denied(403, "scope_insufficient", host);
        get(host, "admin").assert_ran("admin", host);
    }
    for host in
        ["tools.example", "TOOLS.example:8443", "tools.example.", "a.tools.example", "A.Tools.Example:80"]
    {
        get(host, "admin").assert_denied(403, "scope_insufficient", host);
        get(host, "tickets.read").assert_ran("tools", host);
    }
    for host in ["tools.example.evil.example", "xtools.example", "other.example", "127.0.0.1"] {
        get(host, "tickets.read admin").assert_denied(403, "route_unmatched", host);
    }
}

#[test]
fn no_header_leads_to_another_hosts_rules() {
    let Some(gateway) = gateway() else { return };
    for (name, value) in [
        ("X-Forwarded-Host", "admin.example"),
        ("X_Forwarded_Host", "admin.example"),
        ("X-Forwarded-Host", "ADMIN.example:443"),
        ("X-Forwarded-Host", "admin.example."),
        ("X-Forwarded-Host", "tools.example, admin.example"),
        ("X-Forwarded-Host", "admin.example, tools.example"),
        ("X-Host", "admin.example"),
        ("X-Forwarded-Server", "admin.example"),
        ("X-Original-Host", "admin.example"),
        ("Forwarded", "host=admin.example"),
        ("Forwarded", "for=192.0.2.1;host=\"admin.example\";proto=https"),
    ] {
        let seen = whoami("tools.example", "tickets.read", &[(name, value)]).unwrap();
        let ran = seen.assert_ran("tools", &format!("django {name}: {value}"));
        assert_eq!(ran["host"], "tools.example", "{name}: {value}");
        assert!(!ran["headers"].to_string().to_ascii_lowercase().contains("admin.example"), "{name}: {ran}");

        let request =
            Request::get("/v1/whoami").header("host", "tools.example").bearer(&token("tickets.read"));
        let seen = gateway.send("flask", request.header(name, value));
        let ran = seen.assert_ran("whoami", &format!("flask {name}: {value}"));
        assert_eq!(ran["host"], "tools.example", "{name}: {value}");
    }
}

/// Two headers of one name are one list to most servers.
#[test]
fn a_second_forwarded_host_is_no_way_round() {
    if gateway().is_none() {
        return;
    }
    let twice = [("X-Forwarded-Host", "tools.example"), ("X-Forwarded-Host", "admin.example")];
    let seen = whoami("tools.example", "tickets.read", &twice).unwrap();
    assert_eq!(seen.assert_ran("tools", "two headers")["host"], "tools.example");
}
