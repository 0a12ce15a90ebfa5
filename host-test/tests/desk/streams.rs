#[path = "../support/streams.rs"]
mod how;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use how::assert_streams;
use mandate_harness::Filter;
use mandate_host::FILTER;
use mandate_host::client::{Request, stream};
use mandate_host::embedded::Embedded;
use mandate_host::tokens::{Algorithm, SigningKey, jwks};
use mandate_host::upstream::EventSource;
use serde_json::json;

fn embedded(upstream: SocketAddr) -> Embedded {
    let key = SigningKey::generate(Algorithm::EdDsa, "one").unwrap();
    let configuration = json!({
        "issuers": [{
            "issuer": "https://idp.example",
            "audiences": ["https://tools.example"],
            "algorithms": ["EdDSA"],
            "keys": { "inline": jwks(&[&key]) },
        }],
        "routes": [{ "match": { "path_prefix": "/" }, "anonymous": true }],
    });
    let filter = Filter::compile(FILTER).unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    Embedded::start(&filter, &configuration.to_string(), upstream, Vec::new(), listen).unwrap()
}

#[test]
fn the_event_source_says_what_it_is_told_when_it_is_told() {
    let events = EventSource::start().unwrap();
    assert_streams(events.address(), &Request::get("/"), &events);
}

#[test]
fn the_embedded_gateway_passes_a_stream_on_as_it_comes() {
    let events = EventSource::start().unwrap();
    let gateway = embedded(events.address());
    assert_streams(gateway.address(), &Request::get("/events"), &events);
}

#[test]
fn the_embedded_gateway_breaks_off_an_answer_that_its_upstream_breaks_off() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let gateway = embedded(listener.local_addr().unwrap());
    let upstream = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        // The request has no body and comes in one piece, or in several: its end does not matter here.
        assert_ne!(connection.read(&mut [0; 4096]).unwrap(), 0);
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut answer = stream(gateway.address(), &Request::get("/")).await.unwrap();
        let broken = loop {
            match answer.body.next().await {
                Ok(Some(bytes)) => assert!(b"half".starts_with(&bytes)),
                end => break end,
            }
        };
        assert!(broken.is_err(), "an answer that was cut must not look whole: {broken:?}");
    });
    upstream.join().unwrap();
}
