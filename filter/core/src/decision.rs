//! The outcome of one request.

use crate::chain::VerifiedChain;
use crate::claims::SignedToken;
use crate::denial::Denial;
use crate::path::NormalPath;
use crate::policy::{Obligation, PolicyRecord};
use crate::request::{Connection, RequestHead};
use crate::{reason::Reason, time::UnixTime};
use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;
use std::rc::Rc;

/// What was decided about one request, and everything that the answer and the audit record need.
#[derive(Debug)]
pub struct Decision {
    pub(crate) id: String,
    pub(crate) at: UnixTime,
    pub(crate) head: RequestHead,
    pub(crate) path: Option<NormalPath>,
    pub(crate) connection: Connection,
    pub(crate) route: Option<usize>,
    pub(crate) token: Option<Rc<SignedToken>>,
    pub(crate) policies: Vec<PolicyRecord>,
    pub(crate) outcome: Outcome,
}

/// Yes or no.
#[derive(Debug)]
pub enum Outcome {
    /// The request may go on.
    Allow(Permit),
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

/// The longest id: the worker's half, and the longest count.
const DECISION_ID_BYTES: usize = 16 + 1 + 20;

/// Makes decision ids: a random half for this worker, and a count.
#[derive(Debug)]
pub struct DecisionIds {
    /// The worker's half, with the dash.
    worker: String,
    count: u64,
}

/// Before there was anything random: the worker's half is zero.
impl Default for DecisionIds {
    fn default() -> Self {
        Self { worker: "0000000000000000-".to_owned(), count: 0 }
    }
}

impl DecisionIds {
    /// From sixteen random bytes of the host. They also key the cache's hash, which an id must not give away, so the
    /// worker's half is derived from them one way.
    #[must_use]
    pub fn new(seed: [u8; 16]) -> Self {
        let mut hasher = SipHasher24::new_with_key(&seed);
        hasher.write(b"decision ids");
        Self { worker: format!("{:016x}-", hasher.finish()), count: 0 }
    }

    /// The next id.
    pub fn next_id(&mut self) -> String {
        self.count = self.count.wrapping_add(1);
        let (mut digits, mut id) = (itoa::Buffer::new(), String::with_capacity(DECISION_ID_BYTES));
        id.push_str(&self.worker);
        id.push_str(digits.format(self.count));
        id
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
            path: None,
            connection: Connection::Removed,
            route: None,
            token: None,
            policies: Vec::new(),
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
        self.path.as_ref()
    }

    /// Position of the route in the configuration; `None` if none matched.
    #[must_use]
    pub fn route(&self) -> Option<usize> {
        self.route
    }

    /// The verified token, also of a request that was denied for what the token says.
    #[must_use]
    pub fn token(&self) -> Option<&SignedToken> {
        self.token.as_deref()
    }

    /// What each policy answered that was asked.
    #[must_use]
    pub fn policies(&self) -> &[PolicyRecord] {
        &self.policies
    }

    /// Yes or no.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The reason of a denial; `None` if the request is allowed.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match &self.outcome {
            Outcome::Allow(_) => None,
            Outcome::Deny(denial) => Some(denial.reason),
        }
    }

    /// The same decision turned into a denial, because carrying out the first one failed. A denial stays what it was.
    #[must_use]
    pub fn or_deny(mut self, reason: Reason) -> Self {
        if matches!(self.outcome, Outcome::Allow(_)) {
            self.outcome = Outcome::Deny(reason.into());
        }
        self
    }
}
