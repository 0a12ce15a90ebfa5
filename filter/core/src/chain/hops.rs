//! The identities of a delegation chain, as a token names them.

use crate::denial::{ClaimProblem, Denial, Evidence};
use crate::reason::Reason;
use crate::token::claims::identifier_in;
use serde_json::{Map, Value};

/// One `act` object: who acted. The pair is the identity; neither half is one alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The namespace of `subject`: `act.iss`, or the token's `iss` for a principal or a hop without one.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
}

/// A chain is bounded by [`limits::JSON_DEPTH`](crate::limits::JSON_DEPTH) and looked at once per token, so each is compared with each.
pub(super) fn has_cycle(principal: &Identity, hops: &[Identity]) -> bool {
    hops.iter()
        .enumerate()
        .any(|(i, hop)| hop == principal || hops.iter().skip(i + 1).any(|later| later == hop))
}

/// RFC 8693 §4.1: the outermost `act` is the current actor, the deepest the oldest. Other members of an `act` (`exp`,
/// `nbf`, `aud` among them) mean nothing there. `may_act` (§4.4) is for the authorization server and is not read.
pub(super) fn hops(claims: &Map<String, Value>, token_issuer: &str) -> Result<Vec<Identity>, Denial> {
    let mut hops: Vec<Identity> = Vec::new();
    let mut next = claims.get("act");
    // The nesting is bounded by `limits::JSON_DEPTH`: all hops are read, none is cut off.
    while let Some(act) = next {
        let malformed = |member, problem| {
            let evidence = Evidence::Actor { act: hops.len().saturating_add(1), member, problem };
            Denial::new(Reason::DelegationMalformed, evidence)
        };
        let act = act.as_object().ok_or_else(|| malformed("act", ClaimProblem::Type))?;
        let member = |name| identifier_in(act, name).map_err(|problem| malformed(name, problem));
        let subject = member("sub")?.ok_or_else(|| malformed("sub", ClaimProblem::Missing))?;
        let issuer = member("iss")?.unwrap_or(token_issuer);
        hops.push(Identity { issuer: issuer.to_owned(), subject: subject.to_owned() });
        next = act.get("act");
    }
    hops.reverse();
    Ok(hops)
}
