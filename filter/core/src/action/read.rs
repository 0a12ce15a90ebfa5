//! Requests of any protocol.

use super::headers::are_plainly_named;
use super::protocol::{Action, Protocol, Unread};
use super::{a2a, mcp};
use crate::config::Rules;
use crate::denial::Denial;
use crate::http::{NormalPath, RequestHead};

impl From<Rules<'_>> for Protocol {
    fn from(rules: Rules<'_>) -> Self {
        match rules {
            Rules::Mcp(_) => Self::Mcp,
            Rules::A2a(_) => Self::A2a,
        }
    }
}

impl Action {
    /// What a request is about to do. `body` is empty if it has none.
    ///
    /// # Errors
    /// [`Reason::BodyMalformed`](crate::reason::Reason::BodyMalformed) for what is no message of the protocol,
    /// [`ProtocolMismatch`](crate::reason::Reason::ProtocolMismatch) if its parts do not agree,
    /// [`ActionDenied`](crate::reason::Reason::ActionDenied) if the protocol has no such request, and
    /// [`PathInvalid`](crate::reason::Reason::PathInvalid) if its path can be read in two ways.
    pub fn read(
        protocol: Protocol,
        head: &RequestHead,
        path: &NormalPath,
        body: &[u8],
    ) -> Result<Self, Unread> {
        let action = match protocol {
            Protocol::Mcp if head.method() == "POST" => mcp::read(head, body),
            Protocol::Mcp => Ok(mcp::of_session(head)?),
            Protocol::A2a => a2a::read(head, path, body),
        }?;
        match Self::check_names(protocol, head) {
            Ok(()) => Ok(action),
            Err(denial) => Err(Unread { denial, id: action.id }),
        }
    }

    /// Checks the names of a head's headers, which can be done before its body came.
    ///
    /// # Errors
    /// [`Reason::ProtocolMismatch`](crate::reason::Reason::ProtocolMismatch) if a server may take one for a header of the protocol.
    pub fn check_names(protocol: Protocol, head: &RequestHead) -> Result<(), Denial> {
        are_plainly_named(head, protocol.headers())
    }
}

/// Whether the client of a request understands errors of JSON-RPC, and no others.
#[must_use]
pub fn is_json_rpc(protocol: Protocol, head: &RequestHead, path: &NormalPath) -> bool {
    match protocol {
        Protocol::Mcp => true,
        Protocol::A2a => a2a::is_json_rpc(head, path),
    }
}

/// Whether a request reads the public card of an agent (A2A), and does nothing else.
#[must_use]
pub fn asks_for_card(head: &RequestHead, path: &NormalPath) -> bool {
    a2a::asks_for_card(head, path)
}
