//! What was used, so that it is used once: proofs by the key and their `jti` (RFC 9449 §11.1), approvals by their approver and `jti`.
//!
//! The memory is bounded, and what it has no room for is denied rather than forgotten. It consists of slots; a slot is a list of uses,
//! each with the second from which it may be forgotten:
//!
//! ```text
//! slot = *use                        ; at most limits::REPLAY_SLOT_USES
//! use  = id owner until
//! id   = 16OCTET                     ; SHA-256 of purpose, owner and id, its first half
//! owner = 2OCTET                     ; of the SHA-256 of purpose and owner, its beginning
//! until = 4OCTET                     ; seconds since 1970, big-endian
//! ```
//!
//! Of each slot an owner, such as the key of a sender, has a share at most, so that one of them can neither take all room nor choose whose
//! room it takes: uses are spread over all slots by a digest of which the id is a part. Each purpose has slots of its own. Slots are kept by
//! this worker, or in the memory that all workers of a proxy share, where each write says what it replaces.

use crate::limits;
use crate::time::UnixTime;
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Octets of the digest that a use is known by: 128 bits, so that no two are ever the same by chance.
const DIGEST: usize = 16;
/// Octets that tell owners apart, as far as their shares are concerned.
const OWNER: usize = 2;
/// Octets of a use.
const USE: usize = DIGEST + OWNER + 4;

/// How a use is known in its slot.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: [u8; DIGEST],
    owner: [u8; OWNER],
}

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

/// Slots by purpose and number.
type Slots = BTreeMap<(&'static str, usize), Vec<u8>>;

/// What was used, as far as this worker remembers it by itself. Clones are the same memory: one configuration takes it over from the one
/// before, which may still serve requests.
#[derive(Debug, Clone, Default)]
pub struct ReplayMemory {
    slots: Rc<RefCell<Slots>>,
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
        let (slot, known) = used.place();
        let Some(shared) = shared else {
            let mut slots = self.slots.try_borrow_mut().map_err(|_| ReplayError::Failed)?;
            return add(slots.entry((used.purpose, slot)).or_default(), known, used.until, now);
        };
        let part = format!("mandate.used.{}.{slot}", used.purpose);
        for _ in 0..limits::REPLAY_ATTEMPTS {
            let (mut uses, state) = shared.read(&part)?;
            add(&mut uses, known, used.until, now)?;
            if shared.replace(&part, &uses, state)? {
                return Ok(());
            }
        }
        // Others were faster each time, so it is not remembered.
        Err(ReplayError::Full)
    }
}

impl Use<'_> {
    /// Its slot, and how it is known there.
    fn place(&self) -> (usize, Known) {
        let mut owner = Sha256::new();
        for part in [self.purpose.as_bytes(), self.owner] {
            // With its length, so that no two lists of parts are the same bytes.
            owner.update((part.len() as u64).to_le_bytes());
            owner.update(part);
        }
        let whole: [u8; 32] = owner.clone().chain_update(self.id).finalize().into();
        let owner: [u8; 32] = owner.finalize().into();
        let (id, rest) = whole.split_first_chunk().unwrap_or((&[0; DIGEST], &[]));
        let slot = rest.first_chunk().map_or(0, |two| usize::from(u16::from_le_bytes(*two)));
        let owner = owner.first_chunk().copied().unwrap_or_default();
        (slot % limits::REPLAY_SLOTS, Known { id: *id, owner })
    }
}

/// Adds a use to a slot, and forgets those that need not be remembered any more.
fn add(slot: &mut Vec<u8>, used: Known, until: UnixTime, now: UnixTime) -> Result<(), ReplayError> {
    let (uses, []) = slot.as_chunks::<USE>() else { return Err(ReplayError::Failed) };
    let (mut kept, mut of_owner) = (Vec::with_capacity(slot.len().saturating_add(USE)), 0_usize);
    for known in uses {
        let (id, rest) = known.split_first_chunk::<DIGEST>().ok_or(ReplayError::Failed)?;
        let (owner, rest) = rest.split_first_chunk::<OWNER>().ok_or(ReplayError::Failed)?;
        let until = rest.first_chunk().map_or(0, |until| u64::from(u32::from_be_bytes(*until)));
        if until <= now.as_secs() {
            continue;
        }
        if *id == used.id {
            return Err(ReplayError::Used);
        }
        of_owner = of_owner.saturating_add(usize::from(*owner == used.owner));
        kept.extend_from_slice(known);
    }
    let is_full = kept.len() >= limits::REPLAY_SLOT_USES.saturating_mul(USE);
    if is_full || of_owner >= limits::REPLAY_OWNER_USES {
        return Err(ReplayError::Full);
    }
    // The second in which it ends is remembered whole.
    let until = u32::try_from(until.as_secs().saturating_add(1)).map_err(|_| ReplayError::Full)?;
    kept.extend_from_slice(&used.id);
    kept.extend_from_slice(&used.owner);
    kept.extend_from_slice(&until.to_be_bytes());
    *slot = kept;
    Ok(())
}
