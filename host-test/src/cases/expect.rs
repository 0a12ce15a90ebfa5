//! What a policy must say, what it said, and how the two differ.

use mandate_core::policy::Fault;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a case expects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Expected {
    /// The settings are refused, with a problem at each of these JSON pointers and at no other.
    Refused(BTreeSet<String>),
    /// The policy is asked, and says this.
    Said {
        /// The verdict.
        verdict: ExpectedVerdict,
        /// The most fuel that the call may use.
        max_fuel: Option<u64>,
    },
}

/// A verdict that a case expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedVerdict {
    /// Yes, with these obligations and no others.
    Allow {
        /// Names, without `x-mandate-ext-`, and values.
        headers: BTreeMap<String, String>,
        /// Names and values.
        audit: BTreeMap<String, String>,
        /// Why it wants an approval.
        approve: Vec<String>,
    },
    /// No. Without a code any will do.
    Deny(Option<String>),
    /// Not this policy's concern.
    Abstain,
    /// The policy fails. Without a kind any will do.
    Fault(Option<String>),
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseOutcome {
    /// What the policy said, if it was asked.
    pub verdict: CaseVerdict,
    /// The policy's code of a denial, or the kind of fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The policy's message of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Headers that it asks for: names, without `x-mandate-ext-`, and values.
    pub headers: Vec<(String, String)>,
    /// Fields of the audit record that it asks for.
    pub audit: Vec<(String, String)>,
    /// Why it wants an approval, once for each obligation.
    pub approve: Vec<String>,
    /// The fuel that it used, if somebody measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// What it finds wrong with its settings.
    pub refused: Vec<Refusal>,
    /// What it logged.
    pub log: Vec<LoggedLine>,
}

/// What a policy said, or that it was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseVerdict {
    /// Yes.
    Allow,
    /// No.
    Deny,
    /// Not its concern.
    Abstain,
    /// It failed.
    Fault,
    /// It refused its settings, and was not asked.
    Refused,
}

/// A problem with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// JSON pointer into the settings.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A line of a policy's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedLine {
    /// `debug`, `info` or `warn`.
    pub level: &'static str,
    /// The line.
    pub message: String,
}

impl fmt::Display for CaseVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Abstain => "abstain",
            Self::Fault => "fault",
            Self::Refused => "refused",
        })
    }
}

impl CaseOutcome {
    /// A policy that refused its settings.
    #[must_use]
    pub fn refused(refused: Vec<Refusal>) -> Self {
        Self { refused, ..Self::said(CaseVerdict::Refused) }
    }

    pub(super) fn said(verdict: CaseVerdict) -> Self {
        Self {
            verdict,
            code: None,
            message: None,
            headers: Vec::new(),
            audit: Vec::new(),
            approve: Vec::new(),
            fuel: None,
            refused: Vec::new(),
            log: Vec::new(),
        }
    }

    /// The same without what only one way to run a policy measures, to compare two ways.
    #[must_use]
    pub fn unmetered(self) -> Self {
        Self { fuel: None, ..self }
    }

    /// Where this is not what was expected, one line each; empty if it is.
    #[must_use]
    pub fn differences(&self, expected: &Expected) -> Vec<String> {
        match expected {
            Expected::Refused(pointers) => self.unlike_refusal(pointers),
            Expected::Said { verdict, max_fuel } => {
                let mut lines = self.unlike_verdict(verdict);
                if let (Some(most), Some(used)) = (max_fuel, self.fuel)
                    && used > *most
                {
                    lines.push(format!("fuel: expected at most {most}, got {used}"));
                }
                lines
            }
        }
    }

    fn unlike_refusal(&self, expected: &BTreeSet<String>) -> Vec<String> {
        if self.verdict != CaseVerdict::Refused {
            return vec![format!("settings: expected them to be refused, got {}", self.shown())];
        }
        let missing = expected.iter().filter(|pointer| !self.refused.iter().any(|r| r.pointer == **pointer));
        let mut lines: Vec<String> =
            missing.map(|pointer| format!("settings: expected a problem at `{pointer}`")).collect();
        let surplus = self.refused.iter().filter(|refusal| !expected.contains(&refusal.pointer));
        lines.extend(
            surplus.map(|r| format!("settings: unexpected problem at `{}`: {}", r.pointer, r.message)),
        );
        lines
    }

    fn unlike_verdict(&self, expected: &ExpectedVerdict) -> Vec<String> {
        let matches = match expected {
            ExpectedVerdict::Allow { .. } => self.verdict == CaseVerdict::Allow,
            ExpectedVerdict::Abstain => self.verdict == CaseVerdict::Abstain,
            ExpectedVerdict::Deny(code) => {
                self.verdict == CaseVerdict::Deny && self.has_code(code.as_deref())
            }
            ExpectedVerdict::Fault(kind) => {
                self.verdict == CaseVerdict::Fault && self.has_code(kind.as_deref())
            }
        };
        if !matches {
            return vec![format!("verdict: expected {expected}, got {}", self.shown())];
        }
        match expected {
            ExpectedVerdict::Allow { headers, audit, approve } => {
                let mut lines = unlike("header", headers, &self.headers);
                lines.extend(unlike("audit field", audit, &self.audit));
                lines.extend(unlike_reasons(approve, &self.approve));
                lines
            }
            _ => Vec::new(),
        }
    }

    fn has_code(&self, expected: Option<&str>) -> bool {
        expected.is_none_or(|expected| self.code.as_deref() == Some(expected))
    }

    /// What was said, as a difference shows it.
    fn shown(&self) -> String {
        let mut shown = self.verdict.to_string();
        if let Some(code) = &self.code {
            shown = format!("{shown} ({code})");
        }
        if let Some(message) = &self.message {
            shown = format!("{shown}: {message}");
        }
        for Refusal { pointer, message } in &self.refused {
            shown = format!("{shown}; `{pointer}`: {message}");
        }
        shown
    }
}

/// Compares obligations of one kind. Their order says nothing.
fn unlike(kind: &str, expected: &BTreeMap<String, String>, got: &[(String, String)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in expected {
        let values: Vec<&str> = got.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect();
        if values.is_empty() {
            lines.push(format!("{kind} `{name}`: expected `{value}`, got none"));
        } else if values != [value.as_str()] {
            lines.push(format!("{kind} `{name}`: expected `{value}`, got `{}`", values.join("`, `")));
        }
    }
    let surplus = got.iter().filter(|(name, _)| !expected.contains_key(name));
    lines.extend(surplus.map(|(name, value)| format!("{kind} `{name}`: expected none, got `{value}`")));
    lines
}

/// Compares the reasons for approvals, each as often as it is there. Their order says nothing.
fn unlike_reasons(expected: &[String], got: &[String]) -> Vec<String> {
    let mut surplus = got.to_vec();
    let mut missing = expected.to_vec();
    missing.retain(|reason| match surplus.iter().position(|other| other == reason) {
        Some(position) => {
            surplus.remove(position);
            false
        }
        None => true,
    });
    let missing = missing.into_iter().map(|reason| format!("approval: expected `{reason}`, got none"));
    let surplus = surplus.into_iter().map(|reason| format!("approval: expected none, got `{reason}`"));
    missing.chain(surplus).collect()
}

impl fmt::Display for ExpectedVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verdict, code) = match self {
            Self::Allow { .. } => (CaseVerdict::Allow, None),
            Self::Deny(code) => (CaseVerdict::Deny, code.as_ref()),
            Self::Abstain => (CaseVerdict::Abstain, None),
            Self::Fault(kind) => (CaseVerdict::Fault, kind.as_ref()),
        };
        match code {
            Some(code) => write!(f, "{verdict} ({code})"),
            None => write!(f, "{verdict}"),
        }
    }
}

/// `expect` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    verdict: Option<CaseVerdict>,
    code: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    audit: Option<BTreeMap<String, String>>,
    approve: Option<Vec<String>>,
    max_fuel: Option<u64>,
    refused: Option<BTreeSet<String>>,
}

/// An expectation that contradicts itself, and would test less than it seems to.
#[derive(Debug, thiserror::Error)]
enum Contradiction {
    #[error("`expect` needs `verdict`, or `refused` and nothing else")]
    Verdict,
    #[error("`expect.refused` needs at least one pointer")]
    NoPointer,
    #[error("only `deny` and `fault` have a code")]
    Code,
    #[error("only `allow` has headers, audit fields and approvals")]
    Obligations,
    #[error("`{0}` is no kind of fault")]
    Kind(String),
}

/// Whether a policy can fail like this in answering one case, where it always answers.
fn is_kind(name: &str) -> bool {
    Fault::from_name(name).is_some_and(|fault| fault != Fault::Missing)
}

impl TryFrom<Written> for Expected {
    type Error = Contradiction;

    fn try_from(written: Written) -> Result<Self, Contradiction> {
        let Written { verdict, code, headers, audit, approve, max_fuel, refused } = written;
        let obligations = headers.is_some() || audit.is_some() || approve.is_some();
        let verdict = match (verdict, refused) {
            (None, Some(pointers)) if code.is_none() && !obligations && max_fuel.is_none() => {
                return if pointers.is_empty() {
                    Err(Contradiction::NoPointer)
                } else {
                    Ok(Self::Refused(pointers))
                };
            }
            (Some(verdict), None) => verdict,
            _ => return Err(Contradiction::Verdict),
        };
        if obligations && verdict != CaseVerdict::Allow {
            return Err(Contradiction::Obligations);
        }
        if code.is_some() && !matches!(verdict, CaseVerdict::Deny | CaseVerdict::Fault) {
            return Err(Contradiction::Code);
        }
        let verdict = match verdict {
            CaseVerdict::Allow => ExpectedVerdict::Allow {
                headers: headers.unwrap_or_default(),
                audit: audit.unwrap_or_default(),
                approve: approve.unwrap_or_default(),
            },
            CaseVerdict::Deny => ExpectedVerdict::Deny(code),
            CaseVerdict::Abstain => ExpectedVerdict::Abstain,
            CaseVerdict::Fault => match code {
                Some(kind) if !is_kind(&kind) => {
                    return Err(Contradiction::Kind(kind));
                }
                kind => ExpectedVerdict::Fault(kind),
            },
            CaseVerdict::Refused => return Err(Contradiction::Verdict),
        };
        Ok(Self::Said { verdict, max_fuel })
    }
}
