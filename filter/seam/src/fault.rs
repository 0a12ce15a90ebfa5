//! How calls into policies fail.

use core::fmt;

numbered! {
    /// How a policy failed; always counts as no. The names are what audit records say.
    ///
    /// The linked code ends calls with the first five; the rest is found by the filter, which may end a call by them too.
    pub enum Fault {
        /// It trapped.
        Trap = 1, "trap";
        /// It ran out of fuel.
        Fuel = 2, "fuel";
        /// It called too deeply.
        Stack = 3, "stack";
        /// It asked for more memory than its budget.
        Memory = 4, "memory";
        /// It answered something that the contract does not allow.
        Malformed = 5, "malformed";
        /// It answered more than its budget.
        Output = 6, "output";
        /// It wants a header to say something else than another policy wants.
        Conflict = 7, "conflict";
        /// It did not answer.
        Missing = 8, "missing";
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for Fault {}
