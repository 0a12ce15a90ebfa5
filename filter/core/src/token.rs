//! A token as it came: taken apart, and its claims read. Nothing here is verified.

mod binding;
pub(crate) mod claims;
mod parsed;
mod workload_key;

pub(crate) use binding::digest;
pub use binding::{Binding, Digest};
pub use claims::{ClaimReader, Times};
pub use parsed::{JoseHeader, ParsedToken};
pub use workload_key::WorkloadKey;
