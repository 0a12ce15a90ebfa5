//! The delegation chain of a token, allowed to act now, here.

use super::attenuated::Authority;
use super::hops::{Hop, Identity};
use super::signed::SignedToken;
use crate::config::{Delegation, Mode};
use crate::denial::{Denial, Evidence, LinkProblem, UnixMillis};
use crate::routes::MatchedRoute;
use crate::token::claims::lifetime;
use crate::{reason::Reason, time::UnixTime};
use std::rc::Rc;

/// A chain that was verified for this moment and this route: principal, then the hops, oldest first.
///
/// It exists only for a token that is in time and whose every hop passed; made anew for every request.
#[derive(Debug, Clone)]
pub struct VerifiedChain {
    token: Rc<SignedToken>,
    route: Rc<MatchedRoute>,
}

impl VerifiedChain {
    /// Checks time, then depth, trust and cycles. The route's `max_depth` counts if it is stricter than the general one.
    ///
    /// # Errors
    /// The first rule that the token breaks.
    pub fn verify(
        token: Rc<SignedToken>,
        route: Rc<MatchedRoute>,
        delegation: &Delegation,
        now: UnixTime,
    ) -> Result<Self, Denial> {
        in_time(&token, now)?;
        let hops = token.hops();
        if (delegation.required || route.entry().delegation_required) && token.agent().is_none() {
            return Err(Reason::DelegationRequired.into());
        }
        let max_depth =
            route.entry().max_depth.map_or(delegation.max_depth, |route| route.min(delegation.max_depth));
        if token.depth() > usize::from(max_depth) {
            let evidence = Evidence::Depth { depth: token.depth(), max_depth };
            return Err(Denial::new(Reason::DelegationTooDeep, evidence));
        }
        let stranger = match &delegation.actor_issuers {
            Some(list) => hops.iter().find(|hop| !list.contains(&hop.identity.issuer)),
            None if !token.has_foreign_hop() => None,
            None => hops.iter().find(|hop| hop.identity.issuer != token.principal().issuer),
        };
        if let Some(stranger) = stranger {
            let own = || vec![token.principal().issuer.clone()];
            let trusted = delegation.actor_issuers.clone().unwrap_or_else(own);
            let evidence = Evidence::ActorIssuer { iss: (&stranger.identity.issuer).into(), trusted };
            return Err(Denial::new(Reason::ActorUntrusted, evidence));
        }
        if !delegation.allow_cycles && token.is_cyclic() {
            return Err(Reason::DelegationCycle.into());
        }
        constraints_are_checked(&token, &route)?;
        Ok(Self { token, route })
    }

    /// The token that the chain comes from.
    #[must_use]
    pub fn token(&self) -> &SignedToken {
        &self.token
    }

    /// The route that it is verified for.
    #[must_use]
    pub fn route(&self) -> &MatchedRoute {
        &self.route
    }

    /// On whose behalf everything happens.
    #[must_use]
    pub fn principal(&self) -> &Identity {
        self.token.principal()
    }

    /// The software that acts now, see [`SignedToken::agent`].
    #[must_use]
    pub fn agent(&self) -> Option<&Identity> {
        self.token.agent()
    }

    /// The hops, oldest first.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        self.token.hops()
    }

    /// Checks that the token holds every one of these scopes, see [`SignedToken::grants`].
    ///
    /// # Errors
    /// [`Reason::ScopeInsufficient`], with those that are missing.
    pub fn has_scopes(&self, needed: &[String]) -> Result<(), Denial> {
        let mut missing = needed.iter().filter(|needed| !self.token.grants(needed)).peekable();
        if missing.peek().is_none() {
            return Ok(());
        }
        let evidence = Evidence::Scopes { missing: missing.cloned().collect() };
        Err(Denial::new(Reason::ScopeInsufficient, evidence))
    }

    /// The number of hops that count.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.token.depth()
    }
}

/// Whatever an attenuated chain constrains, a policy of the route must look at: the filter itself does not.
fn constraints_are_checked(token: &SignedToken, route: &MatchedRoute) -> Result<(), Denial> {
    let is_constrained = token.authority().is_some_and(Authority::is_constrained);
    let is_looked_at = || route.asked().iter().any(|asked| asked.entry.mode == Mode::Enforce);
    if !is_constrained || is_looked_at() {
        return Ok(());
    }
    let evidence = Evidence::Link {
        link: token.last_link(),
        unverified_client_id: token.client_id().map(Into::into),
        problem: LinkProblem::NoPolicy,
    };
    Err(Denial::new(Reason::ClaimInvalid, evidence))
}

/// RFC 7519 §4.1.4 to §4.1.6, with the issuer's allowance for clocks that differ.
fn in_time(token: &SignedToken, now: UnixTime) -> Result<(), Denial> {
    let (clock_skew_s, now_ms) = (token.issuer().entry().clock_skew_s, UnixMillis(now));
    // "on or after which the JWT MUST NOT be accepted"
    if now >= token.expires_at().plus_secs(clock_skew_s) {
        let exp_ms = UnixMillis(token.expires_at());
        return Err(Denial::new(Reason::TokenExpired, Evidence::Expired { exp_ms, now_ms, clock_skew_s }));
    }
    let latest_start = now.plus_secs(clock_skew_s);
    if token.issued_at().is_none() {
        // Nobody knows when it was issued: what is left of it may not be more than a whole life.
        lifetime(token.issuer().entry(), now, token.expires_at())?;
    }
    let starts = [("iat", token.issued_at()), ("nbf", token.not_before())];
    for (claim, from) in starts {
        if let Some(from) = from.filter(|from| *from > latest_start) {
            let evidence = Evidence::NotYetValid { claim, from_ms: UnixMillis(from), now_ms, clock_skew_s };
            return Err(Denial::new(Reason::TokenNotYetValid, evidence));
        }
    }
    Ok(())
}
