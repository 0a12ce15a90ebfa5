//! A real Envoy with the filter, in front of an upstream.

use super::envoy;
use mandate_host::FILTER;
use mandate_host::envoy::{Envoy, EnvoyOptions, EnvoySetup, envoy_config};
use serde_json::Value;
use std::net::SocketAddr;

pub struct Proxy<U> {
    pub envoy: Envoy,
    /// Where it listens.
    pub at: SocketAddr,
    pub upstream: U,
    _folder: tempfile::TempDir,
}

impl<U> Proxy<U> {
    /// In front of `upstream`, which is at `address`. `None`: no Envoy here.
    pub fn start(
        upstream: U,
        address: SocketAddr,
        config: &Value,
        change: impl FnOnce(EnvoySetup) -> EnvoySetup,
    ) -> Option<Self> {
        let binary = envoy()?;
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("mandate.wasm");
        std::fs::write(&module, FILTER).unwrap();
        let setup = change(EnvoySetup::new(address).filter(&module, config.to_string()).guarded());
        let envoy =
            Envoy::start(&binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
        let at = envoy.listener().unwrap();
        Some(Self { envoy, at, upstream, _folder: folder })
    }
}
