//! One of the proxies that are compared.

use super::PROXY_CORE;
use mandate_host::envoy::{Envoy, EnvoyBinary, EnvoyOptions, EnvoySetup, envoy_config};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wasmtime::error::Context as _;
use wasmtime::{Result, bail, ensure};

/// Connections of the client to each proxy.
const CONNECTIONS: usize = 16;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head of an answer, in headers.
const HEADERS: usize = 32;

/// A running proxy, with connections to it.
pub struct Lane {
    /// What it is called in tables.
    pub name: String,
    envoy: Envoy,
    helper: Option<Envoy>,
    address: SocketAddr,
    connections: Vec<Connection>,
}

/// What some requests took.
#[derive(Debug, Clone)]
pub struct Sample {
    /// On a core, per request, in microseconds: the proxy, and the server that it asks.
    pub cpu_us: f64,
    /// From the first byte out to the last byte in, of each request.
    pub latencies: Vec<Duration>,
}

impl Lane {
    /// Starts a proxy on the proxies' core.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(name: &str, binary: &EnvoyBinary, setup: &EnvoySetup) -> Result<Self> {
        Self::start_with(name, binary, setup, 1)
    }

    /// The same with so many workers.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_with(name: &str, binary: &EnvoyBinary, setup: &EnvoySetup, workers: u32) -> Result<Self> {
        let options = EnvoyOptions { concurrency: workers, ..EnvoyOptions::default() };
        Self::start_by(name, binary, &envoy_config(setup), options)
    }

    /// The same with a configuration of Envoy, and further arguments.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_by(
        name: &str,
        binary: &EnvoyBinary,
        bootstrap: &Value,
        options: EnvoyOptions,
    ) -> Result<Self> {
        let options = EnvoyOptions {
            log_level: "error".to_owned(),
            component_log_level: String::new(),
            under: ["taskset", "--cpu-list", PROXY_CORE].map(str::to_owned).to_vec(),
            ..options
        };
        let envoy = Envoy::start(binary, &bootstrap.to_string(), &options)?;
        let address = envoy.listener()?;
        Ok(Self { name: name.to_owned(), envoy, helper: None, address, connections: Vec::new() })
    }

    /// Counts another proxy's time as this one's.
    #[must_use]
    pub fn helped_by(mut self, helper: Self) -> Self {
        self.helper = Some(helper.envoy);
        self
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process.
    #[must_use]
    pub const fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    /// The memory that the proxy occupies, in bytes.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn memory(&self) -> Result<u64> {
        resident(self.envoy.pid())
    }

    /// Closes all connections to it; the next run opens others.
    pub fn disconnect(&mut self) {
        self.connections.clear();
    }

    /// Sends each request once; all must be answered with 200.
    ///
    /// # Errors
    /// If one is not.
    pub fn run<'r>(&mut self, requests: impl IntoIterator<Item = &'r [u8]>) -> Result<Sample> {
        self.run_expecting(requests.into_iter().map(|request| (request, 200)))
    }

    /// Sends each request once; each must be answered with its status.
    ///
    /// # Errors
    /// If one is not.
    pub fn run_expecting<'r>(
        &mut self,
        requests: impl IntoIterator<Item = (&'r [u8], u16)>,
    ) -> Result<Sample> {
        while self.connections.len() < CONNECTIONS {
            self.connections.push(Connection::open(self.address)?);
        }
        let mut latencies = Vec::new();
        let before = self.cpu()?;
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let sent = Instant::now();
            let mut expected = Vec::with_capacity(CONNECTIONS);
            for (connection, (request, status)) in self.connections.iter_mut().zip(&mut requests) {
                connection.stream.write_all(request)?;
                expected.push(status);
            }
            for (connection, expected) in self.connections.iter_mut().zip(expected) {
                let status = connection.answer().with_context(|| format!("of `{}`", self.name))?;
                ensure!(
                    status == expected,
                    "`{}` answered {status}, not {expected}\n{}",
                    self.name,
                    self.envoy.log_tail()
                );
                latencies.push(sent.elapsed());
            }
        }
        let took = self.cpu()?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let cpu_us = took.as_secs_f64() * 1e6 / latencies.len() as f64;
        Ok(Sample { cpu_us, latencies })
    }

    /// What the proxy's threads, and its helper's, spent on a core since they began.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn cpu(&self) -> Result<Duration> {
        let helper = self.helper.as_ref().map_or(Ok(Duration::ZERO), |helper| on_core(helper.pid()))?;
        Ok(on_core(self.envoy.pid())? + helper)
    }
}

/// proc(5), `schedstat`: nanoseconds on a core come first. Ticks of `stat` would be too coarse.
fn on_core(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end meanwhile.
        let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let first = text.split_ascii_whitespace().next();
        nanos += first.and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or_default();
    }
    ensure!(nanos > 0, "this system does not say what threads spend: /proc/{pid}/task/*/schedstat");
    Ok(Duration::from_nanos(nanos))
}

/// proc(5), `status`: `VmRSS`, in KiB.
fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("this system does not say what a process occupies: /proc/PID/status")? * 1024)
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Reads one answer to its end, and gives its status.
    fn answer(&mut self) -> Result<u16> {
        self.buffer.clear();
        let mut chunk = [0; 4096];
        loop {
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                bail!("the connection was closed");
            }
            self.buffer.extend(chunk.iter().take(read));
            if let Some(status) = whole(&self.buffer)? {
                return Ok(status);
            }
        }
    }
}

/// The status of an answer that is there to its end. What is measured answers with a length.
fn whole(bytes: &[u8]) -> Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let length = length.context("the answer has no length")?;
    Ok(response.code.filter(|_| bytes.len() >= head.saturating_add(length)))
}
