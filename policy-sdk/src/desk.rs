//! The host for native tests: a request as plain data, and log messages on standard error.

pub(crate) mod reserved;

use crate::{Claim, HeaderError, Identity, Route};
use serde_json::{Number, Value};

/// A request as plain data, answered for as the host does.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) principal: Identity,
    pub(crate) hops: Vec<Identity>,
    pub(crate) scopes: Vec<String>,
    pub(crate) claims: Value,
    pub(crate) route: Route,
    pub(crate) now: u64,
}

impl Recorded {
    pub(crate) fn method(&self) -> String {
        self.method.clone()
    }

    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    pub(crate) fn header(&self, name: &str) -> Result<Option<String>, HeaderError> {
        if is_hidden(name) {
            return Ok(None);
        }
        let mut values = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => {
                String::from_utf8(value.clone()).map(Some).map_err(|_| HeaderError::NotText)
            }
            (Some(_), Some(_)) => Err(HeaderError::Repeated),
        }
    }

    pub(crate) fn principal(&self) -> Identity {
        self.principal.clone()
    }

    pub(crate) fn agent(&self) -> Option<Identity> {
        self.hops.last().cloned()
    }

    pub(crate) fn depth(&self) -> u32 {
        count(self.hops.len())
    }

    pub(crate) fn hop(&self, index: u32) -> Option<Identity> {
        self.hops.get(usize::try_from(index).ok()?).cloned()
    }

    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    pub(crate) fn scopes(&self) -> Vec<String> {
        self.scopes.clone()
    }

    pub(crate) fn claim(&self, pointer: &str) -> Option<Claim> {
        self.claims.pointer(pointer).map(|value| match value {
            Value::Null => Claim::Null,
            Value::Bool(boolean) => Claim::Boolean(*boolean),
            Value::Number(number) => number_claim(number),
            Value::String(text) => Claim::Text(text.clone()),
            Value::Array(elements) => Claim::Array(count(elements.len())),
            Value::Object(members) => Claim::Object(count(members.len())),
        })
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
    let credentials = ["authorization", "proxy-authorization", "cookie", "dpop"];
    credentials.iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
        || name.starts_with(':')
        || !name.is_ascii()
        || reserved::is_reserved(name)
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
