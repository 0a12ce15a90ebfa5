//! Policies that answer what a test tells them to.

use mandate_core::config::PolicyEntry;
use mandate_core::policy::RequestContext;
use mandate_core::policy::{CheckResult, Complaint, Fault, LinkedPolicy, Obligation, Policies, Verdict};
use std::cell::RefCell;
use std::rc::Rc;

/// What is linked, what each answers, and who was asked.
#[derive(Clone, Default)]
pub struct Scripted {
    linked: Vec<LinkedPolicy>,
    answers: Vec<(String, Result<Verdict, Fault>)>,
    refusals: Vec<(String, Vec<String>)>,
    pub asked: Rc<RefCell<Vec<String>>>,
    /// What the last policy saw of the request.
    pub seen: Rc<RefCell<Vec<String>>>,
}

pub fn digest(name: &str) -> String {
    format!("{:0>64}", name.bytes().map(|b| format!("{b:02x}")).collect::<String>())
}

impl Scripted {
    /// Links a policy that gives this answer to every request.
    pub fn with(mut self, name: &str, answer: Result<Verdict, Fault>) -> Self {
        self.linked.push(LinkedPolicy { name: name.to_owned(), sha256: digest(name) });
        self.answers.push((name.to_owned(), answer));
        self
    }

    /// Has a policy refuse its settings.
    pub fn refusing(mut self, name: &str, messages: &[&str]) -> Self {
        let messages = messages.iter().map(|m| (*m).to_owned()).collect();
        self.refusals.push((name.to_owned(), messages));
        self
    }
}

impl Policies for Scripted {
    fn linked(&self) -> &[LinkedPolicy] {
        &self.linked
    }

    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        match self.refusals.iter().find(|(name, _)| *name == entry.policy) {
            Some((_, messages)) => Err(messages.iter().map(Complaint::whole).collect()),
            None => Ok(()),
        }
    }

    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
        self.asked.borrow_mut().push(entry.name.clone());
        *self.seen.borrow_mut() = vec![
            request.method().to_owned(),
            request.path().to_owned(),
            format!("{:?}", request.header("authorization")),
            format!("{:?}", request.header("X-Tenant")),
            format!("{:?}", request.claim("/act/sub")),
            request.chain().depth().to_string(),
            request.now().as_millis().to_string(),
        ];
        self.answers.iter().find(|(name, _)| *name == entry.policy).unwrap().1.clone().into()
    }
}

pub fn allow() -> Result<Verdict, Fault> {
    Ok(Verdict::Allow(Vec::new()))
}

pub fn allow_with(obligations: &[Obligation]) -> Result<Verdict, Fault> {
    Ok(Verdict::Allow(obligations.to_vec()))
}

pub fn deny(code: &str) -> Result<Verdict, Fault> {
    Ok(Verdict::Deny { code: code.to_owned(), message: "because".to_owned() })
}

pub fn set_header(name: &str, value: &str) -> Obligation {
    Obligation::Header { name: name.to_owned(), value: value.to_owned() }
}

pub fn approve(reason: &str) -> Obligation {
    Obligation::Approve { reason: reason.to_owned() }
}

pub fn note(name: &str, value: &str) -> Obligation {
    Obligation::Audit { name: name.to_owned(), value: value.to_owned() }
}
