use std::time::{Duration, Instant};

use mandate_host::client::{ClientError, Request, blocking};
use mandate_host::issuer::{Behaviour, Issuer};
use mandate_host::tokens::{Algorithm, SigningKey, jwks};
use mandate_host::upstream::Upstream;
use serde_json::json;

fn keys(kid: &str) -> serde_json::Value {
    jwks(&[&SigningKey::generate(Algorithm::EdDsa, kid).unwrap()])
}

#[test]
fn the_upstream_says_back_what_reached_it() {
    let upstream = Upstream::start().unwrap();
    let request = Request::post("/v1/a%20b?q=1&q=2", "hello")
        .header("X-One", "1")
        .header("x-two", "a")
        .header("x-two", "b")
        .header("host", "tools.example");
    let answer = blocking::send(upstream.address(), &request).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json().unwrap(),
        json!({ "method": "POST", "path": "/v1/a%20b?q=1&q=2", "body": "hello", "headers": [
            ["content-length", "5"], ["x-one", "1"], ["x-two", "a"], ["x-two", "b"],
            ["host", "tools.example"], ["connection", "close"]] })
    );
    let received = upstream.received();
    assert_eq!((upstream.requests(), received.len()), (1, 1));
    assert_eq!(received[0].header("x-two"), Some("a"));
    upstream.forget();
    assert_eq!((upstream.requests(), upstream.connections(), upstream.received().len()), (0, 0, 0));
}

#[test]
fn the_upstream_keeps_a_connection_open() {
    let upstream = Upstream::start().unwrap();
    let requests: Vec<Request> = (0..5).map(|i| Request::get(format!("/{i}"))).collect();
    let answers = blocking::send_all(upstream.address(), &requests).unwrap();
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 5);
    assert_eq!((upstream.requests(), upstream.connections()), (5, 1));
    assert_eq!(upstream.received()[4].path, "/4");
}

#[test]
fn a_stopped_server_is_gone_at_once_even_with_an_open_connection() {
    let upstream = Upstream::start().unwrap();
    let address = upstream.address();
    let idle = std::net::TcpStream::connect(address).unwrap();
    blocking::send(address, &Request::get("/")).unwrap();
    let began = Instant::now();
    drop(upstream);
    assert!(began.elapsed() < Duration::from_secs(2));
    assert!(matches!(blocking::send(address, &Request::get("/")), Err(ClientError::Connect { .. })));
    drop(idle);
}

#[test]
fn the_issuer_publishes_its_keys_and_metadata() {
    let issuer = Issuer::start(keys("one")).unwrap();
    let answer = blocking::send(issuer.address(), &Request::get("/jwks.json?x")).unwrap();
    assert_eq!(answer.json().unwrap()["keys"][0]["kid"], "one");
    let metadata = blocking::send(issuer.address(), &Request::get("/.well-known/oauth-authorization-server"));
    assert_eq!(
        metadata.unwrap().json().unwrap(),
        json!({ "issuer": issuer.name(), "jwks_uri": issuer.keys_url() })
    );
    assert_eq!(issuer.name(), format!("http://{}", issuer.address()));
    assert_eq!(blocking::send(issuer.address(), &Request::get("/x")).unwrap().status, 404);
    assert_eq!(issuer.requests(), 3);
    assert_eq!(issuer.received()[0].path, "/jwks.json?x");
}

#[test]
fn the_issuer_rotates_its_keys() {
    let issuer = Issuer::named("https://idp.example", keys("one")).unwrap();
    let kid = || {
        let answer = blocking::send(issuer.address(), &Request::get("/jwks.json")).unwrap();
        answer.json().unwrap()["keys"][0]["kid"].as_str().unwrap().to_owned()
    };
    assert_eq!(kid(), "one");
    issuer.set_keys(keys("two"));
    assert_eq!(kid(), "two");
    assert_eq!(issuer.name(), "https://idp.example");
}

#[test]
fn the_issuer_fails_as_told_and_recovers() {
    let issuer = Issuer::start(keys("one")).unwrap();
    let ask = || blocking::send(issuer.address(), &Request::get("/jwks.json"));
    issuer.behave(Behaviour::Status(500));
    assert_eq!(ask().unwrap().status, 500);
    issuer.behave(Behaviour::Body(Vec::new()));
    let empty = ask().unwrap();
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    issuer.behave(Behaviour::Body(b"<html>".to_vec()));
    assert!(ask().unwrap().json().is_err());
    issuer.behave(Behaviour::Close);
    assert!(matches!(ask(), Err(ClientError::Answer(_))));
    issuer.behave(Behaviour::Slow(Duration::from_millis(300)));
    let began = Instant::now();
    assert_eq!(ask().unwrap().status, 200);
    assert!(began.elapsed() >= Duration::from_millis(300));
    issuer.behave(Behaviour::Serve);
    assert_eq!(ask().unwrap().json().unwrap()["keys"][0]["kid"], "one");
    assert_eq!(issuer.requests(), 6);
}

#[test]
fn servers_and_the_blocking_client_may_be_used_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let upstream = Upstream::start().unwrap();
        assert_eq!(blocking::send(upstream.address(), &Request::get("/")).unwrap().status, 200);
        let answer = mandate_host::client::send(upstream.address(), &Request::get("/")).await;
        assert_eq!(answer.unwrap().status, 200);
    });
}
