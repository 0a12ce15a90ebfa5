//! Key sets that are fetched: waiting, refreshing, rotating, failing, sharing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "keys/neighbours.rs"]
mod neighbours;
mod support;

use mandate_core::limits;
use mandate_harness::{Outcome, Request, Response, SharedData, StreamId, Vm};
use mandate_host::FILTER;
use mandate_host::client;
use mandate_host::envoy::{Envoy, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::issuer::{Behaviour, Issuer};
use mandate_host::tokens::{Algorithm, SigningKey, TokenBuilder, jwks};
use mandate_host::upstream::Upstream;
use std::time::{Duration, Instant};
use support::{claims, key, sign};

const NOW: u64 = 1_790_000_000;
const URI: &str = "http://idp.example/jwks.json";

fn machine(shared: &SharedData) -> Vm {
    let config = support::remote_configuration(URI).to_string();
    support::filter().vm().configuration(config).now(NOW).shared_data(shared.clone()).start().unwrap()
}

fn document(keys: &[&SigningKey]) -> Vec<u8> {
    jwks(keys).to_string().into_bytes()
}

fn with(token: &str) -> Request {
    Request::get("/v1/x").header("authorization", format!("Bearer {token}"))
}

/// A token for the time that the machine has now.
fn token(vm: &Vm, key: &SigningKey) -> String {
    TokenBuilder::new(claims(vm.now().as_nanos() / 1_000_000_000)).sign(key).unwrap()
}

fn reason(vm: &mut Vm, token: &str) -> Option<String> {
    let exchange = vm.send(with(token)).unwrap();
    assert!(exchange.outcome.is_final(), "{:?}", exchange.outcome);
    exchange.property("mandate.reason").map(str::to_owned)
}

/// Ticks, and answers the one call that follows.
fn fetch(vm: &mut Vm, answer: &[u8]) {
    vm.tick().unwrap();
    let calls = vm.calls();
    assert_eq!(calls.len(), 1, "exactly one fetch");
    assert_eq!(calls[0].cluster, "idp");
    assert_eq!(calls[0].headers.text(":path"), Some("/jwks.json"));
    vm.answer_call(calls[0].token, Response::new(200, answer)).unwrap();
}

fn ready(shared: &SharedData) -> Vm {
    let mut vm = machine(shared);
    fetch(&mut vm, &document(&[key(Algorithm::Es256)]));
    vm
}

fn waits(vm: &mut Vm, token: &str) -> StreamId {
    let exchange = vm.send(with(token)).unwrap();
    assert_eq!(exchange.outcome, Outcome::Paused);
    exchange.stream
}

#[test]
fn requests_that_come_before_the_first_keys_wait_for_them() {
    let mut vm = machine(&SharedData::new());
    let (good, bad) = (sign(claims(NOW)), mandate_host::tokens::forge(&sign(claims(NOW))).unwrap());
    let (first, second) = (waits(&mut vm, &bad), waits(&mut vm, &good));
    assert_eq!(vm.metric("mandate.requests.waiting"), Some(2));
    fetch(&mut vm, &document(&[key(Algorithm::Es256)]));
    let denied = vm.finish(first).unwrap();
    assert_eq!(denied.property("mandate.reason"), Some("signature_invalid"));
    assert!(vm.finish(second).unwrap().outcome.forwarded().is_some());
    assert_eq!(vm.metric("mandate.requests.waiting"), Some(0));
    assert_eq!(vm.metric("mandate.keys.refresh.success"), Some(1));
}

#[test]
fn what_never_needed_keys_does_not_wait_for_them() {
    let mut vm = machine(&SharedData::new());
    assert!(vm.send(Request::get("/healthz")).unwrap().outcome.forwarded().is_some());
    assert_eq!(vm.send(Request::get("/v1/x")).unwrap().property("mandate.reason"), Some("token_missing"));
}

#[test]
fn a_fetch_that_fails_denies_those_who_wait_at_once() {
    let mut vm = machine(&SharedData::new());
    let stream = waits(&mut vm, &sign(claims(NOW)));
    vm.tick().unwrap();
    let call = vm.calls()[0].token;
    vm.fail_call(call).unwrap();
    let exchange = vm.finish(stream).unwrap();
    assert_eq!(exchange.property("mandate.reason"), Some("keys_unavailable"));
    assert_eq!(exchange.outcome.status(), Some(503));
    // Until the next attempt is due, nobody waits in vain.
    assert_eq!(reason(&mut vm, &sign(claims(NOW))).as_deref(), Some("keys_unavailable"));
    assert_eq!(vm.metric("mandate.keys.refresh.failure"), Some(1));
}

#[test]
fn a_fetch_that_never_ends_denies_those_who_wait_after_a_bounded_time() {
    let mut vm = machine(&SharedData::new());
    let stream = waits(&mut vm, &sign(claims(NOW)));
    let started = vm.now().as_nanos();
    while !vm.outcome(stream).unwrap().is_final() {
        vm.tick().unwrap();
        vm.advance(Duration::from_millis(50));
        assert!(vm.now().as_nanos() - started < 3_000_000_000, "it still waits after three seconds");
    }
    assert_eq!(vm.finish(stream).unwrap().property("mandate.reason"), Some("keys_unavailable"));
}

#[test]
fn only_so_many_requests_wait() {
    let mut vm = machine(&SharedData::new());
    let good = sign(claims(NOW));
    let from = |request: usize| format!("10.0.{}.{}:4711", request / 250, request % 250);
    for request in 0..limits::WAITING_REQUESTS {
        let exchange = vm.send(with(&good).property("source.address", from(request))).unwrap();
        assert_eq!(exchange.outcome, Outcome::Paused);
    }
    let exchange = vm.send(with(&good).property("source.address", from(limits::WAITING_REQUESTS))).unwrap();
    assert_eq!(exchange.property("mandate.reason"), Some("keys_unavailable"));
}

#[test]
fn one_client_with_forged_tokens_keeps_no_good_token_out() {
    let mut vm = machine(&SharedData::new());
    let good = sign(claims(NOW));
    let forged = mandate_host::tokens::forge(&good).unwrap();
    let mut waiting = 0;
    for port in 0..limits::WAITING_REQUESTS {
        let from = format!("192.0.2.1:{}", 1024 + port);
        let exchange = vm.send(with(&forged).property("source.address", from)).unwrap();
        waiting += usize::from(exchange.outcome == Outcome::Paused);
    }
    assert_eq!(waiting, limits::WAITING_SOURCE_REQUESTS);
    let other = vm.send(with(&good).property("source.address", "192.0.2.2:1024")).unwrap();
    assert_eq!(other.outcome, Outcome::Paused);
    fetch(&mut vm, &document(&[key(Algorithm::Es256)]));
    // In the first callback, though all the forged ones came before; not all of those are looked at in it.
    assert!(vm.finish(other.stream).unwrap().outcome.forwarded().is_some());
    assert!(vm.metric("mandate.requests.waiting").unwrap() > 0);
}

#[test]
fn those_who_wait_take_bounded_memory_whatever_they_send() {
    let mut vm = machine(&SharedData::new());
    // Nothing is dearer to keep in memory, byte for byte, than JSON objects in objects.
    let deep = |levels: usize| format!("{}0{}", "{\"\":".repeat(levels), "}".repeat(levels));
    let many = vec![deep(28); 30].join(",");
    let claims = format!(r#"{{"iss":"{}","a":[{many}]}}"#, support::ISSUER);
    let header = serde_json::json!({ "alg": "ES256", "typ": "at+jwt", "kid": "any" });
    let hostile = mandate_host::tokens::unsigned(&header, claims.as_bytes()) + "AAAA";
    let padding = vec![b'a'; 50_000];
    let (mut waiting, mut denied) = (0, 0);
    for request in 0..limits::WAITING_REQUESTS {
        let from = format!("10.0.{}.{}:4711", request / 250, request % 250);
        let hostile = with(&hostile).property("source.address", from);
        let exchange = vm.send(hostile.header("x-padding", padding.clone())).unwrap();
        match exchange.property("mandate.reason") {
            None => waiting += 1,
            Some(reason) => {
                assert_eq!(reason, "keys_unavailable");
                denied += 1;
            }
        }
    }
    assert!(waiting > 100 && denied > 100, "{waiting} wait, {denied} were denied");
    assert!(vm.memory_size() < 32 << 20, "{} bytes", vm.memory_size());
}

#[test]
fn a_client_that_goes_away_is_waited_for_no_more() {
    let mut vm = machine(&SharedData::new());
    let stream = waits(&mut vm, &sign(claims(NOW)));
    vm.finish(stream).unwrap();
    assert_eq!(vm.metric("mandate.requests.waiting"), Some(0));
    fetch(&mut vm, &document(&[key(Algorithm::Es256)]));
    assert_eq!(vm.violations(), []);
}

#[test]
fn bad_answers_never_replace_good_keys_until_these_are_too_old() {
    for bad in [b"".as_slice(), b"{}", br#"{"keys":[]}"#, b"<html>", br#"{"keys":[{"kty":"oct","k":"AA"}]}"#]
    {
        let mut vm = ready(&SharedData::new());
        vm.advance(Duration::from_secs(61));
        fetch(&mut vm, bad);
        let now_token = token(&vm, key(Algorithm::Es256));
        assert_eq!(reason(&mut vm, &now_token), None, "the last good set is kept");
        // `stale_s` of the configuration is 600.
        vm.advance(Duration::from_secs(538));
        let now_token = token(&vm, key(Algorithm::Es256));
        assert_eq!(reason(&mut vm, &now_token), None, "599 seconds old");
        vm.advance(Duration::from_secs(2));
        let now_token = token(&vm, key(Algorithm::Es256));
        let stream = waits(&mut vm, &now_token);
        fetch(&mut vm, bad);
        let exchange = vm.finish(stream).unwrap();
        assert_eq!(exchange.property("mandate.reason"), Some("keys_unavailable"), "601 seconds old");
    }
}

#[test]
fn an_unknown_kid_asks_for_new_keys_once_in_half_a_minute() {
    let mut vm = ready(&SharedData::new());
    let next = SigningKey::generate(Algorithm::Es256, "next").unwrap();
    let nobody = SigningKey::generate(Algorithm::Es256, "nobody").unwrap();
    // The issuer has rotated: the first token of the new key finds it.
    let rotated = token(&vm, &next);
    let stream = waits(&mut vm, &rotated);
    fetch(&mut vm, &document(&[&next]));
    assert!(vm.finish(stream).unwrap().outcome.forwarded().is_some());
    // A key that nobody has is refused at once, and no fetch follows.
    let unknown = token(&vm, &nobody);
    assert_eq!(reason(&mut vm, &unknown).as_deref(), Some("key_unknown"));
    vm.tick().unwrap();
    assert_eq!(vm.calls(), []);
    // The old key is gone, and with it what was verified with it.
    let retired = token(&vm, key(Algorithm::Es256));
    assert_eq!(reason(&mut vm, &retired).as_deref(), Some("key_unknown"));
    // After half a minute one more look is taken.
    vm.advance(Duration::from_secs(30));
    let unknown = token(&vm, &nobody);
    let stream = waits(&mut vm, &unknown);
    fetch(&mut vm, &document(&[&next]));
    assert_eq!(vm.finish(stream).unwrap().property("mandate.reason"), Some("key_unknown"));
}

#[test]
fn a_token_that_was_verified_before_is_denied_when_its_key_is_withdrawn() {
    let mut vm = ready(&SharedData::new());
    let seen = sign(claims(NOW));
    assert_eq!(reason(&mut vm, &seen), None);
    assert_eq!(reason(&mut vm, &seen), None);
    vm.tick().unwrap();
    assert_eq!(vm.metric("mandate.tokens.cache.hit"), Some(1));
    vm.advance(Duration::from_secs(61));
    let next = SigningKey::generate(Algorithm::Es256, "next").unwrap();
    fetch(&mut vm, &document(&[&next]));
    let stream = waits(&mut vm, &seen);
    fetch(&mut vm, &document(&[&next]));
    assert_eq!(vm.finish(stream).unwrap().property("mandate.reason"), Some("key_unknown"));
}

#[test]
fn each_worker_fetches_for_itself() {
    let shared = SharedData::new();
    let (mut first, mut second) = (ready(&shared), machine(&shared));
    let good = token(&first, key(Algorithm::Es256));
    assert_eq!(reason(&mut first, &good), None);
    let stream = waits(&mut second, &good);
    fetch(&mut second, &document(&[key(Algorithm::Es256)]));
    assert!(second.finish(stream).unwrap().outcome.forwarded().is_some());
}

#[test]
fn a_new_configuration_takes_over_the_keys_of_the_one_before() {
    let mut vm = ready(&SharedData::new());
    let good = token(&vm, key(Algorithm::Es256));
    assert!(!vm.update("{}").unwrap(), "a wrong one is refused");
    assert_eq!(reason(&mut vm, &good), None, "and the one before stays in force");
    let mut config = support::remote_configuration(URI);
    config["audit"] = serde_json::json!({ "log": "all" });
    assert!(vm.update(config.to_string()).unwrap());
    assert_eq!(reason(&mut vm, &good), None, "nothing was fetched anew");
    config["issuers"][0]["keys"]["remote"]["uri"] = serde_json::json!("http://idp.example/other.json");
    assert!(vm.update(config.to_string()).unwrap());
    waits(&mut vm, &good);
}

#[test]
fn in_envoy_two_workers_follow_a_rotation_and_outlive_an_outage() {
    let Some(binary) = support::envoy() else { return };
    let old = key(Algorithm::Es256);
    let issuer = Issuer::named(support::ISSUER, jwks(&[old])).unwrap();
    let upstream = Upstream::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("mandate.wasm");
    std::fs::write(&module, FILTER).unwrap();
    let config = support::remote_configuration(&issuer.keys_url()).to_string();
    let setup = EnvoySetup::new(upstream.address()).filter(module, config).cluster("idp", issuer.address());
    let options = EnvoyOptions { concurrency: 2, ..EnvoyOptions::default() };
    let envoy = Envoy::start(&binary, &envoy_config(&setup).to_string(), &options).unwrap();
    let listener = envoy.listener().unwrap();
    let send =
        |token: &str| client::blocking::send(listener, &client::Request::get("/v1/x").bearer(token)).unwrap();
    let fresh = |key: &SigningKey| TokenBuilder::new(claims(support::now())).sign(key).unwrap();

    // Each request is a new connection, so that both workers get their share.
    for _ in 0..20 {
        assert_eq!(send(&fresh(old)).status, 200, "{}", envoy.log_tail());
    }
    // Two workers and the main thread run the module.
    assert!((1..=3).contains(&issuer.requests()), "{} fetches", issuer.requests());

    let before = issuer.requests();
    let next = SigningKey::generate(Algorithm::Es256, "next").unwrap();
    issuer.set_keys(jwks(&[&next]));
    for _ in 0..20 {
        assert_eq!(send(&fresh(&next)).status, 200, "{}", envoy.log_tail());
    }
    let fetches = issuer.requests() - before;
    assert!((1..=2).contains(&fetches), "{fetches} fetches, one for each worker that saw the new key");
    let started = Instant::now();
    while send(&fresh(old)).status == 200 {
        assert!(started.elapsed() < Duration::from_secs(5), "a worker still trusts the withdrawn key");
    }

    // Counted by Envoy, over all workers, which hand their counts over once a second.
    let stat = |name: &str| envoy.stat(&format!("wasmcustom.mandate.{name}")).unwrap().unwrap_or(0);
    let handed_over = || stat("decisions.allow") >= 30 && stat("decisions.deny.key_unknown") >= 1;
    let started = Instant::now();
    while !handed_over() {
        assert!(started.elapsed() < Duration::from_secs(10), "the counts do not arrive");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(stat("keys.refresh.success"), issuer.requests());

    issuer.behave(Behaviour::Status(500));
    let nobody = SigningKey::generate(Algorithm::Es256, "nobody").unwrap();
    let denied = send(&fresh(&nobody));
    assert_eq!((denied.status, support::reason(&denied).as_deref()), (401, Some("key_unknown")));
    assert_eq!(send(&fresh(&next)).status, 200, "an outage of the issuer is none of ours");
}
