//! `policies`: which policies are asked, with what settings and limits.

#[cfg(feature = "schema")]
use super::{defaults, schema};
use crate::limits;
use serde_json::Value;

/// One use of a policy that is linked into the module. Several entries may use the same policy with different settings.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct PolicyEntry {
    /// Name of this entry: lower-case letters, digits and hyphens. Routes, metrics and audit records use it. No two entries
    /// may have the same name.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::PolicyName", extend("examples" = ["ticket-guard"]))
    )]
    pub name: String,
    /// Name of the policy in the bundle, as `mandate policy inspect` prints it. If absent, the value of `name` is used.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::PolicyName>", extend("examples" = ["tool-allow-list"]))
    )]
    pub policy: String,
    /// SHA-256 digest of the policy's component: 64 hexadecimal digits in lower case. If the policy in the
    /// bundle has another digest, the configuration is refused. If absent, the digest is not compared.
    #[cfg_attr(
        feature = "schema",
        schemars(
            regex(pattern = "^[0-9a-f]{64}$"),
            extend("examples" = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
        )
    )]
    pub sha256: Option<String>,
    /// Settings of the policy, an object that only the policy interprets. If the policy reports a problem with them, the
    /// whole configuration is refused, and the message names the JSON pointer.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Settings",
            default,
            extend("default" = {}),
            extend("examples" = [{ "prefix": "/v1/tools/" }])
        )
    )]
    pub settings: Value,
    /// Whether the verdict of this entry affects the decision.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "enforce")))]
    pub mode: Mode,
    /// Limits of one call of the policy. A call that exceeds one of them is a fault: the request is denied
    /// (`policy_fault`).
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub limits: PolicyLimits,
}

/// Whether a policy's verdict affects the decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Mode {
    /// A denial or a fault of the policy denies the request.
    #[default]
    Enforce,
    /// The policy is asked, and its verdict is counted and recorded, but never affects the decision.
    Shadow,
}

/// Limits of one call of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct PolicyLimits {
    /// Fuel: the bound on computation. On entering a function, and at each iteration of a loop, about one unit is taken for
    /// each instruction of it; a call of a host function takes 100 units, and each string that it returns 50 more.
    /// `mandate policy test` prints what a call used.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::fuel",
            range(min = *limits::POLICY_FUEL.start(), max = *limits::POLICY_FUEL.end()),
            extend("examples" = [200_000])
        )
    )]
    pub fuel: u64,
    /// Maximum linear memory of the policy, in bytes.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::memory_bytes",
            range(min = *limits::POLICY_MEMORY_BYTES.start(), max = *limits::POLICY_MEMORY_BYTES.end()),
            extend("examples" = [2_097_152])
        )
    )]
    pub memory_bytes: u64,
    /// Maximum size of a verdict, in bytes: the sum of its strings, and 16 bytes for each obligation.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::output_bytes",
            range(min = *limits::POLICY_OUTPUT_BYTES.start(), max = *limits::POLICY_OUTPUT_BYTES.end()),
            extend("examples" = [1024])
        )
    )]
    pub output_bytes: u64,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self {
            fuel: limits::DEFAULT_POLICY_FUEL,
            memory_bytes: limits::DEFAULT_POLICY_MEMORY_BYTES,
            output_bytes: limits::DEFAULT_POLICY_OUTPUT_BYTES,
        }
    }
}
