//! Lists in the answers of a server (`tools/list` and its like), narrowed to what the caller may use.
//!
//! A list is never what protects a tool: whatever it shows, every call is ruled on. What it shows that would be denied is only in
//! the way, of people and of models.

use super::rule::has_needs;
use super::spelling::is_plain_uri;
use crate::chain::VerifiedChain;
use crate::config::{Mcp, RuleKind};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;
use std::fmt;

/// Where a result has lists, what is in them, and which member of an element names it (MCP, server features).
const LISTS: [(&str, RuleKind, &str); 4] = [
    ("tools", RuleKind::Tool, "name"),
    ("prompts", RuleKind::Prompt, "name"),
    ("resources", RuleKind::Resource, "uri"),
    ("resourceTemplates", RuleKind::Resource, TEMPLATE),
];
const TEMPLATE: &str = "uriTemplate";

/// For whom clients may keep a result (MCP 2026-07-28, caching): for everybody if it does not say. What was narrowed is for this caller
/// alone.
const CACHE_SCOPE: &str = "cacheScope";

/// The members of an object, each once, and as it is written.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct Members(BTreeMap<String, Box<RawValue>>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

/// What the answer to a list request is narrowed to.
#[derive(Debug)]
pub struct Listing<'a> {
    chain: &'a VerifiedChain,
    rules: &'a Mcp,
}

/// A message whose lists were narrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowed {
    /// The message.
    pub text: String,
    /// How many elements it had.
    pub listed: usize,
    /// How many of them the caller may use.
    pub shown: usize,
}

/// Why a message cannot be narrowed, and is not to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unlistable {
    /// It is no JSON object.
    #[error("it is no JSON object, or names a member twice")]
    NotObject,
    /// What should be a list is none.
    #[error("`{0}` of its result is no array of objects")]
    NotList(&'static str),
}

impl<'a> Listing<'a> {
    /// For a caller on a route with these rules.
    #[must_use]
    pub fn new(chain: &'a VerifiedChain, rules: &'a Mcp) -> Self {
        Self { chain, rules }
    }

    /// The message with what the caller may use. `None`: it has no list, and may be shown as it is.
    ///
    /// # Errors
    /// [`Unlistable`].
    pub fn narrow(&self, message: &str) -> Result<Option<Narrowed>, Unlistable> {
        let read = |text: &str| serde_json::from_str::<Members>(text).map_err(|_| Unlistable::NotObject);
        let Members(mut message) = read(message)?;
        let Some(result) = message.get("result").filter(|result| result.get().starts_with('{')) else {
            return Ok(None);
        };
        let Members(mut result) = read(result.get())?;
        let (mut listed, mut shown) = (0, 0);
        let mut has_lists = false;
        for (member, kind, key) in LISTS {
            let Some(list) = result.get(member) else { continue };
            let broken = Unlistable::NotList(member);
            let mut elements: Vec<Box<RawValue>> = serde_json::from_str(list.get()).map_err(|_| broken)?;
            listed += elements.len();
            elements.retain(|element| self.is_usable(element, kind, key));
            shown += elements.len();
            has_lists = true;
            result.insert(member.to_owned(), to_raw_value(&elements).map_err(|_| broken)?);
        }
        if !has_lists {
            return Ok(None);
        }
        let private = to_raw_value("private").map_err(|_| Unlistable::NotObject)?;
        result.insert(CACHE_SCOPE.to_owned(), private);
        let result = to_raw_value(&Members(result)).map_err(|_| Unlistable::NotObject)?;
        message.insert("result".to_owned(), result);
        let text = serde_json::to_string(&Members(message)).map_err(|_| Unlistable::NotObject)?;
        Ok(Some(Narrowed { text, listed, shown }))
    }

    /// Whether some call of what this element names would be admitted, as far as its arguments and policies allow. One without a
    /// name nobody can call.
    fn is_usable(&self, element: &RawValue, kind: RuleKind, key: &str) -> bool {
        let Members(members) = serde_json::from_str(element.get()).unwrap_or_default();
        let name = members.get(key).and_then(|name| serde_json::from_str::<String>(name.get()).ok());
        let Some(name) = name else { return false };
        let is_met = |rule| has_needs(self.chain, rule).is_ok();
        let rules = self.rules.rules(kind);
        if key == TEMPLATE {
            // Its addresses begin alike (RFC 6570 §2.1).
            let beginning = name.split('{').next().unwrap_or_default();
            return rules.iter().any(|rule| rule.name.may_match(beginning) && is_met(rule));
        }
        let is_callable = kind != RuleKind::Resource || is_plain_uri(&name);
        is_callable && rules.iter().find(|rule| rule.name.matches(&name)).is_some_and(is_met)
    }
}
