//! Proofs that a client makes: it holds the key that its token is bound to.

use super::TokenError;
use super::claims::{Claims, TokenBuilder};
use super::key::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jwt_simple::prelude::{Claims as LibraryClaims, Duration};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The media type of proofs in `typ` (RFC 9449 §4.2).
const PROOF: &str = "dpop+jwt";

/// A DPoP proof in the making (RFC 9449 §4.2): for one request, and used once.
///
/// ```
/// use mandate_host::tokens::{Algorithm, DpopProof, SigningKey};
/// let key = SigningKey::generate(Algorithm::Es256, "client")?;
/// let proof = DpopProof::new("GET", "https://tools.example/v1/tickets?page=2", 1_900_000_000).of_token("a.b.c").sign(&key)?;
/// assert_eq!(proof.split('.').count(), 3);
/// # Ok::<(), mandate_host::tokens::TokenError>(())
/// ```
#[derive(Debug, Clone)]
pub struct DpopProof(Claims);

impl DpopProof {
    /// A proof for a request with this method, to this address, of this moment (Unix seconds). Query and fragment of the address are
    /// left out; `jti` is random.
    #[must_use]
    pub fn new(method: &str, uri: &str, issued_at: i64) -> Self {
        let uri = uri.split(['?', '#']).next().unwrap_or_default();
        // 24 random bytes of the token library, which makes them for a purpose like this.
        let id = LibraryClaims::create(Duration::from_secs(0)).create_nonce();
        Self(Claims::new().claim("htm", method).claim("htu", uri).issued_at(issued_at).id(&id))
    }

    /// For a request with this access token: `ath`.
    #[must_use]
    pub fn of_token(self, token: &str) -> Self {
        self.claim("ath", BASE64URL.encode(Sha256::digest(token)))
    }

    /// With a nonce that the server gave out (RFC 9449 §9).
    #[must_use]
    pub fn nonce(self, nonce: &str) -> Self {
        self.claim("nonce", nonce)
    }

    /// With another `jti`.
    #[must_use]
    pub fn id(self, jti: &str) -> Self {
        Self(self.0.id(jti))
    }

    /// With any claim, replacing one of the same name.
    #[must_use]
    pub fn claim(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.claim(name, value))
    }

    /// Without a claim.
    #[must_use]
    pub fn without(self, name: &str) -> Self {
        Self(self.0.without(name))
    }

    /// The proof in compact form, with the public key in its header.
    ///
    /// # Errors
    /// [`TokenError::Sign`] when the library cannot sign.
    pub fn sign(&self, key: &SigningKey) -> Result<String, TokenError> {
        let header = TokenBuilder::new(self.0.clone()).typ(Some(PROOF)).without_header("kid");
        header.header("jwk", key.bare_jwk()).sign(key)
    }
}

impl Claims {
    /// `cnf.jkt` (RFC 9449 §6.1): the token is bound to this key. What else is in `cnf` stays.
    ///
    /// # Errors
    /// [`TokenError::Key`] when the key cannot be read back, of which there is no thumbprint.
    pub fn bound_to(self, key: &SigningKey) -> Result<Self, TokenError> {
        let thumbprint = key.thumbprint()?;
        let mut confirmation = match self.to_json().get("cnf") {
            Some(Value::Object(members)) => members.clone(),
            _ => serde_json::Map::new(),
        };
        confirmation.insert("jkt".to_owned(), Value::String(thumbprint));
        Ok(self.claim("cnf", confirmation))
    }
}
