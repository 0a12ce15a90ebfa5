//! The seam between filter and policies, as the filter exports it (`filter/src/seam.rs`).

use wasmparser::ValType::{self, I32, I64};

/// A function of the filter that does nothing until the linker gives it a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stub {
    Linked,
    Initialise,
    Allow,
    Fuel,
    Charge,
    Call,
    Size,
    Read,
    Write,
    SaveGlobals,
    Restore,
}

/// What every name of the seam begins with; a bundle exports none of them.
pub(crate) const PREFIX: &str = "mandate_seam_";

/// The function of the filter that answers what policies ask: `(policy, function, a, b, c, d)`, and what it returns has the
/// number of a fault above [`VALUE_BITS`] bits of value.
pub(crate) const ANSWER: &str = "mandate_seam_answer";
pub(crate) const ANSWER_TYPE: (&[ValType], &[ValType]) = (&[I32; 6], &[I64]);
pub(crate) const VALUE_BITS: i64 = 56;

impl Stub {
    pub const ALL: [Self; 11] = [
        Self::Linked,
        Self::Initialise,
        Self::Allow,
        Self::Fuel,
        Self::Charge,
        Self::Call,
        Self::Size,
        Self::Read,
        Self::Write,
        Self::SaveGlobals,
        Self::Restore,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Linked => "mandate_seam_linked",
            Self::Initialise => "mandate_seam_initialise",
            Self::Allow => "mandate_seam_allow",
            Self::Fuel => "mandate_seam_fuel",
            Self::Charge => "mandate_seam_charge",
            Self::Call => "mandate_seam_call",
            Self::Size => "mandate_seam_size",
            Self::Read => "mandate_seam_read",
            Self::Write => "mandate_seam_write",
            Self::SaveGlobals => "mandate_seam_save_globals",
            Self::Restore => "mandate_seam_restore",
        }
    }

    pub const fn signature(self) -> (&'static [ValType], &'static [ValType]) {
        match self {
            Self::Linked | Self::SaveGlobals => (&[I32, I32], &[I32]),
            Self::Initialise => (&[I32], &[I32]),
            Self::Allow => (&[I64, I32], &[I32]),
            Self::Fuel => (&[], &[I64]),
            Self::Charge => (&[I64], &[I32]),
            Self::Call => (&[I32; 6], &[I64]),
            Self::Size => (&[], &[I32]),
            Self::Read | Self::Write => (&[I32; 4], &[I32]),
            Self::Restore => (&[I32; 5], &[I32]),
        }
    }
}
