//! The outcome of one request, as the answer, the audit record and the metrics need it.

mod audit;
mod ids;
mod reply;

pub use audit::AuditRecord;
pub use ids::DecisionIds;
pub(crate) use reply::NONCE;
pub use reply::{Forward, LocalReply, Reply, error_message};

use crate::action::Action;
use crate::approval::{ApprovalRequest, NeededBy, UsedApproval};
use crate::chain::{SignedToken, VerifiedChain};
use crate::config::Authentication;
use crate::denial::Denial;
use crate::http::{Connection, NormalPath, RequestHead};
use crate::policy::{Obligation, PolicyRecord};
use crate::proof::Possession;
use crate::proof_kind::ProofKind;
use crate::resources::Metadata;
use crate::routes::MatchedRoute;
use crate::{reason::Reason, time::UnixTime};
use serde::Serialize;
use serde_json::Value;
use std::rc::Rc;

/// What was decided about one request, and everything that the answer and the audit record need.
#[derive(Debug)]
pub struct Decision {
    pub(crate) id: String,
    pub(crate) at: UnixTime,
    pub(crate) head: RequestHead,
    pub(crate) facts: Facts,
    pub(crate) outcome: Outcome,
}

/// What was known of the request when the outcome was reached: the less, the earlier it was denied.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) path: Option<NormalPath>,
    pub(crate) connection: Connection,
    pub(crate) route: Option<Rc<MatchedRoute>>,
    pub(crate) token: Option<Rc<SignedToken>>,
    /// Of a token that is bound to a key; apart, for most are not.
    pub(crate) proof: Option<Box<ProofFacts>>,
    pub(crate) policies: Vec<PolicyRecord>,
    /// On a route with a protocol; apart, for most requests have none, and these are moved about.
    pub(crate) message: Option<Box<MessageFacts>>,
    /// Where an approval is needed.
    pub(crate) approval: Option<Box<ApprovalFacts>>,
}

/// What the sender has shown of the key that its token is bound to.
#[derive(Debug, Default)]
pub(crate) struct ProofFacts {
    /// The kinds of proofs that hold.
    pub(crate) kinds: Vec<ProofKind>,
    /// A nonce for its next proof.
    pub(crate) nonce: Option<String>,
}

impl ProofFacts {
    /// `None` of a token that is not bound.
    pub(crate) fn of(possession: &Possession, nonce: impl FnOnce() -> String) -> Option<Box<Self>> {
        let kinds = possession.kinds();
        let nonce = possession.wants_nonce().then(nonce);
        (!kinds.is_empty()).then(|| Box::new(Self { kinds: kinds.to_vec(), nonce }))
    }
}

/// What is known of the approval of a request that needs one.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ApprovalFacts {
    /// What must be approved; absent if that cannot be said.
    #[serde(flatten)]
    pub(crate) request: Option<ApprovalRequest>,
    /// Why.
    pub(crate) needed_by: Vec<NeededBy>,
    /// By what it is approved.
    #[serde(flatten)]
    pub(crate) used: Option<UsedApproval>,
}

/// What is known of a request's message.
#[derive(Debug, Default)]
pub(crate) struct MessageFacts {
    /// What it is about to do.
    pub(crate) action: Option<Action>,
    /// Its id, also if it could not be read whole.
    pub(crate) id: Option<Value>,
    /// Scopes that it needs beside those of the route.
    pub(crate) scopes: Vec<String>,
    /// Rules that want it approved.
    pub(crate) approved_by: Vec<NeededBy>,
    /// How the principal must have authenticated for it, beside what the route asks for.
    pub(crate) authentication: Authentication,
    /// The id of its session, as the upstream knows it, if the client knows another.
    pub(crate) session: Option<String>,
}

/// Yes or no, or an answer that needs neither.
#[derive(Debug)]
pub enum Outcome {
    /// The request may go on.
    Allow(Permit),
    /// The request asks for something that the filter itself has, and that everybody may know. It ends here.
    Answer(Answer),
    /// The request ends here.
    Deny(Denial),
}

/// By what right a request goes on. It can only be made by a [`Flow`](crate::flow::Flow).
#[derive(Debug)]
pub struct Permit(pub(crate) Grant);

#[derive(Debug)]
pub(crate) enum Grant {
    /// The route asks for no credential.
    Anonymous,
    /// A CORS preflight, which carries none.
    Preflight,
    /// A verified chain, and what the policies asked for.
    Delegated { chain: VerifiedChain, obligations: Vec<Obligation> },
}

/// What the filter itself answers with. It can only be made by a [`Flow`](crate::flow::Flow).
#[derive(Debug)]
pub struct Answer {
    pub(crate) metadata: Rc<Metadata>,
    /// Whether it is a CORS preflight that asks for it, which is told that it may.
    pub(crate) is_preflight: bool,
}

impl Answer {
    /// The metadata of a protected resource.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

impl Permit {
    /// Whether it is a CORS preflight.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        matches!(self.0, Grant::Preflight)
    }

    /// The chain on whose authority the request goes on; `None` on an anonymous route and for a preflight.
    #[must_use]
    pub fn chain(&self) -> Option<&VerifiedChain> {
        match &self.0 {
            Grant::Anonymous | Grant::Preflight => None,
            Grant::Delegated { chain, .. } => Some(chain),
        }
    }

    /// What the policies asked for.
    #[must_use]
    pub fn obligations(&self) -> &[Obligation] {
        match &self.0 {
            Grant::Anonymous | Grant::Preflight => &[],
            Grant::Delegated { obligations, .. } => obligations,
        }
    }
}

impl Decision {
    /// A denial without a look at the request: there is no configuration, or the proxy failed.
    #[must_use]
    pub fn refusal(id: String, at: UnixTime, reason: Reason) -> Self {
        Self {
            id,
            at,
            head: RequestHead::default(),
            facts: Facts::default(),
            outcome: Outcome::Deny(reason.into()),
        }
    }

    /// The id of this decision, unique for all practical purposes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it was made.
    #[must_use]
    pub fn at(&self) -> UnixTime {
        self.at
    }

    /// The request method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.method()
    }

    /// The normalised path; `None` if the path could not be normalised.
    #[must_use]
    pub fn path(&self) -> Option<&NormalPath> {
        self.facts.path.as_ref()
    }

    /// The route; `None` if none matched.
    #[must_use]
    pub fn route(&self) -> Option<&MatchedRoute> {
        self.facts.route.as_deref()
    }

    /// The verified token, also of a request that was denied for what the token says.
    #[must_use]
    pub fn token(&self) -> Option<&SignedToken> {
        self.facts.token.as_deref()
    }

    /// The kinds of proofs of possession that hold.
    #[must_use]
    pub fn proofs(&self) -> &[ProofKind] {
        self.facts.proof.as_ref().map_or(&[], |proof| &proof.kinds)
    }

    /// A nonce for the sender's next proof (RFC 9449 §8.2), if it needs one.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.facts.proof.as_ref()?.nonce.as_deref()
    }

    /// What each policy answered that was asked.
    #[must_use]
    pub fn policies(&self) -> &[PolicyRecord] {
        &self.facts.policies
    }

    /// Whether lists may be in the answer, that are to be narrowed to what the caller may use.
    #[must_use]
    pub fn narrows_lists(&self) -> bool {
        let narrows = |route: &MatchedRoute| route.entry().mcp.as_ref().is_some_and(|mcp| mcp.narrow_lists);
        self.action().is_some_and(Action::lists) && self.route().is_some_and(narrows)
    }

    /// What the request is about to do; `None` on a route without a protocol, and before its message was read.
    #[must_use]
    pub fn action(&self) -> Option<&Action> {
        self.facts.message.as_ref()?.action.as_ref()
    }

    /// Yes, no, or an answer.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The reason of a denial; `None` if the request is allowed, or answered.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match &self.outcome {
            Outcome::Allow(_) | Outcome::Answer(_) => None,
            Outcome::Deny(denial) => Some(denial.reason),
        }
    }

    /// The same decision turned into a denial, because carrying out the first one failed. A denial stays what it was.
    #[must_use]
    pub fn or_deny(mut self, reason: Reason) -> Self {
        match self.outcome {
            Outcome::Allow(_) | Outcome::Answer(_) => self.outcome = Outcome::Deny(reason.into()),
            Outcome::Deny(_) => {}
        }
        self
    }
}
