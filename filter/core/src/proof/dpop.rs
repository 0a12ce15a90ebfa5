//! DPoP proofs (RFC 9449): a JWT that the sender signed for this request, with the key that its token is bound to.
//!
//! The steps are those of §4.3. What is cheap comes first, so the signature is the last: until then nothing but the token's issuer and
//! the thumbprint in the token say anything about the sender.

use super::nonce::{Age, NonceKey};
use super::{Asked, date, text};
use crate::algorithm::Algorithm;
use crate::chain::SignedToken;
use crate::config::NonceMode;
use crate::denial::{ClaimProblem, Denial, Evidence, ProofProblem, UnixMillis};
use crate::http::Scheme;
use crate::proof_kind::ProofKind;
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::{ParsedToken, digest};
use serde_json::{Map, Value};

/// `typ` of a proof (§4.2).
const TYPE: &str = "dpop+jwt";

/// A proof of the sender of a request, which came with it.
pub(super) struct Proof<'a> {
    pub(super) token: &'a SignedToken,
    pub(super) asked: &'a Asked<'a>,
}

/// A proof that holds, and is still to be used.
pub(super) struct Proven {
    /// `jti`.
    pub(super) id: String,
    /// From when on its `iat` is too long ago.
    pub(super) until: UnixTime,
    pub(super) is_nonce_old: bool,
}

impl Proof<'_> {
    /// Checks everything but that the proof is used for the first time.
    pub(super) fn check(&self, nonces: &NonceKey) -> Result<Proven, Denial> {
        let invalid = |problem| denial(Reason::ProofInvalid, problem);
        if self.asked.sent.credential.scheme() != Scheme::Dpop {
            return Err(denial(Reason::ProofRequired, ProofProblem::Scheme));
        }
        let proof = self.asked.sent.head.dpop().map_err(invalid)?;
        let proof = proof.ok_or_else(|| denial(Reason::ProofRequired, ProofProblem::Absent))?;
        let proof = std::str::from_utf8(proof).map_err(|_| invalid(ProofProblem::NotText))?;
        let (proof, jwk) =
            ParsedToken::parse_proof(proof).map_err(|problem| invalid(ProofProblem::Malformed(problem)))?;
        if !proof.is_of_type(TYPE) {
            return Err(invalid(ProofProblem::Type { expected: TYPE }));
        }
        let algorithm = self.algorithm(&proof).map_err(invalid)?;
        let claims = proof.unverified_claims();
        let id = text(claims, "jti").map_err(invalid)?;
        let method = text(claims, "htm").map_err(invalid)?;
        let address = text(claims, "htu").map_err(invalid)?;
        if method != self.asked.sent.head.method() {
            return Err(invalid(ProofProblem::Method));
        }
        super::address::check(ProofKind::Dpop, address, self.asked.sent, self.asked.settings)?;
        let token_digest = text(claims, "ath").map_err(invalid)?;
        if digest(token_digest) != Some(self.token.digest(self.asked.sent.credential.bytes())) {
            return Err(invalid(ProofProblem::TokenDigest));
        }
        let until = self.time(claims)?;
        let age = self.nonce(claims, nonces)?;
        let jwk = jwk.ok_or_else(|| invalid(ProofProblem::Key { problem: "is missing".to_owned() }))?;
        let key = self.token.bound_key(&jwk).map_err(invalid)?;
        self.asked.signature(ProofKind::Dpop, &proof, &key, algorithm)?;
        self.token.keep_key(jwk, key);
        Ok(Proven { id: id.to_owned(), until, is_nonce_old: age == Age::Old })
    }

    /// Step 5.
    fn algorithm(&self, proof: &ParsedToken) -> Result<Algorithm, ProofProblem> {
        let accepted = &self.asked.settings.dpop.algorithms;
        proof.header().algorithm.filter(|algorithm| accepted.contains(algorithm)).ok_or_else(|| {
            let names: Vec<&str> = accepted.iter().map(|algorithm| algorithm.name()).collect();
            ProofProblem::Algorithm { accepted: names.join(", ") }
        })
    }

    /// Step 11. Gives from when on the proof would be too old.
    fn time(&self, claims: &Map<String, Value>) -> Result<UnixTime, Denial> {
        let missing = ProofProblem::Claim { claim: "iat", problem: ClaimProblem::Missing };
        let iat = date(claims, "iat").and_then(|iat| iat.ok_or(missing));
        let iat = iat.map_err(|problem| denial(Reason::ProofInvalid, problem))?;
        let window_s = self.asked.settings.dpop.window_s;
        let until = iat.plus_secs(window_s);
        if self.asked.now <= until && iat <= self.asked.now.plus_secs(window_s) {
            return Ok(until);
        }
        let (iat_ms, now_ms) = (UnixMillis(iat), UnixMillis(self.asked.now));
        let evidence = Evidence::ProofTime { proof: ProofKind::Dpop, iat_ms, now_ms, window_s };
        Err(Denial::new(Reason::ProofInvalid, evidence))
    }

    /// Step 10.
    fn nonce(&self, claims: &Map<String, Value>, nonces: &NonceKey) -> Result<Age, Denial> {
        if self.asked.settings.dpop.nonce == NonceMode::None {
            return Ok(Age::Fresh);
        }
        let required = |problem| denial(Reason::ProofNonceRequired, problem);
        match claims.get("nonce") {
            None => Err(required(ProofProblem::NonceAbsent)),
            Some(Value::String(nonce)) => {
                let lifetime_s = self.asked.settings.dpop.nonce_lifetime_s;
                nonces.check(nonce, lifetime_s, self.asked.now).map_err(required)
            }
            Some(_) => Err(required(ProofProblem::NonceUnknown)),
        }
    }
}

fn denial(reason: Reason, problem: ProofProblem) -> Denial {
    super::denial(reason, Some(ProofKind::Dpop), problem)
}
