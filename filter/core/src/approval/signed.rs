//! An approval, as it came.

use super::request::ApprovalRequest;
use crate::algorithm::Algorithm;
use crate::config::{Approvals, Approver};
use crate::denial::{ApprovalProblem, ClaimProblem, Denial, Evidence};
use crate::http::RequestHead;
use crate::keys::{PublicKey, SignatureVerifier};
use crate::limits;
use crate::proof::{ReplayError, ReplayMemory, SharedMemory, Use};
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::ParsedToken;
use crate::token::claims::identifier_in;
use serde::Serialize;
use serde_json::{Map, Value};

/// `typ` of an approval: no other kind of token is taken for one (RFC 8725 §3.11).
pub const TYPE: &str = "mandate-approval+jwt";

/// An approval within the limits. Not verified.
#[derive(Debug)]
pub struct ParsedApproval(ParsedToken);

/// The key that must have signed an approval. Only a [`Gate`](crate::flow::Gate) makes one: approver, algorithm and key belong together.
#[derive(Debug)]
pub struct ApproverKey<'k> {
    pub(crate) approver: &'k Approver,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: &'k PublicKey,
}

/// An approval that an approver signed. Not yet: in time, and for this request.
#[derive(Debug)]
pub struct SignedApproval {
    approver: String,
    claims: Map<String, Value>,
}

/// An approval of a request, in time. Not yet: unused.
#[derive(Debug)]
pub struct HeldApproval {
    used: UsedApproval,
    until: UnixTime,
}

/// An approval that was used, for the first time, and cannot be used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsedApproval {
    approver: String,
    jti: String,
}

impl ParsedApproval {
    /// Reads the approval that a request carries.
    ///
    /// # Errors
    /// If there is none, are several, or it is no token of the right type.
    pub fn read(head: &RequestHead) -> Result<Self, ApprovalProblem> {
        let text = head.approval()?.ok_or(ApprovalProblem::Absent)?;
        let token = ParsedToken::parse_approval(text).map_err(ApprovalProblem::Malformed)?;
        match token.is_of_type(TYPE) {
            true => Ok(Self(token)),
            false => Err(ApprovalProblem::Type { expected: TYPE }),
        }
    }

    /// The position of the approver that it names, unverified: good for finding the keys that then verify it.
    ///
    /// # Errors
    /// If it names none of them.
    pub fn approver_in(&self, approvals: &Approvals) -> Result<usize, ApprovalProblem> {
        let issuer = text(self.0.unverified_claims(), "iss")?;
        let position = approvals.approvers.iter().position(|approver| approver.issuer == issuer);
        position.ok_or(ApprovalProblem::Approver)
    }

    /// The algorithm that it is signed with, if the approver's entry accepts it.
    ///
    /// # Errors
    /// If it does not.
    pub fn algorithm_for(&self, approver: &Approver) -> Result<Algorithm, ApprovalProblem> {
        let accepted = &approver.algorithms;
        self.0.header().algorithm.filter(|algorithm| accepted.contains(algorithm)).ok_or_else(|| {
            let names: Vec<&str> = accepted.iter().map(|algorithm| algorithm.name()).collect();
            ApprovalProblem::Algorithm { accepted: names.join(", ") }
        })
    }

    /// `kid` of its header.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.0.header().kid.as_deref()
    }
}

impl SignedApproval {
    /// Verifies an approval under the key of the approver that it names.
    ///
    /// # Errors
    /// [`Reason::ApprovalInvalid`]; [`Reason::Internal`] if the verifier failed.
    pub fn verify(
        approval: ParsedApproval,
        by: &ApproverKey<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Self, Denial> {
        let ParsedApproval(token) = approval;
        let is_theirs = text(token.unverified_claims(), "iss").is_ok_and(|iss| iss == by.approver.issuer);
        if !is_theirs || token.header().algorithm != Some(by.algorithm) {
            return Err(invalid(ApprovalProblem::Approver));
        }
        match verifier.verify(by.key, by.algorithm, token.signing_input(), token.signature()) {
            Ok(true) => Ok(Self { approver: by.approver.issuer.clone(), claims: token.into_claims() }),
            Ok(false) => Err(invalid(ApprovalProblem::Signature)),
            Err(_) => Err(Reason::Internal.into()),
        }
    }

    /// Checks that it is in time, and approves this request and no other: whoever signs says what it is good for, claim by claim.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn holds_for(
        self,
        request: &ApprovalRequest,
        approvals: &Approvals,
        now: UnixTime,
    ) -> Result<HeldApproval, ApprovalProblem> {
        let Self { approver, claims } = self;
        self::audience(&claims, request.audience())?;
        let until = in_time(&claims, approvals, now)?;
        let jti = text(&claims, "jti")?.to_owned();
        match request.difference(&claims) {
            None => Ok(HeldApproval { used: UsedApproval { approver, jti }, until }),
            Some(member) => Err(ApprovalProblem::Differs { member }),
        }
    }
}

impl HeldApproval {
    /// Uses it, which can be done once.
    ///
    /// # Errors
    /// [`Reason::ApprovalUsed`]; [`Reason::ReplayMemoryFull`] or [`Reason::Internal`] if it is not known whether it was used.
    pub fn use_up(
        self,
        memory: &ReplayMemory,
        shared: Option<&dyn SharedMemory>,
        now: UnixTime,
    ) -> Result<UsedApproval, Denial> {
        let Self { used, until } = self;
        // For as long as any configuration could accept it: clocks may be allowed to differ more tomorrow.
        let until = until.plus_secs(limits::MAX_CLOCK_SKEW_S);
        let once = Use { purpose: "approval", owner: used.approver.as_bytes(), id: &used.jti, until };
        let refuse = |reason, problem| Err(Denial::new(reason, Evidence::Approval { problem }));
        match memory.use_once(shared, &once, now) {
            Ok(()) => Ok(used),
            Err(ReplayError::Used) => refuse(Reason::ApprovalUsed, ApprovalProblem::Used),
            Err(ReplayError::Full) => refuse(Reason::ReplayMemoryFull, ApprovalProblem::NoRoom),
            Err(ReplayError::Failed) => Err(Reason::Internal.into()),
        }
    }
}

/// A denial of an approval that came.
fn invalid(problem: ApprovalProblem) -> Denial {
    Denial::new(Reason::ApprovalInvalid, Evidence::Approval { problem })
}

impl From<ApprovalProblem> for Denial {
    fn from(problem: ApprovalProblem) -> Self {
        match problem {
            ApprovalProblem::Absent | ApprovalProblem::Unapprovable(_) => {
                Self::new(Reason::ApprovalRequired, Evidence::Approval { problem })
            }
            other => invalid(other),
        }
    }
}

/// It must be for us alone: what two accept can be used twice.
fn audience(claims: &Map<String, Value>, own: &str) -> Result<(), ApprovalProblem> {
    let problem = |problem| Err(ApprovalProblem::Claim { claim: "aud", problem });
    let named = match claims.get("aud") {
        None => return problem(ClaimProblem::Missing),
        Some(Value::Array(list)) if list.len() == 1 => list.first(),
        other => other,
    };
    match named.and_then(Value::as_str) {
        Some(named) if named == own => Ok(()),
        Some(_) => Err(ApprovalProblem::Differs { member: "aud".to_owned() }),
        None => problem(ClaimProblem::Type),
    }
}

/// RFC 7519 §4.1.4 to §4.1.6. Gives from when on it is not accepted any more.
fn in_time(
    claims: &Map<String, Value>,
    approvals: &Approvals,
    now: UnixTime,
) -> Result<UnixTime, ApprovalProblem> {
    let date = |claim: &'static str| match claims.get(claim) {
        None => Ok(None),
        Some(value) => match UnixTime::from_numeric_date(value) {
            None => Err(ApprovalProblem::Claim { claim, problem: ClaimProblem::Date }),
            date => Ok(date),
        },
    };
    let required =
        |claim| date(claim)?.ok_or(ApprovalProblem::Claim { claim, problem: ClaimProblem::Missing });
    let (issued_at, expires_at) = (required("iat")?, required("exp")?);
    if expires_at <= issued_at {
        return Err(ApprovalProblem::Claim { claim: "exp", problem: ClaimProblem::NotAfterIssued });
    }
    let &Approvals { max_lifetime_s, clock_skew_s, .. } = approvals;
    if expires_at > issued_at.plus_secs(max_lifetime_s) {
        let lifetime_s = expires_at.millis_since(issued_at) / 1000;
        return Err(ApprovalProblem::Lifetime { lifetime_s, max_lifetime_s });
    }
    let latest_start = now.plus_secs(clock_skew_s);
    for (claim, from) in [("iat", Some(issued_at)), ("nbf", date("nbf")?)] {
        if from.is_some_and(|from| from > latest_start) {
            return Err(ApprovalProblem::NotYetValid { claim });
        }
    }
    let until = expires_at.plus_secs(clock_skew_s);
    if now >= until { Err(ApprovalProblem::Expired) } else { Ok(until) }
}

/// A claim with text, which must be there.
fn text<'c>(claims: &'c Map<String, Value>, claim: &'static str) -> Result<&'c str, ApprovalProblem> {
    let found = identifier_in(claims, claim).map_err(|problem| ApprovalProblem::Claim { claim, problem })?;
    found.ok_or(ApprovalProblem::Claim { claim, problem: ClaimProblem::Missing })
}
