//! Running policies: what the flow asks of whatever runs them.

use super::context::RequestContext;
use super::log::PolicyLog;
use super::verdict::{Fault, Verdict};
use crate::config::PolicyEntry;

/// What a policy finds wrong with the settings of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// JSON pointer (RFC 6901) into the settings; empty for the whole.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Complaint {
    /// About the settings, or the entry, as a whole.
    #[must_use]
    pub fn whole(message: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into() }
    }
}

/// What came of asking one policy about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// What it said, or how it failed.
    pub verdict: Result<Verdict, Fault>,
    /// The fuel that it used; only a linked policy is metered.
    pub fuel: Option<u64>,
    /// What it logged.
    pub log: PolicyLog,
}

impl From<Result<Verdict, Fault>> for CheckResult {
    fn from(verdict: Result<Verdict, Fault>) -> Self {
        Self { verdict, fuel: None, log: PolicyLog::default() }
    }
}

/// A policy that is linked into this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedPolicy {
    /// The name that the configuration calls it by.
    pub name: String,
    /// SHA-256 of its component, in lower-case hex.
    pub sha256: String,
}

/// Runs the policies that are linked into this module.
pub trait Policies {
    /// What is linked.
    fn linked(&self) -> &[LinkedPolicy];

    /// Prepares one entry of the configuration: its settings and its limits.
    ///
    /// # Errors
    /// What the policy finds wrong with its settings, or that it failed.
    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>>;

    /// Asks the entry about a request.
    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult;
}

/// A module without policies: the plain filter. Every entry of a configuration is then unknown, which fails it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPolicies;

impl Policies for NoPolicies {
    fn linked(&self) -> &[LinkedPolicy] {
        &[]
    }

    fn configure(&mut self, _: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        Err(vec![Complaint::whole("no policy is linked into this module")])
    }

    fn check(&mut self, _: &PolicyEntry, _: &RequestContext<'_>) -> CheckResult {
        Err(Fault::Missing).into()
    }
}
