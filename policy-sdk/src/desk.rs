//! The host for native tests: a request as plain data, and log messages on standard error.

mod argument;
pub(crate) mod reserved;

use crate::{Action, ArgumentError, Claim, HeaderError, Identity, Route};
use serde_json::{Map, Number, Value};
use std::collections::BTreeSet;

/// A request as plain data, answered for as the host does.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) principal: Identity,
    pub(crate) hops: Vec<RecordedHop>,
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: Value,
    pub(crate) route: Route,
    pub(crate) now: u64,
    pub(crate) action: Option<(Action, Map<String, Value>)>,
}

/// A hop of its chain.
#[derive(Debug, Clone)]
pub(crate) struct RecordedHop {
    pub(crate) identity: Identity,
    pub(crate) kind: Option<String>,
}

impl Recorded {
    pub(crate) fn method(&self) -> String {
        self.method.clone()
    }

    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    pub(crate) fn query(&self) -> Option<String> {
        self.query.clone()
    }

    pub(crate) fn authority(&self) -> Option<String> {
        self.authority.clone()
    }

    pub(crate) fn header(&self, name: &str) -> Result<Option<String>, HeaderError> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                String::from_utf8(value.to_vec()).map(Some).map_err(|_| HeaderError::NotText)
            }
            (Some(_), Some(_)) => Err(HeaderError::Repeated),
        }
    }

    pub(crate) fn header_values(&self, name: &str) -> Result<Vec<String>, HeaderError> {
        let texts = self.values(name).map(|value| String::from_utf8(value.to_vec()));
        texts.collect::<Result<_, _>>().map_err(|_| HeaderError::NotText)
    }

    pub(crate) fn header_names(&self) -> Vec<String> {
        let names = self.headers.iter().map(|(name, _)| name).filter(|name| !is_hidden(name));
        names.map(|name| name.to_ascii_lowercase()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let name = Some(name).filter(|name| !is_hidden(name));
        let is_it = move |other: &str| name.is_some_and(|name| other.eq_ignore_ascii_case(name));
        self.headers.iter().filter(move |(other, _)| is_it(other)).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn principal(&self) -> Identity {
        self.principal.clone()
    }

    pub(crate) fn agent(&self) -> Option<Identity> {
        self.hops.last().map(|hop| hop.identity.clone())
    }

    pub(crate) fn depth(&self) -> u32 {
        count(self.hops.len())
    }

    pub(crate) fn hop(&self, index: u32) -> Option<Identity> {
        self.hops.get(usize::try_from(index).ok()?).map(|hop| hop.identity.clone())
    }

    pub(crate) fn hop_kind(&self, index: u32) -> Option<String> {
        self.hops.get(usize::try_from(index).ok()?)?.kind.clone()
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    pub(crate) fn scopes(&self) -> Vec<String> {
        self.scopes.clone()
    }

    pub(crate) fn claim(&self, pointer: &str) -> Option<Claim> {
        self.claims.pointer(pointer).map(claim)
    }

    pub(crate) fn claim_json(&self, pointer: &str) -> Option<String> {
        self.claims.pointer(pointer).map(Value::to_string)
    }

    pub(crate) fn action(&self) -> Option<Action> {
        self.action.as_ref().map(|(action, _)| action.clone())
    }

    pub(crate) fn argument(&self, pointer: &str) -> Result<Option<Claim>, ArgumentError> {
        let (_, arguments) = self.action.as_ref().ok_or(ArgumentError::NoAction)?;
        Ok(argument::find(pointer, arguments)?.map(claim))
    }

    pub(crate) fn arguments(&self) -> String {
        let arguments = self.action.as_ref().map(|(_, arguments)| arguments.clone());
        Value::Object(arguments.unwrap_or_default()).to_string()
    }

    pub(crate) fn route(&self) -> Route {
        self.route.clone()
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }
}

/// Credentials, pseudo-headers, what the filter removes, and what is no name of a header (RFC 9110 §5.1).
fn is_hidden(name: &str) -> bool {
    let credentials = ["authorization", "proxy-authorization", "cookie", "dpop", "mcp-session-id"];
    credentials.iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
        || name.starts_with(':')
        || !name.is_ascii()
        || reserved::is_reserved(name)
}

fn claim(value: &Value) -> Claim {
    match value {
        Value::Null => Claim::Null,
        Value::Bool(boolean) => Claim::Boolean(*boolean),
        Value::Number(number) => number_claim(number),
        Value::String(text) => Claim::Text(text.clone()),
        Value::Array(elements) => Claim::Array(count(elements.len())),
        Value::Object(members) => Claim::Object(count(members.len())),
    }
}

fn number_claim(number: &Number) -> Claim {
    match number.as_i64() {
        Some(integer) => Claim::Integer(integer),
        // Without the feature `arbitrary_precision` every number is a float.
        None => Claim::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// How much a line matters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
}

pub(crate) fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}
