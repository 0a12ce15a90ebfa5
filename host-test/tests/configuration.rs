//! Wrong configurations: `mandate check` and the filter's log name the place, and the filter then denies everything.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_host::FILTER;
use mandate_host::client;
use mandate_host::envoy::{Envoy, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::harness::Request;
use mandate_host::tokens::{Algorithm, jwks};
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use support::{claims, key, sign};

/// A wrong configuration, and the pointers of what is wrong with it.
fn wrong() -> Vec<(String, Vec<&'static str>)> {
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut config = support::configuration();
        change(&mut config);
        config.to_string()
    };
    let key_of =
        |change: &dyn Fn(&mut Value)| edit(&|c| change(&mut c["issuers"][0]["keys"]["inline"]["keys"][0]));
    let mut private = key(Algorithm::Es256).public_jwk();
    private["d"] = json!("AAAA");
    vec![
        (String::new(), vec![""]),
        ("{".to_owned(), vec![""]),
        ("[]".to_owned(), vec![""]),
        ("{}".to_owned(), vec!["/issuers", "/routes"]),
        (edit(&|c| c["isuers"] = json!([])), vec!["/isuers"]),
        (edit(&|c| c["issuers"] = json!([])), vec!["/issuers"]),
        (edit(&|c| c["issuers"][0]["audiences"] = json!("one")), vec!["/issuers/0/audiences"]),
        (edit(&|c| c["issuers"][0]["algorithms"] = json!(["none"])), vec!["/issuers/0/algorithms/0"]),
        (
            edit(&|c| c["issuers"][0]["algorithms"] = json!(["ES256", "EdDSA"])),
            vec!["/issuers/0/algorithms/1"],
        ),
        (edit(&|c| c["issuers"][0]["clock_skew_s"] = json!(61)), vec!["/issuers/0/clock_skew_s"]),
        (
            edit(&|c| c["issuers"][0]["keys"] = json!({ "inline": { "keys": [] } })),
            vec!["/issuers/0/keys/inline"],
        ),
        (edit(&|c| c["issuers"][0]["keys"] = json!({})), vec!["/issuers/0/keys"]),
        (key_of(&|k| k["y"] = json!("AAAA")), vec!["/issuers/0/keys/inline/keys/0"]),
        (key_of(&|k| *k = private.clone()), vec!["/issuers/0/keys/inline/keys/0"]),
        (key_of(&|k| k["use"] = json!("enc")), vec!["/issuers/0/keys/inline/keys/0"]),
        (
            edit(&|c| {
                c["issuers"][0]["keys"]["inline"] = jwks(&[key(Algorithm::Es256), key(Algorithm::Es256)])
            }),
            vec!["/issuers/0/keys/inline"],
        ),
        (edit(&|c| c["delegation"] = json!({ "max_depth": 9 })), vec!["/delegation/max_depth"]),
        (
            edit(&|c| c["routes"][0]["match"]["path_prefix"] = json!("healthz")),
            vec!["/routes/0/match/path_prefix"],
        ),
        (edit(&|c| c["routes"][0]["scopes"] = json!(["a"])), vec!["/routes/0/scopes"]),
        (edit(&|c| c["routes"][1]["policies"] = json!(["absent"])), vec!["/routes/1/policies/0"]),
        (edit(&|c| c["policies"] = json!([{ "name": "unlinked" }])), vec!["/policies/0/name"]),
        (edit(&|c| c["upstream"] = json!({ "forward_token": "no" })), vec!["/upstream/forward_token"]),
        (edit(&|c| c["audit"] = json!({ "log": "everything" })), vec!["/audit/log"]),
        (edit(&|c| c["resource_metadata"] = json!("http://a\"b")), vec!["/resource_metadata"]),
        // All of it, not only the first.
        (
            edit(&|c| {
                c["issuers"][0]["max_lifetime_s"] = json!(0);
                c["routes"][1]["max_depth"] = json!(-1);
                c["audit"] = json!({ "lok": "all" });
            }),
            vec!["/issuers/0/max_lifetime_s", "/routes/1/max_depth", "/audit/lok"],
        ),
    ]
}

fn check(config: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mandate"))
        .arg("check")
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn check_names_the_place_of_every_mistake() {
    for (config, pointers) in wrong() {
        let output = check(&config, &["--json"]);
        assert_eq!(output.status.code(), Some(1), "{config}");
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found: Vec<&str> =
            result["problems"].as_array().unwrap().iter().map(|p| p["pointer"].as_str().unwrap()).collect();
        for pointer in pointers {
            assert!(
                found.iter().any(|f| f == &pointer || f.starts_with(&format!("{pointer}/"))),
                "{pointer} not in {found:?}"
            );
        }
    }
}

#[test]
fn check_says_yes_to_what_is_right() {
    let output = check(&support::configuration().to_string(), &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
}

#[test]
fn the_filter_names_the_place_and_denies_everything() {
    let filter = support::filter();
    let now = 1_790_000_000;
    let good = format!("Bearer {}", sign(claims(now)));
    for (config, pointers) in wrong() {
        let mut vm = filter.vm().configuration(config.clone()).now(now).start().unwrap();
        // A proxy that is told no may not start at all, or go on as before; the filter says yes, and denies.
        assert!(vm.startup().configured());
        for pointer in pointers.iter().filter(|p| !p.is_empty()) {
            let named = vm.logs().iter().any(|line| line.message.contains(&format!("`{pointer}")));
            assert!(named, "{pointer}: {:?}", vm.logs());
        }
        for request in [Request::get("/healthz"), Request::get("/v1/x").header("authorization", good.clone())]
        {
            let exchange = vm.send(request).unwrap();
            assert_eq!(exchange.outcome.status(), Some(503), "{config}");
            assert_eq!(exchange.property("mandate.reason"), Some("config_invalid"), "{config}");
        }
        vm.tick().unwrap();
        assert_eq!(vm.metric("mandate.decisions.deny.config_invalid"), Some(2));
        assert_eq!(vm.violations(), []);
    }
}

#[test]
fn in_envoy_a_wrong_configuration_denies_everything_and_says_why() {
    let Some(binary) = support::envoy() else { return };
    let upstream = Upstream::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("mandate.wasm");
    std::fs::write(&module, FILTER).unwrap();
    let mut config = support::configuration();
    config["routes"][1]["scope"] = json!(["tickets.read"]);
    let setup = EnvoySetup::new(upstream.address()).filter(module, config.to_string());
    let envoy = Envoy::start(&binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
    for path in ["/healthz", "/v1/x", "/"] {
        let response =
            client::blocking::send(envoy.listener().unwrap(), &client::Request::get(path)).unwrap();
        assert_eq!(
            (response.status, support::reason(&response).as_deref()),
            (503, Some("config_invalid")),
            "{path}"
        );
    }
    assert_eq!(upstream.requests(), 0);
    assert!(envoy.log().contains("`/routes/1/scope`"), "{}", envoy.log_tail());
}
