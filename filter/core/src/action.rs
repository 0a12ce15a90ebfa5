//! What a request is about to do, beyond its method and path: a message of a protocol, and the rule that admits it.

mod a2a;
mod argument;
mod events;
mod headers;
mod json_rpc;
mod listing;
mod mcp;
mod protocol;
mod read;
mod rule;
mod session;
mod spelling;

pub use events::{EventStream, TooLong};
pub use listing::{Listing, Narrowed, Unlistable};
pub use protocol::{Action, ActionKind, Protocol, Unread};
pub use read::{asks_for_card, is_json_rpc};
pub use rule::{Ruled, has_depth, has_needs};
pub use session::{SESSION, SessionKey};
