//! Claims of a token, each read by the rules of its specification.

use crate::denial::{ClaimProblem, Denial, Evidence};
use crate::time::UnixTime;
use crate::{limits, reason::Reason};
use serde_json::{Map, Value};

pub(crate) fn invalid(claim: &'static str, problem: ClaimProblem) -> Denial {
    let reason = match problem {
        ClaimProblem::Missing => Reason::ClaimMissing,
        _ => Reason::ClaimInvalid,
    };
    Denial::new(reason, Evidence::Claim { claim, problem })
}

pub(crate) fn required<T>(claim: &'static str, value: Option<T>) -> Result<T, Denial> {
    value.ok_or_else(|| invalid(claim, ClaimProblem::Missing))
}

pub(crate) fn identifier<'a>(
    claims: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, Denial> {
    identifier_in(claims, name).map_err(|problem| invalid(name, problem))
}

/// A non-empty string within the limit and without control characters: it ends up in logs and headers.
pub(crate) fn identifier_in<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, ClaimProblem> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(s)) if is_identifier(s) => Ok(Some(s)),
        Some(Value::String(_)) => Err(ClaimProblem::Text),
        Some(_) => Err(ClaimProblem::Type),
    }
}

fn is_identifier(s: &str) -> bool {
    !s.is_empty() && s.len() <= limits::IDENTITY_BYTES && !s.chars().any(char::is_control)
}

pub(crate) fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<UnixTime>, Denial> {
    let read = |value| UnixTime::from_numeric_date(value).ok_or_else(|| invalid(name, ClaimProblem::Date));
    claims.get(name).map(read).transpose()
}

/// RFC 7519 §4.1.3: a string or an array of strings, compared exactly; one of ours must be among them.
pub(crate) fn audience(claims: &Map<String, Value>, ours: &[String]) -> Result<(), Denial> {
    let found: Vec<&str> = match required("aud", claims.get("aud"))? {
        Value::String(aud) => vec![aud],
        Value::Array(list) if list.len() > limits::AUDIENCES => {
            return Err(invalid("aud", ClaimProblem::TooMany { max: limits::AUDIENCES }));
        }
        Value::Array(list) => {
            let texts: Option<_> = list.iter().map(Value::as_str).collect();
            texts.ok_or_else(|| invalid("aud", ClaimProblem::Type))?
        }
        _ => return Err(invalid("aud", ClaimProblem::Type)),
    };
    if found.iter().any(|aud| ours.iter().any(|our| our == aud)) {
        return Ok(());
    }
    let aud = found.into_iter().map(Into::into).collect();
    Err(Denial::new(Reason::AudienceMismatch, Evidence::Audience { expected: ours.to_vec(), aud }))
}

/// RFC 8693 §4.2 and RFC 6749 §3.3: scope tokens with one space between them.
pub(crate) fn scopes(claims: &Map<String, Value>) -> Result<Vec<String>, Denial> {
    let scope = match claims.get("scope") {
        None => return Ok(Vec::new()),
        Some(Value::String(s)) if s.is_empty() => return Ok(Vec::new()),
        Some(Value::String(s)) => s,
        Some(_) => return Err(invalid("scope", ClaimProblem::Type)),
    };
    let scopes: Vec<String> = scope.split(' ').take(limits::SCOPES + 1).map(str::to_owned).collect();
    if scopes.len() > limits::SCOPES {
        return Err(invalid("scope", ClaimProblem::TooMany { max: limits::SCOPES }));
    }
    let valid =
        |s: &String| !s.is_empty() && s.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if !scopes.iter().all(valid) {
        return Err(invalid("scope", ClaimProblem::Scopes));
    }
    Ok(scopes)
}
