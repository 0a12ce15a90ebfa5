//! What a link grants: scopes and constraints, and when that is no more than what another link grants.
//!
//! ```text
//! segment  = %x61-7A *( %x61-7A / DIGIT / "_" / "-" )
//! literal  = segment 1*( "." segment )
//! wildcard = segment *( "." segment ) ".*"
//! opaque   = 1*( %x21 / %x23-29 / %x2B-5B / %x5D-7E )   ; a scope-token (RFC 6749 §3.3) without "*"
//! scope    = literal / wildcard / opaque                 ; the first that matches
//! ```

use super::constraint::{self, Bound, Kind};
use crate::config::ConstraintType;
use crate::denial::{LinkProblem, Shown, WidenedMember};
use crate::limits;
use serde_json::Value;
use std::collections::BTreeMap;

/// The one detail of the type `agent_delegation` (RFC 9396 §2) of a link.
#[derive(Debug, Clone, PartialEq)]
pub struct Authority {
    scopes: Vec<String>,
    constraints: BTreeMap<(String, Kind), Bound>,
}

/// What an authority grants beyond another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Beyond {
    pub(super) member: WidenedMember,
    /// The scope, or the key of the constraint.
    pub(super) name: Shown,
    /// The type of the constraint.
    pub(super) constraint: Option<&'static str>,
}

impl Authority {
    /// Reads `authorization_details`.
    pub(super) fn read(details: &Value) -> Result<Self, LinkProblem> {
        let Some([detail]) = details.as_array().map(Vec::as_slice) else { return Err(LinkProblem::Detail) };
        let members = detail.as_object().ok_or(LinkProblem::Detail)?;
        let is_known = |name: &String| matches!(name.as_str(), "type" | "scopes" | "constraints");
        if members.get("type").and_then(Value::as_str) != Some("agent_delegation")
            || !members.keys().all(is_known)
        {
            return Err(LinkProblem::Detail);
        }
        let scopes = members.get("scopes").and_then(Value::as_array).ok_or(LinkProblem::Detail)?;
        if scopes.len() > limits::SCOPES {
            return Err(LinkProblem::Detail);
        }
        let scope = |scope: &Value| scope.as_str().filter(|scope| is_scope(scope)).map(str::to_owned);
        let scopes = scopes.iter().map(scope).collect::<Option<_>>().ok_or(LinkProblem::Scope)?;
        let mut constraints = BTreeMap::new();
        let list = match members.get("constraints") {
            None => &[],
            Some(list) => list.as_array().map(Vec::as_slice).ok_or(LinkProblem::Detail)?,
        };
        for constraint in list {
            let (name, bound) = constraint::read(constraint)?;
            if constraints.insert(name, bound).is_some() {
                return Err(LinkProblem::Constraint);
            }
        }
        Ok(Self { scopes, constraints })
    }

    /// The scopes, as they are written.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Whether a scope is granted: by its name, or by a wildcard above it.
    #[must_use]
    pub fn grants(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| covers(granted, scope))
    }

    /// Whether anything is constrained.
    #[must_use]
    pub fn is_constrained(&self) -> bool {
        !self.constraints.is_empty()
    }

    /// What it grants beyond `parent`: the first thing found.
    pub(super) fn beyond(&self, parent: &Self) -> Option<Beyond> {
        if let Some(scope) = self.scopes.iter().find(|scope| !parent.grants(scope)) {
            return Some(Beyond { member: WidenedMember::Scopes, name: scope.into(), constraint: None });
        }
        // One that is dropped admits everything. One that is added only narrows.
        let is_looser = |(name, bound): &(&(String, Kind), &Bound)| {
            !self.constraints.get(*name).is_some_and(|own| own.is_within(bound))
        };
        let ((key, kind), _) = parent.constraints.iter().find(is_looser)?;
        let constraint = Some(kind.name());
        Some(Beyond { member: WidenedMember::Constraints, name: key.into(), constraint })
    }

    /// The type of a constraint that none of `checked` is.
    pub(super) fn unchecked(&self, checked: &[ConstraintType]) -> Option<&'static str> {
        let is_unchecked =
            |kind: &&Kind| !kind.checkable().is_some_and(|constraint| checked.contains(&constraint));
        self.constraints.keys().map(|(_, kind)| kind).find(is_unchecked).map(Kind::name)
    }
}

/// Whether a granted scope covers another: a wildcard covers what lies below its prefix, literals and wildcards; anything else only
/// itself.
fn covers(granted: &str, scope: &str) -> bool {
    match granted.strip_suffix('*') {
        // With the dot: `crm.*` covers neither `crm` nor `crmx.read`.
        // What is cheap comes first: there may be many scopes on both sides.
        Some(prefix) => {
            scope.starts_with(prefix) && is_wildcard(granted) && (is_literal(scope) || is_wildcard(scope))
        }
        None => granted == scope,
    }
}

fn is_scope(text: &str) -> bool {
    is_literal(text) || is_wildcard(text) || is_opaque(text)
}

fn is_literal(text: &str) -> bool {
    text.contains('.') && text.split('.').all(is_segment)
}

fn is_wildcard(text: &str) -> bool {
    text.strip_suffix(".*").is_some_and(|prefix| prefix.split('.').all(is_segment))
}

fn is_segment(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

fn is_opaque(text: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x29 | 0x2b..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_that_is_neither_a_name_nor_a_wildcard_at_its_end_is_none() {
        for scope in [
            "",
            "*",
            "crm.re*",
            "crm.*.read",
            "crm*",
            ".*",
            "crm..*",
            "Crm.*",
            "a b",
            "a\"b",
            "a\\b",
            "crm.*.*",
            "é",
        ] {
            assert!(!is_scope(scope), "{scope}");
        }
        for scope in [
            "crm.read",
            "crm.*",
            "crm.x.*",
            "crm.x.y-z_1",
            "crm",
            "User.Read",
            "openid",
            "https://a/b",
            "a..b",
            "9.x",
        ] {
            assert!(is_scope(scope), "{scope}");
        }
    }

    #[test]
    fn a_wildcard_covers_what_lies_below_it_and_nothing_beside() {
        for (granted, scope) in [
            ("crm.*", "crm"),
            ("crm.*", "crmx.read"),
            ("crm.*", "crm.Read"),
            ("crm.*", "crm.a:b"),
            ("crm.*", "*"),
            ("crm.x.*", "crm.*"),
            ("crm.x.*", "crm.y"),
            ("crm.read", "crm.read.x"),
            ("crm.read", "crm.*"),
            ("User.Read", "user.read"),
            ("openid", "openid.x"),
            ("a..b", "a.b"),
        ] {
            assert!(!covers(granted, scope), "{granted} {scope}");
        }
        for (granted, scope) in [
            ("crm.*", "crm.read"),
            ("crm.*", "crm.x.y.z"),
            ("crm.*", "crm.x.*"),
            ("crm.*", "crm.*"),
            ("crm.read", "crm.read"),
            ("User.Read", "User.Read"),
        ] {
            assert!(covers(granted, scope), "{granted} {scope}");
        }
    }
}
