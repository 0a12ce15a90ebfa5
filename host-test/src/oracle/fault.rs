//! How a call into a policy failed, told by the type of Wasmtime's error.

use mandate_core::policy::Fault;
use wasmtime::{ResourceLimiter, ThrownException, Trap};

/// The most elements that a table may grow to: a table costs the host memory that no budget counts.
const TABLE_ELEMENTS: usize = 100_000;

/// Ends a call from within a host function.
#[derive(Debug, thiserror::Error)]
#[error("the host ended the call: {0}")]
pub(super) struct Ended(pub(super) Fault);

/// The fault behind an error of a call or an instantiation. `refused` says whether the policy was denied memory before.
///
/// Wasmtime reports two kinds of errors. A [`Trap`] is an instruction of the policy that could not be carried out, and
/// an exception that nobody caught counts as one. Everything else was found by Wasmtime itself while it moved values
/// across the boundary, and breaks a rule of the Canonical ABI: text that is no UTF-8, a pointer, length or
/// discriminant out of range, a handle that is not there or was kept.
pub(super) fn fault(error: &wasmtime::Error, refused: bool) -> Fault {
    if let Some(Ended(fault)) = error.downcast_ref() {
        return *fault;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Fault::Fuel,
        Some(Trap::StackOverflow) => Fault::Stack,
        // What a language's allocator does when it gets no memory: it aborts.
        Some(_) if refused => Fault::Memory,
        Some(_) => Fault::Trap,
        None if error.is::<ThrownException>() => Fault::Trap,
        None => Fault::Malformed,
    }
}

/// Holds all memories of one instance together to one budget.
#[derive(Debug)]
pub(super) struct Memory {
    budget: usize,
    used: usize,
    /// Whether the policy was denied memory.
    pub(super) refused: bool,
}

impl Memory {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget: usize::try_from(budget).unwrap_or(usize::MAX), used: 0, refused: false }
    }
}

impl ResourceLimiter for Memory {
    /// Of a memory that is created, `current` is zero.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        let granted = used <= self.budget;
        if !granted {
            self.refused = true;
        } else if maximum.is_none_or(|maximum| desired <= maximum) {
            // Beyond its own maximum a memory does not grow, whatever is granted.
            self.used = used;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let granted = desired <= TABLE_ELEMENTS;
        self.refused |= !granted;
        Ok(granted)
    }
}
