//! Where a server behind the proxy could read a request otherwise than the filter does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::config::Config;
use mandate_core::decision::AuditRecord;
use mandate_core::decision::Decision;
use mandate_core::decision::{Forward, Reply};
use mandate_core::reason::Reason;
use serde_json::{Value, json};
use support::{config, decide, denials, gate, head, token};

fn forward<'a>(decision: &'a Decision, config: &'a Config) -> Forward<'a> {
    match Reply::new(decision, Some(config)) {
        Reply::Forward(forward) => forward,
        Reply::Local(answer) => panic!("{answer:?}"),
    }
}

/// What becomes of a request with a token that has the scope `tickets.read`.
fn reason(config: &Config, method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Reason> {
    let bearer = format!("Bearer {}", token(json!({ "scope": "tickets.read" })));
    let all = [headers, &[("authorization", bearer.as_str())]].concat();
    decide(&mut gate(config.clone()), head(method, path, &all)).reason()
}

fn payments() -> Value {
    json!([
        { "match": { "path_prefix": "/v1/payments" }, "scopes": ["payments.write"] },
        { "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] },
        { "match": { "path_prefix": "/public" }, "anonymous": true },
        { "match": { "path_prefix": "/" }, "scopes": ["tickets.read"] },
    ])
}

#[test]
fn a_path_that_another_case_would_rule_more_strictly_is_denied() {
    let folding = config(|c| c["routes"] = payments());
    let sensitive = config(|c| {
        c["routes"] = payments();
        c["upstream"] = json!({ "case_sensitive_paths": true });
    });
    // The last five: letters outside ASCII that some servers fold, and what some file systems leave out.
    for path in [
        "/v1/Payments",
        "/v1/PAYMENTS/7",
        "/V1/payments",
        "/v1/%50ayments",
        "/v1/payment%C5%BF",
        "/v1/PAYMENT%C5%BF/7",
        "/v1/payments.",
        "/v1/payments../7",
        "/v1/payments::$DATA",
    ] {
        assert_eq!(reason(&folding, "POST", path, &[]), Some(Reason::PathInvalid), "{path}");
        assert_eq!(reason(&sensitive, "POST", path, &[]), None, "{path}");
    }
    for path in ["/v1/payments", "/v1/payments/X"] {
        assert_eq!(reason(&folding, "POST", path, &[]), Some(Reason::ScopeInsufficient), "{path}");
    }
    // No stricter route would match: neither a longer word, nor one that asks for less.
    for path in ["/v1/Paymentss", "/v1/Tickets/7", "/Public", "/V1/tickets"] {
        assert_eq!(reason(&folding, "POST", path, &[]), None, "{path}");
    }
}

#[test]
fn head_needs_what_get_needs() {
    let config = config(|c| {
        c["routes"] = json!([
            { "match": { "path_prefix": "/v1/", "methods": ["GET"] }, "scopes": ["payments.write"] },
            { "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] },
        ]);
    });
    assert_eq!(reason(&config, "HEAD", "/v1/x", &[]), Some(Reason::ScopeInsufficient));
    assert_eq!(reason(&config, "GET", "/v1/x", &[]), Some(Reason::ScopeInsufficient));
    assert_eq!(reason(&config, "POST", "/v1/x", &[]), None);
}

#[test]
fn hosts_have_rules_of_their_own() {
    let config = config(|c| {
        c["routes"] = json!([
            { "match": { "hosts": ["tools.example", "*.tools.example"], "path_prefix": "/" }, "scopes": ["payments.write"] },
            { "match": { "path_prefix": "/" }, "scopes": ["tickets.read"] },
        ]);
    });
    let at = |host: &str| reason(&config, "GET", "/", &[(":authority", host)]);
    for host in ["tools.example", "TOOLS.example:8443", "tools.example.", "a.b.tools.example"] {
        assert_eq!(at(host), Some(Reason::ScopeInsufficient), "{host}");
    }
    for host in [
        "other.example:",
        "other.example:99999",
        "",
        "user@other.example",
        "other.example%2f",
        "other..example",
        "tools.example\u{e9}",
    ] {
        assert_eq!(at(host), Some(Reason::RouteUnmatched), "{host}");
    }
    let two = [(":authority", "other.example"), ("host", "tools.example")];
    assert_eq!(reason(&config, "GET", "/", &two), Some(Reason::RouteUnmatched));
    assert_eq!(reason(&config, "GET", "/", &[]), Some(Reason::RouteUnmatched));
    for host in ["other.example", "nottools.example:1"] {
        assert_eq!(at(host), None, "{host}");
    }
}

#[test]
fn nothing_that_the_filter_says_or_takes_away_may_be_dropped_on_the_way() {
    let config = config(|c| c["routes"] = json!([{ "match": { "path_prefix": "/" }, "anonymous": true }]));
    let decided = |headers: &[(&str, &str)]| decide(&mut gate(config.clone()), head("GET", "/", headers));
    let upgrade = ("upgrade", "websocket");
    for names in ["x-mandate-agent", "x_mandate_chain", "Authorization", "script_name", "x-forwarded-user"] {
        let named = format!("upgrade, {names}");
        let decision = decided(&[upgrade, ("connection", &named)]);
        assert_eq!(decision.reason(), Some(Reason::ConnectionInvalid), "{names}");
    }
    let decision = decided(&[upgrade, ("connection", "keep-alive, Upgrade")]);
    let passed = forward(&decision, &config);
    assert_eq!(
        (passed.connection, passed.remove),
        (Some("upgrade"), vec!["proxy-connection", "authorization"])
    );
    let decision = decided(&[("connection", "x-tenant")]);
    let passed = forward(&decision, &config);
    assert_eq!(
        (passed.connection, passed.remove),
        (None, vec!["connection", "proxy-connection", "authorization"])
    );
    let decision = decided(&[upgrade, ("connection", "upgrade")]);
    let passed = forward(&decision, &config);
    assert_eq!((passed.connection, passed.remove), (None, vec!["authorization"]));
}

#[test]
fn a_forwarded_host_that_is_no_host_goes() {
    let config = config(|c| c["routes"] = json!([{ "match": { "path_prefix": "/" }, "anonymous": true }]));
    for (value, removed) in [
        ("tools.example:1/admin", true),
        ("tools.example, /admin", true),
        ("", true),
        ("tools.example:443", false),
        ("tools.example, [::1]:80", false),
    ] {
        let decision = decide(&mut gate(config.clone()), head("GET", "/", &[("x-forwarded-host", value)]));
        assert_eq!(forward(&decision, &config).remove.contains(&"x-forwarded-host"), removed, "{value}");
    }
}

#[test]
fn a_forwarded_host_is_kept_in_its_own_spelling_only() {
    let plain = gate(config(|_| {}));
    assert!(!plain.reserved().contains("X-Forwarded-Host") && !plain.reserved().contains("forwarded"));
    assert!(plain.reserved().contains("x_forwarded_host"));
    let by_host = gate(config(|c| c["routes"][0]["match"]["hosts"] = json!(["tools.example"])));
    assert!(by_host.reserved().contains("x-forwarded-host") && by_host.reserved().contains("forwarded"));
}

#[test]
fn a_preflight_goes_on_only_where_the_configuration_says_so_and_a_route_is_for_its_request() {
    let routes =
        json!([{ "match": { "path_prefix": "/v1", "methods": ["POST"] }, "scopes": ["payments.write"] }]);
    let passing = config(|c| {
        c["routes"] = routes.clone();
        c["preflight"] = json!("pass");
    });
    let denying = config(|c| c["routes"] = routes);
    let ask = |config: &Config, path: &str, headers: &[(&str, &str)]| {
        decide(&mut gate(config.clone()), head("OPTIONS", path, headers))
    };
    let origin = ("origin", "https://app.example");
    let post = ("access-control-request-method", "POST");
    assert_eq!(ask(&denying, "/v1", &[origin, post]).reason(), Some(Reason::RouteUnmatched));
    let get = ("access-control-request-method", "GET");
    assert_eq!(ask(&passing, "/v1", &[origin, get]).reason(), Some(Reason::RouteUnmatched));
    assert_eq!(ask(&passing, "/v2", &[origin, post]).reason(), Some(Reason::RouteUnmatched));
    assert_eq!(ask(&passing, "/v1", &[post]).reason(), Some(Reason::RouteUnmatched));
    let bearer = ("authorization", "Bearer a.b.c");
    assert_eq!(ask(&passing, "/v1", &[origin, post, bearer]).reason(), Some(Reason::RouteUnmatched));
    let decision = ask(&passing, "/v1/x", &[origin, post, ("cookie", "session=1")]);
    assert_eq!(decision.reason(), None);
    assert!(decision.token().is_none());
    assert_eq!(forward(&decision, &passing).remove, ["authorization", "cookie", "proxy-authorization"]);
    // Nor does it get anywhere by the case of a path.
    let stricter = config(|c| {
        c["routes"] = payments();
        c["preflight"] = json!("pass");
    });
    assert_eq!(ask(&stricter, "/V1/payments", &[origin, post]).reason(), Some(Reason::PathInvalid));
}

#[test]
fn a_denial_says_to_the_auditor_what_was_expected_and_what_came() {
    let evidence: Vec<(String, Value)> = denials(&json!({}))
        .iter()
        .map(|denied| {
            let record = AuditRecord::new(&denied.decision).to_json();
            let record: Value = serde_json::from_str(&record).unwrap();
            (denied.reason.code().to_owned(), record["evidence"].clone())
        })
        .collect();
    let of = |code: &str| &evidence.iter().find(|(known, _)| known == code).unwrap().1;
    // These need none: the reason says it all, or another line of the log does.
    let silent = [
        "delegation_required",
        "delegation_cycle",
        "policy_denied",
        "policy_fault",
        "internal",
        "config_invalid",
    ];
    for (code, evidence) in &evidence {
        assert_eq!(evidence.is_null(), silent.contains(&code.as_str()), "{code}: {evidence}");
    }
    assert_eq!(of("issuer_unknown")["unverified_iss"], "https://evil.example");
    assert_eq!(of("key_unknown")["unverified_kid"], "marker-kid");
    assert_eq!(of("audience_mismatch")["aud"], json!(["https://marker.example"]));
    assert_eq!(of("token_type")["unverified_typ"], "JWT");
    assert_eq!(of("token_type")["accepted"], json!(["at+jwt"]));
    assert_eq!(of("algorithm_not_allowed")["unverified_alg"], "none");
    assert_eq!(
        of("claim_invalid"),
        &json!({ "kind": "claim", "claim": "jti", "problem": "is empty, longer than 2048 bytes, or has control characters" })
    );
    assert_eq!(of("connection_invalid")["names"], "x-mandate-agent");
    assert_eq!(of("path_invalid")["problem"], "the path climbs above its root");
    assert_eq!(of("delegation_too_deep")["depth"], 3);
    assert!(of("token_too_large")["problem"].as_str().unwrap().contains("8192 are accepted"));
    assert_eq!(of("scope_insufficient")["missing"], json!(["tickets.list"]));
}

#[test]
fn a_record_stays_on_its_line() {
    let config = config(|_| {});
    let bearer = format!("Bearer {}", token(json!({ "sub": "a\u{2028}b\u{202e}c" })));
    let decision = decide(&mut gate(config), head("GET", "/", &[("authorization", &bearer)]));
    let line = AuditRecord::new(&decision).to_json();
    assert!(line.contains("a\\u2028b\\u202ec"), "{line}");
}
