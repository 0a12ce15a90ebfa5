//! The claims of a token, read from where its issuer's entry says that they are, each by the rules of its specification.

use super::binding::Binding;
use super::parsed::ParsedToken;
use crate::config::{ClaimPlaces, Issuer, Mark, Sign};
use crate::denial::{ClaimProblem, Denial, Evidence};
use crate::json::{Pointer, same_value};
use crate::time::UnixTime;
use crate::{limits, reason::Reason};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The claims of one token, as an issuer's entry reads them. Whether the issuer signed them is another question: decisions use
/// [`SignedToken`](crate::chain::SignedToken); a desk tool shows what would be read.
#[derive(Debug, Clone, Copy)]
pub struct ClaimReader<'a> {
    claims: &'a Map<String, Value>,
    issuer: &'a Issuer,
    access_token: bool,
}

/// When a token is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When it was issued; `None` if the token does not say so, and need not.
    pub issued_at: Option<UnixTime>,
    /// `nbf`.
    pub not_before: Option<UnixTime>,
    /// `exp`.
    pub expires_at: UnixTime,
}

impl<'a> ClaimReader<'a> {
    /// Of `token`, as `issuer` writes its claims.
    #[must_use]
    pub fn new(token: &'a ParsedToken, issuer: &'a Issuer) -> Self {
        let access_token = token.header().is_access_token();
        Self { claims: token.unverified_claims(), issuer, access_token }
    }

    /// All of them.
    #[must_use]
    pub fn claims(&self) -> &'a Map<String, Value> {
        self.claims
    }

    /// The entry by which they are read.
    #[must_use]
    pub fn issuer(&self) -> &'a Issuer {
        self.issuer
    }

    /// The issuer: `iss`, or the trust domain that `sub` is in. It is the namespace of every identity without one of its own.
    ///
    /// # Errors
    /// If it is not the issuer of the entry.
    pub fn issuer_name(&self) -> Result<&'a str, Denial> {
        let (found, name) = if self.issuer.is_trust_domain() {
            let sub = self.required("sub", self.identifier("sub")?)?;
            (self.issuer.trust_domain_of(sub), sub)
        } else {
            let iss = self.required("iss", self.identifier("iss")?)?;
            (Some(iss), iss)
        };
        match found {
            Some(found) if found == self.issuer.issuer => Ok(found),
            _ => Err(Denial::new(Reason::IssuerUnknown, Evidence::Issuer { unverified_iss: name.into() })),
        }
    }

    /// Checks the marks that a token of this issuer must have.
    ///
    /// # Errors
    /// As [`mark`](Self::mark), for the first that it lacks.
    pub fn marks(&self) -> Result<(), Denial> {
        self.issuer.claims.require.iter().try_for_each(|(pointer, mark)| self.mark(pointer, mark))
    }

    /// Checks one mark.
    ///
    /// # Errors
    /// [`Reason::ClaimMissing`] or [`Reason::ClaimInvalid`].
    pub fn mark(&self, pointer: &Pointer, mark: &Mark) -> Result<(), Denial> {
        let found = pointer.find(self.claims);
        if mark_holds(mark, found) {
            return Ok(());
        }
        let reason = if found.is_none() { Reason::ClaimMissing } else { Reason::ClaimInvalid };
        let found = found.map(|value| value.to_string().into());
        let evidence = Evidence::Mark { claim: pointer.to_string(), expected: describe(mark), found };
        Err(Denial::new(reason, evidence))
    }

    /// Checks that the token is meant for us (RFC 7519 §4.1.3): a string or an array of strings, compared exactly; one of ours
    /// must be among them.
    ///
    /// # Errors
    /// [`Reason::AudienceMismatch`], or what is wrong with the claim.
    pub fn audience(&self) -> Result<(), Denial> {
        let pointers = &self.issuer.claims.audience;
        let found = self.first(pointers);
        // Of a Workload Identity Token the proof has the audience; a token that has one of its own is for somebody else.
        if self.issuer.audiences.is_empty() && found.is_none() && self.issuer.is_wit() {
            return Ok(());
        }
        let (name, value) = found.ok_or_else(|| missing(pointers, "aud"))?;
        let refuse = |problem| Err(invalid(name.to_owned(), problem));
        let found: Vec<&str> = match value {
            Value::String(aud) => vec![aud],
            Value::Array(list) if list.len() > limits::AUDIENCES => {
                return refuse(ClaimProblem::TooMany { max: limits::AUDIENCES });
            }
            Value::Array(list) => match list.iter().map(Value::as_str).collect() {
                Some(texts) => texts,
                None => return refuse(ClaimProblem::Type),
            },
            _ => return refuse(ClaimProblem::Type),
        };
        let ours = &self.issuer.audiences;
        if found.iter().any(|aud| ours.iter().any(|our| our == aud)) {
            return Ok(());
        }
        let aud = found.into_iter().map(Into::into).collect();
        Err(Denial::new(Reason::AudienceMismatch, Evidence::Audience { expected: ours.clone(), aud }))
    }

    /// On whose behalf the token is, in the namespace of the issuer.
    ///
    /// # Errors
    /// If none of the claims is there, or the one that is has the wrong form.
    pub fn principal(&self) -> Result<Cow<'a, str>, Denial> {
        let alternatives = &self.issuer.claims.principal;
        let present =
            |joined: &&Vec<Pointer>| joined.iter().all(|pointer| pointer.find(self.claims).is_some());
        let joined = alternatives.iter().find(present).ok_or_else(|| {
            let absent = |pointer: &&Pointer| pointer.find(self.claims).is_none();
            let first = alternatives.iter().flatten().find(absent);
            invalid(first.map_or("sub", Pointer::name).to_owned(), ClaimProblem::Missing)
        })?;
        // Where any are joined, also a single one is escaped, so that no two principals are the same text.
        if let ([only], true) = (joined.as_slice(), alternatives.iter().all(|joined| joined.len() == 1)) {
            return self.text(only).map(Cow::Borrowed);
        }
        let mut principal = String::new();
        for pointer in joined {
            let part = self.text(pointer)?;
            let part = part.replace('%', "%25").replace('/', "%2F");
            principal.push_str(if principal.is_empty() { "" } else { "/" });
            principal.push_str(&part);
        }
        if principal.len() > limits::IDENTITY_BYTES {
            return Err(invalid(joined.first().map_or("sub", Pointer::name).to_owned(), ClaimProblem::Text));
        }
        Ok(Cow::Owned(principal))
    }

    /// The OAuth client.
    ///
    /// # Errors
    /// If it is missing and must not be, or has the wrong form.
    pub fn client(&self) -> Result<Option<&'a str>, Denial> {
        self.place(self.issuer.claims.client.as_ref(), "client_id")
    }

    /// The identifier of the token.
    ///
    /// # Errors
    /// If it is missing and must not be, or has the wrong form.
    pub fn token_id(&self) -> Result<Option<&'a str>, Denial> {
        self.place(self.issuer.claims.token_id.as_ref(), "jti")
    }

    /// When the token is valid (RFC 7519 §4.1.4 to §4.1.6), and that this is not for too long.
    ///
    /// # Errors
    /// If a date is missing or malformed, [`Reason::LifetimeTooLong`].
    pub fn times(&self) -> Result<Times, Denial> {
        let places = &self.issuer.claims.issued_at;
        let issued_at = match self.first(&places.pointers) {
            Some((name, value)) => Some(date(name, value)?),
            None if places.may_be_absent => None,
            None => return Err(missing(&places.pointers, "iat")),
        };
        let named = |name: &'static str| self.claims.get(name).map(|value| date(name, value)).transpose();
        let not_before = named("nbf")?;
        let expires_at = self.required("exp", named("exp")?)?;
        if let Some(issued_at) = issued_at {
            if expires_at <= issued_at {
                return Err(invalid("exp", ClaimProblem::NotAfterIssued));
            }
            self.lifetime(issued_at, expires_at)?;
        }
        Ok(Times { issued_at, not_before, expires_at })
    }

    /// Checks that a time is not longer than a token of this issuer may live.
    ///
    /// # Errors
    /// [`Reason::LifetimeTooLong`].
    pub fn lifetime(&self, from: UnixTime, expires_at: UnixTime) -> Result<(), Denial> {
        lifetime(self.issuer, from, expires_at)
    }

    /// The key that the token is bound to.
    ///
    /// # Errors
    /// [`Reason::ClaimInvalid`] if `cnf` has the wrong form; [`Reason::ClaimMissing`] if a Workload Identity Token has none.
    pub fn binding(&self) -> Result<Option<Binding>, Denial> {
        Binding::read(self.claims, self.issuer).map_err(|(claim, problem)| invalid(claim, problem))
    }

    /// The scope tokens (RFC 6749 §3.3) of all claims that carry them.
    ///
    /// # Errors
    /// If one of these claims is malformed, or there are too many scopes.
    pub fn scopes(&self) -> Result<Vec<String>, Denial> {
        let mut scopes = Vec::new();
        match &self.issuer.claims.scopes {
            // RFC 8693 §4.2: one string.
            None => match self.claims.get("scope") {
                Some(Value::String(text)) => add_words("scope", text, &mut scopes)?,
                Some(_) => return Err(invalid("scope", ClaimProblem::Type)),
                None => {}
            },
            Some(places) => {
                let found = places.iter().filter_map(|place| self.first(place));
                for (name, value) in found {
                    match value {
                        Value::String(text) => add_words(name, text, &mut scopes)?,
                        Value::Array(list) => {
                            for element in list {
                                let scope = element
                                    .as_str()
                                    .ok_or_else(|| invalid(name.to_owned(), ClaimProblem::Type))?;
                                // Such as a role with a space: no route can ask for it.
                                if is_scope(scope) {
                                    add_scope(name, scope, &mut scopes)?;
                                }
                            }
                        }
                        _ => return Err(invalid(name.to_owned(), ClaimProblem::Type)),
                    }
                }
                // Claims often repeat each other, `scope` and `permissions` for example. The first of each stays; there are at
                // most `limits::SCOPES`, so each is compared with each.
                let mut kept: Vec<String> = Vec::with_capacity(scopes.len());
                for scope in scopes {
                    if !kept.contains(&scope) {
                        kept.push(scope);
                    }
                }
                return Ok(kept);
            }
        }
        Ok(scopes)
    }

    /// Whether the conditions of `agent.when` hold.
    #[must_use]
    pub fn agent_condition(&self) -> bool {
        self.issuer.agent.when.iter().all(|(pointer, sign)| match (sign, pointer.find(self.claims)) {
            (_, None) => false,
            (Sign::Present, Some(_)) => true,
            (Sign::Word(word), Some(Value::String(text))) => text.split(' ').any(|found| found == word),
            (Sign::Word(word), Some(Value::Array(list))) => list.iter().any(|found| found == word),
            (Sign::Word(_), Some(_)) => false,
        })
    }

    fn identifier(&self, name: &'static str) -> Result<Option<&'a str>, Denial> {
        identifier_in(self.claims, name).map_err(|problem| invalid(name, problem))
    }

    fn required<T>(&self, name: &'static str, value: Option<T>) -> Result<T, Denial> {
        value.ok_or_else(|| invalid(name, ClaimProblem::Missing))
    }

    /// The claim at places that were named; else by the rule of RFC 9068: §2.2 says that an access token of that profile
    /// has `client_id` and `jti`.
    fn place(&self, places: Option<&ClaimPlaces>, name: &'static str) -> Result<Option<&'a str>, Denial> {
        let Some(places) = places else {
            let found = self.identifier(name)?;
            return if self.access_token { self.required(name, found).map(Some) } else { Ok(found) };
        };
        match places.pointers.iter().find(|pointer| pointer.find(self.claims).is_some()) {
            Some(pointer) => self.text(pointer).map(Some),
            None if places.may_be_absent => Ok(None),
            None => Err(missing(&places.pointers, name)),
        }
    }

    /// The first that is present, with its name.
    fn first<'p>(&self, pointers: &'p [Pointer]) -> Option<(&'p str, &'a Value)> {
        pointers.iter().find_map(|pointer| Some((pointer.name(), pointer.find(self.claims)?)))
    }

    fn text(&self, pointer: &Pointer) -> Result<&'a str, Denial> {
        let value = pointer.find(self.claims).ok_or(ClaimProblem::Missing);
        value.and_then(identifier_value).map_err(|problem| invalid(pointer.name().to_owned(), problem))
    }
}

/// Checks that a time is not longer than a token of the issuer may live.
pub(crate) fn lifetime(issuer: &Issuer, from: UnixTime, expires_at: UnixTime) -> Result<(), Denial> {
    if expires_at <= from.plus_secs(issuer.max_lifetime_s) {
        return Ok(());
    }
    let lifetime_s = expires_at.millis_since(from) / 1000;
    let evidence = Evidence::Lifetime { lifetime_s, max_lifetime_s: issuer.max_lifetime_s };
    Err(Denial::new(Reason::LifetimeTooLong, evidence))
}

fn invalid(claim: impl Into<Cow<'static, str>>, problem: ClaimProblem) -> Denial {
    let reason = match problem {
        ClaimProblem::Missing => Reason::ClaimMissing,
        _ => Reason::ClaimInvalid,
    };
    Denial::new(reason, Evidence::Claim { claim: claim.into(), problem })
}

/// None of these places has anything.
fn missing(places: &[Pointer], usual: &'static str) -> Denial {
    invalid(places.first().map_or(usual, Pointer::name).to_owned(), ClaimProblem::Missing)
}

/// A non-empty string within the limit and without control characters: it ends up in logs and headers.
pub(crate) fn identifier_in<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, ClaimProblem> {
    object.get(name).map(identifier_value).transpose()
}

fn identifier_value(value: &Value) -> Result<&str, ClaimProblem> {
    match value {
        Value::String(text) if is_identifier(text) => Ok(text),
        Value::String(_) => Err(ClaimProblem::Text),
        _ => Err(ClaimProblem::Type),
    }
}

fn is_identifier(s: &str) -> bool {
    !s.is_empty() && s.len() <= limits::IDENTITY_BYTES && !s.chars().any(char::is_control)
}

fn date(name: &str, value: &Value) -> Result<UnixTime, Denial> {
    UnixTime::from_numeric_date(value).ok_or_else(|| invalid(name.to_owned(), ClaimProblem::Date))
}

/// Scope tokens with one space between them; none in an empty text.
fn add_words(name: &str, text: &str, scopes: &mut Vec<String>) -> Result<(), Denial> {
    let words = text.split(' ').filter(|_| !text.is_empty());
    for word in words {
        add_scope(name, word, scopes)?;
    }
    Ok(())
}

fn add_scope(name: &str, scope: &str, scopes: &mut Vec<String>) -> Result<(), Denial> {
    if scopes.len() >= limits::SCOPES {
        return Err(invalid(name.to_owned(), ClaimProblem::TooMany { max: limits::SCOPES }));
    }
    if !is_scope(scope) {
        return Err(invalid(name.to_owned(), ClaimProblem::Scopes));
    }
    scopes.push(scope.to_owned());
    Ok(())
}

/// A scope-token (RFC 6749 §3.3).
fn is_scope(text: &str) -> bool {
    let valid = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.bytes().all(valid)
}

fn mark_holds(mark: &Mark, found: Option<&Value>) -> bool {
    match (mark, found) {
        (Mark::Present, found) => found.is_some(),
        (Mark::OneOf { or_absent, .. }, None) => *or_absent,
        (Mark::OneOf { values, .. }, Some(found)) => values.iter().any(|value| same_value(value, found)),
    }
}

fn describe(mark: &Mark) -> String {
    match mark {
        Mark::Present => "any value".to_owned(),
        Mark::OneOf { values, or_absent } => {
            let values = values.iter().map(Value::to_string);
            let words: Vec<String> = values.chain(or_absent.then(|| "absent".to_owned())).collect();
            words.join(" or ")
        }
    }
}
