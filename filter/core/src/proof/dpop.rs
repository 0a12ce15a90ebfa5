//! DPoP proofs (RFC 9449): a JWT that the sender signed for this request, with the key that its token is bound to.
//!
//! The steps are those of §4.3. What is cheap comes first, so the signature is the last: until then nothing but the token's issuer and
//! the thumbprint in the token say anything about the sender.

use super::Sent;
use super::nonce::{Age, NonceKey};
use crate::algorithm::Algorithm;
use crate::chain::SignedToken;
use crate::config::{NonceMode, Proofs};
use crate::denial::{ClaimProblem, Denial, Evidence, ProofProblem, UnixMillis};
use crate::http::Scheme;
use crate::keys::{PublicKey, SignatureVerifier};
use crate::proof_kind::ProofKind;
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::claims::identifier_in;
use crate::token::{ParsedToken, digest};
use serde_json::{Map, Value};

/// `typ` of a proof (§4.2).
const TYPE: &str = "dpop+jwt";

/// What a proof is compared with.
pub(super) struct Proof<'a> {
    pub(super) token: &'a SignedToken,
    pub(super) sent: Sent<'a>,
    pub(super) settings: &'a Proofs,
    pub(super) verifier: &'a (dyn SignatureVerifier + 'a),
    pub(super) now: UnixTime,
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
        if self.sent.credential.scheme() != Scheme::Dpop {
            return Err(denial(Reason::ProofRequired, ProofProblem::Scheme));
        }
        let proof = self.sent.head.dpop().map_err(invalid)?;
        let proof = proof.ok_or_else(|| denial(Reason::ProofRequired, ProofProblem::Absent))?;
        let proof = std::str::from_utf8(proof).map_err(|_| invalid(ProofProblem::NotText))?;
        let (proof, jwk) =
            ParsedToken::parse_proof(proof).map_err(|problem| invalid(ProofProblem::Malformed(problem)))?;
        if !proof.is_of_type(TYPE) {
            return Err(invalid(ProofProblem::Type { expected: TYPE }));
        }
        let algorithm = self.algorithm(&proof).map_err(invalid)?;
        let claims = proof.unverified_claims();
        let id = required(claims, "jti").map_err(invalid)?;
        let method = required(claims, "htm").map_err(invalid)?;
        let address = required(claims, "htu").map_err(invalid)?;
        if method != self.sent.head.method() {
            return Err(invalid(ProofProblem::Method));
        }
        super::address::check(ProofKind::Dpop, address, self.sent, self.settings)?;
        let token_digest = required(claims, "ath").map_err(invalid)?;
        if digest(token_digest) != Some(self.token.digest(self.sent.credential.bytes())) {
            return Err(invalid(ProofProblem::TokenDigest));
        }
        let until = self.time(claims)?;
        let age = self.nonce(claims, nonces)?;
        let jwk = jwk.ok_or_else(|| invalid(ProofProblem::Key { problem: "is missing".to_owned() }))?;
        let key = self.token.bound_key(&jwk).map_err(invalid)?;
        self.signature(&proof, &key, algorithm)?;
        self.token.keep_key(jwk, key);
        Ok(Proven { id: id.to_owned(), until, is_nonce_old: age == Age::Old })
    }

    /// Step 5.
    fn algorithm(&self, proof: &ParsedToken) -> Result<Algorithm, ProofProblem> {
        let accepted = &self.settings.dpop.algorithms;
        proof.header().algorithm.filter(|algorithm| accepted.contains(algorithm)).ok_or_else(|| {
            let names: Vec<&str> = accepted.iter().map(|algorithm| algorithm.name()).collect();
            ProofProblem::Algorithm { accepted: names.join(", ") }
        })
    }

    /// Step 11. Gives from when on the proof would be too old.
    fn time(&self, claims: &Map<String, Value>) -> Result<UnixTime, Denial> {
        let claim = |problem| denial(Reason::ProofInvalid, ProofProblem::Claim { claim: "iat", problem });
        let iat = claims.get("iat").ok_or_else(|| claim(ClaimProblem::Missing))?;
        let iat = UnixTime::from_numeric_date(iat).ok_or_else(|| claim(ClaimProblem::Date))?;
        let window_s = self.settings.dpop.window_s;
        let until = iat.plus_secs(window_s);
        if self.now <= until && iat <= self.now.plus_secs(window_s) {
            return Ok(until);
        }
        let (iat_ms, now_ms) = (UnixMillis(iat), UnixMillis(self.now));
        let evidence = Evidence::ProofTime { proof: ProofKind::Dpop, iat_ms, now_ms, window_s };
        Err(Denial::new(Reason::ProofInvalid, evidence))
    }

    /// Step 10.
    fn nonce(&self, claims: &Map<String, Value>, nonces: &NonceKey) -> Result<Age, Denial> {
        if self.settings.dpop.nonce == NonceMode::None {
            return Ok(Age::Fresh);
        }
        let required = |problem| denial(Reason::ProofNonceRequired, problem);
        match claims.get("nonce") {
            None => Err(required(ProofProblem::NonceAbsent)),
            Some(Value::String(nonce)) => {
                let lifetime_s = self.settings.dpop.nonce_lifetime_s;
                nonces.check(nonce, lifetime_s, self.now).map_err(required)
            }
            Some(_) => Err(required(ProofProblem::NonceUnknown)),
        }
    }

    /// Step 6.
    fn signature(&self, proof: &ParsedToken, key: &PublicKey, algorithm: Algorithm) -> Result<(), Denial> {
        let invalid = |problem| denial(Reason::ProofInvalid, problem);
        // A key that is of no use for the algorithm, or so large that a worker would be held up.
        if !key.serves(algorithm) || self.verifier.cost_us(key, algorithm).is_none() {
            let problem = format!("is no key for {}, or too large", algorithm.name());
            return Err(invalid(ProofProblem::Key { problem }));
        }
        match self.verifier.verify(key, algorithm, proof.signing_input(), proof.signature()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(invalid(ProofProblem::Signature)),
            Err(_) => Err(Reason::Internal.into()),
        }
    }
}

fn denial(reason: Reason, problem: ProofProblem) -> Denial {
    super::denial(reason, Some(ProofKind::Dpop), problem)
}

/// Step 3: a claim that must be there, with text.
fn required<'a>(claims: &'a Map<String, Value>, claim: &'static str) -> Result<&'a str, ProofProblem> {
    let found = identifier_in(claims, claim).map_err(|problem| ProofProblem::Claim { claim, problem })?;
    found.ok_or(ProofProblem::Claim { claim, problem: ClaimProblem::Missing })
}
