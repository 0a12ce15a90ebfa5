//! The filter in front of an upstream: in a real Envoy, or embedded in this process.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use mandate_core::config::{Config, KeySource};

use crate::decide::body_bytes;
use crate::embedded::{Embedded, EmbeddedError};
use crate::envoy::{DEFAULT_VERSION, Envoy, EnvoyBinary, EnvoyError, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_harness::Filter;

/// What runs the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A real Envoy.
    Envoy,
    /// The harness, with an HTTP server in front. For the desk: one request at a time, one worker.
    Embedded,
}

/// What a gateway is made of.
#[derive(Debug, Clone)]
pub struct GatewaySetup<'a> {
    /// The filter's module.
    pub wasm: &'a [u8],
    /// The plugin configuration (JSON).
    pub configuration: &'a str,
    /// Where allowed requests go.
    pub upstream: SocketAddr,
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where the clusters are that the configuration names, in plain HTTP.
    pub clusters: Vec<(String, SocketAddr)>,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Envoy could not be had or started.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// The embedded host could not be started.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The address of a cluster is not known.
    #[error("where is the cluster `{cluster}`? {why}; say it with `--cluster {cluster}=HOST:PORT`")]
    Cluster {
        /// Its name.
        cluster: String,
        /// Why it cannot be told from the configuration.
        why: String,
    },
    /// A temporary file could not be written.
    #[error("could not write the filter's module: {0}")]
    Module(#[from] std::io::Error),
}

/// A running gateway. Dropping it stops it.
#[derive(Debug)]
pub enum Gateway {
    /// In Envoy.
    Envoy {
        /// The process.
        envoy: Box<Envoy>,
        /// Where it listens.
        address: SocketAddr,
        /// Keeps the module's file.
        module: tempfile::TempDir,
    },
    /// In this process.
    Embedded(Embedded),
}

impl Gateway {
    /// Starts a gateway. Envoy is fetched below `target_dir` if it is not there yet; `progress` gets lines for people.
    ///
    /// # Errors
    /// If the engine could not be had, or does not take the module.
    pub fn start(
        engine: Engine,
        setup: &GatewaySetup<'_>,
        target_dir: &Path,
        progress: impl Fn(&str),
    ) -> Result<Self, GatewayError> {
        match engine {
            Engine::Embedded => {
                progress("compiling the filter for the embedded host");
                let filter = Filter::compile(setup.wasm).map_err(EmbeddedError::from)?;
                let clusters = setup.clusters.clone();
                let embedded =
                    Embedded::start(&filter, setup.configuration, setup.upstream, clusters, setup.listen)?;
                Ok(Self::Embedded(embedded))
            }
            Engine::Envoy => {
                let binary = EnvoyBinary::locate_or_install(target_dir, DEFAULT_VERSION, &progress)?;
                progress(&format!("starting Envoy {}", binary.version()));
                let module = tempfile::tempdir()?;
                let path = module.path().join("mandate.wasm");
                std::fs::write(&path, setup.wasm)?;
                let mut envoy = EnvoySetup::new(setup.upstream).filter(path, setup.configuration).guarded();
                if let Some(bytes) = body_bytes(setup.configuration) {
                    envoy = envoy.shows_held_bodies(bytes);
                }
                envoy.listen = setup.listen;
                for (name, address) in &setup.clusters {
                    envoy = envoy.cluster(name, *address);
                }
                let envoy =
                    Envoy::start(&binary, &envoy_config(&envoy).to_string(), &EnvoyOptions::default())?;
                let address = envoy.listener()?;
                Ok(Self::Envoy { envoy: Box::new(envoy), address, module })
            }
        }
    }

    /// Where the gateway listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::Envoy { address, .. } => *address,
            Self::Embedded(embedded) => embedded.address(),
        }
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        match self {
            Self::Envoy { envoy, .. } => envoy.ended().is_none(),
            Self::Embedded(embedded) => embedded.is_running(),
        }
    }

    /// The filter's log so far: one line per message.
    #[must_use]
    pub fn log(&self) -> String {
        match self {
            Self::Envoy { envoy, .. } => envoy.log(),
            Self::Embedded(embedded) => embedded.log(),
        }
    }
}

/// The clusters that a configuration fetches keys from, with their addresses: `known` ones, else what the URI says.
///
/// # Errors
/// [`GatewayError::Cluster`] for an address that cannot be told: the host does not resolve, or the URI asks for TLS,
/// which a gateway that is set up here does not speak to clusters.
pub fn clusters(
    config: &Config,
    known: &[(String, SocketAddr)],
) -> Result<Vec<(String, SocketAddr)>, GatewayError> {
    let mut clusters = known.to_vec();
    for issuer in &config.issuers {
        let KeySource::Remote(remote) = &issuer.keys else { continue };
        if clusters.iter().any(|(name, _)| *name == remote.cluster) {
            continue;
        }
        let unknown = |why: String| GatewayError::Cluster { cluster: remote.cluster.clone(), why };
        if remote.scheme() != "http" {
            return Err(unknown(format!("`{}` asks for TLS, which is not set up here", remote.uri)));
        }
        let authority = remote.authority();
        let with_port =
            if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        let mut addresses =
            with_port.to_socket_addrs().map_err(|e| unknown(format!("`{with_port}`: {e}")))?;
        let address = addresses.next().ok_or_else(|| unknown(format!("`{with_port}` has no address")))?;
        clusters.push((remote.cluster.clone(), address));
    }
    Ok(clusters)
}
