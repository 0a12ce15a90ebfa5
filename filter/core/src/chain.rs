//! Who acts for whom: a token whose signature was verified, its identities, and the chain that is allowed to act.

mod attenuated;
mod cache;
mod hops;
mod identity_headers;
mod signed;
mod verified;

pub use attenuated::{Attenuated, Authority};
pub use cache::TokenCache;
pub use hops::{Actor, Delegated, Hop, Identity};
pub use identity_headers::{IdentityHeaders, encode_identifier};
pub use signed::SignedToken;
pub use verified::VerifiedChain;
