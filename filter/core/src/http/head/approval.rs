//! The one approval of a request.

use super::RequestHead;
use crate::denial::ApprovalProblem;

/// The header that brings it.
pub const APPROVAL: &str = "mandate-approval";
pub(super) const HEADER_BYTES: &[u8] = APPROVAL.as_bytes();

impl RequestHead {
    /// What the one header with an approval holds.
    ///
    /// # Errors
    /// There are several, or it is no text.
    pub fn approval(&self) -> Result<Option<&str>, ApprovalProblem> {
        let Some(value) = self.value(self.approval) else { return Ok(None) };
        // Some proxies join repeated headers with a comma, which no JWS contains (RFC 9110 §5.3).
        if self.two_approvals || value.contains(&b',') {
            return Err(ApprovalProblem::Several);
        }
        let text = std::str::from_utf8(value).map_err(|_| ApprovalProblem::NotText)?;
        Ok(Some(text.trim_matches(' ')))
    }

    /// Whether there is any.
    #[must_use]
    pub fn has_approval(&self) -> bool {
        self.approval.is_some()
    }
}
