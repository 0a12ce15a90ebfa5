//! The seam to the policies that are linked into this module.
//!
//! Envoy takes no module with imports that it does not know, so the seam is made of functions of our own: the stubs
//! do nothing here, and the linker (`mandate-link`) replaces their bodies and then hides them. One function goes the other
//! way: [`mandate_seam_answer`], which linked policies come back with. Their names and types, and what is passed, are those of
//! `mandate-seam`; the module says of which version of it.

#![expect(unsafe_code, reason = "functions whose bodies the linker makes; each block says why it is sound")]

use mandate_core::limits;
use mandate_core::policy::Fault;
use mandate_core::policy::{PolicyCall, Seam, host_call};
use mandate_core::seam::{self, PolicyFunction, list, passed};
use std::cell::Cell;
use std::hint::black_box;
use std::ptr::NonNull;

/// The stubs, which the compiler must know nothing about: neither that they do nothing, nor that two of them are alike. And what
/// the linked code calls, which goes on to [`answer`].
macro_rules! export {
    (
        stubs {
            $($(#[$doc:meta])* $stub:ident = fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)+
        }
        answers {
            $(#[$answers:meta])*
            fn $answer:ident($($answer_arg:ident: $answer_type:ty),*) -> $answer_result:ty;
        }
    ) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $name($($arg: $type),*) -> $result {
                black_box((stringify!($name), $($arg),*));
                black_box(0)
            }
        )+

        $(#[$answers])*
        #[unsafe(no_mangle)]
        extern "C" fn $answer($($answer_arg: $answer_type),*) -> $answer_result {
            answer($($answer_arg),*)
        }
    };
}

seam::functions!(export);
seam::declare_version!();

thread_local! {
    /// What the policy that is being called may ask.
    static CALL: Cell<Option<NonNull<PolicyCall<'static>>>> = const { Cell::new(None) };
}

/// A question of a policy, from the linked code.
fn answer(policy: u32, function: u32, a: u32, b: u32, c: u32, d: u32) -> u64 {
    // No call: a call that may not leave the policy (Canonical ABI, `may_leave`), such as `cabi_realloc`.
    let Some(call) = CALL.get() else { return passed::answered(Err(Fault::Trap)) };
    // SAFETY: `call` puts a call here only while its reference lives, and takes it away before it returns.
    let call = unsafe { call.as_ref() };
    passed::answered(host_call(&mut LinkedModule, policy, call, function, [a, b, c, d]))
}

/// The linked policies of this module; there is one, and it keeps its state outside of our memory.
#[derive(Debug, Clone, Copy)]
pub struct LinkedModule;

impl Seam for LinkedModule {
    fn linked(&self) -> Vec<u8> {
        let len = mandate_seam_linked(std::ptr::null_mut(), 0);
        if len == 0 {
            return list::EMPTY.into();
        }
        let mut list = vec![0; len];
        mandate_seam_linked(list.as_mut_ptr(), list.len());
        list
    }

    fn initialise(&mut self, policy: u32) -> u32 {
        mandate_seam_initialise(policy)
    }

    fn allow(&mut self, fuel: u64, memory_bytes: u32) {
        mandate_seam_allow(fuel, memory_bytes);
    }

    fn fuel(&self) -> u64 {
        mandate_seam_fuel()
    }

    fn charge(&mut self, units: u64) -> Result<(), Fault> {
        passed::settled(mandate_seam_charge(units))
    }

    fn call(
        &mut self,
        policy: u32,
        function: PolicyFunction,
        [a, b, c, d]: [u32; 4],
        call: Option<&PolicyCall<'_>>,
    ) -> Result<u32, Fault> {
        let outer = CALL.replace(call.map(|call| NonNull::from(call).cast()));
        let end = mandate_seam_call(policy, function.number(), a, b, c, d);
        CALL.set(outer);
        passed::returned(end)
    }

    fn size(&self) -> u32 {
        mandate_seam_size()
    }

    fn read(&self, policy: u32, at: u32, into: &mut [u8]) -> Result<(), Fault> {
        passed::settled(mandate_seam_read(policy, at, into.as_mut_ptr(), into.len()))
    }

    fn write(&mut self, policy: u32, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        passed::settled(mandate_seam_write(policy, at, bytes.as_ptr(), bytes.len()))
    }

    fn save_globals(&self, policy: u32, into: &mut [u64; limits::POLICY_GLOBALS]) -> usize {
        mandate_seam_save_globals(policy, into.as_mut_ptr())
    }

    fn restore(&mut self, policy: u32, memory: &[u8], globals: &[u64], image: u32) {
        mandate_seam_restore(policy, memory.as_ptr(), memory.len(), globals.as_ptr(), image);
    }
}
