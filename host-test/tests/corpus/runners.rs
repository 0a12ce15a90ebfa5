//! The three runners. Each reports the same things, so that they can be compared.

use super::cases::Case;
use mandate_core::config::Config;
use mandate_core::decision::Reply;
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::Headers;
use mandate_core::http::RequestHead;
use mandate_core::http::ReservedHeaders;
use mandate_core::keys::InModule;
use mandate_core::policy::NoPolicies;
use mandate_core::time::UnixTime;
use mandate_harness::{Filter, Outcome};
use mandate_host::FILTER;
use mandate_host::decide::RequestFile;
use mandate_host::envoy::{Envoy, EnvoyBinary, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::upstream::Upstream;
use mandate_host::{client, decide};
use serde_json::Value;
use std::net::SocketAddr;

/// What became of a request, without what must differ: the decision's id, and what the proxy itself adds.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    pub status: Option<u16>,
    pub reason: Option<String>,
    pub challenge: Option<String>,
    pub body: Option<Value>,
    pub upstream: Option<Received>,
}

/// What the upstream got: the path, the credential, and every header under our prefix.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn new(path: &str, headers: impl Iterator<Item = (String, String)>) -> Self {
        let reserved = ReservedHeaders::default();
        let mut headers: Vec<_> = headers
            .filter(|(name, _)| reserved.contains(name) || name == "authorization")
            .map(|(name, value)| match name.as_str() {
                "x-mandate-decision" => (name, "(an id)".to_owned()),
                _ => (name, value),
            })
            .collect();
        headers.sort();
        Self { path: path.to_owned(), headers }
    }
}

impl Observed {
    fn allowed(upstream: Received) -> Self {
        Self { status: None, reason: None, challenge: None, body: None, upstream: Some(upstream) }
    }

    fn denied(status: u16, challenge: Option<&str>, body: &[u8]) -> Self {
        let mut body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let id = body.as_object_mut().and_then(|members| members.remove("decision"));
        assert!(
            id.is_some_and(|id| id.as_str().is_some_and(|id| id.len() > 17)),
            "a denial names its decision"
        );
        let reason = body["code"].as_str().map(str::to_owned);
        Self {
            status: Some(status),
            reason,
            challenge: challenge.map(str::to_owned),
            body: Some(body),
            upstream: None,
        }
    }
}

pub fn core(config: &Value, case: &Case, now: u64) -> Observed {
    let config = Config::parse(config.to_string().as_bytes()).unwrap();
    let mut gate = Gate::new(config, Box::new(NoPolicies), [7; 16]).unwrap();
    let mut headers: Headers = case.request.to_request().headers.into();
    headers.retain(|name| !gate.reserved().contains(name));
    let mut flow = Flow::new("0123456789abcdef-1".to_owned(), RequestHead::new(headers.clone()));
    let Step::Done(decision) = flow.advance(&mut gate, &InModule, UnixTime::from_secs(now)) else {
        panic!("inline keys never wait");
    };
    match Reply::new(&decision, Some(gate.config())) {
        Reply::Local(answer) => {
            let challenge =
                answer.headers.iter().find(|(n, _)| *n == "www-authenticate").map(|(_, v)| v.as_str());
            Observed::denied(answer.status, challenge, &answer.body)
        }
        Reply::Forward(forward) => {
            headers.retain(|name| !forward.remove.iter().any(|removed| removed.as_bytes() == name));
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            let kept = headers.iter().map(|(n, v)| (text(n), text(v)));
            let added = forward.add.iter().map(|(n, v)| (n.to_string(), (*v).to_owned()));
            let path = forward.path.unwrap_or_else(|| case.request.path.clone());
            Observed::allowed(Received::new(&path, kept.chain(added)))
        }
    }
}

pub fn harness(filter: &Filter, config: &Value, case: &Case, now: u64) -> Observed {
    let mut vm = filter.vm().configuration(config.to_string()).now(now).start().unwrap();
    let exchange = decide::settle(&mut vm, case.request.to_request(), None).unwrap();
    match exchange.outcome {
        Outcome::LocalReply(reply) => {
            let status = u16::try_from(reply.status).unwrap();
            Observed::denied(status, reply.headers.text("www-authenticate"), &reply.body)
        }
        Outcome::Forwarded(forwarded) => {
            let path = forwarded.headers.text(":path").unwrap().to_owned();
            let headers = forwarded
                .headers
                .iter()
                .map(|(n, v)| (n.to_owned(), String::from_utf8_lossy(v).into_owned()));
            Observed::allowed(Received::new(&path, headers))
        }
        other => panic!("{}: {other:?}: {:?}", case.name, vm.logs()),
    }
}

/// A real Envoy with the module, in front of a real upstream.
pub struct Gateway {
    envoy: Envoy,
    address: SocketAddr,
    upstream: Upstream,
    _module: tempfile::TempDir,
}

impl Gateway {
    pub fn start(binary: &EnvoyBinary, config: &Value) -> Self {
        let module = tempfile::tempdir().unwrap();
        let path = module.path().join("mandate.wasm");
        std::fs::write(&path, FILTER).unwrap();
        let upstream = Upstream::start().unwrap();
        let setup = EnvoySetup::new(upstream.address()).filter(path, config.to_string());
        let envoy =
            Envoy::start(binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
        let address = envoy.listener().unwrap();
        Self { envoy, address, upstream, _module: module }
    }

    pub fn send(&self, case: &Case) -> Observed {
        self.upstream.forget();
        let response = client::blocking::send(self.address, &on_the_wire(&case.request)).unwrap();
        let received = self.upstream.received();
        match received.last() {
            None => {
                assert!(response.status >= 400, "{}: {response:?}\n{}", case.name, self.envoy.log_tail());
                Observed::denied(response.status, response.header("www-authenticate"), &response.body)
            }
            Some(got) => {
                assert_eq!((response.status, received.len()), (200, 1), "{}", case.name);
                let headers =
                    got.headers.iter().map(|(n, v)| (n.clone(), String::from_utf8_lossy(v).into_owned()));
                Observed::allowed(Received::new(&got.path, headers))
            }
        }
    }
}

fn on_the_wire(request: &RequestFile) -> client::Request {
    let start = client::Request::new(&request.method, request.path.as_bytes());
    let headers = request.headers.iter();
    let mut wire = headers.fold(start, |wire, (name, value)| wire.header(name.as_bytes(), value.as_bytes()));
    wire.body = request.body.clone().unwrap_or_default().into_bytes();
    wire
}
