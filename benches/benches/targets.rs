//! What Mandate promises to cost, measured against its targets: one command, one table.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use mandate_benches::proxy::bundle::{five_policies, with_three_policies};
use mandate_benches::proxy::{
    Lane, Sample, answering, envoy, keep_to_client_core, median, peers, request, with_module,
};
use mandate_benches::{PATH, Setup};
use mandate_host::FILTER;
use mandate_host::tokens::Algorithm;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wasmtime::Result;
use wasmtime::error::Context as _;

/// Measures every target, in a real Envoy beside Envoy's own filters, and prints each with what was measured.
#[derive(Parser)]
struct Options {
    /// How often every proxy gets its turn
    #[arg(long, default_value_t = 25)]
    rounds: usize,
    /// Another build of the filter to measure beside this one; may be repeated
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Once, quickly, to see that everything runs: the figures are worth nothing
    #[arg(long)]
    test: bool,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

/// Requests in one turn with a token that was seen, and with tokens that were not.
const SEEN: usize = 160;
/// See [`SEEN`].
const NEW: usize = 320;

fn main() -> Result<()> {
    let mut options = Options::parse();
    if options.test {
        options.rounds = 1;
    }
    keep_to_client_core()?;
    let folder = tempfile::tempdir()?;
    cached(&options, folder.path())?;
    Ok(())
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Each lane's samples, round by round.
struct Race {
    lanes: Vec<Lane>,
    samples: Vec<Vec<Sample>>,
}

impl Race {
    fn new(lanes: Vec<Lane>) -> Self {
        let samples = lanes.iter().map(|_| Vec::new()).collect();
        Self { lanes, samples }
    }

    /// One turn for each lane. The order changes, so that nobody is always behind the same other.
    fn round(&mut self, requests: &[&[u8]]) -> Result<()> {
        let count = self.lanes.len();
        let first = self.samples.first().map_or(0, Vec::len) * 7;
        for turn in 0..count {
            let index = (first + turn) % count;
            if let (Some(lane), Some(samples)) = (self.lanes.get_mut(index), self.samples.get_mut(index)) {
                samples.push(lane.run(requests.iter().copied())?);
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.samples.iter_mut().for_each(Vec::clear);
    }

    /// What a lane adds to the first one, round by round, in microseconds.
    fn added(&self, lane: usize) -> Vec<f64> {
        let (Some(base), Some(lane)) = (self.samples.first(), self.samples.get(lane)) else {
            return Vec::new();
        };
        lane.iter().zip(base).map(|(lane, base)| lane.cpu_us - base.cpu_us).collect()
    }

    /// What one lane adds over what another adds: the median of the rounds.
    fn ratio(&self, lane: usize, to: usize) -> f64 {
        median(self.added(lane).iter().zip(self.added(to)).map(|(lane, to)| lane / to).collect())
    }

    fn table(&self, to: usize) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["proxy", "CPU µs", "added µs", "ratio", "p50 µs", "p99 µs"]);
        for (index, (lane, samples)) in self.lanes.iter().zip(&self.samples).enumerate() {
            let mut latencies: Vec<Duration> = samples.iter().flat_map(|s| s.latencies.clone()).collect();
            latencies.sort_unstable();
            let at = |part: usize| latencies.get(latencies.len() * part / 100).map_or(0, Duration::as_micros);
            let ratio = if index == 0 { String::new() } else { format!("{:.2}", self.ratio(index, to)) };
            table.add_row([
                lane.name.clone(),
                format!("{:.1}", median(samples.iter().map(|s| s.cpu_us).collect())),
                format!("{:.1}", median(self.added(index))),
                ratio,
                at(50).to_string(),
                at(99).to_string(),
            ]);
        }
        for column in 1..6 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

/// A token that was seen before: what every request but the first of a token costs.
fn cached(options: &Options, folder: &Path) -> Result<()> {
    let binary = envoy()?;
    let setup = Setup::new(Algorithm::Es256)?;
    let authorization = setup.authorization_at(now()?, 3, 0)?;
    let plain = folder.join("plain.wasm");
    std::fs::write(&plain, FILTER)?;
    let bundle = folder.join("bundle.wasm");
    std::fs::write(&bundle, five_policies(FILTER)?)?;
    let three = with_three_policies(&setup.configuration);
    let start = |name: &str, envoy_setup| Lane::start(name, &binary, &envoy_setup);
    let authz = start("authz", answering())?;
    let mut lanes = vec![
        start("no filter", answering())?,
        start(
            "jwt_authn with cache, rbac",
            peers::rbac(peers::jwt_authn(answering(), &setup.jwks(), true), "/v1/"),
        )?,
        start("ext_authz, HTTP", peers::ext_authz(answering(), authz.address()))?.helped_by(authz),
        start("mandate", with_module(&plain, &setup.configuration))?,
        start("mandate, three policies", with_module(&bundle, &three))?,
    ];
    for file in &options.against {
        let path = std::path::absolute(file)?;
        let name = file.file_stem().context("no file")?.to_string_lossy();
        lanes.push(start(&name, with_module(&path, &setup.configuration))?);
    }
    let wire = request("GET", PATH, &authorization, 8);
    let requests = vec![wire.as_slice(); if options.test { 32 } else { SEEN }];
    let mut race = Race::new(lanes);
    for _ in 0..3 {
        race.round(&requests)?;
    }
    race.forget();
    for round in 0..options.rounds {
        eprint!("\rround {} of {}", round + 1, options.rounds);
        race.round(&requests)?;
    }
    eprintln!();
    println!("{}", race.table(1));
    Ok(())
}
