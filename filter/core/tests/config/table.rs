//! Wrong configurations, one fault each: an edit of a valid one, and the pointers that must be reported.

use serde_json::{Value, json};

/// Who can see the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The schema too.
    Structural,
    /// Only the filter: it lies between members, or in a grammar that the schema draws more widely.
    Semantic,
}

/// One wrong configuration.
pub(crate) struct Row {
    pub(crate) kind: Kind,
    /// Where the valid configuration is changed; `-` appends to an array.
    pub(crate) at: &'static str,
    /// The new value, or none to remove what is there.
    pub(crate) to: Option<Value>,
    /// All pointers that are reported.
    pub(crate) pointers: &'static [&'static str],
}

impl Row {
    pub(crate) fn document(&self) -> Value {
        edited(&valid(), self.at, self.to.clone())
    }

    pub(crate) fn name(&self) -> String {
        match &self.to {
            Some(value) => format!("{} = {:.80}", self.at, value.to_string()),
            None => format!("without {}", self.at),
        }
    }
}

/// A configuration with every member, and nothing to complain about.
pub(crate) fn valid() -> Value {
    json!({
        "issuers": [
            {
                "issuer": "https://idp.example",
                "audiences": ["https://tools.example", "tools"],
                "algorithms": ["EdDSA", "ES256"],
                "token_types": ["at+jwt", "application/agent+jwt"],
                "claims": {
                    "audience": ["/aud"], "principal": [["/tid", "/oid"], "/sub"], "client": ["/client_id", null],
                    "token_id": [], "issued_at": ["/iat"], "scopes": ["/scope", "/https:~1~1app~1roles"],
                    "require": { "/kind": "access", "/ver": [1, "1.0", null], "/nonce": null, "/org": { "present": true } }
                },
                "agent": { "from": "client", "when": { "/profile": "ai_agent", "/org": { "present": true } } },
                "chain": { "form": "okta", "count": ["ai_agent"] },
                "keys": { "inline": { "keys": [] } },
                "clock_skew_s": 30,
                "max_lifetime_s": 3600,
                "token_bytes": 8192
            },
            {
                "issuer": "https://other.example",
                "provider": "zitadel",
                "audiences": ["tools"],
                "algorithms": ["RS256"],
                "keys": { "remote": {
                    "cluster": "idp", "uri": "https://idp.example/jwks.json",
                    "timeout_ms": 1000, "refresh_s": 300, "stale_s": 3600
                } }
            }
        ],
        "delegation": {
            "max_depth": 4, "required": false, "actor_issuers": ["https://idp.example"], "allow_cycles": false
        },
        "routes": [
            { "match": { "path_prefix": "/healthz", "methods": ["GET", "HEAD"] }, "anonymous": true },
            {
                "match": { "path_prefix": "/v1/", "hosts": ["tools.example", "*.tools.example"] }, "scopes": ["tickets.read"], "max_depth": 2,
                "acr_values": ["phr", "urn:example:mfa"], "max_age_s": 3600, "approval": true,
                "policies": ["ticket-guard", "quiet"],
                "mcp": {
                    "tools": [
                        {
                            "name": "tickets.close", "scopes": ["tickets.write"], "max_depth": 0, "acr_values": ["phr"], "max_age_s": 300, "approval": true,
                            "arguments": { "/env": ["staging", null], "/force": [false] }, "policies": ["quiet"]
                        },
                        { "name": "tickets.*" }
                    ],
                    "resources": [{ "uri": "ticket://*" }],
                    "prompts": [{ "name": "greet" }],
                    "methods": ["tasks/*"],
                    "body_bytes": 65536,
                    "hold": "body",
                    "narrow_lists": false,
                    "sessions": "unbound"
                }
            },
            {
                "match": { "path_prefix": "/agent" }, "scopes": [],
                "a2a": {
                    "methods": [
                        { "name": "SendMessage", "scopes": ["tickets.write"], "max_depth": 0, "arguments": { "/message/taskId": [null] } },
                        { "name": "Get*" }
                    ],
                    "agent_card": "anonymous",
                    "body_bytes": 65536
                }
            }
        ],
        "policies": [
            {
                "name": "ticket-guard", "sha256": "0123456789abcdef".repeat(4), "settings": { "any": [null] },
                "mode": "enforce", "limits": { "fuel": 1_000_000, "memory_bytes": 1_048_576, "output_bytes": 4096 }
            },
            { "name": "quiet", "policy": "ticket-guard", "mode": "shadow" }
        ],
        "approvals": {
            "audience": "https://tools.example", "max_lifetime_s": 600, "clock_skew_s": 20,
            "approvers": [
                { "issuer": "https://approve.example", "algorithms": ["ES256"], "keys": { "inline": { "keys": [] } } },
                { "issuer": "https://second.example", "algorithms": ["EdDSA"], "keys": { "remote": {
                    "cluster": "second", "uri": "https://second.example/jwks.json"
                } } }
            ]
        },
        "upstream": { "forward_token": false, "identity_headers": true, "pass_headers": ["x-real-ip"] },
        "audit": { "log": "denied" },
        "resource_metadata": "https://tools.example/.well-known/oauth-protected-resource",
        "protected_resources": [
            {
                "resource": "https://tools.example/v1", "authorization_servers": ["https://idp.example", "https://other.example"],
                "scopes_supported": ["tickets.read", "tickets.write"], "resource_name": "Tickets",
                "resource_documentation": "https://tools.example/docs"
            }
        ]
    })
}

/// The document with one place set or removed.
pub(crate) fn edited(document: &Value, at: &str, to: Option<Value>) -> Value {
    let mut document = document.clone();
    if at.is_empty() {
        return to.unwrap_or(Value::Null);
    }
    let (parent, last) = at.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(parent).unwrap(), to) {
        (Value::Object(members), Some(value)) => {
            members.insert(last, value);
        }
        (Value::Object(members), None) => {
            members.remove(&last).unwrap();
        }
        (Value::Array(elements), Some(value)) if last == "-" => elements.push(value),
        (Value::Array(elements), Some(value)) => {
            let index = last.parse::<usize>().unwrap();
            // One past the end appends.
            if index == elements.len() { elements.push(value) } else { elements[index] = value }
        }
        (Value::Array(elements), None) => {
            elements.remove(last.parse().unwrap());
        }
        (other, _) => panic!("{at} leads into {other}"),
    }
    document
}

/// Where a resource is reported that is an earlier one.
const SECOND_RESOURCE: &[&str] = &["/protected_resources/1/resource"];

/// The rows whose fault is reported where the edit was made.
fn in_place() -> Vec<(Kind, &'static str, Value)> {
    use Kind::{Semantic, Structural};
    let long = "x".repeat(2049);
    vec![
        // The document and its sections.
        (Structural, "/colour", json!("blue")),
        (Structural, "/issuers", json!([])),
        (Structural, "/issuers", json!({})),
        (Structural, "/issuers", json!(null)),
        (Structural, "/routes", json!([])),
        (Structural, "/routes", json!("/")),
        (Structural, "/delegation", json!(null)),
        (Structural, "/delegation", json!([])),
        (Structural, "/upstream", json!(true)),
        (Structural, "/audit", json!("all")),
        (Structural, "/resource_metadata", json!("http://tools.example/m")),
        (Structural, "/resource_metadata", json!("https://")),
        (Structural, "/resource_metadata", json!("https://tools.example/a\"b")),
        (Structural, "/resource_metadata", json!(7)),
        (Structural, "/resource_metadata", json!(null)),
        // Protected resources.
        (Structural, "/protected_resources", json!(null)),
        (Structural, "/protected_resources", json!({})),
        (Structural, "/protected_resources/0", json!("https://tools.example")),
        (Structural, "/protected_resources/0/bearer_methods_supported", json!(["header"])),
        (Structural, "/protected_resources/0/resource", json!(null)),
        (Structural, "/protected_resources/0/resource", json!("")),
        (Structural, "/protected_resources/0/resource", json!("tools.example/v1")),
        (Structural, "/protected_resources/0/resource", json!("http://tools.example/v1")),
        (Structural, "/protected_resources/0/resource", json!("http://localhost.evil.example/v1")),
        (Structural, "/protected_resources/0/resource", json!("http://127.0.0.1.evil.example")),
        (Structural, "/protected_resources/0/resource", json!("http://localhost@evil.example/")),
        (Structural, "/protected_resources/0/resource", json!("urn:tools")),
        (Structural, "/protected_resources/0/resource", json!("https://user@tools.example/v1")),
        (Structural, "/protected_resources/0/resource", json!("https://tools.example/v1#a")),
        (Structural, "/protected_resources/0/resource", json!("https://tools.example/v1?a=b")),
        (Structural, "/protected_resources/0/resource", json!("https://tools.example/a\"b")),
        (Structural, "/protected_resources/0/resource", json!("https://tools.example/a\\b")),
        (Structural, "/protected_resources/0/resource", json!("https://tools.example/v1;a")),
        (Semantic, "/protected_resources/0/resource", json!("https://tools.example:0/v1")),
        (Semantic, "/protected_resources/0/resource", json!("https://a..b/v1")),
        (Semantic, "/protected_resources/0/resource", json!("https://tools.example//v1")),
        (Semantic, "/protected_resources/0/resource", json!("https://tools.example/v1/../v1")),
        (Semantic, "/protected_resources/0/resource", json!("https://tools.example/%76")),
        (Structural, "/protected_resources/0/authorization_servers", json!([])),
        (Structural, "/protected_resources/0/authorization_servers", json!("https://idp.example")),
        (Structural, "/protected_resources/0/authorization_servers/0", json!("http://idp.example")),
        (Structural, "/protected_resources/0/authorization_servers/0", json!("https://idp.example?a")),
        (Structural, "/protected_resources/0/authorization_servers/0", json!("https://idp.example/#a")),
        (Structural, "/protected_resources/0/authorization_servers/1", json!("https://idp.example")),
        (Structural, "/protected_resources/0/scopes_supported", json!("tickets.read")),
        (Structural, "/protected_resources/0/scopes_supported/0", json!("tickets.read tickets.write")),
        (Structural, "/protected_resources/0/scopes_supported/1", json!("tickets.read")),
        (Structural, "/protected_resources/0/resource_name", json!("")),
        (Semantic, "/protected_resources/0/resource_name", json!("a\nb")),
        (Structural, "/protected_resources/0/resource_documentation", json!("http://tools.example/docs")),
        (Structural, "/protected_resources/0/resource_documentation", json!("https://tools.example/docs#a")),
        // Issuers.
        (Structural, "/issuers/0", json!("https://idp.example")),
        (Structural, "/issuers/0/secret", json!("s")),
        (Structural, "/issuers/0/issuer", json!("")),
        (Structural, "/issuers/0/issuer", json!(["https://idp.example"])),
        (Structural, "/issuers/0/issuer", json!("https://idp.example ")),
        (Structural, "/issuers/0/issuer", json!("two words")),
        (Semantic, "/issuers/0/issuer", json!("bell\u{7}")),
        (Structural, "/issuers/0/issuer", json!(long)),
        (Semantic, "/issuers/1/issuer", json!("https://idp.example")),
        (Structural, "/issuers/0/audiences", json!([])),
        (Structural, "/issuers/0/audiences", json!("https://tools.example")),
        (Structural, "/issuers/0/audiences", json!(vec!["a"; 33])),
        (Structural, "/issuers/0/audiences/1", json!("https://tools.example")),
        (Structural, "/issuers/0/audiences/0", json!(1)),
        (Structural, "/issuers/0/audiences/0", json!("")),
        (Structural, "/issuers/0/algorithms", json!([])),
        (Structural, "/issuers/0/algorithms", json!("EdDSA")),
        (Structural, "/issuers/0/algorithms/0", json!("none")),
        (Structural, "/issuers/0/algorithms/0", json!("None")),
        (Structural, "/issuers/0/algorithms/0", json!("HS256")),
        (Structural, "/issuers/0/algorithms/0", json!("hs512")),
        (Structural, "/issuers/0/algorithms/0", json!("eddsa")),
        (Structural, "/issuers/0/algorithms/0", json!("ES256K")),
        (Structural, "/issuers/0/algorithms/0", json!("é")),
        (Structural, "/issuers/0/algorithms/1", json!("EdDSA")),
        (Structural, "/issuers/0/provider", json!("keycloack")),
        (Structural, "/issuers/0/provider", json!(null)),
        (Semantic, "/issuers/1/issuer", json!("https://idp.example")),
        (Structural, "/issuers/0/claims", json!([])),
        (Structural, "/issuers/0/claims", json!(null)),
        (Structural, "/issuers/0/claims/subject", json!(["/sub"])),
        (Structural, "/issuers/0/claims/audience", json!([])),
        (Structural, "/issuers/0/claims/audience", json!("/aud")),
        (Structural, "/issuers/0/claims/audience/0", json!(null)),
        (Structural, "/issuers/0/claims/audience/0", json!("aud")),
        (Structural, "/issuers/0/claims/audience/0", json!("")),
        (Structural, "/issuers/0/claims/audience/0", json!("/a~2")),
        (Structural, "/issuers/0/claims/audience/1", json!("/aud")),
        (Structural, "/issuers/0/claims/principal", json!([])),
        (Structural, "/issuers/0/claims/principal/0", json!([])),
        (Structural, "/issuers/0/claims/principal/0/1", json!("oid")),
        (Structural, "/issuers/0/claims/principal/1", json!(null)),
        (Structural, "/issuers/0/claims/client", json!(null)),
        (Structural, "/issuers/0/claims/client/0", json!("client_id")),
        (Structural, "/issuers/0/claims/client/2", json!(null)),
        (Structural, "/issuers/0/claims/token_id", json!({})),
        (Structural, "/issuers/0/claims/issued_at/0", json!(7)),
        (Structural, "/issuers/0/claims/scopes/0", json!(null)),
        (Structural, "/issuers/0/claims/scopes", json!(vec!["/a"; 33])),
        (Structural, "/issuers/0/claims/require", json!([])),
        (Structural, "/issuers/0/claims/require/kind", json!("access")),
        (Structural, "/issuers/0/claims/require/~1kind", json!([])),
        (Structural, "/issuers/0/claims/require/~1kind", json!("")),
        (Structural, "/issuers/0/claims/require/~1ver/0", json!({ "present": true })),
        (Structural, "/issuers/0/claims/require/~1ver/0", json!([1])),
        (Structural, "/issuers/0/claims/require/~1ver/1", json!(1)),
        (Semantic, "/issuers/0/claims/require/~1ver/0", json!(1e300)),
        (Structural, "/issuers/0/claims/require/~1org/present", json!(false)),
        (Structural, "/issuers/0/claims/require/~1org/absent", json!(true)),
        (Structural, "/issuers/0/agent", json!("client")),
        (Structural, "/issuers/0/agent/from", json!("azp")),
        (Structural, "/issuers/0/agent/is", json!("client")),
        (Structural, "/issuers/0/agent/when", json!(null)),
        (Structural, "/issuers/0/agent/when/~1profile", json!("ai agent")),
        (Structural, "/issuers/0/agent/when/~1profile", json!(null)),
        (Structural, "/issuers/0/agent/when/profile", json!("ai_agent")),
        (Structural, "/issuers/0/chain", json!(null)),
        (Structural, "/issuers/0/chain/form", json!("nested")),
        (Structural, "/issuers/0/chain/count", json!([])),
        (Structural, "/issuers/0/chain/count/0", json!("ai agent")),
        (Structural, "/issuers/0/chain/count/1", json!("ai_agent")),
        (Structural, "/issuers/0/chain/header", json!("X-Chain")),
        (Structural, "/issuers/0/chain/header", json!("")),
        (Semantic, "/issuers/0/chain/header", json!("x-chain")),
        (Semantic, "/issuers/0/chain/header", json!("authorization")),
        (Semantic, "/issuers/0/chain/header", json!("mcp-session-id")),
        (Semantic, "/issuers/0/chain/header", json!("x-real-ip")),
        (Semantic, "/issuers/0/chain/header", json!("x-mandate-chain")),
        (Structural, "/issuers/0/chain/constraints", json!([])),
        (Semantic, "/issuers/0/chain/constraints", json!(["max"])),
        (Structural, "/issuers/0/token_bytes", json!(255)),
        (Structural, "/issuers/0/token_bytes", json!(32_769)),
        (Structural, "/issuers/0/token_types", json!([])),
        (Structural, "/issuers/0/token_types/0", json!(7)),
        (Structural, "/issuers/0/token_types", json!(null)),
        (Structural, "/issuers/0/token_types/1", json!("at+jwt")),
        (Semantic, "/issuers/0/token_types/1", json!("AT+JWT")),
        (Semantic, "/issuers/0/token_types/1", json!("Application/at+jwt")),
        (Structural, "/issuers/0/token_types/0", json!("at jwt")),
        (Structural, "/issuers/0/token_types/0", json!("a/b/c")),
        (Structural, "/issuers/0/token_types/0", json!("application/")),
        (Structural, "/issuers/0/clock_skew_s", json!(61)),
        (Structural, "/issuers/0/clock_skew_s", json!(-1)),
        (Structural, "/issuers/0/clock_skew_s", json!(0.5)),
        (Structural, "/issuers/0/clock_skew_s", json!("30")),
        (Structural, "/issuers/0/clock_skew_s", json!(61.0)),
        (Structural, "/issuers/0/clock_skew_s", json!(29.999_999)),
        (Structural, "/issuers/0/clock_skew_s", json!(-1.0)),
        (Structural, "/issuers/0/max_lifetime_s", json!(0)),
        (Structural, "/issuers/0/max_lifetime_s", json!(604_801)),
        (Structural, "/issuers/0/max_lifetime_s", json!(u64::MAX)),
        (Structural, "/issuers/0/max_lifetime_s", json!(1e300)),
        // Keys.
        (Structural, "/issuers/0/keys", json!({})),
        (Structural, "/issuers/0/keys", json!("https://idp.example/jwks.json")),
        (Structural, "/issuers/0/keys/remotes", json!({})),
        (Structural, "/issuers/0/keys/inline", json!([])),
        (Structural, "/issuers/0/keys/inline/keys", json!({})),
        (Structural, "/issuers/0/keys/inline/keys", json!(vec![json!({}); 65])),
        (Structural, "/issuers/1/keys/remote", json!("idp")),
        (Structural, "/issuers/1/keys/remote/retries", json!(3)),
        (Structural, "/issuers/1/keys/remote/cluster", json!("")),
        (Structural, "/issuers/1/keys/remote/cluster", json!("a b")),
        (Structural, "/issuers/1/keys/remote/cluster", json!(null)),
        (Structural, "/issuers/1/keys/remote/uri", json!("idp.example/jwks.json")),
        (Structural, "/issuers/1/keys/remote/uri", json!("ftp://idp.example/jwks.json")),
        (Structural, "/issuers/1/keys/remote/uri", json!("https://idp.example")),
        (Structural, "/issuers/1/keys/remote/uri", json!("https:///jwks.json")),
        (Structural, "/issuers/1/keys/remote/uri", json!("https://u:p@idp.example/jwks.json")),
        (Structural, "/issuers/1/keys/remote/uri", json!("https://idp.example/jwks.json#a")),
        (Semantic, "/issuers/1/keys/remote/uri", json!("https://idp.example:0/jwks.json")),
        (Structural, "/issuers/1/keys/remote/timeout_ms", json!(49)),
        (Structural, "/issuers/1/keys/remote/timeout_ms", json!(10_001)),
        (Structural, "/issuers/1/keys/remote/refresh_s", json!(0)),
        (Structural, "/issuers/1/keys/remote/refresh_s", json!(86_401)),
        (Structural, "/issuers/1/keys/remote/stale_s", json!(604_801)),
        (Semantic, "/issuers/1/keys/remote/stale_s", json!(299)),
        // Delegation.
        (Structural, "/delegation/depth", json!(4)),
        (Structural, "/delegation/max_depth", json!(9)),
        (Structural, "/delegation/max_depth", json!(256)),
        (Structural, "/delegation/max_depth", json!(-1)),
        (Structural, "/delegation/required", json!("no")),
        (Structural, "/delegation/required", json!(0)),
        (Structural, "/delegation/actor_issuers", json!([])),
        (Structural, "/delegation/actor_issuers", json!(null)),
        (Structural, "/delegation/actor_issuers/0", json!("two words")),
        (Structural, "/delegation/actor_issuers/-", json!("https://idp.example")),
        (Structural, "/delegation/allow_cycles", json!(null)),
        // Routes.
        (Structural, "/routes/1", json!([])),
        (Structural, "/routes/1/scope", json!("tickets.read")),
        (Structural, "/routes/1/anonymous", json!("false")),
        (Structural, "/routes/1/match", json!("/v1")),
        (Structural, "/routes/1/match/path", json!("/v1")),
        (Structural, "/routes/1/match/path_prefix", json!("")),
        (Structural, "/routes/1/match/path_prefix", json!("v1")),
        (Structural, "/routes/1/match/path_prefix", json!("/v1?x")),
        (Structural, "/routes/1/match/path_prefix", json!("/v1#x")),
        (Structural, "/routes/1/match/path_prefix", json!("/v 1")),
        (Structural, "/routes/1/match/path_prefix", json!("/v%2f")),
        (Structural, "/routes/1/match/path_prefix", json!("/v1;x")),
        (Structural, "/routes/1/match/path_prefix", json!("/..;/v1")),
        (Structural, "/routes/1/match/path_prefix", json!("/v1%3bx")),
        (Semantic, "/routes/1/match/path_prefix", json!("/v1%3Bx")),
        (Semantic, "/routes/1/match/path_prefix", json!("/v1/../v2")),
        (Semantic, "/routes/1/match/path_prefix", json!("//v1")),
        (Semantic, "/routes/1/match/path_prefix", json!("/v%41")),
        (Semantic, "/routes/1/match/path_prefix", json!("/v%2F")),
        (Semantic, "/routes/1/match/path_prefix", json!("/..")),
        (Structural, "/routes/1/match/path_prefix", json!(7)),
        (Structural, "/routes/0/match/methods", json!([])),
        (Structural, "/routes/0/match/methods", json!("GET")),
        (Structural, "/routes/0/match/methods/0", json!("get")),
        (Structural, "/routes/0/match/methods/0", json!("GE T")),
        (Structural, "/routes/0/match/methods/0", json!("")),
        (Structural, "/routes/0/match/methods/1", json!("GET")),
        // No request with such a method is let through.
        (Structural, "/routes/0/match/methods/0", json!("M+X")),
        (Structural, "/routes/1/match/hosts", json!([])),
        (Structural, "/routes/1/match/hosts", json!("tools.example")),
        (Structural, "/routes/1/match/hosts/0", json!("*")),
        (Structural, "/routes/1/match/hosts/0", json!("tools.example:443")),
        (Structural, "/routes/1/match/hosts/0", json!("https://tools.example")),
        (Structural, "/routes/1/match/hosts/0", json!("zo\u{eb}.example")),
        (Semantic, "/routes/1/match/hosts/0", json!("a..b")),
        (Semantic, "/routes/1/match/hosts/1", json!("Tools.Example")),
        (Structural, "/preflight", json!("allow")),
        (Structural, "/preflight", json!(true)),
        (Structural, "/upstream/case_sensitive_paths", json!("yes")),
        (Structural, "/upstream/pass_headers", json!("x-real-ip")),
        (Structural, "/upstream/pass_headers/0", json!("X-Real-IP")),
        (Semantic, "/upstream/pass_headers/0", json!("x-mandate-agent")),
        (Semantic, "/upstream/pass_headers/0", json!("x-request-id")),
        (Structural, "/routes/1/scopes", json!("tickets.read")),
        (Structural, "/routes/1/scopes/0", json!("tickets.read tickets.write")),
        (Structural, "/routes/1/scopes/0", json!("a\"b")),
        (Structural, "/routes/1/scopes/0", json!("a\\b")),
        (Structural, "/routes/1/scopes/0", json!("é")),
        (Structural, "/routes/1/scopes/0", json!("")),
        (Structural, "/routes/1/scopes/-", json!("tickets.read")),
        (Structural, "/routes/1/mcp", json!([])),
        (Structural, "/routes/1/mcp", json!(null)),
        (Structural, "/routes/1/mcp/tool", json!([])),
        (Structural, "/routes/1/mcp/tools", json!({})),
        (Structural, "/routes/1/mcp/tools/0", json!("tickets.close")),
        (Structural, "/routes/1/mcp/tools/0/uri", json!("tickets.close")),
        (Structural, "/routes/1/mcp/tools/0/name", json!("")),
        (Structural, "/routes/1/mcp/tools/0/name", json!("*.close")),
        (Structural, "/routes/1/mcp/tools/0/name", json!("a\u{7}")),
        (Structural, "/routes/1/mcp/tools/0/scopes/0", json!("a b")),
        (Structural, "/routes/1/mcp/tools/0/max_depth", json!(9)),
        (Semantic, "/routes/1/mcp/tools/0/max_depth", json!(5)),
        (Structural, "/routes/1/mcp/tools/0/arguments", json!([])),
        (Structural, "/routes/1/mcp/tools/0/arguments/env", json!(["staging"])),
        (Structural, "/routes/1/mcp/tools/0/arguments/~1env", json!("staging")),
        (Structural, "/routes/1/mcp/tools/0/arguments/~1env", json!([])),
        (Structural, "/routes/1/mcp/tools/0/arguments/~1env/0", json!({ "present": true })),
        (Structural, "/routes/1/mcp/tools/0/arguments/~1env/0", json!(9_007_199_254_740_992_u64)),
        (Structural, "/routes/1/mcp/tools/0/arguments/~1env/0", json!(-1e16)),
        (Structural, "/routes/1/mcp/tools/0/arguments/~1env/1", json!("staging")),
        (Structural, "/routes/1/mcp/tools/0/acr_values", json!("phr")),
        (Structural, "/routes/1/mcp/tools/0/acr_values", json!([])),
        (Structural, "/routes/1/mcp/tools/0/max_age_s", json!(0)),
        (Semantic, "/routes/1/mcp/tools/0/policies/0", json!("nobody")),
        (Structural, "/routes/1/mcp/resources/0/name", json!("ticket://7")),
        (Structural, "/routes/1/mcp/resources/0/uri", json!(7)),
        (Structural, "/routes/1/mcp/prompts/0", json!("greet")),
        (Structural, "/routes/1/mcp/methods/0", json!("")),
        (Structural, "/routes/1/mcp/methods/-", json!("tasks/*")),
        (Structural, "/routes/1/mcp/body_bytes", json!(0)),
        (Structural, "/routes/1/mcp/body_bytes", json!(4_194_305)),
        (Structural, "/routes/1/mcp/body_bytes", json!("1 MiB")),
        (Structural, "/routes/1/mcp/hold", json!("tail")),
        (Structural, "/routes/1/mcp/narrow_lists", json!("yes")),
        (Structural, "/routes/1/mcp/sessions", json!("loose")),
        (Structural, "/routes/1/mcp/sessions", json!(null)),
        (Structural, "/routes/2/a2a", json!([])),
        (Structural, "/routes/2/a2a", json!(null)),
        (Structural, "/routes/2/a2a/tools", json!([])),
        (Structural, "/routes/2/a2a/methods", json!({})),
        (Structural, "/routes/2/a2a/methods/0", json!("SendMessage")),
        (Structural, "/routes/2/a2a/methods/0/uri", json!("SendMessage")),
        (Structural, "/routes/2/a2a/methods/0/name", json!("")),
        (Structural, "/routes/2/a2a/methods/0/name", json!("*Task")),
        (Semantic, "/routes/2/a2a/methods/0/name", json!("message/send")),
        (Semantic, "/routes/2/a2a/methods/0/name", json!("tasks/*")),
        (Structural, "/routes/2/a2a/methods/0/scopes/0", json!("a b")),
        (Structural, "/routes/2/a2a/methods/0/max_depth", json!(9)),
        (Semantic, "/routes/2/a2a/methods/0/max_depth", json!(5)),
        (Structural, "/routes/2/a2a/methods/0/arguments/message", json!(["x"])),
        (Structural, "/routes/2/a2a/methods/0/arguments/~1message~1taskId/0", json!({})),
        (Semantic, "/routes/2/a2a/methods/0/policies", json!(["nobody"])),
        (Structural, "/routes/2/a2a/agent_card", json!("public")),
        (Structural, "/routes/2/a2a/agent_card", json!(true)),
        (Structural, "/routes/2/a2a/body_bytes", json!(0)),
        (Structural, "/routes/2/a2a/body_bytes", json!(4_194_305)),
        (Structural, "/routes/1/acr_values", json!([])),
        (Structural, "/routes/1/acr_values", json!(null)),
        (Structural, "/routes/1/acr_values", json!((0..17).map(|n| n.to_string()).collect::<Vec<_>>())),
        (Structural, "/routes/1/acr_values/0", json!("two words")),
        (Structural, "/routes/1/acr_values/0", json!("a\"b")),
        (Structural, "/routes/1/acr_values/0", json!("")),
        (Structural, "/routes/1/acr_values/0", json!(3)),
        (Structural, "/routes/1/acr_values/1", json!("phr")),
        (Structural, "/routes/1/approval", json!("yes")),
        (Structural, "/routes/1/mcp/tools/0/approval", json!(1)),
        (Structural, "/routes/1/max_age_s", json!(0)),
        (Structural, "/routes/1/max_age_s", json!(31_536_001)),
        (Structural, "/routes/1/max_age_s", json!("300")),
        (Structural, "/routes/1/delegation_required", json!("yes")),
        (Structural, "/routes/1/delegation_required", json!(null)),
        (Semantic, "/routes/0/delegation_required", json!(true)),
        (Structural, "/routes/1/max_depth", json!(9)),
        (Structural, "/routes/1/max_depth", json!(null)),
        (Semantic, "/routes/1/max_depth", json!(5)),
        (Structural, "/routes/1/policies", json!("ticket-guard")),
        (Semantic, "/routes/1/policies/0", json!("ticket-gard")),
        (Structural, "/routes/1/policies/1", json!("ticket-guard")),
        (Semantic, "/routes/0/scopes", json!([])),
        (Semantic, "/routes/0/max_depth", json!(1)),
        (Semantic, "/routes/0/policies", json!(["ticket-guard"])),
        // Policies.
        (Structural, "/policies", json!({ "ticket-guard": {} })),
        (Structural, "/policies/0/config", json!({})),
        (Structural, "/policies/1/policy", json!("Ticket Guard")),
        (Structural, "/policies/1/policy", json!("")),
        (Semantic, "/policies/0/name", json!("quiet")),
        (Structural, "/policies/0/sha256", json!("abc")),
        (Structural, "/policies/0/sha256", json!("g".repeat(64))),
        (Structural, "/policies/0/sha256", json!("A".repeat(64))),
        (Structural, "/policies/0/settings", json!([])),
        (Structural, "/policies/0/settings", json!(null)),
        (Structural, "/policies/0/mode", json!("audit")),
        (Structural, "/policies/0/mode", json!("Shadow")),
        (Structural, "/policies/0/mode", json!(true)),
        (Structural, "/policies/0/limits", json!(null)),
        (Structural, "/policies/0/limits/time_ms", json!(5)),
        (Structural, "/policies/0/limits/fuel", json!(0)),
        (Structural, "/policies/0/limits/fuel", json!(100_000_001)),
        (Structural, "/policies/0/limits/memory_bytes", json!(65_535)),
        (Structural, "/policies/0/limits/memory_bytes", json!(67_108_865)),
        (Structural, "/policies/0/limits/output_bytes", json!(0)),
        (Structural, "/policies/0/limits/output_bytes", json!(65_537)),
        // Approvals.
        (Structural, "/approvals", json!(null)),
        (Structural, "/approvals", json!([])),
        (Structural, "/approvals/approver", json!({})),
        (Structural, "/approvals/audience", json!("")),
        (Structural, "/approvals/audience", json!(["https://tools.example"])),
        (Structural, "/approvals/audience", json!("two words")),
        (Structural, "/approvals/max_lifetime_s", json!(0)),
        (Structural, "/approvals/max_lifetime_s", json!(86_401)),
        (Structural, "/approvals/clock_skew_s", json!(61)),
        (Structural, "/approvals/approvers", json!([])),
        (Structural, "/approvals/approvers", json!({})),
        (Structural, "/approvals/approvers/0", json!("https://approve.example")),
        (Structural, "/approvals/approvers/0/audience", json!("https://tools.example")),
        (Structural, "/approvals/approvers/0/issuer", json!("")),
        (Semantic, "/approvals/approvers/1/issuer", json!("https://approve.example")),
        (Structural, "/approvals/approvers/0/algorithms", json!([])),
        (Structural, "/approvals/approvers/0/algorithms/0", json!("HS256")),
        (Structural, "/approvals/approvers/0/algorithms/0", json!("none")),
        (Structural, "/approvals/approvers/0/keys", json!({})),
        (Structural, "/approvals/approvers/1/keys/remote/uri", json!("second.example")),
        // Upstream and audit.
        (Structural, "/upstream/forward_tokens", json!(true)),
        (Structural, "/upstream/forward_token", json!(1)),
        (Structural, "/upstream/identity_headers", json!(null)),
        (Structural, "/audit/log", json!("allowed")),
        (Structural, "/audit/log", json!(["all"])),
        (Structural, "/audit/level", json!("info")),
    ]
}

/// The rows whose fault is reported elsewhere.
fn elsewhere() -> Vec<Row> {
    use Kind::{Semantic, Structural};
    let row = |kind, at, to, pointers| Row { kind, at, to, pointers };
    let depth_and_route = json!({ "max_depth": 1 });
    let slow = json!({ "cluster": "idp", "uri": "https://idp.example/k", "refresh_s": 7200 });
    let approver = |index: usize| json!({ "issuer": format!("a{index}"), "algorithms": ["ES256"], "keys": { "inline": { "keys": [] } } });
    let many_approvers: Vec<Value> = (0..17).map(approver).collect();
    let many_routes = vec![json!({ "match": { "path_prefix": "/" }, "anonymous": true }); 4097];
    let many_policies: Vec<Value> = (0..65).map(|index| json!({ "name": format!("p{index}") })).collect();
    let resource = |url: &str| json!({ "resource": url, "authorization_servers": ["https://idp.example"] });
    let many_resources: Vec<Value> =
        (0..65).map(|index| resource(&format!("https://tools.example/{index}"))).collect();
    let proofs =
        |members: Value| Some(json!({ "external_uris": ["https://tools.example"], "mtls": members }));
    let workloads = |members: Value| {
        let mut entry = json!({
            "provider": "wit", "issuer": "wimse://td", "algorithms": ["ES256"], "keys": { "inline": { "keys": [] } },
        });
        members.as_object().unwrap().iter().for_each(|(name, value)| entry[name] = value.clone());
        Some(entry)
    };
    vec![
        row(Structural, "/proofs", proofs(json!("xfcc")), &["/proofs/mtls"]),
        row(Structural, "/proofs", proofs(json!({ "certificate": "header" })), &["/proofs/mtls/certificate"]),
        row(Structural, "/proofs", proofs(json!({ "header": "x" })), &["/proofs/mtls/header"]),
        row(Structural, "/proofs", Some(json!({ "wpt": { "lifetime_s": 0 } })), &["/proofs/wpt/lifetime_s"]),
        row(
            Structural,
            "/proofs",
            Some(json!({ "wpt": { "lifetime_s": 301 } })),
            &["/proofs/wpt/lifetime_s"],
        ),
        row(Structural, "/proofs", Some(json!({ "wpt": { "window_s": 60 } })), &["/proofs/wpt/window_s"]),
        row(Structural, "/issuers/0/agent/agree", Some(json!("client")), &["/issuers/0/agent/agree"]),
        row(Structural, "/issuers/0/agent/agree", Some(json!(["act"])), &["/issuers/0/agent/agree/0"]),
        row(
            Structural,
            "/issuers/0/agent/agree",
            Some(json!(["client", "client"])),
            &["/issuers/0/agent/agree/1"],
        ),
        // Only a Workload Identity Token has a workload.
        row(Semantic, "/issuers/0/agent/agree", Some(json!(["workload"])), &["/issuers/0/agent/agree/0"]),
        // Nothing says what the address of a request is.
        row(Semantic, "/issuers/1", workloads(json!({})), &["/issuers/1/provider"]),
        row(
            Semantic,
            "/issuers/1",
            workloads(json!({ "issuer": "https://idp.example" })),
            &["/issuers/1/issuer", "/issuers/1/provider"],
        ),
        row(
            Semantic,
            "/issuers/1",
            workloads(json!({ "proof_kinds": ["dpop"] })),
            &["/issuers/1/provider", "/issuers/1/proof_kinds"],
        ),
        row(
            Structural,
            "/issuers/1",
            workloads(json!({ "audiences": [] })),
            &["/issuers/1/audiences", "/issuers/1/provider"],
        ),
        row(Structural, "", Some(json!([])), &[""]),
        row(Structural, "", Some(json!(null)), &[""]),
        row(Structural, "", Some(json!({})), &["/issuers", "/routes"]),
        row(Semantic, "/approvals", None, &["/routes/1/mcp/tools/0/approval", "/routes/1/approval"]),
        row(Structural, "/approvals/audience", None, &["/approvals/audience"]),
        row(Structural, "/approvals/approvers", None, &["/approvals/approvers"]),
        row(Structural, "/approvals/approvers", Some(json!(many_approvers)), &["/approvals/approvers"]),
        row(Structural, "/approvals/approvers/0/keys", None, &["/approvals/approvers/0/keys"]),
        row(Structural, "/issuers", None, &["/issuers"]),
        row(Structural, "/routes", None, &["/routes"]),
        row(Structural, "/issuers/0/issuer", None, &["/issuers/0/issuer"]),
        row(Structural, "/issuers/0/audiences", None, &["/issuers/0/audiences"]),
        row(Structural, "/issuers/0/algorithms", None, &["/issuers/0/algorithms"]),
        row(Structural, "/issuers/0/keys", None, &["/issuers/0/keys"]),
        row(Structural, "/issuers/0/keys/inline/keys", None, &["/issuers/0/keys/inline/keys"]),
        row(Structural, "/issuers/1/keys/remote/cluster", None, &["/issuers/1/keys/remote/cluster"]),
        row(Structural, "/issuers/1/keys/remote/uri", None, &["/issuers/1/keys/remote/uri"]),
        row(Structural, "/issuers/1/keys/inline", Some(json!({ "keys": [] })), &["/issuers/1/keys"]),
        row(Semantic, "/issuers/1/keys/remote", Some(slow), &["/issuers/1/keys/remote/refresh_s"]),
        row(
            Structural,
            "/issuers/0/chain/constraints",
            Some(json!(["max", "max"])),
            &["/issuers/0/chain/constraints/1"],
        ),
        row(
            Structural,
            "/issuers/0/chain/constraints",
            Some(json!(["max_subtree"])),
            &["/issuers/0/chain/constraints/0"],
        ),
        row(
            Structural,
            "/issuers/0/chain/constraints",
            Some(json!(["between"])),
            &["/issuers/0/chain/constraints/0"],
        ),
        row(
            Semantic,
            "/issuers/0/chain",
            Some(json!({ "form": "attenuated" })),
            &["/issuers/0/chain/header", "/issuers/0/claims", "/issuers/0/agent", "/issuers/0/proof"],
        ),
        row(
            Semantic,
            "/issuers/0/chain",
            Some(json!({ "form": "attenuated", "header": "x-chain", "count": ["ai_agent"] })),
            &["/issuers/0/chain/count", "/issuers/0/claims", "/issuers/0/agent", "/issuers/0/proof"],
        ),
        row(
            Semantic,
            "/issuers/1/chain",
            Some(json!({ "form": "attenuated", "header": "x-chain" })),
            &["/issuers/1/provider", "/issuers/1/proof"],
        ),
        row(Structural, "/routes/1/match", None, &["/routes/1/match"]),
        row(Structural, "/routes/1/match", Some(json!({})), &["/routes/1/match/path_prefix"]),
        row(
            Semantic,
            "/routes/1/anonymous",
            Some(json!(true)),
            &[
                "/routes/1/scopes",
                "/routes/1/max_depth",
                "/routes/1/acr_values",
                "/routes/1/max_age_s",
                "/routes/1/approval",
                "/routes/1/policies",
                "/routes/1/mcp",
            ],
        ),
        row(Semantic, "/routes/2/anonymous", Some(json!(true)), &["/routes/2/scopes", "/routes/2/a2a"]),
        row(Semantic, "/routes/2/mcp", Some(json!({ "tools": [{ "name": "*" }] })), &["/routes/2/a2a"]),
        row(Semantic, "/delegation", Some(depth_and_route), &["/routes/1/max_depth"]),
        row(
            Structural,
            "/policies/1/name",
            None,
            &["/policies/1/name", "/routes/1/policies/1", "/routes/1/mcp/tools/0/policies/0"],
        ),
        row(
            Semantic,
            "/policies",
            None,
            &["/routes/1/policies/0", "/routes/1/policies/1", "/routes/1/mcp/tools/0/policies/0"],
        ),
        row(Semantic, "/policies/1", None, &["/routes/1/policies/1", "/routes/1/mcp/tools/0/policies/0"]),
        row(
            Structural,
            "/policies/1/name",
            Some(json!("Quiet")),
            &["/policies/1/name", "/routes/1/policies/1", "/routes/1/mcp/tools/0/policies/0"],
        ),
        row(Structural, "/protected_resources/0/resource", None, &["/protected_resources/0/resource"]),
        row(
            Structural,
            "/protected_resources/0/authorization_servers",
            None,
            &["/protected_resources/0/authorization_servers"],
        ),
        row(Semantic, "/protected_resources/-", Some(resource("https://tools.example/v1")), SECOND_RESOURCE),
        row(
            Semantic,
            "/protected_resources/-",
            Some(resource("https://Tools.example:8443/v1/")),
            SECOND_RESOURCE,
        ),
        row(Structural, "/protected_resources", Some(json!(many_resources)), &["/protected_resources"]),
        row(Structural, "/a~1b", Some(json!(1)), &["/a~1b"]),
        row(Structural, "/a~0b", Some(json!(1)), &["/a~0b"]),
        row(Structural, "/routes", Some(json!(many_routes)), &["/routes"]),
        row(Structural, "/policies", Some(json!(many_policies)), &["/policies"]),
    ]
}

/// Every row.
pub(crate) fn rows() -> Vec<Row> {
    // An appended element is reported at its index.
    let landed = |at: &'static str| match at {
        "/delegation/actor_issuers/-" => "/delegation/actor_issuers/1",
        "/routes/1/scopes/-" => "/routes/1/scopes/1",
        "/routes/2/a2a/methods/0/policies" => "/routes/2/a2a/methods/0/policies/0",
        "/routes/1/mcp/methods/-" => "/routes/1/mcp/methods/1",
        other => other,
    };
    let here = |(kind, at, to)| {
        let pointers: &'static [&'static str] = match (at, &to) {
            // The later of two equal names is the culprit.
            ("/policies/0/name", _) => &["/policies/1/name", "/routes/1/policies/0"],
            // One element too many, and all of them equal: the count is reported.
            _ => Vec::leak(vec![landed(at)]),
        };
        Row { kind, at, to: Some(to), pointers }
    };
    in_place().into_iter().map(here).chain(elsewhere()).collect()
}
