//! What the border is called: two sides that were compiled apart fit together if both call it the same.

#[cfg(test)]
mod tests;

/// The version of everything in this package. Whoever changes something so that a filter from before and a linker from
/// afterwards no longer understand each other, or the other way round, raises it; a test watches over it.
pub const VERSION: u32 = 3;

/// The SHA-256 of what this package defines, as the test writes it down.
#[cfg(test)]
const DIGEST: &str = "d46bb1977f63b0f58179fd9bc1173a91510c36943c99bdf91d1576dfc26eaf61";

/// The name of the section, for an attribute.
#[doc(hidden)]
#[macro_export]
macro_rules! version_section {
    () => {
        "mandate.seam"
    };
}

/// The custom section of a filter's module that says for which version it was compiled: four bytes, little endian.
pub const VERSION_SECTION: &str = version_section!();

/// The version that a [`VERSION_SECTION`] says; `None` if it says none.
#[must_use]
pub const fn version_of(section: &[u8]) -> Option<u32> {
    match section {
        [a, b, c, d] => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// Has the module that this is compiled into say for which version it was compiled.
#[macro_export]
macro_rules! declare_version {
    () => {
        #[used]
        #[cfg_attr(target_family = "wasm", unsafe(link_section = $crate::version_section!()))]
        static SEAM_VERSION: [u8; 4] = $crate::VERSION.to_le_bytes();
    };
}
