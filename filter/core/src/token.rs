//! A token as it came: taken apart, and its claims read. Nothing here is verified.

pub(crate) mod claims;
mod parsed;

pub use claims::{ClaimReader, Times};
pub use parsed::{JoseHeader, ParsedToken};
