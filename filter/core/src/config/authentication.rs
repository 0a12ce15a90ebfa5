//! `acr_values` and `max_age_s` of routes and rules: how the principal must have authenticated.

#[cfg(feature = "schema")]
use super::schema;
#[cfg(feature = "schema")]
use crate::limits;

/// How, and how recently, the principal must have authenticated (RFC 9470).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Authentication {
    /// Accepted authentication contexts, in order of preference (RFC 9470). The token's `acr` claim must be one of them, byte for
    /// byte; otherwise the request is denied (`authentication_insufficient`), and the challenge asks for them. Those of a route and those of
    /// a rule must both hold.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::Scope, 1, { limits::ACR_VALUES }>>",
            extend("examples" = [["urn:example:mfa", "phr"]])
        )
    )]
    pub acr_values: Vec<String>,
    /// Maximum time since the principal authenticated (`auth_time` claim of the token), in seconds, beside the issuer's `clock_skew_s`
    /// (RFC 9470). A token without `auth_time`, or with an older one, is denied (`authentication_insufficient`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            range(min = *limits::AUTHENTICATION_AGE_S.start(), max = *limits::AUTHENTICATION_AGE_S.end()),
            extend("examples" = [300])
        )
    )]
    pub max_age_s: Option<u64>,
}

impl Authentication {
    /// What both need together. Of two lists it is what is in both; if that is nothing, the other one, which nobody can do enough for.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let in_both: Vec<String> =
            other.acr_values.iter().filter(|acr| self.acr_values.contains(acr)).cloned().collect();
        let acr_values = match (self.acr_values.is_empty(), other.acr_values.is_empty(), in_both.is_empty()) {
            (false, true, _) => self.acr_values.clone(),
            (false, false, false) => in_both,
            _ => other.acr_values.clone(),
        };
        let max_age_s = match (self.max_age_s, other.max_age_s) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
        Self { acr_values, max_age_s }
    }

    /// Whether some `acr` can be enough for both.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.acr_values.is_empty()
            || other.acr_values.is_empty()
            || self.acr_values.iter().any(|acr| other.acr_values.contains(acr))
    }

    /// Whether whoever is authenticated well enough for this is so for the other.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let acr = other.acr_values.is_empty()
            || !self.acr_values.is_empty()
                && self.acr_values.iter().all(|acr| other.acr_values.contains(acr));
        let age = other.max_age_s.is_none_or(|most| self.max_age_s.is_some_and(|own| own <= most));
        acr && age
    }
}
