//! Public keys: one issuer's JWK set (RFC 7517), read strictly, each key ready to verify.

use super::key::{KeyError, PublicKey};
use crate::algorithm::Algorithm;
use crate::json::JsonError;
use crate::{json, limits};
use serde_json::Value;

/// Why a document is no key set at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Too large.
    #[error("the key set is larger than {} bytes", limits::KEY_SET_BYTES)]
    TooLarge,
    /// Not strict JSON.
    #[error("the key set is no strict JSON: {0}")]
    Json(JsonError),
    /// JSON without an array `keys`.
    #[error("the key set is not a JSON object with an array `keys` (RFC 7517 §5)")]
    Malformed,
    /// More keys than [`limits::KEYS`].
    #[error("the key set has more than {} keys", limits::KEYS)]
    TooMany,
    /// No key that can verify: an issuer that publishes none would lock everybody out.
    #[error("the key set has no key that can verify a token")]
    Empty,
}

/// The keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    rejected: Vec<(usize, KeyError)>,
}

impl KeySet {
    /// Reads a JWK set document (RFC 7517 §5). Keys that cannot be used are left out and listed in
    /// [`rejected`](Self::rejected): one bad key must not cost the good ones.
    ///
    /// # Errors
    /// If the document is no key set, or has no key that can verify.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > limits::KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let value = json::parse_within(document, limits::JSON_DEPTH, limits::KEY_SET_VALUES)
            .map_err(KeySetError::Json)?;
        Self::from_value(&value)
    }

    /// The same from JSON that was already read strictly.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_value(value: &Value) -> Result<Self, KeySetError> {
        let list = value.get("keys").and_then(Value::as_array).ok_or(KeySetError::Malformed)?;
        if list.len() > limits::KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut read: Vec<(usize, PublicKey)> = Vec::new();
        let mut rejected = Vec::new();
        for (index, jwk) in list.iter().enumerate() {
            match PublicKey::from_jwk(jwk) {
                // The same key twice is one key.
                Ok(key) if read.iter().any(|(_, known)| known.is(&key)) => {}
                Ok(key) => read.push((index, key)),
                Err(error) => rejected.push((index, error)),
            }
        }
        let ambiguous: Vec<usize> = read
            .iter()
            .filter(|(i, a)| a.kid().is_some() && read.iter().any(|(j, b)| i != j && a.collides(b)))
            .map(|(i, _)| *i)
            .collect();
        read.retain(|(i, _)| !ambiguous.contains(i));
        rejected.extend(ambiguous.into_iter().map(|i| (i, KeyError::Duplicate)));
        rejected.sort_by_key(|(index, _)| *index);
        if read.is_empty() {
            return Err(KeySetError::Empty);
        }
        Ok(Self { keys: read.into_iter().map(|(_, key)| key).collect(), rejected })
    }

    /// The key for a token's `kid` and algorithm. Without a `kid` there must be exactly one key that fits: guessing
    /// among several is how a token gets verified with the wrong one.
    #[must_use]
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting =
            self.keys.iter().filter(|key| key.serves(algorithm) && (kid.is_none() || key.kid() == kid));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }

    /// The keys that can verify.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The keys that were left out: position in the document's `keys`, and why.
    #[must_use]
    pub fn rejected(&self) -> &[(usize, KeyError)] {
        &self.rejected
    }
}
