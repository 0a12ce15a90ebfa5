//! What a policy may import: the functions of the contract, as the canonical ABI lowers them.

use wasmparser::ValType::{self, I32, I64};

/// A function that the host grants to policies. The numbers are those by which the filter knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum HostFunction {
    /// `request.method: func() -> string`
    Method = 0,
    /// `request.path: func() -> string`
    Path = 1,
    /// `request.header: func(name: string) -> result<option<string>, header-error>`
    Header = 2,
    /// `request.principal: func() -> identity`
    Principal = 3,
    /// `request.agent: func() -> option<identity>`
    Agent = 4,
    /// `request.depth: func() -> u32`
    Depth = 5,
    /// `request.hop: func(index: u32) -> option<identity>`
    Hop = 6,
    /// `request.has-scope: func(scope: string) -> bool`
    HasScope = 7,
    /// `request.scopes: func() -> list<string>`
    Scopes = 8,
    /// `request.claim: func(pointer: string) -> option<claim>`
    Claim = 9,
    /// `request.route: func() -> route`
    Route = 10,
    /// `request.now: func() -> u64`
    Now = 11,
    /// The end of the loan of the request.
    Drop = 12,
    /// `log: func(level: level, message: string)`
    Log = 13,
}

impl HostFunction {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Method,
        Self::Path,
        Self::Header,
        Self::Principal,
        Self::Agent,
        Self::Depth,
        Self::Hop,
        Self::HasScope,
        Self::Scopes,
        Self::Claim,
        Self::Route,
        Self::Now,
        Self::Drop,
        Self::Log,
    ];

    /// The interface, without package and version, and the name in it.
    #[must_use]
    pub const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::Method => ("request", "[method]request.method"),
            Self::Path => ("request", "[method]request.path"),
            Self::Header => ("request", "[method]request.header"),
            Self::Principal => ("request", "[method]request.principal"),
            Self::Agent => ("request", "[method]request.agent"),
            Self::Depth => ("request", "[method]request.depth"),
            Self::Hop => ("request", "[method]request.hop"),
            Self::HasScope => ("request", "[method]request.has-scope"),
            Self::Scopes => ("request", "[method]request.scopes"),
            Self::Claim => ("request", "[method]request.claim"),
            Self::Route => ("request", "[method]request.route"),
            Self::Now => ("request", "[method]request.now"),
            Self::Drop => ("request", "[resource-drop]request"),
            Self::Log => ("log", "log"),
        }
    }

    /// The core parameters and results (Canonical ABI, `flatten_functype` with `lower`).
    #[must_use]
    pub const fn signature(self) -> (&'static [ValType], &'static [ValType]) {
        match self {
            Self::Method | Self::Path | Self::Principal | Self::Agent | Self::Scopes | Self::Route => {
                (&[I32, I32], &[])
            }
            Self::Hop => (&[I32, I32, I32], &[]),
            Self::Header | Self::Claim => (&[I32, I32, I32, I32], &[]),
            Self::Depth => (&[I32], &[I32]),
            Self::HasScope => (&[I32, I32, I32], &[I32]),
            Self::Now => (&[I32], &[I64]),
            Self::Drop => (&[I32], &[]),
            Self::Log => (&[I32, I32, I32], &[]),
        }
    }
}
