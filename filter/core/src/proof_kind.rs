//! The kinds of proofs of possession: evidence that the sender of a token holds the key that it is bound to.

use serde::{Serialize, Serializer};
use strum::{EnumCount, VariantArray};

/// A kind of proof of possession.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumCount, VariantArray)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum ProofKind {
    /// Demonstrating proof of possession (RFC 9449): the token's `cnf.jkt` is the thumbprint of a key, and a JWT of that key comes in the
    /// header `dpop`.
    Dpop,
    /// Mutual TLS (RFC 8705): the token's `cnf["x5t#S256"]` is the digest of the certificate of the connection.
    Mtls,
    /// Workload Proof Token (WIMSE): a Workload Identity Token has a key in `cnf.jwk`, and a JWT of that key comes with the scheme `WPT`.
    Wpt,
}

impl ProofKind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::Dpop; Self::COUNT];
        all.copy_from_slice(Self::VARIANTS);
        all
    };

    /// Its name in configuration and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dpop => "dpop",
            Self::Mtls => "mtls",
            Self::Wpt => "wpt",
        }
    }

    /// Whether such a proof names the address that the request was sent to.
    #[must_use]
    pub const fn has_address(self) -> bool {
        match self {
            Self::Dpop | Self::Wpt => true,
            Self::Mtls => false,
        }
    }
}

impl Serialize for ProofKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
