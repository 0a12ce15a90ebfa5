//! Nonces for DPoP proofs (RFC 9449 §9), without state: whoever has the secret knows which ones were given out.
//!
//! ```text
//! nonce = base64url( seconds mac )
//! seconds = 8OCTET                   ; when it was given out, since 1970, big-endian
//! mac = 16OCTET                      ; HMAC-SHA256(secret, "dpop nonce" seconds), its first half
//! ```

use crate::denial::ProofProblem;
use crate::time::UnixTime;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::common::Key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Octets of the time in a nonce, and of its MAC.
const SECONDS: usize = 8;
const MAC: usize = 16;

/// What nonces are made with: the same for all workers and proxies that one client may reach.
#[derive(Clone)]
pub struct NonceKey(Hmac<Sha256>);

/// How old a nonce is that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// In the first half of its time.
    Fresh,
    /// In the second half: its holder needs another one soon.
    Old,
}

impl NonceKey {
    /// From a secret of any length, which may be used for other things, too.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let digest = Sha256::new().chain_update("mandate dpop nonce\0").chain_update(secret).finalize();
        let mut key = Key::<Hmac<Sha256>>::default();
        key.iter_mut().zip(digest).for_each(|(place, byte)| *place = byte);
        Self(Hmac::new(&key))
    }

    fn mac(&self, seconds: [u8; SECONDS]) -> Hmac<Sha256> {
        self.0.clone().chain_update("dpop nonce").chain_update(seconds)
    }

    /// A nonce of this moment.
    #[must_use]
    pub fn make(&self, now: UnixTime) -> String {
        let seconds = now.as_secs().to_be_bytes();
        let mac = self.mac(seconds).finalize().into_bytes();
        let mut nonce = Vec::with_capacity(SECONDS + MAC);
        nonce.extend_from_slice(&seconds);
        nonce.extend(mac.iter().take(MAC));
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Checks a nonce that came with a proof.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub(super) fn check(&self, nonce: &str, lifetime_s: u64, now: UnixTime) -> Result<Age, ProofProblem> {
        let nonce = URL_SAFE_NO_PAD.decode(nonce).map_err(|_| ProofProblem::NonceUnknown)?;
        let (seconds, mac) = nonce.split_first_chunk::<SECONDS>().ok_or(ProofProblem::NonceUnknown)?;
        // Also a shorter one would be compared: it must have its length.
        if mac.len() != MAC || self.mac(*seconds).verify_truncated_left(mac).is_err() {
            return Err(ProofProblem::NonceUnknown);
        }
        let given_out = UnixTime::from_secs(u64::from_be_bytes(*seconds));
        let lifetime_ms = lifetime_s.saturating_mul(1000);
        // Another proxy's clock may be ahead, by as much as a nonce lives.
        match (now.millis_since(given_out), given_out.millis_since(now)) {
            (age, _) if age > lifetime_ms => Err(ProofProblem::NonceOld),
            (_, ahead) if ahead > lifetime_ms => Err(ProofProblem::NonceOld),
            (age, _) if age > lifetime_ms / 2 => Ok(Age::Old),
            _ => Ok(Age::Fresh),
        }
    }
}

/// Without the secret.
impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NonceKey").finish_non_exhaustive()
    }
}
