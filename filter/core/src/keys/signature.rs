//! Who checks a signature: the seam between a token and the cryptography.
//!
//! The cryptography itself is never ours. [`InModule`] uses the crates beneath `jwt-simple`, in the versions it uses
//! itself, rather than its token API: that one parses the token a second time by rules of its own, and two parsers
//! that may disagree over one token is what this program exists to avoid. A test holds `jwt-simple`'s verdict
//! against ours for every algorithm. For EdDSA it is `ed25519-dalek`, which takes a third of the time.

use super::key::{Material, PublicKey};
use crate::algorithm::Algorithm;
use crate::limits;
use rsa::signature::Verifier as _;
use rsa::{pkcs1v15, pss, sha2};

/// Checks signatures: in the module, or by asking the host.
pub trait SignatureVerifier {
    /// Whether `signature`, in the form that a JWS carries (RFC 7518 §3), is `key`'s over `signing_input`.
    ///
    /// # Errors
    /// [`VerifierFailed`] if no answer could be had, which is neither a yes nor a no.
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<bool, VerifierFailed>;

    /// How long that takes, in microseconds as estimated. `None`: longer than a worker may be held up, so it is not done.
    fn cost_us(&self, key: &PublicKey, algorithm: Algorithm) -> Option<u64> {
        InModule::cost(key, algorithm)
    }
}

/// The verifier itself failed; the request is denied as [`Internal`](crate::reason::Reason::Internal).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature could not be checked")]
pub struct VerifierFailed;

/// Verifies in this module.
#[derive(Debug, Clone, Copy, Default)]
pub struct InModule;

impl InModule {
    fn cost(key: &PublicKey, algorithm: Algorithm) -> Option<u64> {
        match algorithm {
            Algorithm::EdDsa => Some(limits::VERIFY_ED25519_US),
            Algorithm::Es256 => Some(limits::VERIFY_P256_US),
            Algorithm::Es384 => Some(limits::VERIFY_P384_US),
            _ => {
                let bits = key.rsa_bits().filter(|bits| *bits <= limits::RSA_IN_MODULE_MAX_BITS)?;
                let times = u64::try_from(bits.div_ceil(limits::RSA_MIN_BITS)).ok()?;
                Some(limits::VERIFY_RSA_2048_US.saturating_mul(times.saturating_mul(times)))
            }
        }
    }
}

impl SignatureVerifier for InModule {
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<bool, VerifierFailed> {
        use Algorithm as A;
        if !key.serves(algorithm) {
            return Ok(false);
        }
        Ok(match (key.material(), algorithm) {
            // `verify_strict` also refuses keys and points of small order, with which one signature fits many messages.
            (Material::Ed25519(key), A::EdDsa) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|s| key.verify_strict(signing_input, &s).is_ok()),
            (Material::P256(key), A::Es256) => {
                use p256::ecdsa::signature::Verifier as _;
                p256::ecdsa::Signature::from_slice(signature)
                    .is_ok_and(|s| key.verify(signing_input, &s).is_ok())
            }
            (Material::P384(key), A::Es384) => {
                use p384::ecdsa::signature::Verifier as _;
                p384::ecdsa::Signature::from_slice(signature)
                    .is_ok_and(|s| key.verify(signing_input, &s).is_ok())
            }
            (Material::Rsa(key), A::Rs256) => rs::<sha2::Sha256>(key, signing_input, signature),
            (Material::Rsa(key), A::Rs384) => rs::<sha2::Sha384>(key, signing_input, signature),
            (Material::Rsa(key), A::Rs512) => rs::<sha2::Sha512>(key, signing_input, signature),
            (Material::Rsa(key), A::Ps256) => ps::<sha2::Sha256>(key, signing_input, signature),
            (Material::Rsa(key), A::Ps384) => ps::<sha2::Sha384>(key, signing_input, signature),
            (Material::Rsa(key), A::Ps512) => ps::<sha2::Sha512>(key, signing_input, signature),
            _ => false,
        })
    }
}

/// RSASSA-PKCS1-v1_5 (RFC 7518 §3.3).
fn rs<D>(key: &rsa::RsaPublicKey, signing_input: &[u8], signature: &[u8]) -> bool
where
    D: sha2::Digest + rsa::pkcs8::AssociatedOid,
{
    pkcs1v15::Signature::try_from(signature)
        .is_ok_and(|s| pkcs1v15::VerifyingKey::<D>::new(key.clone()).verify(signing_input, &s).is_ok())
}

/// RSASSA-PSS, the salt as long as the digest (RFC 7518 §3.5).
fn ps<D>(key: &rsa::RsaPublicKey, signing_input: &[u8], signature: &[u8]) -> bool
where
    D: sha2::Digest + sha2::digest::FixedOutputReset,
{
    pss::Signature::try_from(signature)
        .is_ok_and(|s| pss::VerifyingKey::<D>::new(key.clone()).verify(signing_input, &s).is_ok())
}

/// A JWS signature of ECDSA, `r || s` (RFC 7518 §3.4), in the DER form that hosts take; `None` if it is not one.
#[must_use]
pub fn ecdsa_der(algorithm: Algorithm, signature: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Es256 => {
            Some(p256::ecdsa::Signature::from_slice(signature).ok()?.to_der().as_bytes().to_vec())
        }
        Algorithm::Es384 => {
            Some(p384::ecdsa::Signature::from_slice(signature).ok()?.to_der().as_bytes().to_vec())
        }
        _ => None,
    }
}
