//! No writes to production while nobody is there.
//!
//! Agents do not sleep, and what one of them breaks on a Saturday night stays broken until Monday. This policy lets
//! production be written to only while people are at work to see it. Reading stays possible at any time, and the audit
//! record says that it was outside business hours.

mod clock;

use clock::{Day, TimeOfDay, local};
use mandate_policy::{Policy, Problem, Request, Verdict};
use serde::Deserialize;

/// What the operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How many minutes the local time is ahead of UTC; negative if it is behind. It does not follow summer time.
    utc_offset_minutes: i16,
    /// The days that people work: `monday`, `tuesday`, …
    days: Vec<Day>,
    /// When they begin, such as `09:00`.
    from: TimeOfDay,
    /// When they are gone, such as `17:30`.
    to: TimeOfDay,
    /// What production is.
    production: Production,
}

/// How to tell production.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Production {
    /// A path and everything below it: `/v1/production`.
    PathPrefix(mandate_policy::PathPrefix),
    /// By a claim that names the environment. All environments are production except these, so that one that nobody
    /// thought of is guarded.
    Claim { pointer: String, except: Vec<String> },
}

/// The rule.
#[derive(Debug)]
pub struct BusinessHours {
    settings: Settings,
}

mandate_policy::policy!(BusinessHours);

impl Policy for BusinessHours {
    const SUMMARY: &'static str = "denies writes to production outside business hours";
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let problems = settings.problems();
        if problems.is_empty() { Ok(Self { settings }) } else { Err(problems) }
    }

    fn check(&self, request: &Request) -> Verdict {
        if !self.settings.production.covers(request) {
            return Verdict::abstain();
        }
        let (day, time) = local(request.now(), self.settings.utc_offset_minutes);
        let is_open =
            self.settings.days.contains(&day) && (self.settings.from..self.settings.to).contains(&time);
        match (is_open, is_safe(&request.method())) {
            (true, _) => Verdict::allow(),
            (false, true) => Verdict::allow().with_audit("business-hours", "outside"),
            (false, false) => Verdict::deny("outside_business_hours", format!("a write on {day} at {time}")),
        }
    }
}

impl Production {
    fn covers(&self, request: &Request) -> bool {
        match self {
            Self::PathPrefix(prefix) => prefix.matches(&request.path()),
            // A token that does not name its environment may be meant for any.
            Self::Claim { pointer, except } => {
                request.claim_text(pointer).is_none_or(|environment| !except.contains(&environment))
            }
        }
    }
}

/// RFC 9110 §9.2.1. What is not known to be safe is a write.
fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

impl Settings {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(-12 * 60..=14 * 60).contains(&self.utc_offset_minutes) {
            problems.push(Problem::at("/utc_offset_minutes", "must be within -720 and 840"));
        }
        if self.days.is_empty() {
            problems.push(Problem::at("/days", "must have a day; without any, nothing can ever be written"));
        }
        if self.from >= self.to {
            problems.push(Problem::at("/to", "must be later than `from`, on the same day"));
        }
        if let Production::Claim { pointer, .. } = &self.production
            && !pointer.starts_with('/')
        {
            let message = "must be a JSON pointer, such as `/environment`";
            problems.push(Problem::at("/production/claim/pointer", message));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mandate_policy::testing::{RequestBuilder, Value, configure, json};

    /// Monday, 2026-09-21, 14:13:20 in UTC.
    const MONDAY: u64 = 1_790_000_000;
    const HOUR: u64 = 3600;
    const DAY: u64 = 24 * HOUR;

    fn settings(production: &Value) -> Value {
        json!({
            "utc_offset_minutes": 120,
            "days": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "from": "09:00",
            "to": "17:30",
            "production": production,
        })
    }

    fn by_path() -> BusinessHours {
        configure(settings(&json!({ "path_prefix": "/v1/production/" }))).unwrap()
    }

    fn by_claim() -> BusinessHours {
        let claim = json!({ "pointer": "/environment", "except": ["staging", "development"] });
        configure(settings(&json!({ "claim": claim }))).unwrap()
    }

    fn write(now: u64) -> RequestBuilder {
        Request::builder().method("POST").path("/v1/production/deploy").now(now)
    }

    #[track_caller]
    fn assert_denied(policy: &BusinessHours, request: RequestBuilder, message: &str) {
        assert_eq!(policy.check(&request.build()), Verdict::deny("outside_business_hours", message));
    }

    #[test]
    fn production_is_not_written_to_when_the_day_is_over() {
        // 16:13:20 there, and 17:30 is 76 minutes and 40 seconds later.
        let end = MONDAY + 76 * 60 + 40;
        assert_eq!(by_path().check(&write(end - 1).build()), Verdict::allow());
        assert_denied(&by_path(), write(end), "a write on monday at 17:30");
    }

    #[test]
    fn production_is_not_written_to_before_the_day_begins() {
        let begin = MONDAY - 433 * 60 - 20;
        assert_denied(&by_path(), write(begin - 1), "a write on monday at 08:59");
        assert_eq!(by_path().check(&write(begin).build()), Verdict::allow());
    }

    #[test]
    fn production_is_not_written_to_on_days_off() {
        assert_denied(&by_path(), write(MONDAY - DAY), "a write on sunday at 16:13");
        assert_denied(&by_path(), write(MONDAY - 2 * DAY), "a write on saturday at 16:13");
        assert_eq!(by_path().check(&write(MONDAY + 4 * DAY).build()), Verdict::allow());
    }

    #[test]
    fn production_itself_is_production() {
        for path in ["/v1/production", "/v1/production/"] {
            assert_denied(&by_path(), write(MONDAY - DAY).path(path), "a write on sunday at 16:13");
        }
    }

    #[test]
    fn what_is_not_known_to_be_safe_is_a_write() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PURGE", "get"] {
            assert_denied(&by_path(), write(MONDAY - DAY).method(method), "a write on sunday at 16:13");
        }
    }

    #[test]
    fn an_environment_that_is_not_an_exception_is_production() {
        let message = "a write on sunday at 16:13";
        for environment in [json!("production"), json!("Staging"), json!(""), json!(null), json!(["staging"])]
        {
            assert_denied(&by_claim(), write(MONDAY - DAY).claim("environment", environment), message);
        }
        assert_denied(&by_claim(), write(MONDAY - DAY), message);
    }

    #[test]
    fn reading_outside_business_hours_is_recorded() {
        let expected = Verdict::allow().with_audit("business-hours", "outside");
        assert_eq!(by_path().check(&write(MONDAY - DAY).method("GET").build()), expected);
    }

    #[test]
    fn what_is_not_production_is_not_its_concern() {
        let elsewhere = write(MONDAY - DAY).path("/v1/production-like/deploy");
        assert_eq!(by_path().check(&elsewhere.build()), Verdict::abstain());
        let staging = write(MONDAY - DAY).claim("environment", "staging");
        assert_eq!(by_claim().check(&staging.build()), Verdict::abstain());
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused_all_at_once() {
        let pointers = |settings| {
            let problems = configure::<BusinessHours>(settings).unwrap_err();
            problems.into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        let mut settings = settings(&json!({ "claim": { "pointer": "environment", "except": [] } }));
        settings["utc_offset_minutes"] = json!(841);
        settings["days"] = json!([]);
        settings["to"] = json!("09:00");
        assert_eq!(
            pointers(settings.clone()),
            ["/utc_offset_minutes", "/days", "/to", "/production/claim/pointer"]
        );
        settings["production"] = json!({ "path_prefix": "production" });
        assert_eq!(pointers(settings.clone()), ["/production/path_prefix"]);
        settings["from"] = json!("9:00");
        assert_eq!(pointers(settings), ["/from"]);
    }
}
