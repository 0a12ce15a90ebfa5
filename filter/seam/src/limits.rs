//! What a policy may be made of, and what it pays: the linker holds a policy to it, the filter counts on it.

numbers! {
    /// Bytes of a page of memory, as a power of two (WebAssembly core specification §4.2.8).
    pub const PAGE_LOG2: u32 = 16;
    /// Bytes of a page of memory.
    pub const PAGE_BYTES: u64 = 1 << PAGE_LOG2;
    /// Most pages of memory that a policy can ever have.
    pub const MEMORY_PAGES: u64 = 1024;
    /// Most bytes of memory that a policy can ever have: the largest `limits.memory_bytes` of a configuration.
    pub const MEMORY_BYTES: u64 = MEMORY_PAGES * PAGE_BYTES;
    /// Most mutable globals of a policy, which are kept with the image of every entry of a configuration.
    pub const GLOBALS: usize = 256;
    /// Bytes that are copied or filled for one unit of fuel, as a power of two.
    pub const BYTES_PER_FUEL_LOG2: u32 = 4;
    /// Bytes that are copied or filled for one unit of fuel.
    pub const BYTES_PER_FUEL: u64 = 1 << BYTES_PER_FUEL_LOG2;
    /// Most policies in one bundle.
    pub const POLICIES: usize = 64;
    /// Longest name of a policy, in bytes.
    pub const NAME_BYTES: usize = 64;
}

/// Whether a policy can be called this: lower-case letters, digits and dashes.
#[must_use]
pub fn is_policy_name(name: &str) -> bool {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
}
