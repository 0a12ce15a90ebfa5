//! How much, and where.
//!
//! An agent may pay invoices, but not any amount; it may deploy, but not to production. A scope opens the whole tool, and the
//! configuration of a route admits arguments only value by value. This policy has a range for an amount, for each currency if
//! there is one, and the environments that a tool may touch. An amount within its limit may still need an approval: from
//! `approve_above` on, somebody has to say yes to this call.
//!
//! What cannot be read is denied: an amount that is missing, that is text, or that some servers would read differently. Tools
//! that are not listed are not this policy's concern; which tools may be called at all is said by `mcp` of the route.

use mandate_policy::{Action, Claim, Policy, Problem, Request, Verdict};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The tools with limits.
    tools: Vec<Tool>,
}

/// The limits of one tool; at least one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    name: String,
    amount: Option<Amount>,
    environment: Option<Environment>,
}

/// An amount that must be in a range.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    /// JSON pointer to the argument.
    argument: String,
    /// The least amount; by default 0.
    #[serde(default)]
    min: i64,
    /// The largest amount, where there is no currency.
    max: Option<i64>,
    /// Larger amounts need an approval, where there is no currency.
    approve_above: Option<i64>,
    /// The largest amount in each currency. No other currency may be used.
    currencies: Option<Currencies>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Currencies {
    /// JSON pointer to the argument.
    argument: String,
    max: BTreeMap<String, i64>,
    /// Larger amounts need an approval, for each currency; in one that is not here none does.
    #[serde(default)]
    approve_above: BTreeMap<String, i64>,
}

/// What holds for the amount of one request.
struct Limit<'s> {
    max: i64,
    approve_above: Option<i64>,
    currency: Option<&'s str>,
}

/// An argument that must be one of some texts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Environment {
    /// JSON pointer to the argument.
    argument: String,
    allowed: Vec<String>,
}

/// The limits.
#[derive(Debug)]
pub struct ArgumentLimits {
    tools: Vec<Tool>,
}

mandate_policy::policy!(ArgumentLimits);

/// Beyond it, not every integer is a 64-bit float: an amount that came as a float could not be compared.
const LARGEST: i64 = (1 << 53) - 1;

impl Policy for ArgumentLimits {
    const SUMMARY: &'static str =
        "denies calls of tools whose amounts or environments are beyond their limits";
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let problems = settings.problems();
        if problems.is_empty() { Ok(Self { tools: settings.tools }) } else { Err(problems) }
    }

    fn check(&self, request: &Request) -> Verdict {
        let Some(action) = request.action() else {
            return Verdict::deny(
                "action_unknown",
                "the route has no protocol, so nobody read the arguments",
            );
        };
        let Action { protocol, kind, name, .. } = action;
        match (&*protocol, &*kind) {
            ("mcp", "tool") => {}
            ("mcp", "resource" | "prompt" | "method" | "session") => return Verdict::abstain(),
            // A word of a later version of the contract may be another way to call a tool.
            _ => return Verdict::deny("action_unknown", format!("`{protocol}`, `{kind}` is not known")),
        }
        let Some(tool) = self.tools.iter().find(|tool| tool.name == name) else {
            return Verdict::abstain();
        };
        let amount = tool.amount.as_ref().map_or(Ok(None), |amount| amount.check(request));
        let environment = tool.environment.as_ref().map_or(Ok(()), |environment| environment.check(request));
        match (amount, environment) {
            (Err(denial), _) | (_, Err(denial)) => denial,
            (Ok(Some(reason)), Ok(())) => Verdict::allow().with_approval(reason),
            (Ok(None), Ok(())) => Verdict::allow(),
        }
    }
}

impl Amount {
    /// Why the amount needs an approval, if it does.
    fn check(&self, request: &Request) -> Result<Option<String>, Verdict> {
        let limit = match (&self.currencies, self.max) {
            (Some(currencies), _) => currencies.limit(request)?,
            (None, Some(max)) => Limit { max, approve_above: self.approve_above, currency: None },
            // The settings were checked.
            (None, None) => return Err(too_large("there is no limit")),
        };
        let pointer = self.argument.as_str();
        let amount = match request.argument(pointer) {
            Ok(Some(amount @ (Claim::Integer(_) | Claim::Float(_)))) => amount,
            Ok(_) => return Err(unreadable(format!("`{pointer}` is no number"))),
            Err(error) => return Err(unreadable(format!("`{pointer}`: {error:?}"))),
        };
        let is_more_than = |most: i64| match amount {
            Claim::Integer(amount) => amount > most,
            Claim::Float(amount) => amount > exact(most),
            _ => true,
        };
        let is_less = match amount {
            Claim::Integer(amount) => amount < self.min,
            Claim::Float(amount) => amount < exact(self.min),
            _ => true,
        };
        if is_less {
            return Err(Verdict::deny("amount_too_small", format!("`{pointer}` is less than {}", self.min)));
        }
        if is_more_than(limit.max) {
            return Err(too_large(&format!("`{pointer}` is more than {}", limit.max)));
        }
        Ok(limit.approve_above.filter(|most| is_more_than(*most)).map(|most| match limit.currency {
            Some(currency) => format!("the amount is more than {most} {currency}"),
            None => format!("the amount is more than {most}"),
        }))
    }
}

impl Currencies {
    fn limit(&self, request: &Request) -> Result<Limit<'_>, Verdict> {
        let pointer = self.argument.as_str();
        let denied = |why: String| Verdict::deny("currency_not_allowed", format!("`{pointer}` {why}"));
        match request.argument(pointer) {
            Ok(Some(Claim::Text(currency))) => {
                let max = self.max.get_key_value(&currency);
                let (currency, max) = max.ok_or_else(|| denied("has no limit".to_owned()))?;
                let approve_above = self.approve_above.get(currency).copied();
                Ok(Limit { max: *max, approve_above, currency: Some(currency) })
            }
            Ok(_) => Err(denied("is no text".to_owned())),
            Err(error) => Err(denied(format!("cannot be read: {error:?}"))),
        }
    }
}

impl Environment {
    fn check(&self, request: &Request) -> Result<(), Verdict> {
        let pointer = self.argument.as_str();
        let why = match request.argument(pointer) {
            Ok(Some(Claim::Text(text))) if self.allowed.contains(&text) => return Ok(()),
            Ok(Some(Claim::Text(_))) => "is not among those that are allowed".to_owned(),
            Ok(_) => "is no text".to_owned(),
            Err(error) => format!("cannot be read: {error:?}"),
        };
        Err(Verdict::deny("environment_not_allowed", format!("`{pointer}` {why}")))
    }
}

fn too_large(why: &str) -> Verdict {
    Verdict::deny("amount_too_large", why)
}

fn unreadable(why: String) -> Verdict {
    Verdict::deny("amount_unreadable", why)
}

/// The same number as a float: the settings have none beyond [`LARGEST`].
#[expect(clippy::cast_precision_loss, reason = "no number in the settings needs more than 53 bits")]
const fn exact(number: i64) -> f64 {
    number as f64
}

impl Settings {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, tool) in self.tools.iter().enumerate() {
            let at = format!("/tools/{index}");
            if self.tools.iter().take(index).any(|earlier| earlier.name == tool.name) {
                problems.push(Problem::at(&at, "is listed twice; join the two"));
            }
            if tool.amount.is_none() && tool.environment.is_none() {
                problems.push(Problem::at(&at, "has no limit; give it `amount` or `environment`"));
            }
            if let Some(amount) = &tool.amount {
                amount.problems(&mut problems, &format!("{at}/amount"));
            }
            if let Some(environment) = &tool.environment {
                pointer_problem(&mut problems, &format!("{at}/environment"), &environment.argument);
            }
        }
        problems
    }
}

impl Amount {
    fn problems(&self, problems: &mut Vec<Problem>, at: &str) {
        pointer_problem(problems, at, &self.argument);
        let mut limit = |at: String, max: i64| {
            if max < self.min || max > LARGEST {
                problems.push(Problem::at(at, format!("must be from `min`, {}, to {LARGEST}", self.min)));
            }
        };
        if let Some(max) = self.max {
            limit(format!("{at}/max"), max);
        }
        if let Some(currencies) = &self.currencies {
            for (currency, max) in &currencies.max {
                limit(format!("{at}/currencies/max{}", mandate_policy::pointer([currency])), *max);
            }
            pointer_problem(problems, &format!("{at}/currencies"), &currencies.argument);
            for (currency, above) in &currencies.approve_above {
                let at = format!("{at}/currencies/approve_above{}", mandate_policy::pointer([currency]));
                approval_problem(problems, at, *above, currencies.max.get(currency).copied());
            }
        }
        if let Some(above) = self.approve_above {
            // With currencies there is no `max` to compare it with.
            approval_problem(problems, format!("{at}/approve_above"), above, self.max);
        }
        if self.min < -LARGEST {
            problems.push(Problem::at(format!("{at}/min"), format!("must be at least -{LARGEST}")));
        }
        if self.max.is_some() == self.currencies.is_some() {
            problems.push(Problem::at(at, "needs either `max` or `currencies`"));
        }
    }
}

/// An amount from which on there is an approval must be one that is allowed.
fn approval_problem(problems: &mut Vec<Problem>, at: String, above: i64, max: Option<i64>) {
    match max {
        None => problems.push(Problem::at(at, "needs a `max` beside it")),
        Some(max) if above >= max || above < -LARGEST => {
            problems.push(Problem::at(at, format!("must be from -{LARGEST} to less than `max`, {max}")));
        }
        Some(_) => {}
    }
}

fn pointer_problem(problems: &mut Vec<Problem>, at: &str, pointer: &str) {
    let escapes = pointer.split('~').skip(1);
    if !pointer.starts_with('/') || !escapes.into_iter().all(|rest| rest.starts_with(['0', '1'])) {
        problems.push(Problem::at(format!("{at}/argument"), "must be a JSON pointer, such as `/amount`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mandate_policy::testing::{Value, configure, json};

    fn policy() -> ArgumentLimits {
        configure(json!({ "tools": [
            {
                "name": "payments.send",
                "amount": { "argument": "/amount", "min": 1, "currencies": { "argument": "/currency", "max": { "EUR": 500, "JPY": 60000 } } },
            },
            {
                "name": "refunds.send",
                "amount": { "argument": "/amount", "min": 1, "currencies": {
                    "argument": "/currency", "max": { "EUR": 500, "JPY": 60000 }, "approve_above": { "EUR": 200 },
                } },
            },
            { "name": "disks.grow", "amount": { "argument": "/size/gb", "max": 100, "approve_above": 50 } },
            { "name": "deploy", "environment": { "argument": "/env", "allowed": ["staging", "test"] } },
        ] }))
        .unwrap()
    }

    fn call(tool: &str, arguments: Value) -> Verdict {
        policy().check(&Request::builder().tool(tool, arguments).build())
    }

    #[track_caller]
    fn assert_denied(tool: &str, arguments: Value, expected: &str) {
        let shown = arguments.to_string();
        match call(tool, arguments) {
            Verdict::Deny(denial) => assert_eq!(denial.code, expected, "{shown}"),
            other => panic!("{shown}: {other:?}"),
        }
    }

    #[test]
    fn an_amount_beyond_the_limit_of_its_currency_is_denied() {
        for (amount, currency) in [
            (json!(501), "EUR"),
            (json!(500.01), "EUR"),
            (json!(60001), "JPY"),
            (json!(i64::MAX), "EUR"),
            (json!(u64::MAX), "EUR"),
            (json!(1e300), "EUR"),
        ] {
            let arguments = json!({ "amount": amount, "currency": currency });
            assert_denied("payments.send", arguments, "amount_too_large");
        }
        assert_denied("disks.grow", json!({ "size": { "gb": 101 } }), "amount_too_large");
    }

    #[test]
    fn an_amount_below_the_least_is_denied() {
        for amount in [json!(0), json!(-500), json!(0.99), json!(-1e300), json!(i64::MIN)] {
            let arguments = json!({ "amount": amount, "currency": "EUR" });
            assert_denied("payments.send", arguments, "amount_too_small");
        }
        assert_denied("disks.grow", json!({ "size": { "gb": -1 } }), "amount_too_small");
    }

    #[test]
    fn an_amount_that_cannot_be_read_is_denied() {
        for arguments in [
            json!({ "currency": "EUR" }),
            json!({ "currency": "EUR", "amount": "100" }),
            json!({ "currency": "EUR", "amount": null }),
            json!({ "currency": "EUR", "amount": [100] }),
            json!({ "currency": "EUR", "amount": true }),
            json!({ "currency": "EUR", "Amount": 100 }),
            json!({ "currency": "EUR", "amount": 100, "AMOUNT": 9999 }),
            json!({ "currency": "EUR", "amount": 100, "__proto__": { "amount": 9999 } }),
        ] {
            let expected = if arguments.get("__proto__").is_some() {
                "currency_not_allowed"
            } else {
                "amount_unreadable"
            };
            assert_denied("payments.send", arguments, expected);
        }
        // Some servers read text as JSON where they expect an object.
        assert_denied("disks.grow", json!({ "size": r#"{"gb":5000}"# }), "amount_unreadable");
    }

    #[test]
    fn a_currency_without_a_limit_is_denied() {
        for currency in [json!("USD"), json!("eur"), json!(""), json!(null), json!(["EUR"])] {
            let arguments = json!({ "amount": 1, "currency": currency });
            assert_denied("payments.send", arguments, "currency_not_allowed");
        }
        assert_denied("payments.send", json!({ "amount": 1 }), "currency_not_allowed");
    }

    #[test]
    fn another_environment_is_denied() {
        for arguments in [
            json!({ "env": "production" }),
            json!({ "env": "Staging" }),
            json!({ "env": ["staging"] }),
            json!({ "env": "staging", "ENV": "production" }),
            json!({ "Env": "staging" }),
            json!({}),
        ] {
            assert_denied("deploy", arguments, "environment_not_allowed");
        }
    }

    #[test]
    fn where_nobody_read_the_message_nothing_is_known() {
        let denial = policy().check(&Request::builder().method("POST").build());
        assert!(matches!(&denial, Verdict::Deny(denial) if denial.code == "action_unknown"), "{denial:?}");
        let word = |protocol: &str, kind: &str| {
            let [protocol, kind] = [protocol, kind].map(str::to_owned);
            let (name, method) = ("payments.send".to_owned(), "message/send".to_owned());
            let action = Action { protocol, kind, name, method };
            policy().check(&Request::builder().action(action, json!({})).build())
        };
        assert!(matches!(word("a2a", "tool"), Verdict::Deny(_)));
        assert!(matches!(word("mcp", "task"), Verdict::Deny(_)));
        assert_eq!(word("mcp", "prompt"), Verdict::abstain());
    }

    #[test]
    fn what_is_within_its_limits_is_allowed() {
        for (amount, currency) in [
            (json!(1), "EUR"),
            (json!(500), "EUR"),
            (json!(499.99), "EUR"),
            (json!(500.0), "EUR"),
            (json!(60000), "JPY"),
        ] {
            let arguments = json!({ "amount": amount, "currency": currency });
            assert_eq!(call("payments.send", arguments), Verdict::allow(), "{amount} {currency}");
        }
        assert_eq!(call("disks.grow", json!({ "size": { "gb": 0 } })), Verdict::allow());
        assert_eq!(call("deploy", json!({ "env": "test", "force": true })), Verdict::allow());
    }

    #[test]
    fn a_large_amount_within_its_limit_needs_an_approval() {
        let above = Verdict::allow().with_approval("the amount is more than 200 EUR");
        for amount in [json!(201), json!(200.01), json!(500), json!(500.0)] {
            let arguments = json!({ "amount": amount, "currency": "EUR" });
            assert_eq!(call("refunds.send", arguments), above, "{amount}");
        }
        let above = Verdict::allow().with_approval("the amount is more than 50");
        assert_eq!(call("disks.grow", json!({ "size": { "gb": 51 } })), above);
        // No approval helps beyond the limit.
        assert_denied("refunds.send", json!({ "amount": 501, "currency": "EUR" }), "amount_too_large");
        for (amount, currency) in [(json!(200), "EUR"), (json!(199.99), "EUR"), (json!(60000), "JPY")] {
            let arguments = json!({ "amount": amount, "currency": currency });
            assert_eq!(call("refunds.send", arguments), Verdict::allow(), "{amount} {currency}");
        }
        assert_eq!(call("disks.grow", json!({ "size": { "gb": 50 } })), Verdict::allow());
    }

    #[test]
    fn other_tools_are_not_its_concern() {
        assert_eq!(call("search", json!({ "amount": 9999 })), Verdict::abstain());
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused_all_at_once() {
        let settings = json!({ "tools": [
            { "name": "a" },
            { "name": "a", "amount": { "argument": "amount", "max": -1 } },
            { "name": "b", "amount": { "argument": "/a~2", "min": i64::MIN, "currencies": { "argument": "", "max": { "a/b": i64::MAX } } } },
            { "name": "c", "amount": { "argument": "/a", "max": 1, "currencies": { "argument": "/c", "max": {} } } },
            { "name": "d", "amount": { "argument": "/a" }, "environment": { "argument": "~", "allowed": [] } },
            { "name": "e", "amount": { "argument": "/a", "max": 5, "approve_above": 5 } },
            { "name": "f", "amount": { "argument": "/a", "approve_above": 1, "currencies": {
                "argument": "/c", "max": { "EUR": 5 }, "approve_above": { "EUR": 6, "USD": 1 },
            } } },
        ] });
        let problems = configure::<ArgumentLimits>(settings).unwrap_err();
        let mut pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(
            pointers,
            [
                "/tools/0",
                "/tools/1",
                "/tools/1/amount/argument",
                "/tools/1/amount/max",
                "/tools/2/amount/argument",
                "/tools/2/amount/currencies/argument",
                "/tools/2/amount/currencies/max/a~1b",
                "/tools/2/amount/min",
                "/tools/3/amount",
                "/tools/4/amount",
                "/tools/4/environment/argument",
                "/tools/5/amount/approve_above",
                "/tools/6/amount/approve_above",
                "/tools/6/amount/currencies/approve_above/EUR",
                "/tools/6/amount/currencies/approve_above/USD",
            ]
        );
    }
}
