//! How a decision is carried out.

use super::host::{Host, HostError, HostResult, Map};
use super::metrics::{Counted, Metrics};
use super::response::Response;
use super::{Head, Plugin};
use crate::action::SESSION;
use crate::config::Config;
use crate::decision::{AuditRecord, Decision, Forward, LocalReply, Outcome, Reply};
use crate::flow::{AheadOfBody, Gate};
use crate::log_level::LogLevel;
use crate::policy::PolicyRecord;
use crate::reason::Reason;

impl Plugin {
    /// Carries `decision` out on the request of the effective context, and says whether the request may go on; one whose
    /// head waits goes on at once. An allow that cannot be carried out to the letter becomes a denial.
    pub(super) fn carry_out(
        &mut self,
        host: &dyn Host,
        context: u32,
        decision: Decision,
        head: Head,
    ) -> bool {
        let config = self.gate.as_ref().map(Gate::config);
        for record in decision.policies() {
            self.metrics.answered(record.entry, record.verdict);
            pass_on(host, record);
        }
        let carried_out = match Reply::new(&decision, config) {
            Reply::Forward(forward) => Some(
                if head == Head::Gone { Ok(()) } else { change(host, &forward) }
                    .and_then(|()| disclose(host, &decision))
                    .and_then(|()| record(host, &decision, config)),
            ),
            Reply::Local(answer) => match decision.outcome() {
                // It was not denied, so it is on record before it is sent.
                Outcome::Answer(_) => {
                    match disclose(host, &decision).and_then(|()| record(host, &decision, config)) {
                        Ok(()) => {
                            count(&mut self.metrics, host, &decision, Counted::Answered);
                            send(host, &answer);
                            return false;
                        }
                        Err(error) => Some(Err(error)),
                    }
                }
                Outcome::Allow(_) | Outcome::Deny(_) => None,
            },
        };
        let decision = match carried_out {
            Some(Ok(())) => {
                let passes = self.let_go(host, &decision, head);
                if passes && let Some(response) = Response::of(&decision) {
                    self.responses.insert(context, response);
                }
                return passes;
            }
            Some(Err(error)) => {
                host.say(LogLevel::Error, &format!("denied because the proxy failed: {error}"));
                decision.or_deny(Reason::Internal)
            }
            None => decision,
        };
        self.deny(host, &decision);
        false
    }

    /// Records and counts a request that is denied, whether or not that can be shown.
    pub(super) fn note(&mut self, host: &dyn Host, decision: &Decision) {
        record(host, decision, self.gate.as_ref().map(Gate::config)).ok();
        count(&mut self.metrics, host, decision, Counted::of(decision));
    }

    /// Answers a request that is denied.
    fn deny(&mut self, host: &dyn Host, decision: &Decision) {
        disclose(host, decision).ok();
        self.note(host, decision);
        let config = self.gate.as_ref().map(Gate::config);
        if let Reply::Local(reply) = Reply::new(decision, config) {
            send(host, &reply);
        }
    }

    /// Lets an allowed request go on, whose record is written. Should the proxy not resume it, it is cut off: a record of an
    /// allow is there then, and a line that takes it back.
    fn let_go(&mut self, host: &dyn Host, decision: &Decision, head: Head) -> bool {
        let resumed = if head == Head::Waits { host.continue_request() } else { Ok(()) };
        if let Err(error) = resumed {
            let id = decision.id();
            host.say(LogLevel::Error, &format!("decision {id}: cut off because the proxy failed: {error}"));
            host.close_request().ok();
        }
        let counted = if resumed.is_ok() { Counted::Allowed } else { Counted::Denied(Reason::Internal) };
        count(&mut self.metrics, host, decision, counted);
        resumed.is_ok()
    }

    /// What is left to do if the proxy does not take the context of a request: it can be neither answered nor let go, and stays
    /// paused until its client or the proxy gives up on it. It is recorded and counted as denied.
    pub(super) fn lose(&mut self, host: &dyn Host, decision: Decision, error: HostError) {
        let decision = decision.or_deny(Reason::Internal);
        let id = decision.id();
        host.say(LogLevel::Error, &format!("decision {id}: stays paused because the proxy failed: {error}"));
        record(host, &decision, self.gate.as_ref().map(Gate::config)).ok();
        count(&mut self.metrics, host, &decision, Counted::of(&decision));
    }

    /// Lets a head go on ahead of its body.
    pub(super) fn send_ahead(&self, host: &dyn Host, ahead: &AheadOfBody) -> HostResult<()> {
        match &self.gate {
            Some(gate) => change(host, &ahead.forward(gate.config())),
            None => Ok(()),
        }
    }

    /// Denies a request that could not even be looked at.
    pub(super) fn refuse(&mut self, host: &dyn Host, reason: Reason) {
        let at = host.now().unwrap_or_default();
        let refusal = Decision::refusal(self.ids.next_id(), at, reason);
        self.deny(host, &refusal);
    }
}

fn count(metrics: &mut Metrics, host: &dyn Host, decision: &Decision, counted: Counted) {
    metrics.decided(counted);
    metrics.hand_over_at(host, decision.at());
}

fn change(host: &dyn Host, forward: &Forward<'_>) -> HostResult<()> {
    if let Some(path) = &forward.path {
        host.set_header(Map::Request, ":path", path)?;
    }
    if let Some(connection) = forward.connection {
        host.set_header(Map::Request, "connection", connection)?;
    }
    if let Some(session) = forward.session {
        host.set_header(Map::Request, SESSION, session)?;
    }
    for name in &forward.remove {
        host.remove_header(Map::Request, name.as_bytes())?;
    }
    for name in &forward.remove_chains {
        host.remove_header(Map::Request, name)?;
    }
    // They are reserved names, so the client's were removed, and no name comes twice.
    for (name, value) in &forward.add {
        host.add_header(Map::Request, name, value)?;
    }
    Ok(())
}

/// Filter state, for access logs.
fn disclose(host: &dyn Host, decision: &Decision) -> HostResult<()> {
    host.set_property("mandate.decision", decision.id())?;
    if let Some(reason) = decision.reason() {
        host.set_property("mandate.reason", reason.code())?;
    }
    if let Some(token) = decision.token() {
        host.set_property("mandate.chain", &token.identity_headers().chain)?;
    }
    Ok(())
}

fn record(host: &dyn Host, decision: &Decision, config: Option<&Config>) -> HostResult<()> {
    match AuditRecord::wanted(decision, config) {
        Some(record) => host.log(LogLevel::Info, &format!("audit {}", record.to_json())),
        None => Ok(()),
    }
}

/// What a policy logged.
fn pass_on(host: &dyn Host, record: &PolicyRecord) {
    for (level, line) in record.log.lines() {
        host.say(*level, &format!("policy {}: {line}", record.policy));
    }
    if record.log.dropped() > 0 {
        host.say(
            LogLevel::Debug,
            &format!("policy {}: {} more lines were dropped", record.policy, record.log.dropped()),
        );
    }
}

/// If the proxy cannot even send the answer, the request is cut off; it is never let through.
fn send(host: &dyn Host, reply: &LocalReply) {
    if host.send_local_response(reply.status, "mandate", &reply.headers, &reply.body).is_err() {
        host.close_request().ok();
    }
}
