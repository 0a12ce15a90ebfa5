//! What a policy may ask: the host's side of the contract's imports.

use super::bindings::mandate::policy::{log, request, types};
use super::fault::{Ended, Memory};
use super::trace::{Question, Trace};
use mandate_core::action::Action;
use mandate_core::chain::Identity;
use mandate_core::limits;
use mandate_core::log_level::LogLevel;
use mandate_core::policy::{ArgumentError, Fault, HeaderError, PolicyLog, RequestContext};
use mandate_core::seam::HostFunction;
use scoped_tls_hkt::scoped_thread_local;
use serde_json::{Value, json};
use std::borrow::Cow;
use wasmtime::component::Resource;

scoped_thread_local! {
    /// The request that is being asked about. It is lent, and what a store holds cannot borrow.
    pub(super) static REQUEST: for<'a> &'a RequestContext<'a>
}

/// The type behind the policy's handle. There is one request at a time, so it holds nothing.
#[derive(Debug)]
pub struct Request;

impl Request {
    /// The handle that `check` gets.
    pub(super) fn lend() -> Resource<Self> {
        Resource::new_borrow(0)
    }
}

/// What belongs to one instance.
#[derive(Debug)]
pub(super) struct State {
    pub(super) memory: Memory,
    pub(super) log: PolicyLog,
    /// Where questions are noted.
    pub(super) trace: Option<Trace>,
}

impl State {
    pub(super) fn new(memory_bytes: u64) -> Self {
        Self { memory: Memory::new(memory_bytes), log: PolicyLog::default(), trace: None }
    }

    fn note(&self, function: HostFunction, question: impl FnOnce() -> (Vec<Value>, Value)) {
        if let Some(trace) = &self.trace {
            let (arguments, answer) = question();
            trace.push(Question { function: function.plain_name(), arguments, answer });
        }
    }
}

/// Reads the request. A policy has no handle outside of `check`, so without a request there was none to ask by.
fn read<T>(read: impl FnOnce(&RequestContext<'_>) -> T) -> wasmtime::Result<T> {
    if REQUEST.is_set() {
        Ok(REQUEST.with(|request| read(request)))
    } else {
        Err(Ended(Fault::Malformed).into())
    }
}

/// What a policy hands over at once is bounded, whatever it is.
fn bounded(text: &str) -> wasmtime::Result<()> {
    let most = usize::try_from(limits::POLICY_TEXT_BYTES).unwrap_or(usize::MAX);
    if text.len() > most { Err(Ended(Fault::Output).into()) } else { Ok(()) }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn identity(who: &Identity) -> request::Identity {
    request::Identity { issuer: who.issuer.clone(), subject: who.subject.clone() }
}

fn claim(value: &Value) -> request::Claim {
    use request::Claim;
    match value {
        Value::Null => Claim::Null,
        Value::Bool(value) => Claim::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Claim::Integer(integer),
            None => Claim::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Claim::Text(text.clone()),
        Value::Array(elements) => Claim::Array(count(elements.len())),
        Value::Object(members) => Claim::Object(count(members.len())),
    }
}

fn header_error(error: HeaderError) -> request::HeaderError {
    match error {
        HeaderError::Repeated => request::HeaderError::Repeated,
        HeaderError::NotText => request::HeaderError::NotText,
    }
}

fn argument_error(error: ArgumentError) -> request::ArgumentError {
    match error {
        ArgumentError::Ambiguous => request::ArgumentError::Ambiguous,
        ArgumentError::NotAPointer => request::ArgumentError::NotAPointer,
        ArgumentError::NoAction => request::ArgumentError::NoAction,
    }
}

fn action(about: &Action) -> request::Action {
    request::Action {
        protocol: about.protocol().word().to_owned(),
        kind: about.kind().word().to_owned(),
        name: about.name().to_owned(),
        method: about.method().to_owned(),
    }
}

/// As the trace shows why there is no value: by the name in the contract.
fn shown_error(name: &str) -> Value {
    json!({ "error": name })
}

fn header_error_name(error: HeaderError) -> &'static str {
    match error {
        HeaderError::Repeated => "repeated",
        HeaderError::NotText => "not-text",
    }
}

fn argument_error_name(error: ArgumentError) -> &'static str {
    match error {
        ArgumentError::Ambiguous => "ambiguous",
        ArgumentError::NotAPointer => "not-a-pointer",
        ArgumentError::NoAction => "no-action",
    }
}

/// As the trace shows an identity.
fn shown(who: &request::Identity) -> Value {
    json!({ "issuer": who.issuer, "subject": who.subject })
}

/// As the trace shows a claim: what has one value is that value, the rest says how much of it there is.
fn shown_claim(claim: &request::Claim) -> Value {
    use request::Claim;
    match claim {
        Claim::Null => json!({ "null": true }),
        Claim::Boolean(value) => json!(value),
        Claim::Integer(value) => json!(value),
        Claim::Float(value) => json!(value),
        Claim::Text(value) => json!(value),
        Claim::Array(len) => json!({ "array": len }),
        Claim::Object(len) => json!({ "object": len }),
    }
}

impl types::Host for State {}

impl request::Host for State {}

impl request::HostRequest for State {
    fn method(&mut self, _: Resource<Request>) -> wasmtime::Result<String> {
        let answer = read(|request| request.method().to_owned())?;
        self.note(HostFunction::Method, || (vec![], json!(answer)));
        Ok(answer)
    }

    fn path(&mut self, _: Resource<Request>) -> wasmtime::Result<String> {
        let answer = read(|request| request.path().to_owned())?;
        self.note(HostFunction::Path, || (vec![], json!(answer)));
        Ok(answer)
    }

    fn header(
        &mut self,
        _: Resource<Request>,
        name: String,
    ) -> wasmtime::Result<Result<Option<String>, request::HeaderError>> {
        bounded(&name)?;
        let answer = read(|request| request.header(&name).map(|value| value.map(str::to_owned)))?;
        self.note(HostFunction::Header, || {
            let shown = match &answer {
                Ok(value) => json!(value),
                Err(error) => shown_error(header_error_name(*error)),
            };
            (vec![json!(name)], shown)
        });
        Ok(answer.map_err(header_error))
    }

    fn header_values(
        &mut self,
        _: Resource<Request>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<String>, request::HeaderError>> {
        bounded(&name)?;
        let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let answer = read(|request| request.header_values(&name).map(owned))?;
        self.note(HostFunction::HeaderValues, || {
            let shown = match &answer {
                Ok(values) => json!(values),
                Err(error) => shown_error(header_error_name(*error)),
            };
            (vec![json!(name)], shown)
        });
        Ok(answer.map_err(header_error))
    }

    fn header_names(&mut self, _: Resource<Request>) -> wasmtime::Result<Vec<String>> {
        let answer: Vec<String> =
            read(|request| request.header_names().into_iter().map(str::to_owned).collect())?;
        self.note(HostFunction::HeaderNames, || (vec![], json!(answer)));
        Ok(answer)
    }

    fn authority(&mut self, _: Resource<Request>) -> wasmtime::Result<Option<String>> {
        let answer = read(|request| request.authority().map(|host| host.as_str().to_owned()))?;
        self.note(HostFunction::Authority, || (vec![], json!(answer)));
        Ok(answer)
    }

    fn query(&mut self, _: Resource<Request>) -> wasmtime::Result<Option<String>> {
        let answer = read(|request| request.query().map(str::to_owned))?;
        self.note(HostFunction::Query, || (vec![], json!(answer)));
        Ok(answer)
    }

    fn action(&mut self, _: Resource<Request>) -> wasmtime::Result<Option<request::Action>> {
        let answer = read(|request| request.action().map(action))?;
        self.note(HostFunction::Action, || {
            let shown = answer.as_ref().map(|request::Action { protocol, kind, name, method }| {
                json!({ "protocol": protocol, "kind": kind, "name": name, "method": method })
            });
            (vec![], json!(shown))
        });
        Ok(answer)
    }

    fn argument(
        &mut self,
        _: Resource<Request>,
        pointer: String,
    ) -> wasmtime::Result<Result<Option<request::Claim>, request::ArgumentError>> {
        bounded(&pointer)?;
        // The members that were looked at are the bundle's to count, as all fuel is.
        let answer = read(|request| request.argument(&pointer, &mut 0).map(|found| found.map(claim)))?;
        self.note(HostFunction::Argument, || {
            let shown = match &answer {
                Ok(found) => json!(found.as_ref().map(shown_claim)),
                Err(error) => shown_error(argument_error_name(*error)),
            };
            (vec![json!(pointer)], shown)
        });
        Ok(answer.map_err(argument_error))
    }

    fn arguments(&mut self, _: Resource<Request>) -> wasmtime::Result<String> {
        let answer = read(|request| request.arguments().to_owned())?;
        self.note(HostFunction::Arguments, || (vec![], json!(answer)));
        Ok(answer)
    }

    fn claim_json(&mut self, _: Resource<Request>, pointer: String) -> wasmtime::Result<Option<String>> {
        bounded(&pointer)?;
        let answer = read(|request| request.claim_json(&pointer).map(Cow::into_owned))?;
        self.note(HostFunction::ClaimJson, || (vec![json!(pointer)], json!(answer)));
        Ok(answer)
    }

    fn hop_kind(&mut self, _: Resource<Request>, index: u32) -> wasmtime::Result<Option<String>> {
        let answer = read(|request| {
            let kind = usize::try_from(index).ok().and_then(|index| request.hop_kind(index));
            kind.map(str::to_owned)
        })?;
        self.note(HostFunction::HopKind, || (vec![json!(index)], json!(answer)));
        Ok(answer)
    }

    fn principal(&mut self, _: Resource<Request>) -> wasmtime::Result<request::Identity> {
        let answer = read(|request| identity(request.chain().principal()))?;
        self.note(HostFunction::Principal, || (vec![], shown(&answer)));
        Ok(answer)
    }

    fn agent(&mut self, _: Resource<Request>) -> wasmtime::Result<Option<request::Identity>> {
        let answer = read(|request| request.chain().agent().map(identity))?;
        self.note(HostFunction::Agent, || (vec![], json!(answer.as_ref().map(shown))));
        Ok(answer)
    }

    fn depth(&mut self, _: Resource<Request>) -> wasmtime::Result<u32> {
        let answer = read(|request| count(request.chain().hops().len()))?;
        self.note(HostFunction::Depth, || (vec![], json!(answer)));
        Ok(answer)
    }

    fn hop(&mut self, _: Resource<Request>, index: u32) -> wasmtime::Result<Option<request::Identity>> {
        let answer = read(|request| {
            let hop = usize::try_from(index).ok().and_then(|index| request.chain().hops().get(index));
            hop.map(|hop| identity(&hop.identity))
        })?;
        self.note(HostFunction::Hop, || (vec![json!(index)], json!(answer.as_ref().map(shown))));
        Ok(answer)
    }

    fn has_scope(&mut self, _: Resource<Request>, scope: String) -> wasmtime::Result<bool> {
        bounded(&scope)?;
        let answer = read(|request| request.chain().token().grants(&scope))?;
        self.note(HostFunction::HasScope, || (vec![json!(scope)], json!(answer)));
        Ok(answer)
    }

    fn scopes(&mut self, _: Resource<Request>) -> wasmtime::Result<Vec<String>> {
        let answer = read(|request| request.chain().token().scopes().to_vec())?;
        self.note(HostFunction::Scopes, || (vec![], json!(answer)));
        Ok(answer)
    }

    fn claim(&mut self, _: Resource<Request>, pointer: String) -> wasmtime::Result<Option<request::Claim>> {
        bounded(&pointer)?;
        let answer = read(|request| request.claim(&pointer).map(claim))?;
        self.note(HostFunction::Claim, || (vec![json!(pointer)], json!(answer.as_ref().map(shown_claim))));
        Ok(answer)
    }

    fn route(&mut self, _: Resource<Request>) -> wasmtime::Result<request::Route> {
        let answer = read(|request| {
            let matched = request.route();
            let path_prefix = matched.entry().matcher.path_prefix.as_str().to_owned();
            request::Route { index: count(matched.index()), path_prefix }
        })?;
        self.note(HostFunction::Route, || {
            (vec![], json!({ "index": answer.index, "path-prefix": answer.path_prefix }))
        });
        Ok(answer)
    }

    fn now(&mut self, _: Resource<Request>) -> wasmtime::Result<u64> {
        let answer = read(|request| request.now().as_secs())?;
        self.note(HostFunction::Now, || (vec![], json!(answer)));
        Ok(answer)
    }

    /// Only the owner of a request is told that it is gone, and a policy never owns one.
    fn drop(&mut self, _: Resource<Request>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        bounded(&message)?;
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
        };
        self.log.push(level, &message);
        self.note(HostFunction::Log, || (vec![json!(level.name()), json!(message)], Value::Null));
        Ok(())
    }
}
