//! Signatures over bytes of one's own choosing, for tokens that no decent library would make.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jwt_simple::prelude::*;
use serde_json::Value;
use superboring::pkey::PKey;
use superboring::sign::Signer;

use super::TokenError;
use super::key::{KeyPair, SigningKey};

/// A token with exactly this header and these payload bytes, validly signed by the key. Nothing is added,
/// checked or corrected: the header may name another algorithm, the payload need not be JSON.
///
/// # Errors
/// [`TokenError::Sign`] when the library cannot sign.
pub fn sign_raw(key: &SigningKey, header: &Value, payload: &[u8]) -> Result<String, TokenError> {
    let mut token = unsigned(header, payload);
    // `unsigned` ends in the dot before the empty signature, which is not part of the signing input.
    token.pop();
    let signature = key.sign_bytes(token.as_bytes())?;
    token.push('.');
    BASE64URL.encode_string(signature, &mut token);
    Ok(token)
}

/// A token with an empty signature (RFC 7515 appendix A.5), as `alg: none` has. The header is taken as it is.
#[must_use]
pub fn unsigned(header: &Value, payload: &[u8]) -> String {
    format!("{}.{}.", BASE64URL.encode(header.to_string()), BASE64URL.encode(payload))
}

/// The same token with one bit of its signature flipped: well-formed, and signed by nobody.
///
/// # Errors
/// [`TokenError::NotCompact`] when the text has no base64url signature to spoil.
pub fn forge(token: &str) -> Result<String, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::NotCompact)?;
    let mut signature = BASE64URL.decode(signature).map_err(|_| TokenError::NotCompact)?;
    // In the middle, so that neither the length nor a leading zero of any encoding changes.
    let middle = signature.len() / 2;
    *signature.get_mut(middle).ok_or(TokenError::NotCompact)? ^= 1;
    Ok(format!("{signed}.{}", BASE64URL.encode(signature)))
}

impl SigningKey {
    /// The JWS signature over the bytes, in the encoding of RFC 7518 §3 (ECDSA: `r` and `s` side by side).
    ///
    /// # Errors
    /// [`TokenError::Sign`] when the library cannot sign.
    pub fn sign_bytes(&self, bytes: &[u8]) -> Result<Vec<u8>, TokenError> {
        // For ECDSA the "recoverable" form is the one that needs no trait in scope; its first half is the
        // ordinary signature.
        let rsa = match &self.pair {
            KeyPair::EdDsa(key) => return Ok(key.key_pair().as_ref().sk.sign(bytes, None).to_vec()),
            KeyPair::Es256(key) => {
                return Ok(key.key_pair().as_ref().sign_recoverable(bytes).0.to_bytes().to_vec());
            }
            KeyPair::Es384(key) => {
                return Ok(key.key_pair().as_ref().sign_recoverable(bytes).0.to_bytes().to_vec());
            }
            KeyPair::Rs256(key) => rsa_signature(key, bytes),
            KeyPair::Rs384(key) => rsa_signature(key, bytes),
            KeyPair::Rs512(key) => rsa_signature(key, bytes),
            KeyPair::Ps256(key) => rsa_signature(key, bytes),
            KeyPair::Ps384(key) => rsa_signature(key, bytes),
            KeyPair::Ps512(key) => rsa_signature(key, bytes),
        };
        rsa.map_err(|error| TokenError::Sign { algorithm: self.algorithm(), detail: error.to_string() })
    }
}

/// Hash and padding come from the key's own type, so they are what its minted tokens use.
fn rsa_signature<K: RSAKeyPairLike>(
    key: &K,
    bytes: &[u8],
) -> Result<Vec<u8>, superboring::error::ErrorStack> {
    let private = PKey::from_rsa(key.key_pair().as_ref().clone())?;
    let mut signer = Signer::new(K::hash(), &private)?;
    signer.set_rsa_padding(key.padding_scheme())?;
    signer.update(bytes)?;
    signer.sign_to_vec()
}
