//! Why a request was denied: the reason that everybody may know, and the evidence that only the audit record gets.
//!
//! Evidence says what was expected and what came, so that an operator need not guess. It never holds a token, a signature or
//! a header's value. What comes from a token whose signature was not verified is anybody's word, and is named `unverified_…`.

mod cause;
mod evidence;
mod link;

pub use cause::{
    AgreementProblem, ArgumentProblem, BodyProblem, ClaimProblem, CredentialProblem,
    ForwardedCertificateProblem, KeysProblem, PathError, ProofProblem, ProtocolProblem, SessionProblem,
    TokenProblem,
};
pub use evidence::{Evidence, Shown, UnixMillis};
pub use link::{LinkProblem, WidenedMember};

use crate::reason::Reason;

/// Why a request ends here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The reason.
    pub reason: Reason,
    /// The policy that denied, and its own code.
    pub policy: Option<(String, Option<String>)>,
    /// What led to it. Boxed, for most results are no denials.
    pub evidence: Option<Box<Evidence>>,
}

impl From<Reason> for Denial {
    fn from(reason: Reason) -> Self {
        Self { reason, policy: None, evidence: None }
    }
}

/// Without what led to it.
impl From<Denial> for Reason {
    fn from(denial: Denial) -> Self {
        denial.reason
    }
}

impl Denial {
    /// A denial with what led to it.
    #[must_use]
    pub fn new(reason: Reason, evidence: Evidence) -> Self {
        Self { evidence: Some(Box::new(evidence)), ..reason.into() }
    }
}
