//! What the filter calls in a policy.

use crate::signature::CoreType::I32;
use crate::signature::Signature;

numbered! {
    /// What can be called in a policy. The contract's functions are what they are as core functions (Canonical ABI,
    /// `flatten_functype` with `lift`).
    pub enum PolicyFunction {
        /// The start function of the policy's module.
        Start = 0, "start";
        /// `configure(settings, length) -> result`
        Configure = 1, "configure";
        /// Frees what `configure` answered.
        PostConfigure = 2, "post-return of configure";
        /// `check(request) -> verdict`
        Check = 3, "check";
        /// Frees what `check` answered.
        PostCheck = 4, "post-return of check";
        /// `cabi_realloc(old, old size, align, new size) -> place`
        Realloc = 5, "realloc";
        /// What the component calls once its module is instantiated, such as `_initialize`; a policy may have several.
        Initialise = 6, "initialise";
    }
}

impl PolicyFunction {
    /// The core parameters and results.
    #[must_use]
    pub const fn signature(self) -> Signature {
        match self {
            Self::Start | Self::Initialise => Signature::new(&[], &[]),
            Self::Configure => Signature::new(&[I32; 2], &[I32]),
            Self::Check => Signature::new(&[I32], &[I32]),
            Self::PostConfigure | Self::PostCheck => Signature::new(&[I32], &[]),
            Self::Realloc => Signature::new(&[I32; 4], &[I32]),
        }
    }
}
