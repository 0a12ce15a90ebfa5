//! What a request is about to do, beyond its method and path: a message of a protocol, and the rule that admits it.

mod events;
mod json_rpc;
mod listing;
mod mcp;
mod rule;
mod session;
mod spelling;

pub use events::{EventStream, TooLong};
pub use listing::{Listing, Narrowed, Unlistable};
pub use mcp::{Action, ActionKind, Protocol, Unread};
pub use rule::{Ruled, has_needs};
pub use session::{SESSION, SessionKey};
