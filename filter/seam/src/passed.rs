//! How results, values and faults are passed in one word: the fault above, what there is without one below.

use crate::fault::Fault;

numbers! {
    /// Most parameters of a function of a policy or of the host; those that one does not have are passed as 0.
    pub const ARGUMENTS: usize = 4;
    /// The number that is passed where there is no fault.
    pub const NO_FAULT: u32 = 0;
    /// Bits of the result of a policy's function, below the fault.
    pub const RESULT_BITS: u32 = 32;
    /// Bits of an answer's value, below the fault: times and counts are far smaller.
    pub const VALUE_BITS: u32 = 56;
    /// Bytes of a global in an image, whatever its type: little endian, the rest 0.
    pub const SLOT_BYTES: usize = 8;
    /// The number of no image.
    pub const NO_IMAGE: u32 = 0;
    /// The handle by which a policy knows the request that it is lent: a fresh instance has no other, so its first is 1
    /// (Canonical ABI, `Table`).
    pub const REQUEST_HANDLE: u32 = 1;
}

/// What a function came back with that gives [`NO_FAULT`], or the number of a fault; one that nobody has is a trap.
///
/// # Errors
/// The fault.
pub const fn settled(number: u32) -> Result<(), Fault> {
    match Fault::from_number(number) {
        _ if number == NO_FAULT => Ok(()),
        Some(fault) => Err(fault),
        None => Err(Fault::Trap),
    }
}

/// What a call of a policy's function came back with.
///
/// # Errors
/// The fault, as [`settled`].
#[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
pub const fn returned(word: u64) -> Result<u32, Fault> {
    match settled((word >> RESULT_BITS) as u32) {
        Ok(()) => Ok(word as u32),
        Err(fault) => Err(fault),
    }
}

/// The word for an answer to a policy.
#[must_use]
pub const fn answered(answer: Result<u64, Fault>) -> u64 {
    match answer {
        Ok(value) => value & ((1 << VALUE_BITS) - 1),
        Err(fault) => (fault as u64) << VALUE_BITS,
    }
}
