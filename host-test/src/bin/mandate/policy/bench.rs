//! `mandate policy bench`.

use super::Tabled;
use crate::output::{self, line, progress};
use anyhow::Result;
use mandate_host::FILTER;
use mandate_host::authoring::{self, Cost, Trial};
use serde_json::json;

/// Measure what a policy costs, case by case.
///
/// Fuel is the same on every machine and in every proxy. Times are medians on this machine: of a whole decision by the bundle
/// under Wasmtime, for a token that was used before; of the same on a route without policies; and of a call of the unlinked
/// component in a fresh instance of native Wasmtime ("oracle"). Times in Envoy differ: compare them only with each other.
#[derive(Debug, clap::Args)]
pub struct Bench {
    #[command(flatten)]
    tabled: Tabled,
    /// How many times each case is measured.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub fn run(self) -> Result<bool> {
        let table = self.tabled.table()?;
        let trial = Trial::new(FILTER, &self.tabled.component()?)?;
        progress(&format!("{} rounds for each of {} cases", self.rounds, table.cases.len()));
        let mut costs = Vec::new();
        for case in &table.cases {
            if let Some(bench) = authoring::Bench::new(&trial, case)? {
                costs.push((case.name.as_str(), bench.run(usize::try_from(self.rounds)?)?));
            }
        }
        if self.json {
            let row = |(name, cost): &(&str, Cost)| json!({ "name": name, "cost": cost, "policy_ns": cost.policy_ns() });
            output::json(&costs.iter().map(row).collect::<Vec<_>>())?;
            return Ok(true);
        }
        let headings = ["case", "fuel", "decision µs", "without policy µs", "the policy µs", "oracle µs"];
        let mut table = output::table(&headings);
        for (name, cost) in &costs {
            let fuel = cost.fuel.map(|fuel| fuel.to_string()).unwrap_or_default();
            let times = [cost.with_ns, cost.without_ns, cost.policy_ns(), cost.oracle_ns].map(micros);
            let mut row = vec![comfy_table::Cell::new(name), output::number(&fuel)];
            row.extend(times.iter().map(|time| output::number(time)));
            table.add_row(row);
        }
        line(&table.to_string())?;
        progress("fuel is the same in every proxy; times are medians on this machine, on Wasmtime");
        if cfg!(debug_assertions) {
            progress(
                "this tool was built without optimisation: its own part of the decisions takes longer than it should",
            );
        }
        Ok(true)
    }
}

fn micros(nanos: u64) -> String {
    format!("{}.{}", nanos / 1000, nanos % 1000 / 100)
}
