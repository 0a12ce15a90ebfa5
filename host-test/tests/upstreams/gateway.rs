//! One Envoy with the filter for each configuration, before servers that a request names.

use super::servers::Server;
use crate::support;
use mandate_core::config::Config;
use mandate_host::FILTER;
use mandate_host::client::{self, Request};
use mandate_host::envoy::{Envoy, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::filter_log::Entry;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

/// An Envoy in front of servers.
pub struct Gateway {
    envoy: Envoy,
    address: SocketAddr,
    servers: Vec<(&'static str, &'static Server)>,
    _module: tempfile::TempDir,
}

/// What became of a request.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    /// The reason in the answer's body.
    pub reason: Option<String>,
    /// The challenge in the answer.
    pub challenge: Option<String>,
    /// What ran for it in the server, with what it saw.
    pub ran: Vec<Value>,
}

impl Gateway {
    /// The configuration of [`support`] with these routes, and members to replace. `None` where there is no Envoy.
    pub fn start(
        routes: &Value,
        members: &[(&str, Value)],
        servers: &[(&'static str, &'static Server)],
    ) -> Option<Self> {
        Self::listening(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), routes, members, servers)
    }

    /// The same, at this address.
    pub fn listening(
        at: SocketAddr,
        routes: &Value,
        members: &[(&str, Value)],
        servers: &[(&'static str, &'static Server)],
    ) -> Option<Self> {
        let binary = support::envoy()?;
        let mut config = support::configuration();
        config["routes"] = routes.clone();
        for (member, value) in members {
            config[*member] = value.clone();
        }
        let module = tempfile::tempdir().unwrap();
        let path = module.path().join("mandate.wasm");
        std::fs::write(&path, FILTER).unwrap();
        let mut setup = EnvoySetup::new(servers[0].1.address).filter(path, config.to_string());
        if let Some(bytes) = Config::parse(config.to_string().as_bytes()).unwrap().body_bytes() {
            setup = setup.shows_held_bodies(bytes);
        }
        setup.listen = at;
        setup.clusters = servers.iter().map(|(name, server)| ((*name).to_owned(), server.address)).collect();
        setup.connection_manager = json!({
            // As Istio has it.
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "route_config": { "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": servers.iter().map(|(name, _)| json!({
                    "match": {
                        "prefix": "/",
                        "headers": [{ "name": "x-test-upstream", "string_match": { "exact": name } }],
                    },
                    "route": { "cluster": name },
                })).collect::<Value>(),
            }] },
        })
        .as_object()
        .unwrap()
        .clone();
        let envoy =
            Envoy::start(&binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
        let address = envoy.listener().unwrap();
        Some(Self { envoy, address, servers: servers.to_vec(), _module: module })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        self.envoy.log_tail()
    }

    /// How many requests were denied for this reason.
    pub fn reasons(&self, reason: &str) -> usize {
        let log = self.envoy.log();
        // The names of the plugin come before what it says.
        let said = |line| Some(str::split_once(line, "wasm log ")?.1.split_once(": ")?.1);
        let record = |line| Entry::of(said(line)?).audit();
        log.lines().filter_map(record).filter(|record| record["reason"] == reason).count()
    }

    /// The names of the servers behind it.
    pub fn servers(&self) -> impl Iterator<Item = &'static str> {
        self.servers.iter().map(|(name, _)| *name)
    }

    /// Sends a request to a server, as it is written.
    pub fn send(&self, server: &str, request: Request) -> Seen {
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        let id = REQUESTS.fetch_add(1, Ordering::Relaxed).to_string();
        let (_, behind) = self.servers.iter().find(|(name, _)| *name == server).unwrap();
        let request = request.header("x-test-upstream", server).header("x-test-request", id.as_str());
        let response = client::blocking::send(self.address, &request)
            .unwrap_or_else(|error| panic!("{request:?}: {error}\n{}", self.envoy.log_tail()));
        Seen {
            status: response.status,
            reason: support::reason(&response),
            challenge: response.header("www-authenticate").map(str::to_owned),
            ran: behind.ran(&id),
        }
    }
}

impl Seen {
    /// The handlers that ran.
    fn handlers(&self) -> Vec<&str> {
        self.ran.iter().map(|ran| ran["handler"].as_str().unwrap()).collect()
    }

    /// It was denied for this reason, and nothing ran.
    #[track_caller]
    pub fn assert_denied(&self, status: u16, reason: &str, what: &str) {
        let none: [&str; 0] = [];
        assert_eq!(
            (self.status, self.reason.as_deref(), self.handlers().as_slice()),
            (status, Some(reason), none.as_slice()),
            "{what}: {self:?}"
        );
    }

    /// This handler ran, and no other.
    #[track_caller]
    pub fn assert_ran(&self, handler: &str, what: &str) -> &Value {
        assert_eq!(
            (self.status, self.handlers().as_slice()),
            (200, [handler].as_slice()),
            "{what}: {self:?}"
        );
        &self.ran[0]
    }
}

/// A token with these scopes, used by one agent.
pub fn token(scope: &str) -> String {
    token_of("user:alice", "agent:1", scope)
}

/// The same for another principal, or another agent.
pub fn token_of(principal: &str, agent: &str, scope: &str) -> String {
    support::sign(support::through(support::now(), &[agent]).subject(principal).scope(scope))
}

/// The first one, which is no longer valid in a few seconds: with the half minute that clocks may differ.
pub fn token_that_ends(scope: &str) -> String {
    let now = i64::try_from(support::now()).unwrap();
    let claims = support::through(support::now(), &["agent:1"]).scope(scope);
    support::sign(claims.issued_at(now - 60).not_before(now - 60).expires_at(now - 25))
}
