//! Who may write to production: an agent close to its principal, on a device that was found fit a moment ago.
//!
//! Every hop takes the request further from the human who can answer for it, and a session that began on a managed
//! laptop may go on from one that lost its disk encryption yesterday. This policy lets production be written to only at
//! a small depth, and only with a posture that the issuer checked recently and put into the token:
//!
//! ```json
//! { "posture": { "state": "compliant", "checked_at": 1790000000 } }
//! ```
//!
//! The upstream is told how old the check is, in `x-mandate-ext-posture-age` (seconds).

use mandate_policy::{PathPrefix, Policy, Problem, Request, Verdict};
use serde::Deserialize;

/// How much later than ours the clock may be that stamped the posture, in seconds: as much as the filter allows an
/// issuer.
const CLOCK_SKEW_S: u64 = 60;

/// What the operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where production is: `/v1/production`. Other paths are not this policy's concern.
    path_prefix: PathPrefix,
    /// The age, in seconds, from which on a posture is stale.
    max_age_s: u64,
    /// The greatest depth that may write. By default 1: the principal, or the agent that it called itself.
    #[serde(default = "one")]
    max_depth: u32,
}

fn one() -> u32 {
    1
}

/// The rule.
#[derive(Debug)]
pub struct ProductionWrites {
    settings: Settings,
}

mandate_policy::policy!(ProductionWrites);

impl Policy for ProductionWrites {
    const SUMMARY: &'static str =
        "denies writes to production by distant agents, and without a fresh compliant posture";
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        if settings.max_age_s == 0 {
            return Err(Problem::at("/max_age_s", "must be at least 1; at 0 every posture is stale").into());
        }
        Ok(Self { settings })
    }

    fn check(&self, request: &Request) -> Verdict {
        if is_safe(&request.method()) || !self.settings.path_prefix.matches(&request.path()) {
            return Verdict::abstain();
        }
        let depth = request.depth();
        if depth > self.settings.max_depth {
            return Verdict::deny("too_deep", format!("a write at depth {depth}"));
        }
        if request.claim_text("/posture/state").as_deref() != Some("compliant") {
            return Verdict::deny("posture_not_compliant", "the token has no compliant posture");
        }
        match self.posture_age(request) {
            None => {
                Verdict::deny("posture_undated", "the posture has no time at which it can have been checked")
            }
            Some(age) if age >= self.settings.max_age_s => {
                Verdict::deny("posture_stale", format!("the posture is {age} s old"))
            }
            Some(age) => Verdict::allow().with_header("posture-age", age.to_string()),
        }
    }
}

impl ProductionWrites {
    /// In seconds. None without a time, or with one that is yet to come.
    fn posture_age(&self, request: &Request) -> Option<u64> {
        let checked_at = u64::try_from(request.claim_integer("/posture/checked_at")?).ok()?;
        let now = request.now();
        (checked_at <= now.saturating_add(CLOCK_SKEW_S)).then(|| now.saturating_sub(checked_at))
    }
}

/// RFC 9110 §9.2.1. What is not known to be safe is a write.
fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mandate_policy::testing::{RequestBuilder, Value, configure, json};

    const IDP: &str = "https://idp.example";
    const NOW: u64 = 1_790_000_000;

    fn write(checked_at: impl Into<Value>) -> RequestBuilder {
        Request::builder()
            .method("POST")
            .path("/v1/production/orders")
            .hop(IDP, "agent:clerk")
            .claim("posture", json!({ "state": "compliant", "checked_at": checked_at.into() }))
            .now(NOW)
    }

    fn check(request: RequestBuilder) -> Verdict {
        let settings = json!({ "path_prefix": "/v1/production/", "max_age_s": 300 });
        configure::<ProductionWrites>(settings).unwrap().check(&request.build())
    }

    #[track_caller]
    fn assert_denied(request: RequestBuilder, expected: &str) {
        match check(request) {
            Verdict::Deny(denial) => assert_eq!(denial.code, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn production_itself_is_production() {
        for prefix in ["/v1/production/", "/v1/production"] {
            let settings = json!({ "path_prefix": prefix, "max_age_s": 300 });
            let policy: ProductionWrites = configure(settings).unwrap();
            let verdict = |path| policy.check(&write(0).path(path).build());
            for path in ["/v1/production", "/v1/production/", "/v1/production/orders"] {
                assert!(matches!(verdict(path), Verdict::Deny(_)), "{prefix} {path}");
            }
            assert_eq!(verdict("/v1/productions"), Verdict::abstain(), "{prefix}");
        }
    }

    #[test]
    fn an_agent_that_another_agent_called_does_not_write() {
        assert_denied(write(NOW).hop(IDP, "agent:helper"), "too_deep");
    }

    #[test]
    fn nobody_writes_without_a_compliant_posture() {
        for posture in [
            json!(null),
            json!("compliant"),
            json!({ "checked_at": NOW }),
            json!({ "state": "unknown", "checked_at": NOW }),
            json!({ "state": "Compliant", "checked_at": NOW }),
            json!({ "state": ["compliant"], "checked_at": NOW }),
        ] {
            assert_denied(write(NOW).claim("posture", posture), "posture_not_compliant");
        }
    }

    #[test]
    fn nobody_writes_with_a_posture_of_no_time() {
        for checked_at in
            [json!(null), json!("1790000000"), json!(1_789_999_999.5), json!(-1), json!(u64::MAX)]
        {
            assert_denied(write(checked_at), "posture_undated");
        }
    }

    #[test]
    fn nobody_writes_with_a_posture_of_the_future() {
        assert_denied(write(NOW + 61), "posture_undated");
        assert_denied(write(i64::MAX), "posture_undated");
        assert_eq!(check(write(NOW + 60)), Verdict::allow().with_header("posture-age", "0"));
    }

    #[test]
    fn nobody_writes_with_a_stale_posture() {
        assert_denied(write(0), "posture_stale");
        assert_denied(write(NOW - 300), "posture_stale");
        assert_eq!(check(write(NOW - 299)), Verdict::allow().with_header("posture-age", "299"));
    }

    #[test]
    fn no_clock_is_too_early_or_too_late_to_be_asked() {
        assert_denied(write(0).now(u64::MAX), "posture_stale");
        assert_eq!(check(write(60).now(0)), Verdict::allow().with_header("posture-age", "0"));
        assert_denied(write(61).now(0), "posture_undated");
    }

    #[test]
    fn what_is_not_known_to_be_safe_is_a_write() {
        for method in ["PUT", "PATCH", "DELETE", "PURGE", "get"] {
            assert_denied(write(0).method(method), "posture_stale");
        }
    }

    #[test]
    fn a_principal_writes_itself_with_a_fresh_posture() {
        let posture = json!({ "state": "compliant", "checked_at": NOW });
        let request =
            Request::builder().method("DELETE").path("/v1/production/orders/7").claim("posture", posture);
        assert_eq!(check(request.now(NOW)), Verdict::allow().with_header("posture-age", "0"));
    }

    #[test]
    fn reading_and_other_paths_are_not_its_concern() {
        assert_eq!(check(write(0).method("GET")), Verdict::abstain());
        assert_eq!(check(write(0).path("/v1/staging/orders")), Verdict::abstain());
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused() {
        for (prefix, max_age_s, pointer) in [
            ("production", 300, "/path_prefix"),
            ("/v1//x", 300, "/path_prefix"),
            ("/v1/production", 0, "/max_age_s"),
        ] {
            let settings = json!({ "path_prefix": prefix, "max_age_s": max_age_s });
            let problems = configure::<ProductionWrites>(settings).unwrap_err();
            let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
            assert_eq!(pointers, [pointer]);
        }
    }
}
