//! Counters and gauges. They inform; nothing depends on them, so a proxy that refuses one loses that one only.
//!
//! A counter is kept here and handed over once in a while: a request counts several things, and each would be a call to the
//! proxy.

use super::host::{Host, MetricKind};
use crate::config::PolicyEntry;
use crate::decision::{Decision, Outcome};
use crate::reason::Reason;
use crate::time::UnixTime;

/// Milliseconds that a count may lie here while requests come.
const KEPT_MS: u64 = 1000;

/// The metrics of one worker.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    allowed: Counter,
    answered: Counter,
    denied: Vec<(Reason, Counter)>,
    refresh_succeeded: Counter,
    refresh_failed: Counter,
    key_age: Vec<(usize, u32)>,
    keys_dropped: Vec<(usize, Counter)>,
    cache_hits: Counter,
    cache_misses: Counter,
    host_signatures: Option<u32>,
    waiting: Option<u32>,
    /// What this worker adds to the gauge of all.
    waiting_here: usize,
    /// By the entry's position, and the position in [`VERDICTS`].
    policies: Vec<[Counter; VERDICTS.len()]>,
    handed_over: UnixTime,
}

/// What a decision is counted as.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counted {
    Allowed,
    Answered,
    Denied(Reason),
}

impl Counted {
    pub(super) fn of(decision: &Decision) -> Self {
        match decision.outcome() {
            Outcome::Allow(_) => Self::Allowed,
            Outcome::Answer(_) => Self::Answered,
            Outcome::Deny(denial) => Self::Denied(denial.reason),
        }
    }
}

/// What a policy's record may say.
const VERDICTS: [&str; 4] = ["allow", "deny", "abstain", "fault"];

/// A counter of the proxy's, if it took it, and what it was not yet told.
#[derive(Debug, Default)]
struct Counter {
    id: Option<u32>,
    kept: u64,
}

impl Counter {
    fn define(host: &dyn Host, name: &str) -> Self {
        Self { id: host.define_metric(MetricKind::Counter, name).ok(), kept: 0 }
    }

    fn add(&mut self, by: u64) {
        self.kept = self.kept.saturating_add(by);
    }

    fn hand_over(&mut self, host: &dyn Host) {
        if let (Some(id), Ok(by @ 1..)) = (self.id, i64::try_from(self.kept)) {
            host.increment_metric(id, by).ok();
        }
        self.kept = 0;
    }
}

impl Metrics {
    /// Hands over what was counted, and counts for another configuration from now on.
    pub(super) fn replace(&mut self, host: &dyn Host, remote_issuers: &[usize], policies: &[PolicyEntry]) {
        self.close(host);
        *self = Self::define(host, remote_issuers, policies);
    }

    /// Hands over what was counted: the plugin is gone, or its configuration.
    pub(super) fn close(&mut self, host: &dyn Host) {
        self.waiting(host, 0);
        self.hand_over(host);
    }

    /// Defines all metrics; `remote_issuers` are the positions of the issuers whose keys are fetched.
    fn define(host: &dyn Host, remote_issuers: &[usize], policies: &[PolicyEntry]) -> Self {
        let gauge = |name: &str| host.define_metric(MetricKind::Gauge, name).ok();
        let denied = |r: Reason| (r, Counter::define(host, &format!("mandate.decisions.deny.{}", r.code())));
        let answers = |entry: &PolicyEntry| {
            VERDICTS
                .map(|verdict| Counter::define(host, &format!("mandate.policies.{}.{verdict}", entry.name)))
        };
        Self {
            allowed: Counter::define(host, "mandate.decisions.allow"),
            answered: Counter::define(host, "mandate.decisions.answer"),
            denied: Reason::ALL.into_iter().map(denied).collect(),
            refresh_succeeded: Counter::define(host, "mandate.keys.refresh.success"),
            refresh_failed: Counter::define(host, "mandate.keys.refresh.failure"),
            key_age: remote_issuers
                .iter()
                // Every worker has keys of its own: a gauge would show those of whoever wrote last.
                .filter_map(|i| {
                    let id = host.define_metric(MetricKind::Histogram, &format!("mandate.keys.age_s.{i}"));
                    Some((*i, id.ok()?))
                })
                .collect(),
            keys_dropped: remote_issuers
                .iter()
                .map(|i| (*i, Counter::define(host, &format!("mandate.keys.dropped.{i}"))))
                .collect(),
            cache_hits: Counter::define(host, "mandate.tokens.cache.hit"),
            cache_misses: Counter::define(host, "mandate.tokens.cache.miss"),
            host_signatures: gauge("mandate.signatures.by_host"),
            waiting: gauge("mandate.requests.waiting"),
            waiting_here: 0,
            policies: policies.iter().map(answers).collect(),
            handed_over: UnixTime::default(),
        }
    }

    /// Hands the counts over to the proxy, unless that was done less than a second ago.
    pub(super) fn hand_over_at(&mut self, host: &dyn Host, now: UnixTime) {
        if now < self.handed_over || now.millis_since(self.handed_over) >= KEPT_MS {
            self.handed_over = now;
            self.hand_over(host);
        }
    }

    /// Hands the counts over to the proxy.
    pub(super) fn hand_over(&mut self, host: &dyn Host) {
        let single = [
            &mut self.allowed,
            &mut self.answered,
            &mut self.refresh_succeeded,
            &mut self.refresh_failed,
            &mut self.cache_hits,
            &mut self.cache_misses,
        ];
        let denied = self.denied.iter_mut().map(|(_, counter)| counter);
        single
            .into_iter()
            .chain(denied)
            .chain(self.policies.iter_mut().flatten())
            .for_each(|counter| counter.hand_over(host));
    }

    /// Counts what the policy of an entry said.
    pub(super) fn answered(&mut self, entry: usize, verdict: &str) {
        let position = VERDICTS.iter().position(|known| *known == verdict);
        let counters = self.policies.get_mut(entry);
        if let Some(counter) = counters.zip(position).and_then(|(counters, at)| counters.get_mut(at)) {
            counter.add(1);
        }
    }

    /// Counts a decision.
    pub(super) fn decided(&mut self, what: Counted) {
        match what {
            Counted::Allowed => self.allowed.add(1),
            Counted::Answered => self.answered.add(1),
            Counted::Denied(reason) => {
                let counter = self.denied.iter_mut().find(|(r, _)| *r == reason);
                counter.into_iter().for_each(|(_, counter)| counter.add(1));
            }
        }
    }

    /// Counts an attempt to fetch keys.
    pub(super) fn refreshed(&mut self, host: &dyn Host, succeeded: bool) {
        let counter = if succeeded { &mut self.refresh_succeeded } else { &mut self.refresh_failed };
        counter.add(1);
        // It is rare.
        counter.hand_over(host);
    }

    /// Shows how old an issuer's keys are.
    pub(super) fn key_age(&self, host: &dyn Host, issuer: usize, seconds: u64) {
        set(host, self.key_age.iter().find(|(i, _)| *i == issuer).map(|(_, id)| *id), seconds);
    }

    /// Counts looks into the token cache.
    pub(super) fn cache(&mut self, (hits, misses): (u64, u64)) {
        self.cache_hits.add(hits);
        self.cache_misses.add(misses);
    }

    /// Shows for how many algorithms the host checks signatures.
    pub(super) fn host_signatures(&self, host: &dyn Host, algorithms: usize) {
        set(host, self.host_signatures, algorithms as u64);
    }

    /// Shows how many requests of this worker wait for keys, in a gauge that is the sum over all workers.
    pub(super) fn waiting(&mut self, host: &dyn Host, requests: usize) {
        let change = i64::try_from(requests).unwrap_or(i64::MAX)
            - i64::try_from(self.waiting_here).unwrap_or(i64::MAX);
        if let (Some(id), true) = (self.waiting, change != 0) {
            host.increment_metric(id, change).ok();
        }
        self.waiting_here = requests;
    }

    /// Counts keys of a new set that are not used.
    pub(super) fn dropped(&mut self, host: &dyn Host, issuer: usize, keys: usize) {
        for (_, counter) in self.keys_dropped.iter_mut().filter(|(i, _)| *i == issuer) {
            counter.add(keys as u64);
            // It is rare.
            counter.hand_over(host);
        }
    }
}

fn set(host: &dyn Host, id: Option<u32>, value: u64) {
    if let Some(id) = id {
        host.record_metric(id, value).ok();
    }
}
