//! How much a line of a log matters.

/// The level of a line, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the author of a policy.
    Debug,
    /// For the record.
    Info,
    /// Something that the operator should look at.
    Warn,
    /// Something is denied or not done because of it.
    Error,
}
