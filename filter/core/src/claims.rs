//! A token whose signature was verified under its issuer's key, and what it says, checked for shape.
//!
//! Everything that depends only on the token and its issuer's entry is settled here, once; what depends on the time
//! or the route is settled on every request ([`chain`](crate::chain)). So a [`SignedToken`] may be kept and used again.

use crate::algorithm::Algorithm;
use crate::config::{Issuer, same_token_type};
use crate::denial::{ClaimProblem, Denial, Evidence};
use crate::keys::PublicKey;
use crate::labels::Labels;
use crate::signature::SignatureVerifier;
use crate::time::UnixTime;
use crate::token::ParsedToken;
use crate::{limits, reason::Reason};
use serde_json::{Map, Value};
use std::cell::OnceCell;

/// One `act` object: who acted. The pair is the identity; neither half is one alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The namespace of `subject`: `act.iss`, or the token's `iss` for a principal or a hop without one.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
}

/// A token whose signature is its issuer's, meant for us, with claims of the right shape. Not yet: in time, and
/// allowed to do anything.
#[derive(Debug)]
pub struct SignedToken {
    issuer_index: usize,
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
    labels: OnceCell<Labels>,
}

impl SignedToken {
    /// Checks that `token` may come from `issuer` at all, before a key is looked for: its kind and its algorithm.
    ///
    /// # Errors
    /// [`Reason::TokenType`], [`Reason::AlgorithmNotAllowed`].
    pub fn precheck(token: &ParsedToken, issuer: &Issuer) -> Result<Algorithm, Denial> {
        let header = token.header();
        let unverified_iss = || token.unverified_issuer().unwrap_or_default().into();
        if !header.type_is_one_of(&issuer.token_types) {
            let evidence = Evidence::TokenType {
                unverified_typ: header.typ.as_ref().map(Into::into),
                accepted: issuer.token_types.clone(),
                unverified_iss: unverified_iss(),
            };
            return Err(Denial::new(Reason::TokenType, evidence));
        }
        header.algorithm.filter(|algorithm| issuer.algorithms.contains(algorithm)).ok_or_else(|| {
            let evidence = Evidence::Algorithm {
                unverified_alg: (&header.alg).into(),
                accepted: issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect(),
                unverified_iss: unverified_iss(),
            };
            Denial::new(Reason::AlgorithmNotAllowed, evidence)
        })
    }

    /// Verifies `token` under `key`, then reads its claims by the rules of its kind (RFC 9068 §2.2 and §4).
    ///
    /// # Errors
    /// The first rule that the token breaks; [`Reason::Internal`] if the verifier failed.
    pub fn verify(
        token: ParsedToken,
        issuer_index: usize,
        issuer: &Issuer,
        key: &PublicKey,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Self, Denial> {
        let algorithm = Self::precheck(&token, issuer)?;
        let evidence = || Evidence::Key {
            unverified_kid: token.header().kid.as_ref().map(Into::into),
            algorithm: algorithm.name(),
            unverified_iss: token.unverified_issuer().unwrap_or_default().into(),
        };
        if !key.serves(algorithm) {
            return Err(Denial::new(Reason::KeyUnknown, evidence()));
        }
        match verifier.verify(key, algorithm, token.signing_input(), token.signature()) {
            Ok(true) => {}
            Ok(false) => return Err(Denial::new(Reason::SignatureInvalid, evidence())),
            Err(_) => return Err(Reason::Internal.into()),
        }
        let access_token = token.header().typ.as_deref().is_some_and(|t| same_token_type(t, "at+jwt"));
        let key_id = token.header().kid.clone();
        Self::read(token.into_claims(), key_id, issuer_index, issuer, access_token)
    }

    fn read(
        claims: Map<String, Value>,
        key_id: Option<String>,
        issuer_index: usize,
        issuer: &Issuer,
        access_token: bool,
    ) -> Result<Self, Denial> {
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
            issuer_index,
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
            labels: OnceCell::new(),
        })
    }

    /// Which entry of the configuration's `issuers` verified the token.
    #[must_use]
    pub fn issuer_index(&self) -> usize {
        self.issuer_index
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
    pub fn labels(&self) -> &Labels {
        self.labels.get_or_init(|| Labels::new(&self.principal, &self.hops))
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

/// A chain is bounded by [`limits::JSON_DEPTH`] and looked at once per token, so each is compared with each.
fn has_cycle(principal: &Identity, hops: &[Identity]) -> bool {
    hops.iter()
        .enumerate()
        .any(|(i, hop)| hop == principal || hops.iter().skip(i + 1).any(|later| later == hop))
}

fn invalid(claim: &'static str, problem: ClaimProblem) -> Denial {
    let reason = match problem {
        ClaimProblem::Missing => Reason::ClaimMissing,
        _ => Reason::ClaimInvalid,
    };
    Denial::new(reason, Evidence::Claim { claim, problem })
}

fn required<T>(claim: &'static str, value: Option<T>) -> Result<T, Denial> {
    value.ok_or_else(|| invalid(claim, ClaimProblem::Missing))
}

fn identifier<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, Denial> {
    identifier_in(claims, name).map_err(|problem| invalid(name, problem))
}

/// A non-empty string within the limit and without control characters: it ends up in logs and headers.
fn identifier_in<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, ClaimProblem> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(s)) if is_identifier(s) => Ok(Some(s)),
        Some(Value::String(_)) => Err(ClaimProblem::Text),
        Some(_) => Err(ClaimProblem::Type),
    }
}

fn is_identifier(s: &str) -> bool {
    !s.is_empty() && s.len() <= limits::IDENTITY_BYTES && !s.chars().any(char::is_control)
}

fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<UnixTime>, Denial> {
    let read = |value| UnixTime::from_numeric_date(value).ok_or_else(|| invalid(name, ClaimProblem::Date));
    claims.get(name).map(read).transpose()
}

/// RFC 7519 §4.1.3: a string or an array of strings, compared exactly; one of ours must be among them.
fn audience(claims: &Map<String, Value>, ours: &[String]) -> Result<(), Denial> {
    let found: Vec<&str> = match required("aud", claims.get("aud"))? {
        Value::String(aud) => vec![aud],
        Value::Array(list) if list.len() > limits::AUDIENCES => {
            return Err(invalid("aud", ClaimProblem::TooMany { max: limits::AUDIENCES }));
        }
        Value::Array(list) => {
            let texts: Option<_> = list.iter().map(Value::as_str).collect();
            texts.ok_or_else(|| invalid("aud", ClaimProblem::Type))?
        }
        _ => return Err(invalid("aud", ClaimProblem::Type)),
    };
    if found.iter().any(|aud| ours.iter().any(|our| our == aud)) {
        return Ok(());
    }
    let aud = found.into_iter().map(Into::into).collect();
    Err(Denial::new(Reason::AudienceMismatch, Evidence::Audience { expected: ours.to_vec(), aud }))
}

/// RFC 8693 §4.1: the outermost `act` is the current actor, the deepest the oldest. Other members of an `act` (`exp`,
/// `nbf`, `aud` among them) mean nothing there. `may_act` (§4.4) is for the authorization server and is not read.
fn hops(claims: &Map<String, Value>, token_issuer: &str) -> Result<Vec<Identity>, Denial> {
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

/// RFC 8693 §4.2 and RFC 6749 §3.3: scope tokens with one space between them.
fn scopes(claims: &Map<String, Value>) -> Result<Vec<String>, Denial> {
    let scope = match claims.get("scope") {
        None => return Ok(Vec::new()),
        Some(Value::String(s)) if s.is_empty() => return Ok(Vec::new()),
        Some(Value::String(s)) => s,
        Some(_) => return Err(invalid("scope", ClaimProblem::Type)),
    };
    let scopes: Vec<String> = scope.split(' ').take(limits::SCOPES + 1).map(str::to_owned).collect();
    if scopes.len() > limits::SCOPES {
        return Err(invalid("scope", ClaimProblem::TooMany { max: limits::SCOPES }));
    }
    let valid =
        |s: &String| !s.is_empty() && s.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if !scopes.iter().all(valid) {
        return Err(invalid("scope", ClaimProblem::Scopes));
    }
    Ok(scopes)
}
