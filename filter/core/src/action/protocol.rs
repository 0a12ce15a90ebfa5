//! What a request is about to do, whatever its protocol.

use crate::config::RuleKind;
use crate::denial::{BodyProblem, Denial, Evidence, ProtocolProblem};
use crate::reason::Reason;
use serde_json::{Map, Value};
use std::cell::OnceCell;

/// The protocol of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Model Context Protocol.
    Mcp,
    /// Agent2Agent protocol.
    A2a,
}

impl Protocol {
    /// The headers that say something of a message.
    pub(super) const fn headers(self) -> &'static [&'static str] {
        match self {
            Self::Mcp => &[
                "mcp-session-id",
                "mcp-protocol-version",
                "mcp-method",
                "mcp-name",
                "last-event-id",
                "content-encoding",
            ],
            Self::A2a => &["a2a-version", "a2a-extensions", "content-encoding"],
        }
    }

    /// The word for it in records and for policies.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::A2a => "a2a",
        }
    }
}

/// What kind of thing is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    /// What rules are for.
    Ruled(RuleKind),
    /// Another method; without a name of its own it is the method's.
    Method,
    /// The session: a stream is opened, or it ends.
    Session,
    /// The public card of an agent is read.
    Card,
}

impl ActionKind {
    /// The word for it in records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ruled(RuleKind::Tool) => "tool",
            Self::Ruled(RuleKind::Resource) => "resource",
            Self::Ruled(RuleKind::Prompt) => "prompt",
            Self::Ruled(RuleKind::Method) | Self::Method => "method",
            Self::Session => "session",
            Self::Card => "card",
        }
    }
}

/// What a request is about to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    pub(super) protocol: Protocol,
    pub(super) kind: ActionKind,
    pub(super) name: String,
    pub(super) method: String,
    pub(super) arguments: Map<String, Value>,
    /// Of MCP: what else the message says, beside its name, its arguments and `_meta`.
    pub(super) parameters: Map<String, Value>,
    pub(super) id: Option<Value>,
    pub(super) is_open: bool,
    /// Lists of what rules are for may be in the answer.
    pub(super) lists: bool,
    /// The arguments as text, once somebody asked for them.
    pub(super) arguments_text: OnceCell<String>,
    /// Of A2A: the push notification configuration that a message brings, which is as good as one that is created.
    pub(super) brings: Option<Map<String, Value>>,
    /// Of A2A: whether the parts of its message are those of version 1.0. Those of 0.3 wrap what they hold in other ways.
    pub(super) has_plain_parts: bool,
    /// Names of members that the request gives at other places too, or may: their arguments are not known for sure.
    pub(super) elsewhere: Vec<String>,
}

impl Action {
    /// Without arguments, and not open.
    pub(super) fn new(protocol: Protocol, kind: ActionKind, name: String, method: String) -> Self {
        Self {
            protocol,
            kind,
            name,
            method,
            arguments: Map::new(),
            parameters: Map::new(),
            id: None,
            is_open: false,
            lists: false,
            arguments_text: OnceCell::new(),
            brings: None,
            has_plain_parts: true,
            elsewhere: Vec::new(),
        }
    }

    /// Which protocol it is of.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What is acted on.
    #[must_use]
    pub fn kind(&self) -> ActionKind {
        self.kind
    }

    /// Its name: of a tool, a prompt or a method, or the URI of a resource. A method of A2A has its name in version 1.0.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The method of the message, as it was spelled; of a request without one the HTTP method, and of A2A's REST the path too.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The arguments. Of A2A they are the members of the request with their names in version 1.0, also those that came in the path.
    #[must_use]
    pub fn arguments(&self) -> &Map<String, Value> {
        &self.arguments
    }

    /// What the message says beside its name and its arguments. `_meta` is not among it, which is about the message. Of A2A everything is
    /// an argument.
    #[must_use]
    pub fn parameters(&self) -> &Map<String, Value> {
        &self.parameters
    }

    /// The arguments as JSON text, which is kept: policies may ask for it several times.
    #[must_use]
    pub fn arguments_text(&self) -> &str {
        // Values that were read can be written; if not, the text is no JSON to anybody.
        self.arguments_text.get_or_init(|| serde_json::to_string(&self.arguments).unwrap_or_default())
    }

    /// The id of the request.
    #[must_use]
    pub fn id(&self) -> Option<&Value> {
        self.id.as_ref()
    }

    /// Whether lists of what rules are for may be in the answer.
    #[must_use]
    pub fn lists(&self) -> bool {
        self.lists
    }

    /// Whether it is among what carries no power: whoever may use the route may do it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }
}

/// A message that is not one, and the id that an answer to it names.
#[derive(Debug, Clone, PartialEq)]
pub struct Unread {
    /// Why.
    pub denial: Denial,
    /// The request's id, if that much could be read.
    pub id: Option<Value>,
}

impl From<Denial> for Unread {
    fn from(denial: Denial) -> Self {
        Self { denial, id: None }
    }
}

pub(super) fn malformed(problem: BodyProblem) -> Denial {
    Denial::new(Reason::BodyMalformed, Evidence::Body { problem })
}

pub(super) fn mismatch(problem: ProtocolProblem) -> Denial {
    Denial::new(Reason::ProtocolMismatch, Evidence::Protocol { problem })
}
