//! A credential's bytes, taken apart: nothing here is trusted yet.
//!
//! ```text
//! token     = header "." claims "." signature     ; RFC 7515 §7.1, compact serialisation
//! header    = BASE64URL(UTF8(JSON object))        ; no padding, no white space, no stray bits
//! claims    = BASE64URL(UTF8(JSON object))
//! signature = *BASE64URL                          ; may be empty, then its algorithm is refused
//! ```

use crate::algorithm::Algorithm;
use crate::config::{Issuer, same_token_type};
use crate::denial::{ClaimProblem, Denial, Evidence, TokenProblem};
use crate::json::JsonError;
use crate::{json, limits, reason::Reason, workload};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// A compact JWS within the limits, its header and claims read as strict JSON. Not verified.
#[derive(Debug)]
pub struct ParsedToken {
    /// Bytes of `token` up to the second dot: what the signature covers.
    signing_input_len: usize,
    token: String,
    signature: Vec<u8>,
    header: JoseHeader,
    claims: Map<String, Value>,
}

/// The members of the JOSE header that decide something. `jku`, `jwk`, `x5u` and `x5c` are never followed (RFC 8725 §3.10).
#[derive(Debug)]
pub struct JoseHeader {
    /// `alg`; `None` if it is not one that this program knows (`none` and HMAC among them).
    pub algorithm: Option<Algorithm>,
    /// `alg` as written.
    pub alg: String,
    /// `typ` as written.
    pub typ: Option<String>,
    /// `kid` as written.
    pub kid: Option<String>,
}

impl ParsedToken {
    /// Reads a compact JWS of at most [`limits::TOKEN_BYTES`].
    ///
    /// # Errors
    /// As [`parse_within`](Self::parse_within).
    pub fn parse(token: &str) -> Result<Self, Denial> {
        Self::parse_within(token, limits::TOKEN_BYTES)
    }

    /// Reads a compact JWS of at most `max` bytes.
    ///
    /// # Errors
    /// [`Reason::TokenTooLarge`] for more, [`Reason::TokenMalformed`] for anything else that is not exactly the grammar above,
    /// repeats a member, or names a critical extension: none is understood here (RFC 7515 §4.1.11).
    pub fn parse_within(token: &str, max: usize) -> Result<Self, Denial> {
        no_longer_than(max, token)?;
        Self::read(token).map_err(|problem| Denial::new(Reason::TokenMalformed, Evidence::Token { problem }))
    }

    /// Reads a proof of possession of at most [`limits::PROOF_BYTES`]: a compact JWS whose header may hold the key that made it. Such a key
    /// proves nothing by itself (RFC 8725 §3.10): it must be the one that a verified token is bound to.
    ///
    /// # Errors
    /// As [`parse_within`](Self::parse_within), as far as the grammar is concerned.
    pub fn parse_proof(proof: &str) -> Result<(Self, Option<Value>), TokenProblem> {
        if proof.len() > limits::PROOF_BYTES {
            return Err(TokenProblem::TooLarge { bytes: proof.len(), max: limits::PROOF_BYTES });
        }
        let (proof, mut header) = Self::read_within(proof, limits::PROOF_VALUES)?;
        Ok((proof, header.remove("jwk")))
    }

    fn read(token: &str) -> Result<Self, TokenProblem> {
        Self::read_within(token, limits::TOKEN_VALUES).map(|(token, _)| token)
    }

    /// With the members of its header.
    fn read_within(token: &str, values: usize) -> Result<(Self, Map<String, Value>), TokenProblem> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenProblem::Parts { parts: token.split('.').count() });
        };
        let signing_input_len = header.len() + 1 + claims.len();
        let members = object(header, "header", values)?;
        let header = JoseHeader::read(&members)?;
        let claims = object(claims, "claims", values)?;
        let signature = base64url(signature, "signature")?;
        Ok((Self { signing_input_len, token: token.to_owned(), signature, header, claims }, members))
    }

    /// The token as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// The JOSE header.
    #[must_use]
    pub fn header(&self) -> &JoseHeader {
        &self.header
    }

    /// What the signature covers (RFC 7515 §5.2 step 8).
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.token.as_bytes().get(..self.signing_input_len).unwrap_or_default()
    }

    /// The decoded signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// `iss`, unverified: good for finding the entry whose keys then verify it, and for nothing else.
    ///
    /// # Errors
    /// [`Reason::ClaimMissing`] if absent, [`Reason::ClaimInvalid`] if it is no string.
    pub fn unverified_issuer(&self) -> Result<&str, Denial> {
        let refuse =
            |reason, problem| Err(Denial::new(reason, Evidence::Claim { claim: "iss".into(), problem }));
        match self.claims.get("iss") {
            None => refuse(Reason::ClaimMissing, ClaimProblem::Missing),
            Some(Value::String(iss)) => Ok(iss),
            Some(_) => refuse(Reason::ClaimInvalid, ClaimProblem::Type),
        }
    }

    /// The trust domain of `sub`, unverified, if it is the id of a workload: good for the same.
    #[must_use]
    pub fn unverified_trust_domain(&self) -> Option<&str> {
        workload::trust_domain(self.claims.get("sub")?.as_str()?)
    }

    /// Checks that the token may come from `issuer` at all, before a key is looked for: its length, its kind and its algorithm.
    /// Gives the algorithm.
    ///
    /// # Errors
    /// [`Reason::TokenTooLarge`], [`Reason::TokenType`], [`Reason::AlgorithmNotAllowed`]; [`Reason::KeyUnknown`] if it must name
    /// its key and does not.
    pub fn algorithm_for(&self, issuer: &Issuer) -> Result<Algorithm, Denial> {
        no_longer_than(issuer.token_bytes, &self.token)?;
        let header = &self.header;
        let unverified_iss = || self.unverified_issuer().unwrap_or_default().into();
        if !header.type_is_one_of(&issuer.token_types) {
            let evidence = Evidence::TokenType {
                unverified_typ: header.typ.as_ref().map(Into::into),
                accepted: issuer.token_types.clone(),
                unverified_iss: unverified_iss(),
            };
            return Err(Denial::new(Reason::TokenType, evidence));
        }
        let algorithm =
            header.algorithm.filter(|algorithm| issuer.algorithms.contains(algorithm)).ok_or_else(|| {
                let evidence = Evidence::Algorithm {
                    unverified_alg: (&header.alg).into(),
                    accepted: issuer.algorithms.iter().map(|algorithm| algorithm.name()).collect(),
                    unverified_iss: unverified_iss(),
                };
                Denial::new(Reason::AlgorithmNotAllowed, evidence)
            })?;
        // WIT-SVID §2.1.
        if header.kid.is_none() && issuer.is_wit() && issuer.is_spiffe() {
            return Err(Denial::new(Reason::KeyUnknown, self.key_evidence(algorithm)));
        }
        Ok(algorithm)
    }

    /// What an audit record says of the key that the token names for `algorithm`.
    #[must_use]
    pub fn key_evidence(&self, algorithm: Algorithm) -> Evidence {
        Evidence::Key {
            unverified_kid: self.header.kid.as_ref().map(Into::into),
            algorithm: algorithm.name(),
            unverified_iss: self.unverified_issuer().unwrap_or_default().into(),
        }
    }

    /// The claims, for reading without a verified signature: a desk tool that shows a token. Decisions use
    /// [`SignedToken`](crate::chain::SignedToken).
    #[must_use]
    pub fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Whether `typ` is this media type (RFC 7515 §4.1.9).
    #[must_use]
    pub fn is_of_type(&self, expected: &str) -> bool {
        self.header.typ.as_deref().is_some_and(|typ| same_token_type(typ, expected))
    }

    pub(crate) fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

impl JoseHeader {
    fn read(header: &Map<String, Value>) -> Result<Self, TokenProblem> {
        let text = |name: &'static str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s.as_str())),
            Some(_) => Err(TokenProblem::Member { name }),
        };
        // RFC 7515 §4.1.11: an extension named in `crit` must be understood, and an empty list is not allowed either.
        // RFC 7797 §6: `b64` may only be used together with `crit`.
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(TokenProblem::Critical);
        }
        let alg = text("alg")?.ok_or(TokenProblem::Member { name: "alg" })?;
        let kid = text("kid")?;
        if kid.is_some_and(|kid| kid.len() > limits::KID_BYTES) {
            return Err(TokenProblem::Member { name: "kid" });
        }
        Ok(Self {
            algorithm: Algorithm::from_name(alg),
            alg: alg.to_owned(),
            typ: text("typ")?.map(str::to_owned),
            kid: kid.map(str::to_owned),
        })
    }

    /// Whether `typ` is one of `accepted`, compared as media types (RFC 7515 §4.1.9). `None` among them is a header without `typ`.
    #[must_use]
    pub fn type_is_one_of(&self, accepted: &[Option<String>]) -> bool {
        accepted.iter().any(|accepted| match (&self.typ, accepted) {
            (Some(typ), Some(accepted)) => same_token_type(typ, accepted),
            (None, None) => true,
            _ => false,
        })
    }

    /// Whether `typ` says that it is an access token of RFC 9068 (§2.1).
    #[must_use]
    pub fn is_access_token(&self) -> bool {
        self.typ.as_deref().is_some_and(|typ| same_token_type(typ, "at+jwt"))
    }
}

fn no_longer_than(max: usize, token: &str) -> Result<(), Denial> {
    if token.len() <= max {
        return Ok(());
    }
    let problem = TokenProblem::TooLarge { bytes: token.len(), max };
    Err(Denial::new(Reason::TokenTooLarge, Evidence::Token { problem }))
}

fn base64url(text: &str, part: &'static str) -> Result<Vec<u8>, TokenProblem> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenProblem::Base64 { part })
}

fn object(text: &str, part: &'static str, values: usize) -> Result<Map<String, Value>, TokenProblem> {
    let bytes = base64url(text, part)?;
    match json::parse_within(&bytes, limits::JSON_DEPTH, values) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(TokenProblem::NotObject { part }),
        Err(JsonError::DuplicateMember { .. }) => Err(TokenProblem::Duplicate { part }),
        Err(error) => Err(TokenProblem::Json { part, error }),
    }
}
