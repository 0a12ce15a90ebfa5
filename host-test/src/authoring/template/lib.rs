//! Who may reach the data of a tenant: whoever has that tenant in the token.
//!
//! Paths below a prefix name a tenant, as in `/v1/tenants/acme/invoices`, and a claim of the token says whose it is. The
//! upstream is told the tenant in `x-mandate-ext-tenant`, so that it need not read the path again.

use mandate_policy::{PathPrefix, Policy, Problem, Request, Verdict};
use serde::Deserialize;

/// What the operator says, in the entry of the configuration. Unknown members are refused: what was misspelt must not
/// pass for what was meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What comes before the tenant in a path. Other paths are not this policy's concern.
    prefix: PathPrefix,
    /// The claim that names the tenant, as a JSON pointer.
    #[serde(default = "tenant")]
    claim: String,
}

fn tenant() -> String {
    "/tenant".to_owned()
}

/// The rule.
#[derive(Debug)]
pub struct TenantGuard {
    settings: Settings,
}

mandate_policy::policy!(TenantGuard);

impl Policy for TenantGuard {
    const SUMMARY: &'static str = "denies access to the data of other tenants";
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if !settings.claim.starts_with('/') {
            problems.push(Problem::at("/claim", "must be a JSON pointer, such as `/tenant`"));
        }
        // Whatever else is wrong goes in there, too: an operator wants to be told all of it at once.
        if problems.is_empty() { Ok(Self { settings }) } else { Err(problems) }
    }

    fn check(&self, request: &Request) -> Verdict {
        let path = request.path();
        let Some(rest) = self.settings.prefix.below(&path) else {
            return Verdict::abstain();
        };
        let wanted = rest.split_once('/').map_or(rest, |(tenant, _)| tenant);
        match request.claim_text(&self.settings.claim).filter(|own| !own.is_empty()) {
            None => Verdict::deny("tenant_missing", "the token names no tenant"),
            Some(own) if own != wanted => Verdict::deny("tenant_mismatch", format!("`{own}` asked for `{wanted}`")),
            Some(own) => Verdict::allow().with_header("tenant", own),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mandate_policy::testing::{configure, json};

    /// What the policy says to a request for `path` by somebody of the tenant `acme`.
    fn verdict(path: &str) -> Verdict {
        let policy: TenantGuard = configure(json!({ "prefix": "/v1/tenants/" })).unwrap();
        policy.check(&Request::builder().path(path).claim("tenant", "acme").build())
    }

    fn code(verdict: &Verdict) -> Option<&str> {
        match verdict {
            Verdict::Deny(denial) => Some(&denial.code),
            _ => None,
        }
    }

    #[test]
    fn another_tenants_data_is_denied() {
        for path in ["/v1/tenants/evil/x", "/v1/tenants/acme2", "/v1/tenants/ac", "/v1/tenants/", "/v1/tenants"] {
            assert_eq!(code(&verdict(path)), Some("tenant_mismatch"), "{path}");
        }
    }

    #[test]
    fn a_token_without_a_tenant_is_denied() {
        let policy: TenantGuard = configure(json!({ "prefix": "/v1/tenants/", "claim": "/org" })).unwrap();
        let request = Request::builder().path("/v1/tenants/acme").claim("tenant", "acme").build();
        assert_eq!(code(&policy.check(&request)), Some("tenant_missing"));
    }

    #[test]
    fn a_tenants_own_data_is_allowed_and_the_upstream_is_told() {
        let allowed = Verdict::allow().with_header("tenant", "acme");
        assert_eq!(verdict("/v1/tenants/acme"), allowed);
        assert_eq!(verdict("/v1/tenants/acme/invoices/7"), allowed);
    }

    #[test]
    fn other_paths_are_not_its_concern() {
        assert_eq!(verdict("/v1/tenantship"), Verdict::abstain());
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused() {
        for (prefix, claim, pointer) in [("v1", "/tenant", "/prefix"), ("/v1", "tenant", "/claim")] {
            let problems = configure::<TenantGuard>(json!({ "prefix": prefix, "claim": claim })).unwrap_err();
            let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
            assert_eq!(pointers, [pointer]);
        }
    }
}
