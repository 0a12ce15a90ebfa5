//! How a bundle names its policies: a JSON array of objects, which the filter reads through [`Stub::Linked`](crate::Stub), and
//! everybody else in a custom section.

use core::fmt;

/// The custom section of a bundle that holds the list.
pub const SECTION: &str = "mandate.policies";
/// The member that is the policy's name.
pub const NAME: &str = "name";
/// The member that is the SHA-256 of the policy's component, in lower-case hex.
pub const SHA256: &str = "sha256";

/// The list of a module without policies.
pub const EMPTY: &str = "[]";

/// An element of the list; it is written as JSON. Neither part needs escaping: one is a policy's name, the other hex.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// See [`NAME`].
    pub name: &'a str,
    /// See [`SHA256`].
    pub sha256: &'a str,
}

impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"{{"{NAME}":"{}","{SHA256}":"{}"}}"#, self.name, self.sha256)
    }
}
