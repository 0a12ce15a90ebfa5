//! Rewriting a policy's code so that whatever it does wrong becomes a fault of one call, and never a trap of the proxy's
//! virtual machine.
//!
//! - What would trap is tested before, and throws instead; the glue catches (`../glue.rs`).
//! - Loops and calls take fuel (`fuel`), calls take of a budget for the stack, weighted by the size of their frames.
//! - Each store marks its memory page as changed (`cards`: card marking), so that a reset copies only what was changed.
//! - Memory ends where the budget ends, not where the engine's memory ends: `memory.size` and `memory.grow` are
//!   answered from a global, and addresses are compared with it.
//!
//! The shape of a rewritten function:
//!
//! ```text
//! block $fault_n … block $fault_1 block $body
//!   …                    ; a failed test branches to the block of its fault
//! end
//! restore the stack budget; return
//! end  throw fault_1
//! …
//! end  throw fault_n
//! ```

mod body;
pub(crate) mod cards;
mod facts;
mod fuel;
mod memory;

pub(crate) use body::rewrite;
pub(crate) use cards::Cards;

use crate::guest::Guest;
use crate::refusal::Refusal;

/// Checks that all code of a policy can be contained, wherever it will be.
pub(crate) fn check(guest: &Guest<'_>) -> Result<(), Refusal> {
    let anywhere = Places { contained: true, ..Places::default() };
    (0..guest.functions.len()).try_for_each(|index| rewrite(guest, &anywhere, index, &mut |_| 0).map(drop))
}

/// Where the rewritten code finds what it needs, by index in the bundle.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Places {
    /// Added to the policy's own indices.
    pub types: u32,
    /// See `types`.
    pub functions: u32,
    /// See `types`.
    pub globals: u32,
    /// The policy's memory.
    pub memory: u32,
    /// The policy's table.
    pub table: u32,
    /// The tag of all faults.
    pub tag: u32,
    /// `i64`: the fuel that is left.
    pub fuel: u32,
    /// `i32`: the bytes of stack that are in use.
    pub stack: u32,
    /// `i32`: the bytes of memory that the policy has.
    pub size: u32,
    /// The memory of the cards, and where this policy's begin: see `cards`.
    pub cards: Cards,
    /// Whether code is contained at all: only a bench links it bare.
    pub contained: bool,
    /// `(i32) -> i32`, instead of `memory.grow`.
    pub grow: u32,
    /// `(i32, i32, i32)`, instead of `memory.copy`.
    pub copy: u32,
    /// `(i32, i32, i32)`, instead of `memory.fill`.
    pub fill: u32,
}

/// The stack that one call into a policy may take, in bytes: an engine's stack has far more.
pub(crate) const STACK_BYTES: i32 = 256 * 1024;
/// What a frame takes beside the values of the policy: what the rewriting adds, and what engines keep.
const FRAME_BYTES: u32 = 160;
/// The largest frame: the budget is tested on entry, when the frame is already there.
const LARGEST_FRAME_BYTES: u32 = 64 * 1024;
/// Most parameters or results of a block, and results of a function: a branch moves them all, and pays for one operator.
const MOST_CARRIED: usize = 16;
/// Most targets of a `br_table`: V8 takes no more.
const MOST_TARGETS: u32 = 65_520;
/// A function pays on entry for its locals too, which are zeroed: so many for one unit.
const LOCALS_PER_FUEL: u32 = 8;
