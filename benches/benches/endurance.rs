//! Many requests with many tokens, for as long as one likes: memory must stay flat, every decision right, and latency steady.
//!
//! Four policies; keys that are fetched and rotated; a configuration that is updated while requests come; tokens that lack a
//! scope among those that are good. The first wrong answer ends it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a program that reports, and writes the JSON that it indexes"
)]

use clap::Parser;
use mandate_benches::proxy::bundle::{five_policies, with_three_policies};
use mandate_benches::proxy::plot::{Curve, draw};
use mandate_benches::proxy::{Lane, envoy, keep_to_client_core, request, with_module};
use mandate_benches::{ISSUER, PATH, Setup};
use mandate_host::FILTER;
use mandate_host::envoy::{EnvoyOptions, envoy_config};
use mandate_host::issuer::Issuer;
use mandate_host::tokens::{Algorithm, jwks};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime::error::Context as _;
use wasmtime::{Result, ensure};

/// Sends requests through four policies in a real Envoy, and watches memory, latency and every answer.
#[derive(Parser)]
struct Options {
    /// For how many minutes
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Where to draw the curves (SVG); a relative path is below `benches`
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Once, quickly, to see that everything runs
    #[arg(long)]
    test: bool,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

/// How many different tokens there are, of which a tenth comes most of the time.
const TOKENS: usize = 100_000;
/// Requests in one turn, one of which must be denied.
const TURN: usize = 160;
/// What one point of a curve sums up.
const WINDOW: Duration = Duration::from_secs(5);
/// How often the issuer takes a new key, and how long before its first use it is published.
const ROTATION: Duration = Duration::from_secs(120);
/// See [`ROTATION`].
const AHEAD: Duration = Duration::from_secs(20);
/// How often the configuration changes.
const UPDATE: Duration = Duration::from_secs(180);
/// Seconds after which Envoy is done with what an update replaced.
const DRAIN_S: &str = "5";

fn main() -> Result<()> {
    let mut options = Options::parse();
    if options.test {
        options.minutes = 0.1;
    }
    keep_to_client_core()?;
    let folder = tempfile::tempdir()?;
    let mut course = Course::start(folder.path())?;
    let windows = course.run(Duration::from_secs_f64(options.minutes * 60.0))?;
    report(&windows, &course, options.plot.as_deref())
}

/// What happened in a while.
#[derive(Debug, Default, Clone)]
struct Window {
    at_s: f64,
    requests: usize,
    memory_mb: f64,
    p50_us: f64,
    p99_us: f64,
}

/// What the proxy is told.
struct Plan {
    issuer: Issuer,
    /// The keys that the issuer had, the newest last.
    setups: Vec<Setup>,
    bundle: PathBuf,
    /// Where Envoy reads its listeners, which it takes anew when that file is moved there.
    listeners: PathBuf,
    listen: SocketAddr,
    updates: u32,
}

struct Course {
    plan: Plan,
    lane: Lane,
    /// The `authorization` headers of the newest key, as they were first needed.
    tokens: Vec<Option<String>>,
    dice: u64,
}

impl Plan {
    fn new(folder: &Path) -> Result<Self> {
        let setup = Setup::new(Algorithm::EdDsa)?;
        let issuer = Issuer::named(ISSUER, setup.jwks())?;
        let bundle = folder.join("bundle.wasm");
        std::fs::write(&bundle, five_policies(FILTER)?)?;
        // A listener that moves is another listener, so its port is chosen once.
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let listeners = folder.join("listeners.json");
        Ok(Self { issuer, setups: vec![setup], bundle, listeners, listen, updates: 0 })
    }

    /// Envoy's configuration, with the listeners in their file; every update has another bound on the depth of delegations.
    fn bootstrap(&self) -> Result<Value> {
        let setup = self.setups.first().context("no setup")?;
        let mut configuration = with_three_policies(&setup.configuration);
        configuration["delegation"] = json!({ "max_depth": 4 + self.updates % 2 });
        configuration["issuers"][0]["keys"] =
            json!({ "remote": { "uri": self.issuer.keys_url(), "cluster": "idp", "refresh_s": 5 } });
        if let Some(policies) = configuration["policies"].as_array_mut() {
            let settings = json!({ "approvals": ["/v1/proposals/*/approve"] });
            policies.push(json!({ "name": "separation-of-duties", "settings": settings }));
        }
        if let Some(asked) = configuration["routes"][0]["policies"].as_array_mut() {
            asked.push(json!("separation-of-duties"));
        }
        let mut setup = with_module(&self.bundle, &configuration);
        setup = setup.cluster("idp", self.issuer.address());
        setup.listen = self.listen;
        let mut bootstrap = envoy_config(&setup);
        self.write_listeners(&bootstrap["static_resources"]["listeners"].take())?;
        bootstrap["static_resources"]["listeners"] = json!([]);
        bootstrap["node"] = json!({ "id": "endurance", "cluster": "endurance" });
        bootstrap["dynamic_resources"] =
            json!({ "lds_config": { "path_config_source": { "path": self.listeners } } });
        Ok(bootstrap)
    }

    fn write_listeners(&self, listeners: &Value) -> Result<()> {
        let mut listener = listeners.get(0).context("no listener")?.clone();
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        let version = self.updates.to_string();
        let file = json!({ "version_info": version, "resources": [listener] });
        let unfinished = self.listeners.with_extension("new");
        std::fs::write(&unfinished, file.to_string())?;
        std::fs::rename(unfinished, &self.listeners)?;
        Ok(())
    }

    fn publish_next_key(&mut self) -> Result<()> {
        let kid = format!("bench-{}", self.setups.len());
        let next = self.setups.first().context("no setup")?.with_new_key(Algorithm::EdDsa, &kid)?;
        self.setups.push(next);
        let newest: Vec<_> = self.setups.iter().rev().take(2).map(Setup::key).collect();
        self.issuer.set_keys(jwks(&newest));
        Ok(())
    }
}

impl Course {
    fn start(folder: &Path) -> Result<Self> {
        let plan = Plan::new(folder)?;
        let bootstrap = plan.bootstrap()?;
        let arguments = ["--drain-time-s", DRAIN_S].map(str::to_owned).to_vec();
        let options = EnvoyOptions { arguments, ..EnvoyOptions::default() };
        let lane = Lane::start_by("endurance", &envoy()?, &bootstrap, options)?;
        Ok(Self { plan, lane, tokens: vec![None; TOKENS], dice: 0x9E37_79B9_7F4A_7C15 })
    }

    fn update(&mut self) -> Result<()> {
        self.plan.updates += 1;
        let counted = |lane: &Lane| lane.envoy().stat("listener_manager.lds.update_success");
        let before = counted(&self.lane)?;
        self.plan.bootstrap()?;
        let started = Instant::now();
        while counted(&self.lane)? == before {
            ensure!(started.elapsed() < Duration::from_secs(30), "Envoy does not take the update");
            std::thread::sleep(Duration::from_millis(50));
        }
        self.lane.disconnect();
        Ok(())
    }

    fn roll(&mut self, below: usize) -> usize {
        // Marsaglia's xorshift: which token comes next need only be spread.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        usize::try_from(self.dice % below as u64).unwrap_or_default()
    }

    /// The requests of one turn. `signer` is the key that tokens are signed with now.
    fn turn(&mut self, signer: usize) -> Result<Vec<(Vec<u8>, u16)>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut turn = Vec::with_capacity(TURN);
        for _ in 1..TURN {
            let serial = if self.roll(10) == 0 { self.roll(TOKENS) } else { self.roll(TOKENS / 10) };
            let setup = self.plan.setups.get(signer).context("no such key")?;
            let token = self.tokens.get_mut(serial).context("no such token")?;
            if token.is_none() {
                *token = Some(setup.authorization_at(now, 3, serial as u64)?);
            }
            let authorization = token.as_deref().unwrap_or_default();
            turn.push((request("GET", PATH, authorization, 8), 200));
        }
        let serial = self.roll(TOKENS) as u64;
        let setup = self.plan.setups.get(signer).context("no such key")?;
        let denied = setup.authorization_for("tickets.write", now, 3, serial)?;
        turn.push((request("GET", PATH, &denied, 8), 403));
        Ok(turn)
    }

    fn run(&mut self, length: Duration) -> Result<Vec<Window>> {
        let started = Instant::now();
        let (mut windows, mut latencies) = (Vec::new(), Vec::new());
        let (mut window, mut signer) = (Instant::now(), 0);
        let (mut rotated, mut updated) = (Instant::now(), Instant::now());
        while started.elapsed() < length {
            if rotated.elapsed() >= ROTATION {
                rotated = Instant::now();
                self.plan.publish_next_key()?;
            }
            if signer + 1 < self.plan.setups.len() && rotated.elapsed() >= AHEAD {
                signer += 1;
                self.tokens = vec![None; TOKENS];
            }
            if updated.elapsed() >= UPDATE {
                updated = Instant::now();
                self.update()?;
            }
            let turn = self.turn(signer)?;
            let sample =
                self.lane.run_expecting(turn.iter().map(|(wire, status)| (wire.as_slice(), *status)))?;
            latencies.extend(sample.latencies);
            if window.elapsed() >= WINDOW {
                window = Instant::now();
                windows.push(self.window(started.elapsed(), &mut latencies)?);
            }
        }
        Ok(windows)
    }

    fn window(&self, at: Duration, latencies: &mut Vec<Duration>) -> Result<Window> {
        latencies.sort_unstable();
        let part = |hundredths: usize| {
            latencies.get(latencies.len() * hundredths / 100).copied().unwrap_or_default()
        };
        let micros = |latency: Duration| latency.as_secs_f64() * 1e6;
        #[expect(clippy::cast_precision_loss, reason = "bytes of a process")]
        let memory_mb = self.lane.memory()? as f64 / 1e6;
        let window = Window {
            at_s: at.as_secs_f64(),
            requests: latencies.len(),
            memory_mb,
            p50_us: micros(part(50)),
            p99_us: micros(part(99)),
        };
        eprint!("\r{:6.0} s  {memory_mb:6.1} MB  p99 {:6.0} µs ", window.at_s, window.p99_us);
        latencies.clear();
        Ok(window)
    }
}

fn report(windows: &[Window], course: &Course, plot: Option<&Path>) -> Result<()> {
    eprintln!();
    let requests: usize = windows.iter().map(|window| window.requests).sum();
    println!(
        "{requests} requests, tokens drawn from {TOKENS} for each of {} keys, {} updates of the configuration, no wrong answer",
        course.plan.setups.len(),
        course.plan.updates
    );
    // The first third is to warm up.
    let (_, steady) = windows.split_at(windows.len() / 3);
    let shown = |what: &str, of: fn(&Window) -> f64| {
        let all: Vec<f64> = steady.iter().map(of).collect();
        let (least, most) =
            (all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().copied().fold(0.0, f64::max));
        println!(
            "{what}: {least:.0} to {most:.0}, at the end {:.0}",
            all.last().copied().unwrap_or(f64::NAN)
        );
    };
    shown("memory of the proxy after the first third, MB", |window| window.memory_mb);
    shown("p50 of five seconds, µs", |window| window.p50_us);
    shown("p99 of five seconds, µs", |window| window.p99_us);
    if let Some(path) = plot {
        let curve = |title: &str, y: &str, of: fn(&Window) -> f64| Curve {
            title: title.to_owned(),
            x: "minutes".to_owned(),
            y: y.to_owned(),
            points: windows.iter().map(|window| (window.at_s / 60.0, of(window))).collect(),
        };
        draw(
            path,
            &[
                curve("memory of the proxy", "MB", |window| window.memory_mb),
                curve("p99 of five seconds", "ms", |window| window.p99_us / 1000.0),
            ],
        )?;
    }
    Ok(())
}
