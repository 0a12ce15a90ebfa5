//! Status codes of the proxy-wasm ABI and the few errno values of WASI that Envoy returns.

/// Status of a proxy-wasm host call, as Envoy numbers them
/// ([`proxy_wasm_common.h`](https://github.com/proxy-wasm/proxy-wasm-cpp-sdk/blob/main/proxy_wasm_common.h)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Status {
    /// The call did what it was asked.
    Ok = 0,
    /// No such header, property, key, metric or function.
    NotFound = 1,
    /// An argument was refused.
    BadArgument = 2,
    /// A value could not be serialised for the guest.
    SerializationFailure = 3,
    /// A protobuf argument could not be parsed.
    ParseFailure = 4,
    /// An expression could not be evaluated.
    BadExpression = 5,
    /// A pointer was outside of the guest's memory, or the guest's allocator failed.
    InvalidMemoryAccess = 6,
    /// A shared queue was empty.
    Empty = 7,
    /// Shared data was changed by somebody else.
    CasMismatch = 8,
    /// A result was not what was expected.
    ResultMismatch = 9,
    /// The host failed.
    InternalFailure = 10,
    /// The peer went away.
    BrokenConnection = 11,
    /// The host does not implement the call.
    Unimplemented = 12,
}

impl Status {
    /// Every status, in the order of the codes; a test that injects failures skips the first.
    pub const ALL: [Self; 13] = [
        Self::Ok,
        Self::NotFound,
        Self::BadArgument,
        Self::SerializationFailure,
        Self::ParseFailure,
        Self::BadExpression,
        Self::InvalidMemoryAccess,
        Self::Empty,
        Self::CasMismatch,
        Self::ResultMismatch,
        Self::InternalFailure,
        Self::BrokenConnection,
        Self::Unimplemented,
    ];

    /// The number that crosses the ABI.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }
}

/// WASI `errno` values that Envoy's few WASI functions return.
pub(crate) mod errno {
    /// Not stdout or stderr.
    pub(crate) const BADF: u32 = 8;
    /// A pointer outside of the guest's memory.
    pub(crate) const FAULT: u32 = 21;
    /// More than the proxy gives at once.
    pub(crate) const INVAL: u32 = 28;
    /// There are no files.
    pub(crate) const NOENT: u32 = 44;
    /// A function that the proxy only pretends to have.
    pub(crate) const NOSYS: u32 = 52;
    /// A clock that the proxy does not have.
    pub(crate) const NOTSUP: u32 = 58;
}
