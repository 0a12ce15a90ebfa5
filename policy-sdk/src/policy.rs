//! What a policy is.

use crate::{Problem, Request, Verdict};
use serde::de::DeserializeOwned;

/// A rule of the operator's own, asked about requests that already passed every check of the token, the chain, and the
/// scopes of the route. Policies only narrow: a request is allowed unless a policy denies it or fails.
///
/// Every call of [`check`](Self::check) starts from the very state that [`new`](Self::new) left, so nothing of one
/// request is visible to the next.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a policy",
    label = "this must implement `mandate_policy::Policy`",
    note = "say what `{Self}` denies in `SUMMARY`, make it of its `Settings` in `new`, and judge a request in `check`"
)]
pub trait Policy: Sized + 'static {
    /// One sentence: what it denies.
    const SUMMARY: &'static str;

    /// What an entry of the configuration says about it, read from JSON. Let it deny unknown fields: what an operator
    /// misspelt must not pass for what they meant. [`NoSettings`](crate::NoSettings) if there is nothing to say.
    type Settings: DeserializeOwned;

    /// Takes the settings of one entry of the configuration; called once per entry, before any
    /// [`check`](Self::check).
    ///
    /// # Errors
    /// Every problem with the settings, not only the first: it fails the whole configuration, and the operator wants to
    /// mend it in one go.
    fn new(settings: Self::Settings) -> Result<Self, Vec<Problem>>;

    /// Judges one request. A panic denies it, as a fault.
    fn check(&self, request: &Request) -> Verdict;
}
