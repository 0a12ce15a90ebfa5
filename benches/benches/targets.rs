//! What Mandate promises to cost, measured against its targets: one command, one table.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a program that reports, and writes the JSON that it indexes"
)]

use clap::Parser;
use comfy_table::{Table, presets};
use mandate_benches::count::tool_call_body;
use mandate_benches::policy::{CALLS_PER_INSTANCE, Question, Rig, rig_module};
use mandate_benches::proxy::bundle::{copies, five_policies, with_three_policies};
use mandate_benches::proxy::{
    Lane, Race, answering, envoy, floor, keep_to_client_core, median, peers, request, with_module,
};
use mandate_benches::{PATH, Setup, compile, headers};
use mandate_host::FILTER;
use mandate_host::authoring::examples;
use mandate_host::envoy::{EnvoyBinary, EnvoySetup};
use mandate_host::oracle::Oracle;
use mandate_host::tokens::{Algorithm, SigningKey};
use mandate_link::{Policy, link};
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::Result;
use wasmtime::error::Context as _;

/// Measures every target, in a real Envoy beside Envoy's own filters, and prints each with what was measured.
#[derive(Parser)]
struct Options {
    /// How often every proxy gets its turn
    #[arg(long, default_value_t = 150)]
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

/// Requests in one turn.
const TURN: usize = 160;
/// A round of tokens that were never seen, for this many rounds with a known one: each such token has to be signed before.
const ROUNDS_PER_NEW_ROUND: usize = 8;
/// Rounds before those that count: engines optimise code once it was run for a while.
const WARM_UP: usize = 5;
/// Calls of a policy in one turn.
const CALLS: u32 = 20_000;
/// Workers that are started, to see what each costs.
const WORKERS: u32 = 5;

/// What was measured for a target.
struct Row {
    what: String,
    target: String,
    measured: String,
    met: bool,
}

impl Row {
    /// Something that must be at most so much.
    fn at_most(what: &str, target: f64, measured: f64, unit: &str, digits: usize) -> Self {
        let show = |number: f64| format!("{number:.digits$}{unit}");
        let met = measured <= target;
        Self { what: what.to_owned(), target: format!("≤ {}", show(target)), measured: show(measured), met }
    }
}

/// What all measurements share.
struct Bed {
    options: Options,
    binary: EnvoyBinary,
    folder: tempfile::TempDir,
}

fn main() -> Result<()> {
    let mut options = Options::parse();
    if options.test {
        options.rounds = 1;
    }
    keep_to_client_core()?;
    let bed = Bed { options, binary: envoy()?, folder: tempfile::tempdir()? };
    println!("Envoy {}, {} rounds\n", bed.binary.version(), bed.options.rounds);
    let mut rows = bed.cached()?;
    for (algorithm, target) in [(Algorithm::Es256, 1.1), (Algorithm::Rs256, 1.1), (Algorithm::EdDsa, 0.9)] {
        rows.push(bed.first_sight(algorithm, target)?);
    }
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa] {
        bed.bound(algorithm)?;
    }
    for bytes in [1024, 65_536] {
        rows.push(bed.tool_call(bytes)?);
    }
    rows.extend(bed.policy_call()?);
    rows.extend(bed.module()?);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(["what", "target", "measured", "met"]);
    for Row { what, target, measured, met } in rows {
        table.add_row([what, target, measured, if met { "yes" } else { "no" }.to_owned()]);
    }
    println!(
        "{table}\n\nmemory over many requests: `cargo bench --package mandate-benches --bench endurance`"
    );
    Ok(())
}

fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

impl Bed {
    fn lane(&self, name: &str, setup: &EnvoySetup) -> Result<Lane> {
        Lane::start(name, &self.binary, setup)
    }

    /// A file with a module in it.
    fn file(&self, name: &str, module: &[u8]) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, module)?;
        Ok(path)
    }

    fn run(&self, race: &mut Race, rounds: usize, turn: &[&[u8]]) -> Result<()> {
        for round in 0..rounds {
            eprint!("\rround {} of {rounds} ", round + 1);
            race.round(turn)?;
        }
        eprint!("\r{:30}\r", "");
        Ok(())
    }

    /// A token that was seen before: what every request but the first of a token costs.
    fn cached(&self) -> Result<Vec<Row>> {
        let setup = Setup::new(Algorithm::Es256)?;
        let plain = self.file("plain.wasm", FILTER)?;
        let usual = headers(&setup.authorization(0)?);
        let same = self.file("same.wasm", &floor::same_calls(FILTER, &setup.configuration, &usual)?)?;
        let peer = self.file("peer.wasm", &compile("mandate-bench-peer")?)?;
        let by_hand = self.file("by-hand.wasm", &floor::peer_calls()?)?;
        let nothing = self.file("nothing.wasm", &floor::nothing()?)?;
        let bundle = self.file("bundle.wasm", &five_policies(FILTER)?)?;
        let three = with_three_policies(&setup.configuration);
        let mut nothing_added = three.clone();
        nothing_added["upstream"] = json!({ "identity_headers": false, "forward_token": true });
        let cached = peers::jwt_authn(answering(), &setup.jwks(), true);
        let authz = self.lane("authz", &answering())?;
        let mut lanes = vec![
            self.lane("no filter", &answering())?,
            self.lane("jwt_authn with its cache, and rbac", &peers::rbac(cached, "/v1/"))?,
            self.lane("ext_authz over HTTP", &peers::ext_authz(answering(), authz.address()))?
                .helped_by(authz),
            self.lane("mandate, three policies", &with_module(&bundle, &three))?,
            self.lane("the same, adding no headers", &with_module(&bundle, &nothing_added))?,
            self.lane("mandate, no policy", &with_module(&plain, &setup.configuration))?,
            self.lane(
                "a filter of the proxy-wasm crate that adds one header",
                &with_module(&peer, &json!({})),
            )?,
            self.lane(
                "a module that makes the same calls, and decides nothing",
                &with_module(&same, &json!({})),
            )?,
            self.lane(
                "the calls of the filter of that crate, made by hand",
                &with_module(&by_hand, &json!({})),
            )?,
            self.lane("a module that does nothing", &with_module(&nothing, &json!({})))?,
        ];
        for file in &self.options.against {
            let path = std::path::absolute(file)?;
            let name = file.file_stem().context("it is no file")?.to_string_lossy();
            lanes.push(self.lane(&name, &with_module(&path, &setup.configuration))?);
        }
        let wire = request("GET", PATH, &setup.authorization_at(now()?, 3, 0)?, 8);
        let turn = vec![wire.as_slice(); TURN];
        let mut race = Race::new(lanes);
        self.run(&mut race, if self.options.test { 1 } else { WARM_UP * 4 }, &turn)?;
        race.forget();
        self.run(&mut race, self.options.rounds, &turn)?;
        println!("a token that was seen before\n\n{}\n", race.table(1));
        let row = |what: &str, lane, to, target| Row::at_most(what, target, race.ratio(lane, to), "", 2);
        Ok(vec![
            row("known token, depth 3, three policies, against jwt_authn with its cache and rbac", 3, 1, 1.0),
            row("the same, adding no headers for the upstream, as they add none", 4, 1, 1.0),
            row("the same against a null ext_authz", 3, 2, 0.2),
        ])
    }

    /// Tokens that were never seen.
    fn first_sight(&self, algorithm: Algorithm, target: f64) -> Result<Row> {
        let setup = Setup::new(algorithm)?;
        let plain = self.file("plain.wasm", FILTER)?;
        let mut race = Race::new(vec![
            self.lane("no filter", &answering())?,
            self.lane("jwt_authn", &peers::jwt_authn(answering(), &setup.jwks(), false))?,
            self.lane("mandate", &with_module(&plain, &setup.configuration))?,
        ]);
        let rounds = (self.options.rounds / ROUNDS_PER_NEW_ROUND).max(1);
        let now = now()?;
        for round in 0..rounds + WARM_UP {
            eprint!("\r{algorithm}: round {} of {} ", round + 1, rounds + WARM_UP);
            let serials = (round * TURN..(round + 1) * TURN).map(|serial| serial as u64);
            let wires = serials
                .map(|serial| Ok(request("GET", PATH, &setup.authorization_at(now, 3, serial)?, 8)))
                .collect::<Result<Vec<_>>>()?;
            race.round(&wires.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            if round + 1 == WARM_UP {
                race.forget();
            }
        }
        eprint!("\r{:30}\r", "");
        println!("first sight of a token, {algorithm}\n\n{}\n", race.table(1));
        let what = format!("first sight of a token, {algorithm}, against jwt_authn");
        Ok(Row::at_most(&what, target, race.ratio(2, 1), "", 2))
    }

    /// A known token that is bound to a key, with a new proof in every request. Envoy has no filter that verifies proofs, so there is no
    /// target: what it adds is printed.
    fn bound(&self, algorithm: Algorithm) -> Result<()> {
        let setup = Setup::new(Algorithm::Es256)?;
        let start = now()?;
        let client = setup.bound_client(algorithm, start)?;
        let plain = self.file("plain.wasm", FILTER)?;
        let mut race = Race::new(vec![
            self.lane("no filter", &answering())?,
            self.lane("mandate", &with_module(&plain, &client.configuration))?,
        ]);
        let rounds = (self.options.rounds / ROUNDS_PER_NEW_ROUND).max(1);
        for round in 0..rounds + WARM_UP {
            eprint!("\rproofs, {algorithm}: round {} of {} ", round + 1, rounds + WARM_UP);
            let now = now()?;
            let wire = || -> Result<Vec<u8>> {
                let [authorization, proof] = client.authorization_at(now)?;
                Ok(request("GET", PATH, &format!("{authorization}\r\ndpop: {proof}"), 8))
            };
            let wires = (0..TURN).map(|_| wire()).collect::<Result<Vec<_>>>()?;
            race.round(&wires.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            if round + 1 == WARM_UP {
                race.forget();
            }
        }
        eprint!("\r{:30}\r", "");
        println!(
            "a known token that is bound to a key, with a new DPoP proof, {algorithm}\n\n{}\n",
            race.table(1)
        );
        Ok(())
    }

    /// Calls of an MCP tool, with a rule on arguments and a policy that looks at one.
    fn tool_call(&self, bytes: usize) -> Result<Row> {
        const TOOL: &str = "tickets.close";
        let setup = Setup::new(Algorithm::Es256)?;
        let (module, policies) = copies(FILTER, "argument-limits", 1)?;
        let module = self.file("mcp.wasm", &module)?;
        let mut configuration = setup.configuration.clone();
        let rule = json!({
            "name": TOOL, "arguments": { "/env": ["staging"], "/force": [false, null] }, "policies": policies,
        });
        configuration["routes"] = json!([{ "match": { "path_prefix": "/mcp" }, "mcp": { "tools": [rule] } }]);
        let limits = json!({ "tools": [{ "name": TOOL, "amount": { "argument": "/id", "max": 500 } }] });
        configuration["policies"] = json!([{ "name": policies[0], "settings": limits }]);
        let room = 4 * 65_536;
        let mandate = with_module(&module, &configuration).shows_held_bodies(room);
        let mut race = Race::new(vec![
            self.lane("the body is waited for", &peers::buffer(answering(), room))?,
            self.lane("mcp and rbac", &peers::buffer(peers::mcp(answering(), TOOL, room), room))?,
            self.lane("mandate, a rule on arguments and a policy", &mandate)?,
        ]);
        let body = tool_call_body(TOOL, bytes);
        let more = format!(
            "accept: application/json, text/event-stream\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut wire = request("POST", "/mcp", &setup.authorization_at(now()?, 3, 0)?, 8);
        wire.truncate(wire.len() - 2);
        wire.extend(more.into_bytes());
        let turn = vec![wire.as_slice(); TURN];
        self.run(&mut race, if self.options.test { 1 } else { WARM_UP * 4 }, &turn)?;
        race.forget();
        self.run(&mut race, (self.options.rounds / 2).max(1), &turn)?;
        println!("a tool call of about {bytes} bytes\n\n{}\n", race.table(1));
        let what = format!(
            "a tool call of about {bytes} bytes, against mcp with rbac, both beyond waiting for the body"
        );
        Ok(Row::at_most(&what, 0.5, race.ratio(2, 1), "", 2))
    }

    /// Calls of a policy, without a proxy.
    fn policy_call(&self) -> Result<Vec<Row>> {
        let key = SigningKey::generate(Algorithm::EdDsa, "bench")?;
        let (module, mut rows) = (rig_module()?, Vec::new());
        let calls = if self.options.test { 10 } else { CALLS };
        for component in examples()? {
            let question = Question::of(&component.name, &key)?;
            let policies = [Policy { name: &component.name, component: &component.bytes }];
            let rig = Rig::new(&link(&module, &policies)?)?;
            let mut fresh = rig.prepare(&question, 1)?;
            let mut seldom = rig.prepare(&question, CALLS_PER_INSTANCE)?;
            let mut oracle = Oracle::new()?;
            oracle.add(&component.name, &component.bytes)?;
            let mut times = [const { Vec::new() }; 3];
            for _ in 0..(self.options.rounds / 4).max(1) {
                let took = [
                    fresh.time(calls)?,
                    seldom.time(calls)?,
                    question.time_unlinked(&oracle, true, u64::from(calls))?,
                ];
                let per_call = took.map(|took| took.as_secs_f64() * 1e6 / f64::from(calls));
                times.iter_mut().zip(per_call).for_each(|(times, took)| times.push(took));
            }
            let [fresh, seldom, native] = times.map(median);
            println!("a call of {}: {fresh:.2} µs, native {native:.2} µs", component.name);
            let name = &component.name;
            let what =
                format!("a call of {name}, with fresh state, against native Wasmtime reusing its instance");
            rows.push(Row::at_most(&what, 0.5, fresh / native, "", 2));
            rows.push(Row::at_most("of that, the reset to fresh state", 3.0, fresh - seldom, " µs", 2));
        }
        println!();
        Ok(rows)
    }

    /// What the module weighs, and what each worker takes to start it.
    fn module(&self) -> Result<Vec<Row>> {
        let setup = Setup::new(Algorithm::Es256)?;
        let three = with_three_policies(&setup.configuration);
        let (filter, bundle) = (FILTER, five_policies(FILTER)?);
        let bundle_file = self.file("bundle.wasm", &bundle)?;
        let wire = request("GET", PATH, &setup.authorization_at(now()?, 3, 0)?, 8);
        let one_start = |setup: &EnvoySetup, workers| -> Result<[f64; 2]> {
            let mut lane = Lane::start_with("start", &self.binary, setup, workers)?;
            lane.run([wire.as_slice()])?;
            #[expect(clippy::cast_precision_loss, reason = "bytes of a process")]
            Ok([lane.cpu()?.as_secs_f64() * 1e3, lane.memory()? as f64 / 1e6])
        };
        let (mut start, mut memory) = (Vec::new(), Vec::new());
        for _ in 0..if self.options.test { 1 } else { 9 } {
            let per_worker = |setup: &EnvoySetup| -> Result<[f64; 2]> {
                let ([cpu, memory], [one_cpu, one_memory]) =
                    (one_start(setup, WORKERS)?, one_start(setup, 1)?);
                let others = f64::from(WORKERS - 1);
                Ok([(cpu - one_cpu) / others, (memory - one_memory) / others])
            };
            let [cpu, occupied] = per_worker(&with_module(&bundle_file, &three))?;
            let [_, bare] = per_worker(&answering())?;
            // All that a further worker takes to start, the proxy's own part included.
            start.push(cpu);
            memory.push(occupied - bare);
        }
        println!(
            "each further worker with the bundle of five, three of them in use: {:.1} MB\n",
            median(memory)
        );
        #[expect(clippy::cast_precision_loss, reason = "the size of a file")]
        let kilobytes = |module: &[u8]| module.len() as f64 / 1000.0;
        Ok(vec![
            Row::at_most("the plain filter", 700.0, kilobytes(filter), " KB", 0),
            Row::at_most("a bundle of five policies", 1000.0, kilobytes(&bundle), " KB", 0),
            Row::at_most(
                "start to the first decision, for each further worker",
                100.0,
                median(start),
                " ms",
                0,
            ),
        ])
    }
}
