//! What the filter says in its log, as data.
//!
//! The filter writes text, for that is all that a proxy's log keeps. Here, and nowhere else on this side, the text is read.

use mandate_harness::LogLevel;
use serde_json::Value;

/// A line of the filter's log.
///
/// ```
/// use mandate_host::filter_log::Entry;
///
/// assert_eq!(Entry::of("policy guard: not now"), Entry::Policy { policy: "guard", message: "not now" });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The audit record of a decision, as JSON.
    Audit(&'a str),
    /// Something about the configuration: see [`pointed`].
    Configuration(&'a str),
    /// A line of a policy, which the filter passes on.
    Policy {
        /// The name of the policy's entry.
        policy: &'a str,
        /// What the policy said.
        message: &'a str,
    },
    /// Anything else.
    Other(&'a str),
}

impl<'a> Entry<'a> {
    /// Reads a line as the filter wrote it, without what a proxy puts before it.
    #[must_use]
    pub fn of(line: &'a str) -> Self {
        if let Some(record) = line.strip_prefix("audit ") {
            return Self::Audit(record);
        }
        if let Some(problem) = line.strip_prefix("configuration: ") {
            return Self::Configuration(problem);
        }
        match line.strip_prefix("policy ").and_then(|rest| rest.split_once(": ")) {
            Some((policy, message)) => Self::Policy { policy, message },
            None => Self::Other(line),
        }
    }

    /// The audit record, if the line is one.
    #[must_use]
    pub fn audit(self) -> Option<Value> {
        if let Self::Audit(record) = self { serde_json::from_str(record).ok() } else { None }
    }

    /// What the line says about the configuration, if it does.
    #[must_use]
    pub const fn configuration(self) -> Option<&'a str> {
        if let Self::Configuration(problem) = self { Some(problem) } else { None }
    }
}

/// JSON pointer and message of a problem of the configuration: "`/routes/0`: must be an object".
#[must_use]
pub fn pointed(problem: &str) -> Option<(&str, &str)> {
    problem.strip_prefix('`')?.split_once("`: ")
}

/// The level at which a policy logged a line that the filter passed on.
#[must_use]
pub const fn policy_level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace | LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn | LogLevel::Error | LogLevel::Critical => "warn",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_told_apart() {
        assert_eq!(Entry::of(r#"audit {"result":"allow"}"#).audit().unwrap()["result"], "allow");
        assert_eq!(Entry::of("audit {").audit(), None);
        assert_eq!(Entry::of("configuration: no").configuration(), Some("no"));
        assert_eq!(Entry::of("policy a: b: c"), Entry::Policy { policy: "a", message: "b: c" });
        assert_eq!(Entry::of("policy a: "), Entry::Policy { policy: "a", message: "" });
        for other in ["policy a", "auditor", "the worker is ready", ""] {
            assert_eq!(Entry::of(other), Entry::Other(other));
        }
    }

    #[test]
    fn a_problem_has_a_pointer_or_is_about_the_whole() {
        assert_eq!(pointed("`/routes/0`: must be: an object"), Some(("/routes/0", "must be: an object")));
        assert_eq!(pointed("no JSON: expected value"), None);
    }
}
