//! The audit record of a decision: one line of JSON that keeps the whole chain.
//!
//! It names the token by its `jti`, never by its bytes, and holds no header and no query.

use super::{ApprovalFacts, Decision, Outcome};
use crate::action::Action;
use crate::chain::{Hop, Identity, SignedToken};
use crate::config::{AuditLog, Config};
use crate::denial::{Evidence, Shown};
use crate::http::NormalPath;
use crate::policy::{Obligation, PolicyRecord};
use crate::printable;
use crate::proof_kind::ProofKind;
use crate::reason::Reason;
use serde::Serialize;

/// One decision, for the log. Members that do not apply are left out.
#[derive(Debug, Serialize)]
pub struct AuditRecord<'a> {
    /// The id that the client or the upstream was given.
    decision: &'a str,
    /// Milliseconds since the Unix epoch.
    time_ms: u64,
    /// `allow`, `deny`, or `answer`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What was expected, and what came.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a Evidence>,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Route<'a>>,
    /// The protected resource whose metadata was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    /// What the message is about to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<ActionRecord>,
    /// Principal, then every hop, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<Vec<Party<'a>>>,
    /// How many hops count.
    #[serde(skip_serializing_if = "Option::is_none")]
    depth: Option<usize>,
    /// Who acts now.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token<'a>>,
    /// How the sender has shown that it holds the token's key.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    proofs: &'a [ProofKind],
    /// What had to be approved, why, and by whom it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<&'a ApprovalFacts>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    policies: &'a [PolicyRecord],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    obligations: Vec<Note<'a>>,
}

#[derive(Debug, Serialize)]
struct Route<'a> {
    index: usize,
    path_prefix: &'a str,
}

/// An action, without its arguments, which are the caller's data.
#[derive(Debug, Serialize)]
struct ActionRecord {
    protocol: &'static str,
    kind: &'static str,
    name: Shown,
    method: Shown,
}

impl From<&Action> for ActionRecord {
    fn from(action: &Action) -> Self {
        let (name, method) = (action.name().into(), action.method().into());
        Self { protocol: action.protocol().word(), kind: action.kind().word(), name, method }
    }
}

/// A hop, or the principal.
#[derive(Debug, Serialize)]
struct Party<'a> {
    iss: &'a str,
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_profile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

/// What a policy asked to be noted.
#[derive(Debug, Serialize)]
struct Note<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Debug, Serialize)]
struct Token<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    scopes: &'a [String],
    exp_ms: u64,
}

impl<'a> From<&'a Identity> for Party<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self { iss: &identity.issuer, sub: &identity.subject, sub_profile: None, client_id: None }
    }
}

impl<'a> From<&'a Hop> for Party<'a> {
    fn from(hop: &'a Hop) -> Self {
        let (sub_profile, client_id) = (hop.sub_profile.as_deref(), hop.client_id.as_deref());
        Self { sub_profile, client_id, ..(&hop.identity).into() }
    }
}

fn chain(token: &SignedToken) -> Vec<Party<'_>> {
    std::iter::once(token.principal().into()).chain(token.hops().iter().map(Party::from)).collect()
}

impl<'a> From<&'a SignedToken> for Token<'a> {
    fn from(token: &'a SignedToken) -> Self {
        Self {
            jti: token.token_id(),
            client_id: token.client_id(),
            kid: token.key_id(),
            scopes: token.scopes(),
            exp_ms: token.expires_at().as_millis(),
        }
    }
}

impl<'a> AuditRecord<'a> {
    /// The record of `decision`, or `None` if the configuration does not want it written. Without a configuration every
    /// decision is a denial, and is wanted.
    #[must_use]
    pub fn wanted(decision: &'a Decision, config: Option<&'a Config>) -> Option<Self> {
        let denied = decision.reason().is_some();
        let wanted = match config.map(|c| c.audit.log) {
            Some(AuditLog::All) => true,
            Some(AuditLog::Denied) | None => denied,
            Some(AuditLog::None) => false,
        };
        wanted.then(|| Self::new(decision))
    }

    /// The record of `decision`.
    #[must_use]
    pub fn new(decision: &'a Decision) -> Self {
        let token = decision.token();
        let route = decision.route().map(|route| {
            let path_prefix = route.entry().matcher.path_prefix.as_str();
            Route { index: route.index(), path_prefix }
        });
        let obligations = match decision.outcome() {
            Outcome::Allow(permit) => permit
                .obligations()
                .iter()
                .filter_map(|o| match o {
                    Obligation::Audit { name, value } => Some(Note { name, value }),
                    Obligation::Header { .. } | Obligation::Approve { .. } => None,
                })
                .collect(),
            Outcome::Answer(_) | Outcome::Deny(_) => Vec::new(),
        };
        let (result, evidence, resource) = match decision.outcome() {
            Outcome::Allow(_) => ("allow", None, None),
            Outcome::Answer(answer) => ("answer", None, Some(answer.metadata().resource())),
            Outcome::Deny(denial) => ("deny", denial.evidence.as_deref(), None),
        };
        Self {
            decision: decision.id(),
            time_ms: decision.at().as_millis(),
            result,
            reason: decision.reason().map(Reason::code),
            evidence,
            method: decision.method(),
            path: decision.path().map(NormalPath::as_str),
            route,
            resource,
            action: decision.action().map(ActionRecord::from),
            chain: token.map(chain),
            depth: token.map(SignedToken::depth),
            agent: token.and_then(SignedToken::agent).map(|agent| agent.subject.as_str()),
            token: token.map(Token::from),
            proofs: decision.proofs(),
            approval: decision.facts.approval.as_deref(),
            policies: decision.policies(),
            obligations,
        }
    }

    /// One line of JSON; characters that end a line or are not to be seen are escaped.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A struct of strings and numbers always serialises; should it not, the decision's id is still on record.
        let json =
            serde_json::to_string(self).unwrap_or_else(|_| format!("{{\"decision\":\"{}\"}}", self.decision));
        printable::json(json)
    }
}
