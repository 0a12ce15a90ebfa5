//! One message of JSON-RPC 2.0, read strictly.
//!
//! ```text
//! message      = request / notification / response
//! request      = object with "jsonrpc": "2.0", "id": string or integer, "method": string, and perhaps "params": object
//! notification = the same without "id"
//! response     = object with "jsonrpc": "2.0", "id", and either "result" or "error"
//! ```
//!
//! Batches (arrays of messages) are refused: of the revisions of MCP only 2025-03-26 knows them.

use super::spelling::has_one_spelling;
use crate::denial::BodyProblem;
use crate::json::{self, JsonError};
use crate::limits;
use serde_json::{Map, Value};

/// The members that the protocol knows.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// Of a request or a response.
    pub(super) id: Option<Value>,
    /// `None`: a response.
    pub(super) method: Option<String>,
    pub(super) params: Map<String, Value>,
}

impl Message {
    /// Reads a body. With the problem comes the id, if that much could be read: an answer names it (JSON-RPC 2.0 §5).
    pub(super) fn read(body: &[u8]) -> Result<Self, (BodyProblem, Option<Value>)> {
        let mut members = object(body).map_err(|problem| (problem, None))?;
        has_one_spelling(&members, &MEMBERS).map_err(|problem| (problem, None))?;
        let id = members.remove("id");
        let known_id = id.clone().filter(is_id);
        let wrong = |name| (BodyProblem::Member { name }, known_id.clone());
        if id.as_ref().is_some_and(|id| !is_id(id)) {
            return Err(wrong("id"));
        }
        if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(wrong("jsonrpc"));
        }
        let method = match members.remove("method") {
            Some(Value::String(method)) => Some(method),
            Some(_) => return Err(wrong("method")),
            // A response says one or the other, about a request that has an id.
            None if id.is_some() && (members.contains_key("result") != members.contains_key("error")) => None,
            None => return Err(wrong("method")),
        };
        let params = match members.remove("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(wrong("params")),
        };
        Ok(Self { id, method, params })
    }
}

/// Reads a body that is one object of strict JSON.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, BodyProblem> {
    if body.is_empty() {
        return Err(BodyProblem::Absent);
    }
    match json::parse_within(body, limits::JSON_DEPTH, limits::BODY_VALUES) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(Value::Array(_)) => Err(BodyProblem::Batch),
        Ok(_) => Err(BodyProblem::NotObject),
        Err(JsonError::DuplicateMember { .. }) => Err(BodyProblem::Duplicate),
        Err(other) => Err(BodyProblem::Json(other)),
    }
}

/// MCP and A2A: a string or an integer, and not null.
fn is_id(id: &Value) -> bool {
    match id {
        Value::String(text) => text.len() <= limits::IDENTITY_BYTES,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(body: &str) -> BodyProblem {
        Message::read(body.as_bytes()).unwrap_err().0
    }

    #[test]
    fn what_is_not_one_message_is_refused() {
        let member = |name| BodyProblem::Member { name };
        for (body, expected) in [
            ("", BodyProblem::Absent),
            ("[]", BodyProblem::Batch),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, BodyProblem::Batch),
            ("7", BodyProblem::NotObject),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#, BodyProblem::Spelling),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{"name":"x"}}"#, BodyProblem::Spelling),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, BodyProblem::Duplicate),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"x":{"y":1,"y":2}}}"#, BodyProblem::Duplicate),
            (r#"{"jsonrpc":"2.0","id":1,"meth\u006fd":"a","method":"b"}"#, BodyProblem::Duplicate),
            (r#"{"id":1,"method":"a"}"#, member("jsonrpc")),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, member("jsonrpc")),
            (r#"{"jsonrpc":2.0,"id":1,"method":"a"}"#, member("jsonrpc")),
            (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, member("id")),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, member("id")),
            (r#"{"jsonrpc":"2.0","id":[],"method":"a"}"#, member("id")),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, member("method")),
            (r#"{"jsonrpc":"2.0","id":1}"#, member("method")),
            (r#"{"jsonrpc":"2.0","result":{}}"#, member("method")),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, member("method")),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#, member("params")),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":null}"#, member("params")),
        ] {
            assert_eq!(problem(body), expected, "{body}");
        }
        for body in ["{", "{} {}", "\u{feff}{}", "{\"a\":NaN}", "\u{0}{\u{0}", "{'a':1}", "{\"a\":1,}"] {
            assert!(matches!(problem(body), BodyProblem::Json(_)), "{body}");
        }
        // UTF-16, and bytes that are no UTF-8.
        assert!(matches!(Message::read(b"\xff\xfe{\0}\0").unwrap_err().0, BodyProblem::Json(_)));
        assert!(matches!(Message::read(b"{\"a\":\"\xe9\"}").unwrap_err().0, BodyProblem::Json(_)));
    }

    #[test]
    fn the_id_of_what_is_refused_is_kept_for_the_answer() {
        let id = |body: &str| Message::read(body.as_bytes()).unwrap_err().1;
        assert_eq!(id(r#"{"jsonrpc":"1.0","id":"a","method":"m"}"#), Some(json!("a")));
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#), None);
    }

    #[test]
    fn requests_notifications_and_responses_are_read() {
        let read = |body: Value| Message::read(body.to_string().as_bytes()).unwrap();
        let request =
            read(json!({ "method": "tools/call", "params": { "name": "x" }, "jsonrpc": "2.0", "id": 7 }));
        assert_eq!((request.id, request.method.as_deref()), (Some(json!(7)), Some("tools/call")));
        assert_eq!(request.params.get("name"), Some(&json!("x")));
        let notification = read(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!((notification.id, notification.params.len()), (None, 0));
        let response = read(json!({ "jsonrpc": "2.0", "id": "a", "error": { "code": 1, "message": "" } }));
        assert_eq!((response.id, response.method), (Some(json!("a")), None));
    }
}
