//! What is known, while code is rewritten, of the operands on the stack and of the addresses that were checked.

use super::cards::Marks;
use std::collections::BTreeMap;
use wasmparser::Operator;

/// What an operand is, if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand {
    /// The value that the local has now.
    Local(u32),
    /// A number.
    Constant(u32),
    /// Anything.
    Unknown,
}

/// Facts that hold before an operator.
#[derive(Debug, Default)]
pub(super) struct Facts {
    stack: Vec<Operand>,
    /// For a local: that many bytes from the address in it are within memory. Memory never shrinks during a call.
    checked: BTreeMap<u32, u64>,
    /// For a local: where, from the address in it, stores left marks. No mark goes away during a call.
    marked: BTreeMap<u32, Marks>,
}

impl Facts {
    /// The operand that is `below` the top of a stack of this height.
    pub fn operand(&self, height: u32, below: u32) -> Operand {
        let index = height.checked_sub(below + 1).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| self.stack.get(index)).copied().unwrap_or(Operand::Unknown)
    }

    /// Whether so many bytes from the address in a local are known to be within memory.
    pub fn is_checked(&self, local: u32, bytes: u64) -> bool {
        self.checked.get(&local).is_some_and(|known| *known >= bytes)
    }

    /// Notes a check that passed.
    pub fn check(&mut self, local: u32, bytes: u64) {
        let known = self.checked.entry(local).or_default();
        *known = bytes.max(*known);
    }

    /// Whether a store at this offset from the address in a local is covered by a mark.
    pub fn is_marked(&self, local: u32, offset: u64) -> bool {
        self.marked.get(&local).is_some_and(|marks| marks.covers(offset))
    }

    /// Notes a mark that was made.
    pub fn mark(&mut self, local: u32, offset: u64) {
        self.marked.entry(local).or_default().add(offset);
    }

    /// Carries the facts over an operator that takes the stack from one height to another.
    pub fn step(&mut self, operator: &Operator<'_>, before: u32, after: u32) {
        let size = |height: u32| usize::try_from(height).unwrap_or(usize::MAX);
        self.stack.resize(size(before), Operand::Unknown);
        match operator {
            Operator::LocalGet { local_index } => self.stack.push(Operand::Local(*local_index)),
            Operator::I32Const { value } => self.stack.push(Operand::Constant(value.cast_unsigned())),
            Operator::LocalSet { local_index } => self.forget(*local_index),
            Operator::LocalTee { local_index } => {
                self.forget(*local_index);
                if let Some(top) = self.stack.last_mut() {
                    *top = Operand::Local(*local_index);
                }
            }
            // Whoever comes here by a branch knows nothing.
            Operator::Loop { .. } | Operator::End | Operator::Else => *self = Self::default(),
            Operator::Block { .. } | Operator::If { .. } => self.stack.clear(),
            _ => {
                // What an operator leaves is new, from the lowest operand that it took.
                self.stack.truncate(size(lowest(operator, before, after)));
            }
        }
        self.stack.resize(size(after), Operand::Unknown);
    }

    /// Begins anew, where no code runs into.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget(&mut self, local: u32) {
        self.checked.remove(&local);
        self.marked.remove(&local);
        for operand in self.stack.iter_mut().filter(|operand| **operand == Operand::Local(local)) {
            *operand = Operand::Unknown;
        }
    }
}

/// Where on the stack the operands end that an operator leaves alone; what is above is new, or nothing.
fn lowest(operator: &Operator<'_>, before: u32, after: u32) -> u32 {
    match operator {
        // Takes any number of operands, and leaves any number.
        Operator::Call { .. } | Operator::CallIndirect { .. } => 0,
        Operator::Drop | Operator::GlobalSet { .. } | Operator::BrIf { .. } => after,
        _ if super::memory::access(operator).is_some_and(|access| access.stored.is_some()) => after,
        // It only adds.
        _ if after > before => before,
        // One to three operands become one; where they become none, one more than needed is forgotten.
        _ => before.min(after).saturating_sub(1),
    }
}
