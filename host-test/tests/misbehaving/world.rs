//! One bundle of all policies of these tests, and three ways to ask it: the harness, a real Envoy, and the oracle.

use crate::support;
use mandate_core::config::Config;
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::policy::Policies;
use mandate_core::time::UnixTime;
use mandate_harness::{Filter, LogLine, Outcome, Request, Vm};
use mandate_host::FILTER;
use mandate_host::client;
use mandate_host::envoy::{Envoy, EnvoyBinary, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::filter_log::Entry;
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A request to one entry of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub entry: String,
    /// What the policy is told to do; 0 says nothing to it.
    pub mode: usize,
}

impl Ask {
    pub fn new(entry: impl Into<String>, mode: usize) -> Self {
        Self { entry: entry.into(), mode }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("authorization", format!("Bearer {}", token()))];
        if self.mode > 0 {
            headers.push(("x-mode", self.mode.to_string()));
        }
        headers
    }

    fn path(&self) -> String {
        format!("/{}/x", self.entry)
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub allowed: bool,
    pub reason: Option<String>,
    /// The id of the decision.
    pub id: String,
    /// The one policy in the audit record.
    pub record: Value,
    /// What the audit record has from policies.
    pub obligations: Value,
}

impl Seen {
    pub fn verdict(&self) -> &str {
        self.record["verdict"].as_str().unwrap_or("none")
    }

    pub fn code(&self) -> Option<&str> {
        self.record["code"].as_str()
    }

    pub fn fuel(&self) -> u64 {
        self.record["fuel"].as_u64().unwrap_or_else(|| panic!("without fuel: {self:?}"))
    }

    /// The half of the id that a VM chooses when it starts.
    pub fn vm(&self) -> &str {
        self.id.split_once('-').unwrap().0
    }
}

/// One token for all, so that what depends on its length is the same everywhere.
fn token() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| support::sign(support::through(support::now(), &["agent:one", "agent:two"])))
}

/// The filter with these policies in it.
pub fn link(policies: &[(String, Vec<u8>)]) -> Vec<u8> {
    let policies: Vec<_> =
        policies.iter().map(|(name, component)| mandate_link::Policy { name, component }).collect();
    mandate_link::link(FILTER, &policies).unwrap()
}

/// A configuration of these entries, each with a route of its own.
pub fn configuration(entries: &[Value]) -> Value {
    let mut config = support::configuration();
    let routes = entries.iter().map(|entry| {
        let name = entry["name"].as_str().unwrap();
        json!({ "match": { "path_prefix": format!("/{name}") }, "scopes": [], "policies": [name] })
    });
    config["routes"] = routes.collect();
    config["policies"] = json!(entries);
    config
}

/// Starts a machine, which says what it thinks of its configuration.
pub fn start(filter: &Filter, config: &Value) -> Vm {
    let vm = filter.vm().configuration(config.to_string()).now(support::now());
    // A proxy that goes on with a filter that said no is denied everything.
    vm.go_on_refused(true).start().unwrap()
}

/// What it thinks.
pub fn complaints(vm: &Vm) -> Vec<String> {
    vm.logs().iter().filter_map(|line| Entry::of(&line.message).configuration()).map(str::to_owned).collect()
}

/// Asks a machine, which has to live on. The log is what the filter wrote on the way.
pub fn ask_vm(vm: &mut Vm, ask: &Ask) -> (Seen, Vec<LogLine>) {
    let mut request = Request::get(&ask.path());
    for (name, value) in ask.headers() {
        request = request.header(name, value);
    }
    vm.take_logs();
    let exchange = vm.send(request).unwrap();
    let log = vm.take_logs();
    let (allowed, id) = match &exchange.outcome {
        Outcome::Forwarded(forwarded) => {
            (true, forwarded.headers.text("x-mandate-decision").unwrap().to_owned())
        }
        Outcome::LocalReply(reply) => {
            let body: Value = serde_json::from_slice(&reply.body).unwrap();
            (false, body["decision"].as_str().unwrap().to_owned())
        }
        other => panic!("{ask:?}: {other:?}"),
    };
    let reason = exchange.property("mandate.reason").map(str::to_owned);
    let audit = log.iter().rev().find_map(|line| Entry::of(&line.message).audit()).unwrap();
    (seen(allowed, reason, id, &audit), log)
}

pub fn on_harness(vm: &mut Vm, asks: &[Ask]) -> Vec<Seen> {
    asks.iter().map(|ask| ask_vm(vm, ask).0).collect()
}

fn seen(allowed: bool, reason: Option<String>, id: String, audit: &Value) -> Seen {
    assert_eq!(audit["result"], if allowed { "allow" } else { "deny" }, "{audit}");
    assert_eq!(audit["reason"].as_str(), reason.as_deref(), "{audit}");
    assert_eq!(audit["decision"], id.as_str(), "{audit}");
    let (record, obligations) = (audit["policies"][0].clone(), audit["obligations"].clone());
    Seen { allowed, reason, id, record, obligations }
}

/// A real Envoy with one worker.
pub struct Proxy {
    pub envoy: Envoy,
    _upstream: Upstream,
    _module: tempfile::TempDir,
}

impl Proxy {
    pub fn start(binary: &EnvoyBinary, bundle: &[u8], config: &Value) -> Self {
        Self::start_behind(binary, bundle, &[], config)
    }

    /// With the same module before it under other configurations: Envoy has all of them share a virtual machine.
    pub fn start_behind(binary: &EnvoyBinary, bundle: &[u8], before: &[Value], config: &Value) -> Self {
        let module = tempfile::tempdir().unwrap();
        let path = module.path().join("mandate.wasm");
        std::fs::write(&path, bundle).unwrap();
        let upstream = Upstream::start().unwrap();
        let setup = |config: &Value| EnvoySetup::new(upstream.address()).filter(&path, config.to_string());
        let first_filter = |setup: &EnvoySetup| {
            let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
            envoy_config(setup).pointer(manager).unwrap()["http_filters"][0].clone()
        };
        let filters = before.iter().map(|config| first_filter(&setup(config))).collect();
        let setup = EnvoySetup { filters_before: filters, ..setup(config) };
        let envoy =
            Envoy::start(binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
        Self { envoy, _upstream: upstream, _module: module }
    }

    pub fn ask(&self, asks: &[Ask]) -> Vec<Seen> {
        let requests: Vec<_> = asks
            .iter()
            .map(|ask| {
                let request = client::Request::get(ask.path());
                ask.headers().into_iter().fold(request, |request, (name, value)| request.header(name, value))
            })
            .collect();
        let responses = client::blocking::send_all(self.envoy.listener().unwrap(), &requests).unwrap();
        let audits = self.audits();
        asks.iter()
            .zip(responses)
            .map(|(ask, response)| {
                let body: Value = response
                    .json()
                    .unwrap_or_else(|_| panic!("{ask:?}: {response:?}\n{}", self.envoy.log_tail()));
                let allowed = response.status == 200;
                let id = if allowed {
                    upstream_header(&body, "x-mandate-decision")
                } else {
                    body["decision"].clone()
                };
                let id = id.as_str().unwrap_or_else(|| panic!("{ask:?}: {body}")).to_owned();
                let reason = body["code"].as_str().filter(|_| !allowed).map(str::to_owned);
                let audit = audits.get(&id).unwrap_or_else(|| panic!("{ask:?}: no audit record of {id}"));
                seen(allowed, reason, id, audit)
            })
            .collect()
    }

    /// The audit records in Envoy's log, by decision.
    pub fn audits(&self) -> BTreeMap<String, Value> {
        let log = self.envoy.log();
        // What the filter says begins behind the names of its plugin; what a policy says begins with the policy's name.
        let said = log.lines().filter_map(|line| Some(line.split_once("wasm log ")?.1.split_once(": ")?.1));
        let records = said.filter_map(|said| Entry::of(said).audit());
        records.map(|audit| (audit["decision"].as_str().unwrap().to_owned(), audit)).collect()
    }
}

/// A header of the request, as the upstream says it back.
fn upstream_header(echo: &Value, name: &str) -> Value {
    let headers = echo["headers"].as_array().unwrap();
    headers.iter().find(|header| header[0] == name).map_or(Value::Null, |header| header[1].clone())
}

/// The core with any policies, such as the oracle's.
pub fn on_core(policies: impl Policies + 'static, config: &Value, asks: &[Ask]) -> Vec<Seen> {
    let config = Config::parse(config.to_string().as_bytes()).unwrap();
    let mut gate = Gate::new(config, Box::new(policies), [7; 16]).unwrap();
    let one = |(position, ask): (usize, &Ask)| {
        let headers = [(":method", "GET".to_owned()), (":path", ask.path()), (":authority", "x".to_owned())];
        let headers = headers.into_iter().chain(ask.headers());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).collect::<Vec<_>>();
        let mut flow = Flow::new(format!("oracle-{position}"), RequestHead::new(headers));
        let Step::Done(decision) = flow.advance(&mut gate, &InModule, UnixTime::from_secs(support::now()))
        else {
            panic!("inline keys never wait");
        };
        let audit = mandate_core::decision::AuditRecord::new(&decision).to_json();
        let reason = decision.reason().map(|reason| reason.code().to_owned());
        seen(reason.is_none(), reason, decision.id().to_owned(), &serde_json::from_str(&audit).unwrap())
    };
    asks.iter().enumerate().map(one).collect()
}
