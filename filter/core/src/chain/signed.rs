//! A token whose signature was verified under its issuer's key, and what it says, checked for shape.
//!
//! Everything that depends only on the token and its issuer's entry is settled here, once; what depends on the time
//! or the route is settled on every request ([`VerifiedChain`](super::VerifiedChain)). So a [`SignedToken`] may be kept and used again.

use super::hops::{Identity, has_cycle, hops};
use super::identity_headers::IdentityHeaders;
use crate::config::same_token_type;
use crate::denial::{ClaimProblem, Denial, Evidence};
use crate::keys::{SignatureVerifier, TrustedIssuer, TrustedKey};
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::ParsedToken;
use crate::token::claims::{audience, date, identifier, invalid, required, scopes};
use serde_json::{Map, Value};
use std::cell::OnceCell;
use std::rc::Rc;

/// A token whose signature is its issuer's, meant for us, with claims of the right shape. Not yet: in time, and
/// allowed to do anything.
#[derive(Debug)]
pub struct SignedToken {
    issuer: Rc<TrustedIssuer>,
    principal: Identity,
    hops: Vec<Identity>,
    client_id: Option<String>,
    token_id: Option<String>,
    key_id: Option<String>,
    scopes: Vec<String>,
    issued_at: UnixTime,
    not_before: Option<UnixTime>,
    expires_at: UnixTime,
    claims: Value,
    cyclic: bool,
    foreign: bool,
    identity_headers: OnceCell<IdentityHeaders>,
}

impl SignedToken {
    /// Verifies `token` under `key`, then reads its claims by the rules of its kind (RFC 9068 §2.2 and §4).
    ///
    /// # Errors
    /// The first rule that the token breaks; [`Reason::Internal`] if the verifier failed.
    pub fn verify(
        token: ParsedToken,
        key: &TrustedKey<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Self, Denial> {
        // The key was found for this token, or for one that names the same algorithm.
        if token.algorithm_for(key.issuer.entry())? != key.algorithm {
            return Err(Denial::new(Reason::KeyUnknown, token.key_evidence(key.algorithm)));
        }
        match verifier.verify(key.key, key.algorithm, token.signing_input(), token.signature()) {
            Ok(true) => {}
            Ok(false) => {
                return Err(Denial::new(Reason::SignatureInvalid, token.key_evidence(key.algorithm)));
            }
            Err(_) => return Err(Reason::Internal.into()),
        }
        let access_token = token.header().typ.as_deref().is_some_and(|t| same_token_type(t, "at+jwt"));
        let key_id = token.header().kid.clone();
        Self::read(token.into_claims(), key_id, key.issuer, access_token)
    }

    fn read(
        claims: Map<String, Value>,
        key_id: Option<String>,
        trusted: &Rc<TrustedIssuer>,
        access_token: bool,
    ) -> Result<Self, Denial> {
        let issuer = trusted.entry();
        let iss = required("iss", identifier(&claims, "iss")?)?;
        if iss != issuer.issuer {
            return Err(Denial::new(Reason::IssuerUnknown, Evidence::Issuer { unverified_iss: iss.into() }));
        }
        audience(&claims, &issuer.audiences)?;
        let subject = required("sub", identifier(&claims, "sub")?)?;
        let client_id = identifier(&claims, "client_id")?;
        let token_id = identifier(&claims, "jti")?;
        if access_token {
            // RFC 9068 §2.2: an access token of this profile has both.
            required("client_id", client_id)?;
            required("jti", token_id)?;
        }
        let issued_at = required("iat", date(&claims, "iat")?)?;
        let not_before = date(&claims, "nbf")?;
        let expires_at = required("exp", date(&claims, "exp")?)?;
        if expires_at <= issued_at {
            return Err(invalid("exp", ClaimProblem::NotAfterIssued));
        }
        if expires_at > issued_at.plus_secs(issuer.max_lifetime_s) {
            let lifetime_s = expires_at.millis_since(issued_at) / 1000;
            let evidence = Evidence::Lifetime { lifetime_s, max_lifetime_s: issuer.max_lifetime_s };
            return Err(Denial::new(Reason::LifetimeTooLong, evidence));
        }
        if claims.contains_key("cnf") {
            // RFC 7800 §3.1: the presenter must prove possession of this key. No proof is checked here yet, and a bound
            // token taken without one is a stolen token taken (RFC 9449 §7.2).
            return Err(invalid("cnf", ClaimProblem::Bound));
        }
        let principal = Identity { issuer: iss.to_owned(), subject: subject.to_owned() };
        let hops = hops(&claims, iss)?;
        let scopes = scopes(&claims)?;
        let (client_id, token_id) = (client_id.map(str::to_owned), token_id.map(str::to_owned));
        let claims = Value::Object(claims);
        let cyclic = has_cycle(&principal, &hops);
        let foreign = hops.iter().any(|hop| hop.issuer != principal.issuer);
        Ok(Self {
            issuer: Rc::clone(trusted),
            principal,
            hops,
            client_id,
            token_id,
            key_id,
            scopes,
            issued_at,
            not_before,
            expires_at,
            claims,
            cyclic,
            foreign,
            identity_headers: OnceCell::new(),
        })
    }

    /// The issuer whose key verified the token.
    #[must_use]
    pub fn issuer(&self) -> &TrustedIssuer {
        &self.issuer
    }

    /// On whose behalf everything happens: (`iss`, `sub`).
    #[must_use]
    pub fn principal(&self) -> &Identity {
        &self.principal
    }

    /// The hops as the token has them, oldest first. Not yet checked for depth, trust or cycles.
    #[must_use]
    pub fn hops(&self) -> &[Identity] {
        &self.hops
    }

    /// Whether somebody is in the chain twice.
    #[must_use]
    pub fn is_cyclic(&self) -> bool {
        self.cyclic
    }

    /// Whether a hop is of another issuer than the principal.
    #[must_use]
    pub fn has_foreign_hop(&self) -> bool {
        self.foreign
    }

    /// Principal, then the hops, oldest first.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        std::iter::once(&self.principal).chain(&self.hops)
    }

    /// The identities as headers and logs show them.
    #[must_use]
    pub fn identity_headers(&self) -> &IdentityHeaders {
        self.identity_headers.get_or_init(|| IdentityHeaders::new(&self.principal, &self.hops))
    }

    /// `client_id`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// `jti`.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// `kid` of the header.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The scope tokens, as granted (RFC 6749 §3.3).
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// `iat`.
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// `nbf`.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.not_before
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// All claims, as the issuer signed them.
    #[must_use]
    pub fn claims(&self) -> &Value {
        &self.claims
    }
}
