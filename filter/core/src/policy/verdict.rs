//! What one policy says, or how it failed.

pub use mandate_seam::Fault;

use crate::{limits, printable};
use serde::Serialize;

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, and this must be done with the request.
    Allow(Vec<Obligation>),
    /// No.
    Deny {
        /// The policy's own stable code, which the client is told: `[a-z0-9_-]{1,64}`.
        code: String,
        /// For the audit record; never for the client.
        message: String,
    },
    /// Not this policy's concern.
    Abstain,
}

/// What an allowing policy asks to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Obligation {
    /// Add the header `x-mandate-ext-<name>` to the request that the upstream gets.
    Header {
        /// What follows the prefix: lower-case letters, digits and dashes.
        name: String,
        /// Visible ASCII and spaces.
        value: String,
    },
    /// Add a field to the audit record.
    Audit {
        /// The field's name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The request needs an approval, and is denied without one.
    Approve {
        /// Why, for the person who approves and for the audit record.
        reason: String,
    },
}

impl Obligation {
    /// Whether it is about a header.
    #[must_use]
    pub fn is_header(&self) -> bool {
        matches!(self, Self::Header { .. })
    }

    /// Why somebody must approve the request, if it asks for that.
    #[must_use]
    pub fn approval_reason(&self) -> Option<&str> {
        match self {
            Self::Header { .. } | Self::Audit { .. } => None,
            Self::Approve { reason } => Some(reason),
        }
    }

    /// Whether both want one header to say something.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { name, value }, Self::Header { name: same, value: differs }) => {
                name == same && value != differs
            }
            _ => false,
        }
    }

    /// Whether it can be done without doing anything else: no other header, no line break, no text that shows as another.
    pub(super) fn is_valid(&self) -> bool {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 64
                && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        match self {
            Self::Header { name, value } => is_name(name) && value.bytes().all(|b| matches!(b, 0x20..=0x7e)),
            Self::Audit { name, .. } => is_name(name),
            Self::Approve { reason } => {
                let most = limits::POLICY_APPROVAL_CHARACTERS;
                (1..=most).contains(&reason.chars().count()) && printable::is_printable(reason)
            }
        }
    }
}
