//! The example policies in native code, as their own unit tests run them.

use mandate_host::cases::{Case, CaseOutcome, CaseVerdict, Expected};
use mandate_policy::testing::configure;
use mandate_policy::{Action, Obligation, Policy, Problem, Request, Verdict};
use serde_json::Value;

#[path = "../../../policy-sdk/examples/argument-limits/src/lib.rs"]
mod argument_limits;
#[path = "../../../policy-sdk/examples/business-hours/src/lib.rs"]
mod business_hours;
#[path = "../../../policy-sdk/examples/drift/src/lib.rs"]
mod drift;
#[path = "../../../policy-sdk/examples/production-writes/src/lib.rs"]
mod production_writes;
#[path = "../../../policy-sdk/examples/separation-of-duties/src/lib.rs"]
mod separation_of_duties;
#[path = "../../../policy-sdk/examples/tool-allow-list/src/lib.rs"]
mod tool_allow_list;

/// A policy with its settings.
type Configured = Box<dyn Fn(&Request) -> Verdict>;

/// What is compared: verdict, code, message, obligations of each kind, and the places of refused settings.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Comparable {
    verdict: &'static str,
    code: Option<String>,
    message: Option<String>,
    headers: Vec<(String, String)>,
    audit: Vec<(String, String)>,
    approve: Vec<String>,
    refused: Vec<(String, String)>,
}

/// A policy by its name.
pub fn policy(name: &str, settings: Value) -> Result<Configured, Vec<Problem>> {
    fn boxed<P: Policy + 'static>(settings: Value) -> Result<Configured, Vec<Problem>> {
        let policy: P = configure(settings)?;
        Ok(Box::new(move |request| policy.check(request)))
    }
    match name {
        "argument-limits" => boxed::<argument_limits::ArgumentLimits>(settings),
        "business-hours" => boxed::<business_hours::BusinessHours>(settings),
        "drift" => boxed::<drift::Drift>(settings),
        "production-writes" => boxed::<production_writes::ProductionWrites>(settings),
        "separation-of-duties" => boxed::<separation_of_duties::SeparationOfDuties>(settings),
        "tool-allow-list" => boxed::<tool_allow_list::ToolAllowList>(settings),
        other => panic!("no example is called {other}"),
    }
}

/// The request of a case, as a unit test builds it.
pub fn request(case: &Case) -> Request {
    let issuer = case.principal.iss.as_str();
    let mut builder = Request::builder()
        .method(case.method().unwrap())
        .path(&case.request.path)
        .principal(issuer, &case.principal.sub)
        .route(0, &case.route)
        .now(case.now);
    for (name, value) in &case.request.headers {
        builder = builder.header(name, value.as_str());
    }
    for actor in &case.chain {
        builder = builder.hop(actor.iss.as_deref().unwrap_or(issuer), &actor.sub);
    }
    for scope in &case.scopes {
        builder = builder.scope(scope);
    }
    for (name, value) in &case.claims {
        builder = builder.claim(name, value.clone());
    }
    if let Some(action) = &case.action {
        let ((protocol, kind), method) = (action.words(), action.message_method());
        let [protocol, kind, name, method] = [protocol, kind, &action.name, method].map(str::to_owned);
        let arguments = Value::Object(action.arguments.clone());
        builder = builder.action(Action { protocol, kind, name, method }, arguments);
    }
    builder.build()
}

/// What native code says to a case of a table.
pub fn outcome(name: &str, case: &Case) -> Comparable {
    match policy(name, Value::Object(case.settings.clone())) {
        Ok(policy) => {
            assert!(!matches!(case.expect, Expected::Refused(_)), "{}", case.name);
            said(policy(&request(case)))
        }
        Err(problems) => Comparable {
            verdict: "refused",
            refused: problems.into_iter().map(|p| (p.pointer, p.message)).collect(),
            ..Comparable::default()
        },
    }
}

/// A verdict of native code.
pub fn said(verdict: Verdict) -> Comparable {
    match verdict {
        Verdict::Abstain => Comparable { verdict: "abstain", ..Comparable::default() },
        Verdict::Deny(denial) => Comparable {
            verdict: "deny",
            code: Some(denial.code),
            message: Some(denial.message),
            ..Comparable::default()
        },
        Verdict::Allow(obligations) => {
            let mut said = Comparable { verdict: "allow", ..Comparable::default() };
            for obligation in obligations {
                match obligation {
                    Obligation::Header(field) => said.headers.push((field.name, field.value)),
                    Obligation::Audit(field) => said.audit.push((field.name, field.value)),
                    Obligation::Approve(reason) => said.approve.push(reason),
                }
            }
            said
        }
    }
}

/// The same of another engine.
pub fn comparable(outcome: &CaseOutcome) -> Comparable {
    Comparable {
        verdict: match outcome.verdict {
            CaseVerdict::Allow => "allow",
            CaseVerdict::Deny => "deny",
            CaseVerdict::Abstain => "abstain",
            CaseVerdict::Fault => "fault",
            CaseVerdict::Refused => "refused",
        },
        code: outcome.code.clone(),
        message: outcome.message.clone(),
        headers: outcome.headers.clone(),
        audit: outcome.audit.clone(),
        approve: outcome.approve.clone(),
        refused: outcome.refused.iter().map(|r| (r.pointer.clone(), r.message.clone())).collect(),
    }
}

/// A record of the audit, of [`corpus::Said`](crate::corpus::Said)'s form, in the same words.
pub fn of_record(record: &crate::corpus::Said) -> Comparable {
    let fields = |kind: &str| {
        let all = record.obligations.iter().filter_map(|obligation| {
            let field = obligation.get(kind)?;
            Some((field["name"].as_str()?.to_owned(), field["value"].as_str()?.to_owned()))
        });
        all.collect()
    };
    let reasons = record.obligations.iter().filter_map(|obligation| obligation.pointer("/approve/reason"));
    let approve = reasons.filter_map(|reason| Some(reason.as_str()?.to_owned())).collect();
    Comparable {
        verdict: match record.verdict.as_str() {
            "allow" => "allow",
            "deny" => "deny",
            "abstain" => "abstain",
            _ => "fault",
        },
        code: record.code.clone(),
        message: record.message.clone(),
        headers: fields("header"),
        audit: fields("audit"),
        approve,
        refused: Vec::new(),
    }
}
