//! OAuth clients that make DPoP proofs (RFC 9449) by themselves: they get through with the key that their token is bound to, and with
//! nobody else's.

use super::gateway::Gateway;
use super::servers;
use crate::support;
use mandate_host::tokens::{Algorithm, SigningKey, TokenBuilder};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// One of the clients in `servers/`: what it prints for a URL, a token and a key.
type Library = fn(&str, &str, &str) -> Option<String>;

const LIBRARIES: [(&str, Library); 2] =
    [("python", servers::dpop_python_client), ("javascript", servers::dpop_javascript_client)];

const STOLEN: [(&str, u64, &str); 2] = [
    ("stolen, as a bearer token", 401, "proof_required"),
    ("stolen, with another key", 401, "proof_invalid"),
];
const OWN: [&str; 4] = ["first", "second", "with a query", "post"];

/// A gateway with this mode of nonces, and its address, which proofs name. `None` where a part of it cannot be had.
fn gateway(nonce: &str) -> Option<(Gateway, String)> {
    let starlette = servers::starlette()?;
    // Proofs have the port in it, so it must be known before: one that was free a moment ago.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let origin = format!("http://127.0.0.1:{free}");
    let routes =
        json!([{ "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"], "proof": "required" }]);
    let proofs = json!({ "external_uris": [origin], "dpop": { "nonce": nonce } });
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free));
    let gateway = Gateway::listening(at, &routes, &[("proofs", proofs)], &[("starlette", starlette)])?;
    Some((gateway, format!("{origin}/v1/dpop")))
}

/// A key of a client, as it has it, and a token that is bound to it.
fn bound() -> (String, String) {
    let key = SigningKey::generate(Algorithm::Es256, "client").unwrap();
    let claims = support::through(support::now(), &["agent:1"]).bound_to(&key).unwrap();
    let token = TokenBuilder::new(claims).sign(support::key(Algorithm::Es256)).unwrap();
    (key.private_jwk(), token)
}

fn lines(printed: &str) -> Vec<(String, u64, String)> {
    let read = |line: &str| -> (String, u64, String) { serde_json::from_str(line).unwrap() };
    printed.lines().map(read).collect()
}

/// Stolen, a token is worth nothing; with its key, each request has an answer.
fn assert_seen(name: &str, library: Library, gateway: &Gateway, url: &str) -> bool {
    let (key, token) = bound();
    let Some(printed) = library(url, &token, &key) else { return false };
    let seen = lines(&printed);
    let seen: Vec<(&str, u64, &str)> = seen.iter().map(|(a, b, c)| (a.as_str(), *b, c.as_str())).collect();
    let expected: Vec<(&str, u64, &str)> =
        STOLEN.into_iter().chain(OWN.into_iter().map(|what| (what, 200, ""))).collect();
    assert_eq!(seen, expected, "{name}\n{}", gateway.log());
    let starlette = servers::starlette().unwrap();
    for (what, ..) in STOLEN {
        assert_eq!(starlette.ran(&format!("{name} {what}")), [Value::Null; 0], "{name} {what}");
    }
    true
}

#[test]
fn a_stolen_token_does_not_get_through_and_its_owner_does() {
    let Some((gateway, url)) = gateway("none") else { return };
    for (name, library) in LIBRARIES {
        if !assert_seen(name, library, &gateway, &url) {
            continue;
        }
        let ran = servers::starlette().unwrap().ran(&format!("{name} post"));
        let ran = ran.last().unwrap();
        assert_eq!((&ran["handler"], &ran["method"]), (&json!("dpop"), &json!("POST")), "{name}");
        assert_eq!(ran["principal"], "user:alice", "{name}");
        // The upstream cannot use them, nor lose them.
        let headers = ran["headers"].as_object().unwrap();
        assert!(
            !headers.contains_key("dpop") && !headers.contains_key("authorization"),
            "{name}: {headers:?}"
        );
    }
    // Nobody was asked for a nonce.
    assert_eq!(gateway.reasons("proof_nonce_required"), 0, "{}", gateway.log());
}

#[test]
fn clients_take_the_nonce_that_they_are_given_and_go_on() {
    for (name, library) in LIBRARIES {
        let Some((gateway, url)) = gateway("required") else { return };
        if !assert_seen(name, library, &gateway, &url) {
            continue;
        }
        // The thief and the owner were asked once each: nonces live for minutes.
        assert_eq!(gateway.reasons("proof_nonce_required"), 2, "{name}\n{}", gateway.log());
        assert_eq!(gateway.reasons("proof_invalid"), 1, "{name}\n{}", gateway.log());
    }
}
