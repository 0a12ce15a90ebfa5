//! Wrong configurations: `mandate check` and the filter's log name the place, and the filter says no to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_harness::Request;
use mandate_host::FILTER;
use mandate_host::embedded::Embedded;
use mandate_host::envoy::{Envoy, EnvoyError, EnvoyOptions, EnvoySetup, FailurePolicy, envoy_config};
use mandate_host::tokens::{Algorithm, SigningKey, jwks};
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
                // Under one name two keys, of which it is not clear which is meant.
                let other = SigningKey::generate(Algorithm::Es256, key(Algorithm::Es256).kid()).unwrap();
                c["issuers"][0]["keys"]["inline"] = jwks(&[key(Algorithm::Es256), &other])
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
fn a_key_that_cannot_be_used_is_a_warning_beside_good_ones_and_a_secret_is_an_error() {
    let with_neighbour = |neighbour: Value| {
        let mut config = support::configuration();
        config["issuers"][0]["keys"]["inline"]["keys"].as_array_mut().unwrap().push(neighbour);
        config.to_string()
    };
    let secret = check(&with_neighbour(json!({ "kty": "oct", "k": "AAAA" })), &[]);
    assert_eq!(secret.status.code(), Some(1), "{secret:?}");

    let unknown = with_neighbour(json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA" }));
    let output = check(&unknown, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("warning: `/issuers/0/keys/inline/keys/"), "{said}");
    let vm = support::filter().vm().configuration(unknown).now(1_790_000_000).start().unwrap();
    assert!(vm.startup().configured());
    assert!(
        vm.logs().iter().any(|line| line.message.contains("/issuers/0/keys/inline/keys/")),
        "{:?}",
        vm.logs()
    );
}

#[test]
fn the_filter_names_the_place_says_no_and_denies_everything_where_the_proxy_goes_on() {
    let filter = support::filter();
    let now = 1_790_000_000;
    let good = format!("Bearer {}", sign(claims(now)));
    for (config, pointers) in wrong() {
        let vm = filter.vm().configuration(config.clone()).now(now).start().unwrap();
        assert!(!vm.startup().configured(), "{config}");
        assert!(vm.dead().is_some(), "Envoy serves nothing then");
        let mut vm = filter.vm().configuration(config.clone()).now(now).go_on_refused(true).start().unwrap();
        assert!(!vm.startup().configured() && vm.dead().is_none());
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
fn in_envoy_a_wrong_first_configuration_does_not_start_and_says_why() {
    let Some(binary) = support::envoy() else { return };
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("mandate.wasm");
    std::fs::write(&module, FILTER).unwrap();
    let mut config = support::configuration();
    config["routes"][1]["scope"] = json!(["tickets.read"]);
    config["audit"]["lok"] = json!("all");
    for failure_policy in [FailurePolicy::Reload, FailurePolicy::Closed] {
        let setup = EnvoySetup::new(([127, 0, 0, 1], 1).into()).filter(&module, config.to_string());
        let setup = EnvoySetup { failure_policy, ..setup };
        let config = envoy_config(&setup).to_string();
        match Envoy::start(&binary, &config, &EnvoyOptions::default()) {
            Err(EnvoyError::Ended { log, .. }) => {
                for place in ["`/routes/1/scope`", "`/audit/lok`", "the configuration is refused"] {
                    assert!(log.contains(place), "{place}: {log}");
                }
            }
            other => panic!("it started: {other:?}"),
        }
    }
}

#[test]
fn in_envoy_a_configuration_that_is_given_as_a_struct_is_told_what_to_write() {
    let Some(binary) = support::envoy() else { return };
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("mandate.wasm");
    std::fs::write(&module, FILTER).unwrap();
    let setup = EnvoySetup::new(([127, 0, 0, 1], 1).into()).filter(&module, "");
    for (kind, also) in [
        ("google.protobuf.Struct", None),
        ("xds.type.v3.TypedStruct", Some(("type_url", json!("type.googleapis.com/anything")))),
    ] {
        let mut config = envoy_config(&setup);
        let filters = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
        let filter = &mut config.pointer_mut(filters).unwrap()[0];
        let given = &mut filter["typed_config"]["config"]["configuration"];
        *given = json!({ "@type": format!("type.googleapis.com/{kind}"), "value": support::configuration() });
        if let Some((name, value)) = also {
            given[name] = value;
        }
        match Envoy::start(&binary, &config.to_string(), &EnvoyOptions::default()) {
            Err(EnvoyError::Ended { log, .. }) => {
                assert!(log.contains("type.googleapis.com/google.protobuf.StringValue"), "{kind}: {log}");
            }
            other => panic!("it started: {other:?}"),
        }
    }
}

#[test]
fn a_gateway_with_a_wrong_configuration_does_not_start_and_says_why() {
    let mut config = support::configuration();
    config["routes"][1]["scope"] = json!(["tickets.read"]);
    config["audit"]["lok"] = json!("all");
    let free = ([127, 0, 0, 1], 0).into();
    let started = Embedded::start(&support::filter(), &config.to_string(), free, Vec::new(), free);
    let said = started.unwrap_err().to_string();
    assert!(said.contains("`/routes/1/scope`") && said.contains("`/audit/lok`"), "{said}");
}
