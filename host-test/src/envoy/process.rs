//! A running Envoy: started, waited for, asked through its admin interface, and gone when dropped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::setup::{ACCESS_LOG, LISTENER};
use super::{EnvoyBinary, EnvoyError};
use crate::client::{Request, Response, blocking};

/// Pause between two looks at something that is awaited.
const LOOK: Duration = Duration::from_millis(20);
/// How long Envoy may take to end when asked.
const GRACE: Duration = Duration::from_secs(5);
/// Lines of the log that an error shows, and characters of each.
const SHOWN_LINES: usize = 40;
const SHOWN_CHARACTERS: usize = 600;

/// How to run Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvoyOptions {
    /// Worker threads.
    pub concurrency: u32,
    /// Envoy's `--log-level`: `trace` to `off`. By default `warning`: at `info`, the start alone fills pages.
    pub log_level: String,
    /// Envoy's `--component-log-level`; empty for none. The filter's own lines are the component `wasm`, by
    /// default at `info`.
    pub component_log_level: String,
    /// How long Envoy may take to become ready.
    pub ready_within: Duration,
    /// The access log, as in [`super::EnvoySetup::access_log_path`].
    pub access_log_path: PathBuf,
    /// Further arguments to Envoy.
    pub arguments: Vec<String>,
    /// A program and arguments to run Envoy under, such as `taskset -c 0`; it must end up being Envoy itself.
    pub under: Vec<String>,
}

impl Default for EnvoyOptions {
    fn default() -> Self {
        Self {
            concurrency: 1,
            log_level: "warning".to_owned(),
            component_log_level: "wasm:info".to_owned(),
            ready_within: Duration::from_secs(60),
            access_log_path: PathBuf::from(ACCESS_LOG),
            arguments: Vec::new(),
            under: Vec::new(),
        }
    }
}

/// A running Envoy with a folder of its own for configuration, log and access log. Dropping it kills it and
/// removes the folder; when this whole process dies, however suddenly, Envoy is killed as well.
///
/// Everything here blocks; from inside a runtime, call it where blocking is allowed.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    /// Ends Envoy when our end of its pipe closes.
    guard: Child,
    folder: TempDir,
    admin: SocketAddr,
    access_log: PathBuf,
}

impl Envoy {
    /// Starts Envoy with a bootstrap configuration in JSON or YAML and waits until it is ready.
    ///
    /// The configuration should leave ports at 0 (see [`super::envoy_config`]) and needs an admin address.
    ///
    /// # Errors
    /// [`EnvoyError::Ended`] or [`EnvoyError::NotReady`] with the end of Envoy's log, [`EnvoyError::File`] or
    /// [`EnvoyError::NotEnvoy`].
    pub fn start(binary: &EnvoyBinary, config: &str, options: &EnvoyOptions) -> Result<Self, EnvoyError> {
        let file = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| EnvoyError::File { doing, path, source }
        };
        let folder = tempfile::Builder::new().prefix("mandate-envoy-").tempdir();
        let folder = folder.map_err(file("create a folder in", &std::env::temp_dir()))?;
        let name = if config.trim_start().starts_with('{') { "envoy.json" } else { "envoy.yaml" };
        let config_path = folder.path().join(name);
        fs::write(&config_path, config).map_err(file("write", &config_path))?;
        let log_path = folder.path().join("envoy.log");
        let log = File::create(&log_path).map_err(file("create", &log_path))?;
        let log_copy = log.try_clone().map_err(file("open", &log_path))?;
        let admin_path = folder.path().join("admin");

        let mut command = match options.under.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary.path());
                command
            }
            None => Command::new(binary.path()),
        };
        command
            .arg("-c")
            .arg(&config_path)
            .arg("--admin-address-path")
            .arg(&admin_path)
            .args(["--concurrency", &options.concurrency.to_string()])
            .args(["--log-level", &options.log_level])
            // Without this the access log would be ten seconds late.
            .args(["--file-flush-interval-msec", "20"])
            .arg("--disable-hot-restart");
        command.args(&options.arguments);
        if !options.component_log_level.is_empty() {
            command.args(["--component-log-level", &options.component_log_level]);
        }
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(log_copy).stderr(log);
        let refuse = |error: std::io::Error| EnvoyError::NotEnvoy {
            path: binary.path().to_owned(),
            detail: error.to_string(),
        };
        let mut child = command.spawn().map_err(refuse)?;
        let guard = match guard(child.id(), folder.path()) {
            Ok(guard) => guard,
            Err(error) => {
                end(&mut child);
                return Err(refuse(error));
            }
        };
        let access_log = folder.path().join(&options.access_log_path);
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self { child, guard, folder, admin: unset, access_log };
        envoy.wait_until_ready(&admin_path, options.ready_within)?;
        Ok(envoy)
    }

    fn wait_until_ready(&mut self, admin_path: &Path, within: Duration) -> Result<(), EnvoyError> {
        let began = Instant::now();
        while began.elapsed() < within {
            if let Some(status) = self.ended() {
                return Err(EnvoyError::Ended { status: status.to_string(), log: self.log_tail() });
            }
            if self.admin.port() == 0 {
                let written = fs::read_to_string(admin_path).unwrap_or_default();
                if let Ok(address) = written.trim().parse() {
                    self.admin = address;
                }
            }
            if self.admin.port() != 0
                && let Ok(answer) = self.ask("GET", "/ready")
                && answer.status == 200
                && answer.text().trim() == "LIVE"
            {
                return Ok(());
            }
            sleep(LOOK);
        }
        Err(EnvoyError::NotReady { after: within, log: self.log_tail() })
    }

    /// The process, for measuring it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How Envoy has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        if status.is_some() {
            // Its number may become another process's, which the guard must not kill.
            end(&mut self.guard);
        }
        status
    }

    /// The admin interface.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where the listener of [`super::envoy_config`] accepts requests.
    ///
    /// # Errors
    /// As [`Envoy::listener_named`].
    pub fn listener(&self) -> Result<SocketAddr, EnvoyError> {
        self.listener_named(LISTENER)
    }

    /// Where a listener accepts requests.
    ///
    /// # Errors
    /// [`EnvoyError::NoListener`], or the admin interface's errors.
    pub fn listener_named(&self, name: &str) -> Result<SocketAddr, EnvoyError> {
        let listeners = self.ask_json("/listeners?format=json")?;
        let all = listeners.get("listener_statuses").and_then(Value::as_array);
        let found =
            all.into_iter().flatten().find(|one| one.get("name").and_then(Value::as_str) == Some(name));
        let at = found.and_then(|one| one.pointer("/local_address/socket_address"));
        let host = at.and_then(|at| at.get("address")).and_then(Value::as_str).and_then(|a| a.parse().ok());
        let port = at.and_then(|at| at.get("port_value")).and_then(Value::as_u64);
        match (host, port.and_then(|port| u16::try_from(port).ok())) {
            (Some(host), Some(port)) => Ok(SocketAddr::new(host, port)),
            _ => Err(EnvoyError::NoListener(name.to_owned())),
        }
    }

    /// All counters and gauges by name. The filter's own begin with `wasmcustom.`.
    ///
    /// # Errors
    /// The admin interface's errors.
    pub fn stats(&self) -> Result<BTreeMap<String, u64>, EnvoyError> {
        let stats = self.ask_json("/stats?format=json")?;
        let all = stats.get("stats").and_then(Value::as_array).into_iter().flatten();
        let number = |one: &Value| Some((one.get("name")?.as_str()?.to_owned(), one.get("value")?.as_u64()?));
        Ok(all.filter_map(number).collect())
    }

    /// One counter or gauge; `None` when Envoy has none of this name (yet).
    ///
    /// # Errors
    /// The admin interface's errors.
    pub fn stat(&self, name: &str) -> Result<Option<u64>, EnvoyError> {
        Ok(self.stats()?.remove(name))
    }

    /// Asks the admin interface.
    ///
    /// # Errors
    /// [`EnvoyError::Admin`] when it does not answer. A status other than 200 is no error.
    pub fn ask(&self, method: &str, path: &str) -> Result<Response, EnvoyError> {
        Ok(blocking::send(self.admin, &Request::new(method, path))?)
    }

    fn ask_json(&self, path: &str) -> Result<Value, EnvoyError> {
        let answer = self.ask("GET", path)?;
        let unlike =
            |detail: String| EnvoyError::AdminAnswer { path: path.to_owned(), status: answer.status, detail };
        if answer.status != 200 {
            return Err(unlike(answer.text()));
        }
        answer.json().map_err(|error| unlike(error.to_string()))
    }

    /// The folder that Envoy runs in, with its configuration and log; gone after the drop.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Envoy's log so far, the filter's lines included.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("envoy.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last 40 lines of the log, the longest of them cut.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<String> =
            log.lines().map(|line| line.chars().take(SHOWN_CHARACTERS).collect()).collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        lines.get(from..).unwrap_or_default().join("\n")
    }

    /// The entries of the access log so far; a line not yet complete is left out. An entry appears some
    /// 20 ms after the end of its request: see [`Envoy::wait_for_access_log`].
    #[must_use]
    pub fn access_log(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.access_log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The access log once it has this many entries, or as it is when the time is over.
    #[must_use]
    pub fn wait_for_access_log(&self, entries: usize, within: Duration) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let log = self.access_log();
            if log.len() >= entries || began.elapsed() >= within {
                return log;
            }
            sleep(LOOK);
        }
    }

    /// Asks Envoy to end, so that it writes its logs, and kills it when it does not. Returns the whole log.
    #[must_use]
    pub fn stop(mut self) -> String {
        // An Envoy that no longer answers has ended already or is killed below.
        drop(self.ask("POST", "/quitquitquit"));
        let began = Instant::now();
        while self.ended().is_none() && began.elapsed() < GRACE {
            sleep(LOOK);
        }
        self.log()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // The guard first: once Envoy is reaped its number may be another process's.
        end(&mut self.guard);
        end(&mut self.child);
    }
}

/// Kills and reaps. Both fail only for a process that is gone already.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// A shell that waits for our end of its pipe to close, which the system does even when this process is killed,
/// and then kills Envoy and removes its folder. It outlives an interrupt from the terminal, which goes to it as well.
fn guard(envoy: u32, folder: &Path) -> std::io::Result<Child> {
    Command::new("sh")
        .args([
            "-c",
            "trap '' INT TERM HUP; while read -r _; do :; done; kill -KILL \"$0\"; rm -rf -- \"$1\"",
        ])
        .arg(envoy.to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
