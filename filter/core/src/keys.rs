//! Public keys of issuers: read, kept fresh, found, and used to verify signatures.

mod key;
mod set;
mod signature;
mod store;
mod thumbprint;
mod trusted;

pub use key::{KeyError, KeyUse, PublicKey};
pub use set::{KeySet, KeySetError, RejectedKey};
pub use signature::{InModule, SignatureVerifier, VerifierFailed, ecdsa_der};
pub use store::{KeyStore, Lookup, RemoteStore};
pub use trusted::{TrustedIssuer, TrustedKey};
