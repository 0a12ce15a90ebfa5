//! The numbers by which faults are thrown. `mandate-core` knows them (`sandbox::fault`).

/// How a policy fails. The order is that of the core's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub(crate) enum Fault {
    Trap = 1,
    Fuel = 2,
    Stack = 3,
    Memory = 4,
    Malformed = 5,
}

impl Fault {
    pub const fn number(self) -> i32 {
        self as i32
    }
}
