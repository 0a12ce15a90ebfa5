//! One public key (RFC 7517 §4), read strictly and ready to verify.

use crate::algorithm::Algorithm;
use crate::config::Issuer;
use crate::limits;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use p256::pkcs8::EncodePublicKey as _;
use rsa::pkcs8::EncodePublicKey as _;
use rsa::traits::PublicKeyParts as _;
use serde_json::{Map, Value};

/// What a key must be for: its `use` (RFC 7517 §4.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyUse {
    /// Signatures: `sig`, or nothing is said.
    #[default]
    Signatures,
    /// JWT-SVIDs: `jwt-svid`, as the keys of a SPIFFE bundle have it (JWT-SVID §6). Such a key must have a `kid`.
    JwtSvid,
    /// WIT-SVIDs: `wit-svid`, likewise (WIT-SVID §6).
    WitSvid,
}

impl KeyUse {
    /// What the keys of an issuer must be for.
    #[must_use]
    pub fn of(issuer: &Issuer) -> Self {
        match (issuer.is_spiffe(), issuer.is_wit()) {
            (false, _) => Self::Signatures,
            (true, false) => Self::JwtSvid,
            (true, true) => Self::WitSvid,
        }
    }

    /// Whether they are those of a SPIFFE bundle.
    #[must_use]
    pub fn is_of_bundle(self) -> bool {
        self != Self::Signatures
    }
}

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
pub(super) enum Material {
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
    #[error(
        "`use` or `key_ops` say that the key is not for verifying these tokens (`use` is `sig` or absent, in a SPIFFE bundle `jwt-svid` or `wit-svid`)"
    )]
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

impl PublicKey {
    /// Reads one JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2) that is for signatures.
    ///
    /// # Errors
    /// Why the key cannot be used to verify tokens.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        Self::from_jwk_for(KeyUse::Signatures, jwk)
    }

    /// The same, for another use.
    ///
    /// # Errors
    /// Why the key cannot be used to verify tokens.
    pub fn from_jwk_for(key_use: KeyUse, jwk: &Value) -> Result<Self, KeyError> {
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
        let is_for = text(jwk, "use")?;
        let fits = match key_use {
            KeyUse::Signatures => is_for.is_none_or(|it| it == "sig"),
            KeyUse::JwtSvid => is_for == Some("jwt-svid"),
            KeyUse::WitSvid => is_for == Some("wit-svid"),
        };
        if !fits {
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
        if kid.is_none() && key_use.is_of_bundle() {
            return Err(KeyError::Member("kid"));
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
    pub(super) fn is(&self, other: &Self) -> bool {
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

    pub(super) fn material(&self) -> &Material {
        &self.material
    }

    pub(super) fn collides(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.spki != other.spki
            && Algorithm::ALL.into_iter().any(|a| self.serves(a) && other.serves(a))
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

/// Base64url; padding, which RFC 7515 §2 leaves out, is accepted: issuers write it, and it changes no key.
fn octets(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let encoded = text(jwk, name)?.ok_or(KeyError::Member(name))?;
    LENIENT.decode(encoded).map_err(|_| KeyError::Member(name))
}

/// See [`octets`].
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A coordinate of a curve, in its full width. RFC 7518 §6.2.1.2 asks for leading zeros; issuers leave them out, or write one
/// more, as big integers are often written. The number is the same, and whether it is one of the curve is checked.
fn coordinate<const N: usize>(jwk: &Map<String, Value>, name: &'static str) -> Result<[u8; N], KeyError> {
    let octets = octets(jwk, name)?;
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let digits = octets.get(zeros..).filter(|_| !octets.is_empty()).ok_or(KeyError::Member(name))?;
    let mut coordinate = [0; N];
    let start = N.checked_sub(digits.len()).ok_or(KeyError::Member(name))?;
    coordinate.iter_mut().skip(start).zip(digits).for_each(|(place, digit)| *place = *digit);
    Ok(coordinate)
}

/// An uncompressed point (SEC 1 §2.3.3).
fn point<const N: usize>(jwk: &Map<String, Value>) -> Result<Vec<u8>, KeyError> {
    let (x, y) = (coordinate::<N>(jwk, "x")?, coordinate::<N>(jwk, "y")?);
    Ok([&[4], x.as_slice(), y.as_slice()].concat())
}

fn ed25519(jwk: &Map<String, Value>) -> Result<(Material, Vec<u8>), KeyError> {
    /// RFC 8410 §10.1: the fixed prefix before the 32 octets of the key.
    const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    // RFC 8037 §2: octets, not a number.
    let x: [u8; 32] = octets(jwk, "x")?.try_into().map_err(|_| KeyError::Member("x"))?;
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
