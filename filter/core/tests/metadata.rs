//! The metadata of protected resources (RFC 9728): which requests the filter answers with it, and which challenges name it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::config::Config;
use mandate_core::decision::{AuditRecord, Decision, LocalReply, Outcome, Reply};
use mandate_core::http::{Headers, RequestHead};
use mandate_core::reason::Reason;
use serde_json::{Value, json};
use support::{config, decide, gate, token};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const FIXED: &str = "https://elsewhere.example/metadata";

/// A resource, by its URL alone.
fn resource(url: &str) -> Value {
    json!({ "resource": url, "authorization_servers": ["https://idp.example"] })
}

/// One route that needs a scope, for everything, and these resources.
fn with(resources: Value, change: impl FnOnce(&mut Value)) -> Config {
    config(|c| {
        c["routes"] = json!([{ "match": { "path_prefix": "/" }, "scopes": ["tickets.read"] }]);
        c["protected_resources"] = resources;
        change(c);
    })
}

fn one() -> Config {
    with(json!([resource("https://tools.example/mcp")]), |_| {})
}

fn two() -> Config {
    with(json!([resource("https://tools.example/mcp"), resource("https://tools.example/mcp/admin")]), |_| {})
}

fn head(method: &str, host: &str, path: &str, more: &[(&str, &str)]) -> RequestHead {
    let pseudo = [(":method", method), (":path", path), (":authority", host)];
    let all: Headers = pseudo.iter().chain(more).map(|(n, v)| (*n, *v)).collect();
    RequestHead::new(all)
}

fn ask(config: &Config, method: &str, host: &str, path: &str, more: &[(&str, &str)]) -> Decision {
    decide(&mut gate(config.clone()), head(method, host, path, more))
}

fn local(decision: &Decision, config: &Config) -> LocalReply {
    match Reply::new(decision, Some(config)) {
        Reply::Local(answer) => answer,
        Reply::Forward(forward) => panic!("forwarded: {forward:?}"),
    }
}

fn header<'a>(answer: &'a LocalReply, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
}

/// The resource whose metadata is the answer.
fn served(decision: &Decision) -> Option<&str> {
    match decision.outcome() {
        Outcome::Answer(answer) => Some(answer.metadata().resource()),
        Outcome::Allow(_) | Outcome::Deny(_) => None,
    }
}

#[test]
fn what_is_not_the_address_of_a_resources_metadata_needs_what_its_route_needs() {
    let at = |rest: &str| format!("{WELL_KNOWN}{rest}");
    let pair = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    for (method, host, path, more) in [
        // Another method.
        ("POST", "tools.example", at("/mcp"), &[][..]),
        ("PUT", "tools.example", at("/mcp"), &[]),
        ("DELETE", "tools.example", at(""), &[]),
        ("OPTIONS", "tools.example", at("/mcp"), &[]),
        ("OPTIONS", "tools.example", at("/mcp"), &pair),
        // Another host, or none that can be told.
        ("GET", "evil.example", at("/mcp"), &[]),
        ("GET", "tools.example.evil.example", at("/mcp"), &[]),
        ("GET", "user@tools.example", at("/mcp"), &[]),
        ("GET", "", at("/mcp"), &[]),
        ("GET", "tools.example", at("/mcp"), &[("host", "evil.example")]),
        ("GET", "tools.example", at("/mcp"), &[("host", "tools.example"), ("host", "tools.example")]),
        // Another path.
        ("GET", "tools.example", at("/mcpx"), &[]),
        ("GET", "tools.example", at("/mc"), &[]),
        ("GET", "tools.example", at("/mcp/admin"), &[]),
        ("GET", "tools.example", at("/MCP"), &[]),
        ("GET", "tools.example", at("mcp"), &[]),
        ("GET", "tools.example", at("x"), &[]),
        ("GET", "tools.example", "/.well-known/OAuth-Protected-Resource/mcp".to_owned(), &[]),
        ("GET", "tools.example", format!("/mcp{WELL_KNOWN}"), &[]),
        ("GET", "tools.example", "/.well-known/oauth-authorization-server".to_owned(), &[]),
        ("GET", "tools.example", "/mcp".to_owned(), &[]),
        // A query would belong to another resource.
        ("GET", "tools.example", at("/mcp?a=b"), &[]),
        ("GET", "tools.example", at("/mcp?"), &[]),
    ] {
        let decision = ask(&one(), method, host, &path, more);
        assert_eq!(decision.reason(), Some(Reason::TokenMissing), "{method} {host} {path} {more:?}");
    }
    for (path, reason) in [
        ("/%2fmcp", Reason::PathInvalid),
        ("/mcp;x", Reason::PathInvalid),
        ("/../../../mcp", Reason::PathInvalid),
    ] {
        let decision = ask(&one(), "GET", "tools.example", &at(path), &[]);
        assert_eq!(decision.reason(), Some(reason), "{path}");
    }
    let dropped = [("connection", "authorization")];
    let decision = ask(&one(), "GET", "tools.example", &at("/mcp"), &dropped);
    assert_eq!(decision.reason(), Some(Reason::ConnectionInvalid));
    // Lower-case methods are nobody's.
    let decision = ask(&one(), "get", "tools.example", &at("/mcp"), &[]);
    assert_eq!(decision.reason(), Some(Reason::RouteUnmatched));
}

#[test]
fn without_resources_the_addresses_are_paths_like_all_others() {
    let config = with(json!([]), |_| {});
    for path in [WELL_KNOWN.to_owned(), format!("{WELL_KNOWN}/mcp")] {
        let decision = ask(&config, "GET", "tools.example", &path, &[]);
        assert_eq!(decision.reason(), Some(Reason::TokenMissing), "{path}");
    }
}

#[test]
fn the_root_address_is_answered_where_only_one_resource_can_be_meant() {
    let mcp = "https://tools.example/mcp";
    for (resources, host, expected) in [
        (json!([resource(mcp), resource("https://tools.example/other")]), "tools.example", None),
        (json!([resource(mcp)]), "other.example", None),
        (json!([resource(mcp)]), "tools.example", Some(mcp)),
        (json!([resource(mcp), resource("https://other.example/mcp")]), "tools.example", Some(mcp)),
        (
            json!([resource(mcp), resource("https://tools.example")]),
            "tools.example",
            Some("https://tools.example"),
        ),
        (json!([resource("https://tools.example/")]), "tools.example", Some("https://tools.example/")),
    ] {
        let config = with(resources.clone(), |_| {});
        let decision = ask(&config, "GET", host, WELL_KNOWN, &[]);
        assert_eq!(served(&decision), expected, "{host} {resources}");
    }
}

#[test]
fn the_metadata_is_for_everybody_and_says_what_the_configuration_says() {
    let config = with(
        json!([{
            "resource": "https://Tools.example:8443/mcp",
            "authorization_servers": ["https://idp.example", "https://other.example/tenant"],
            "scopes_supported": ["tickets.read", "tickets.write"],
            "resource_name": "Tickets \"and\" more",
            "resource_documentation": "https://tools.example/docs",
        }]),
        |_| {},
    );
    let expected = json!({
        "resource": "https://Tools.example:8443/mcp",
        "authorization_servers": ["https://idp.example", "https://other.example/tenant"],
        "scopes_supported": ["tickets.read", "tickets.write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Tickets \"and\" more",
        "resource_documentation": "https://tools.example/docs",
    });
    let good = format!("Bearer {}", token(json!({})));
    for (method, host, rest, more) in [
        ("GET", "tools.example", "/mcp", vec![]),
        ("HEAD", "tools.example", "/mcp", vec![]),
        // Hosts compare without port, case and closing dot; a proxy may listen on another port than clients see.
        ("GET", "TOOLS.example.:10000", "/mcp", vec![]),
        ("GET", "tools.example", "", vec![]),
        ("GET", "tools.example", "/", vec![]),
        // The same path in another spelling, as a server would read it.
        ("GET", "tools.example", "/mcp/", vec![]),
        ("GET", "tools.example", "/%6Dcp", vec![]),
        ("GET", "tools.example", "//x/../mcp", vec![]),
        // A credential is not looked at, good or bad.
        ("GET", "tools.example", "/mcp", vec![("authorization", good.as_str())]),
        ("GET", "tools.example", "/mcp", vec![("authorization", "Bearer x"), ("authorization", "Basic y")]),
        ("GET", "tools.example", "/mcp", vec![("origin", "https://app.example")]),
    ] {
        let decision = ask(&config, method, host, &format!("{WELL_KNOWN}{rest}"), &more);
        let answer = local(&decision, &config);
        assert_eq!(answer.status, 200, "{method} {host} {rest}");
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
        assert_eq!(header(&answer, "content-type"), Some("application/json"));
        assert_eq!(header(&answer, "cache-control"), Some("max-age=3600"));
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
        assert_eq!(answer.headers.len(), 3);
        assert!(decision.token().is_none() && decision.route().is_none() && decision.reason().is_none());
    }
}

#[test]
fn members_that_are_not_configured_are_not_in_the_metadata() {
    let decision = ask(&one(), "GET", "tools.example", &format!("{WELL_KNOWN}/mcp"), &[]);
    let body: Value = serde_json::from_slice(&local(&decision, &one()).body).unwrap();
    let expected = json!({
        "resource": "https://tools.example/mcp", "authorization_servers": ["https://idp.example"], "bearer_methods_supported": ["header"],
    });
    assert_eq!(body, expected);
}

#[test]
fn metadata_is_answered_before_any_route_and_where_no_route_matches() {
    let config = with(json!([resource("https://tools.example/mcp")]), |c| {
        c["routes"] =
            json!([{ "match": { "path_prefix": "/mcp", "hosts": ["tools.example"] }, "scopes": ["x"] }]);
    });
    let at = |host: &str, rest: &str| ask(&config, "GET", host, &format!("{WELL_KNOWN}{rest}"), &[]);
    assert_eq!(at("tools.example", "/mcp/other").reason(), Some(Reason::RouteUnmatched));
    assert_eq!(at("evil.example", "/mcp").reason(), Some(Reason::RouteUnmatched));
    assert!(served(&at("tools.example", "/mcp")).is_some());
}

#[test]
fn a_preflight_for_metadata_is_answered_only_where_preflights_pass() {
    let asks = |method| {
        [("origin", "https://app.example"), ("access-control-request-method", method)].map(|(n, v)| (n, v))
    };
    let at = format!("{WELL_KNOWN}/mcp");
    let of = |preflight: &str, path: &str, more: &[(&str, &str)]| {
        let config = with(json!([resource("https://tools.example/mcp")]), |c| {
            c["preflight"] = json!(preflight);
            c["routes"][0]["match"]["path_prefix"] = json!("/mcp");
        });
        let decision = ask(&config, "OPTIONS", "tools.example", path, more);
        (decision.reason(), served(&decision).is_some().then(|| local(&decision, &config)))
    };
    assert_eq!(of("deny", &at, &asks("GET")), (Some(Reason::RouteUnmatched), None));
    for method in ["POST", "PUT", "DELETE", "get"] {
        assert_eq!(of("pass", &at, &asks(method)), (Some(Reason::RouteUnmatched), None), "{method}");
    }
    assert_eq!(of("pass", &at, &[]), (Some(Reason::RouteUnmatched), None));
    assert_eq!(of("pass", "/mcp", &asks("POST")), (None, None), "it goes to the upstream, as ever");
    for method in ["GET", "HEAD"] {
        let answer = of("pass", &at, &asks(method)).1.unwrap();
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        assert_eq!(header(&answer, "access-control-allow-origin"), Some("*"));
        assert_eq!(header(&answer, "access-control-allow-headers"), Some("*"));
        assert_eq!(header(&answer, "access-control-allow-methods"), Some("GET, HEAD"));
    }
}

fn challenge(config: &Config, host: &str, path: &str, more: &[(&str, &str)]) -> Option<String> {
    let decision = ask(config, "GET", host, path, more);
    header(&local(&decision, config), "www-authenticate").map(str::to_owned)
}

#[test]
fn a_challenge_names_the_metadata_of_the_resource_that_is_nearest_and_of_no_other() {
    let bearer = |url: Option<&str>| {
        let url = url.map(|url| format!(", resource_metadata=\"{url}\"")).unwrap_or_default();
        Some(format!("Bearer scope=\"tickets.read\"{url}"))
    };
    let mcp = "https://tools.example/.well-known/oauth-protected-resource/mcp";
    let admin = "https://tools.example/.well-known/oauth-protected-resource/mcp/admin";
    for (host, path, url) in [
        ("tools.example", "/mcpx", None),
        ("tools.example", "/", None),
        ("tools.example", "/MCP", None),
        ("evil.example", "/mcp", None),
        ("", "/mcp", None),
        ("tools.example", WELL_KNOWN, None),
        ("tools.example", "/mcp", Some(mcp)),
        ("tools.example:8080", "/mcp/", Some(mcp)),
        ("tools.example", "/mcp/x?y", Some(mcp)),
        ("tools.example", "/%6dcp/administrators", Some(mcp)),
        ("tools.example", "/mcp/admin", Some(admin)),
        ("tools.example", "/mcp/admin/x", Some(admin)),
    ] {
        assert_eq!(challenge(&two(), host, path, &[]), bearer(url), "{host} {path}");
        // The order in the configuration does not matter.
        let mut other = two();
        other.protected_resources.reverse();
        assert_eq!(challenge(&other, host, path, &[]), bearer(url), "{host} {path}");
        // What is covered by none falls back to the address that is configured for all.
        other.resource_metadata = Some(FIXED.to_owned());
        assert_eq!(challenge(&other, host, path, &[]), bearer(url.or(Some(FIXED))), "{host} {path}");
    }
}

#[test]
fn a_challenge_for_a_wrong_token_and_for_a_missing_scope_names_it_too() {
    let url = "resource_metadata=\"http://localhost:8080/.well-known/oauth-protected-resource\"";
    let config = with(json!([resource("http://localhost:8080")]), |_| {});
    let wrong = challenge(&config, "localhost:8080", "/a", &[("authorization", "Bearer a.b.c")]);
    assert_eq!(wrong, Some(format!("Bearer error=\"invalid_token\", scope=\"tickets.read\", {url}")));
    let good = format!("Bearer {}", token(json!({ "scope": "other" })));
    let scope = challenge(&config, "localhost", "/a", &[("authorization", &good)]);
    assert_eq!(scope, Some(format!("Bearer error=\"insufficient_scope\", scope=\"tickets.read\", {url}")));
}

#[test]
fn an_answer_has_a_record_of_its_own_kind() {
    let config = one();
    let decision = ask(&config, "GET", "tools.example", WELL_KNOWN, &[("authorization", "Bearer secret")]);
    assert!(AuditRecord::wanted(&decision, Some(&config)).is_none(), "only denials are recorded by default");
    let record: Value = serde_json::from_str(&AuditRecord::new(&decision).to_json()).unwrap();
    let expected = json!({
        "decision": "decision-1", "time_ms": record["time_ms"], "result": "answer", "method": "GET", "path": WELL_KNOWN,
        "resource": "https://tools.example/mcp",
    });
    assert_eq!(record, expected);
    // What cannot be carried out is a denial, like an allow.
    let decision = decision.or_deny(Reason::Internal);
    assert_eq!(local(&decision, &config).status, 503);
}

#[test]
fn without_a_configuration_nothing_is_answered() {
    let decision = ask(&one(), "GET", "tools.example", WELL_KNOWN, &[]);
    let Reply::Local(answer) = Reply::new(&decision, None) else { panic!("forwarded") };
    assert_eq!(answer.status, 503);
}

#[test]
fn the_metadata_says_which_proofs_tokens_need() {
    let document = |proof: Value| {
        let config = with(json!([resource("https://tools.example/mcp")]), |c| {
            c["issuers"][0].as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
            c["proofs"] = json!({ "external_uris": ["https://tools.example"] });
        });
        let decision = ask(&config, "GET", "tools.example", &format!("{WELL_KNOWN}/mcp"), &[]);
        let document: Value = serde_json::from_slice(&local(&decision, &config).body).unwrap();
        [
            "dpop_signing_alg_values_supported",
            "dpop_bound_access_tokens_required",
            "tls_client_certificate_bound_access_tokens",
        ]
        .map(|name| document.get(name).cloned())
    };
    let algorithms = Some(json!(["ES256", "EdDSA"]));
    let yes = Some(json!(true));
    assert_eq!(document(json!({})), [None, None, None]);
    assert_eq!(document(json!({ "proof": "if_bound" })), [algorithms.clone(), None, None]);
    assert_eq!(document(json!({ "proof": "required" })), [algorithms.clone(), None, None]);
    assert_eq!(
        document(json!({ "proof": "required", "proof_kinds": ["dpop"] })),
        [algorithms, yes.clone(), None]
    );
    assert_eq!(document(json!({ "proof": "required", "proof_kinds": ["mtls"] })), [None, None, yes]);
}
