//! Tokens at the desk: signing keys, key sets and access tokens, well-formed or not.
//!
//! Well-formed tokens are minted by `jwt-simple`. What it rightly refuses to make (no `kid`, no `typ`,
//! a header of one's own, claims that are not JSON) is signed here over raw bytes, because a filter
//! that is only ever shown good tokens has not been tested.

mod claims;
mod key;
mod proof;
mod raw;

pub use claims::{Claims, Hop, TokenBuilder};
pub use key::{SigningKey, jwks};
pub use mandate_core::algorithm::Algorithm;
pub use proof::DpopProof;
pub use raw::{forge, sign_raw, unsigned};

use std::path::PathBuf;

/// Why a key or a token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The text names none of the algorithms of [`Algorithm::ALL`].
    #[error("`{0}` is not a signature algorithm known here")]
    UnknownAlgorithm(String),
    /// The bytes given as a private key are not one, or not one for this algorithm.
    #[error("not a usable private key for {algorithm}: {detail}")]
    Key {
        /// What the key was meant for.
        algorithm: Algorithm,
        /// What the token library said.
        detail: String,
    },
    /// A key may only be used under an algorithm of its own family (RSA, P-256, P-384, Ed25519).
    #[error("a key made for {from} cannot sign {to}")]
    OtherFamily {
        /// The algorithm that the key was made for.
        from: Algorithm,
        /// The algorithm that was asked for.
        to: Algorithm,
    },
    /// The key file could not be read or written.
    #[error("key file `{}`: {source}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The file holds something other than a private JWK with `alg` and `kid`.
    #[error("key file `{}`: {detail}", path.display())]
    Format {
        /// The key file.
        path: PathBuf,
        /// What is missing or wrong.
        detail: String,
    },
    /// The signature could not be made.
    #[error("signing with {algorithm} failed: {detail}")]
    Sign {
        /// The algorithm of the key.
        algorithm: Algorithm,
        /// What the token library said.
        detail: String,
    },
    /// The text is not three parts joined by dots with a base64url signature.
    #[error("not a signed token in compact form")]
    NotCompact,
}
