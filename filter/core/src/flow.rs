//! The way of one request from its head to a decision, as a machine that the filter feeds and obeys.
//!
//! ```text
//! head → path → route → credential → ParsedToken → (keys) → SignedToken → VerifiedChain → RequestContext → verdicts → Decision
//! ```
//!
//! The machine asks for nothing but keys. It does no I/O, reads no clock and logs nothing, so the harness, the unit
//! tests and the proxy run the very same steps.

mod gate;
mod key_problems;

use gate::Denied;
pub use gate::{Gate, Stop};

use crate::action::{Action, ActionKind, RulePlace, Ruled};
use crate::chain::VerifiedChain;
use crate::config::Mcp;
use crate::decision::{Decision, Facts, Grant, MessageFacts, Outcome, Permit};
use crate::denial::{BodyProblem, Denial, Evidence, KeysProblem};
use crate::http::RequestHead;
use crate::keys::SignatureVerifier;
use crate::policy::{Obligation, PolicyRecord, RequestContext};
use crate::routes::{Asked, MatchedRoute};
use crate::{reason::Reason, time::UnixTime};
use serde_json::Value;
use std::rc::Rc;

/// What the machine needs next.
#[derive(Debug)]
pub enum Step {
    /// A newer key set of this issuer (its position in the configuration). Fetch it if its store says so, and
    /// [`advance`](Flow::advance) again when it came, or [`give_up`](Flow::give_up).
    NeedKeys(usize),
    /// The body of the message, at most so many bytes of it. Hold the request until it came, and
    /// [`advance`](Flow::advance) again with [`Body::Whole`], or with what became of it instead.
    NeedBody(usize),
    /// Nothing more.
    Done(Box<Decision>),
}

/// What is known of a request's body.
#[derive(Debug, Default)]
pub enum Body {
    /// It is still to come.
    #[default]
    Awaited,
    /// All of it.
    Whole(Vec<u8>),
    /// So many bytes came, which is too many.
    TooLong(usize),
    /// The proxy shows nothing of it.
    Withheld,
    /// Its last part did not come in time.
    Late,
}

/// One request on its way. It keeps head and body only: what was parsed of them is parsed again after a wait, for those who
/// wait are many, unverified, and cheap to make.
#[derive(Debug)]
pub struct Flow {
    id: String,
    head: RequestHead,
    body: Body,
}

/// Why a request stopped before it was allowed.
enum Stopped {
    Deny(Box<Denied>),
    Wait(usize),
    NeedBody(usize),
}

impl Stopped {
    fn deny(facts: Facts, denial: Denial) -> Self {
        Self::Deny(Box::new(Denied { facts, denial }))
    }
}

impl Flow {
    /// A request at the gate; `id` will be its decision's.
    #[must_use]
    pub fn new(id: String, head: RequestHead) -> Self {
        Self { id, head, body: Body::Awaited }
    }

    /// Takes the body, or what became of it.
    pub fn set_body(&mut self, body: Body) {
        self.body = body;
    }

    /// The head of the request.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// How many bytes it takes while it waits.
    #[must_use]
    pub fn size(&self) -> usize {
        let body = match &self.body {
            Body::Whole(body) => body.len(),
            Body::Awaited | Body::TooLong(_) | Body::Withheld | Body::Late => 0,
        };
        self.head.size().saturating_add(body)
    }

    /// Goes as far as it can.
    pub fn advance(&mut self, gate: &mut Gate, verifier: &dyn SignatureVerifier, now: UnixTime) -> Step {
        let (facts, outcome) = match self.pass(gate, verifier, now) {
            Ok((facts, permit)) => (facts, Outcome::Allow(permit)),
            Err(Stopped::Deny(denied)) => (denied.facts, Outcome::Deny(denied.denial)),
            Err(Stopped::Wait(issuer)) => return Step::NeedKeys(issuer),
            Err(Stopped::NeedBody(max)) => return Step::NeedBody(max),
        };
        Step::Done(Box::new(self.decide(facts, outcome, now)))
    }

    /// Ends a request that waited for keys in vain.
    pub fn give_up(&mut self, gate: &Gate, why: KeysProblem, now: UnixTime) -> Decision {
        // It got as far as its route before it waited.
        let facts = match gate.locate(&self.head) {
            Ok(located) => located.into(),
            Err(denied) => denied.facts,
        };
        let denial = Denial::new(Reason::KeysUnavailable, Evidence::Keys { issuer: None, problem: why });
        self.decide(facts, Outcome::Deny(denial), now)
    }

    fn pass(
        &self,
        gate: &mut Gate,
        verifier: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Result<(Facts, Permit), Stopped> {
        let located = gate.locate(&self.head).map_err(Stopped::Deny)?;
        if located.preflight {
            return Ok((located.into(), Permit(Grant::Preflight)));
        }
        if located.route.entry().anonymous {
            return Ok((located.into(), Permit(Grant::Anonymous)));
        }
        let token = match gate.token(&self.head, verifier, now) {
            Ok(token) => token,
            Err(Stop::Deny(denial)) => return Err(Stopped::deny(located.into(), denial)),
            Err(Stop::Wait(issuer)) => return Err(Stopped::Wait(issuer)),
        };
        // From here on everything is looked at on every request, also when the token was seen before.
        let (route, delegation) = (Rc::clone(&located.route), &gate.config().delegation);
        let chain = match VerifiedChain::verify(Rc::clone(&token), route, delegation, now) {
            Ok(chain) => chain,
            Err(denial) => {
                return Err(Stopped::deny(Facts { token: Some(token), ..located.into() }, denial));
            }
        };
        let mut message = MessageFacts::default();
        let (policies, ruled) = match RequestContext::authorize(&self.head, &located.path, &chain, now) {
            Err(denial) => (Vec::new(), Err(denial)),
            Ok(request) => match &located.route.entry().mcp {
                None => gate.ask(&request, &[]),
                Some(mcp) => match self.rule_on(gate, request, mcp, &mut message) {
                    Ok(asked) => asked,
                    Err(Some(denial)) => (Vec::new(), Err(denial)),
                    Err(None) => return Err(Stopped::NeedBody(mcp.body_bytes)),
                },
            },
        };
        let facts = Facts { token: Some(token), policies, message, ..located.into() };
        match ruled {
            Ok(obligations) => Ok((facts, Permit(Grant::Delegated { chain, obligations }))),
            Err(denial) => Err(Stopped::deny(facts, denial)),
        }
    }

    /// Finds what the request is about to do, and the rule for it, and asks the policies. `Err(None)`: the body is still to come.
    fn rule_on(
        &self,
        gate: &mut Gate,
        request: RequestContext<'_>,
        mcp: &Mcp,
        message: &mut MessageFacts,
    ) -> Result<Asking, Option<Denial>> {
        let action = self.action(mcp, &mut message.id)?;
        message.id = action.id().cloned();
        let action = message.action.insert(action);
        let ruled = Ruled::find(mcp, action)?;
        if let Some((_, rule)) = ruled.rule {
            message.scopes.clone_from(&rule.scopes);
        }
        let request = request.about(action, &ruled)?;
        Ok(gate.ask(&request, asked_by(request.route(), &ruled)))
    }

    /// What the request is about to do. `Err(None)`: its body is still to come.
    fn action(&self, mcp: &Mcp, id: &mut Option<Value>) -> Result<Action, Option<Denial>> {
        if self.head.method() != "POST" {
            return Ok(Action::of_session(&self.head)?);
        }
        let nothing = Vec::new();
        let body = match &self.body {
            Body::Whole(body) => body,
            Body::Awaited if !self.head.has_body() => &nothing,
            Body::Awaited => return Err(None),
            Body::TooLong(bytes) => {
                let evidence = Evidence::BodySize { bytes: *bytes, max: mcp.body_bytes };
                return Err(Some(Denial::new(Reason::BodyTooLarge, evidence)));
            }
            Body::Withheld => return Err(Some(Reason::Internal.into())),
            Body::Late => {
                let evidence = Evidence::Body { problem: BodyProblem::Late };
                return Err(Some(Denial::new(Reason::BodyMalformed, evidence)));
            }
        };
        if body.len() > mcp.body_bytes {
            let evidence = Evidence::BodySize { bytes: body.len(), max: mcp.body_bytes };
            return Err(Some(Denial::new(Reason::BodyTooLarge, evidence)));
        }
        Action::read(&self.head, body).map_err(|unread| {
            *id = unread.id;
            Some(unread.denial)
        })
    }

    fn decide(&mut self, facts: Facts, outcome: Outcome, now: UnixTime) -> Decision {
        Decision {
            id: std::mem::take(&mut self.id),
            at: now,
            head: std::mem::take(&mut self.head),
            facts,
            outcome,
        }
    }
}

/// What each policy said, and what they want done.
type Asking = (Vec<PolicyRecord>, Result<Vec<Obligation>, Denial>);

/// The policies of the rule that an action falls under.
fn asked_by<'r>(route: &'r MatchedRoute, ruled: &Ruled<'_>) -> &'r [Rc<Asked>] {
    match ruled.rule {
        Some((RulePlace { kind: ActionKind::Tool, index }, _)) => route.asked_by_tool(index),
        Some((RulePlace { kind: ActionKind::Resource, index }, _)) => route.asked_by_resource(index),
        Some((RulePlace { kind: ActionKind::Prompt, index }, _)) => route.asked_by_prompt(index),
        Some((RulePlace { kind: ActionKind::Method | ActionKind::Session, .. }, _)) | None => &[],
    }
}
