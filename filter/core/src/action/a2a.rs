//! What a request of the Agent2Agent protocol is about to do (A2A, versions 1.0 and 0.3, bindings JSON-RPC and HTTP+JSON).
//!
//! One method has up to three spellings: `SendMessage` (JSON-RPC of 1.0), `message/send` (of 0.3), and `POST …/message:send` (REST of
//! both). Rules have the name of 1.0.

mod address;
mod members;

use super::headers::{is_plain_text, single};
use super::json_rpc::{Message, object};
use super::protocol::{Action, ActionKind, Protocol, Unread, malformed, mismatch};
use super::spelling::poses_as_field;
use crate::config::{A2aMethod, RuleKind};
use crate::denial::{BodyProblem, Denial, Evidence, ProtocolProblem};
use crate::http::{NormalPath, RequestHead};
use crate::reason::Reason;
use address::{Address, Place};
use members::Language;
use serde_json::{Map, Value};

const VERSION: &str = "a2a-version";

/// The versions, by `Major.Minor` (1.0 §3.6); nothing means 0.3.
const EARLY: &str = "0.3";
const VERSIONS: [&str; 2] = [EARLY, "1.0"];

/// Reads a request.
pub(super) fn read(head: &RequestHead, path: &NormalPath, body: &[u8]) -> Result<Action, Unread> {
    let place = address::place(head.method(), path)
        .map_err(|problem| Denial::new(Reason::PathInvalid, Evidence::Path { problem }))?;
    if head.method() != "POST" && head.has_body() {
        return Err(mismatch(ProtocolProblem::Body).into());
    }
    let query = Query::of(path);
    match place {
        Place::Nowhere => Err(Denial::new(Reason::ActionDenied, Evidence::Action).into()),
        Place::Card => {
            version(head, &query)?;
            let action = Action::new(
                Protocol::A2a,
                ActionKind::Card,
                "agent_card".to_owned(),
                head.method().to_owned(),
            );
            Ok(Action { is_open: true, ..action })
        }
        Place::Rest(address) => Ok(rest(head, &query, address, body)?),
        Place::Endpoint => {
            if !is_plain_text(head) {
                return Err(malformed(BodyProblem::Encoded).into());
            }
            let message =
                Message::read(body).map_err(|(problem, id)| Unread { denial: malformed(problem), id })?;
            let id = message.id.clone();
            json_rpc(head, &query, message).map_err(|denial| Unread { denial, id })
        }
    }
}

/// Whether a request is of the JSON-RPC binding.
pub(super) fn is_json_rpc(head: &RequestHead, path: &NormalPath) -> bool {
    matches!(address::place(head.method(), path), Ok(Place::Endpoint))
}

/// Whether a request reads the public card, and does nothing else.
pub(super) fn asks_for_card(head: &RequestHead, path: &NormalPath) -> bool {
    matches!(head.method(), "GET" | "HEAD") && !head.has_body() && address::is_card(path.as_str())
}

fn rest(head: &RequestHead, query: &Query, address: Address<'_>, body: &[u8]) -> Result<Action, Denial> {
    let is_early = version(head, query)?.is_none_or(|version| version == EARLY);
    let language = Language { is_early, is_rest: true };
    let needs_body = !matches!(address.method, A2aMethod::CancelTask | A2aMethod::SubscribeToTask);
    let params = match head.method() {
        "POST" if !body.is_empty() || needs_body => {
            if !is_plain_text(head) {
                return Err(malformed(BodyProblem::Encoded));
            }
            object(body).map_err(malformed)?
        }
        _ => Map::new(),
    };
    if params.keys().any(|name| name == "jsonrpc" || poses_as_field(name, "jsonrpc")) {
        return Err(malformed(BodyProblem::Envelope));
    }
    let mut action = of_method(address.method, address.spelling.to_owned(), params, language, Some(address))?;
    action.elsewhere = query.names();
    // Where the path has a tenant, if it has one, only the server knows.
    action.elsewhere.push("tenant".to_owned());
    Ok(action)
}

fn json_rpc(head: &RequestHead, query: &Query, message: Message) -> Result<Action, Denial> {
    let Message { id, method, params } = message;
    let version = version(head, query)?;
    // The agent asks its clients for nothing, so there is nothing to respond to.
    let Some(spelled) = method else { return Err(malformed(BodyProblem::Member { name: "method" })) };
    let is_named = |method: &A2aMethod| method.names().any(|name| spelled == name);
    let action = match A2aMethod::ALL.into_iter().find(is_named) {
        Some(method) => {
            let is_early = spelled == method.earlier_name();
            if version.is_some_and(|version| (version == EARLY) != is_early) {
                return Err(mismatch(ProtocolProblem::Differs { header: VERSION }));
            }
            of_method(method, spelled, params, Language { is_early, is_rest: false }, None)?
        }
        None => {
            let close = |name: &str| poses_as_field(spelled.trim(), name) || spelled.trim() == name;
            if A2aMethod::ALL.into_iter().flat_map(A2aMethod::names).any(close) {
                return Err(malformed(BodyProblem::Member { name: "method" }));
            }
            // Of an extension.
            let kind = ActionKind::Ruled(RuleKind::Method);
            Action { arguments: params, ..Action::new(Protocol::A2a, kind, spelled.clone(), spelled) }
        }
    };
    Ok(Action { id, elsewhere: query.names(), ..action })
}

fn of_method(
    method: A2aMethod,
    spelled: String,
    params: Map<String, Value>,
    language: Language,
    address: Option<Address<'_>>,
) -> Result<Action, Denial> {
    let arguments = members::arguments(method, params, language, address)?;
    let brings = match method {
        A2aMethod::SendMessage | A2aMethod::SendStreamingMessage => {
            members::brought(&arguments).map_err(malformed)?
        }
        _ => None,
    };
    let kind = ActionKind::Ruled(RuleKind::Method);
    let action = Action::new(Protocol::A2a, kind, method.name().to_owned(), spelled);
    Ok(Action { arguments, brings, has_plain_parts: !language.is_early, ..action })
}

/// The version that a request names: in a header, or in the query (1.0 §3.6.1).
fn version<'a>(head: &'a RequestHead, query: &'a Query) -> Result<Option<&'a str>, Denial> {
    let header = single(head, VERSION)?;
    let mut in_query = query.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case(VERSION));
    let parameter = in_query.next().map(|(_, value)| value.as_str());
    if in_query.next().is_some() {
        return Err(mismatch(ProtocolProblem::Repeated { header: VERSION }));
    }
    let version = match (header, parameter) {
        (Some(header), Some(parameter)) if header != parameter => {
            return Err(mismatch(ProtocolProblem::Differs { header: VERSION }));
        }
        (header, parameter) => header.or(parameter).filter(|version| !version.is_empty()),
    };
    match version {
        Some(version) if !VERSIONS.contains(&version) => Err(mismatch(ProtocolProblem::Version)),
        version => Ok(version),
    }
}

/// The parameters of a query, decoded.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(path: &NormalPath) -> Self {
        let decoded = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        // A semicolon separates parameters too for some servers.
        let parameters = path.query().unwrap_or_default().split(['&', ';']).filter(|text| !text.is_empty());
        let pairs = parameters.map(|text| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (decoded(name), decoded(value))
        });
        Self(pairs.collect())
    }

    /// The members of a request that its parameters may be, for a server that reads them from there.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, _) in &self.0 {
            // `message.taskId` and `message[taskId]` are within `message`.
            let first = name.trim().split(['.', '[']).next().unwrap_or_default();
            // The ids of version 0.3 are in names of resources.
            let of_ids = ["name", "parent", "configId", "pushNotificationConfigId"];
            if of_ids.iter().any(|word| first == *word || poses_as_field(first, word)) {
                names.extend(["id".to_owned(), "taskId".to_owned()]);
            }
            names.push(first.to_owned());
        }
        names
    }
}
