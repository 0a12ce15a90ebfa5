//! `mandate init` for every provider: what it writes is valid, runs in a real Envoy as it is, and accepts that provider's tokens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "corpus/cases.rs"]
#[allow(dead_code, reason = "only the tokens of providers are used here")]
mod cases;
#[path = "corpus/providers.rs"]
#[allow(dead_code, reason = "only the tokens of providers are used here")]
mod providers;
mod support;

use mandate_core::config::{Config, Provider};
use mandate_host::client;
use mandate_host::init::usual_jwks_uri;
use mandate_host::issuer::Issuer;
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn mandate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mandate"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What is given to `init` for the first entry of a provider in the corpus.
fn arguments(entry: &Value, provider: Provider, jwks_uri: &str) -> Vec<String> {
    let issuer = &entry["issuer"];
    let mut arguments = vec!["init".to_owned()];
    let mut give = |flag: &str, value: &str| arguments.extend([flag.to_owned(), value.to_owned()]);
    give("--provider", provider.name());
    give("--issuer", issuer["issuer"].as_str().unwrap());
    match issuer.get("audiences") {
        Some(audiences) => give("--audience", audiences[0].as_str().unwrap()),
        None => give("--external-uri", providers::GATEWAY),
    }
    give("--algorithms", issuer["algorithms"][0].as_str().unwrap());
    give("--jwks-uri", jwks_uri);
    for scope in entry["route"]["scopes"].as_array().unwrap() {
        give("--scope", scope.as_str().unwrap());
    }
    for (pointer, value) in issuer.pointer("/claims/require").and_then(Value::as_object).into_iter().flatten()
    {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        give("--require", &format!("{pointer}={value}"));
    }
    if entry["route"]["delegation_required"] == json!(true) {
        arguments.push("--agents-only".to_owned());
    }
    arguments
}

/// An Envoy that is stopped at the end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Envoy with the manifest of a folder, as its first lines say; only the port of the admin interface is another, for the tests
/// run side by side.
fn envoy(folder: &Path, port: u16) -> Option<(Running, SocketAddr)> {
    let binary = support::envoy()?;
    let manifest = std::fs::read_to_string(folder.join("envoy.yaml")).unwrap();
    assert_eq!(manifest.matches("port_value: 9901").count(), 1);
    std::fs::write(folder.join("envoy.yaml"), manifest.replace("port_value: 9901", "port_value: 0")).unwrap();
    let log = std::fs::File::create(folder.join("envoy.log")).unwrap();
    let child = Command::new(binary.path())
        .args(["-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"])
        .current_dir(folder)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let (running, address) = (Running(child), SocketAddr::from(([127, 0, 0, 1], port)));
    let give_up = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(address).is_err() {
        let log = || std::fs::read_to_string(folder.join("envoy.log")).unwrap();
        assert!(Instant::now() < give_up, "Envoy does not listen:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Some((running, address))
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn what_is_written_for_each_provider_runs_in_envoy_and_accepts_its_token() {
    let entries = providers::entries();
    for provider in Provider::ALL {
        let context = provider.name();
        let is_of = |entry: &&Value| {
            entry["issuer"].get("provider").map_or("rfc9068", |it| it.as_str().unwrap()) == provider.name()
        };
        let entry = entries.iter().find(is_of).unwrap();
        let keys = providers::with_keys(entry["issuer"].clone())["keys"]["inline"].clone();
        let issuer = Issuer::named(entry["issuer"]["issuer"].as_str().unwrap(), keys).unwrap();
        let upstream = Upstream::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut given = arguments(entry, *provider, &issuer.keys_url());
        given.extend([
            "--upstream".to_owned(),
            upstream.address().to_string(),
            "--port".to_owned(),
            port.to_string(),
        ]);
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let output = mandate(folder.path(), &given);
        assert_eq!(output.status.code(), Some(0), "{context}: {output:?}");

        let checked = mandate(folder.path(), &["check", "mandate.json"]);
        assert_eq!(
            (checked.status.code(), checked.stdout.as_slice()),
            (Some(0), &b""[..]),
            "{context}: {checked:?}"
        );

        let Some((_envoy, address)) = envoy(folder.path(), port) else { return };
        for row in entry["tokens"].as_array().unwrap() {
            let mut request = client::Request::get("/x");
            for (name, value) in providers::credential(entry, row, "/x", support::now()) {
                request = request.header(name, value);
            }
            let name = format!("{context}: {}", row["name"]);
            let answer = client::blocking::send(address, &request).unwrap();
            let log = || std::fs::read_to_string(folder.path().join("envoy.log")).unwrap();
            match row.get("denied") {
                // The depth of a route is not asked for.
                Some(reason)
                    if *reason == json!("delegation_too_deep")
                        && entry["route"].get("max_depth").is_some() => {}
                Some(reason) => assert_eq!(
                    support::reason(&answer).as_ref(),
                    reason.as_str().map(str::to_owned).as_ref(),
                    "{name}"
                ),
                None => {
                    assert_eq!(answer.status, 200, "{name}: {answer:?}\n{}", log());
                    let received = upstream.received();
                    let got = received.last().unwrap();
                    for (header, value) in row["upstream"].as_object().unwrap() {
                        let header_value =
                            got.header(header).map(|it| String::from_utf8_lossy(it.as_ref()).into_owned());
                        assert_eq!(header_value.as_deref(), value.as_str(), "{name}: {header}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_missing_is_named_with_what_it_is_for_that_provider() {
    let folder = tempfile::tempdir().unwrap();
    for (given, told) in [
        (&["init"][..], "`--provider` is missing"),
        (&["init", "--provider", "oktaa"], "use one of rfc9068, keycloak"),
        (&["init", "--provider", "cognito"], "`--issuer` is missing"),
        (&["init", "--provider", "cognito", "--issuer", "https://a"], "the ids of the app clients"),
        (
            &["init", "--provider", "jwt_svid", "--issuer", "spiffe://td", "--audience", "a"],
            "`--jwks-uri` is missing",
        ),
        (
            &[
                "init",
                "--provider",
                "jwt_svid",
                "--issuer",
                "td",
                "--audience",
                "a",
                "--jwks-uri",
                "https://a/b",
            ],
            "trust domain",
        ),
        (
            &[
                "init",
                "--provider",
                "wit",
                "--issuer",
                "td",
                "--external-uri",
                "https://a",
                "--jwks-uri",
                "https://a/b",
            ],
            "trust domain",
        ),
        (
            &["init", "--provider", "wit", "--issuer", "wimse://td", "--jwks-uri", "https://a/b"],
            "`--external-uri` is missing",
        ),
        (&["init", "--provider", "github_actions", "--audience", "a"], "/repository_owner=my-organisation"),
        (&["init", "--provider", "google_id", "--audience", "a"], "/email="),
        (
            &["init", "--provider", "okta", "--issuer", "https://a", "--audience", "b", "--jwks-uri", "a"],
            "no URL of a key set",
        ),
        (
            &[
                "init",
                "--provider",
                "entra",
                "--issuer",
                "https://login.microsoftonline.com/common/v2.0",
                "--audience",
                "b",
            ],
            "names no tenant",
        ),
    ] {
        let output = mandate(folder.path(), given);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{given:?}: {stderr}");
        assert!(stderr.contains(told), "{given:?}: {stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
}

#[test]
fn no_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("envoy.yaml"), "mine").unwrap();
    let given = ["init", "--provider", "okta", "--issuer", "https://a/oauth2/b", "--audience", "c"];
    let output = mandate(folder.path(), &given);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(folder.path().join("envoy.yaml")).unwrap(), "mine");
    assert!(!folder.path().join("mandate.json").exists());
}

#[test]
fn the_manifests_for_kubernetes_hold_the_configuration_and_the_name_of_the_cluster() {
    for (target, file, config, cluster) in [
        ("istio", "traffic-extension.yaml", "/spec/wasm/pluginConfig", "outbound|8443||keys.example"),
        ("istio-wasm-plugin", "wasm-plugin.yaml", "/spec/pluginConfig", "outbound|8443||keys.example"),
        ("envoy-gateway", "extension-policy.yaml", "/spec/wasm/0/config", "httproute/gateways/idp/rule/0"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let given = [
            "init",
            "--provider",
            "zitadel",
            "--issuer",
            "https://idp.example",
            "--audience",
            "tools",
            "--scope",
            "a",
            "--jwks-uri",
            "https://keys.example:8443/k",
            "--for",
            target,
            "--image",
            "registry.acme.example/mandate:1",
        ];
        let output = mandate(folder.path(), &given);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        let mut documents = text.split("---\n");
        let manifest: Value = serde_norway::from_str(documents.next().unwrap()).unwrap();
        let config = manifest.pointer(config).unwrap();
        let written: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.path().join("mandate.json")).unwrap())
                .unwrap();
        assert_eq!(*config, written, "{target}");
        assert_eq!(config["issuers"][0]["keys"]["remote"]["cluster"], cluster);
        assert!(Config::parse(config.to_string().as_bytes()).is_ok());
        assert!(
            text.contains("registry.acme.example/mandate:1") && !text.contains("registry.example"),
            "{text}"
        );
        let others: Vec<Value> = documents.map(|text| serde_norway::from_str(text).unwrap()).collect();
        if target != "envoy-gateway" {
            assert_eq!(others[0]["spec"]["hosts"], json!(["keys.example"]));
            assert_eq!(others[1]["spec"]["trafficPolicy"]["tls"]["sni"], "keys.example");
        }
    }
}

#[test]
fn key_sets_are_where_providers_document_them() {
    for (provider, issuer, uri) in [
        (
            Provider::Keycloak,
            "https://sso.example/realms/a",
            "https://sso.example/realms/a/protocol/openid-connect/certs",
        ),
        (
            Provider::Entra,
            "https://login.microsoftonline.com/t/v2.0",
            "https://login.microsoftonline.com/t/discovery/v2.0/keys",
        ),
        (
            Provider::EntraAgent,
            "https://sts.windows.net/t/",
            "https://login.microsoftonline.com/t/discovery/keys",
        ),
        (Provider::Okta, "https://a.okta.com/oauth2/default", "https://a.okta.com/oauth2/default/v1/keys"),
        (Provider::Auth0, "https://a.auth0.com/", "https://a.auth0.com/.well-known/jwks.json"),
        (
            Provider::Wso2,
            "https://api.asgardeo.io/t/a/oauth2/token",
            "https://api.asgardeo.io/t/a/oauth2/jwks",
        ),
        (
            Provider::Cognito,
            "https://cognito-idp.eu-1.amazonaws.com/p",
            "https://cognito-idp.eu-1.amazonaws.com/p/.well-known/jwks.json",
        ),
    ] {
        assert_eq!(usual_jwks_uri(provider, issuer).as_deref(), Some(uri));
    }
    assert_eq!(usual_jwks_uri(Provider::JwtSvid, "spiffe://td"), None);
    assert_eq!(usual_jwks_uri(Provider::Wit, "wimse://td"), None);
}
