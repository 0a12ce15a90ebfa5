//! One table, two ways to run a policy: linked, as in the proxy, and on the oracle.

use super::{AuthoringError, Component, bundle};
use crate::cases::{Case, CaseError, CaseOutcome, Engine, Subject, on_harness, on_oracle};
use crate::decide::RequestFile;
use crate::oracle::{Oracle, Question};
use crate::tokens::{Algorithm, SigningKey};
use mandate_harness::Filter;
use serde::Serialize;

/// A policy on trial.
#[derive(Debug)]
pub struct Trial {
    subject: Subject,
    key: SigningKey,
    linked: Filter,
    oracle: Oracle,
}

/// What came of one case.
#[derive(Debug)]
pub struct Tried {
    /// What the linked policy said, or why it could not be asked.
    pub outcome: Result<CaseOutcome, CaseError>,
    /// What is wrong, one line each; empty if the case came out as it should, in both ways.
    pub differences: Vec<String>,
}

/// How a policy came to its answer.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// What it asked, in order, and what it was told. Log lines are among them.
    pub questions: Vec<Question>,
    /// What it said, and the fuel that it used.
    pub outcome: CaseOutcome,
}

impl Trial {
    /// Links the policy into a filter, and compiles both the bundle and the component.
    ///
    /// # Errors
    /// [`AuthoringError::Link`], [`AuthoringError::Harness`], [`AuthoringError::Oracle`].
    pub fn new(filter: &[u8], component: &Component) -> Result<Self, AuthoringError> {
        let linked = Filter::compile(&bundle(filter, std::slice::from_ref(component))?)?;
        let mut oracle = Oracle::new()?;
        oracle.add(&component.name, &component.bytes)?;
        let subject = Subject::new(&component.name);
        Ok(Self { subject, key: SigningKey::generate(Algorithm::EdDsa, "desk")?, linked, oracle })
    }

    /// The filter with the policy in it.
    #[must_use]
    pub fn linked(&self) -> &Filter {
        &self.linked
    }

    /// The policy by itself.
    #[must_use]
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// The configuration under which a case runs, and its request with a token.
    ///
    /// # Errors
    /// [`AuthoringError::Case`].
    pub fn setting(&self, case: &Case) -> Result<(serde_json::Value, RequestFile), AuthoringError> {
        Ok((case.configuration(&self.subject, &self.key), case.request(&self.key)?))
    }

    /// Puts a case to the policy, in both ways.
    #[must_use]
    pub fn try_case(&self, case: &Case) -> Tried {
        let linked = case.run(&self.subject, &self.key, &mut on_harness(&self.linked));
        let oracle = case.run(&self.subject, &self.key, &mut on_oracle(&self.oracle));
        let unlike = |outcome: &Result<CaseOutcome, CaseError>| match outcome {
            Ok(outcome) => outcome.differences(&case.expect),
            Err(error) => vec![error.to_string()],
        };
        let mut differences = unlike(&linked);
        differences.extend(disagreement(&linked, &oracle));
        Tried { outcome: linked, differences }
    }

    /// Lets the policy show how it comes to its answer.
    ///
    /// # Errors
    /// [`AuthoringError::Case`], which also says if the policy was not asked.
    pub fn explain(
        &self,
        configuration: &str,
        request: &RequestFile,
        now: u64,
    ) -> Result<Explanation, AuthoringError> {
        let mut traced = self.oracle.clone();
        let trace = traced.trace();
        on_oracle(&traced).decide(configuration, request, now)?;
        let outcome = on_harness(&self.linked).decide(configuration, request, now)?;
        Ok(Explanation { questions: trace.questions(), outcome })
    }
}

/// Where the two ways differ, which is never the policy's fault.
fn disagreement(
    linked: &Result<CaseOutcome, CaseError>,
    oracle: &Result<CaseOutcome, CaseError>,
) -> Vec<String> {
    match (linked, oracle) {
        (Ok(linked), Ok(oracle)) => {
            let [linked, oracle] = [linked, oracle].map(|one| serde_json::json!(one.clone().unmetered()));
            let members = linked.as_object().into_iter().chain(oracle.as_object()).flat_map(|all| all.keys());
            let mut members: Vec<&String> = members.collect();
            members.sort();
            members.dedup();
            let differ = members.into_iter().filter(|name| linked.get(name) != oracle.get(name));
            differ
                .map(|name| unlike(&format!("`{name}`"), &shown(linked.get(name)), &shown(oracle.get(name))))
                .collect()
        }
        (Err(linked), Err(oracle)) if linked.to_string() == oracle.to_string() => Vec::new(),
        (linked, oracle) => {
            let whole = |one: &Result<CaseOutcome, CaseError>| match one {
                Ok(outcome) => outcome.verdict.to_string(),
                Err(error) => error.to_string(),
            };
            vec![unlike("the outcome", &whole(linked), &whole(oracle))]
        }
    }
}

fn shown(value: Option<&serde_json::Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

fn unlike(what: &str, linked: &str, oracle: &str) -> String {
    format!("bundle and oracle disagree on {what}: {linked} in the bundle, {oracle} on the oracle")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{LoggedLine, Refusal};

    fn refused(message: &str) -> CaseOutcome {
        CaseOutcome::refused(vec![Refusal { pointer: "/a".to_owned(), message: message.to_owned() }])
    }

    #[test]
    fn what_only_the_bundle_measures_is_no_disagreement() {
        let metered = CaseOutcome { fuel: Some(7), ..refused("no") };
        assert_eq!(disagreement(&Ok(metered), &Ok(refused("no"))), [""; 0]);
        let not_asked = || Err(CaseError::NotAsked("token_expired".to_owned()));
        assert_eq!(disagreement(&not_asked(), &not_asked()), [""; 0]);
    }

    #[test]
    fn a_disagreement_names_what_each_said() {
        let logged = LoggedLine { level: "info", message: "hm".to_owned() };
        let talkative = CaseOutcome { log: vec![logged], ..refused("no") };
        let lines = disagreement(&Ok(talkative), &Ok(refused("never")));
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].contains("disagree on `log`: [{")
                && lines[0].ends_with("in the bundle, [] on the oracle"),
            "{lines:?}"
        );
        assert!(lines[1].contains("`refused`") && lines[1].contains("never"), "{lines:?}");
        let lines = disagreement(&Err(CaseError::NotAsked("stuck".to_owned())), &Ok(refused("no")));
        assert!(lines[0].contains("not asked: stuck in the bundle, refused on the oracle"), "{lines:?}");
    }
}
