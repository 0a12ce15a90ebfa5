//! What a request is about to do, beyond its method and path: a message of a protocol, and the rule that admits it.

mod json_rpc;
mod mcp;
mod rule;
mod spelling;

pub use mcp::{Action, ActionKind, Protocol, Unread};
pub use rule::Ruled;
