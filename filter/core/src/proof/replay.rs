//! What was used, so that it is used once: proofs by the key and their `jti` (RFC 9449 §11.1), approvals by their approver and `jti`.
//!
//! The memory is bounded, and what it has no room for is denied rather than forgotten. It consists of slots; a slot is a list of uses,
//! each with the second from which it may be forgotten:
//!
//! ```text
//! slot = *use                        ; at most limits::REPLAY_SLOT_USES
//! use  = 16OCTET until               ; SHA-256 of purpose, owner and id, its first half
//! until = 4OCTET                     ; seconds since 1970, big-endian
//! ```
//!
//! An owner, such as the key of a sender, has one group of slots, so that it cannot take all room. Slots are kept by this worker, or in
//! the memory that all workers of a proxy share, where each write says what it replaces.

use crate::limits;
use crate::time::UnixTime;
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Octets of the digest that a use is known by: 128 bits, so that no two are ever the same by chance.
const DIGEST: usize = 16;
/// Octets of a use.
const USE: usize = DIGEST + 4;

/// Memory that all workers of a proxy share, in parts with a name.
pub trait SharedMemory {
    /// A part, and the state that it is in.
    ///
    /// # Errors
    /// If the proxy failed.
    fn read(&self, part: &str) -> Result<(Vec<u8>, PartState), SharedMemoryFailed>;

    /// Replaces a part that is still in this state. Gives whether it was.
    ///
    /// # Errors
    /// If the proxy failed.
    fn replace(&self, part: &str, bytes: &[u8], state: PartState) -> Result<bool, SharedMemoryFailed>;
}

/// The state that a part of shared memory was read in; `None`: nothing was there.
pub type PartState = Option<u32>;

/// The proxy failed to read or to write shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared memory of the proxy failed")]
pub struct SharedMemoryFailed;

/// Why something may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It was used before.
    #[error("it was used before")]
    Used,
    /// There is no room to remember that it is used now.
    #[error("there is no room to remember its use")]
    Full,
    /// The shared memory failed, or holds something else than slots.
    #[error("the memory of what was used failed")]
    Failed,
}

impl From<SharedMemoryFailed> for ReplayError {
    fn from(_: SharedMemoryFailed) -> Self {
        Self::Failed
    }
}

/// Something that is used now.
#[derive(Debug, Clone, Copy)]
pub struct Use<'a> {
    /// What for: ids of different purposes have nothing to do with each other.
    pub purpose: &'static str,
    /// Who chose the id: the thumbprint of a key, the name of an approver.
    pub owner: &'a [u8],
    /// The id.
    pub id: &'a str,
    /// From when on it would not be accepted anyway.
    pub until: UnixTime,
}

/// What was used, as far as this worker remembers it by itself. Clones are the same memory: one configuration takes it over from the one
/// before, which may still serve requests.
#[derive(Debug, Clone, Default)]
pub struct ReplayMemory {
    slots: Rc<RefCell<BTreeMap<usize, Vec<u8>>>>,
}

impl ReplayMemory {
    /// Remembers a use, here or in the memory that is shared.
    ///
    /// # Errors
    /// If it was used before, or that cannot be told or remembered.
    pub fn use_once(
        &self,
        shared: Option<&dyn SharedMemory>,
        used: &Use<'_>,
        now: UnixTime,
    ) -> Result<(), ReplayError> {
        let (slot, digest) = used.place();
        let Some(shared) = shared else {
            let mut slots = self.slots.try_borrow_mut().map_err(|_| ReplayError::Failed)?;
            return add(slots.entry(slot).or_default(), &digest, used.until, now);
        };
        let part = format!("mandate.used.{slot}");
        for _ in 0..limits::REPLAY_ATTEMPTS {
            let (mut uses, state) = shared.read(&part)?;
            add(&mut uses, &digest, used.until, now)?;
            if shared.replace(&part, &uses, state)? {
                return Ok(());
            }
        }
        // Others were faster each time, so it is not remembered.
        Err(ReplayError::Full)
    }
}

impl Use<'_> {
    /// Its slot, and the digest that it is known by.
    fn place(&self) -> (usize, [u8; DIGEST]) {
        let mut owner = Sha256::new();
        for part in [self.purpose.as_bytes(), self.owner] {
            // With its length, so that no two lists of parts are the same bytes.
            owner.update((part.len() as u64).to_le_bytes());
            owner.update(part);
        }
        let whole: [u8; 32] = owner.clone().chain_update(self.id).finalize().into();
        let [group, ..]: [u8; 32] = owner.finalize().into();
        let (digest, rest) = whole.split_first_chunk().unwrap_or((&[0; DIGEST], &[]));
        let within = rest.first_chunk().map_or(0, |two| usize::from(u16::from_le_bytes(*two)));
        let slots = limits::REPLAY_SLOTS / limits::REPLAY_GROUPS;
        let slot = (usize::from(group) % limits::REPLAY_GROUPS) * slots + within % slots;
        (slot, *digest)
    }
}

/// Adds a use to a slot, and forgets those that need not be remembered any more.
fn add(slot: &mut Vec<u8>, digest: &[u8; DIGEST], until: UnixTime, now: UnixTime) -> Result<(), ReplayError> {
    let (uses, []) = slot.as_chunks::<USE>() else { return Err(ReplayError::Failed) };
    let mut kept = Vec::with_capacity(slot.len().saturating_add(USE));
    for known in uses {
        let (Some((id, rest)), now) = (known.split_first_chunk::<DIGEST>(), now.as_secs()) else {
            return Err(ReplayError::Failed);
        };
        let until = rest.first_chunk().map_or(0, |until| u64::from(u32::from_be_bytes(*until)));
        if until <= now {
            continue;
        }
        if id == digest {
            return Err(ReplayError::Used);
        }
        kept.extend_from_slice(known);
    }
    if kept.len() >= limits::REPLAY_SLOT_USES.saturating_mul(USE) {
        return Err(ReplayError::Full);
    }
    // The second in which it ends is remembered whole.
    let until = u32::try_from(until.as_secs().saturating_add(1)).map_err(|_| ReplayError::Full)?;
    kept.extend_from_slice(digest);
    kept.extend_from_slice(&until.to_be_bytes());
    *slot = kept;
    Ok(())
}
