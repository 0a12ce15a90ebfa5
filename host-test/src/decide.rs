//! One decision at the desk: a request file through the real filter on the harness.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envoy::VM_ID;
use crate::filter_log::Entry;
use mandate_core::config::Config;
use mandate_harness::{Exchange, Filter, HarnessError, Headers, LogLevel, Outcome, Request, Response, Vm};

/// A request as a file: what `mandate decide` reads.
///
/// ```
/// let request: mandate_host::decide::RequestFile =
///     serde_json::from_str(r#"{"method": "GET", "path": "/v1/tickets", "headers": [["authorization", "Bearer x"]]}"#)?;
/// assert_eq!(request.path, "/v1/tickets");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFile {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Names and values, in order.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Properties that the proxy would know, by dotted path (`source.address`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

impl RequestFile {
    /// The request as the harness takes it.
    #[must_use]
    pub fn to_request(&self) -> Request {
        let mut request = Request::new(&self.method, &self.path);
        for (name, value) in &self.headers {
            let authority =
                request.headers.iter_mut().find(|(known, _)| known == ":authority" && known == name);
            match authority {
                // There is one, and it is this.
                Some((_, authority)) => *authority = value.clone().into_bytes(),
                None => request = request.header(name, value.as_bytes()),
            }
        }
        for (path, value) in &self.properties {
            request = request.property(path, value.as_bytes());
        }
        match &self.body {
            Some(body) => request.body(body.as_bytes()),
            None => request,
        }
    }
}

/// What was decided, as a program reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// `allow`, `deny`, or `answer`: the filter itself has what was asked for.
    pub result: &'static str,
    /// The reason of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The status that the client gets; absent when the upstream answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u32>,
    /// The headers of the answer, or those that the upstream gets.
    pub headers: Vec<(String, String)>,
    /// The body of the answer; absent when the upstream answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The audit record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Value>,
    /// What the filter complained about: lines of its log from warnings up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}

impl Decided {
    /// Whether the request may go on, or was answered with what it asked for.
    #[must_use]
    pub fn allowed(&self) -> bool {
        matches!(self.result, "allow" | "answer")
    }

    /// Reads what a filter did with a request.
    #[must_use]
    pub fn of(exchange: &Exchange, vm: &Vm) -> Self {
        let lines = vm.logs();
        let audit = lines.iter().rev().find_map(|line| Entry::of(&line.message).audit());
        let log = lines.iter().filter(|l| l.level >= LogLevel::Warn).map(|l| l.message.clone());
        let decided = Self {
            result: "deny",
            reason: exchange.property("mandate.reason").map(str::to_owned),
            status: exchange.outcome.status(),
            headers: Vec::new(),
            body: None,
            audit,
            log: log.collect(),
        };
        match &exchange.outcome {
            Outcome::Forwarded(forwarded) => {
                Self { result: "allow", status: None, headers: readable(&forwarded.headers), ..decided }
            }
            Outcome::LocalReply(reply) => {
                let text = reply.text();
                let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
                // The record says so, and nothing else does: what has none is a denial.
                let is_answer = decided.audit.as_ref().is_some_and(|record| record["result"] == "answer");
                let result = if is_answer && decided.reason.is_none() { "answer" } else { "deny" };
                Self { result, headers: readable(&reply.headers), body: Some(body), ..decided }
            }
            Outcome::Trapped { message } => {
                let mut log = decided.log.clone();
                log.push(message.clone());
                Self { log, ..decided }
            }
            Outcome::Paused | Outcome::Streaming | Outcome::Reset => decided,
        }
    }
}

fn readable(headers: &Headers) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect()
}

/// How many times a decision may ask for keys before it counts as stuck.
const ROUNDS: usize = 8;
/// Time that passes from one such round to the next.
const ROUND: Duration = Duration::from_millis(500);

/// Decides one request at a time that the caller names, in seconds since the Unix epoch. Every fetch of keys is
/// answered with `jwks`, and fails without it. A configuration that the filter refuses denies every request, and
/// [`Decided::log`] says all that is wrong with it.
///
/// # Errors
/// If the filter cannot be run, or breaks a rule of the strict harness.
pub fn decide(
    filter: &Filter,
    configuration: &str,
    request: &RequestFile,
    now: u64,
    jwks: Option<&[u8]>,
) -> Result<Decided, HarnessError> {
    let vm = filter.vm().vm_id(VM_ID).configuration(with_audit(configuration)).now(now).go_on_refused(true);
    let mut vm = vm.allow_on_headers_stop_iteration(body_bytes(configuration).is_some()).start()?;
    let exchange = settle(&mut vm, request.to_request(), jwks)?;
    Ok(Decided::of(&exchange, &vm))
}

/// Sends a request and plays the network until it is decided.
///
/// # Errors
/// As [`decide`].
pub fn settle(vm: &mut Vm, request: Request, jwks: Option<&[u8]>) -> Result<Exchange, HarnessError> {
    let exchange = vm.send(request)?;
    for _ in 0..ROUNDS {
        if vm.outcome(exchange.stream).is_ok_and(|outcome| outcome.is_final()) || exchange.outcome.is_final()
        {
            break;
        }
        if vm.tick_period().is_some() {
            vm.tick()?;
        }
        for call in vm.calls() {
            match jwks {
                Some(jwks) => vm.answer_call(call.token, Response::new(200, jwks))?,
                None => vm.fail_call(call.token)?,
            }
        }
        if vm.outcome(exchange.stream).is_ok_and(|outcome| outcome.is_final()) {
            break;
        }
        vm.advance(ROUND);
    }
    if exchange.outcome.is_final() { Ok(exchange) } else { vm.finish(exchange.stream) }
}

/// Maximum length of the bodies that the filter reads. `None`: it reads none, or refuses its configuration.
pub(crate) fn body_bytes(configuration: &str) -> Option<usize> {
    Config::parse(configuration.as_bytes()).ok()?.body_bytes()
}

/// The same configuration, with an audit record of every decision: at the desk it is always wanted, and it decides
/// nothing. What is no configuration is left as it is, for the filter to complain about.
fn with_audit(configuration: &str) -> String {
    match serde_json::from_str::<Value>(configuration) {
        Ok(Value::Object(mut members)) if members.get("audit").is_none_or(Value::is_object) => {
            members.insert("audit".to_owned(), serde_json::json!({ "log": "all" }));
            Value::Object(members).to_string()
        }
        _ => configuration.to_owned(),
    }
}
