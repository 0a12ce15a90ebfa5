//! What can be wrong with a link of an attenuated delegation chain.

use super::cause::{ClaimProblem, TokenProblem};

/// Why a link is not one, or does not follow the link before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkProblem {
    /// It cannot be read as a token.
    #[error("{0}")]
    Token(TokenProblem),
    /// The header of the request has an element that cannot be a token.
    #[error("the header of the chain has an element that is empty or no text")]
    Element,
    /// The header of the request has a chain, and the issuer of its root gives none.
    #[error("a chain came, and the issuer of its root has no chains in this header")]
    Unexpected,
    /// `typ` is another.
    #[error("`typ` is not `at+jwt`")]
    Type,
    /// The bytes are not those of the canonical form (RFC 8785).
    #[error("the {part} is not in canonical form (RFC 8785), or has a number beyond 2^53 - 1")]
    NotCanonical {
        /// `header` or `claims`.
        part: &'static str,
    },
    /// A claim is missing or has the wrong form.
    #[error("`{claim}` {problem}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What is wrong with it.
        problem: ClaimProblem,
    },
    /// A claim that only the root has, or only other links have.
    #[error("`{claim}` must not be in this link")]
    Misplaced {
        /// Its name.
        claim: &'static str,
    },
    /// Not exactly one detail of the type, or one with other members.
    #[error(
        "`authorization_details` is not one object of the type `agent_delegation` with `scopes` and `constraints` only"
    )]
    Detail,
    /// A scope that is neither a name nor a wildcard at the end of one.
    #[error("a scope is malformed")]
    Scope,
    /// A constraint of a known type whose value is not of that type's form, with other members, or given twice.
    #[error("a constraint is malformed, or another of the same key and type stands beside it")]
    Constraint,
    /// `cnf` has a key and the thumbprint of another.
    #[error("`cnf` names two keys: `jkt` is not the thumbprint of `jwk`")]
    TwoKeys,
    /// There is a next link, and nothing says whose key it must be signed with.
    #[error(
        "`cnf` names no key that can sign the next link: give `jwk`, or `jkt` and the `jwk` in the header of the next"
    )]
    NoKey,
    /// The signature is not by the key that the link before it confirms.
    #[error("the signature is not by the key that `cnf` of the link before it names")]
    Signature,
    /// The link was made for another one before it.
    #[error("`par_hash` is not the hash of the link before it")]
    ParentHash,
    /// `del_depth` is another.
    #[error("`del_depth` is not {expected}")]
    Position {
        /// The position of the link.
        expected: usize,
    },
    /// The chain changes the principal.
    #[error("`sub` is not that of the root")]
    Subject,
    /// It refers to a list of revoked tokens.
    #[error(
        "has `status`: no status list is consulted here, and it is not known whether the link is revoked"
    )]
    Status,
    /// The last link has a constraint that nobody here checks.
    #[error(
        "has a constraint of the type `{constraint}`, and `chain.constraints` does not say that policies check it"
    )]
    Unchecked {
        /// Its type; `unknown` for one that is not known here.
        constraint: &'static str,
    },
    /// The same, on a route that asks no policy.
    #[error("has constraints, and no policy of the route in mode `enforce` checks them")]
    NoPolicy,
}

/// What a link grants that the link before it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WidenedMember {
    /// A scope that no scope before covers.
    Scopes,
    /// A constraint that is dropped, or admits more.
    Constraints,
    /// A later expiry.
    Exp,
    /// A longer chain.
    DelMaxDepth,
}
