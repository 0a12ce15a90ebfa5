//! The seam to policies: what they answer, and how their answers fold into one.
//!
//! Policies only narrow. A request that passed the static checks is allowed unless a policy denies, fails, or does
//! not answer.

use crate::config::{Mode, PolicyEntry};
use crate::context::RequestContext;
use crate::reason::Reason;
use serde::Serialize;

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, and this must be done with the request.
    Allow(Vec<Obligation>),
    /// No.
    Deny {
        /// The policy's own stable code, which the client is told: `[a-z0-9_-]{1,64}`.
        code: String,
        /// For the audit record; never for the client.
        message: String,
    },
    /// Not this policy's concern.
    Abstain,
}

/// What an allowing policy asks to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obligation {
    /// Add the header `x-mandate-ext-<name>` to the request that the upstream gets.
    Header {
        /// What follows the prefix: lower-case letters, digits and dashes.
        name: String,
        /// Visible ASCII and spaces.
        value: String,
    },
    /// Add a field to the audit record.
    Audit {
        /// The field's name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// How a policy failed; always counts as no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It trapped.
    #[error("trap")]
    Trap,
    /// It ran out of fuel.
    #[error("fuel")]
    Fuel,
    /// It called too deeply.
    #[error("stack")]
    Stack,
    /// It asked for more memory than its budget.
    #[error("memory")]
    Memory,
    /// It answered more than its budget.
    #[error("output")]
    Output,
    /// It answered something that the contract does not allow.
    #[error("malformed")]
    Malformed,
    /// It did not answer.
    #[error("missing")]
    Missing,
}

/// A policy that is linked into this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The name that the configuration calls it by.
    pub name: String,
    /// SHA-256 of its component, in lower-case hex.
    pub sha256: String,
}

/// Runs the policies that are linked into this module.
pub trait Policies {
    /// What is linked.
    fn linked(&self) -> &[Linked];

    /// Prepares one entry of the configuration: its settings and its limits.
    ///
    /// # Errors
    /// What the policy finds wrong with its settings, one sentence each.
    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<String>>;

    /// Asks the entry about a request.
    ///
    /// # Errors
    /// How the policy failed.
    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> Result<Verdict, Fault>;
}

/// A module without policies: the plain filter. Every entry of a configuration is then unknown, which fails it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPolicies;

impl Policies for NoPolicies {
    fn linked(&self) -> &[Linked] {
        &[]
    }

    fn configure(&mut self, _: &PolicyEntry) -> Result<(), Vec<String>> {
        Err(vec!["no policy is linked into this module".to_owned()])
    }

    fn check(&mut self, _: &PolicyEntry, _: &RequestContext<'_>) -> Result<Verdict, Fault> {
        Err(Fault::Missing)
    }
}

/// What one policy answered, for the audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyRecord {
    /// The entry's name.
    pub policy: String,
    /// `allow`, `deny`, `abstain` or `fault`.
    pub verdict: &'static str,
    /// The policy's own code of a denial, or the kind of fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The policy's message of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether the entry is in shadow mode: recorded, never decides.
    pub shadow: bool,
}

/// The fold of several verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fold {
    /// One record per policy that was asked, in order.
    pub records: Vec<PolicyRecord>,
    /// What the allowing policies asked for.
    pub obligations: Vec<Obligation>,
    /// Set once an enforced policy denied or failed: the reason, and which record it is.
    pub denied: Option<(Reason, usize)>,
}

impl Fold {
    /// Adds one answer. The caller stops asking once [`denied`](Self::denied) is set: deny wins, whatever follows.
    pub fn add(&mut self, entry: &PolicyEntry, answer: Result<Verdict, Fault>) {
        let shadow = entry.mode == Mode::Shadow;
        let (verdict, code, message, reason) = match answer {
            Ok(Verdict::Allow(obligations)) if obligations.iter().all(Obligation::is_valid) => {
                if !shadow {
                    self.obligations.extend(obligations);
                }
                ("allow", None, None, None)
            }
            Ok(Verdict::Abstain) => ("abstain", None, None, None),
            Ok(Verdict::Deny { code, message }) if is_code(&code) => {
                ("deny", Some(code), Some(message), Some(Reason::PolicyDenied))
            }
            // What goes on to the upstream or the client is held to its form: a header is one header, a code no place for claims.
            Ok(Verdict::Allow(_) | Verdict::Deny { .. }) => {
                ("fault", Some(Fault::Malformed.to_string()), None, Some(Reason::PolicyFault))
            }
            Err(fault) => ("fault", Some(fault.to_string()), None, Some(Reason::PolicyFault)),
        };
        if let (Some(reason), false, None) = (reason, shadow, self.denied) {
            self.denied = Some((reason, self.records.len()));
        }
        self.records.push(PolicyRecord { policy: entry.name.clone(), verdict, code, message, shadow });
    }
}

/// A policy's code: up to 64 lower-case letters, digits, dashes and underscores.
fn is_code(code: &str) -> bool {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&code.len()) && code.bytes().all(is_plain)
}

impl Obligation {
    /// Whether it can be done without doing anything else: no other header, no line break.
    fn is_valid(&self) -> bool {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 64
                && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        match self {
            Self::Header { name, value } => is_name(name) && value.bytes().all(|b| matches!(b, 0x20..=0x7e)),
            Self::Audit { name, .. } => is_name(name),
        }
    }
}
