//! The delegation chain of a token, allowed to act now, here.

use crate::claims::{Identity, SignedToken};
use crate::config::{Delegation, Issuer};
use crate::{reason::Reason, time::UnixTime};
use std::rc::Rc;

/// A chain that was verified for this moment and this route: principal, then the hops, oldest first.
///
/// It exists only for a token that is in time and whose every hop passed; made anew for every request.
#[derive(Debug, Clone)]
pub struct VerifiedChain {
    token: Rc<SignedToken>,
}

impl VerifiedChain {
    /// Checks time, then depth, trust and cycles. `max_depth` is the route's, if it is stricter than the general one.
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn verify(
        token: Rc<SignedToken>,
        issuer: &Issuer,
        delegation: &Delegation,
        max_depth: Option<u8>,
        now: UnixTime,
    ) -> Result<Self, Reason> {
        in_time(&token, issuer, now)?;
        let hops = token.hops();
        if delegation.required && hops.is_empty() {
            return Err(Reason::DelegationRequired);
        }
        let max_depth = max_depth.map_or(delegation.max_depth, |route| route.min(delegation.max_depth));
        if hops.len() > usize::from(max_depth) {
            return Err(Reason::DelegationTooDeep);
        }
        let trusted = match &delegation.actor_issuers {
            Some(list) => hops.iter().all(|hop| list.contains(&hop.issuer)),
            None => !token.has_foreign_hop(),
        };
        if !trusted {
            return Err(Reason::ActorUntrusted);
        }
        if !delegation.allow_cycles && token.is_cyclic() {
            return Err(Reason::DelegationCycle);
        }
        Ok(Self { token })
    }

    /// The token that the chain comes from.
    #[must_use]
    pub fn token(&self) -> &SignedToken {
        &self.token
    }

    /// On whose behalf everything happens.
    #[must_use]
    pub fn principal(&self) -> &Identity {
        self.token.principal()
    }

    /// The software that acts now: the last hop, if there is one.
    #[must_use]
    pub fn agent(&self) -> Option<&Identity> {
        self.token.hops().last()
    }

    /// The hops, oldest first.
    #[must_use]
    pub fn hops(&self) -> &[Identity] {
        self.token.hops()
    }

    /// The number of hops.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.token.hops().len()
    }
}

/// RFC 7519 §4.1.4 to §4.1.6, with the issuer's allowance for clocks that differ.
fn in_time(token: &SignedToken, issuer: &Issuer, now: UnixTime) -> Result<(), Reason> {
    // "on or after which the JWT MUST NOT be accepted"
    if now >= token.expires_at().plus_secs(issuer.clock_skew_s) {
        return Err(Reason::TokenExpired);
    }
    let latest_start = now.plus_secs(issuer.clock_skew_s);
    if token.issued_at() > latest_start || token.not_before().is_some_and(|nbf| nbf > latest_start) {
        return Err(Reason::TokenNotYetValid);
    }
    Ok(())
}
