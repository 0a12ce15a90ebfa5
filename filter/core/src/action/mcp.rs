//! What a message of the Model Context Protocol is about to do (MCP, Streamable HTTP transport, revisions 2025-03-26 to 2026-07-28).
//!
//! Headers repeat what the body says, and servers differ in which of the two they act on. So each that is there must agree with
//! the body, also for revisions that do not ask for it, and there may be one of each only.

use super::headers::{is_plain_text, single};
use super::json_rpc::Message;
use super::protocol::{Action, ActionKind, Protocol, Unread, malformed, mismatch};
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

/// What a request without a message does: `GET` opens a stream, `DELETE` ends the session.
///
/// # Errors
/// [`Reason::ActionDenied`] for another method, [`Reason::ProtocolMismatch`] if there is a body.
pub(super) fn of_session(head: &RequestHead) -> Result<Action, Denial> {
    let method = head.method();
    if !matches!(method, "GET" | "HEAD" | "DELETE") {
        return Err(Denial::new(Reason::ActionDenied, Evidence::Action));
    }
    if head.has_body() {
        return Err(mismatch(ProtocolProblem::Body));
    }
    version(head)?;
    // A stream may have what another had that broke off, and answers to messages that another request brought.
    let lists = method == "GET";
    Ok(Action { lists, ..in_session(method, None) })
}

/// What concerns the session and nothing else.
fn in_session(name: &str, id: Option<Value>) -> Action {
    let action = Action::new(Protocol::Mcp, ActionKind::Session, name.to_owned(), name.to_owned());
    Action { id, is_open: true, ..action }
}

/// Reads the message of a `POST`.
///
/// # Errors
/// [`Reason::BodyMalformed`] for what is not one message, [`Reason::ProtocolMismatch`] if headers and body do not agree.
pub(super) fn read(head: &RequestHead, body: &[u8]) -> Result<Action, Unread> {
    if !is_plain_text(head) {
        return Err(malformed(BodyProblem::Encoded).into());
    }
    let message = Message::read(body).map_err(|(problem, id)| Unread { denial: malformed(problem), id })?;
    let id = message.id.clone();
    of(head, message).map_err(|denial| Unread { denial, id })
}

fn of(head: &RequestHead, message: Message) -> Result<Action, Denial> {
    let Message { id, method, mut params } = message;
    has_one_spelling(&params, &PARAMETERS).map_err(malformed)?;
    let version = version(head)?;
    let declared = params.get("_meta").and_then(|meta| meta.get("io.modelcontextprotocol/protocolVersion"));
    if declared.is_some_and(|declared| declared.as_str() != version) {
        return Err(mismatch(ProtocolProblem::Differs { header: VERSION }));
    }
    // An answer of the client to the server has no method.
    let Some(method) = method else { return Ok(in_session("response", id)) };
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
    let is_open = kind == ActionKind::Method && is_open(&method, id.is_some(), &params);
    let arguments = match params.remove("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(malformed(BodyProblem::Member { name: "arguments" })),
    };
    // What names the action is known by its name; the rest may say what it does. `_meta` is the transport's.
    params.remove("_meta");
    match kind {
        ActionKind::Ruled(_) if method == "completion/complete" => {}
        ActionKind::Ruled(RuleKind::Resource) => _ = params.remove("uri"),
        ActionKind::Ruled(_) => _ = params.remove("name"),
        ActionKind::Method | ActionKind::Session | ActionKind::Card => {}
    }
    let lists = LISTS.contains(&method.as_str());
    Ok(Action {
        arguments,
        parameters: params,
        id,
        is_open,
        lists,
        ..Action::new(Protocol::Mcp, kind, name, method)
    })
}

/// Whether a method that no rule is for carries no power: whoever may use the route may call it.
fn is_open(method: &str, is_request: bool, params: &Map<String, Value>) -> bool {
    // What is called a notification is one: a request of that name might be anything.
    (method.starts_with("notifications/") && !is_request)
        || (method == "subscriptions/listen" && !names_resources(params))
        || LISTS.contains(&method)
        || matches!(method, "initialize" | "ping" | "server/discover")
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
