//! The signature algorithms that a token may name (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).
//!
//! The set is closed and holds asymmetric signatures only: `none` and the HMAC family have no variant, so no
//! configuration and no token can ask for them.

use core::fmt;
use strum::{EnumCount, VariantArray};

/// An asymmetric JWS signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount, VariantArray)]
pub enum Algorithm {
    /// Edwards-curve signatures with Ed25519.
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
}

impl Algorithm {
    /// Every algorithm, in the order of declaration.
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::EdDsa; Self::COUNT];
        all.copy_from_slice(Self::VARIANTS);
        all
    };

    /// The second name of [`Algorithm::EdDsa`]: RFC 9864 §2.2 gives Ed25519 a name of its own, and Ed25519 is
    /// the only curve that is understood here.
    pub const ED25519: &str = "Ed25519";

    /// The algorithm of a JWS `alg` value. Names are case-sensitive (RFC 7515 §4.1.1).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == Self::ED25519 {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether keys of this algorithm are RSA keys.
    #[must_use]
    pub const fn is_rsa(self) -> bool {
        !matches!(self, Self::EdDsa | Self::Es256 | Self::Es384)
    }

    /// Whether it is RSASSA-PSS.
    #[must_use]
    pub const fn is_pss(self) -> bool {
        matches!(self, Self::Ps256 | Self::Ps384 | Self::Ps512)
    }

    /// The registered `alg` value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_algorithm() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
    }

    #[test]
    fn ed25519_is_a_second_name_of_eddsa() {
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
    }

    #[test]
    fn names_are_case_sensitive_and_the_set_is_closed() {
        for name in [
            "eddsa", "EDDSA", "es256", "none", "None", "HS256", "HS384", "ES256K", "ES512", "Ed448", "",
            " ES256",
        ] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }
}
