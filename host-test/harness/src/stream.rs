//! One HTTP stream: what the filter holds, what went upstream, and how it ended.
//!
//! The rules are Envoy's filter manager's. A filter that pauses in `proxy_on_request_headers` pauses everything, unless the
//! plugin allows it to stop the headers alone; a paused body is buffered and seen whole; what was forwarded is out of the
//! filter's hands.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::header::{Bytes, Headers};

/// Identity of a stream within its [`Vm`](crate::Vm): the id of its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u32);

impl StreamId {
    /// The context id that the filter knows the stream by.
    #[must_use]
    pub const fn context(self) -> u32 {
        self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the other side sees of a message: the upstream of a request, the client of a response.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The headers when the filter let them pass.
    pub headers: Headers,
    /// The body; empty without one.
    pub body: Vec<u8>,
    /// The trailers, if there were any.
    pub trailers: Option<Headers>,
}

/// A reply that the filter made itself.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u32,
    /// The headers that the filter gave. Envoy adds `content-length`, and `content-type: text/plain` where it is missing.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status, unless the filter gave -1 (none).
    pub grpc_status: Option<u32>,
    /// Response code details for the access log.
    pub details: String,
}

impl LocalReply {
    /// The body as text, with replacement characters for what is no UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarded")
            .field("headers", &self.headers)
            .field("body", &Bytes(&self.body))
            .field("trailers", &self.trailers)
            .finish()
    }
}

impl fmt::Debug for LocalReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalReply")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &Bytes(&self.body))
            .field("grpc_status", &self.grpc_status)
            .field("details", &self.details)
            .finish()
    }
}

/// Where a request stands, or the response to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The whole request went upstream, or the whole response to the client.
    Forwarded(Forwarded),
    /// The filter answered.
    LocalReply(LocalReply),
    /// The filter holds the message; a tick or the answer to a call may release it.
    Paused,
    /// What was given so far went on; the message has not ended.
    Streaming,
    /// The filter reset the stream: the client sees no (further) answer.
    Reset,
    /// The virtual machine is dead. Envoy answers 503 (`FAIL_CLOSED`), now and until the machine is reloaded.
    Trapped {
        /// Which callback failed, and how.
        message: String,
    },
}

impl Outcome {
    /// What went on, if the whole message did.
    #[must_use]
    pub const fn forwarded(&self) -> Option<&Forwarded> {
        if let Self::Forwarded(forwarded) = self { Some(forwarded) } else { None }
    }

    /// The filter's own answer, if it gave one.
    #[must_use]
    pub const fn local_reply(&self) -> Option<&LocalReply> {
        if let Self::LocalReply(reply) = self { Some(reply) } else { None }
    }

    /// The status that a client of Envoy sees, where it does not come from the upstream: the local reply's, or 503 of a dead
    /// virtual machine.
    #[must_use]
    pub const fn status(&self) -> Option<u32> {
        match self {
            Self::LocalReply(reply) => Some(reply.status),
            Self::Trapped { .. } => Some(503),
            _ => None,
        }
    }

    /// Whether nothing more can happen to the message.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Paused | Self::Streaming)
    }
}

/// A stream and everything that it left behind.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The stream; finished, unless a message is [`Outcome::Paused`] or [`Outcome::Streaming`].
    pub stream: StreamId,
    /// Where the request stands.
    pub outcome: Outcome,
    /// What has gone upstream, if anything. It says more than the outcome where a denial came after a part of the request
    /// was forwarded.
    pub upstream: Option<Forwarded>,
    /// Where the response stands, once there is one.
    pub response: Option<Outcome>,
    /// What has gone to the client, if anything: of the upstream's response, or of the filter's own.
    pub downstream: Option<Forwarded>,
    /// The filter state that the filter set, by path.
    pub properties: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: BTreeMap<_, _> =
            self.properties.iter().map(|(path, value)| (path, Bytes(value))).collect();
        f.debug_struct("Exchange")
            .field("stream", &self.stream)
            .field("outcome", &self.outcome)
            .field("upstream", &self.upstream)
            .field("response", &self.response)
            .field("downstream", &self.downstream)
            .field("properties", &properties)
            .finish()
    }
}

impl Exchange {
    /// A piece of filter state as text.
    #[must_use]
    pub fn property(&self, path: &str) -> Option<&str> {
        self.properties.get(path).and_then(|value| std::str::from_utf8(value).ok())
    }
}

/// The two messages of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

impl Direction {
    /// The number by which the ABI knows it as a kind of stream.
    pub(crate) const fn from_code(code: u32) -> Option<Self> {
        match code {
            0 => Some(Self::Request),
            1 => Some(Self::Response),
            _ => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// A piece of a message that waits until the filter may see it.
#[derive(Debug)]
pub(crate) enum Part {
    Body { bytes: Vec<u8>, end: bool },
    Trailers(Headers),
}

/// How far the filter stopped the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Not at all.
    No,
    /// What it saw is kept; it is shown what follows.
    Single,
    /// It is shown nothing more.
    All,
}

/// Which data the body buffer of the filter stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyView {
    /// None: the filter is not looking at a body.
    Closed,
    /// The chunk that just arrived.
    Chunk,
    /// All that is buffered.
    Buffered,
}

/// One message, on its way through the filter.
#[derive(Debug)]
pub(crate) struct Half {
    pub(crate) headers: Headers,
    /// Whether the filter may still touch the headers.
    pub(crate) headers_open: bool,
    pub(crate) headers_sent: bool,
    pub(crate) trailers: Option<Headers>,
    pub(crate) trailers_open: bool,
    /// Whether the filter may make trailers: it is looking at the last piece of a body that none follow.
    pub(crate) trailers_can_be_added: bool,
    chunk: Vec<u8>,
    buffered: Vec<u8>,
    pub(crate) view: BodyView,
    pub(crate) hold: Hold,
    pub(crate) inbox: VecDeque<Part>,
    /// Its sender sent all it had.
    pub(crate) ended: bool,
    /// The filter was shown all of it.
    pub(crate) seen_all: bool,
    pub(crate) sent: Forwarded,
    pub(crate) started: bool,
    /// Asked for during a callback, done after it, as Envoy does.
    pub(crate) resume: bool,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            headers: Headers::default(),
            headers_open: false,
            headers_sent: false,
            trailers: None,
            trailers_open: false,
            trailers_can_be_added: false,
            chunk: Vec::new(),
            buffered: Vec::new(),
            view: BodyView::Closed,
            hold: Hold::No,
            inbox: VecDeque::new(),
            ended: false,
            seen_all: false,
            sent: Forwarded::default(),
            started: false,
            resume: false,
        }
    }
}

impl Half {
    pub(crate) fn is_complete(&self) -> bool {
        self.seen_all && self.hold == Hold::No && self.headers_sent
    }

    fn outcome(&self) -> Outcome {
        if self.is_complete() {
            Outcome::Forwarded(self.sent.clone())
        } else if self.hold == Hold::No {
            Outcome::Streaming
        } else {
            Outcome::Paused
        }
    }

    fn went(&self) -> Option<Forwarded> {
        self.headers_sent.then(|| self.sent.clone())
    }

    /// Queues a part; while everything is held, Envoy runs the pieces of a body together.
    pub(crate) fn push(&mut self, part: Part) {
        if self.hold == Hold::All
            && let Part::Body { bytes: more, end } = &part
            && let Some(Part::Body { bytes, end: last }) = self.inbox.back_mut()
        {
            bytes.extend_from_slice(more);
            *last = *end;
            return;
        }
        self.inbox.push_back(part);
    }

    pub(crate) fn open_headers(&mut self, headers: Headers) {
        self.headers = headers;
        self.headers_open = true;
        self.started = true;
    }

    /// Takes a chunk and returns the size of what the filter now sees.
    pub(crate) fn open_body(&mut self, bytes: Vec<u8>, end: bool) -> usize {
        self.trailers_can_be_added = end;
        if self.view == BodyView::Buffered {
            self.buffered.extend(bytes);
            self.buffered.len()
        } else {
            self.chunk = bytes;
            self.view = BodyView::Chunk;
            self.chunk.len()
        }
    }

    pub(crate) fn body(&self) -> Option<&[u8]> {
        match self.view {
            BodyView::Closed => None,
            BodyView::Chunk => Some(&self.chunk),
            BodyView::Buffered => Some(&self.buffered),
        }
    }

    pub(crate) fn body_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self.view {
            BodyView::Closed => None,
            BodyView::Chunk => Some(&mut self.chunk),
            BodyView::Buffered => Some(&mut self.buffered),
        }
    }

    /// The trailers, if the filter may change them, or make some.
    pub(crate) fn trailers_mut(&mut self) -> Option<&mut Headers> {
        if self.trailers_can_be_added && self.trailers.is_none() {
            self.trailers = Some(Headers::default());
            self.trailers_open = true;
        }
        self.trailers.as_mut().filter(|_| self.trailers_open)
    }

    /// Keeps the chunk with the rest; `visible` is whether the filter sees all of it next time.
    pub(crate) fn keep_body(&mut self, visible: bool) {
        let chunk = std::mem::take(&mut self.chunk);
        self.buffered.extend(chunk);
        self.view = if visible { BodyView::Buffered } else { BodyView::Closed };
        self.hold = Hold::Single;
    }

    /// Drops the chunk: the filter has taken it.
    pub(crate) fn drop_body(&mut self) {
        self.chunk.clear();
        self.view = BodyView::Closed;
        self.hold = Hold::Single;
    }

    /// Sends everything that the filter has seen on and lets it see the rest.
    pub(crate) fn release(&mut self) {
        if !self.headers_sent {
            self.sent.headers = self.headers.clone();
            self.headers_sent = true;
        }
        self.sent.body.append(&mut self.buffered);
        self.sent.body.append(&mut self.chunk);
        if let Some(trailers) = &self.trailers {
            self.sent.trailers = Some(trailers.clone());
        }
        self.close();
        self.hold = Hold::No;
    }

    /// Takes headers, body and trailers out of the filter's hands.
    pub(crate) fn close(&mut self) {
        self.headers_open = false;
        self.trailers_open = false;
        self.trailers_can_be_added = false;
        self.view = BodyView::Closed;
    }

    /// Ends the message where it stands: nothing more of it is shown or sent.
    pub(crate) fn abandon(&mut self) {
        self.close();
        self.resume = false;
        self.hold = Hold::No;
        self.inbox.clear();
    }

    /// Puts another message in the place of this one, past the filter.
    pub(crate) fn replace(&mut self, message: Forwarded) {
        self.abandon();
        self.headers = message.headers.clone();
        self.sent = message;
        self.started = true;
        self.seen_all = true;
        self.headers_sent = true;
    }
}

#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Position of its plugin.
    pub(crate) plugin: usize,
    /// The root context of its plugin that was in force when its headers came.
    pub(crate) root: u32,
    pub(crate) request: Half,
    pub(crate) response: Half,
    pub(crate) reply: Option<LocalReply>,
    /// Whether the reply was given to the response side.
    pub(crate) reply_sent: bool,
    pub(crate) reset: bool,
    pub(crate) trapped: Option<String>,
    pub(crate) filter_state: BTreeMap<String, Vec<u8>>,
    pub(crate) attributes: BTreeMap<String, Vec<u8>>,
}

impl Stream {
    pub(crate) const fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(crate) const fn half_mut(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// Whether the filter ended the stream, or died on it.
    pub(crate) const fn is_answered(&self) -> bool {
        self.reply.is_some() || self.reset || self.trapped.is_some()
    }

    /// Whether the filter cut the message short, or died on it.
    pub(crate) const fn is_cut(&self, direction: Direction) -> bool {
        match direction {
            Direction::Request => self.is_answered(),
            // A reply is a response, which the filter is shown as any other.
            Direction::Response => {
                self.reset || self.trapped.is_some() || (self.reply.is_some() && !self.reply_sent)
            }
        }
    }

    /// Whether the filter's part in the message is over.
    pub(crate) fn is_over(&self, direction: Direction) -> bool {
        self.is_cut(direction) || self.half(direction).is_complete()
    }

    /// Whether nothing more can happen to the messages that there are.
    pub(crate) fn is_final(&self) -> bool {
        self.is_answered()
            || (self.request.is_complete() && (!self.response.started || self.response.is_complete()))
    }

    pub(crate) fn outcome(&self, direction: Direction) -> Outcome {
        if let Some(message) = &self.trapped {
            Outcome::Trapped { message: message.clone() }
        } else if let Some(reply) = &self.reply {
            Outcome::LocalReply(reply.clone())
        } else if self.reset {
            Outcome::Reset
        } else {
            self.half(direction).outcome()
        }
    }

    pub(crate) fn exchange(&self, stream: StreamId) -> Exchange {
        let has_response = self.response.started || self.is_answered();
        Exchange {
            stream,
            outcome: self.outcome(Direction::Request),
            upstream: self.request.went(),
            response: has_response.then(|| self.outcome(Direction::Response)),
            downstream: self.response.went(),
            properties: self.filter_state.clone(),
        }
    }
}
