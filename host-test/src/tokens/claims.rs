//! What a token says, from the ordinary to the absurd.

use jwt_simple::claims::JWTClaims;
use jwt_simple::prelude::*;
use serde_json::{Map, Value, json};

use super::TokenError;
use super::key::{KeyPair, SigningKey, each_pair};
use super::raw::sign_raw;

/// The media type of access tokens in `typ` (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// One actor of a delegation chain: an `act` object (RFC 8693 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Who vouches for the actor; left out of the object when `None`.
    pub iss: Option<String>,
    /// The actor's name with that issuer.
    pub sub: String,
    /// What kind of entity it is (OAuth actor profile); left out of the object when `None`.
    pub sub_profile: Option<String>,
}

impl Hop {
    /// An actor with an issuer of its own.
    #[must_use]
    pub fn new(iss: &str, sub: &str) -> Self {
        Self { iss: Some(iss.to_owned()), sub: sub.to_owned(), sub_profile: None }
    }

    /// An actor without `iss`, which takes the token's issuer.
    #[must_use]
    pub fn bare(sub: &str) -> Self {
        Self { iss: None, sub: sub.to_owned(), sub_profile: None }
    }
}

impl From<(&str, &str)> for Hop {
    fn from((iss, sub): (&str, &str)) -> Self {
        Self::new(iss, sub)
    }
}

/// The payload of a token: any members in any JSON type, with names for the usual ones.
///
/// Times are Unix seconds and signed, because a test may want a negative one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// No claims at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Any claim, replacing one of the same name. The usual claims may be given odd types this way.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a claim away again.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// `iss`.
    #[must_use]
    pub fn issuer(self, iss: &str) -> Self {
        self.claim("iss", iss)
    }

    /// `aud` as one string.
    #[must_use]
    pub fn audience(self, aud: &str) -> Self {
        self.claim("aud", aud)
    }

    /// `aud` as an array, in this order.
    #[must_use]
    pub fn audiences(self, aud: &[&str]) -> Self {
        self.claim("aud", json!(aud))
    }

    /// `sub`: the principal.
    #[must_use]
    pub fn subject(self, sub: &str) -> Self {
        self.claim("sub", sub)
    }

    /// `client_id` (RFC 9068 §2.2).
    #[must_use]
    pub fn client_id(self, id: &str) -> Self {
        self.claim("client_id", id)
    }

    /// `scope`: names separated by spaces.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// `iat`, Unix seconds.
    #[must_use]
    pub fn issued_at(self, seconds: i64) -> Self {
        self.claim("iat", seconds)
    }

    /// `nbf`, Unix seconds.
    #[must_use]
    pub fn not_before(self, seconds: i64) -> Self {
        self.claim("nbf", seconds)
    }

    /// `exp`, Unix seconds.
    #[must_use]
    pub fn expires_at(self, seconds: i64) -> Self {
        self.claim("exp", seconds)
    }

    /// `iat` and `nbf` at `now`, `exp` so many seconds later.
    #[must_use]
    pub fn valid_from(self, now: i64, lifetime: i64) -> Self {
        self.issued_at(now).not_before(now).expires_at(now.saturating_add(lifetime))
    }

    /// `jti`.
    #[must_use]
    pub fn id(self, jti: &str) -> Self {
        self.claim("jti", jti)
    }

    /// `act` from the hops, oldest first. The current actor comes out outermost and the oldest innermost
    /// (RFC 8693 §4.1). No hops: no `act`.
    #[must_use]
    pub fn delegation<H: Into<Hop>>(self, hops: impl IntoIterator<Item = H>) -> Self {
        let mut act: Option<Value> = None;
        for hop in hops {
            let hop = hop.into();
            let mut object = Map::new();
            if let Some(iss) = hop.iss {
                object.insert("iss".to_owned(), Value::String(iss));
            }
            object.insert("sub".to_owned(), Value::String(hop.sub));
            if let Some(sub_profile) = hop.sub_profile {
                object.insert("sub_profile".to_owned(), Value::String(sub_profile));
            }
            if let Some(earlier) = act.take() {
                object.insert("act".to_owned(), earlier);
            }
            act = Some(Value::Object(object));
        }
        match act {
            Some(act) => self.claim("act", act),
            None => self.without("act"),
        }
    }

    /// The payload as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

/// A token in the making: claims, and what its header says.
///
/// By default the header has `typ: at+jwt`, the key's `alg` and `kid`, and `jwt-simple` mints the token.
/// A header that the library would not write (no `typ`, no `kid`, further members) is signed raw.
#[derive(Debug, Clone)]
pub struct TokenBuilder {
    claims: Claims,
    typ: Option<String>,
    members: Map<String, Value>,
    removed: Vec<String>,
}

impl TokenBuilder {
    /// A token with these claims and the default header.
    #[must_use]
    pub fn new(claims: Claims) -> Self {
        Self { claims, typ: Some(ACCESS_TOKEN.to_owned()), members: Map::new(), removed: Vec::new() }
    }

    /// `typ`; `None` leaves it out.
    #[must_use]
    pub fn typ(mut self, typ: Option<&str>) -> Self {
        self.typ = typ.map(str::to_owned);
        self
    }

    /// A header member, replacing the default of that name.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// A header without this member.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.removed.push(name.to_owned());
        self
    }

    /// The header for this key.
    #[must_use]
    pub fn to_header(&self, key: &SigningKey) -> Value {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(key.algorithm().name()));
        header.insert("kid".to_owned(), json!(key.kid()));
        if let Some(typ) = &self.typ {
            header.insert("typ".to_owned(), json!(typ));
        }
        header.extend(self.members.clone());
        header.retain(|name, _| !self.removed.contains(name));
        Value::Object(header)
    }

    /// The signed token in compact form.
    ///
    /// # Errors
    /// [`TokenError::Sign`] when the library cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String, TokenError> {
        let plain = self.typ.is_some() && self.members.is_empty() && self.removed.is_empty();
        if !plain {
            return sign_raw(key, &self.to_header(key), self.claims.to_json().to_string().as_bytes());
        }
        let options = HeaderOptions { signature_type: self.typ.clone(), ..HeaderOptions::default() };
        let claims = library_claims(self.claims.0.clone());
        each_pair!(&key.pair, pair => pair.sign_with_options(claims, &options))
            .map_err(|error| TokenError::Sign { algorithm: key.algorithm(), detail: error.to_string() })
    }
}

/// All claims travel as custom ones: the library's own fields hold neither an ordered `aud` nor odd types.
fn library_claims(custom: Map<String, Value>) -> JWTClaims<Map<String, Value>> {
    JWTClaims {
        issued_at: None,
        expires_at: None,
        invalid_before: None,
        issuer: None,
        subject: None,
        audiences: None,
        jwt_id: None,
        nonce: None,
        custom,
    }
}
