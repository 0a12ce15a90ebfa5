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

use crate::chain::VerifiedChain;
use crate::decision::{Decision, Facts, Grant, Outcome, Permit};
use crate::denial::{Denial, Evidence, KeysProblem};
use crate::http::RequestHead;
use crate::keys::SignatureVerifier;
use crate::policy::RequestContext;
use crate::{reason::Reason, time::UnixTime};
use std::rc::Rc;

/// What the machine needs next.
#[derive(Debug)]
pub enum Step {
    /// A newer key set of this issuer (its position in the configuration). Fetch it if its store says so, and
    /// [`advance`](Flow::advance) again when it came, or [`give_up`](Flow::give_up).
    NeedKeys(usize),
    /// Nothing more.
    Done(Box<Decision>),
}

/// One request on its way. It keeps the head only: what was parsed of it is parsed again after a wait, for those who
/// wait are many, unverified, and cheap to make.
#[derive(Debug)]
pub struct Flow {
    id: String,
    head: RequestHead,
}

/// Why a request stopped before it was allowed.
enum Stopped {
    Deny(Box<Denied>),
    Wait(usize),
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
        Self { id, head }
    }

    /// The head of the request.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// Goes as far as it can.
    pub fn advance(&mut self, gate: &mut Gate, verifier: &dyn SignatureVerifier, now: UnixTime) -> Step {
        let (facts, outcome) = match self.pass(gate, verifier, now) {
            Ok((facts, permit)) => (facts, Outcome::Allow(permit)),
            Err(Stopped::Deny(denied)) => (denied.facts, Outcome::Deny(denied.denial)),
            Err(Stopped::Wait(issuer)) => return Step::NeedKeys(issuer),
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
        let (policies, ruled) = match RequestContext::authorize(&self.head, &located.path, &chain, now) {
            Ok(request) => gate.ask(&request),
            Err(denial) => (Vec::new(), Err(denial)),
        };
        let facts = Facts { token: Some(token), policies, ..located.into() };
        match ruled {
            Ok(obligations) => Ok((facts, Permit(Grant::Delegated { chain, obligations }))),
            Err(denial) => Err(Stopped::deny(facts, denial)),
        }
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
