//! One table of cases, three runners: the core natively, the module on the harness, the module in a real Envoy.
//!
//! Each case says what must come out; each runner reports what it saw; and the three must have seen the same, down to the
//! headers and the body (but for the decision's id).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "corpus/cases.rs"]
mod cases;
#[path = "corpus/providers.rs"]
mod providers;
#[path = "corpus/runners.rs"]
mod runners;
mod support;

use cases::{Case, Expected, Table};
use mandate_core::config::Config;
use mandate_core::time::UnixTime;
use mandate_host::reading::Reading;
use runners::Observed;
use serde_json::json;

fn assert_as_expected(runner: &str, case: &Case, observed: &Observed) {
    let context = format!("{runner}: {}: {observed:?}", case.name);
    match &case.expected {
        Expected::Deny { reason, challenge } => {
            assert_eq!(observed.reason.as_deref(), Some(*reason), "{context}");
            assert!(observed.upstream.is_none(), "{context}");
            let reason = mandate_core::reason::Reason::from_code(reason).unwrap();
            assert_eq!(observed.status, Some(reason.status()), "{context}");
            if let Some(challenge) = challenge {
                assert_eq!(observed.challenge.as_deref(), Some(*challenge), "{context}");
            }
        }
        Expected::Allow { path, headers } => {
            let upstream = observed.upstream.as_ref().unwrap_or_else(|| panic!("denied: {context}"));
            assert_eq!(upstream.path, *path, "{context}");
            for (name, value) in headers {
                assert_eq!(upstream.header(name), *value, "{name}: {context}");
            }
        }
    }
}

#[test]
fn the_core_decides_every_case_as_the_table_says() {
    let table = Table::new();
    for (config, case) in table.all() {
        assert_as_expected("core", case, &runners::core(config, case, table.now));
    }
}

#[test]
fn the_module_on_the_harness_decides_as_the_core_does() {
    let table = Table::new();
    let filter = support::filter();
    for (config, case) in table.all() {
        let observed = runners::harness(&filter, config, case, table.now);
        assert_as_expected("harness", case, &observed);
        assert_eq!(observed, runners::core(config, case, table.now), "{}", case.name);
    }
}

#[test]
fn the_module_in_envoy_decides_as_the_core_does() {
    let Some(binary) = support::envoy() else { return };
    // Envoy runs by the real clock, and so does this table.
    let table = Table::new();
    for group in &table.groups {
        let gateway = runners::Gateway::start(&binary, &group.config);
        for case in &group.cases {
            let observed = gateway.send(case);
            assert_as_expected("envoy", case, &observed);
            assert_eq!(observed, runners::core(&group.config, case, table.now), "{}", case.name);
        }
    }
}

#[test]
fn check_token_tells_of_every_token_what_the_core_decides() {
    let now = support::now();
    for entry in providers::entries() {
        let mut route = entry["route"].clone();
        route["match"] = json!({ "path_prefix": "/" });
        let config = json!({
            "issuers": [providers::with_keys(entry["issuer"].clone())], "routes": [route],
            "proofs": { "external_uris": [providers::GATEWAY] },
        });
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        for row in entry["tokens"].as_array().unwrap() {
            let token = providers::token(&entry, row, now);
            let reading = Reading::of(&token, &config, None, UnixTime::from_secs(now)).unwrap();
            let context = format!("{}: {}: {reading:#?}", entry["name"], row["name"]);
            let of_rows = reading.rows.iter().filter_map(|row| row.problem.as_ref());
            let of_routes = reading.routes.iter().filter_map(|route| route.denied.as_ref());
            let reasons: Vec<&str> = of_rows.chain(of_routes).map(|denied| denied.reason.code()).collect();
            match row.get("denied") {
                // What is sent with a token is not the token's.
                _ if row.get("sent").is_some() => {
                    assert!(reading.is_accepted(), "{context}");
                    assert!(reading.routes.iter().all(|route| route.needs_proof), "{context}");
                }
                Some(reason) => {
                    assert!(!reading.is_accepted(), "{context}");
                    assert!(reasons.contains(&reason.as_str().unwrap()), "{context}");
                }
                None => assert!(reading.is_accepted() && reasons.is_empty(), "{context}"),
            }
        }
    }
}

#[test]
fn every_provider_has_tokens_and_near_misses() {
    let entries = providers::entries();
    let count = |member: &str| {
        let tokens = entries.iter().flat_map(|entry| entry["tokens"].as_array().unwrap());
        tokens.filter(|row| row.get(member).is_some()).count()
    };
    assert!(count("upstream") >= 40 && count("denied") >= 80, "{} {}", count("upstream"), count("denied"));
    for provider in mandate_core::config::Provider::ALL {
        let of = |entry: &&serde_json::Value| {
            entry["issuer"].get("provider").and_then(|it| it.as_str()).unwrap_or("rfc9068") == provider.name()
        };
        let rows: Vec<_> =
            entries.iter().filter(of).flat_map(|entry| entry["tokens"].as_array().unwrap()).collect();
        assert!(rows.iter().any(|row| row.get("upstream").is_some()), "{}", provider.name());
        assert!(rows.iter().any(|row| row.get("denied").is_some()), "{}", provider.name());
    }
}

#[test]
fn every_reason_is_in_the_table_or_has_an_excuse() {
    // Each of these needs something to fail or a policy to be linked; the tests named beside them see to it.
    let elsewhere = [
        "policy_denied",               // filter/core/tests: policies through a stand-in
        "policy_fault",                // the same
        "keys_unavailable",            // tests/keys.rs
        "config_invalid",              // tests/configuration.rs
        "internal",                    // tests/faults.rs
        "action_denied",               // tests/mcp.rs
        "argument_denied",             // the same
        "body_malformed",              // the same
        "body_too_large",              // tests/shipped.rs
        "protocol_mismatch",           // tests/mcp.rs
        "session_unknown",             // tests/mcp_answers.rs
        "proof_invalid",               // filter/core/tests/proof: proofs, nonces, workers
        "proof_replayed",              // the same
        "proof_nonce_required",        // the same
        "replay_memory_full",          // the same
        "agent_mismatch",              // the same
        "delegation_widened",          // filter/core/tests: attenuated chains
        "authentication_insufficient", // filter/core/tests: step-up
        "approval_required",           // filter/core/tests: approvals
        "approval_invalid",            // the same
        "approval_used",               // the same
        "connection_invalid", // tests/upstreams.rs: the Envoy of this table refuses every upgrade itself
    ];
    let table = Table::new();
    for reason in mandate_core::reason::Reason::ALL {
        let here = table
            .all()
            .any(|(_, case)| matches!(case.expected, Expected::Deny { reason: r, .. } if r == reason.code()));
        assert_ne!(here, elsewhere.contains(&reason.code()), "{reason}: in the table, or excused, not both");
    }
}
