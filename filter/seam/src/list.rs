//! How a bundle names its policies: a JSON array of objects, which the filter reads through [`Stub::Linked`](crate::Stub), and
//! everybody else in a custom section.

use core::fmt;

/// The custom section of a bundle that holds the list.
pub const SECTION: &str = "mandate.policies";
/// The member that is the policy's name.
pub const NAME: &str = "name";
/// The member that is the SHA-256 of the policy's component, in lower-case hex.
pub const SHA256: &str = "sha256";
/// The member that is the number of cases of `obligation` in the version of the contract that the component was made for. The
/// number of a later case is none for it.
pub const OBLIGATION_CASES: &str = "obligation_cases";

/// The list of a module without policies.
pub const EMPTY: &str = "[]";

/// An element of the list; it is written as JSON. No part needs escaping: a policy's name, hex, and a number.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// See [`NAME`].
    pub name: &'a str,
    /// See [`SHA256`].
    pub sha256: &'a str,
    /// See [`OBLIGATION_CASES`].
    pub obligation_cases: usize,
}

impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, sha256, obligation_cases } = self;
        write!(f, r#"{{"{NAME}":"{name}","{SHA256}":"{sha256}","{OBLIGATION_CASES}":{obligation_cases}}}"#)
    }
}
