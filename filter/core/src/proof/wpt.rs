//! Workload Proof Tokens (draft-ietf-wimse-wpt-02): a JWT that a workload signed for this request, with the key of its Workload Identity
//! Token.
//!
//! The checks are those of §2, in its order; the signature is the last, for it is what takes time. That `jti` is used once is checked by who
//! calls.

use super::{Sent, address, denial};
use crate::chain::SignedToken;
use crate::config::Proofs;
use crate::denial::{ClaimProblem, Denial, Evidence, ProofProblem, UnixMillis};
use crate::keys::SignatureVerifier;
use crate::proof_kind::ProofKind;
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::claims::identifier_in;
use crate::token::{Digest, ParsedToken, WorkloadKey, digest};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// `typ` of a proof.
const TYPE: &str = "wpt+jwt";
/// The header of a transaction token (draft-ietf-oauth-transaction-tokens).
const TRANSACTION: &[u8] = b"txn-token";

/// What a proof is compared with.
pub(super) struct Proof<'a> {
    pub(super) token: &'a SignedToken,
    pub(super) key: &'a WorkloadKey,
    pub(super) sent: Sent<'a>,
    pub(super) settings: &'a Proofs,
    pub(super) verifier: &'a (dyn SignatureVerifier + 'a),
    pub(super) now: UnixTime,
}

/// A proof that holds, and is still to be used.
pub(super) struct Proven {
    /// `jti`.
    pub(super) id: String,
    /// `exp`.
    pub(super) until: UnixTime,
    /// The thumbprint of its key.
    pub(super) owner: Digest,
}

impl Proof<'_> {
    /// Checks everything but that the proof is used for the first time.
    pub(super) fn check(&self) -> Result<Proven, Denial> {
        let credential = self.sent.credential;
        let proof = match std::str::from_utf8(credential.workload_proof()) {
            Ok("") => return Err(denial(Reason::ProofRequired, Some(ProofKind::Wpt), ProofProblem::Absent)),
            Ok(proof) => proof,
            Err(_) => return Err(invalid(ProofProblem::NotText)),
        };
        let (proof, _) =
            ParsedToken::parse_proof(proof).map_err(|problem| invalid(ProofProblem::Malformed(problem)))?;
        self.algorithm(&proof).map_err(invalid)?;
        if !proof.is_of_type(TYPE) {
            return Err(invalid(ProofProblem::Type { expected: TYPE }));
        }
        let claims = proof.unverified_claims();
        address::check(ProofKind::Wpt, audience(claims).map_err(invalid)?, self.sent, self.settings)?;
        let until = self.time(claims)?;
        self.digests(claims).map_err(invalid)?;
        let id = required(claims, "jti").map_err(invalid)?.to_owned();
        self.signature(&proof)?;
        Ok(Proven { id, until, owner: self.key.key().thumbprint() })
    }

    /// "string-equal matches the `alg` attribute of the `jwk`".
    fn algorithm(&self, proof: &ParsedToken) -> Result<(), ProofProblem> {
        match proof.header().alg == self.key.alg() {
            true => Ok(()),
            false => Err(ProofProblem::OtherAlgorithm { expected: self.key.alg().to_owned() }),
        }
    }

    /// `exp`, which must be near; and `iat` and `nbf`, where they are, by clocks that may differ as far as the token's issuer may. Gives
    /// `exp`.
    fn time(&self, claims: &Map<String, Value>) -> Result<UnixTime, Denial> {
        let (now, lifetime_s) = (self.now, self.settings.wpt.lifetime_s);
        let expires_at = date(claims, "exp")?
            .ok_or_else(|| invalid(ProofProblem::Claim { claim: "exp", problem: ClaimProblem::Missing }))?;
        let expiry = || {
            let (exp_ms, now_ms) = (UnixMillis(expires_at), UnixMillis(now));
            let evidence = Evidence::ProofExpiry { proof: ProofKind::Wpt, exp_ms, now_ms, lifetime_s };
            Denial::new(Reason::ProofInvalid, evidence)
        };
        if now >= expires_at || expires_at > now.plus_secs(lifetime_s) {
            return Err(expiry());
        }
        let window_s = self.token.issuer().entry().clock_skew_s;
        let issued_at = date(claims, "iat")?;
        for from in [issued_at, date(claims, "nbf")?].into_iter().flatten() {
            if from > now.plus_secs(window_s) {
                let (iat_ms, now_ms) = (UnixMillis(from), UnixMillis(now));
                let evidence = Evidence::ProofTime { proof: ProofKind::Wpt, iat_ms, now_ms, window_s };
                return Err(Denial::new(Reason::ProofInvalid, evidence));
            }
        }
        // A proof that was made to live for longer is not taken near its end either.
        if issued_at.is_some_and(|issued_at| expires_at > issued_at.plus_secs(lifetime_s)) {
            return Err(expiry());
        }
        Ok(expires_at)
    }

    /// The tokens that the proof is for.
    fn digests(&self, claims: &Map<String, Value>) -> Result<(), ProofProblem> {
        let workload = required(claims, "wth")?;
        if digest(workload) != Some(self.token.digest(self.sent.credential.bytes())) {
            return Err(ProofProblem::WorkloadDigest);
        }
        // A digest of what did not come is no proof of this request either.
        match (self.one_header(TRANSACTION), claims.get("tth")) {
            (Header::None, None) => {}
            (Header::One(value), Some(Value::String(tth))) if is_digest_of(tth, value) => {}
            _ => return Err(ProofProblem::TransactionDigest),
        }
        match claims.get("oth") {
            None => Ok(()),
            Some(Value::Object(others)) if others.iter().all(|(name, value)| self.came(name, value)) => {
                Ok(())
            }
            Some(_) => Err(ProofProblem::OtherDigest),
        }
    }

    /// Whether the header of this name came once, with a value of this digest.
    fn came(&self, name: &str, digest: &Value) -> bool {
        match (self.one_header(name.as_bytes()), digest) {
            (Header::One(value), Value::String(digest)) => is_digest_of(digest, value),
            _ => false,
        }
    }

    /// Names in the request are in lower case, so one in `oth` must be, too.
    fn one_header(&self, name: &[u8]) -> Header<'_> {
        let mut values = self.sent.head.headers().iter().filter(|(known, _)| *known == name);
        match (values.next(), values.next()) {
            (None, _) => Header::None,
            (Some((_, value)), None) => Header::One(value),
            _ => Header::Several,
        }
    }

    fn signature(&self, proof: &ParsedToken) -> Result<(), Denial> {
        let (key, algorithm) = (self.key.key(), self.key.algorithm());
        if self.verifier.cost_us(key, algorithm).is_none() {
            let problem = "is too large".to_owned();
            return Err(invalid(ProofProblem::Key { problem }));
        }
        match self.verifier.verify(key, algorithm, proof.signing_input(), proof.signature()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(invalid(ProofProblem::Signature)),
            Err(_) => Err(Reason::Internal.into()),
        }
    }
}

/// How often a header came.
enum Header<'a> {
    None,
    One(&'a [u8]),
    Several,
}

/// One address: a text, or an array with one (RFC 7519 §4.1.3). A proof for several servers could be used by each of them at the others.
fn audience(claims: &Map<String, Value>) -> Result<&str, ProofProblem> {
    let claim = |problem| ProofProblem::Claim { claim: "aud", problem };
    match claims.get("aud") {
        None => Err(claim(ClaimProblem::Missing)),
        Some(Value::String(aud)) => Ok(aud),
        Some(Value::Array(list)) => match list.as_slice() {
            [Value::String(aud)] => Ok(aud),
            [] | [_] => Err(claim(ClaimProblem::Type)),
            _ => Err(claim(ClaimProblem::TooMany { max: 1 })),
        },
        Some(_) => Err(claim(ClaimProblem::Type)),
    }
}

fn is_digest_of(text: &str, value: &[u8]) -> bool {
    let mut value = value;
    while let [b' ', rest @ ..] | [rest @ .., b' '] = value {
        value = rest;
    }
    digest(text) == Some(Sha256::digest(value).into())
}

fn date(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<UnixTime>, Denial> {
    let read = |value| {
        let no_date = || invalid(ProofProblem::Claim { claim, problem: ClaimProblem::Date });
        UnixTime::from_numeric_date(value).ok_or_else(no_date)
    };
    claims.get(claim).map(read).transpose()
}

fn required<'a>(claims: &'a Map<String, Value>, claim: &'static str) -> Result<&'a str, ProofProblem> {
    let found = identifier_in(claims, claim).map_err(|problem| ProofProblem::Claim { claim, problem })?;
    found.ok_or(ProofProblem::Claim { claim, problem: ClaimProblem::Missing })
}

fn invalid(problem: ProofProblem) -> Denial {
    denial(Reason::ProofInvalid, Some(ProofKind::Wpt), problem)
}
