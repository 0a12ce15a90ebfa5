//! The answers to messages: lists are narrowed, sessions are bound to who opened them, and streams end with their token.
//!
//! What is looked at is kept for requests with an action only, and for as long as there is something to do: to every other answer
//! these callbacks are a look into an empty map.

mod body;

use super::Plugin;
use super::host::{Host, HostError, HostResult, Map};
use super::module::Action;
use crate::action::SESSION;
use crate::chain::VerifiedChain;
use crate::config::{Mcp, Sessions};
use crate::decision::{Decision, NONCE, Outcome};
use crate::flow::Gate;
use crate::http::Headers;
use crate::log_level::LogLevel;
use crate::time::UnixTime;
use body::{HeldBack, ResponseBody};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The headers that say something of a body's bytes, which are others now.
const OF_THE_BYTES: [&str; 7] =
    ["content-length", "content-encoding", "content-md5", "content-digest", "repr-digest", "digest", "etag"];

/// What is still to be done with the answer to an allowed message.
#[derive(Debug)]
pub(super) struct Response {
    chain: VerifiedChain,
    /// The id of the request, which an error in the place of its answer names.
    id: Option<Value>,
    decision: String,
    narrows_lists: bool,
    /// Whether it answers a message, and not a request for a stream.
    is_of_message: bool,
    /// A nonce that the sender needs for its next proof.
    nonce: Option<String>,
    body: ResponseBody,
}

impl Response {
    /// Of a request that goes on. `None`: there is nothing to do.
    pub(super) fn of(decision: &Decision) -> Option<Self> {
        let Outcome::Allow(permit) = decision.outcome() else { return None };
        let (chain, action, nonce) = (permit.chain()?, decision.action(), decision.nonce());
        if action.is_none() && nonce.is_none() {
            return None;
        }
        Some(Self {
            chain: chain.clone(),
            id: action.and_then(|action| action.id().cloned()),
            decision: decision.id().to_owned(),
            narrows_lists: decision.narrows_lists(),
            is_of_message: action.is_some() && decision.method() == "POST",
            nonce: nonce.map(str::to_owned),
            body: ResponseBody::Passes,
        })
    }

    fn rules(&self) -> Option<&Mcp> {
        self.chain.route().entry().mcp.as_ref()
    }

    /// When a stream that this request opened ends.
    fn until(&self) -> UnixTime {
        let token = self.chain.token();
        token.expires_at().plus_secs(token.issuer().entry().clock_skew_s)
    }
}

/// Answers that there is something to do with.
#[derive(Debug, Default)]
pub(super) struct Responses {
    by_context: BTreeMap<u32, Response>,
    /// Those that are streams, by when their token ends.
    streams: BTreeSet<(UnixTime, u32)>,
    /// What is held of all of them.
    held: HeldBack,
}

impl Responses {
    pub(super) fn insert(&mut self, context: u32, response: Response) {
        self.by_context.insert(context, response);
    }

    /// Does something with an answer, knowing what is held of the others, and counts anew what is held of it. The only way to
    /// change one. `None`: there is nothing to do with this one.
    fn with<T>(&mut self, context: u32, act: impl FnOnce(&mut Response, HeldBack) -> T) -> Option<T> {
        let response = self.by_context.get_mut(&context)?;
        let others = self.held.without(response.body.held());
        let result = act(response, others);
        self.held = others.with(response.body.held());
        Some(result)
    }

    /// Keeps an answer whose headers were looked at for as long as there is something to do: a stream until its token ends.
    fn keep(&mut self, context: u32, is_stream: bool) {
        match self.by_context.get(&context) {
            Some(response) if is_stream => _ = self.streams.insert((response.until(), context)),
            Some(Response { body: ResponseBody::Passes, .. }) => _ = self.remove(context),
            Some(_) | None => {}
        }
    }

    /// The answer is over. Gives what was kept of it.
    pub(super) fn remove(&mut self, context: u32) -> Option<Response> {
        let response = self.by_context.remove(&context)?;
        self.held = self.held.without(response.body.held());
        self.streams.remove(&(response.until(), context));
        Some(response)
    }

    /// A stream whose token is no longer valid, and the id of its decision.
    fn expired(&self, now: UnixTime) -> Option<(u32, String)> {
        let (_, context) = self.streams.first().filter(|(until, _)| *until <= now)?;
        Some((*context, self.by_context.get(context)?.decision.clone()))
    }
}

impl Plugin {
    /// The `count` headers of an answer came; `end` says that nothing follows them.
    pub(super) fn on_response_headers(
        &mut self,
        host: &dyn Host,
        context: u32,
        count: usize,
        end: bool,
    ) -> Action {
        if let Some(flow) = self.sent_ahead(context)
            && !says_nothing(&host.header(Map::Response, ":status"))
        {
            // Nobody knows yet what it answers, or whether that may be asked.
            let id = flow.id();
            host.say(
                LogLevel::Error,
                &format!(
                    "decision {id}: cut off, for the upstream answered before the body was ruled on (`hold: body`)"
                ),
            );
            host.close_request().ok();
            return Action::Pause;
        }
        let Some(gate) = &self.gate else { return Action::Continue };
        let begun = self.responses.with(context, |response, others| {
            let is_stream = begin(host, gate, response, count, end)?;
            response.body.limit(others);
            Ok(is_stream)
        });
        match begun {
            None => return Action::Continue,
            Some(Err(error)) => return self.cut_off(host, context, error),
            Some(Ok(is_stream)) => self.responses.keep(context, is_stream),
        }
        Action::Continue
    }

    /// A part of an answer's body came, `size` bytes of it with what was held; `end` says that nothing follows.
    pub(super) fn on_response_body(
        &mut self,
        host: &dyn Host,
        context: u32,
        size: usize,
        end: bool,
    ) -> Action {
        let proceeded =
            self.responses.with(context, |response, others| response.proceed(host, size, end, others));
        match proceeded {
            None => Action::Continue,
            Some(Ok(action)) => action,
            Some(Err(error)) => self.cut_off(host, context, error),
        }
    }

    /// Trailers came behind the body of an answer, which is whole now.
    pub(super) fn on_response_trailers(&mut self, host: &dyn Host, context: u32) -> Action {
        match self.responses.with(context, |response, _| response.finish(host)) {
            None | Some(Ok(())) => Action::Continue,
            Some(Err(error)) => self.cut_off(host, context, error),
        }
    }

    /// Ends the streams whose token is no longer valid: who may still listen must ask again.
    pub(super) fn end_streams(&mut self, host: &dyn Host) {
        if self.responses.streams.is_empty() {
            return;
        }
        let Ok(now) = host.now() else { return };
        while let Some((context, id)) = self.responses.expired(now) {
            let ended = host.set_effective_context(context).and_then(|()| host.close_request());
            if let Err(error) = ended {
                // The next tick tries again, and nothing more of it goes on.
                self.responses.with(context, |response, _| response.body = ResponseBody::Withheld);
                host.say(
                    LogLevel::Error,
                    &format!(
                        "decision {id}: its stream could not be ended, and goes on without content: {error}"
                    ),
                );
                break;
            }
            self.responses.remove(context);
            host.say(
                LogLevel::Info,
                &format!("decision {id}: its stream was ended, for its token has expired"),
            );
        }
        host.set_effective_context(self.context).ok();
    }

    /// An answer of which nothing more may go on.
    fn cut_off(&mut self, host: &dyn Host, context: u32, error: HostError) -> Action {
        let of = self.responses.remove(context).map(|response| format!("decision {}: ", response.decision));
        let of = of.unwrap_or_default();
        host.say(LogLevel::Error, &format!("{of}the answer was cut off because the proxy failed: {error}"));
        host.close_request().ok();
        Action::Pause
    }
}

/// Whether an answer with this status says nothing of what was asked for: an error of the proxy's own, or an error or a redirection of
/// an upstream that did not wait for the body. What it is must be known for that.
fn says_nothing(status: &HostResult<Option<Vec<u8>>>) -> bool {
    matches!(status, Ok(Some(status)) if matches!(status.first(), Some(b'3'..=b'5')))
}

/// Looks at the headers of an answer. Gives whether a stream of events follows.
fn begin(
    host: &dyn Host,
    gate: &Gate,
    response: &mut Response,
    count: usize,
    end: bool,
) -> Result<bool, HostError> {
    let headers = host.headers(Map::Response, count)?;
    if let Some(nonce) = &response.nonce {
        host.set_header(Map::Response, NONCE, nonce)?;
    }
    if response.rules().is_some_and(|rules| rules.sessions == Sessions::Bound) {
        bind_session(host, gate, response, &headers)?;
    }
    if end {
        return Ok(false);
    }
    let is_good = values(&headers, ":status").next().is_some_and(|status| status.starts_with(b"2"));
    let is_stream = values(&headers, "content-type").any(is_event_stream);
    // What is no answer to a list request is none, whatever it holds.
    // To a `GET` only a stream is an answer of the protocol.
    if response.narrows_lists && is_good && (response.is_of_message || is_stream) {
        let is_plain = |value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(b"identity");
        let is_readable = values(&headers, "content-encoding").all(is_plain);
        for name in OF_THE_BYTES.iter().filter(|name| values(&headers, name).next().is_some()) {
            host.remove_header(Map::Response, name.as_bytes())?;
        }
        if !is_stream {
            host.set_header(Map::Response, "content-type", "application/json")?;
        }
        response.body = ResponseBody::begin(is_stream, is_readable);
    }
    Ok(is_stream)
}

fn bind_session(
    host: &dyn Host,
    gate: &Gate,
    response: &Response,
    headers: &Headers,
) -> Result<(), HostError> {
    let mut ids = values(headers, SESSION);
    let Some(id) = ids.next() else { return Ok(()) };
    let single = ids.next().is_none();
    match gate.session_key().bind(&response.chain, id).filter(|_| single) {
        Some(bound) => host.set_header(Map::Response, SESSION, &bound),
        None => {
            let decision = &response.decision;
            host.say(
                LogLevel::Error,
                &format!(
                    "decision {decision}: the upstream's {SESSION} is removed, for it is repeated, too long, or has other characters than \
                     visible ASCII"
                ),
            );
            host.remove_header(Map::Response, SESSION.as_bytes())
        }
    }
}

fn values<'h>(headers: &'h Headers, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    headers.iter().filter(move |(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
}

fn is_event_stream(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| matches!(byte, b';' | b',')).next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}
