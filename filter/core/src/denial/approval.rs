//! What can be wrong with an approval.

use super::cause::{ClaimProblem, TokenProblem};
use crate::limits;

/// Why a request is not approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalProblem {
    /// None came.
    #[error("no approval came")]
    Absent,
    /// Nobody could approve this request.
    #[error("no approval can be given: {0}")]
    Unapprovable(Unapprovable),
    /// Several headers, or several approvals in one.
    #[error("more than one approval came")]
    Several,
    /// No text.
    #[error("the header with the approval is no text")]
    NotText,
    /// No compact JWS with strict JSON, or too long.
    #[error("the approval: {0}")]
    Malformed(TokenProblem),
    /// Another `typ`.
    #[error("`typ` of the approval is not `{expected}`")]
    Type {
        /// What is accepted.
        expected: &'static str,
    },
    /// `iss` is none of the approvers.
    #[error("`iss` of the approval is none of `approvals.approvers`")]
    Approver,
    /// `alg` is not accepted.
    #[error("`alg` of the approval is not one of the approver: {accepted}")]
    Algorithm {
        /// Those that are.
        accepted: String,
    },
    /// The approver has no such key.
    #[error("the approver has no key with the approval's `kid` for its `alg`, or it is too large")]
    Key,
    /// The signature is not that key's.
    #[error("the signature of the approval does not verify")]
    Signature,
    /// A claim is absent or has the wrong form.
    #[error("`{claim}` of the approval {problem}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What is wrong with it.
        problem: ClaimProblem,
    },
    /// `exp` has passed.
    #[error("the approval has expired")]
    Expired,
    /// `iat` or `nbf` lies in the future.
    #[error("`{claim}` of the approval is in the future")]
    NotYetValid {
        /// Which of them.
        claim: &'static str,
    },
    /// `exp` less `iat` is too much.
    #[error("the approval lives for {lifetime_s} s, more than {max_lifetime_s}")]
    Lifetime {
        /// How long it is.
        lifetime_s: u64,
        /// `approvals.max_lifetime_s`.
        max_lifetime_s: u64,
    },
    /// It is for something else than this request, which stands in the record.
    #[error("`{member}` of the approval is not that of the request")]
    Differs {
        /// In what they differ.
        member: String,
    },
    /// It was used before.
    #[error("the approval was used before")]
    Used,
    /// There is no room to remember that it is used.
    #[error("there is no room to remember that the approval is used")]
    NoRoom,
}

/// Why nobody can approve a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unapprovable {
    /// The configuration has no `approvals`.
    #[error("there are no `approvals`")]
    NoApprovers,
    /// What its body says is not known.
    #[error("the request has a body, which is not read on a route without a protocol")]
    Body,
    /// A host that is not one to everybody.
    #[error("the request names several hosts, or one that cannot be compared")]
    Host,
    /// A number for which there are several spellings.
    #[error("a number is beyond 2^53 - 1, where not every server can tell it from its neighbours")]
    Number,
    /// A name that is too long to show.
    #[error("the name or the method of the action is longer than {} bytes", limits::IDENTITY_BYTES)]
    Long,
}
