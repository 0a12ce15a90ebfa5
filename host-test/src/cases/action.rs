//! The action of a case: the message that does it, and the rules of a route that admits it.

use super::CaseError;
use super::table::{Case, CaseAction, CaseActionKind as Kind, CaseProtocol};
use mandate_core::action::{Action, Protocol};
use mandate_core::http::{NormalPath, RequestHead};
use serde_json::{Map, Value, json};

/// The answer of a client to a request of the server, which has no method.
const RESPONSE: &str = "response";

impl Case {
    /// The HTTP method: with an action the one that does it, otherwise that of the request.
    ///
    /// # Errors
    /// [`CaseError::Action`] if the request says another one.
    pub fn method(&self) -> Result<&str, CaseError> {
        let written = self.request.method.as_str();
        let Some(action) = &self.action else { return Ok(written) };
        let method = match action.kind {
            Kind::Session if action.name != RESPONSE => action.name.as_str(),
            _ => "POST",
        };
        if written == method || written == "GET" {
            Ok(method)
        } else {
            Err(CaseError::Action(format!(
                "it is done by `{method}`, and the request's method is `{written}`"
            )))
        }
    }
}

impl CaseAction {
    /// The words for protocol and kind, as policies are told.
    #[must_use]
    pub const fn words(&self) -> (&'static str, &'static str) {
        let protocol = match self.protocol {
            CaseProtocol::Mcp => "mcp",
        };
        let kind = match self.kind {
            Kind::Tool => "tool",
            Kind::Resource => "resource",
            Kind::Prompt => "prompt",
            Kind::Method => "method",
            Kind::Session => "session",
        };
        (protocol, kind)
    }

    /// The method of the message.
    #[must_use]
    pub fn message_method(&self) -> &str {
        match (&self.method, self.kind) {
            (Some(method), _) => method,
            (None, Kind::Tool) => "tools/call",
            (None, Kind::Resource) => "resources/read",
            (None, Kind::Prompt) => "prompts/get",
            (None, Kind::Method | Kind::Session) => &self.name,
        }
    }

    /// The rules of a route that admits this action, and every tool, resource and prompt.
    pub(super) fn rules(&self) -> Value {
        let methods = match self.kind {
            Kind::Method => vec![self.message_method()],
            _ => Vec::new(),
        };
        json!({ "tools": [{ "name": "*" }], "resources": [{ "uri": "*" }], "prompts": [{ "name": "*" }], "methods": methods })
    }

    /// The message that does it; none if it is done by a method of HTTP.
    ///
    /// # Errors
    /// [`CaseError::Action`] if no message is read as this action.
    pub(super) fn message(&self) -> Result<Option<String>, CaseError> {
        let message = self.written();
        let method = if message.is_some() { "POST" } else { self.name.as_str() };
        let head = RequestHead::new(vec![(":method", method)]);
        let path = NormalPath::normalise(b"/").map_err(|error| CaseError::Action(error.to_string()))?;
        let body = message.as_deref().unwrap_or_default();
        let read = Action::read(Protocol::Mcp, &head, &path, body.as_bytes());
        let unlike = |what: &str| CaseError::Action(format!("the filter reads {what}"));
        let read = read.map_err(|unread| unlike(&format!("nothing: {}", unread.denial.reason.code())))?;
        let [kind, protocol] = [read.kind().word(), read.protocol().word()];
        let (name, method) = (read.name(), read.method());
        let is_it = (protocol, kind) == self.words()
            && (name, method) == (self.name.as_str(), self.message_method())
            && *read.arguments() == self.arguments;
        if is_it {
            Ok(message)
        } else {
            Err(unlike(&format!("the {kind} `{name}` of the method `{method}`")))
        }
    }

    fn written(&self) -> Option<String> {
        let method = self.message_method();
        let mut params = Map::new();
        match self.kind {
            Kind::Session if self.name == RESPONSE => {
                return Some(json!({ "jsonrpc": "2.0", "id": 1, "result": {} }).to_string());
            }
            Kind::Session => return None,
            Kind::Method => {}
            Kind::Prompt if method == "completion/complete" => {
                params.insert("ref".to_owned(), json!({ "type": "ref/prompt", "name": self.name }));
            }
            Kind::Resource if method == "completion/complete" => {
                params.insert("ref".to_owned(), json!({ "type": "ref/resource", "uri": self.name }));
            }
            Kind::Tool | Kind::Prompt => _ = params.insert("name".to_owned(), json!(self.name)),
            Kind::Resource => _ = params.insert("uri".to_owned(), json!(self.name)),
        }
        if !self.arguments.is_empty() {
            params.insert("arguments".to_owned(), json!(self.arguments));
        }
        Some(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string())
    }
}
