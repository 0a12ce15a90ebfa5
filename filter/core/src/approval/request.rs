//! What must be approved.

use crate::action::Action;
use crate::chain::{Identity, VerifiedChain};
use crate::denial::Unapprovable;
use crate::http::{NormalPath, RequestHead};
use crate::json::canonical;
use crate::limits;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// Why a request needs an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum NeededBy {
    /// Its route asks for one.
    Route,
    /// The rule for its action does.
    Rule {
        /// What the rule is for.
        kind: &'static str,
        /// Its position among those of its kind.
        index: usize,
    },
    /// A policy does.
    Policy {
        /// In the policy's words.
        reason: String,
    },
}

/// What must be approved: who wants to do what, with which arguments, and where. Its members are the claims that an approval must have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalRequest {
    id: String,
    audience: String,
    principal: Value,
    agent: Value,
    action: Value,
    arguments: String,
}

impl ApprovalRequest {
    /// Of a request. `action` is what its message is about to do, on a route with a protocol.
    ///
    /// # Errors
    /// If it is not known for sure what would be approved.
    pub fn of(
        audience: &str,
        chain: &VerifiedChain,
        head: &RequestHead,
        path: &NormalPath,
        action: Option<&Action>,
    ) -> Result<Self, Unapprovable> {
        let mut members = Map::new();
        let nothing = Map::new();
        let arguments = match action {
            None if head.has_body() => return Err(Unapprovable::Body),
            None => {
                members.insert("method".to_owned(), head.method().into());
                &nothing
            }
            Some(action) => {
                for (name, value) in [
                    ("protocol", action.protocol().word()),
                    ("kind", action.kind().word()),
                    ("name", action.name()),
                    ("method", action.method()),
                ] {
                    if value.len() > limits::IDENTITY_BYTES {
                        return Err(Unapprovable::Long);
                    }
                    members.insert(name.to_owned(), value.into());
                }
                if !action.parameters().is_empty() {
                    members.insert("parameters".to_owned(), digest_of(action.parameters())?.into());
                }
                action.arguments()
            }
        };
        // The same action at another address is another one, and some servers read arguments from there too.
        match head.host() {
            Some(host) => _ = members.insert("host".to_owned(), host.as_str().into()),
            None if head.names_host() => return Err(Unapprovable::Host),
            None => {}
        }
        members.insert("path".to_owned(), path.as_str().into());
        // A query is data, as arguments are, and stands in no record.
        members.extend(path.query().map(|query| ("query".to_owned(), digest_of_text(query).into())));
        let arguments = digest_of(arguments)?;
        Self::new(audience, chain.principal(), chain.agent(), Value::Object(members), arguments)
    }

    /// Of its parts; `arguments` is their [digest](digest_of).
    ///
    /// # Errors
    /// If a number in `action` is one that has no canonical form.
    pub fn new(
        audience: &str,
        principal: &Identity,
        agent: Option<&Identity>,
        action: Value,
        arguments: String,
    ) -> Result<Self, Unapprovable> {
        let party = |it: &Identity| json!({ "iss": it.issuer, "sub": it.subject });
        let (principal, agent) = (party(principal), agent.map_or(Value::Null, party));
        let whole = json!({
            "audience": audience, "principal": principal, "agent": agent, "action": action, "arguments": arguments,
        });
        let id = digest(&whole)?;
        Ok(Self { id, audience: audience.to_owned(), principal, agent, action, arguments })
    }

    /// By which request and approval are found again: SHA-256 of the canonical JSON of all other members, in base64url.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whom the approval must be for.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// What is to be done.
    #[must_use]
    pub fn action(&self) -> &Value {
        &self.action
    }

    /// The digest of the arguments.
    #[must_use]
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// The claims that an approval of it must have beside those of its own.
    #[must_use]
    pub fn claims(&self) -> Map<String, Value> {
        let claims = [
            ("principal", self.principal.clone()),
            ("agent", self.agent.clone()),
            ("action", self.action.clone()),
            ("arguments", Value::from(self.arguments.as_str())),
        ];
        claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The first member in which `claims` say something else.
    #[must_use]
    pub fn difference(&self, claims: &Map<String, Value>) -> Option<String> {
        self.claims().into_iter().find_map(|(name, own)| {
            let found = claims.get(&name);
            if found == Some(&own) {
                return None;
            }
            // Of an object the member of it; only names of ours are named.
            let within = match (&own, found) {
                (Value::Object(own), Some(Value::Object(found))) => {
                    own.iter().find(|(member, value)| found.get(*member) != Some(value))
                }
                _ => None,
            };
            Some(within.map_or(name.clone(), |(member, _)| format!("{name}.{member}")))
        })
    }
}

/// SHA-256 of the canonical JSON (RFC 8785) of arguments, in base64url.
///
/// # Errors
/// If a number in them has no canonical form.
pub fn digest_of(arguments: &Map<String, Value>) -> Result<String, Unapprovable> {
    digest(&Value::Object(arguments.clone()))
}

/// SHA-256 of a text, such as a query, in base64url.
#[must_use]
pub fn digest_of_text(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

fn digest(value: &Value) -> Result<String, Unapprovable> {
    Ok(digest_of_text(&canonical(value).map_err(|_| Unapprovable::Number)?))
}
