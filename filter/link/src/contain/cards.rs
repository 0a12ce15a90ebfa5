//! Which parts of a policy's memory were written to, in a memory that no policy can reach.
//!
//! A card is a byte for each KiB. A store marks the card of the address that it begins at; a later store near to one that
//! is marked needs no mark of its own, so whoever reads the cards takes [`SLACK`] bytes more on both sides.

use mandate_seam::limits::{MEMORY_BYTES, PAGE_BYTES};
use wasm_encoder::{BlockType, InstructionSink, MemArg, MemArgTarget};

/// Bytes of memory for each card, as a power of two.
pub(crate) const CARD_LOG2: i32 = 10;
/// How far from an address whose card is marked a store may begin without a mark.
const NEAR: u64 = 56;
/// How far from its card a store may have written: it begins near, and takes up to eight bytes.
pub(crate) const SLACK: i32 = 64;
/// The cards of one policy: those of the largest memory, which fill one page.
pub(crate) const PAGES: u64 = (MEMORY_BYTES >> CARD_LOG2).div_ceil(PAGE_BYTES);

/// Where the cards of a policy are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cards {
    /// The memory of all cards.
    pub memory: u32,
    /// The first byte of this policy's.
    pub first: u64,
}

impl Cards {
    /// A byte, or a word, of these cards.
    pub fn at(self, align: u32) -> MemArg {
        MemArg { offset: self.first, align, target: MemArgTarget::Memory(self.memory), ordering: None }
    }

    /// Marks what begins at an address and has a length, both in locals; the length is not zero.
    pub fn mark_range(self, code: &mut InstructionSink<'_>, at: u32, len: u32) {
        let card = |code: &mut InstructionSink<'_>| {
            code.i32_const(CARD_LOG2).i32_shr_u();
        };
        let first = |code: &mut InstructionSink<'_>| {
            code.local_get(at);
            card(code);
        };
        let last = |code: &mut InstructionSink<'_>| {
            code.local_get(at).local_get(len).i32_add().i32_const(1).i32_sub();
            card(code);
        };
        // What is no longer than a card lies in its first and its last; to fill a range is a call for most engines.
        code.local_get(len).i32_const(1 << CARD_LOG2).i32_le_u();
        code.if_(BlockType::Empty);
        first(code);
        code.i32_const(1).i32_store8(self.at(0));
        last(code);
        code.i32_const(1).i32_store8(self.at(0));
        code.else_();
        first(code);
        code.i32_const(i32::try_from(self.first).unwrap_or(i32::MAX)).i32_add();
        code.i32_const(1);
        last(code);
        first(code);
        code.i32_sub().i32_const(1).i32_add();
        code.memory_fill(self.memory);
        code.end();
    }
}

/// The offsets, from one base, at which stores left marks.
#[derive(Debug, Default, Clone)]
pub(super) struct Marks(Vec<u64>);

impl Marks {
    /// Whether a store at this offset is near enough to one that left a mark.
    pub fn covers(&self, offset: u64) -> bool {
        self.0.iter().any(|known| known.abs_diff(offset) <= NEAR)
    }

    /// Notes a mark.
    pub fn add(&mut self, offset: u64) {
        self.0.push(offset);
    }
}
