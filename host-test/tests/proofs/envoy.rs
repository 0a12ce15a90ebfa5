//! In a real Envoy, where several workers decide.

use super::support::{self, AUDIENCE};
use mandate_host::FILTER;
use mandate_host::client::{self, Request};
use mandate_host::envoy::{Envoy, EnvoyBinary, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::filter_log::Entry;
use mandate_host::tokens::{Algorithm, DpopProof, SigningKey, TokenBuilder};
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const VM_CONFIG: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/vm_config";
/// So many connections that both workers get some, but for once in 2³¹ times.
const CONNECTIONS: usize = 32;

/// An Envoy with two workers, an upstream, and what keeps the module's file.
struct Proxy {
    envoy: Envoy,
    upstream: Upstream,
    _module: tempfile::TempDir,
}

impl Proxy {
    fn start(binary: &EnvoyBinary, vm_id: &str, nonce: &str) -> Self {
        let upstream = Upstream::start().unwrap();
        let mut config = support::configuration();
        config["issuers"][0]["proof"] = json!("required");
        config["proofs"] = json!({ "external_uris": [AUDIENCE], "dpop": { "nonce": nonce } });
        let module = tempfile::tempdir().unwrap();
        let path = module.path().join("mandate.wasm");
        std::fs::write(&path, FILTER).unwrap();
        let setup = EnvoySetup::new(upstream.address()).filter(path, config.to_string());
        let mut config = envoy_config(&setup);
        config.pointer_mut(VM_CONFIG).unwrap()["vm_id"] = json!(vm_id);
        let options = EnvoyOptions { concurrency: 2, ..EnvoyOptions::default() };
        let envoy = Envoy::start(binary, &config.to_string(), &options).unwrap();
        Self { envoy, upstream, _module: module }
    }

    /// Sends the same requests, each on a connection of its own, from several clients at once. Gives how often each reason came; that
    /// of an allowed request is empty.
    fn send_each(&self, requests: &[Request]) -> Vec<String> {
        let at = self.envoy.listener().unwrap();
        let send = |request: &Request| {
            let response = client::blocking::send(at, request).unwrap();
            if response.status == 200 { String::new() } else { support::reason(&response).unwrap() }
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = requests
                .chunks(requests.len().div_ceil(4))
                .map(|part| scope.spawn(move || part.iter().map(send).collect::<Vec<_>>()))
                .collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        })
    }

    /// How many workers decided: the id of a decision begins with that of its worker.
    fn workers(&self) -> usize {
        let log = self.envoy.log();
        // The names of the plugin come before what it says.
        let said = |line| Some(str::split_once(line, "wasm log ")?.1.split_once(": ")?.1);
        let record = |line| Entry::of(said(line)?).audit();
        let of_worker = |record: Value| Some(record["decision"].as_str()?.rsplit_once('-')?.0.to_owned());
        log.lines().filter_map(record).filter_map(of_worker).collect::<BTreeSet<_>>().len()
    }
}

/// A client with a token that is bound to its key.
struct Client {
    key: SigningKey,
    token: String,
}

impl Client {
    fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Es256, "client").unwrap();
        let claims = support::claims(support::now()).bound_to(&key).unwrap();
        let token = TokenBuilder::new(claims).sign(support::key(Algorithm::Es256)).unwrap();
        Self { key, token }
    }

    fn request(&self, nonce: Option<&str>) -> Request {
        let now = i64::try_from(support::now()).unwrap();
        let proof = DpopProof::new("GET", &format!("{AUDIENCE}/v1/x"), now).of_token(&self.token);
        let proof = nonce.into_iter().fold(proof, DpopProof::nonce).sign(&self.key).unwrap();
        Request::get("/v1/x").header("authorization", format!("DPoP {}", self.token)).header("dpop", proof)
    }
}

fn count(reasons: &[String], reason: &str) -> usize {
    reasons.iter().filter(|it| *it == reason).count()
}

#[test]
fn in_envoy_one_of_many_equal_requests_passes_whichever_worker_it_reaches() {
    let Some(binary) = support::envoy() else { return };
    let proxy = Proxy::start(&binary, "mandate", "none");
    let client = Client::new();
    for round in 1..=3 {
        let reasons = proxy.send_each(&vec![client.request(None); CONNECTIONS]);
        assert_eq!(count(&reasons, "proof_replayed"), CONNECTIONS - 1, "{reasons:?}");
        assert_eq!(count(&reasons, ""), 1, "{reasons:?}");
        assert_eq!(proxy.upstream.requests(), round);
    }
    assert_eq!(proxy.workers(), 2, "the test says nothing if one worker decided alone");
}

/// What the comments of the shipped configurations warn of.
#[test]
fn in_envoy_without_a_vm_id_each_worker_accepts_a_proof_once_and_the_log_says_so() {
    let Some(binary) = support::envoy() else { return };
    let proxy = Proxy::start(&binary, "", "none");
    let reasons = proxy.send_each(&vec![Client::new().request(None); CONNECTIONS]);
    assert_eq!((count(&reasons, ""), proxy.workers()), (2, 2), "{reasons:?}");
    assert_eq!(count(&reasons, "proof_replayed"), CONNECTIONS - 2, "{reasons:?}");
    let log = proxy.envoy.log();
    assert!(log.contains("each worker remembers for itself which proofs"), "{}", proxy.envoy.log_tail());
}

#[test]
fn in_envoy_different_proofs_pass_at_the_same_time() {
    let Some(binary) = support::envoy() else { return };
    let proxy = Proxy::start(&binary, "mandate", "none");
    let client = Client::new();
    let requests: Vec<Request> = (0..CONNECTIONS).map(|_| client.request(None)).collect();
    let reasons = proxy.send_each(&requests);
    assert_eq!(count(&reasons, ""), CONNECTIONS, "{reasons:?}\n{}", proxy.envoy.log_tail());
    assert_eq!(proxy.workers(), 2);
}

#[test]
fn in_envoy_a_nonce_of_one_worker_is_good_for_the_other() {
    let Some(binary) = support::envoy() else { return };
    let proxy = Proxy::start(&binary, "mandate", "required");
    let client = Client::new();
    let without = client.request(None);
    let answer = client::blocking::send(proxy.envoy.listener().unwrap(), &without).unwrap();
    assert_eq!((answer.status, support::reason(&answer).as_deref()), (401, Some("proof_nonce_required")));
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("DPoP error=\"use_dpop_nonce\""), "{challenge}");
    let nonce = answer.header("dpop-nonce").unwrap();
    let requests: Vec<Request> = (0..CONNECTIONS).map(|_| client.request(Some(nonce))).collect();
    let reasons = proxy.send_each(&requests);
    assert_eq!(count(&reasons, ""), CONNECTIONS, "{reasons:?}\n{}", proxy.envoy.log_tail());
    assert_eq!(proxy.workers(), 2);
}
