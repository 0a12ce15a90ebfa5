//! Public keys: one issuer's JWK set (RFC 7517), read strictly, each key ready to verify.

use crate::algorithm::Algorithm;
use crate::json::JsonError;
use crate::{json, limits};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::pkcs8::EncodePublicKey as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Map, Value};

/// A public key that can verify, with what its issuer says of it.
#[derive(Debug, Clone)]
pub struct PublicKey {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    material: Material,
    spki: Vec<u8>,
}

/// The key itself, already checked to be a valid point or modulus.
#[derive(Debug, Clone)]
pub(crate) enum Material {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Rsa(rsa::RsaPublicKey),
}

/// Why a JWK is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not an object, or a member has the wrong type or is not base64url.
    #[error("`{0}` is missing, or not a string of the form that RFC 7518 §6 asks for")]
    Member(&'static str),
    /// A symmetric key: a published secret is no secret.
    #[error("a symmetric key (`kty` \"oct\") cannot verify tokens from a key set")]
    Symmetric,
    /// A private part in a place for public keys.
    #[error("the key carries its private part; publish the public key only, and replace this one")]
    Private,
    /// A key type or curve that is not supported.
    #[error("`kty` and `crv` name no supported key: use OKP Ed25519, EC P-256, EC P-384 or RSA")]
    Unsupported,
    /// `use` or `key_ops` say that the key is for something else.
    #[error("`use` or `key_ops` say that the key is not for verifying signatures")]
    Purpose,
    /// `alg` is not supported, or not one that this key can be used with.
    #[error("`alg` is not a supported algorithm of this type of key")]
    Algorithm,
    /// `alg` is of the PS family, and the modulus is longer than the module verifies with.
    #[error(
        "an RSA key of more than {} bits is not used with `PS256`, `PS384` and `PS512`",
        limits::RSA_IN_MODULE_MAX_BITS
    )]
    TooLargeForPss,
    /// Not a point of the curve, or an RSA key that is too small, too large or malformed.
    #[error("not a valid public key of its type (RSA: 2048 to 8192 bits)")]
    Material,
    /// The `kid` is too long.
    #[error("`kid` is longer than 256 bytes")]
    KidTooLong,
    /// Another key of the set has the same `kid` and would serve the same algorithm.
    #[error(
        "another key of this set has the same `kid`; neither is used, for it is not clear which is meant"
    )]
    Duplicate,
}

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
            .filter(|(i, a)| a.kid.is_some() && read.iter().any(|(j, b)| i != j && a.collides(b)))
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
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.serves(algorithm) && (kid.is_none() || key.kid.as_deref() == kid));
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

impl PublicKey {
    /// Reads one JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
    ///
    /// # Errors
    /// Why the key cannot be used to verify tokens.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let jwk = jwk.as_object().ok_or(KeyError::Member("kty"))?;
        let kty = text(jwk, "kty")?.ok_or(KeyError::Member("kty"))?;
        if kty == "oct" {
            return Err(KeyError::Symmetric);
        }
        // RFC 7518 §6.2.2 and §6.3.2, RFC 8037 §2.
        if ["d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|part| jwk.contains_key(*part)) {
            return Err(KeyError::Private);
        }
        // RFC 7517 §4.2 and §4.3.
        if text(jwk, "use")?.is_some_and(|u| u != "sig") {
            return Err(KeyError::Purpose);
        }
        match jwk.get("key_ops") {
            None => {}
            Some(Value::Array(ops)) if ops.iter().any(|op| op == "verify") => {}
            Some(_) => return Err(KeyError::Purpose),
        }
        let kid = text(jwk, "kid")?;
        if kid.is_some_and(|kid| kid.len() > limits::KID_BYTES) {
            return Err(KeyError::KidTooLong);
        }
        let (material, spki) = match (kty, text(jwk, "crv")?) {
            ("OKP", Some("Ed25519")) => ed25519(jwk)?,
            ("EC", Some("P-256")) => p256(jwk)?,
            ("EC", Some("P-384")) => p384(jwk)?,
            ("RSA", _) => rsa(jwk)?,
            _ => return Err(KeyError::Unsupported),
        };
        let algorithm = match text(jwk, "alg")? {
            None => None,
            Some(name) => {
                let algorithm = Algorithm::from_name(name).ok_or(KeyError::Algorithm)?;
                if algorithm.is_pss() && matches!(material, Material::Rsa(_)) && !material.serves(algorithm) {
                    return Err(KeyError::TooLargeForPss);
                }
                Some(material.serves(algorithm).then_some(algorithm).ok_or(KeyError::Algorithm)?)
            }
        };
        Ok(Self { kid: kid.map(str::to_owned), algorithm, material, spki })
    }

    /// Whether tokens of this algorithm may be verified with this key: the type must fit, and where the key names an
    /// algorithm it is for that one only (RFC 8725 §3.1).
    #[must_use]
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm) && self.material.serves(algorithm)
    }

    /// The bits of an RSA modulus.
    #[must_use]
    pub fn rsa_bits(&self) -> Option<usize> {
        match &self.material {
            Material::Rsa(key) => Some(key.n().bits()),
            _ => None,
        }
    }

    /// Whether it is the same key under the same name, for the same algorithm.
    fn is(&self, other: &Self) -> bool {
        (&self.kid, self.algorithm, &self.spki) == (&other.kid, other.algorithm, &other.spki)
    }

    /// The key's `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key as `SubjectPublicKeyInfo` (RFC 5280 §4.1) in DER, which hosts take. Made once, when the key was read.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Octets as JWK and JWS write them: base64url without padding (RFC 7515 §2).
    #[must_use]
    pub fn decode_octets(text: &str) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(text).ok()
    }

    pub(crate) fn material(&self) -> &Material {
        &self.material
    }

    fn collides(&self, other: &Self) -> bool {
        self.kid == other.kid && Algorithm::ALL.into_iter().any(|a| self.serves(a) && other.serves(a))
    }
}

impl Material {
    fn serves(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        match self {
            Self::Ed25519(_) => algorithm == A::EdDsa,
            Self::P256(_) => algorithm == A::Es256,
            Self::P384(_) => algorithm == A::Es384,
            // No proxy verifies RSASSA-PSS for modules, so the module does.
            Self::Rsa(key) => {
                algorithm.is_rsa()
                    && (!algorithm.is_pss() || key.n().bits() <= limits::RSA_IN_MODULE_MAX_BITS)
            }
        }
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, KeyError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(s)) => Ok(Some(s)),
        Some(_) => Err(KeyError::Member(name)),
    }
}

fn octets(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let encoded = text(jwk, name)?.ok_or(KeyError::Member(name))?;
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| KeyError::Member(name))
}

/// A coordinate has the curve's full width, leading zeros included (RFC 7518 §6.2.1.2).
fn coordinate<const N: usize>(jwk: &Map<String, Value>, name: &'static str) -> Result<[u8; N], KeyError> {
    octets(jwk, name)?.try_into().map_err(|_| KeyError::Member(name))
}

/// An uncompressed point (SEC 1 §2.3.3).
fn point<const N: usize>(jwk: &Map<String, Value>) -> Result<Vec<u8>, KeyError> {
    let (x, y) = (coordinate::<N>(jwk, "x")?, coordinate::<N>(jwk, "y")?);
    Ok([&[4], x.as_slice(), y.as_slice()].concat())
}

fn ed25519(jwk: &Map<String, Value>) -> Result<(Material, Vec<u8>), KeyError> {
    /// RFC 8410 §10.1: the fixed prefix before the 32 octets of the key.
    const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let x = coordinate::<32>(jwk, "x")?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&x).map_err(|_| KeyError::Material)?;
    if key.is_weak() {
        return Err(KeyError::Material);
    }
    Ok((Material::Ed25519(key), [SPKI.as_slice(), x.as_slice()].concat()))
}

fn p256(jwk: &Map<String, Value>) -> Result<(Material, Vec<u8>), KeyError> {
    let key =
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&point::<32>(jwk)?).map_err(|_| KeyError::Material)?;
    let spki = key.to_public_key_der().map_err(|_| KeyError::Material)?.into_vec();
    Ok((Material::P256(key), spki))
}

fn p384(jwk: &Map<String, Value>) -> Result<(Material, Vec<u8>), KeyError> {
    let key =
        p384::ecdsa::VerifyingKey::from_sec1_bytes(&point::<48>(jwk)?).map_err(|_| KeyError::Material)?;
    let spki = key.to_public_key_der().map_err(|_| KeyError::Material)?.into_vec();
    Ok((Material::P384(key), spki))
}

fn rsa(jwk: &Map<String, Value>) -> Result<(Material, Vec<u8>), KeyError> {
    let number = |name| Ok(rsa::BigUint::from_bytes_be(&octets(jwk, name)?));
    let key = rsa::RsaPublicKey::new_with_max_size(number("n")?, number("e")?, limits::RSA_MAX_BITS)
        .map_err(|_| KeyError::Material)?;
    if key.n().bits() < limits::RSA_MIN_BITS {
        return Err(KeyError::Material);
    }
    let spki = key.to_public_key_der().map_err(|_| KeyError::Material)?.into_vec();
    Ok((Material::Rsa(key), spki))
}
