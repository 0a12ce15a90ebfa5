//! Counters and gauges. They inform; nothing depends on them, so a proxy that refuses one loses that one only.

use crate::host::{self, MetricKind};
use mandate_core::config::PolicyEntry;
use mandate_core::reason::Reason;
use std::collections::BTreeMap;

/// The metrics of one worker.
#[derive(Debug, Default)]
pub struct Metrics {
    allowed: Option<u32>,
    denied: Vec<(Reason, u32)>,
    refresh_succeeded: Option<u32>,
    refresh_failed: Option<u32>,
    key_age: Vec<(usize, u32)>,
    cache_hits: Option<u32>,
    cache_misses: Option<u32>,
    host_signatures: Option<u32>,
    waiting: Option<u32>,
    /// By the entry's name, and what it said.
    policies: BTreeMap<(String, &'static str), u32>,
}

/// What a policy's record may say.
const VERDICTS: [&str; 4] = ["allow", "deny", "abstain", "fault"];

impl Metrics {
    /// Defines all metrics; `remote_issuers` are the positions of the issuers whose keys are fetched.
    pub fn define(remote_issuers: &[usize], policies: &[PolicyEntry]) -> Self {
        let counter = |name: &str| host::define_metric(MetricKind::Counter, name).ok();
        let gauge = |name: &str| host::define_metric(MetricKind::Gauge, name).ok();
        Self {
            allowed: counter("mandate.decisions.allow"),
            denied: Reason::ALL
                .into_iter()
                .filter_map(|r| Some((r, counter(&format!("mandate.decisions.deny.{}", r.code()))?)))
                .collect(),
            refresh_succeeded: counter("mandate.keys.refresh.success"),
            refresh_failed: counter("mandate.keys.refresh.failure"),
            key_age: remote_issuers
                .iter()
                .filter_map(|i| Some((*i, gauge(&format!("mandate.keys.age_s.{i}"))?)))
                .collect(),
            cache_hits: counter("mandate.tokens.cache.hit"),
            cache_misses: counter("mandate.tokens.cache.miss"),
            host_signatures: gauge("mandate.signatures.by_host"),
            waiting: gauge("mandate.requests.waiting"),
            policies: policies
                .iter()
                .flat_map(|entry| VERDICTS.map(|verdict| (entry.name.clone(), verdict)))
                .filter_map(|(name, verdict)| {
                    let id = counter(&format!("mandate.policies.{name}.{verdict}"))?;
                    Some(((name, verdict), id))
                })
                .collect(),
        }
    }

    /// Counts what a policy said.
    pub fn answered(&self, policy: &str, verdict: &'static str) {
        add(self.policies.get(&(policy.to_owned(), verdict)).copied(), 1);
    }

    /// Counts a decision: `None` is an allow.
    pub fn decided(&self, reason: Option<Reason>) {
        match reason {
            None => add(self.allowed, 1),
            Some(reason) => add(self.denied.iter().find(|(r, _)| *r == reason).map(|(_, id)| *id), 1),
        }
    }

    /// Counts an attempt to fetch keys.
    pub fn refreshed(&self, succeeded: bool) {
        add(if succeeded { self.refresh_succeeded } else { self.refresh_failed }, 1);
    }

    /// Shows how old an issuer's keys are.
    pub fn key_age(&self, issuer: usize, seconds: u64) {
        set(self.key_age.iter().find(|(i, _)| *i == issuer).map(|(_, id)| *id), seconds);
    }

    /// Counts looks into the token cache.
    pub fn cache(&self, (hits, misses): (u64, u64)) {
        add(self.cache_hits, hits);
        add(self.cache_misses, misses);
    }

    /// Shows for how many algorithms the host checks signatures.
    pub fn host_signatures(&self, algorithms: usize) {
        set(self.host_signatures, algorithms as u64);
    }

    /// Shows how many requests wait for keys.
    pub fn waiting(&self, requests: usize) {
        set(self.waiting, requests as u64);
    }
}

fn add(id: Option<u32>, by: u64) {
    if let (Some(id), Ok(by @ 1..)) = (id, i64::try_from(by)) {
        host::increment_metric(id, by).ok();
    }
}

fn set(id: Option<u32>, value: u64) {
    if let Some(id) = id {
        host::record_metric(id, value).ok();
    }
}
