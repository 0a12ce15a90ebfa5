//! The trait that a policy implements.

use crate::{Problem, Request, Verdict};
use serde::de::DeserializeOwned;

/// A rule of the operator that is asked about requests whose token, delegation chain and scopes were already verified.
/// Policies only restrict: a request that passed all other checks is allowed unless a policy denies it or fails.
///
/// Every call of [`check`](Self::check) starts from the memory that [`new`](Self::new) left, so nothing of one request is
/// visible to the next.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a policy",
    label = "this must implement `mandate_policy::Policy`",
    note = "say what `{Self}` denies in `SUMMARY`, make it of its `Settings` in `new`, and judge a request in `check`"
)]
pub trait Policy: Sized + 'static {
    /// One sentence that says what the policy denies.
    const SUMMARY: &'static str;

    /// The type of the settings, deserialised from the entry of the configuration. Use `#[serde(deny_unknown_fields)]`, so
    /// that a misspelt member is an error. A policy without settings uses [`NoSettings`](crate::NoSettings).
    type Settings: DeserializeOwned;

    /// Creates the policy from the settings of one entry of the configuration. It is called once for each entry, before
    /// any call of [`check`](Self::check).
    ///
    /// # Errors
    /// All problems with the settings, not only the first. One problem is enough for the whole configuration to be refused,
    /// so the operator should see all of them at once.
    fn new(settings: Self::Settings) -> Result<Self, Vec<Problem>>;

    /// Returns the verdict about one request. A panic is a fault, and denies the request.
    fn check(&self, request: &Request) -> Verdict;
}
