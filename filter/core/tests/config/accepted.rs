use mandate_core::{
    algorithm::Algorithm,
    config::{AuditLog, Config, KeySource, Mode, Preflight, same_token_type},
};
use serde_json::{Value, json};

use crate::table::{edited, valid};

fn config(document: &Value) -> Config {
    match Config::parse(document.to_string().as_bytes()) {
        Ok(config) => config,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn least() -> Value {
    json!({
        "issuers": [{
            "issuer": "https://idp.example", "audiences": ["a"], "algorithms": ["ES256"],
            "keys": { "remote": { "cluster": "idp", "uri": "https://idp.example:8443/jwks.json?v=1" } }
        }],
        "routes": [{ "match": { "path_prefix": "/" } }],
        "policies": [{ "name": "p" }]
    })
}

/// A configuration with every member that there is.
pub(crate) fn whole_example() -> Value {
    json!({
        "issuers": [{
            "issuer": "https://idp.example",
            "provider": "rfc9068",
            "audiences": ["https://tools.example"],
            "algorithms": ["EdDSA", "ES256"],
            "token_types": ["at+jwt"],
            "claims": {
                "audience": ["/aud"],
                "principal": ["/sub"],
                "client": ["/client_id"],
                "token_id": ["/jti"],
                "issued_at": ["/iat"],
                "scopes": ["/scope"],
                "require": { "/token_use": "access" }
            },
            "agent": { "from": "act" },
            "chain": { "form": "act", "count": null },
            "keys": { "inline": { "keys": [] } },
            "clock_skew_s": 30,
            "max_lifetime_s": 3600,
            "token_bytes": 8192
        }],
        "delegation": {
            "max_depth": 4,
            "required": false,
            "actor_issuers": ["https://idp.example"],
            "allow_cycles": false
        },
        "routes": [
            { "match": { "path_prefix": "/healthz", "methods": ["GET"] }, "anonymous": true },
            { "match": { "hosts": ["tools.example", "*.tools.example"], "path_prefix": "/v1/" }, "scopes": ["tickets.read"], "max_depth": 2, "delegation_required": true, "policies": ["ticket-guard"] }
        ],
        "policies": [{
            "name": "ticket-guard",
            "sha256": "a".repeat(64),
            "settings": {},
            "mode": "enforce",
            "limits": { "fuel": 1_000_000, "memory_bytes": 1_048_576, "output_bytes": 4096 }
        }],
        "preflight": "deny",
        "upstream": {
            "forward_token": false, "identity_headers": true, "case_sensitive_paths": false, "pass_headers": [],
        },
        "audit": { "log": "denied" },
        "protected_resources": [{
            "resource": "https://tools.example/v1",
            "authorization_servers": ["https://idp.example"],
            "scopes_supported": ["tickets.read"],
            "resource_name": "Tickets",
            "resource_documentation": "https://tools.example/docs"
        }]
    })
}

#[test]
fn the_example_of_the_design_is_accepted() {
    let config = config(&whole_example());
    assert_eq!(config.issuers[0].algorithms, [Algorithm::EdDsa, Algorithm::Es256]);
    assert_eq!(config.issuers[0].keys, KeySource::Inline(json!({ "keys": [] })));
    assert_eq!(config.delegation.actor_issuers.as_deref(), Some(&["https://idp.example".to_owned()][..]));
    assert_eq!(config.routes[0].matcher.methods.as_deref(), Some(&["GET".to_owned()][..]));
    assert!(config.routes[0].anonymous);
    assert_eq!(config.routes[1].matcher.path_prefix.as_str(), "/v1/");
    assert_eq!(
        (config.routes[1].max_depth, &config.routes[1].policies[..]),
        (Some(2), &["ticket-guard".to_owned()][..])
    );
    assert_eq!(config.policies[0].sha256, Some("a".repeat(64)));
    assert_eq!(config.resource_metadata, None);
}

#[test]
fn its_other_key_source_is_accepted_too() {
    let remote = json!({ "remote": {
        "cluster": "idp", "uri": "https://idp.example/jwks.json", "timeout_ms": 1000, "refresh_s": 300, "stale_s": 3600
    } });
    let config = config(&edited(&whole_example(), "/issuers/0/keys", Some(remote)));
    let KeySource::Remote(remote) = &config.issuers[0].keys else { panic!("not remote") };
    assert_eq!((remote.scheme(), remote.authority(), remote.path()), ("https", "idp.example", "/jwks.json"));
}

#[test]
fn absent_members_take_the_defaults_of_the_design() {
    let config = config(&least());
    let issuer = &config.issuers[0];
    assert_eq!(issuer.token_types, [Some("at+jwt".to_owned())]);
    assert_eq!((issuer.clock_skew_s, issuer.max_lifetime_s), (30, 3600));
    let KeySource::Remote(remote) = &issuer.keys else { panic!("not remote") };
    assert_eq!((remote.timeout_ms, remote.refresh_s, remote.stale_s), (1000, 300, 3600));
    assert_eq!((remote.authority(), remote.path()), ("idp.example:8443", "/jwks.json?v=1"));
    let delegation = &config.delegation;
    assert_eq!((delegation.max_depth, delegation.required, delegation.allow_cycles), (4, false, false));
    assert_eq!(delegation.actor_issuers, None);
    let route = &config.routes[0];
    assert_eq!(route.matcher.methods, None);
    assert_eq!((route.anonymous, route.max_depth), (false, None));
    assert!(route.scopes.is_empty() && route.policies.is_empty());
    let entry = &config.policies[0];
    assert_eq!(
        (entry.policy.as_str(), &entry.sha256, &entry.settings, entry.mode),
        ("p", &None, &json!({}), Mode::Enforce)
    );
    let limits = &entry.limits;
    assert_eq!((limits.fuel, limits.memory_bytes, limits.output_bytes), (1_000_000, 1_048_576, 4096));
    assert_eq!((config.upstream.forward_token, config.upstream.identity_headers), (false, true));
    assert!(!config.upstream.case_sensitive_paths && config.upstream.pass_headers.is_empty());
    assert_eq!((route.matcher.hosts.as_ref(), config.preflight), (None, Preflight::Deny));
    assert_eq!(config.audit.log, AuditLog::Denied);
    assert_eq!(config.resource_metadata, None);
    assert_eq!(config.protected_resources, []);
}

#[test]
fn an_empty_section_means_its_defaults() {
    let mut document = least();
    for section in ["/delegation", "/upstream", "/audit"] {
        document = edited(&document, section, Some(json!({})));
    }
    let document = edited(&document, "/policies/0/limits", Some(json!({})));
    assert_eq!(config(&document), config(&least()));
}

#[test]
fn every_member_is_read() {
    let config = config(&valid());
    assert_eq!(config.issuers.len(), 2);
    assert_eq!(
        config.issuers[0].token_types,
        ["at+jwt", "application/agent+jwt"].map(|it| Some(it.to_owned()))
    );
    assert_eq!(config.policies[0].settings, json!({ "any": [null] }));
    assert_eq!((config.policies[1].policy.as_str(), config.policies[1].mode), ("ticket-guard", Mode::Shadow));
    assert_eq!(
        config.resource_metadata.as_deref(),
        Some("https://tools.example/.well-known/oauth-protected-resource")
    );
    let [resource] = &config.protected_resources[..] else { panic!("{config:?}") };
    assert_eq!(resource.resource.as_str(), "https://tools.example/v1");
    let url = "https://tools.example/.well-known/oauth-protected-resource/v1";
    assert_eq!(resource.resource.metadata_url(), url);
    assert_eq!(resource.authorization_servers, ["https://idp.example", "https://other.example"]);
    assert_eq!(resource.scopes_supported, ["tickets.read", "tickets.write"]);
    assert_eq!(resource.resource_name.as_deref(), Some("Tickets"));
    assert_eq!(resource.resource_documentation.as_deref(), Some("https://tools.example/docs"));
}

#[test]
fn the_ends_of_every_range_are_inside() {
    for (at, to) in [
        ("/issuers/0/clock_skew_s", json!(0)),
        ("/issuers/0/clock_skew_s", json!(60)),
        ("/issuers/0/clock_skew_s", json!(3.0)),
        ("/issuers/0/clock_skew_s", json!(3e1)),
        ("/issuers/0/max_lifetime_s", json!(1)),
        ("/issuers/0/max_lifetime_s", json!(86_400)),
        ("/issuers/0/algorithms", json!(["Ed25519"])),
        ("/issuers/0/algorithms", json!(["EdDSA", "ES256", "Ed25519"])),
        ("/issuers/0/issuer", json!("x".repeat(2048))),
        ("/issuers/0/issuer", json!("not-a-url")),
        ("/issuers/0/token_types/0", json!("JWT")),
        ("/issuers/0/keys/inline/keys", json!(vec![json!({}); 64])),
        ("/issuers/0/keys/inline/comment", json!("ignored, RFC 7517 §5")),
        ("/issuers/1/keys/remote/timeout_ms", json!(50)),
        ("/issuers/1/keys/remote/timeout_ms", json!(10_000)),
        ("/issuers/1/keys/remote/refresh_s", json!(1)),
        ("/issuers/1/keys/remote/stale_s", json!(300)),
        ("/issuers/1/keys/remote/stale_s", json!(604_800)),
        ("/issuers/1/keys/remote/uri", json!("http://[::1]:80/")),
        ("/issuers/1/keys/remote/cluster", json!("outbound|443||idp.example")),
        ("/delegation/max_depth", json!(8)),
        ("/routes/1/max_depth", json!(0)),
        ("/routes/1/max_depth", json!(4)),
        ("/routes/1/match/path_prefix", json!("/")),
        ("/routes/1/match/path_prefix", json!("/a%20b,c/@:~")),
        ("/routes/0/match/methods", json!(["M-SEARCH"])),
        (
            "/routes/0/match/hosts",
            json!(["Tools.Example", "*.tools.example", "10.0.0.1", "[::1]", "localhost"]),
        ),
        ("/preflight", json!("pass")),
        ("/upstream/case_sensitive_paths", json!(true)),
        ("/upstream/pass_headers", json!(["x-real-ip", "cf-connecting-ip", "x-forwarded-host"])),
        ("/routes/1/scopes", json!(["!#[]~", "https://x/y"])),
        ("/policies/0/limits/fuel", json!(1)),
        ("/policies/0/limits/fuel", json!(100_000_000)),
        ("/policies/0/limits/memory_bytes", json!(65_536)),
        ("/policies/0/limits/memory_bytes", json!(67_108_864)),
        ("/policies/0/limits/output_bytes", json!(1)),
        ("/policies/0/limits/output_bytes", json!(65_536)),
        ("/audit/log", json!("all")),
        ("/audit/log", json!("none")),
        ("/upstream/forward_token", json!(true)),
        ("/resource_metadata", json!("https://tools.example")),
        ("/protected_resources", json!([])),
        ("/protected_resources/0/resource", json!("https://tools.example")),
        ("/protected_resources/0/resource", json!("https://tools.example/")),
        ("/protected_resources/0/resource", json!("https://Tools.example.:8443/v1/")),
        ("/protected_resources/0/resource", json!("https://[2001:db8::1]/v1")),
        ("/protected_resources/0/resource", json!("http://localhost:10000/mcp")),
        ("/protected_resources/0/resource", json!("http://127.0.0.1:10000/mcp")),
        ("/protected_resources/0/resource", json!("http://[::1]:10000/mcp")),
        ("/protected_resources/0/authorization_servers/0", json!("http://localhost:9000")),
        ("/protected_resources/0/authorization_servers/0", json!("https://idp.example/tenant/")),
        ("/protected_resources/0/scopes_supported", json!([])),
    ] {
        config(&edited(&valid(), at, Some(to)));
    }
    config(&edited(&edited(&valid(), "/routes/1/max_depth", None), "/delegation/max_depth", Some(json!(0))));
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_or_an_exponent() {
    for (written, is) in
        [("3.0", 3), ("3e0", 3), ("0.3e1", 3), ("30.00", 30), ("6E1", 60), ("0.0", 0), ("-0", 0)]
    {
        let text = valid().to_string();
        assert_eq!(text.matches("\"clock_skew_s\":30").count(), 1);
        let text = text.replace("\"clock_skew_s\":30", &format!("\"clock_skew_s\":{written}"));
        assert_eq!(Config::parse(text.as_bytes()).unwrap().issuers[0].clock_skew_s, is, "{written}");
    }
}

#[test]
fn token_types_are_compared_as_media_types() {
    for (left, right, same) in [
        ("at+jwt", "AT+JWT", true),
        ("at+jwt", "application/at+jwt", true),
        ("APPLICATION/At+jwt", "application/aT+jwt", true),
        ("at+jwt", "JWT", false),
        ("text/at+jwt", "at+jwt", false),
        ("application/a/b", "a/b", false),
        ("", "application/", true),
    ] {
        assert_eq!(same_token_type(left, right), same, "{left} {right}");
        assert_eq!(same_token_type(right, left), same, "{right} {left}");
    }
}
