//! Other plugins of the same proxy, which share its data: keys are never theirs to give.

use super::support::{self, claims, key};
use mandate_host::FILTER;
use mandate_host::client::{self, Response};
use mandate_host::envoy::{Envoy, EnvoyBinary, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::issuer::Issuer;
use mandate_host::tokens::{Algorithm, SigningKey, TokenBuilder, jwks};
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn write(folder: &Path, name: &str, module: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, module).unwrap();
    path
}

/// A plugin that writes this key set under the names that keys once had in the proxy's shared data.
fn neighbour(cluster: &str, uri: &str, keys: &Value) -> Vec<u8> {
    let name = |what| format!("mandate/{what}/{cluster}/{uri}");
    let (keys_name, ledger_name, document) = (name("keys"), name("ledger"), keys.to_string());
    let text = include_str!("neighbour.wat")
        .replace("KEYS_NAME", &keys_name)
        .replace("KEYS_SIZE", &keys_name.len().to_string())
        .replace("LEDGER_NAME", &ledger_name)
        .replace("LEDGER_SIZE", &ledger_name.len().to_string())
        .replace("DOCUMENT_SIZE", &(8 + document.len()).to_string())
        .replace("DOCUMENT", &document.replace('"', "\\\""));
    wat::parse_str(text).unwrap()
}

/// The settings of a plugin in an Envoy configuration.
fn plugin(config: &mut Value, listener: usize, filter: usize) -> &mut Value {
    let listener = &mut config["static_resources"]["listeners"][listener];
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    &mut manager["http_filters"][filter]["typed_config"]["config"]
}

fn start(binary: &EnvoyBinary, config: &Value) -> Envoy {
    let options = EnvoyOptions { concurrency: 2, ..EnvoyOptions::default() };
    Envoy::start(binary, &config.to_string(), &options).unwrap()
}

fn send(to: SocketAddr, key: &SigningKey) -> Response {
    let token = TokenBuilder::new(claims(support::now())).sign(key).unwrap();
    client::blocking::send(to, &client::Request::get("/v1/x").bearer(&token)).unwrap()
}

#[test]
fn in_envoy_keys_of_another_plugin_are_not_believed() {
    let Some(binary) = support::envoy() else { return };
    let real = key(Algorithm::Es256);
    // Under the very name of the real key.
    let forger = SigningKey::generate(Algorithm::Es256, real.kid()).unwrap();
    let issuer = Issuer::named(support::ISSUER, jwks(&[real])).unwrap();
    let upstream = Upstream::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ours = write(folder.path(), "mandate.wasm", FILTER);
    let theirs = neighbour("idp", &issuer.keys_url(), &jwks(&[&forger]));
    let theirs = write(folder.path(), "neighbour.wasm", &theirs);
    let mut seen = Vec::new();
    for vm_id in ["mandate", ""] {
        let config = support::remote_configuration(&issuer.keys_url()).to_string();
        let mut setup =
            EnvoySetup::new(upstream.address()).filter(&ours, config).cluster("idp", issuer.address());
        let mut filter = envoy_config(&EnvoySetup::new(upstream.address()).filter(&theirs, "{}"));
        plugin(&mut filter, 0, 0)["vm_config"]["vm_id"] = json!(vm_id);
        let listener = &filter["static_resources"]["listeners"][0];
        let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
        setup.filters_before.push(manager["http_filters"][0].clone());
        let mut config = envoy_config(&setup);
        plugin(&mut config, 0, 1)["vm_config"]["vm_id"] = json!(vm_id);
        let envoy = start(&binary, &config);
        let listener = envoy.listener().unwrap();
        let (mut forged, mut good) = (0, 0);
        // Each request is a new connection, so that both workers get their share; all of it takes longer than a tick.
        for _ in 0..30 {
            forged += u32::from(send(listener, &forger).status == 200);
            good += u32::from(send(listener, real).status == 200);
            std::thread::sleep(Duration::from_millis(50));
        }
        seen.push((vm_id, forged, good));
    }
    assert_eq!(seen, [("mandate", 0, 30), ("", 0, 30)]);
}

#[test]
fn in_envoy_two_plugins_whose_key_sets_are_named_alike_keep_them_apart() {
    let Some(binary) = support::envoy() else { return };
    let (one, two) = (key(Algorithm::Es256), SigningKey::generate(Algorithm::Es256, "ES256").unwrap());
    let issuers = [jwks(&[one]), jwks(&[&two])].map(|keys| Issuer::named(support::ISSUER, keys).unwrap());
    let upstream = Upstream::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ours = write(folder.path(), "mandate.wasm", FILTER);
    // Cluster and address joined by a slash are the same text for both.
    let place = |cluster: &str, uri: &str| {
        let mut config = support::configuration();
        config["issuers"][0]["keys"] =
            json!({ "remote": { "cluster": cluster, "uri": uri, "refresh_s": 1 } });
        config.to_string()
    };
    let first = place("a", "http://h/jwks.json?/http://h/jwks.json");
    let second = place("a/http://h/jwks.json?", "http://h/jwks.json");
    let setup = EnvoySetup::new(upstream.address())
        .filter(ours, first)
        .cluster("a", issuers[0].address())
        .cluster("a/http://h/jwks.json?", issuers[1].address());
    let mut config = envoy_config(&setup);
    let mut other = config["static_resources"]["listeners"][0].clone();
    other["name"] = json!("other");
    config["static_resources"]["listeners"].as_array_mut().unwrap().push(other);
    plugin(&mut config, 1, 0)["configuration"]["value"] = json!(second);
    let envoy = start(&binary, &config);
    let listeners = [envoy.listener().unwrap(), envoy.listener_named("other").unwrap()];
    for _ in 0..30 {
        assert_eq!(send(listeners[0], &two).status, 401, "{}", envoy.log_tail());
        assert_eq!(send(listeners[1], one).status, 401, "{}", envoy.log_tail());
        assert_eq!(send(listeners[0], one).status, 200, "{}", envoy.log_tail());
        assert_eq!(send(listeners[1], &two).status, 200, "{}", envoy.log_tail());
        std::thread::sleep(Duration::from_millis(50));
    }
}
