//! `approvals`: who may approve single requests.

use super::issuer::KeySource;
#[cfg(feature = "schema")]
use super::{defaults, schema};
use crate::algorithm::Algorithm;
#[cfg(feature = "schema")]
use crate::limits;

/// Who may approve single requests. An approval is a JWT that a client sends in the header `mandate-approval`; it is for one principal,
/// agent, action and arguments, and is used once. `docs/approvals.md` has its claims.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Approvals {
    /// Whom approvals are for: the one audience that their `aud` claim must name, byte for byte. Give every gateway another one: an
    /// approval that two accept can be used at both.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Identity", extend("examples" = ["https://tools.example"]))
    )]
    pub audience: String,
    /// Maximum lifetime of an approval (`exp` - `iat`), in seconds.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::approval_lifetime_s",
            range(min = 1, max = limits::MAX_APPROVAL_LIFETIME_S),
            extend("examples" = [120])
        )
    )]
    pub max_lifetime_s: u64,
    /// Tolerated difference between the approvers' clocks and the proxy's, in seconds.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::clock_skew_s",
            range(min = 0, max = limits::MAX_CLOCK_SKEW_S),
            extend("examples" = [10])
        )
    )]
    pub clock_skew_s: u64,
    /// Whose approvals are accepted. No two entries may have the same `issuer`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::APPROVERS)))]
    pub approvers: Vec<Approver>,
}

/// A service, or a person with a key, whose approvals are accepted.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Approver {
    /// Identifier of the approver. It must equal the `iss` claim of its approvals byte for byte.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Identity", extend("examples" = ["https://approve.example"]))
    )]
    pub issuer: String,
    /// Accepted signature algorithms (`alg` of the approval's header), as for `issuers`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<Algorithm, 1, { limits::SMALL_LIST }>",
            extend("examples" = [["ES256"]])
        )
    )]
    pub algorithms: Vec<Algorithm>,
    /// Source of the approver's public keys. Agents must not have the private ones.
    pub keys: KeySource,
}
