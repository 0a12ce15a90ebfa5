//! How the verdicts of several policies fold into one.
//!
//! Policies only narrow. A request that passed the static checks is allowed unless a policy denies, fails, or does
//! not answer.

use super::log::PolicyLog;
use super::policies::CheckResult;
use super::verdict::{Fault, Obligation, Verdict};
use crate::config::Mode;
use crate::denial::Denial;
use crate::limits;
use crate::reason::Reason;
use crate::routes::Asked;
use serde::Serialize;
use std::rc::Rc;

/// What one policy answered, for the audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyRecord {
    /// The entry's position in the configuration.
    #[serde(skip)]
    pub entry: usize,
    /// The entry's name.
    pub policy: Rc<str>,
    /// SHA-256 of the policy's component.
    pub sha256: Rc<str>,
    /// `allow`, `deny`, `abstain` or `fault`.
    pub verdict: &'static str,
    /// The policy's own code of a denial, or the kind of fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The policy's message of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it asked for. In shadow mode nothing of it is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,
    /// The fuel that it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Whether the entry is in shadow mode: recorded, never decides.
    pub shadow: bool,
    /// What it logged; written as lines of their own.
    #[serde(skip)]
    pub log: PolicyLog,
}

/// The fold of several verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fold {
    /// One record per policy that was asked, in order.
    pub records: Vec<PolicyRecord>,
    /// What the allowing policies asked for.
    pub obligations: Vec<Obligation>,
}

impl Fold {
    /// Adds what a policy answered.
    ///
    /// # Errors
    /// The denial, if an enforced policy denied or failed: no more policies are asked, for a denial wins whatever follows.
    pub fn add(&mut self, asked: &Asked, answer: CheckResult) -> Result<(), Denial> {
        let shadow = asked.entry.mode == Mode::Shadow;
        let mut record = PolicyRecord {
            entry: asked.index,
            policy: Rc::clone(&asked.name),
            sha256: Rc::clone(&asked.sha256),
            verdict: "fault",
            code: None,
            message: None,
            obligations: Vec::new(),
            fuel: answer.fuel,
            shadow,
            log: answer.log,
        };
        let denied = match self.judge(answer.verdict) {
            Ok(Verdict::Allow(obligations)) => {
                record.verdict = "allow";
                if !shadow {
                    self.obligations.extend(obligations.iter().cloned());
                }
                record.obligations = obligations;
                Ok(())
            }
            Ok(Verdict::Abstain) => {
                record.verdict = "abstain";
                Ok(())
            }
            Ok(Verdict::Deny { code, message }) => {
                let policy = Some((asked.name.to_string(), Some(code.clone())));
                (record.verdict, record.code, record.message) = ("deny", Some(code), Some(message));
                Err(Denial { policy, ..Reason::PolicyDenied.into() })
            }
            // How a policy fails is for the audit record only.
            Err(fault) => {
                record.code = Some(fault.to_string());
                Err(Reason::PolicyFault.into())
            }
        };
        self.records.push(record);
        if shadow { Ok(()) } else { denied }
    }

    /// What goes on to the upstream or the client is held to its form: a header is one header, a code no place for claims.
    fn judge(&self, verdict: Result<Verdict, Fault>) -> Result<Verdict, Fault> {
        match verdict? {
            Verdict::Deny { code, .. } if !is_code(&code) => Err(Fault::Malformed),
            Verdict::Allow(new) if new.len() > limits::POLICY_OBLIGATIONS => Err(Fault::Output),
            Verdict::Allow(new) if !new.iter().all(Obligation::is_valid) => Err(Fault::Malformed),
            Verdict::Allow(new) => {
                let all = || self.obligations.iter().chain(&new);
                let conflict = new.iter().any(|one| all().any(|other| one.contradicts(other)));
                if conflict { Err(Fault::Conflict) } else { Ok(Verdict::Allow(new)) }
            }
            other => Ok(other),
        }
    }
}

/// A policy's code: up to 64 lower-case letters, digits, dashes and underscores.
fn is_code(code: &str) -> bool {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&code.len()) && code.bytes().all(is_plain)
}
