//! What is shipped in `envoy/` is loaded as it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_core::config::Config;
use mandate_host::FILTER;
use mandate_host::client;
use mandate_host::envoy::{Envoy, EnvoyOptions};
use mandate_host::issuer::Issuer;
use mandate_host::tokens::{Algorithm, jwks};
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{claims, key, sign, through};

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn yaml(name: &str) -> Value {
    serde_norway::from_str(&shipped(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn assert_is_clean(name: &str, config: &str) {
    let parsed = Config::parse(config.as_bytes()).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    assert_eq!(parsed.warnings(), [], "{name}");
}

const FILTERS: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";

#[test]
fn the_schema_is_the_one_that_the_types_give() {
    let shipped: Value = serde_json::from_str(&shipped("mandate.schema.json")).unwrap();
    let is_current = shipped == mandate_core::config::schema();
    assert!(is_current, "write it anew: mandate check --schema > envoy/mandate.schema.json");
}

#[test]
fn every_shipped_configuration_is_valid_and_without_warnings() {
    let envoy = yaml("envoy.yaml");
    let config = envoy.pointer(FILTERS).unwrap();
    assert_is_clean("envoy.yaml", config["configuration"]["value"].as_str().unwrap());
    assert_eq!(config["failure_policy"], "FAIL_RELOAD");

    let plugin = yaml("istio/wasm-plugin.yaml");
    assert_eq!(
        (&plugin["apiVersion"], &plugin["kind"]),
        (&json!("extensions.istio.io/v1alpha1"), &json!("WasmPlugin"))
    );
    assert_is_clean("wasm-plugin.yaml", &plugin["spec"]["pluginConfig"].to_string());
    assert_eq!(plugin["spec"]["failStrategy"], "FAIL_RELOAD");

    let extension = yaml("istio/traffic-extension.yaml");
    assert_eq!(
        (&extension["apiVersion"], &extension["kind"]),
        (&json!("extensions.istio.io/v1alpha1"), &json!("TrafficExtension"))
    );
    assert_is_clean("traffic-extension.yaml", &extension["spec"]["wasm"]["pluginConfig"].to_string());
    assert_eq!(extension["spec"]["wasm"]["failStrategy"], "FAIL_RELOAD");
    assert_eq!(
        extension["spec"]["wasm"]["pluginConfig"], plugin["spec"]["pluginConfig"],
        "the two say the same"
    );
}

/// Its ports are taken by chance on a machine of tests, so they are replaced, and nothing else is.
fn with_free_ports(mut config: Value, module: &Path, upstream: SocketAddr, issuer: SocketAddr) -> Value {
    let mut port = |pointer: &str, port: u16| *config.pointer_mut(pointer).unwrap() = json!(port);
    port("/admin/address/socket_address/port_value", 0);
    port("/static_resources/listeners/0/address/socket_address/port_value", 0);
    let endpoint = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    port(&format!("/static_resources/clusters/0/{endpoint}"), upstream.port());
    port(&format!("/static_resources/clusters/1/{endpoint}"), issuer.port());
    let filename = config.pointer_mut(&format!("{FILTERS}/vm_config/code/local/filename")).unwrap();
    assert_eq!(*filename, "target/mandate/mandate.wasm");
    *filename = json!(module);
    config
}

#[test]
fn the_envoy_configuration_runs_in_a_real_envoy_and_its_access_log_tells_reason_and_chain() {
    let Some(binary) = support::envoy() else { return };
    let folder = tempfile::tempdir().unwrap();
    let module: PathBuf = folder.path().join("mandate.wasm");
    std::fs::write(&module, FILTER).unwrap();
    let issuer = Issuer::named(support::ISSUER, jwks(&[key(Algorithm::Es256)])).unwrap();
    let upstream = Upstream::start().unwrap();
    let mut config = with_free_ports(yaml("envoy.yaml"), &module, upstream.address(), issuer.address());
    // The same line goes to a file, where the test can read it.
    let hcm = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log/0";
    let log = config.pointer_mut(hcm).unwrap();
    log["name"] = json!("envoy.access_loggers.file");
    log["typed_config"]["@type"] =
        json!("type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog");
    let log_path = folder.path().join("access.log");
    log["typed_config"]["path"] = json!(log_path);
    let envoy = Envoy::start(
        &binary,
        &config.to_string(),
        &EnvoyOptions { access_log_path: log_path, ..EnvoyOptions::default() },
    )
    .unwrap();
    let listener = envoy.listener().unwrap();
    let send = |path: &str, token: Option<&str>| {
        let request = token.iter().fold(client::Request::get(path), |request, token| request.bearer(token));
        client::blocking::send(listener, &request).unwrap()
    };
    let now = support::now();
    assert_eq!(support::reason(&send("/v1/x", None)).as_deref(), Some("token_missing"));
    assert_eq!(
        support::reason(&send("/v1/x", Some(&sign(through(now, &["a", "b", "c", "d"]))))).as_deref(),
        Some("delegation_too_deep")
    );
    // Envoy itself refuses this one, before the filter sees it.
    assert_eq!(send("/v1/..%2fx", Some(&sign(claims(now)))).status, 400);
    assert_eq!(send("/healthz", None).status, 200);
    assert_eq!(send("/v1/x", Some(&sign(through(now, &["agent:1"])))).status, 200, "{}", envoy.log_tail());
    let entries = envoy.wait_for_access_log(5, Duration::from_secs(10));
    assert_eq!(entries.len(), 5, "{entries:?}");
    let denied = entries.iter().find(|e| e["reason"] == "delegation_too_deep").unwrap();
    assert!(denied["chain"].as_str().unwrap().starts_with("\"user:alice\";iss="), "{denied}");
    let allowed = entries.iter().find(|e| e["path"] == "/v1/x" && e["status"] == 200).unwrap();
    assert_eq!(allowed["reason"], Value::Null);
    assert_eq!(
        allowed["chain"],
        "\"user:alice\";iss=\"https://idp.example\", \"agent:1\";iss=\"https://idp.example\""
    );
}

fn root(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_configuration_in_the_readme_is_valid() {
    let readme = root("README.md");
    let (_, rest) = readme.split_once("```json\n").unwrap();
    let (config, _) = rest.split_once("```").unwrap();
    assert_is_clean("README.md", config);
}

#[test]
fn every_reason_has_its_row_in_the_readme_and_its_word_in_the_changelog() {
    use mandate_core::reason::{Challenge, Reason};
    let (readme, changelog) = (root("README.md"), root("filter/CHANGELOG.md"));
    let rows: Vec<Vec<&str>> = readme
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    for reason in Reason::ALL {
        let code = format!("`{reason}`");
        assert!(changelog.contains(&code), "{code}");
        let row = rows.iter().find(|row| row[1] == code).unwrap_or_else(|| panic!("{code} has no row"));
        assert_eq!(row[2], reason.status().to_string(), "{code}");
        let challenge = match reason.challenge() {
            Challenge::None => "none",
            Challenge::Bare => "`Bearer`",
            Challenge::Error(error) => error,
            Challenge::Scope => "insufficient_scope",
        };
        assert!(row[3].contains(challenge), "{code}: {} lacks {challenge}", row[3]);
    }
    let known = |row: &&Vec<&str>| row.len() == 6 && row[2].parse::<u16>().is_ok();
    assert_eq!(rows.iter().filter(known).count(), Reason::ALL.len(), "a row without a reason");
}
