//! Envoy's foreign function `verify_signature`, with the crates that also back `jwt-simple`.
//!
//! The messages are those of `source/extensions/common/wasm/ext/verify_signature.proto`; the key is SPKI, as DER or PEM.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::pkcs8::DecodePublicKey as _;
use prost::Message as _;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::pkcs8::der::Decode as _;
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use rsa::traits::SignatureScheme as _;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use sha1::Sha1;

use crate::status::Status;

/// How the host answers `verify_signature`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifySignature {
    /// As Envoy does.
    #[default]
    Real,
    /// The proxy has no such function: status `NotFound`.
    Absent,
    /// A host that accepts everything, whatever it is asked.
    AlwaysTrue,
    /// A host that refuses everything.
    AlwaysFalse,
}

/// Why the function gave no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// As Envoy: the arguments do not parse, or there is no key.
    BadArgument,
    /// Envoy might answer, this host cannot: an algorithm that it does not have.
    Beyond(&'static str),
}

/// Answers a call with the serialised result.
pub(crate) fn call(mode: VerifySignature, arguments: &[u8]) -> Result<Vec<u8>, Refusal> {
    let arguments = Arguments::decode(arguments).map_err(|_| Refusal::BadArgument)?;
    let verified = match mode {
        VerifySignature::Real => arguments.verify()?,
        VerifySignature::Absent => return Err(Refusal::BadArgument),
        VerifySignature::AlwaysTrue => true,
        VerifySignature::AlwaysFalse => false,
    };
    let error = if verified { "" } else { "Failed to verify digest. Error code: 0" };
    Ok(VerifyResult { result: verified, error: error.to_owned() }.encode_to_vec())
}

/// The status of a refusal that Envoy itself would give.
impl From<&Refusal> for Status {
    fn from(_: &Refusal) -> Self {
        Self::BadArgument
    }
}

/// `VerifySignatureArguments`.
#[derive(Clone, PartialEq, prost::Message)]
struct Arguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
    #[prost(string, tag = "5")]
    public_key_pem: String,
}

/// `VerifySignatureResult`.
#[derive(Clone, PartialEq, prost::Message)]
struct VerifyResult {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(string, tag = "2")]
    error: String,
}

#[derive(Clone, Copy)]
enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Arguments {
    fn verify(&self) -> Result<bool, Refusal> {
        // Envoy looks at the key before the hash.
        if self.public_key.is_empty() == self.public_key_pem.is_empty() {
            return Err(Refusal::BadArgument);
        }
        if !self.public_key_pem.is_empty() {
            return Err(Refusal::Beyond("a public key as PEM"));
        }
        let Some(hash) = Hash::named(&self.hash_function) else { return Ok(false) };
        let Ok(info) = SubjectPublicKeyInfoRef::from_der(&self.public_key) else { return Ok(false) };
        let parameter = info.algorithm.parameters_oid().ok().map(|oid| oid.to_string());
        match (info.algorithm.oid.to_string().as_str(), parameter.as_deref()) {
            // rsaEncryption, RFC 8017 appendix A.1.
            ("1.2.840.113549.1.1.1", _) => self.verify_rsa(hash),
            // id-ecPublicKey with secp256r1 or secp384r1, RFC 5480 §2.1.1.
            ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => Ok(self.verify_p256(hash)),
            ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => Ok(self.verify_p384(hash)),
            ("1.2.840.10045.2.1", _) => Err(Refusal::Beyond("a curve other than P-256 and P-384")),
            // Ed25519 takes no digest: BoringSSL refuses to initialise and Envoy answers false. Unknown keys do not parse.
            _ => Ok(false),
        }
    }

    fn verify_p256(&self, hash: Hash) -> bool {
        use p256::ecdsa::{Signature, VerifyingKey};
        let Ok(key) = VerifyingKey::from_public_key_der(&self.public_key) else { return false };
        let Ok(signature) = Signature::from_der(&self.signature) else { return false };
        key.verify_prehash(&hash.digest(&self.text), &signature).is_ok()
    }

    fn verify_p384(&self, hash: Hash) -> bool {
        use p384::ecdsa::{Signature, VerifyingKey};
        let Ok(key) = VerifyingKey::from_public_key_der(&self.public_key) else { return false };
        let Ok(signature) = Signature::from_der(&self.signature) else { return false };
        key.verify_prehash(&hash.digest(&self.text), &signature).is_ok()
    }

    fn verify_rsa(&self, hash: Hash) -> Result<bool, Refusal> {
        let Ok(key) = RsaPublicKey::from_public_key_der(&self.public_key) else {
            return if self.public_key.len() > LONGEST_RSA_KEY {
                Err(Refusal::Beyond("an RSA key over 4096 bits"))
            } else {
                Ok(false)
            };
        };
        let scheme = match hash {
            Hash::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
            Hash::Sha224 => Pkcs1v15Sign::new::<Sha224>(),
            Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        };
        Ok(scheme.verify(&key, &hash.digest(&self.text), &self.signature).is_ok())
    }
}

/// Octets of the SPKI of a 4096-bit key with room for a longer exponent; `rsa` refuses greater keys.
const LONGEST_RSA_KEY: usize = 600;

impl Hash {
    fn named(name: &str) -> Option<Self> {
        // Envoy lower-cases the name.
        match name.to_ascii_lowercase().as_str() {
            "sha1" => Some(Self::Sha1),
            "sha224" => Some(Self::Sha224),
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn digest(self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(text).to_vec(),
            Self::Sha224 => Sha224::digest(text).to_vec(),
            Self::Sha256 => Sha256::digest(text).to_vec(),
            Self::Sha384 => Sha384::digest(text).to_vec(),
            Self::Sha512 => Sha512::digest(text).to_vec(),
        }
    }
}
