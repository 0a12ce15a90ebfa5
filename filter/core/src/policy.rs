//! The seam to policies: what they answer, and how their answers fold into one.
//!
//! Policies only narrow. A request that passed the static checks is allowed unless a policy denies, fails, or does
//! not answer.

use crate::config::{Mode, PolicyEntry};
use crate::context::RequestContext;
use crate::limits;
use crate::printable::one_line;
use crate::reason::Reason;
pub use mandate_seam::Fault;

use serde::Serialize;
use std::rc::Rc;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
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

/// How much a line of a policy's log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// For the operator.
    Info,
    /// For the operator, soon.
    Warn,
}

/// What a policy logged during one call, within [`limits::POLICY_LOG_LINES`] and [`limits::POLICY_LOG_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyLog {
    lines: Vec<(LogLevel, String)>,
    bytes: usize,
    dropped: u64,
}

impl PolicyLog {
    /// Keeps a line if there is room for it. A line is one line: control characters become spaces.
    pub fn push(&mut self, level: LogLevel, message: &str) {
        let bytes = self.bytes.saturating_add(message.len());
        if self.lines.len() >= limits::POLICY_LOG_LINES || bytes > limits::POLICY_LOG_BYTES {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes = bytes;
        self.lines.push((level, one_line(message)));
    }

    /// The lines that were kept, in order.
    #[must_use]
    pub fn lines(&self) -> &[(LogLevel, String)] {
        &self.lines
    }

    /// How many lines were not kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// What came of asking one policy about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it said, or how it failed.
    pub verdict: Result<Verdict, Fault>,
    /// The fuel that it used; only a linked policy is metered.
    pub fuel: Option<u64>,
    /// What it logged.
    pub log: PolicyLog,
}

impl From<Result<Verdict, Fault>> for Answer {
    fn from(verdict: Result<Verdict, Fault>) -> Self {
        Self { verdict, fuel: None, log: PolicyLog::default() }
    }
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
    /// What the policy finds wrong with its settings, or that it failed.
    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>>;

    /// Asks the entry about a request.
    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> Answer;
}

/// A module without policies: the plain filter. Every entry of a configuration is then unknown, which fails it.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPolicies;

impl Policies for NoPolicies {
    fn linked(&self) -> &[Linked] {
        &[]
    }

    fn configure(&mut self, _: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        Err(vec![Complaint::whole("no policy is linked into this module")])
    }

    fn check(&mut self, _: &PolicyEntry, _: &RequestContext<'_>) -> Answer {
        Err(Fault::Missing).into()
    }
}

/// An entry of the configuration, as requests ask it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its position in the configuration.
    pub entry: usize,
    /// Its name.
    pub name: Rc<str>,
    /// SHA-256 of the policy's component.
    pub sha256: Rc<str>,
    /// Whether its verdict decides.
    pub mode: Mode,
}

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
    /// Set once an enforced policy denied or failed: the reason, and which record it is.
    pub denied: Option<(Reason, usize)>,
}

impl Fold {
    /// Adds what a policy answered. The caller stops asking once [`denied`](Self::denied) is set: deny
    /// wins, whatever follows.
    pub fn add(&mut self, asked: &Asked, answer: Answer) {
        let shadow = asked.mode == Mode::Shadow;
        let mut record = PolicyRecord {
            entry: asked.entry,
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
                None
            }
            Ok(Verdict::Abstain) => {
                record.verdict = "abstain";
                None
            }
            Ok(Verdict::Deny { code, message }) => {
                (record.verdict, record.code, record.message) = ("deny", Some(code), Some(message));
                Some(Reason::PolicyDenied)
            }
            Err(fault) => {
                record.code = Some(fault.to_string());
                Some(Reason::PolicyFault)
            }
        };
        if let (Some(reason), false, None) = (denied, shadow, self.denied) {
            self.denied = Some((reason, self.records.len()));
        }
        self.records.push(record);
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

impl Obligation {
    /// Whether both want one header to say something.
    fn contradicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { name, value }, Self::Header { name: same, value: differs }) => {
                name == same && value != differs
            }
            _ => false,
        }
    }

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
