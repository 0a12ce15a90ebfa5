//! Configuration that changes while a real Envoy runs, by listener discovery and, as Istio does it, by discovery of the
//! filter's own configuration. Both are files here, replaced by a rename.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use mandate_host::FILTER;
use mandate_host::client::{self, Request, Response};
use mandate_host::envoy::{
    Envoy, EnvoyBinary, EnvoyError, EnvoyOptions, EnvoySetup, FailurePolicy, envoy_config,
};
use mandate_host::tokens::{Algorithm, SigningKey, TokenBuilder, jwks};
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use support::{claims, key, sign};

const POLICIES: [FailurePolicy; 2] = [FailurePolicy::Closed, FailurePolicy::Reload];
const WAYS: [Way; 2] = [Way::Listener, Way::Filter];
const FILTERS: &str = "/filter_chains/0/filters/0/typed_config/http_filters";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// What is discovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The whole listener (LDS).
    Listener,
    /// The filter's configuration (ECDS).
    Filter,
}

impl Way {
    /// Envoy's counter of updates that it took or refused.
    fn counter(self, name: &str) -> String {
        match self {
            Self::Listener => format!("listener_manager.lds.{name}"),
            Self::Filter => format!("extension_config_discovery.http_filter.mandate.{name}"),
        }
    }
}

/// An Envoy whose configuration comes from a file.
struct Proxy {
    envoy: Envoy,
    way: Way,
    policy: FailurePolicy,
    upstream: Upstream,
    issuer: SocketAddr,
    folder: tempfile::TempDir,
}

impl Proxy {
    fn start(
        binary: &EnvoyBinary,
        way: Way,
        policy: FailurePolicy,
        issuer: SocketAddr,
        first: &Value,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mandate.wasm"), FILTER).unwrap();
        let upstream = Upstream::start().unwrap();
        let mut bootstrap = setup(folder.path(), policy, upstream.address(), issuer, first);
        let discovered = json!({ "path_config_source": {
            "path": folder.path().join("update"),
            "watched_directory": { "path": folder.path() },
        } });
        bootstrap["node"] = json!({ "id": "desk", "cluster": "desk" });
        match way {
            Way::Listener => {
                bootstrap["static_resources"]["listeners"] = json!([]);
                bootstrap["dynamic_resources"] = json!({ "lds_config": discovered });
            }
            Way::Filter => {
                let listener = &mut bootstrap["static_resources"]["listeners"][0];
                listener.pointer_mut(FILTERS).unwrap()[0] = json!({
                    "name": "mandate",
                    "config_discovery": { "config_source": discovered, "type_urls": [WASM] },
                });
            }
        }
        write_update(folder.path(), way, policy, upstream.address(), issuer, first);
        let envoy = Envoy::start(binary, &bootstrap.to_string(), &EnvoyOptions::default()).unwrap();
        Self { envoy, way, policy, upstream, issuer, folder }
    }

    /// Replaces the configuration and waits until Envoy has taken or refused it.
    fn update(&self, config: &Value) {
        let before = self.attempts();
        write_update(self.folder.path(), self.way, self.policy, self.upstream.address(), self.issuer, config);
        until("the update arrives", || self.attempts() > before);
    }

    fn attempts(&self) -> u64 {
        let taken = match self.way {
            Way::Listener => "update_success",
            // Counted also for what is refused.
            Way::Filter => "config_reload",
        };
        self.count(taken) + self.rejected()
    }

    fn rejected(&self) -> u64 {
        self.count("update_rejected")
    }

    fn count(&self, name: &str) -> u64 {
        self.envoy.stat(&self.way.counter(name)).unwrap().unwrap_or(0)
    }

    fn send(&self, path: &str, token: &str) -> Response {
        let listener = self.envoy.listener().unwrap();
        client::blocking::send(listener, &Request::get(path).bearer(token)).unwrap()
    }

    fn allows(&self, path: &str) -> bool {
        let before = self.upstream.requests();
        let answer = self.send(path, &good());
        assert_eq!(answer.status == 200, self.upstream.requests() > before, "{answer:?}");
        answer.status == 200
    }
}

fn setup(
    folder: &Path,
    policy: FailurePolicy,
    upstream: SocketAddr,
    issuer: SocketAddr,
    config: &Value,
) -> Value {
    let setup = EnvoySetup::new(upstream).filter(folder.join("mandate.wasm"), config.to_string());
    envoy_config(&EnvoySetup { failure_policy: policy, ..setup.cluster("idp", issuer) })
}

fn write_update(
    folder: &Path,
    way: Way,
    policy: FailurePolicy,
    upstream: SocketAddr,
    issuer: SocketAddr,
    config: &Value,
) {
    let mut listener =
        setup(folder, policy, upstream, issuer, config)["static_resources"]["listeners"][0].take();
    let resource = match way {
        Way::Listener => {
            listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            listener
        }
        Way::Filter => {
            let mut filter = listener.pointer_mut(FILTERS).unwrap()[0].take();
            filter["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
            filter
        }
    };
    // Written aside and then renamed, so that Envoy never sees half of it.
    let aside = folder.join("update.new");
    std::fs::write(&aside, json!({ "resources": [resource] }).to_string()).unwrap();
    std::fs::rename(&aside, folder.join("update")).unwrap();
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn good() -> String {
    sign(claims(support::now()))
}

/// Takes [`good`] tokens below this prefix.
fn configuration(prefix: &str) -> Value {
    let mut config = support::configuration();
    config["routes"][1]["match"]["path_prefix"] = json!(prefix);
    config
}

/// The same with a mistake.
fn wrong(prefix: &str) -> Value {
    let mut config = configuration(prefix);
    config["routes"][1]["scoops"] = json!(["tickets.read"]);
    config
}

/// Where the mistake is.
const MISTAKE: &str = "`/routes/1/scoops`";

fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

#[test]
fn a_wrong_update_leaves_the_configuration_before_it_in_force_and_a_right_one_takes_effect() {
    let Some(binary) = support::envoy() else { return };
    for (way, policy) in WAYS.into_iter().flat_map(|way| POLICIES.map(|policy| (way, policy))) {
        let proxy = Proxy::start(&binary, way, policy, nowhere(), &configuration("/v1/"));
        let case = format!("{way:?} {policy:?}");
        assert!(!proxy.allows("/v2/x"), "{case}");
        assert!(proxy.allows("/v1/x"), "{case}: {}", proxy.envoy.log_tail());
        // Two that differ: Envoy refuses the same again without asking the filter, so without a line in the log.
        for (wrong_updates, prefix) in [(1, "/v2/"), (2, "/v3/")] {
            proxy.update(&wrong(prefix));
            assert_eq!(proxy.rejected(), wrong_updates, "{case}: {}", proxy.envoy.log_tail());
            assert_eq!(proxy.envoy.log().matches(MISTAKE).count() as u64, wrong_updates, "{case}");
            for _ in 0..3 {
                assert!(!proxy.allows(&format!("{prefix}x")), "{case}");
                assert!(proxy.allows("/v1/x"), "{case}: {}", proxy.envoy.log_tail());
            }
        }
        proxy.update(&configuration("/v3/"));
        // The workers hear of it after the main thread.
        until("the right update takes effect", || proxy.allows("/v3/x"));
        until("the one before it ends", || !proxy.allows("/v1/x"));
        assert_eq!(proxy.rejected(), 2, "{case}");
        let stats = proxy.envoy.stats().unwrap();
        let reloads: Vec<_> =
            stats.iter().filter(|(name, count)| name.contains("vm_reload") && **count > 0).collect();
        assert_eq!(reloads, [], "{case}: a wrong configuration is no failure of the machine");
    }
}

#[test]
fn a_wrong_first_configuration_serves_nothing_until_a_right_one_comes() {
    let Some(binary) = support::envoy() else { return };
    for (way, policy) in WAYS.into_iter().flat_map(|way| POLICIES.map(|policy| (way, policy))) {
        let proxy = Proxy::start(&binary, way, policy, nowhere(), &wrong("/v1/"));
        let case = format!("{way:?} {policy:?}");
        assert_eq!(proxy.rejected(), 1, "{case}");
        assert!(proxy.envoy.log().contains(MISTAKE), "{case}");
        match way {
            Way::Listener => assert!(matches!(proxy.envoy.listener(), Err(EnvoyError::NoListener(_)))),
            Way::Filter => {
                for path in ["/v1/x", "/healthz", "/"] {
                    let denied = proxy.send(path, &good());
                    assert_eq!((denied.status, denied.text()), (500, String::new()), "{case} {path}");
                }
            }
        }
        assert_eq!(proxy.upstream.requests(), 0, "{case}");
        proxy.update(&configuration("/v1/"));
        until("a right one serves", || proxy.envoy.listener().is_ok() && proxy.allows("/v1/x"));
        assert!(!proxy.allows("/v2/x"), "{case}");
    }
}

#[test]
fn envoy_does_not_start_with_a_wrong_configuration_in_its_bootstrap() {
    let Some(binary) = support::envoy() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mandate.wasm"), FILTER).unwrap();
    for policy in POLICIES {
        let bootstrap = setup(folder.path(), policy, nowhere(), nowhere(), &wrong("/v1/"));
        match Envoy::start(&binary, &bootstrap.to_string(), &EnvoyOptions::default()) {
            Err(EnvoyError::Ended { log, .. }) => assert!(log.contains(MISTAKE), "{policy:?}: {log}"),
            other => panic!("{policy:?}: {other:?}"),
        }
    }
}

/// An issuer that says nothing before it is told to, and then its keys, to everyone who asked and asks.
struct SilentIssuer {
    address: SocketAddr,
    may_speak: Arc<(Mutex<bool>, Condvar)>,
}

impl SilentIssuer {
    fn start(keys: &Value) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let may_speak = Arc::new((Mutex::new(false), Condvar::new()));
        let answer = {
            let keys = keys.to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            format!("{head}content-length: {}\r\n\r\n{keys}", keys.len())
        };
        let told = Arc::clone(&may_speak);
        // The threads end with the test program.
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let (told, answer) = (Arc::clone(&told), answer.clone());
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
                    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                    let (may_speak, changed) = &*told;
                    let may_speak = may_speak.lock().unwrap();
                    drop(changed.wait_while(may_speak, |may_speak| !*may_speak).unwrap());
                    // Envoy may have given up waiting.
                    drop(connection.write_all(answer.as_bytes()));
                });
            }
        });
        Self { address, may_speak }
    }

    fn speak(&self) {
        let (may_speak, changed) = &*self.may_speak;
        *may_speak.lock().unwrap() = true;
        changed.notify_all();
    }
}

#[test]
fn requests_that_wait_for_keys_while_an_update_comes_are_answered_and_none_is_forwarded_unchecked() {
    let Some(binary) = support::envoy() else { return };
    let stranger = SigningKey::generate(Algorithm::Es256, key(Algorithm::Es256).kid()).unwrap();
    let forged = TokenBuilder::new(claims(support::now())).sign(&stranger).unwrap();
    for (way, is_right) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let issuer = SilentIssuer::start(&jwks(&[key(Algorithm::Es256)]));
        let mut remote = support::remote_configuration("http://idp.example/jwks.json");
        remote["issuers"][0]["keys"]["remote"]["timeout_ms"] = json!(10_000);
        let proxy = Proxy::start(&binary, way, FailurePolicy::Reload, issuer.address, &remote);
        let case = format!("{way:?}, an update that is right: {is_right}");
        let listener = proxy.envoy.listener().unwrap();
        let answers: Vec<Response> = std::thread::scope(|scope| {
            let sent = [forged.clone(), good()].map(|token| {
                scope.spawn(move || {
                    client::blocking::send(listener, &Request::get("/v1/x").bearer(&token)).unwrap()
                })
            });
            let active = || proxy.envoy.stat("http.mandate.downstream_rq_active").unwrap();
            until("both wait", || active() == Some(2));
            let mut update = remote.clone();
            update["routes"][1]["match"]["path_prefix"] = json!("/v2/");
            if !is_right {
                update["routes"][1]["scoops"] = json!([]);
            }
            proxy.update(&update);
            assert_eq!(proxy.rejected(), u64::from(!is_right), "{case}");
            assert_eq!((active(), proxy.upstream.requests()), (Some(2), 0), "{case}: both wait still");
            issuer.speak();
            sent.map(|thread| thread.join().unwrap()).into()
        });
        // They are decided by the configuration that they came under.
        let reasons: Vec<_> = answers.iter().map(|answer| (answer.status, support::reason(answer))).collect();
        assert_eq!(reasons[0], (401, Some("signature_invalid".to_owned())), "{case}");
        assert_eq!(reasons[1], (200, None), "{case}: {}", proxy.envoy.log_tail());
        let received = proxy.upstream.received();
        assert_eq!(received.len(), 1, "{case}");
        assert_eq!(received[0].header("x-mandate-principal"), Some("user:alice"), "{case}");
        until("what is in force decides", || proxy.allows("/v2/x") == is_right);
        assert_eq!(proxy.allows("/v1/x"), !is_right, "{case}");
    }
}
