//! Real Envoys side by side: what each of them spends on a request.
//!
//! All run on one core and the client on another, one worker each, and they are measured in turns of a fraction of a second:
//! whatever else the machine does, it does to all of them. What counts is the time that the proxy's threads spent on a
//! core, over that of a proxy without filters; so a server that a filter asks is counted with it.

pub mod bundle;
pub mod floor;
mod lane;
pub mod peers;
pub mod plot;
mod race;

pub use lane::{Lane, Sample};
pub use race::Race;

use mandate_host::envoy::{EnvoyBinary, EnvoySetup};
use mandate_host::paths;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use wasmtime::error::Context as _;
use wasmtime::{Result, bail};

/// The core of the proxies, and that of the client.
const PROXY_CORE: &str = "0";
/// See [`PROXY_CORE`].
const CLIENT_CORE: &str = "1";

/// The Envoy that is measured: of `MANDATE_ENVOY_VERSION` if that is set, otherwise the one that the desk uses.
///
/// # Errors
/// If it cannot be had.
pub fn envoy() -> Result<EnvoyBinary> {
    let target_dir = paths::target_dir().context("no folder to keep Envoy in; set CARGO_TARGET_DIR")?;
    let version = std::env::var("MANDATE_ENVOY_VERSION");
    let version = version.as_deref().unwrap_or(mandate_host::envoy::DEFAULT_VERSION);
    Ok(EnvoyBinary::locate_or_install(&target_dir, version, |line| eprintln!("{line}"))?)
}

/// Keeps this process off the proxies' core.
///
/// # Errors
/// If there is no second core, or no `taskset` (util-linux).
pub fn keep_to_client_core() -> Result<()> {
    let pid = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["--cpu-list", "--pid", CLIENT_CORE, &pid])
        .stdout(Stdio::null())
        .status();
    if !status.context("`taskset` is needed, to keep proxies and client apart")?.success() {
        bail!("the measurement needs two cores");
    }
    Ok(())
}

/// A proxy that answers everything itself, and keeps no access log: what is measured is the filters.
#[must_use]
pub fn answering() -> EnvoySetup {
    let mut setup = EnvoySetup::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 9)));
    let answer = json!({ "status": 200, "body": { "inline_string": "ok" } });
    let routes = json!([{ "match": { "prefix": "/" }, "direct_response": answer }]);
    let hosts = json!({ "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] });
    setup.connection_manager.insert("route_config".to_owned(), hosts);
    setup.connection_manager.insert("access_log".to_owned(), json!([]));
    setup
}

/// The same with the filter, or a bundle, and its configuration.
#[must_use]
pub fn with_module(wasm: &Path, configuration: &Value) -> EnvoySetup {
    answering().filter(wasm, configuration.to_string())
}

/// A request to the wire, as a small client sends it: eight headers beside the credential.
#[must_use]
pub fn request(method: &str, path: &str, authorization: &str, more_headers: usize) -> Vec<u8> {
    let mut wire =
        format!("{method} {path} HTTP/1.1\r\nhost: tools.example\r\nauthorization: {authorization}\r\n");
    for i in 0..more_headers {
        wire.push_str(&format!("x-h{i}: some header value {i}\r\n"));
    }
    wire.push_str("\r\n");
    wire.into_bytes()
}

/// Middle of some numbers; NaN of none.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let (middle, even) = (numbers.len() / 2, numbers.len().is_multiple_of(2));
    match (numbers.get(middle), middle.checked_sub(1).and_then(|below| numbers.get(below))) {
        (Some(high), Some(low)) if even => f64::midpoint(*low, *high),
        (Some(high), _) => *high,
        (None, _) => f64::NAN,
    }
}
