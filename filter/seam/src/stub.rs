//! The functions of the filter that the linker finds by name.

use crate::signature::{CoreType, Passed, Signature};

/// Hands the functions that the filter's module exports for the linker to a macro, as they are written here: `stubs`, which do
/// nothing until the linker gives them bodies, and the one that `answers` what policies ask.
///
/// Pointers are into the filter's memory. Where a policy is taken by number, the numbers are positions in the list of policies;
/// no other number is ever passed.
#[macro_export]
macro_rules! functions {
    ($with:ident) => {
        $with! {
            stubs {
                /// Copies the list of policies (`list`), as far as there is room, and gives its length.
                Linked = fn mandate_seam_linked(into: *mut u8, room: usize) -> usize;
                /// Puts a policy into the state in which nothing of it has run, and gives the bytes of its memory.
                Initialise = fn mandate_seam_initialise(policy: u32) -> u32;
                /// Sets what the calls that follow may use; gives 0.
                Allow = fn mandate_seam_allow(fuel: u64, memory_bytes: u32) -> u32;
                /// Gives the fuel that is left.
                Fuel = fn mandate_seam_fuel() -> u64;
                /// Takes fuel; gives 0, or the number of a fault.
                Charge = fn mandate_seam_charge(units: u64) -> u32;
                /// Calls a function of a policy by its number; gives what `passed::returned` reads.
                Call = fn mandate_seam_call(policy: u32, function: u32, a: u32, b: u32, c: u32, d: u32) -> u64;
                /// Gives the bytes of memory of the policy that ran last.
                Size = fn mandate_seam_size() -> u32;
                /// Copies out of a policy's memory; gives 0, or the number of a fault.
                Read = fn mandate_seam_read(policy: u32, at: u32, into: *mut u8, len: usize) -> u32;
                /// Copies into a policy's memory; gives 0, or the number of a fault.
                Write = fn mandate_seam_write(policy: u32, at: u32, from: *const u8, len: usize) -> u32;
                /// Copies the mutable globals of a policy, a slot each, and gives how many there are.
                SaveGlobals = fn mandate_seam_save_globals(policy: u32, into: *mut u64) -> usize;
                /// Puts memory and globals of a policy back to an image, whose number tells it from other images; gives 0. As many
                /// globals are read as there are.
                Restore = fn mandate_seam_restore(
                    policy: u32, memory: *const u8, len: usize, globals: *const u64, image: u32
                ) -> u32;
            }
            answers {
                /// Answers what a policy asks, by the number of a host function and its parameters, the rest of them 0; gives what
                /// `passed::answered` makes.
                fn mandate_seam_answer(policy: u32, function: u32, a: u32, b: u32, c: u32, d: u32) -> u64;
            }
        }
    };
}

macro_rules! define {
    (
        stubs {
            $($(#[$doc:meta])* $stub:ident = fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)+
        }
        answers {
            $(#[$answers:meta])*
            fn $answer:ident($($answer_arg:ident: $answer_type:ty),*) -> $answer_result:ty;
        }
    ) => {
        /// A function of the filter that does nothing until the linker gives it a body.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Stub {
            $($(#[$doc])* $stub,)+
        }

        impl Stub {
            /// All of them.
            pub const ALL: [Self; [$(stringify!($stub)),+].len()] = [$(Self::$stub),+];

            /// As the linker finds it.
            #[must_use]
            pub const fn function(self) -> Function {
                match self {
                    $(Self::$stub => const {
                        Function {
                            name: stringify!($name),
                            signature: Signature::new(&[$(<$type as Passed>::AS),*], &[<$result as Passed>::AS]),
                        }
                    },)+
                }
            }
        }

        $(#[$answers])*
        pub const ANSWER: Function = Function {
            name: stringify!($answer),
            signature: Signature::new(&[$(<$answer_type as Passed>::AS),*], &[<$answer_result as Passed>::AS]),
        };
    };
}

functions!(define);

/// A function that the filter exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// The name of the export.
    pub name: &'static str,
    /// What it takes and gives.
    pub signature: Signature,
}

/// What the names of these functions begin with, and of no other export: a bundle has none of them.
pub const PREFIX: &str = "mandate_seam_";

const _: () = {
    let answer = ANSWER.signature;
    assert!(answer.params.len() == 2 + crate::passed::ARGUMENTS);
    assert!(matches!(answer.results, [CoreType::I64]));
};
