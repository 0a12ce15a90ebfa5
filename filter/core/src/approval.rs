//! Approvals: a signed yes of somebody else to one action with these arguments, used once.
//!
//! ```text
//! RequestHead → ParsedApproval → SignedApproval → HeldApproval → UsedApproval
//! ```
//!
//! What is approved is in the approval itself, claim by claim, and each is compared with the request that brings it: whoever signs
//! sees what they sign. The id of a request is derived from the same claims. It is for finding the two again, and decides nothing.

mod request;
mod signed;

pub use request::{ApprovalRequest, NeededBy, digest_of, digest_of_text};
pub use signed::{ApproverKey, HeldApproval, ParsedApproval, SignedApproval, TYPE, UsedApproval};
