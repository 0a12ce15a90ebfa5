//! The answers to messages: lists are narrowed, sessions are bound to who opened them, and streams end with their token.
//!
//! What is looked at is kept for requests with an action only, and for as long as there is something to do: to every other answer
//! these callbacks are a look into an empty map.

use super::Plugin;
use super::host::{Host, HostError, Map};
use super::module::Action;
use crate::action::{EventStream, Listing, Narrowed, SESSION, TooLong, Unlistable};
use crate::chain::VerifiedChain;
use crate::config::{Mcp, Sessions};
use crate::decision::{Decision, Outcome, error_message};
use crate::flow::Gate;
use crate::http::Headers;
use crate::limits;
use crate::log_level::LogLevel;
use crate::time::UnixTime;
use serde_json::Value;

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
    is_stream: bool,
    body: ResponseBody,
}

/// What is done with the body of an response.
#[derive(Debug)]
enum ResponseBody {
    /// It goes on as it is.
    Passes,
    /// It is one message, which goes on when it is whole.
    Document,
    /// It is a stream of messages.
    Events(EventStream),
    /// It is not read, for this reason, and an error is sent instead.
    Refused(&'static str),
    /// Nothing more of it goes on.
    Withheld,
}

/// What of an answer is held.
#[derive(Debug, Clone, Copy, Default)]
struct HeldBack {
    documents: usize,
    /// Of events.
    bytes: usize,
}

impl ResponseBody {
    fn held(&self) -> HeldBack {
        match self {
            Self::Document => HeldBack { documents: 1, bytes: 0 },
            Self::Events(events) => HeldBack { documents: 0, bytes: events.pending() },
            Self::Passes | Self::Refused(_) | Self::Withheld => HeldBack::default(),
        }
    }
}

/// The headers that say something of a body's bytes, which are others now.
const OF_THE_BYTES: [&str; 7] =
    ["content-length", "content-encoding", "content-md5", "content-digest", "repr-digest", "digest", "etag"];

impl Response {
    /// Of a request that goes on. `None`: there is nothing to do.
    pub(super) fn of(decision: &Decision) -> Option<Self> {
        let Outcome::Allow(permit) = decision.outcome() else { return None };
        let (chain, action) = (permit.chain()?, decision.action()?);
        Some(Self {
            chain: chain.clone(),
            id: action.id().cloned(),
            decision: decision.id().to_owned(),
            narrows_lists: decision.narrows_lists(),
            is_of_message: decision.method() == "POST",
            is_stream: false,
            body: ResponseBody::Passes,
        })
    }

    fn rules(&self) -> Option<&Mcp> {
        self.chain.route().entry().mcp.as_ref()
    }

    /// How much of a message may be held.
    fn max(&self) -> usize {
        self.rules().map_or(0, |rules| rules.body_bytes)
    }

    /// When a stream that this request opened ends.
    fn until(&self) -> UnixTime {
        let token = self.chain.token();
        token.expires_at().plus_secs(token.issuer().entry().clock_skew_s)
    }

    /// Narrows the lists of one message. `None`: it may be shown as it is.
    fn narrow(&self, host: &dyn Host, message: &str) -> Result<Option<String>, Unlistable> {
        let Some(rules) = self.rules() else { return Ok(None) };
        let narrowed = Listing::new(&self.chain, rules).narrow(message)?;
        Ok(narrowed.map(|Narrowed { text, listed, shown }| {
            let id = &self.decision;
            host.say(LogLevel::Debug, &format!("decision {id}: {shown} of the {listed} in a list are shown"));
            text
        }))
    }

    /// What is sent in the place of an answer that cannot be read, and says so to the operator.
    fn instead(&self, host: &dyn Host, why: &str) -> String {
        let id = &self.decision;
        host.say(
            LogLevel::Error,
            &format!(
                "decision {id}: the list in the answer cannot be narrowed, and an error is sent instead: {why}. If the \
                 upstream's answer is as it should be, set `narrow_lists: false` on the route"
            ),
        );
        error_message(self.id.as_ref(), id)
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
        // An error of the proxy's own, or of an upstream that does not wait for the body, says nothing of what is asked for.
        let is_good = |status: &[u8]| status.starts_with(b"2");
        if self.has_sent_ahead(context)
            && host.header(Map::Response, ":status").is_ok_and(|status| status.is_none_or(|s| is_good(&s)))
        {
            // Nobody knows yet what it answers, or whether that may be asked.
            host.say(
                LogLevel::Error,
                "an answer came before the body was ruled on (`hold: body`): it is cut off",
            );
            host.close_request().ok();
            return Action::Pause;
        }
        let documents = self.documents;
        let (Some(gate), Some(response)) = (&self.gate, self.responses.get_mut(&context)) else {
            return Action::Continue;
        };
        let follows = match begin(host, gate, response, count, end) {
            Ok(follows) => follows,
            Err(error) => {
                self.cut_off(host, context, error);
                return Action::Pause;
            }
        };
        match response.body {
            ResponseBody::Document if documents < limits::READ_RESPONSES => {
                self.documents = documents.saturating_add(1);
            }
            ResponseBody::Document => {
                response.body = ResponseBody::Refused("too many are read at the same time");
            }
            _ => {}
        }
        match follows {
            Follows::Nothing => _ = self.responses.remove(&context),
            Follows::Body => {}
            Follows::Stream => _ = self.streaming.insert((response.until(), context)),
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
        let Some(response) = self.responses.get_mut(&context) else { return Action::Continue };
        let before = response.body.held();
        let room = limits::READ_EVENT_BYTES.saturating_sub(self.event_bytes).saturating_add(before.bytes);
        let proceeded = proceed(host, response, size, end, room);
        let after = response.body.held();
        self.documents = self.documents.saturating_sub(before.documents).saturating_add(after.documents);
        self.event_bytes = self.event_bytes.saturating_sub(before.bytes).saturating_add(after.bytes);
        match proceeded {
            Ok(action) => action,
            Err(error) => {
                self.cut_off(host, context, error);
                Action::Pause
            }
        }
    }

    /// Trailers came behind the body of an answer, which is whole now.
    pub(super) fn on_response_trailers(&mut self, host: &dyn Host, context: u32) -> Action {
        let Some(response) = self.responses.get_mut(&context) else { return Action::Continue };
        let finished = match response.body {
            ResponseBody::Document => finish(host, response),
            ResponseBody::Passes
            | ResponseBody::Events(_)
            | ResponseBody::Refused(_)
            | ResponseBody::Withheld => Ok(()),
        };
        match finished {
            Ok(()) => Action::Continue,
            Err(error) => {
                self.cut_off(host, context, error);
                Action::Pause
            }
        }
    }

    /// Ends the streams whose token is no longer valid: who may still listen must ask again.
    pub(super) fn end_streams(&mut self, host: &dyn Host) {
        if self.streaming.is_empty() {
            return;
        }
        let Ok(now) = host.now() else { return };
        while let Some(&(until, context)) = self.streaming.first()
            && until <= now
        {
            let Some(response) = self.responses.get_mut(&context) else {
                self.streaming.remove(&(until, context));
                continue;
            };
            let id = response.decision.clone();
            // Should the proxy not end it, nothing of it goes on.
            response.body = ResponseBody::Withheld;
            if host.set_effective_context(context).and_then(|()| host.close_request()).is_ok() {
                self.forget_response(context);
                host.say(
                    LogLevel::Info,
                    &format!("decision {id}: its stream was ended, for its token has expired"),
                );
            } else {
                host.say(LogLevel::Error, &format!("decision {id}: its stream could not be ended"));
                break;
            }
        }
        host.set_effective_context(self.context).ok();
    }

    /// An answer of which nothing more may go on.
    fn cut_off(&mut self, host: &dyn Host, context: u32, error: HostError) {
        host.say(LogLevel::Error, &format!("an answer was cut off because the proxy failed: {error}"));
        self.forget_response(context);
        host.close_request().ok();
    }

    /// The answer is over.
    pub(super) fn forget_response(&mut self, context: u32) {
        if let Some(response) = self.responses.remove(&context) {
            let held = response.body.held();
            self.documents = self.documents.saturating_sub(held.documents);
            self.event_bytes = self.event_bytes.saturating_sub(held.bytes);
            self.streaming.remove(&(response.until(), context));
        }
    }
}

/// What follows the headers of an response.
enum Follows {
    /// Nothing that there is anything to do with.
    Nothing,
    /// A body.
    Body,
    /// Events, for as long as the upstream likes.
    Stream,
}

fn begin(
    host: &dyn Host,
    gate: &Gate,
    response: &mut Response,
    count: usize,
    end: bool,
) -> Result<Follows, HostError> {
    let headers = host.headers(Map::Response, count)?;
    if response.rules().is_some_and(|rules| rules.sessions == Sessions::Bound) {
        bind_session(host, gate, response, &headers)?;
    }
    if end {
        return Ok(Follows::Nothing);
    }
    let is_good = values(&headers, ":status").next().is_some_and(|status| status.starts_with(b"2"));
    let is_stream = values(&headers, "content-type").any(is_event_stream);
    response.is_stream = is_stream;
    // What is no answer to a list request is none, whatever it holds.
    // To a `GET` only a stream is an answer of the protocol.
    if response.narrows_lists && is_good && (response.is_of_message || is_stream) {
        let is_plain = |value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(b"identity");
        let is_readable = values(&headers, "content-encoding").all(is_plain);
        for name in OF_THE_BYTES.iter().filter(|name| values(&headers, name).next().is_some()) {
            host.remove_header(Map::Response, name.as_bytes())?;
        }
        response.body = match (is_readable, is_stream) {
            (true, true) => ResponseBody::Events(EventStream::default()),
            // Compressed bytes are no JSON, and are refused as such when they are whole.
            (_, false) => ResponseBody::Document,
            (false, true) => ResponseBody::Refused("it is compressed"),
        };
        if !is_stream {
            host.set_header(Map::Response, "content-type", "application/json")?;
        }
    }
    Ok(match response.body {
        _ if is_stream => Follows::Stream,
        ResponseBody::Passes => Follows::Nothing,
        _ => Follows::Body,
    })
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

/// `room`: how many bytes of events may be held.
fn proceed(
    host: &dyn Host,
    response: &mut Response,
    size: usize,
    end: bool,
    room: usize,
) -> Result<Action, HostError> {
    let max = response.max();
    match std::mem::replace(&mut response.body, ResponseBody::Withheld) {
        ResponseBody::Passes => response.body = ResponseBody::Passes,
        ResponseBody::Withheld => host.replace_response_body(&[])?,
        ResponseBody::Refused(why) => {
            let event = format!("data: {}\n\n", response.instead(host, why));
            let document = event.trim_start_matches("data: ");
            let instead = if response.is_stream { event.as_str() } else { document };
            host.replace_response_body(instead.as_bytes())?;
        }
        ResponseBody::Document if size > max => {
            let instead =
                response.instead(host, &format!("it has more than the {max} bytes of `body_bytes`"));
            host.replace_response_body(instead.as_bytes())?;
        }
        ResponseBody::Document if end => {
            response.body = ResponseBody::Document;
            finish(host, response)?;
        }
        ResponseBody::Document => {
            response.body = ResponseBody::Document;
            return Ok(Action::Pause);
        }
        ResponseBody::Events(mut events) => {
            let piece = host.response_body(size)?;
            let rewrite = |data: &str| match response.narrow(host, data) {
                Ok(text) => text,
                // Servers send events without data so that clients know where to go on.
                Err(Unlistable::NotObject) if data.trim().is_empty() => None,
                Err(why) => Some(response.instead(host, &why.to_string())),
            };
            match events.feed(&piece, max.min(room), rewrite) {
                Ok(complete) => {
                    host.replace_response_body(&complete)?;
                    response.body = ResponseBody::Events(events);
                }
                Err(TooLong) => {
                    let why = format!(
                        "one event has more than the {max} bytes of `body_bytes`, or too much is held of others"
                    );
                    let instead = format!("data: {}\n\n", response.instead(host, &why));
                    host.replace_response_body(instead.as_bytes())?;
                }
            }
        }
    }
    Ok(Action::Continue)
}

/// Narrows an answer that is whole.
fn finish(host: &dyn Host, response: &mut Response) -> Result<(), HostError> {
    response.body = ResponseBody::Withheld;
    let max = response.max();
    let body = host.response_body(max.saturating_add(1))?;
    // An answer without a message, such as one to a notification.
    if body.is_empty() {
        return Ok(());
    }
    let narrowed = match std::str::from_utf8(&body) {
        _ if body.len() > max => Err(format!("it has more than the {max} bytes of `body_bytes`")),
        Ok(text) => response.narrow(host, text).map_err(|why| why.to_string()),
        Err(_) => Err("it is not UTF-8".to_owned()),
    };
    match narrowed {
        Ok(None) => Ok(()),
        Ok(Some(text)) => host.replace_response_body(text.as_bytes()),
        Err(why) => host.replace_response_body(response.instead(host, &why).as_bytes()),
    }
}
