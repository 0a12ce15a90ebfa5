//! What a message of the Model Context Protocol is about to do (MCP, Streamable HTTP transport, revisions 2025-03-26 to 2026-07-28).
//!
//! Headers repeat what the body says, and servers differ in which of the two they act on. So each that is there must agree with
//! the body, also for revisions that do not ask for it, and there may be one of each only.

use super::json_rpc::Message;
use super::spelling::{has_one_spelling, is_plain_uri};
use crate::config::RuleKind;
use crate::denial::{BodyProblem, Denial, Evidence, ProtocolProblem};
use crate::http::RequestHead;
use crate::reason::Reason;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// From this revision on, headers that repeat the body are required.
const WITH_HEADERS: &str = "2026-07-28";
/// The revisions of the Streamable HTTP transport.
///
/// 2024-11-05 had another transport; clients name it on this one if a server chooses it.
const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", WITH_HEADERS];
/// Parameters that say what a message is about, or bring data.
const PARAMETERS: [&str; 9] =
    ["name", "uri", "arguments", "_meta", "ref", "task", "inputResponses", "requestState", "notifications"];

/// The methods whose answers are lists of what rules are for.
const LISTS: [&str; 4] = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

/// What `ref` of a completion has.
const REFERENCE: [&str; 3] = ["type", "name", "uri"];

const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";

/// The protocol of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Model Context Protocol.
    Mcp,
}

impl Protocol {
    /// The word for it in records and for policies.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
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
}

/// What a request is about to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    protocol: Protocol,
    kind: ActionKind,
    name: String,
    method: String,
    arguments: Map<String, Value>,
    id: Option<Value>,
    /// It asks for news of resources, of which no rule says whether they may be known.
    subscribes: bool,
    /// Lists may be in the answer.
    lists: bool,
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

impl ActionKind {
    /// The word for it in records.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ruled(RuleKind::Tool) => "tool",
            Self::Ruled(RuleKind::Resource) => "resource",
            Self::Ruled(RuleKind::Prompt) => "prompt",
            Self::Method => "method",
            Self::Session => "session",
        }
    }
}

impl Action {
    /// What a request without a message does: `GET` opens a stream, `DELETE` ends the session.
    ///
    /// # Errors
    /// [`Reason::ActionDenied`] for another method, [`Reason::ProtocolMismatch`] if there is a body.
    pub fn of_session(head: &RequestHead) -> Result<Self, Denial> {
        let method = head.method();
        if !matches!(method, "GET" | "HEAD" | "DELETE") {
            return Err(Denial::new(Reason::ActionDenied, Evidence::Action));
        }
        if head.has_body() {
            return Err(mismatch(ProtocolProblem::Body));
        }
        version(head)?;
        // A stream that goes on where another broke off has what that one had.
        let lists = head.values(b"last-event-id").next().is_some();
        Ok(Self { lists, ..Self::in_session(method, None) })
    }

    /// What concerns the session and nothing else.
    fn in_session(name: &str, id: Option<Value>) -> Self {
        let (name, method) = (name.to_owned(), name.to_owned());
        let protocol = Protocol::Mcp;
        Self {
            protocol,
            kind: ActionKind::Session,
            name,
            method,
            arguments: Map::new(),
            id,
            subscribes: false,
            lists: false,
        }
    }

    /// Reads the message of a `POST`.
    ///
    /// # Errors
    /// [`Reason::BodyMalformed`] for what is not one message, [`Reason::ProtocolMismatch`] if headers and body do not agree.
    pub fn read(head: &RequestHead, body: &[u8]) -> Result<Self, Unread> {
        if !is_plain_text(head) {
            return Err(malformed(BodyProblem::Encoded).into());
        }
        let message =
            Message::read(body).map_err(|(problem, id)| Unread { denial: malformed(problem), id })?;
        let id = message.id.clone();
        Self::of(head, message).map_err(|denial| Unread { denial, id })
    }

    fn of(head: &RequestHead, message: Message) -> Result<Self, Denial> {
        let Message { id, method, mut params } = message;
        has_one_spelling(&params, &PARAMETERS).map_err(malformed)?;
        let version = version(head)?;
        let declared =
            params.get("_meta").and_then(|meta| meta.get("io.modelcontextprotocol/protocolVersion"));
        if declared.is_some_and(|declared| declared.as_str() != version) {
            return Err(mismatch(ProtocolProblem::Differs { header: VERSION }));
        }
        // An answer of the client to the server has no method.
        let Some(method) = method else { return Ok(Self::in_session("response", id)) };
        let strict = version == Some(WITH_HEADERS);
        // Notifications need no headers.
        agrees(head, METHOD, &method, strict && id.is_some(), str::to_owned)?;
        let ruled = ruled(&method, &params).map_err(malformed)?;
        let (kind, name) = match ruled {
            Some((kind, name)) => {
                let required =
                    strict && matches!(method.as_str(), "tools/call" | "prompts/get" | "resources/read");
                agrees(head, NAME, name, required, decoded)?;
                (ActionKind::Ruled(kind), name.to_owned())
            }
            None => {
                // Which parameter it would repeat is each method's own, and no rule asks for it.
                single(head, NAME)?;
                (ActionKind::Method, method.clone())
            }
        };
        let subscribes = method == "subscriptions/listen" && names_resources(&params);
        let arguments = match params.remove("arguments") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(arguments)) => arguments,
            Some(_) => return Err(malformed(BodyProblem::Member { name: "arguments" })),
        };
        let protocol = Protocol::Mcp;
        let lists = LISTS.contains(&method.as_str());
        Ok(Self { protocol, kind, name, method, arguments, id, subscribes, lists })
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

    /// Its name: of a tool, a prompt or a method, or the URI of a resource.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The method of the message; of a request without one the HTTP method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &Map<String, Value> {
        &self.arguments
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
        match self.kind {
            ActionKind::Session => true,
            ActionKind::Ruled(_) => false,
            ActionKind::Method => {
                // What is called a notification is one: a request of that name might be anything.
                (self.method.starts_with("notifications/") && self.id.is_none())
                    || (self.method == "subscriptions/listen" && !self.subscribes)
                    || LISTS.contains(&self.method.as_str())
                    || matches!(self.method.as_str(), "initialize" | "ping" | "server/discover")
            }
        }
    }
}

/// What a message acts on by a rule, and its name; `None`: no rule is for such a message.
fn ruled<'p>(
    method: &str,
    params: &'p Map<String, Value>,
) -> Result<Option<(RuleKind, &'p str)>, BodyProblem> {
    let text = |members: &'p Map<String, Value>, name: &'static str| {
        members.get(name).and_then(Value::as_str).ok_or(BodyProblem::Member { name })
    };
    let (kind, name) = match method {
        "tools/call" => (RuleKind::Tool, text(params, "name")?),
        "prompts/get" => (RuleKind::Prompt, text(params, "name")?),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            (RuleKind::Resource, text(params, "uri")?)
        }
        // The server completes with the code of the prompt or of the template that is referred to.
        "completion/complete" => {
            let wrong = BodyProblem::Member { name: "ref" };
            let Some(Value::Object(reference)) = params.get("ref") else { return Err(wrong) };
            has_one_spelling(reference, &REFERENCE)?;
            match reference.get("type").and_then(Value::as_str) {
                Some("ref/prompt") => (RuleKind::Prompt, text(reference, "name")?),
                Some("ref/resource") => (RuleKind::Resource, text(reference, "uri")?),
                _ => return Err(wrong),
            }
        }
        _ => return Ok(None),
    };
    match kind {
        RuleKind::Resource if !is_plain_uri(name) => Err(BodyProblem::Uri),
        _ => Ok(Some((kind, name))),
    }
}

/// Whether a subscription (MCP 2026-07-28) asks for more than news of lists.
fn names_resources(params: &Map<String, Value>) -> bool {
    let is_flag =
        |value: &Value| value.is_boolean() || value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match params.get("notifications") {
        None => false,
        Some(Value::Object(wanted)) => !wanted.values().all(is_flag),
        Some(_) => true,
    }
}

fn malformed(problem: BodyProblem) -> Denial {
    Denial::new(Reason::BodyMalformed, Evidence::Body { problem })
}

fn mismatch(problem: ProtocolProblem) -> Denial {
    Denial::new(Reason::ProtocolMismatch, Evidence::Protocol { problem })
}

/// The one value of a header.
pub(super) fn single<'a>(head: &'a RequestHead, header: &'static str) -> Result<Option<&'a str>, Denial> {
    let mut values = head.values(header.as_bytes());
    let first = values.next();
    if values.next().is_some() {
        return Err(mismatch(ProtocolProblem::Repeated { header }));
    }
    let text = |value: &'a [u8]| {
        std::str::from_utf8(value).map_err(|_| mismatch(ProtocolProblem::Differs { header }))
    };
    first.map(text).transpose()
}

/// The revision that the headers name; one that is not known may mean anything.
fn version(head: &RequestHead) -> Result<Option<&str>, Denial> {
    let version = single(head, VERSION)?;
    match version {
        Some(version) if !REVISIONS.contains(&version) => Err(mismatch(ProtocolProblem::Version)),
        version => Ok(version),
    }
}

/// Checks that a header says what the body does, if it is there or must be.
fn agrees(
    head: &RequestHead,
    header: &'static str,
    body: &str,
    required: bool,
    read: impl FnOnce(&str) -> String,
) -> Result<(), Denial> {
    match single(head, header)? {
        Some(value) if read(value) == body => Ok(()),
        Some(_) => Err(mismatch(ProtocolProblem::Differs { header })),
        None if required => Err(mismatch(ProtocolProblem::Missing { header })),
        None => Ok(()),
    }
}

/// A name as headers carry it: outside of visible ASCII as `=?base64?…?=` (MCP 2026-07-28, transports).
fn decoded(value: &str) -> String {
    let encoded = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
    // What cannot be decoded stays as it is, and is no name that a body could have and mean the same.
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| value.to_owned())
}

/// Whether the body is neither compressed nor in another character set, as its headers say.
fn is_plain_text(head: &RequestHead) -> bool {
    let identity =
        head.values(b"content-encoding").all(|value| value.trim_ascii().eq_ignore_ascii_case(b"identity"));
    let charset = head.values(b"content-type").all(|value| {
        let value = value.to_ascii_lowercase();
        let parameters = value.split(|byte| matches!(byte, b';' | b',')).map(<[u8]>::trim_ascii);
        parameters.filter_map(|parameter| parameter.strip_prefix(b"charset")).all(|rest| {
            let name = rest.trim_ascii().strip_prefix(b"=").unwrap_or_default().trim_ascii();
            matches!(name.trim_ascii(), b"utf-8" | b"\"utf-8\"" | b"utf8")
        })
    });
    identity && charset
}
