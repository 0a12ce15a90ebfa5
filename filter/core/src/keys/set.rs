//! Public keys: one issuer's JWK set (RFC 7517), read strictly, each key ready to verify.

use super::key::{KeyError, KeyUse, PublicKey};
use crate::algorithm::Algorithm;
use crate::json::JsonError;
use crate::{json, limits};
use rsa::sha2::{Digest as _, Sha256};
use serde_json::Value;
use std::fmt;

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
    #[error("the key set has no key that can verify a token{}", reasons(.rejected))]
    Empty {
        /// Why each is none.
        rejected: Vec<RejectedKey>,
    },
    /// A SPIFFE bundle with a lower `spiffe_sequence` than the one in force (SPIFFE Trust Domain and Bundle §4.1.1).
    #[error("the bundle has the sequence number {sequence}, and {in_force} is in force: it is an older one")]
    Older {
        /// Its own.
        sequence: u64,
        /// That of the present one.
        in_force: u64,
    },
}

/// A key of a set that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedKey {
    /// Its position in `keys`.
    pub position: usize,
    /// See [`kid_hash`]; `None` without a `kid`.
    pub kid_hash: Option<String>,
    /// Why.
    pub error: KeyError,
}

impl fmt::Display for RejectedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kid = self.kid_hash.as_deref().unwrap_or("none");
        write!(f, "key {} of the set (SHA-256 of its kid: {kid}) is not used: {}", self.position, self.error)
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of a `kid`, which is hostile input and no text for a log (RFC 8725 §3.10).
fn kid_hash(jwk: &Value) -> Option<String> {
    let digest = Sha256::digest(jwk.get("kid")?.as_str()?);
    Some(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn reasons(rejected: &[RejectedKey]) -> String {
    let shown = rejected.iter().take(limits::REPORTED_KEYS);
    shown.map(|key| format!("; key {}: {}", key.position, key.error)).collect()
}

/// The keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
    rejected: Vec<RejectedKey>,
    sequence: Option<u64>,
    refresh_hint_s: Option<u64>,
}

impl KeySet {
    /// Reads a JWK set document (RFC 7517 §5). Keys that cannot be used are left out and listed in
    /// [`rejected`](Self::rejected): one bad key must not cost the good ones.
    ///
    /// # Errors
    /// If the document is no key set, or has no key that can verify.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        Self::parse_for(KeyUse::Signatures, document)
    }

    /// The same, of keys for another use. A SPIFFE bundle may be without keys: its trust domain has revoked them all (SPIFFE
    /// Trust Domain and Bundle §4.1.3).
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_for(key_use: KeyUse, document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > limits::KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let value = json::parse_within(document, limits::JSON_DEPTH, limits::KEY_SET_VALUES)
            .map_err(KeySetError::Json)?;
        Self::from_value_for(key_use, &value)
    }

    /// The same as [`parse`](Self::parse) from JSON that was already read strictly.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_value(value: &Value) -> Result<Self, KeySetError> {
        Self::from_value_for(KeyUse::Signatures, value)
    }

    /// The same as [`parse_for`](Self::parse_for) from JSON that was already read strictly.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_value_for(key_use: KeyUse, value: &Value) -> Result<Self, KeySetError> {
        let list = value.get("keys").and_then(Value::as_array).ok_or(KeySetError::Malformed)?;
        if list.len() > limits::KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut read: Vec<(usize, PublicKey)> = Vec::new();
        let mut rejected = Vec::new();
        let reject = |position: usize, error| RejectedKey {
            position,
            kid_hash: list.get(position).and_then(kid_hash),
            error,
        };
        for (index, jwk) in list.iter().enumerate() {
            match PublicKey::from_jwk_for(key_use, jwk) {
                // The same key twice is one key.
                Ok(key) if read.iter().any(|(_, known)| known.is(&key)) => {}
                Ok(key) => read.push((index, key)),
                Err(error) => rejected.push(reject(index, error)),
            }
        }
        let ambiguous: Vec<usize> = read
            .iter()
            .filter(|(i, a)| a.kid().is_some() && read.iter().any(|(j, b)| i != j && a.collides(b)))
            .map(|(i, _)| *i)
            .collect();
        read.retain(|(i, _)| !ambiguous.contains(i));
        rejected.extend(ambiguous.into_iter().map(|i| reject(i, KeyError::Duplicate)));
        rejected.sort_by_key(|key| key.position);
        if read.is_empty() && key_use == KeyUse::Signatures {
            return Err(KeySetError::Empty { rejected });
        }
        let number = |name| match value.get(name).filter(|_| key_use.is_of_bundle()) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or(KeySetError::Malformed),
        };
        let (sequence, refresh_hint_s) = (number("spiffe_sequence")?, number("spiffe_refresh_hint")?);
        let keys = read.into_iter().map(|(_, key)| key).collect();
        Ok(Self { keys, rejected, sequence, refresh_hint_s })
    }

    /// The key for a token's `kid` and algorithm. Without a `kid` there must be exactly one key that fits: guessing
    /// among several is how a token gets verified with the wrong one. The same key more than once is one.
    #[must_use]
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting =
            self.keys.iter().filter(|key| key.serves(algorithm) && (kid.is_none() || key.kid() == kid));
        let first = fitting.next()?;
        fitting.all(|other| other.spki_der() == first.spki_der()).then_some(first)
    }

    /// The keys that can verify.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The keys that were left out.
    #[must_use]
    pub fn rejected(&self) -> &[RejectedKey] {
        &self.rejected
    }

    /// `spiffe_sequence` of a bundle.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// `spiffe_refresh_hint` of a bundle, in seconds.
    #[must_use]
    pub fn refresh_hint_s(&self) -> Option<u64> {
        self.refresh_hint_s
    }
}
