//! What a policy logs.

use crate::limits;
use crate::log_level::LogLevel;
use crate::printable::one_line;

/// What a policy logged during one call, within [`limits::POLICY_LOG_LINES`] and [`limits::POLICY_LOG_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyLog {
    lines: Vec<(LogLevel, String)>,
    bytes: usize,
    dropped: u64,
}

impl PolicyLog {
    /// Keeps a line if there is room for it. A line is one line: control characters become spaces.
    pub fn push(&mut self, level: LogLevel, message: &str) {
        let bytes = self.bytes.saturating_add(message.len());
        if self.lines.len() >= limits::POLICY_LOG_LINES || bytes > limits::POLICY_LOG_BYTES {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes = bytes;
        self.lines.push((level, one_line(message)));
    }

    /// The lines that were kept, in order.
    #[must_use]
    pub fn lines(&self) -> &[(LogLevel, String)] {
        &self.lines
    }

    /// How many lines were not kept.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
