//! What else an operator of Envoy may take, configured to check as much as it can of what the filter checks.

use crate::{AUDIENCE, ISSUER, SUBJECT};
use mandate_host::envoy::EnvoySetup;
use serde_json::{Value, json};
use std::net::SocketAddr;

const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters.http";

/// Envoy's `jwt_authn`: signature, issuer, audience and time of every token. With `cached`, tokens that were verified are
/// known again.
#[must_use]
pub fn jwt_authn(mut setup: EnvoySetup, jwks: &Value, cached: bool) -> EnvoySetup {
    let mut provider = json!({
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "local_jwks": { "inline_string": jwks.to_string() },
        "payload_in_metadata": "jwt",
    });
    if cached {
        provider["jwt_cache_config"] = json!({ "jwt_cache_size": 1000 });
    }
    setup.filters_before.push(json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": format!("{FILTERS}.jwt_authn.v3.JwtAuthentication"),
            "providers": { "idp": provider },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "idp" } }],
        },
    }));
    setup
}

/// Envoy's `rbac` behind it: one principal, below one path.
#[must_use]
pub fn rbac(mut setup: EnvoySetup, prefix: &str) -> EnvoySetup {
    setup.filters_before.push(json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": format!("{FILTERS}.rbac.v3.RBAC"),
            "rules": { "action": "ALLOW", "policies": { "alice": {
                "permissions": [{ "header": { "name": ":path", "string_match": { "prefix": prefix } } }],
                "principals": [{ "metadata": {
                    "filter": "envoy.filters.http.jwt_authn",
                    "path": [{ "key": "jwt" }, { "key": "sub" }],
                    "value": { "string_match": { "exact": SUBJECT } },
                } }],
            } } },
        },
    }));
    setup
}

/// Envoy's `mcp`, which reads the message of a tool call, and its `rbac`, which admits this tool. Neither looks at a token or an
/// argument.
#[must_use]
pub fn mcp(mut setup: EnvoySetup, tool: &str, body_bytes: usize) -> EnvoySetup {
    let is = |path: &[&str], value: &str| {
        let path: Vec<Value> = path.iter().map(|key| json!({ "key": key })).collect();
        let value = json!({ "string_match": { "exact": value } });
        json!({ "metadata": { "filter": "envoy.filters.http.mcp", "path": path, "value": value } })
    };
    let permission =
        json!({ "and_rules": { "rules": [is(&["method"], "tools/call"), is(&["params", "name"], tool)] } });
    setup.filters_before.extend([
        json!({
            "name": "envoy.filters.http.mcp",
            "typed_config": {
                "@type": format!("{FILTERS}.mcp.v3.Mcp"),
                "traffic_mode": "REJECT_NO_MCP",
                "max_request_body_size": body_bytes,
            },
        }),
        json!({
            "name": "envoy.filters.http.rbac",
            "typed_config": {
                "@type": format!("{FILTERS}.rbac.v3.RBAC"),
                "rules": { "action": "ALLOW", "policies": { "tool": {
                    "permissions": [permission],
                    "principals": [{ "any": true }],
                } } },
            },
        }),
    ]);
    setup
}

/// Envoy's `buffer`, which waits for the whole body and looks at nothing: what every filter that reads a message does at least.
#[must_use]
pub fn buffer(mut setup: EnvoySetup, body_bytes: usize) -> EnvoySetup {
    setup.filters_before.push(json!({
        "name": "envoy.filters.http.buffer",
        "typed_config": {
            "@type": format!("{FILTERS}.buffer.v3.Buffer"),
            "max_request_bytes": body_bytes,
        },
    }));
    setup
}

/// Envoy's `ext_authz` over HTTP, to a server that always says yes.
#[must_use]
pub fn ext_authz(setup: EnvoySetup, server: SocketAddr) -> EnvoySetup {
    let mut setup = setup.cluster("authz", server);
    setup.filters_before.push(json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": format!("{FILTERS}.ext_authz.v3.ExtAuthz"),
            "http_service": { "server_uri": {
                "uri": format!("http://{server}"), "cluster": "authz", "timeout": "1s",
            } },
        },
    }));
    setup
}
