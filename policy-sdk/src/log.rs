//! Log messages for debugging. No rule may depend on them: the host may drop them.
//!
//! The host keeps at most 16 lines and 2048 bytes for one call of the policy, and drops the rest. In native tests, messages
//! go to standard error.

#[cfg(not(target_arch = "wasm32"))]
use crate::desk::{Level, write};
#[cfg(target_arch = "wasm32")]
use crate::sandbox::bindings::mandate::policy::log::{Level, log as write};

/// Logs detail for the author of the policy.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// Logs information for the operator.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Logs a warning for the operator: something needs attention.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}
