//! What several tests of this package need.
#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

pub mod proxy;

use mandate_harness::Filter;
use mandate_host::FILTER;
use mandate_host::envoy::{DEFAULT_VERSION, EnvoyBinary};
use mandate_host::tokens::{Algorithm, Claims, Hop, SigningKey, TokenBuilder};
use mandate_host::{client, paths};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::OnceLock;

pub const ISSUER: &str = "https://idp.example";
pub const AUDIENCE: &str = "https://tools.example";

/// The module that this package carries, compiled once per test program.
pub fn filter() -> Filter {
    static COMPILED: OnceLock<Filter> = OnceLock::new();
    COMPILED.get_or_init(|| Filter::compile(FILTER).unwrap()).clone()
}

/// A real Envoy; without one the test is skipped, visibly, unless `MANDATE_REQUIRE_ENVOY` is set.
pub fn envoy() -> Option<EnvoyBinary> {
    let version = std::env::var("MANDATE_ENVOY_VERSION").unwrap_or_else(|_| DEFAULT_VERSION.to_owned());
    let target_dir = paths::target_dir().expect("a folder to keep Envoy in");
    match EnvoyBinary::locate_or_install(&target_dir, &version, |line| eprintln!("{line}")) {
        Ok(binary) => Some(binary),
        Err(error) if std::env::var_os("MANDATE_REQUIRE_ENVOY").is_some() => {
            panic!("Envoy is required: {error}")
        }
        Err(error) => {
            // Past the capture of the test runner, so that it is seen.
            std::io::stderr().write_all(format!("skipped: {error}\n").as_bytes()).unwrap();
            None
        }
    }
}

pub fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// One key per algorithm, its `kid` the algorithm's name; made once and kept below the target folder.
pub fn keys() -> &'static BTreeMap<Algorithm, SigningKey> {
    static KEYS: OnceLock<BTreeMap<Algorithm, SigningKey>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let target_dir = paths::target_dir().expect("a folder to keep keys in");
        let rsa = SigningKey::load_or_generate(
            &paths::key_file(&target_dir, "test-rsa"),
            Algorithm::Rs256,
            "RS256",
        )
        .unwrap();
        let make = |algorithm: Algorithm| {
            let key = if algorithm.is_rsa() {
                rsa.under(algorithm, algorithm.name()).unwrap()
            } else {
                SigningKey::generate(algorithm, algorithm.name()).unwrap()
            };
            (algorithm, key)
        };
        Algorithm::ALL.into_iter().map(make).collect()
    })
}

pub fn key(algorithm: Algorithm) -> &'static SigningKey {
    &keys()[&algorithm]
}

/// The claims of a good token of depth 0.
pub fn claims(now: u64) -> Claims {
    let now = i64::try_from(now).unwrap();
    Claims::new()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .subject("user:alice")
        .client_id("client-1")
        .scope("tickets.read")
        .valid_from(now, 300)
        .id("token-1")
}

/// The same, through agents of the token's issuer, oldest first.
pub fn through(now: u64, agents: &[&str]) -> Claims {
    claims(now).delegation(agents.iter().map(|agent| Hop::new(ISSUER, agent)))
}

pub fn sign(claims: Claims) -> String {
    TokenBuilder::new(claims).sign(key(Algorithm::Es256)).unwrap()
}

/// A configuration that accepts [`sign`]ed tokens: `/v1/` for `tickets.read`, `/healthz` for everyone.
pub fn configuration() -> Value {
    json!({
        "issuers": [{
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "algorithms": ["ES256"],
            "keys": { "inline": mandate_host::tokens::jwks(&[key(Algorithm::Es256)]) },
        }],
        "routes": [
            { "match": { "path_prefix": "/healthz", "methods": ["GET"] }, "anonymous": true },
            { "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] },
        ],
        "audit": { "log": "all" },
    })
}

/// [`configuration`] with one more route.
pub fn with_route(route: Value) -> Value {
    let mut config = configuration();
    config["routes"].as_array_mut().unwrap().push(route);
    config
}

/// [`configuration`] with keys that are fetched from the cluster `idp`.
pub fn remote_configuration(uri: &str) -> Value {
    let mut config = configuration();
    config["issuers"][0]["keys"] =
        json!({ "remote": { "cluster": "idp", "uri": uri, "refresh_s": 60, "stale_s": 600 } });
    config
}

/// The reason in an answer's body.
pub fn reason(response: &client::Response) -> Option<String> {
    Some(response.json().ok()?.get("code")?.as_str()?.to_owned())
}
