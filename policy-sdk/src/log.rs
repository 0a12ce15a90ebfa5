//! Words to the operator, for finding out why. No rule may depend on them.
//!
//! The host keeps a bounded number of lines per call and drops the rest. At the desk they go to standard error.

#[cfg(not(target_arch = "wasm32"))]
use crate::desk::{Level, write};
#[cfg(target_arch = "wasm32")]
use crate::sandbox::bindings::mandate::policy::log::{Level, log as write};

/// For the author.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// For the operator.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// For the operator, soon.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}
