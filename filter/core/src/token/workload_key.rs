//! The key of a Workload Identity Token (draft-ietf-wimse-workload-creds §5.1).

use crate::algorithm::Algorithm;
use crate::config::Issuer;
use crate::denial::ClaimProblem;
use crate::keys::PublicKey;
use serde_json::{Map, Value};

/// The key that a workload must prove to have: `cnf.jwk`, which names the algorithm of the proof.
#[derive(Debug, Clone)]
pub struct WorkloadKey {
    algorithm: Algorithm,
    alg: String,
    key: PublicKey,
    thumbprint: [u8; 32],
}

impl WorkloadKey {
    /// What `cnf` says.
    ///
    /// # Errors
    /// The place, and what is wrong there.
    pub(super) fn read(
        cnf: &Map<String, Value>,
        issuer: &Issuer,
    ) -> Result<Self, (&'static str, ClaimProblem)> {
        const ALG: &str = "/cnf/jwk/alg";
        let jwk = cnf.get("jwk").ok_or(("/cnf/jwk", ClaimProblem::Missing))?;
        let members = jwk.as_object().ok_or(("/cnf/jwk", ClaimProblem::Type))?;
        let alg = members.get("alg").ok_or((ALG, ClaimProblem::Missing))?;
        let alg = alg.as_str().ok_or((ALG, ClaimProblem::Type))?;
        let algorithm = Algorithm::from_name(alg).filter(|algorithm| issuer.may_prove_with(*algorithm));
        let algorithm = algorithm.ok_or((ALG, ClaimProblem::Algorithm))?;
        let key = PublicKey::from_jwk(jwk).map_err(|_| ("/cnf/jwk", ClaimProblem::Key))?;
        let thumbprint = key.thumbprint();
        Ok(Self { algorithm, alg: alg.to_owned(), key, thumbprint })
    }

    /// The algorithm of proofs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name as the token has it: a proof must have the very same.
    #[must_use]
    pub fn alg(&self) -> &str {
        &self.alg
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its thumbprint (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }
}

impl PartialEq for WorkloadKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.alg, self.key.spki_der()) == (&other.alg, other.key.spki_der())
    }
}

impl Eq for WorkloadKey {}
