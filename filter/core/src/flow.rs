//! The way of one request from its head to a decision, as a machine that the filter feeds and obeys.
//!
//! ```text
//! head → path → route → credential → ParsedToken → (keys) → SignedToken → VerifiedChain → Possession → RequestContext → verdicts
//!      → Decision
//! ```
//!
//! The machine asks for nothing but keys. It does no I/O, reads no clock and logs nothing, so the harness, the unit
//! tests and the proxy run the very same steps.

mod gate;
mod key_problems;

use gate::{Asking, Denied, Place};
pub use gate::{Gate, Stop};

use crate::action::{Action, ActionKind, Ruled, Unread, asks_for_card, is_json_rpc};
use crate::approval::NeededBy;
use crate::chain::VerifiedChain;
use crate::config::{Authentication, Config, Hold, Rules, Sessions};
use crate::decision::{
    Answer, ApprovalFacts, Decision, Facts, Forward, Grant, MessageFacts, Outcome, Permit, ProofFacts,
};
use crate::denial::{ApprovalProblem, BodyProblem, Denial, Evidence, KeysProblem};
use crate::http::{NormalPath, RequestHead};
use crate::policy::{Obligation, RequestContext};
use crate::proof::{Possession, Sent, Surroundings};
use crate::{reason::Reason, time::UnixTime};
use std::cell::OnceCell;
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
    ahead: Ahead,
    possession: OnceCell<Possession>,
}

/// Whether the head goes on before the body was ruled on ([`Hold::Body`]).
#[derive(Debug, Default)]
enum Ahead {
    /// Nothing is known of it yet, or it is held.
    #[default]
    Held,
    /// It may go on as for this decision, which is not one: the body is still to come.
    Ready(Box<Decision>),
    /// It is gone.
    Gone,
}

/// What a head is changed to that goes on ahead of its body.
#[derive(Debug)]
pub struct AheadOfBody(Box<Decision>);

impl AheadOfBody {
    /// The changes.
    #[must_use]
    pub fn forward(&self, config: &Config) -> Forward<'_> {
        Forward::ahead(&self.0, config)
    }
}

/// Why a request stopped before it was allowed.
enum Stopped {
    Answer(Box<Facts>, Answer),
    Deny(Box<Denied>),
    Wait(usize),
    NeedBody(usize),
    /// The same, and the head may go on.
    NeedBodyBehind(usize, Box<(Facts, VerifiedChain)>),
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
        Self { id, head, body: Body::Awaited, ahead: Ahead::Held, possession: OnceCell::new() }
    }

    /// Takes the body, or what became of it.
    pub fn set_body(&mut self, body: Body) {
        self.body = body;
    }

    /// What the head is changed to, if it goes on before the body: of a flow that asked for the body. It must go on then.
    pub fn take_ahead(&mut self) -> Option<AheadOfBody> {
        match std::mem::take(&mut self.ahead) {
            Ahead::Ready(decision) => {
                self.ahead = Ahead::Gone;
                Some(AheadOfBody(decision))
            }
            other => {
                self.ahead = other;
                None
            }
        }
    }

    /// The id of its decision.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
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
    pub fn advance(&mut self, gate: &mut Gate, surroundings: &dyn Surroundings, now: UnixTime) -> Step {
        let (facts, outcome) = match self.pass(gate, surroundings, now) {
            Ok((facts, permit)) => (facts, Outcome::Allow(permit)),
            Err(Stopped::Answer(facts, answer)) => (*facts, Outcome::Answer(answer)),
            Err(Stopped::Deny(denied)) => (denied.facts, Outcome::Deny(denied.denial)),
            Err(Stopped::Wait(issuer)) => return Step::NeedKeys(issuer),
            Err(Stopped::NeedBody(max)) => return Step::NeedBody(max),
            Err(Stopped::NeedBodyBehind(max, about)) => {
                let ((facts, chain), id, head) = (*about, self.id.clone(), self.head.clone());
                let outcome = Outcome::Allow(Permit(Grant::Delegated { chain, obligations: Vec::new() }));
                self.ahead = Ahead::Ready(Box::new(Decision { id, at: now, head, facts, outcome }));
                return Step::NeedBody(max);
            }
        };
        Step::Done(Box::new(self.decide(facts, outcome, now)))
    }

    /// Ends a request that waited for keys in vain.
    pub fn give_up(&mut self, gate: &Gate, why: KeysProblem, now: UnixTime) -> Decision {
        // It got as far as its route before it waited.
        let facts = match gate.locate(&self.head) {
            Ok(Place::Route(located)) => located.into(),
            Ok(Place::Metadata(facts, _)) => *facts,
            Err(denied) => denied.facts,
        };
        let denial = Denial::new(Reason::KeysUnavailable, Evidence::Keys { issuer: None, problem: why });
        self.decide(facts, Outcome::Deny(denial), now)
    }

    fn pass(
        &self,
        gate: &mut Gate,
        surroundings: &dyn Surroundings,
        now: UnixTime,
    ) -> Result<(Facts, Permit), Stopped> {
        let located = match gate.locate(&self.head).map_err(Stopped::Deny)? {
            Place::Route(located) => located,
            Place::Metadata(facts, answer) => return Err(Stopped::Answer(facts, answer)),
        };
        if located.preflight {
            return Ok((located.into(), Permit(Grant::Preflight)));
        }
        let entry = located.route.entry();
        let is_public = entry.has_public_card() && asks_for_card(&self.head, &located.path);
        if entry.anonymous || is_public {
            return Ok((located.into(), Permit(Grant::Anonymous)));
        }
        let credential = match self.head.credential() {
            Ok(credential) => credential,
            Err(denial) => return Err(Stopped::deny(located.into(), denial)),
        };
        let token = match gate.token(&self.head, credential, surroundings, now) {
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
        let sent = Sent { head: &self.head, path: &located.path, credential };
        let possession = match self.possession(gate, &chain, sent, surroundings, now) {
            Ok(possession) => possession,
            Err(denial) => {
                let nonce = (denial.reason == Reason::ProofNonceRequired).then(|| gate.nonce(now));
                let proof =
                    nonce.map(|nonce| Box::new(ProofFacts { nonce: Some(nonce), ..ProofFacts::default() }));
                return Err(Stopped::deny(Facts { token: Some(token), proof, ..located.into() }, denial));
            }
        };
        let proof = ProofFacts::of(possession, || gate.nonce(now));
        let mut message: Option<Box<MessageFacts>> = None;
        let authorized = RequestContext::authorize(&self.head, &located.path, &chain, possession, now);
        let (policies, ruled) = match authorized {
            Err(denial) => (Vec::new(), Err(denial)),
            Ok(request) => match located.route.entry().rules() {
                None => gate.ask(&request, &[]),
                Some(rules) if self.awaits_message() => {
                    let max = rules.body_bytes();
                    if !self.goes_ahead(rules, &located.path) {
                        return Err(Stopped::NeedBody(max));
                    }
                    let about = message.insert(Box::default());
                    let named = Action::check_names(rules.into(), &self.head);
                    match named.and_then(|()| self.own_session(gate, rules, &chain)) {
                        Ok(session) => {
                            about.session = session;
                            let facts = Facts { token: Some(token), proof, message, ..located.into() };
                            return Err(Stopped::NeedBodyBehind(max, Box::new((facts, chain))));
                        }
                        Err(denial) => (Vec::new(), Err(denial)),
                    }
                }
                Some(rules) => {
                    let about = message.insert(Box::default());
                    let asked = self.rule_on(gate, request, rules, &located.path, about);
                    asked.unwrap_or_else(|denial| (Vec::new(), Err(denial)))
                }
            },
        };
        let mut facts = Facts { token: Some(token), proof, policies, message, ..located.into() };
        match ruled {
            Ok(obligations)
                if matches!(self.ahead, Ahead::Gone) && obligations.iter().any(Obligation::is_header) =>
            {
                Err(Stopped::deny(facts, Denial::new(Reason::PolicyFault, Evidence::HeadGone)))
            }
            // The last step: an approval is used, whatever becomes of the request afterwards.
            Ok(obligations) => {
                match self.approve(gate, &chain, &mut facts, &obligations, surroundings, now) {
                    Ok(()) => Ok((facts, Permit(Grant::Delegated { chain, obligations }))),
                    Err(Stop::Deny(denial)) => Err(Stopped::deny(facts, denial)),
                    Err(Stop::Wait(approver)) => Err(Stopped::Wait(approver)),
                }
            }
            Err(denial) => Err(Stopped::deny(facts, denial)),
        }
    }

    /// What the sender has shown of its token's key. It is looked at once: a proof is good for one request, which may be looked at again
    /// when its body came.
    fn possession(
        &self,
        gate: &Gate,
        chain: &VerifiedChain,
        sent: Sent<'_>,
        surroundings: &dyn Surroundings,
        now: UnixTime,
    ) -> Result<&Possession, Denial> {
        if let Some(possession) = self.possession.get() {
            return Ok(possession);
        }
        let possession = gate.prove(chain, sent, surroundings, now)?;
        Ok(self.possession.get_or_init(|| possession))
    }

    /// Checks that a request is approved, if its route, a rule for its action or a policy asks for that.
    fn approve(
        &self,
        gate: &mut Gate,
        chain: &VerifiedChain,
        facts: &mut Facts,
        obligations: &[Obligation],
        surroundings: &dyn Surroundings,
        now: UnixTime,
    ) -> Result<(), Stop> {
        let action = facts.message.as_ref().and_then(|message| message.action.as_ref());
        // What everybody may do who may use the route is nothing to approve.
        let by_route = chain.route().entry().approval && !action.is_some_and(Action::is_open);
        let by_rule = facts.message.as_ref().is_some_and(|message| !message.approved_by.is_empty());
        if !(by_route || by_rule || obligations.iter().any(|it| it.approval_reason().is_some())) {
            return Ok(());
        }
        let by_rules = facts.message.iter().flat_map(|message| message.approved_by.iter().cloned());
        let by_policies = obligations.iter().filter_map(Obligation::approval_reason);
        let by_policies = by_policies.map(|reason| NeededBy::Policy { reason: reason.to_owned() });
        let needed_by: Vec<NeededBy> =
            by_route.then_some(NeededBy::Route).into_iter().chain(by_rules).chain(by_policies).collect();
        let path = facts.path.as_ref().ok_or(Reason::Internal)?;
        let request = gate.to_approve(chain, &self.head, path, action);
        let about = facts.approval.insert(Box::new(ApprovalFacts { needed_by, ..ApprovalFacts::default() }));
        let request = about.request.insert(request.map_err(ApprovalProblem::Unapprovable)?);
        about.used = Some(gate.approve(request, &self.head, surroundings, now)?);
        Ok(())
    }

    /// Whether the head goes on before the body came.
    fn goes_ahead(&self, rules: Rules<'_>, path: &NormalPath) -> bool {
        // An address of REST is a command by itself, whatever its body says.
        rules.hold() == Hold::Body
            && !matches!(self.ahead, Ahead::Gone)
            && is_json_rpc(rules.into(), &self.head, path)
    }

    /// Finds what the request is about to do, and the rule for it, and asks the policies.
    fn rule_on(
        &self,
        gate: &mut Gate,
        request: RequestContext<'_>,
        rules: Rules<'_>,
        path: &NormalPath,
        message: &mut MessageFacts,
    ) -> Result<Asking, Denial> {
        let action = match self.action(rules, path) {
            Ok(action) => action,
            Err(Unread { denial, id }) => {
                message.id = id;
                return Err(denial);
            }
        };
        message.id = action.id().cloned();
        let action = message.action.insert(action);
        message.session = self.own_session(gate, rules, request.chain())?;
        let ruled = Ruled::find(rules, action)?;
        let approved = ruled.iter().filter(|ruled| ruled.rule.approval);
        message.approved_by = approved
            .map(|it| NeededBy::Rule { kind: ActionKind::Ruled(it.kind).word(), index: it.index })
            .collect();
        message.scopes.extend(ruled.iter().flat_map(|ruled| ruled.rule.scopes.iter().cloned()));
        let authentication = ruled.iter().map(|ruled| &ruled.rule.authentication);
        message.authentication = authentication.fold(Authentication::default(), |all, one| all.and(one));
        let request = request.about(action, &ruled)?;
        let route = request.route();
        let asked = ruled.iter().flat_map(|ruled| route.asked_by_rule(ruled.kind, ruled.index));
        Ok(gate.ask(&request, asked))
    }

    /// The id of the caller's session as the upstream knows it, if the client knows another.
    fn own_session(
        &self,
        gate: &Gate,
        rules: Rules<'_>,
        chain: &VerifiedChain,
    ) -> Result<Option<String>, Denial> {
        match rules {
            Rules::Mcp(mcp) if mcp.sessions == Sessions::Bound => {
                gate.session_key().session(&self.head, chain)
            }
            Rules::Mcp(_) | Rules::A2a(_) => Ok(None),
        }
    }

    /// Whether a message is still to come.
    fn awaits_message(&self) -> bool {
        matches!(self.body, Body::Awaited) && self.head.has_body() && self.head.method() == "POST"
    }

    /// What the request is about to do. Its message has come, or will not.
    fn action(&self, rules: Rules<'_>, path: &NormalPath) -> Result<Action, Unread> {
        let max = rules.body_bytes();
        let too_large = |bytes| {
            let evidence = Evidence::BodySize { bytes, max };
            Err(Denial::new(Reason::BodyTooLarge, evidence).into())
        };
        let body: &[u8] = match &self.body {
            // With another method a request has none, or is denied.
            _ if self.head.method() != "POST" => &[],
            Body::Whole(body) if body.len() > max => return too_large(body.len()),
            Body::Whole(body) => body,
            Body::Awaited => &[],
            Body::TooLong(bytes) => return too_large(*bytes),
            Body::Withheld => return Err(Denial::from(Reason::Internal).into()),
            Body::Late => {
                let evidence = Evidence::Body { problem: BodyProblem::Late };
                return Err(Denial::new(Reason::BodyMalformed, evidence).into());
            }
        };
        Action::read(rules.into(), &self.head, path, body)
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
