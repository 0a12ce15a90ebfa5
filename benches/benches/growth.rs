//! How the cost of a request grows: with policies, routes, the depth of the chain, headers, and tokens.
//!
//! Each point is a real Envoy, in turns with one that has no filter. Everything but what varies is as in the other benches.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a program that reports, and writes the JSON that it indexes"
)]

use clap::Parser;
use comfy_table::{Cell, CellAlignment, Table, presets};
use mandate_benches::proxy::bundle::copies;
use mandate_benches::proxy::plot::{Curve, draw};
use mandate_benches::proxy::{
    Lane, Race, answering, envoy, keep_to_client_core, median, request, with_module,
};
use mandate_benches::{PATH, Setup};
use mandate_host::FILTER;
use mandate_host::envoy::EnvoyBinary;
use mandate_host::tokens::Algorithm;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::Result;

/// Measures how the cost of a request grows, and prints a table.
#[derive(Parser)]
struct Options {
    /// How often every point gets its turn
    #[arg(long, default_value_t = 60)]
    rounds: usize,
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

/// Requests in one turn.
const TURN: usize = 160;
const POLICIES: [usize; 7] = [0, 1, 2, 4, 8, 16, 32];
const ROUTES: [usize; 4] = [1, 10, 100, 1000];
const DEPTHS: [usize; 5] = [0, 2, 4, 6, 8];
const HEADERS: [usize; 5] = [0, 8, 16, 32, 64];
/// The cache keeps some four thousand.
const TOKENS: [usize; 5] = [10, 100, 1000, 4000, 100_000];

fn main() -> Result<()> {
    let options = Options::parse();
    keep_to_client_core()?;
    let folder = tempfile::tempdir()?;
    let bed = Bed { binary: envoy()?, now: now()?, folder: folder.path(), options: &options };
    let curves = [bed.policies()?, bed.routes()?, bed.depths()?, bed.headers()?, bed.tokens()?];
    for curve in &curves {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([curve.x.as_str(), "added µs"]);
        for (x, y) in &curve.points {
            let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
            table.add_row([number(x.to_string()), number(format!("{y:.1}"))]);
        }
        println!("{}\n\n{table}\n", curve.title);
    }
    options.plot.as_deref().map_or(Ok(()), |path| draw(path, &curves))
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// What all curves share.
struct Bed<'o> {
    binary: EnvoyBinary,
    now: u64,
    folder: &'o Path,
    options: &'o Options,
}

/// One point: where it lies, what runs there, and what is sent, in turns.
struct Point {
    x: usize,
    configuration: Value,
    turns: Vec<Vec<Vec<u8>>>,
}

impl Bed<'_> {
    /// Measures some points that share a module.
    fn curve(&self, title: &str, x: &str, module: &[u8], points: &[Point]) -> Result<Curve> {
        let file = self.folder.join("module.wasm");
        std::fs::write(&file, module)?;
        let rounds = if self.options.test { 1 } else { self.options.rounds };
        let mut measured = Vec::new();
        for point in points {
            let lane = Lane::start(title, &self.binary, &with_module(&file, &point.configuration))?;
            let mut race = Race::new(vec![Lane::start("no filter", &self.binary, &answering())?, lane]);
            // Every turn once, so that what can be known is known, and the engine had time to optimise.
            let warm_up = if self.options.test { 1 } else { point.turns.len().clamp(20, 60) };
            for (round, turn) in point.turns.iter().cycle().take(warm_up + rounds).enumerate() {
                if round == warm_up {
                    race.forget();
                }
                race.round(&turn.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            }
            let added = median(race.added(1));
            eprintln!("{title}: {} {x}: {added:.1} µs", point.x);
            #[expect(clippy::cast_precision_loss, reason = "a small count")]
            measured.push((point.x as f64, added));
        }
        let y = "added µs".to_owned();
        Ok(Curve { title: title.to_owned(), x: x.to_owned(), y, points: measured })
    }

    /// The same request all the time.
    fn known(&self, setup: &Setup, path: &str, agents: usize, headers: usize) -> Result<Vec<Vec<Vec<u8>>>> {
        let authorization = setup.authorization_at(self.now, agents, 0)?;
        Ok(vec![vec![request("GET", path, &authorization, headers); TURN]])
    }

    fn policies(&self) -> Result<Curve> {
        let setup = Setup::new(Algorithm::Es256)?;
        let (module, names) = copies(FILTER, "tool-allow-list", 32)?;
        let settings = json!({ "prefix": "/v1/", "agents": [
            { "iss": mandate_benches::ISSUER, "sub": "agent:2", "tools": ["tickets"] },
        ], "principal_tools": [] });
        let entries: Vec<Value> =
            names.iter().map(|name| json!({ "name": name, "settings": settings })).collect();
        let point = |count: usize| {
            let mut configuration = setup.configuration.clone();
            configuration["policies"] = json!(entries);
            configuration["routes"][0]["policies"] = json!(names.iter().take(count).collect::<Vec<_>>());
            Ok(Point { x: count, configuration, turns: self.known(&setup, PATH, 3, 8)? })
        };
        let points = POLICIES.into_iter().map(point).collect::<Result<Vec<_>>>()?;
        self.curve("policies that are asked", "policies", &module, &points)
    }

    fn routes(&self) -> Result<Curve> {
        let setup = Setup::new(Algorithm::Es256)?;
        let point = |count: usize| {
            let mut configuration = setup.configuration.clone();
            let route = |index| json!({ "match": { "path_prefix": format!("/v1/service{index}/") } });
            configuration["routes"] = (0..count).map(route).collect();
            let path = format!("/v1/service{}/x", count - 1);
            Ok(Point { x: count, configuration, turns: self.known(&setup, &path, 3, 8)? })
        };
        let points = ROUTES.into_iter().map(point).collect::<Result<Vec<_>>>()?;
        self.curve("routes, of which the last one matches", "routes", FILTER, &points)
    }

    fn depths(&self) -> Result<Curve> {
        let setup = Setup::new(Algorithm::Es256)?;
        let point = |depth: usize| {
            let mut configuration = setup.configuration.clone();
            configuration["delegation"] = json!({ "max_depth": 8 });
            Ok(Point { x: depth, configuration, turns: self.known(&setup, PATH, depth, 8)? })
        };
        let points = DEPTHS.into_iter().map(point).collect::<Result<Vec<_>>>()?;
        self.curve("depth of the chain", "hops", FILTER, &points)
    }

    fn headers(&self) -> Result<Curve> {
        let setup = Setup::new(Algorithm::Es256)?;
        let point = |headers: usize| {
            let turns = self.known(&setup, PATH, 3, headers)?;
            Ok(Point { x: headers, configuration: setup.configuration.clone(), turns })
        };
        let points = HEADERS.into_iter().map(point).collect::<Result<Vec<_>>>()?;
        self.curve("headers of the request", "headers", FILTER, &points)
    }

    fn tokens(&self) -> Result<Curve> {
        let setup = Setup::new(Algorithm::Es256)?;
        let point = |count: usize| {
            // Of a hundred thousand, no more are made than are sent.
            let rounds = self.options.rounds + 60;
            let made = count.min(rounds * TURN).next_multiple_of(TURN);
            let wires = (0..made)
                .map(|index| {
                    let serial = (index % count) as u64;
                    Ok(request("GET", PATH, &setup.authorization_at(self.now, 3, serial)?, 8))
                })
                .collect::<Result<Vec<_>>>()?;
            let turns = wires.chunks(TURN).map(<[Vec<u8>]>::to_vec).collect();
            Ok(Point { x: count, configuration: setup.configuration.clone(), turns })
        };
        let counts = if self.options.test { &TOKENS[..1] } else { &TOKENS[..] };
        let points = counts.iter().copied().map(point).collect::<Result<Vec<_>>>()?;
        self.curve("tokens that take turns", "tokens", FILTER, &points)
    }
}
