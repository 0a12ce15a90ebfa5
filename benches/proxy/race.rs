//! Proxies that take turns.

use super::{Lane, Sample, median};
use comfy_table::{Cell, CellAlignment, Table, presets};
use std::time::Duration;
use wasmtime::Result;

/// Proxies, and what each round of turns cost them. The first is the one without filters.
pub struct Race {
    lanes: Vec<Lane>,
    samples: Vec<Vec<Sample>>,
}

impl Race {
    /// Between these.
    #[must_use]
    pub fn new(lanes: Vec<Lane>) -> Self {
        let samples = lanes.iter().map(|_| Vec::new()).collect();
        Self { lanes, samples }
    }

    /// One turn for each. The order changes, so that nobody is always behind the same other.
    ///
    /// # Errors
    /// If a request is not answered with 200.
    pub fn round(&mut self, requests: &[&[u8]]) -> Result<()> {
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

    /// Forgets all rounds: they were to warm up.
    pub fn forget(&mut self) {
        self.samples.iter_mut().for_each(Vec::clear);
    }

    /// What a lane adds to the first one, round by round, in microseconds on a core per request.
    #[must_use]
    pub fn added(&self, lane: usize) -> Vec<f64> {
        let (Some(base), Some(lane)) = (self.samples.first(), self.samples.get(lane)) else {
            return Vec::new();
        };
        lane.iter().zip(base).map(|(lane, base)| lane.cpu_us - base.cpu_us).collect()
    }

    /// What one lane adds, over what another adds: of the medians, for a round may be disturbed.
    #[must_use]
    pub fn ratio(&self, lane: usize, to: usize) -> f64 {
        median(self.added(lane)) / median(self.added(to))
    }

    /// All lanes, with what they add over what one of them adds.
    #[must_use]
    pub fn table(&self, to: usize) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["proxy", "CPU µs", "added µs", "ratio", "p50 µs", "p99 µs"]);
        for (index, (lane, samples)) in self.lanes.iter().zip(&self.samples).enumerate() {
            let mut latencies: Vec<Duration> = samples.iter().flat_map(|s| s.latencies.clone()).collect();
            latencies.sort_unstable();
            let at = |part: usize| latencies.get(latencies.len() * part / 100).map_or(0, Duration::as_micros);
            let ratio = if index == 0 { String::new() } else { format!("{:.2}", self.ratio(index, to)) };
            let numbers = [
                format!("{:.1}", median(samples.iter().map(|s| s.cpu_us).collect())),
                format!("{:.1}", median(self.added(index))),
                ratio,
                at(50).to_string(),
                at(99).to_string(),
            ];
            let numbers = numbers.map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
            table.add_row(std::iter::once(Cell::new(&lane.name)).chain(numbers).collect::<Vec<_>>());
        }
        table
    }
}
