//! Signing keys: made, kept in a file, and shown to the world as a JWK.

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jwt_simple::prelude::*;
use serde_json::{Value, json};

use mandate_core::algorithm::Algorithm;
use mandate_core::keys::PublicKey;

use super::TokenError;

/// Bits of a new RSA modulus: the least that RFC 7518 §3.3 allows.
const RSA_BITS: usize = 2048;

/// One of the token library's key pairs. They share no trait that covers what is needed here.
pub(super) enum KeyPair {
    EdDsa(Ed25519KeyPair),
    Es256(ES256KeyPair),
    Es384(ES384KeyPair),
    Rs256(RS256KeyPair),
    Rs384(RS384KeyPair),
    Rs512(RS512KeyPair),
    Ps256(PS256KeyPair),
    Ps384(PS384KeyPair),
    Ps512(PS512KeyPair),
}

/// Runs one expression for whichever key pair it is.
macro_rules! each_pair {
    ($pair:expr, $key:ident => $body:expr) => {
        match $pair {
            KeyPair::EdDsa($key) => $body,
            KeyPair::Es256($key) => $body,
            KeyPair::Es384($key) => $body,
            KeyPair::Rs256($key) => $body,
            KeyPair::Rs384($key) => $body,
            KeyPair::Rs512($key) => $body,
            KeyPair::Ps256($key) => $body,
            KeyPair::Ps384($key) => $body,
            KeyPair::Ps512($key) => $body,
        }
    };
}
pub(super) use each_pair;

/// Makes the key pair of an algorithm with the same constructor of each type, named after `kid`.
macro_rules! make_pair {
    ($algorithm:expr, $kid:expr, $constructor:ident($argument:expr)) => {
        match $algorithm {
            Algorithm::EdDsa => {
                Ed25519KeyPair::$constructor($argument).map(|k| KeyPair::EdDsa(k.with_key_id($kid)))
            }
            Algorithm::Es256 => {
                ES256KeyPair::$constructor($argument).map(|k| KeyPair::Es256(k.with_key_id($kid)))
            }
            Algorithm::Es384 => {
                ES384KeyPair::$constructor($argument).map(|k| KeyPair::Es384(k.with_key_id($kid)))
            }
            Algorithm::Rs256 => {
                RS256KeyPair::$constructor($argument).map(|k| KeyPair::Rs256(k.with_key_id($kid)))
            }
            Algorithm::Rs384 => {
                RS384KeyPair::$constructor($argument).map(|k| KeyPair::Rs384(k.with_key_id($kid)))
            }
            Algorithm::Rs512 => {
                RS512KeyPair::$constructor($argument).map(|k| KeyPair::Rs512(k.with_key_id($kid)))
            }
            Algorithm::Ps256 => {
                PS256KeyPair::$constructor($argument).map(|k| KeyPair::Ps256(k.with_key_id($kid)))
            }
            Algorithm::Ps384 => {
                PS384KeyPair::$constructor($argument).map(|k| KeyPair::Ps384(k.with_key_id($kid)))
            }
            Algorithm::Ps512 => {
                PS512KeyPair::$constructor($argument).map(|k| KeyPair::Ps512(k.with_key_id($kid)))
            }
        }
        .map_err(|error| TokenError::Key { algorithm: $algorithm, detail: error.to_string() })
    };
}

/// A private key with its algorithm and its name. Neither `Debug` nor [`SigningKey::public_jwk`] shows
/// the private part.
pub struct SigningKey {
    algorithm: Algorithm,
    kid: String,
    pub(super) pair: KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).field("kid", &self.kid).finish()
    }
}

impl SigningKey {
    /// A new key. RSA keys have 2048 bits; see [`SigningKey::load_or_generate`] to make one only once.
    ///
    /// # Errors
    /// [`TokenError::Key`] when the library cannot make an RSA key.
    pub fn generate(algorithm: Algorithm, kid: &str) -> Result<Self, TokenError> {
        let pair = match algorithm {
            Algorithm::EdDsa => KeyPair::EdDsa(Ed25519KeyPair::generate().with_key_id(kid)),
            Algorithm::Es256 => KeyPair::Es256(ES256KeyPair::generate().with_key_id(kid)),
            Algorithm::Es384 => KeyPair::Es384(ES384KeyPair::generate().with_key_id(kid)),
            _ => {
                let made = RS256KeyPair::generate(RSA_BITS)
                    .and_then(|key| key.to_der())
                    .map_err(|error| TokenError::Key { algorithm, detail: error.to_string() })?;
                return Self::from_der(algorithm, kid, &made);
            }
        };
        Ok(Self { algorithm, kid: kid.to_owned(), pair })
    }

    /// A key from a private key in PEM (PKCS #8).
    ///
    /// # Errors
    /// [`TokenError::Key`] when the text is not a private key of the algorithm's family.
    pub fn from_pem(algorithm: Algorithm, kid: &str, pem: &str) -> Result<Self, TokenError> {
        let pair = make_pair!(algorithm, kid, from_pem(pem))?;
        Ok(Self { algorithm, kid: kid.to_owned(), pair })
    }

    /// A key from a private key in DER (PKCS #8).
    ///
    /// # Errors
    /// [`TokenError::Key`] when the bytes are not a private key of the algorithm's family.
    pub fn from_der(algorithm: Algorithm, kid: &str, der: &[u8]) -> Result<Self, TokenError> {
        let pair = make_pair!(algorithm, kid, from_der(der))?;
        Ok(Self { algorithm, kid: kid.to_owned(), pair })
    }

    /// The same key material under another algorithm of its family and another name, as when one RSA key
    /// is to sign `RS256` and `PS512`.
    ///
    /// # Errors
    /// [`TokenError::OtherFamily`] when the algorithm needs another kind of key.
    pub fn under(&self, algorithm: Algorithm, kid: &str) -> Result<Self, TokenError> {
        if algorithm != self.algorithm && !(algorithm.is_rsa() && self.algorithm.is_rsa()) {
            return Err(TokenError::OtherFamily { from: self.algorithm, to: algorithm });
        }
        Self::from_der(algorithm, kid, &self.to_der()?)
    }

    /// The private key in DER (PKCS #8).
    ///
    /// # Errors
    /// [`TokenError::Key`] when the library cannot encode it.
    pub fn to_der(&self) -> Result<Vec<u8>, TokenError> {
        match &self.pair {
            KeyPair::EdDsa(key) => Ok(key.to_der()),
            KeyPair::Es256(key) => key.to_der(),
            KeyPair::Es384(key) => key.to_der(),
            KeyPair::Rs256(key) => key.to_der(),
            KeyPair::Rs384(key) => key.to_der(),
            KeyPair::Rs512(key) => key.to_der(),
            KeyPair::Ps256(key) => key.to_der(),
            KeyPair::Ps384(key) => key.to_der(),
            KeyPair::Ps512(key) => key.to_der(),
        }
        .map_err(|error| TokenError::Key { algorithm: self.algorithm, detail: error.to_string() })
    }

    /// What the key signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's name, as in the header's and the JWK's `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK with `alg`, `use` and `kid` (RFC 7517 §4). Never the private part.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let text = each_pair!(&self.pair, key => key.public_key().to_jwk());
        let mut jwk: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({}));
        if let Some(members) = jwk.as_object_mut() {
            members.insert("alg".to_owned(), json!(self.algorithm.name()));
            members.insert("use".to_owned(), json!("sig"));
            members.insert("kid".to_owned(), json!(self.kid));
        }
        jwk
    }

    /// The public key as a JWK with the members that make it up, and no others.
    #[must_use]
    pub fn bare_jwk(&self) -> Value {
        let mut jwk = self.public_jwk();
        if let Some(members) = jwk.as_object_mut() {
            members.retain(|name, _| !["alg", "use", "kid"].contains(&name.as_str()));
        }
        jwk
    }

    /// The thumbprint of the public key (RFC 7638, SHA-256) in base64url, as tokens that are bound to it have it in `cnf.jkt`.
    ///
    /// # Errors
    /// [`TokenError::Key`] when the filter would not take the key.
    pub fn thumbprint(&self) -> Result<String, TokenError> {
        let failed = |detail: String| TokenError::Key { algorithm: self.algorithm, detail };
        let key = PublicKey::from_jwk(&self.bare_jwk()).map_err(|error| failed(error.to_string()))?;
        Ok(BASE64URL.encode(key.thumbprint()))
    }

    /// A key from a private JWK. Without the member `alg`, what its type and curve are usually for: `ES256`, `ES384`, `EdDSA` or
    /// `RS256`.
    ///
    /// # Errors
    /// [`TokenError::UnknownAlgorithm`] or [`TokenError::Key`] when the text is not such a JWK.
    pub fn from_private_jwk(text: &str) -> Result<Self, TokenError> {
        let jwk: Value = serde_json::from_str(text).unwrap_or_default();
        let member = |name| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = match (member("alg"), member("kty"), member("crv")) {
            ("", "EC", "P-256") => "ES256",
            ("", "EC", "P-384") => "ES384",
            ("", "OKP", "Ed25519") => "EdDSA",
            ("", "RSA", _) => "RS256",
            (name, ..) => name,
        };
        let algorithm =
            Algorithm::from_name(name).ok_or_else(|| TokenError::UnknownAlgorithm(name.to_owned()))?;
        let kid = member("kid");
        let pair = make_pair!(algorithm, kid, from_jwk(text))?;
        Ok(Self { algorithm, kid: kid.to_owned(), pair })
    }

    /// The private key as a JWK with `alg` and `kid`.
    #[must_use]
    pub fn private_jwk(&self) -> String {
        each_pair!(&self.pair, key => key.to_jwk())
    }

    /// Writes the private key as a JWK, readable by its owner only, in one step: a reader meets the whole
    /// file or none. The folder is made when missing.
    ///
    /// # Errors
    /// [`TokenError::File`] when the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TokenError> {
        let failed = |source| TokenError::File { path: path.to_owned(), source };
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        // A temporary file is created with owner-only permissions, which the rename keeps.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(self.private_jwk().as_bytes()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Reads a key that [`SigningKey::save`] wrote.
    ///
    /// # Errors
    /// [`TokenError::File`] when the file cannot be read, [`TokenError::Format`] when it holds no such key.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TokenError::File { path: path.to_owned(), source })?;
        Self::from_private_jwk(&text)
            .map_err(|error| TokenError::Format { path: path.to_owned(), detail: error.to_string() })
    }

    /// The key in the file, or a new one that is then kept there. A file with a key of another algorithm or
    /// name is an error rather than overwritten.
    ///
    /// # Errors
    /// As [`SigningKey::load`], [`SigningKey::generate`] and [`SigningKey::save`].
    pub fn load_or_generate(path: &Path, algorithm: Algorithm, kid: &str) -> Result<Self, TokenError> {
        match Self::load(path) {
            Ok(key) if key.algorithm == algorithm && key.kid == kid => Ok(key),
            Ok(key) => Err(TokenError::Format {
                path: path.to_owned(),
                detail: format!("holds {} `{}`, not {algorithm} `{kid}`", key.algorithm, key.kid),
            }),
            Err(TokenError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                let key = Self::generate(algorithm, kid)?;
                key.save(path)?;
                Ok(key)
            }
            Err(error) => Err(error),
        }
    }
}

/// The public keys as a JWK set (RFC 7517 §5).
#[must_use]
pub fn jwks(keys: &[&SigningKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>() })
}
