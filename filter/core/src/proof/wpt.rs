//! Workload Proof Tokens (draft-ietf-wimse-wpt-02): a JWT that a workload signed for this request, with the key of its Workload Identity
//! Token.
//!
//! The checks are those of §2, in its order; the signature is the last, for it is what takes time. That `jti` is used once is checked by who
//! calls.

use super::{Asked, address, date, denial, text};
use crate::chain::SignedToken;
use crate::denial::{ClaimProblem, Denial, Evidence, ProofProblem, UnixMillis};
use crate::proof_kind::ProofKind;
use crate::reason::Reason;
use crate::time::UnixTime;
use crate::token::{ParsedToken, WorkloadKey, digest};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// `typ` of a proof.
const TYPE: &str = "wpt+jwt";
/// The header of a transaction token (draft-ietf-oauth-transaction-tokens).
const TRANSACTION: &[u8] = b"txn-token";

/// A proof of a workload, which came with a request.
pub(super) struct Proof<'a> {
    pub(super) token: &'a SignedToken,
    pub(super) key: &'a WorkloadKey,
    pub(super) asked: &'a Asked<'a>,
}

/// A proof that holds, and is still to be used.
pub(super) struct Proven {
    /// `jti`.
    pub(super) id: String,
    /// `exp`.
    pub(super) until: UnixTime,
}

impl Proof<'_> {
    /// Checks everything but that the proof is used for the first time.
    pub(super) fn check(&self) -> Result<Proven, Denial> {
        let credential = self.asked.sent.credential;
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
        address::check(
            ProofKind::Wpt,
            audience(claims).map_err(invalid)?,
            self.asked.sent,
            self.asked.settings,
        )?;
        let until = self.time(claims)?;
        self.digests(claims).map_err(invalid)?;
        let id = text(claims, "jti").map_err(invalid)?.to_owned();
        self.asked.signature(ProofKind::Wpt, &proof, self.key.key(), self.key.algorithm())?;
        Ok(Proven { id, until })
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
        let (now, lifetime_s) = (self.asked.now, self.asked.settings.wpt.lifetime_s);
        let expires_at = date(claims, "exp")
            .map_err(invalid)?
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
        let issued_at = date(claims, "iat").map_err(invalid)?;
        for from in [issued_at, date(claims, "nbf").map_err(invalid)?].into_iter().flatten() {
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
        let workload = text(claims, "wth")?;
        if digest(workload) != Some(self.token.digest(self.asked.sent.credential.bytes())) {
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
        let mut values = self.asked.sent.head.headers().iter().filter(|(known, _)| *known == name);
        match (values.next(), values.next()) {
            (None, _) => Header::None,
            (Some((_, value)), None) => Header::One(value),
            _ => Header::Several,
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

fn invalid(problem: ProofProblem) -> Denial {
    denial(Reason::ProofInvalid, Some(ProofKind::Wpt), problem)
}
