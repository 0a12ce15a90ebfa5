//! A token whose signature was verified under its issuer's key, and what it says, checked for shape.
//!
//! Everything that depends only on the token and its issuer's entry is settled here, once; what depends on the time
//! or the route is settled on every request ([`VerifiedChain`](super::VerifiedChain)). So a [`SignedToken`] may be kept and used again.

use super::attenuated::{Attenuated, Authority};
use super::hops::{Delegated, Hop, Identity};
use super::identity_headers::IdentityHeaders;
use crate::config::ChainForm;
use crate::denial::{Denial, Evidence, LinkProblem, ProofProblem};
use crate::keys::{PublicKey, SignatureVerifier, TrustedIssuer, TrustedKey};
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::{Binding, ClaimReader, Digest, ParsedToken, Times};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::cell::OnceCell;
use std::rc::Rc;

/// A token whose signature is its issuer's, meant for us, with claims of the right shape. Not yet: in time, and
/// allowed to do anything.
#[derive(Debug)]
pub struct SignedToken {
    issuer: Rc<TrustedIssuer>,
    principal: Identity,
    delegated: Delegated,
    client_id: Option<String>,
    token_id: Option<String>,
    key_id: Option<String>,
    scopes: Vec<String>,
    times: Times,
    binding: Option<Box<Bound>>,
    claims: Value,
    foreign: bool,
    /// What the last link of an attenuated chain grants.
    authority: Option<Box<Authority>>,
    identity_headers: OnceCell<IdentityHeaders>,
    /// The claims as text, once a policy asked for them.
    claims_text: OnceCell<String>,
}

/// What a token is bound to, and what is known of its proofs from earlier ones.
#[derive(Debug)]
struct Bound {
    binding: Binding,
    /// SHA-256 of the token.
    digest: OnceCell<Digest>,
    /// The key with the thumbprint that the token is bound to, and the JWK that it was read from.
    key: OnceCell<(Value, Rc<PublicKey>)>,
}

impl Bound {
    fn new(binding: Binding) -> Box<Self> {
        Box::new(Self { binding, digest: OnceCell::new(), key: OnceCell::new() })
    }
}

impl SignedToken {
    /// Verifies `token` under `key`, then reads its claims as the entry of its issuer says (RFC 9068 §2.2 and §4, if it says
    /// nothing else).
    ///
    /// # Errors
    /// The first rule that the token breaks; [`Reason::Internal`] if the verifier failed.
    pub fn verify(
        token: ParsedToken,
        key: &TrustedKey<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Self, Denial> {
        if key.issuer.entry().chain.form == ChainForm::Attenuated {
            // A root without anything behind it.
            return Self::verify_chain(Attenuated::read(None, token)?, key, verifier);
        }
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
        Self::read(token, key.issuer)
    }

    /// Verifies an attenuated chain, its root under `key`. Who the principal is, and everything that is not about the delegation, is what the
    /// root says: the issuer signed nothing else.
    ///
    /// # Errors
    /// The first rule that the chain breaks, see [`Attenuated`]; [`Reason::Internal`] if the verifier failed.
    pub fn verify_chain(
        chain: Attenuated,
        key: &TrustedKey<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Self, Denial> {
        let trusted = key.issuer;
        if trusted.entry().chain.form != ChainForm::Attenuated {
            let problem = LinkProblem::Unexpected;
            let evidence = Evidence::Link { link: 0, unverified_client_id: None, problem };
            return Err(Denial::new(Reason::DelegationMalformed, evidence));
        }
        let chain = chain.verify(key, verifier)?;
        let reader = ClaimReader::new(chain.root(), trusted.entry());
        let issuer = reader.issuer_name()?.to_owned();
        reader.marks()?;
        let principal = Identity { issuer, subject: reader.principal()?.into_owned() };
        let delegated = Delegated::of_links(&principal, chain.agents());
        let binding = ClaimReader::new(chain.last(), trusted.entry()).binding()?;
        let (key_id, times) = (chain.root().header().kid.clone(), chain.times());
        let (claims, authority) = chain.into_claims();
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let (client_id, token_id) = (text("client_id"), text("jti"));
        let foreign = delegated.hops.iter().any(|hop| hop.identity.issuer != principal.issuer);
        Ok(Self {
            issuer: Rc::clone(trusted),
            principal,
            delegated,
            client_id,
            token_id,
            key_id,
            scopes: authority.scopes().to_vec(),
            times,
            binding: binding.map(Bound::new),
            claims: Value::Object(claims),
            foreign,
            authority: Some(Box::new(authority)),
            identity_headers: OnceCell::new(),
            claims_text: OnceCell::new(),
        })
    }

    fn read(token: ParsedToken, trusted: &Rc<TrustedIssuer>) -> Result<Self, Denial> {
        let reader = ClaimReader::new(&token, trusted.entry());
        let issuer = reader.issuer_name()?.to_owned();
        reader.marks()?;
        reader.audience()?;
        let principal = Identity { issuer, subject: reader.principal()?.into_owned() };
        let client_id = reader.client()?;
        let token_id = reader.token_id()?;
        let times = reader.times()?;
        let binding = reader.binding()?;
        let delegated = Delegated::read(&reader, &principal, client_id)?;
        let scopes = reader.scopes()?;
        let (client_id, token_id) = (client_id.map(str::to_owned), token_id.map(str::to_owned));
        let foreign = delegated.hops.iter().any(|hop| hop.identity.issuer != principal.issuer);
        let key_id = token.header().kid.clone();
        let claims = Value::Object(token.into_claims());
        Ok(Self {
            issuer: Rc::clone(trusted),
            principal,
            delegated,
            client_id,
            token_id,
            key_id,
            scopes,
            times,
            binding: binding.map(Bound::new),
            claims,
            foreign,
            authority: None,
            identity_headers: OnceCell::new(),
            claims_text: OnceCell::new(),
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
    pub fn hops(&self) -> &[Hop] {
        &self.delegated.hops
    }

    /// What the token says of who acts for its principal.
    #[must_use]
    pub fn delegated(&self) -> &Delegated {
        &self.delegated
    }

    /// How many of them count.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.delegated.depth
    }

    /// The software that acts now: the last hop, or the principal if it is an agent itself.
    #[must_use]
    pub fn agent(&self) -> Option<&Identity> {
        self.delegated.agent(&self.principal)
    }

    /// Whether somebody is in the chain twice.
    #[must_use]
    pub fn is_cyclic(&self) -> bool {
        self.delegated.cyclic
    }

    /// Whether a hop is of another issuer than the principal.
    #[must_use]
    pub fn has_foreign_hop(&self) -> bool {
        self.foreign
    }

    /// Principal, then the hops, oldest first.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        std::iter::once(&self.principal).chain(self.hops().iter().map(|hop| &hop.identity))
    }

    /// The identities as headers and logs show them.
    #[must_use]
    pub fn identity_headers(&self) -> &IdentityHeaders {
        self.identity_headers.get_or_init(|| IdentityHeaders::new(&self.principal, &self.delegated))
    }

    /// The workload, if it is a Workload Identity Token.
    #[must_use]
    pub fn workload(&self) -> Option<&str> {
        self.issuer.entry().is_wit().then_some(self.principal.subject.as_str())
    }

    /// What it is bound to; `None`: it is a bearer token.
    #[must_use]
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref().map(|bound| &bound.binding)
    }

    /// SHA-256 of a bound token's bytes, which are made once; `bytes` are this token's.
    pub(crate) fn digest(&self, bytes: &[u8]) -> Digest {
        let digest = || Sha256::digest(bytes).into();
        self.binding.as_ref().map_or_else(digest, |bound| *bound.digest.get_or_init(digest))
    }

    /// The key of a JWK, if it is the one that the token is bound to by its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// What is wrong with the JWK; [`ProofProblem::OtherKey`] for another key.
    pub(crate) fn bound_key(&self, jwk: &Value) -> Result<Rc<PublicKey>, ProofProblem> {
        let bound = self.binding.as_ref().ok_or(ProofProblem::NotBoundSo)?;
        match bound.key.get() {
            Some((known, key)) if known == jwk => return Ok(Rc::clone(key)),
            _ => {}
        }
        let key =
            PublicKey::from_jwk(jwk).map_err(|error| ProofProblem::Key { problem: error.to_string() })?;
        if bound.binding.thumbprint() != Some(&key.thumbprint()) {
            return Err(ProofProblem::OtherKey);
        }
        Ok(Rc::new(key))
    }

    /// Keeps a key that a proof was verified with, for its next proofs: only who holds it says how it is spelt. Another spelling is rare: the
    /// first stays.
    pub(crate) fn keep_key(&self, jwk: Value, key: Rc<PublicKey>) {
        if let Some(bound) = &self.binding {
            bound.key.set((jwk, key)).ok();
        }
    }

    /// The OAuth client, as `claims.client` says.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// The identifier of the token, as `claims.token_id` says.
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

    /// Whether it is granted a scope: compared exactly (RFC 6749 §3.3), in an attenuated chain also by a wildcard above it.
    #[must_use]
    pub fn grants(&self, scope: &str) -> bool {
        match &self.authority {
            None => self.scopes.iter().any(|granted| granted == scope),
            Some(authority) => authority.grants(scope),
        }
    }

    /// What the last link of an attenuated chain grants; `None` for every other token.
    #[must_use]
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_deref()
    }

    /// The position of the last link of an attenuated chain; the root is at 0.
    #[must_use]
    pub fn last_link(&self) -> usize {
        let depth = self.claims.get("del_depth").and_then(Value::as_u64);
        depth.and_then(|depth| usize::try_from(depth).ok()).unwrap_or_default()
    }

    /// When it was issued, as `claims.issued_at` says.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.times.issued_at
    }

    /// `nbf`.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.times.not_before
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.times.expires_at
    }

    /// All claims, as the issuer signed them.
    #[must_use]
    pub fn claims(&self) -> &Value {
        &self.claims
    }

    /// All claims as JSON text, written once for a token however often it is used.
    #[must_use]
    pub fn claims_text(&self) -> &str {
        self.claims_text.get_or_init(|| self.claims.to_string())
    }
}
