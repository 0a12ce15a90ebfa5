//! The seam to the policies that are linked into this module.
//!
//! Envoy takes no module with imports that it does not know, so the seam is made of functions of our own: the stubs below
//! do nothing here, and the linker (`mandate-link`) replaces their bodies and then hides them. One function goes the other
//! way: [`mandate_seam_answer`], which linked policies come back with.

#![expect(unsafe_code, reason = "functions whose bodies the linker makes; each block says why it is sound")]

use mandate_core::limits;
use mandate_core::policy::Fault;
use mandate_core::policy::PolicyCall;
use mandate_core::policy::{Export, Seam, fault, host_call, kind};
use std::cell::Cell;
use std::hint::black_box;
use std::ptr::NonNull;

/// Functions that the compiler must know nothing about: neither that they do nothing, nor that two of them are alike.
macro_rules! stubs {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $name($($arg: $type),*) -> $result {
                black_box((stringify!($name), $($arg),*));
                black_box(0)
            }
        )*
    };
}

stubs! {
    /// Copies the list of policies, as far as there is room, and gives its length.
    fn mandate_seam_linked(into: *mut u8, room: usize) -> usize;
    /// See [`Seam::initialise`].
    fn mandate_seam_initialise(policy: u32) -> u32;
    /// See [`Seam::allow`].
    fn mandate_seam_allow(fuel: u64, memory_bytes: u32) -> u32;
    /// See [`Seam::fuel`].
    fn mandate_seam_fuel() -> u64;
    /// Gives 0, or the number of a fault.
    fn mandate_seam_charge(units: u64) -> u32;
    /// Gives the number of a fault, or 0, in the high half, and the result in the low one.
    fn mandate_seam_call(policy: u32, export: u32, a: u32, b: u32, c: u32, d: u32) -> u64;
    /// See [`Seam::size`].
    fn mandate_seam_size() -> u32;
    /// Gives 0, or the number of a fault.
    fn mandate_seam_read(policy: u32, at: u32, into: *mut u8, len: usize) -> u32;
    /// Gives 0, or the number of a fault.
    fn mandate_seam_write(policy: u32, at: u32, from: *const u8, len: usize) -> u32;
    /// See [`Seam::save_globals`].
    fn mandate_seam_save_globals(policy: u32, into: *mut u64) -> usize;
    /// See [`Seam::restore`]; the linker knows how many globals there are.
    fn mandate_seam_restore(policy: u32, memory: *const u8, len: usize, globals: *const u64, image: u32) -> u32;
}

thread_local! {
    /// What the policy that is being called may ask.
    static VISIT: Cell<Option<NonNull<PolicyCall<'static>>>> = const { Cell::new(None) };
}

/// The value of an answer takes the low 56 bits, the number of a fault what is above: times and counts are far smaller.
const VALUE_BITS: u32 = 56;

/// A question of a policy, from the linked code.
#[unsafe(no_mangle)]
extern "C" fn mandate_seam_answer(policy: u32, function: u32, a: u32, b: u32, c: u32, d: u32) -> u64 {
    // No visit: a call that may not leave the policy (Canonical ABI, `may_leave`), such as `cabi_realloc`.
    let Some(visit) = VISIT.get() else { return u64::from(kind(Fault::Trap)) << VALUE_BITS };
    // SAFETY: `call` puts a visit here only while its reference lives, and takes it away before it returns.
    let visit = unsafe { visit.as_ref() };
    match host_call(&mut LinkedModule, policy, visit, function, [a, b, c, d]) {
        Ok(value) => value & ((1 << VALUE_BITS) - 1),
        Err(fault) => u64::from(kind(fault)) << VALUE_BITS,
    }
}

/// The linked policies of this module; there is one, and it keeps its state outside of our memory.
#[derive(Debug, Clone, Copy)]
pub struct LinkedModule;

fn settled(number: u32) -> Result<(), Fault> {
    fault(number).map_or(Ok(()), Err)
}

impl Seam for LinkedModule {
    fn linked(&self) -> Vec<u8> {
        let len = mandate_seam_linked(std::ptr::null_mut(), 0);
        if len == 0 {
            return b"[]".to_vec();
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
        settled(mandate_seam_charge(units))
    }

    fn call(
        &mut self,
        policy: u32,
        export: Export,
        [a, b, c, d]: [u32; 4],
        visit: Option<&PolicyCall<'_>>,
    ) -> Result<u32, Fault> {
        let outer = VISIT.replace(visit.map(|visit| NonNull::from(visit).cast()));
        let end = mandate_seam_call(policy, export as u32, a, b, c, d);
        VISIT.set(outer);
        settled(u32::try_from(end >> 32).unwrap_or(u32::MAX))?;
        u32::try_from(end).map_err(|_| Fault::Trap)
    }

    fn size(&self) -> u32 {
        mandate_seam_size()
    }

    fn read(&self, policy: u32, at: u32, into: &mut [u8]) -> Result<(), Fault> {
        settled(mandate_seam_read(policy, at, into.as_mut_ptr(), into.len()))
    }

    fn write(&mut self, policy: u32, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        settled(mandate_seam_write(policy, at, bytes.as_ptr(), bytes.len()))
    }

    fn save_globals(&self, policy: u32, into: &mut [u64; limits::POLICY_GLOBALS]) -> usize {
        mandate_seam_save_globals(policy, into.as_mut_ptr())
    }

    fn restore(&mut self, policy: u32, memory: &[u8], globals: &[u64], image: u32) {
        mandate_seam_restore(policy, memory.as_ptr(), memory.len(), globals.as_ptr(), image);
    }
}
