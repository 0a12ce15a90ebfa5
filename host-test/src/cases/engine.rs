//! The two ways to put a case to a policy: unlinked, and linked into the filter.

use super::CaseError;
use super::expect::{CaseOutcome, CaseVerdict, LoggedLine, Refusal};
use crate::decide::{Decided, RequestFile, body_bytes, settle};
use crate::filter_log::{self, Entry};
use crate::oracle::Oracle;
use mandate_core::config::Config;
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::Headers;
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::log_level::LogLevel;
use mandate_core::policy::PolicyLog;
use mandate_core::time::UnixTime;
use mandate_harness::{Filter, LogLine};
use serde::Deserialize;
use serde_json::Value;

/// Where the one entry of a case's configuration has its settings.
const SETTINGS: &str = "/policies/0/settings";

/// A way to decide.
pub trait Engine {
    /// Decides one request under a configuration with one policy, at a time in seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`CaseError`] if the policy was not asked, though it did not refuse its settings.
    fn decide(
        &mut self,
        configuration: &str,
        request: &RequestFile,
        now: u64,
    ) -> Result<CaseOutcome, CaseError>;
}

/// Decides with the core, which asks the oracle.
#[must_use]
pub fn on_oracle(oracle: &Oracle) -> impl Engine {
    OnOracle(oracle.clone())
}

/// Decides with a filter that the policy is linked into, on the harness.
#[must_use]
pub fn on_harness(filter: &Filter) -> impl Engine {
    OnHarness(filter.clone())
}

struct OnOracle(Oracle);

struct OnHarness(Filter);

impl Engine for OnOracle {
    fn decide(
        &mut self,
        configuration: &str,
        request: &RequestFile,
        now: u64,
    ) -> Result<CaseOutcome, CaseError> {
        let unusable = |problems: Vec<mandate_core::config::Problem>| {
            CaseError::Configuration(problems.iter().map(ToString::to_string).collect())
        };
        let config = Config::parse(configuration.as_bytes()).map_err(unusable)?;
        let mut gate = match Gate::new(config, Box::new(self.0.clone()), [0; 16]) {
            Ok(gate) => gate,
            Err(problems) => {
                let about_settings = problems.iter().map(|p| refusal(&p.pointer, &p.message)).collect();
                return match about_settings {
                    Some(refused) => Ok(CaseOutcome::refused(refused)),
                    None => Err(unusable(problems)),
                };
            }
        };
        // What the filter does before anything else: names in lower case, and nothing under its own prefix.
        let mut headers: Headers = request.to_request().headers.into();
        headers.retain(|name| !gate.reserved().contains(name));
        let head = RequestHead::new(headers).with_body(request.body.is_some());
        let body = request.body.as_deref().unwrap_or_default();
        let Step::Done(decision) = advance(&mut gate, head, body.as_bytes(), UnixTime::from_secs(now)) else {
            return Err(CaseError::NotAsked("it waits for keys".to_owned()));
        };
        let Some(record) = decision.policies().first() else {
            let reason = decision.reason().map_or("no reason", |reason| reason.code());
            return Err(CaseError::NotAsked(reason.to_owned()));
        };
        outcome(&serde_json::to_value(record)?, logged(&record.log))
    }
}

/// Lets the core decide, which is shown the body if it asks for it.
pub(crate) fn advance(gate: &mut Gate, head: RequestHead, body: &[u8], now: UnixTime) -> Step {
    let mut flow = Flow::new(String::new(), head);
    match flow.advance(gate, &InModule, now) {
        Step::NeedBody(_) => {
            flow.set_body(Body::Whole(body.to_vec()));
            flow.advance(gate, &InModule, now)
        }
        step => step,
    }
}

impl Engine for OnHarness {
    fn decide(
        &mut self,
        configuration: &str,
        request: &RequestFile,
        now: u64,
    ) -> Result<CaseOutcome, CaseError> {
        let vm = self.0.vm().configuration(configuration).now(now);
        let mut vm = vm.allow_on_headers_stop_iteration(body_bytes(configuration).is_some()).start()?;
        let problems: Vec<&str> =
            vm.logs().iter().filter_map(|line| Entry::of(&line.message).configuration()).collect();
        if !problems.is_empty() {
            let refused: Option<_> = problems.iter().map(|line| logged_refusal(line)).collect();
            return match refused {
                Some(refused) => Ok(CaseOutcome::refused(refused)),
                None => Err(CaseError::Configuration(problems.into_iter().map(str::to_owned).collect())),
            };
        }
        let exchange = settle(&mut vm, request.to_request(), None)?;
        let decided = Decided::of(&exchange, &vm);
        let Some(record) = decided.audit.as_ref().and_then(|audit| audit.pointer("/policies/0")) else {
            let mut why = decided.reason.unwrap_or_else(|| "no reason".to_owned());
            for line in &decided.log {
                why = format!("{why}; {line}");
            }
            return Err(CaseError::NotAsked(why));
        };
        let policy = record.get("policy").and_then(Value::as_str).unwrap_or_default();
        let log = vm.logs().iter().filter_map(|line| policy_line(line, policy)).collect();
        outcome(record, log)
    }
}

/// What a policy logged, as the filter passes it on.
fn logged(log: &PolicyLog) -> Vec<LoggedLine> {
    let line =
        |(level, message): &(LogLevel, String)| LoggedLine { level: level.name(), message: message.clone() };
    let mut lines: Vec<LoggedLine> = log.lines().iter().map(line).collect();
    if log.dropped() > 0 {
        let message = format!("{} more lines were dropped", log.dropped());
        lines.push(LoggedLine { level: "debug", message });
    }
    lines
}

/// A problem of the configuration, if it is one of the settings.
fn refusal(pointer: &str, message: &str) -> Option<Refusal> {
    let pointer = pointer.strip_prefix(SETTINGS).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    Some(Refusal { pointer: pointer.to_owned(), message: message.to_owned() })
}

/// The same from the filter's log: "`/policies/0/settings/tools`: must be an array".
fn logged_refusal(line: &str) -> Option<Refusal> {
    let (pointer, message) = filter_log::pointed(line)?;
    refusal(pointer, message)
}

/// A line of this policy in the filter's log.
fn policy_line(line: &LogLine, name: &str) -> Option<LoggedLine> {
    match Entry::of(&line.message) {
        Entry::Policy { policy, message } if policy == name => {
            Some(LoggedLine { level: filter_log::policy_level(line.level), message: message.to_owned() })
        }
        _ => None,
    }
}

/// What an audit record says about one policy, as far as a case is about it.
#[derive(Deserialize)]
struct Record {
    verdict: CaseVerdict,
    code: Option<String>,
    message: Option<String>,
    #[serde(default)]
    obligations: Vec<Obligation>,
    fuel: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Obligation {
    Header { name: String, value: String },
    Audit { name: String, value: String },
    Approve { reason: String },
}

fn outcome(record: &Value, log: Vec<LoggedLine>) -> Result<CaseOutcome, CaseError> {
    let Record { verdict, code, message, obligations, fuel } = Record::deserialize(record)?;
    let mut outcome = CaseOutcome { code, message, fuel, log, ..CaseOutcome::said(verdict) };
    for obligation in obligations {
        match obligation {
            Obligation::Header { name, value } => outcome.headers.push((name, value)),
            Obligation::Audit { name, value } => outcome.audit.push((name, value)),
            Obligation::Approve { reason } => outcome.approve.push(reason),
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mandate_harness::LogLevel as FilterLogLevel;

    #[test]
    fn a_problem_of_the_settings_is_found_in_the_log() {
        let refusal = |line| logged_refusal(line).map(|r| (r.pointer, r.message));
        let found = |pointer: &str, message: &str| Some((pointer.to_owned(), message.to_owned()));
        assert_eq!(refusal("`/policies/0/settings/a/0`: must be: text"), found("/a/0", "must be: text"));
        assert_eq!(refusal("`/policies/0/settings`: no"), found("", "no"));
        assert_eq!(refusal("`/policies/0/settingsa`: no"), None);
        assert_eq!(refusal("`/policies/0/name`: no policy `a` is linked into this module"), None);
        assert_eq!(refusal("the configuration: no"), None);
    }

    #[test]
    fn a_line_of_the_policy_is_found_in_the_log() {
        let line = |level, message: &str| {
            let line = LogLine { level, message: message.to_owned(), context: 1 };
            policy_line(&line, "guard").map(|line| (line.level, line.message))
        };
        let found = |level, message: &str| Some((level, message.to_owned()));
        assert_eq!(line(FilterLogLevel::Debug, "policy guard: a: b"), found("debug", "a: b"));
        assert_eq!(line(FilterLogLevel::Info, "policy guard: "), found("info", ""));
        assert_eq!(line(FilterLogLevel::Warn, "policy guard: a"), found("warn", "a"));
        assert_eq!(line(FilterLogLevel::Info, "policy guard-2: a"), None);
        assert_eq!(line(FilterLogLevel::Info, "audit {}"), None);
    }
}
