//! What a policy may import: the functions of the contract, as the canonical ABI lowers them.

use crate::signature::CoreType::{I32, I64};
use crate::signature::Signature;
use crate::wit;

numbered! {
    /// A function that the filter grants to policies. The names are those of the component model in the function's interface.
    pub enum HostFunction {
        /// `request.method: func() -> string`
        Method = 0, "[method]request.method";
        /// `request.path: func() -> string`
        Path = 1, "[method]request.path";
        /// `request.header: func(name: string) -> result<option<string>, header-error>`
        Header = 2, "[method]request.header";
        /// `request.principal: func() -> identity`
        Principal = 3, "[method]request.principal";
        /// `request.agent: func() -> option<identity>`
        Agent = 4, "[method]request.agent";
        /// `request.depth: func() -> u32`
        Depth = 5, "[method]request.depth";
        /// `request.hop: func(index: u32) -> option<identity>`
        Hop = 6, "[method]request.hop";
        /// `request.has-scope: func(scope: string) -> bool`
        HasScope = 7, "[method]request.has-scope";
        /// `request.scopes: func() -> list<string>`
        Scopes = 8, "[method]request.scopes";
        /// `request.claim: func(pointer: string) -> option<claim>`
        Claim = 9, "[method]request.claim";
        /// `request.route: func() -> route`
        Route = 10, "[method]request.route";
        /// `request.now: func() -> u64`
        Now = 11, "[method]request.now";
        /// The end of the loan of the request.
        Drop = 12, "[resource-drop]request";
        /// `log: func(level: level, message: string)`
        Log = 13, "log";
        /// `request.action: func() -> option<action>`
        Action = 14, "[method]request.action";
        /// `request.argument: func(pointer: string) -> result<option<claim>, argument-error>`
        Argument = 15, "[method]request.argument";
        /// `request.arguments: func() -> string`
        Arguments = 16, "[method]request.arguments";
        /// `request.authority: func() -> option<string>`
        Authority = 17, "[method]request.authority";
        /// `request.query: func() -> option<string>`
        Query = 18, "[method]request.query";
        /// `request.header-values: func(name: string) -> result<list<string>, header-error>`
        HeaderValues = 19, "[method]request.header-values";
        /// `request.header-names: func() -> list<string>`
        HeaderNames = 20, "[method]request.header-names";
        /// `request.claim-json: func(pointer: string) -> option<string>`
        ClaimJson = 21, "[method]request.claim-json";
        /// `request.hop-kind: func(index: u32) -> option<string>`
        HopKind = 22, "[method]request.hop-kind";
    }
}

impl HostFunction {
    /// The interface, without package and version.
    #[must_use]
    pub const fn interface(self) -> &'static str {
        match self {
            Self::Method
            | Self::Path
            | Self::Header
            | Self::Principal
            | Self::Agent
            | Self::Depth
            | Self::Hop
            | Self::HasScope
            | Self::Scopes
            | Self::Claim
            | Self::Route
            | Self::Now
            | Self::Drop
            | Self::Action
            | Self::Argument
            | Self::Arguments
            | Self::Authority
            | Self::Query
            | Self::HeaderValues
            | Self::HeaderNames
            | Self::ClaimJson
            | Self::HopKind => wit::REQUEST,
            Self::Log => wit::LOG,
        }
    }

    /// As people write it: `request.header`, `log`.
    #[must_use]
    pub fn plain_name(self) -> &'static str {
        self.name().strip_prefix("[method]").unwrap_or(self.name())
    }

    /// The core parameters and results (Canonical ABI, `flatten_functype` with `lower`).
    #[must_use]
    pub const fn signature(self) -> Signature {
        match self {
            Self::Method
            | Self::Path
            | Self::Principal
            | Self::Agent
            | Self::Scopes
            | Self::Route
            | Self::Action
            | Self::Arguments
            | Self::Authority
            | Self::Query
            | Self::HeaderNames => Signature::new(&[I32; 2], &[]),
            Self::Hop | Self::HopKind => Signature::new(&[I32; 3], &[]),
            Self::Header | Self::Claim | Self::Argument | Self::HeaderValues | Self::ClaimJson => {
                Signature::new(&[I32; 4], &[])
            }
            Self::Depth => Signature::new(&[I32], &[I32]),
            Self::HasScope => Signature::new(&[I32; 3], &[I32]),
            Self::Now => Signature::new(&[I32], &[I64]),
            Self::Drop => Signature::new(&[I32], &[]),
            Self::Log => Signature::new(&[I32; 3], &[]),
        }
    }
}
