//! What one plugin keeps between requests, and how a decision is carried out.

use crate::host::{self, HostResult, Map};
use crate::metrics::Metrics;
use crate::seam::LinkedModule;
use crate::verifier::Verifier;
use mandate_core::config::{Config, Problem};
use mandate_core::decision::AuditRecord;
use mandate_core::decision::{Decision, DecisionIds};
use mandate_core::decision::{Forward, LocalReply, Reply};
use mandate_core::flow::WaitingRoom;
use mandate_core::flow::{Flow, Gate};
use mandate_core::http::ReservedHeaders;
use mandate_core::limits;
use mandate_core::log_level::LogLevel;
use mandate_core::policy::LinkedPolicies;
use mandate_core::policy::PolicyRecord;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;

/// The state of one plugin in one VM.
#[derive(Debug, Default)]
pub struct Worker {
    /// `None` until a valid configuration came: then everything is denied.
    pub gate: Option<Gate>,
    /// What holds without a gate.
    reserved: ReservedHeaders,
    pub verifier: Verifier,
    pub metrics: Metrics,
    pub ids: DecisionIds,
    /// Requests that wait for keys, by context.
    pub waiting: WaitingRoom<Waiting>,
    ticks: Option<u32>,
}

/// A request that waits for keys.
#[derive(Debug)]
pub struct Waiting {
    pub flow: Flow,
    pub issuer: usize,
    /// When the issuer's set was fetched that did not have the key.
    pub seen: Option<UnixTime>,
    pub deadline: UnixTime,
}

impl Worker {
    /// Takes the plugin's configuration, and with it the keys that `others` of this machine fetched from the same places.
    /// Whatever is wrong with it is logged, with its place; then the configuration before stays in force, and without one
    /// everything is denied. Gives whether it was taken.
    pub fn configure<'a>(&mut self, others: impl Iterator<Item = &'a Self>) -> bool {
        self.verifier = Verifier::probe();
        let taken = match self.read_configuration() {
            Ok(mut gate) => {
                others.filter_map(|other| other.gate.as_ref()).for_each(|other| gate.take_over(other));
                self.gate.iter().for_each(|before| gate.take_over(before));
                for warning in gate.warnings() {
                    say(LogLevel::Warn, &format!("configuration: {warning}"));
                }
                let remote: Vec<usize> = gate.remote_stores().map(|(index, _)| index).collect();
                self.metrics = Metrics::define(&remote, &gate.config().policies);
                self.gate = Some(gate);
                true
            }
            Err(problems) => {
                for problem in problems {
                    say(LogLevel::Error, &format!("configuration: {problem}"));
                }
                let consequence = match self.gate {
                    Some(_) => "the configuration is refused: the one before stays in force",
                    None => {
                        self.metrics = Metrics::define(&[], &[]);
                        "the configuration is refused: every request is denied until there is a valid one"
                    }
                };
                say(LogLevel::Error, consequence);
                false
            }
        };
        self.metrics.host_signatures(self.verifier.by_host().len());
        let by_host: Vec<&str> = self.verifier.by_host().iter().map(|a| a.name()).collect();
        say(LogLevel::Info, &format!("signatures checked by the host: [{}]", by_host.join(", ")));
        self.set_ticks();
        taken
    }

    fn read_configuration(&mut self) -> Result<Gate, Vec<String>> {
        let failed = |error: host::HostError| vec![error.to_string()];
        let texts = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
        let seed = host::random().map_err(failed)?;
        self.ids = DecisionIds::new(seed);
        let bytes = host::plugin_configuration(limits::CONFIG_BYTES).map_err(failed)?;
        let config = Config::parse(&bytes).map_err(texts)?;
        let policies = LinkedPolicies::new(LinkedModule).map_err(|error| vec![error])?;
        Gate::new(config, Box::new(policies), seed).map_err(texts)
    }

    /// The headers that no request may keep.
    pub fn reserved(&self) -> &ReservedHeaders {
        self.gate.as_ref().map_or(&self.reserved, Gate::reserved)
    }

    /// All that any configuration could remove.
    pub fn all_reserved(&self) -> &ReservedHeaders {
        &self.reserved
    }

    /// Ticks fast while somebody waits or keys are missing, and slowly otherwise: to hand over what was counted.
    pub fn set_ticks(&mut self) {
        let remote = self.gate.iter_mut().flat_map(Gate::remote_stores);
        let missing = remote.into_iter().any(|(_, store)| store.fetched_at().is_none());
        let busy = missing || !self.waiting.is_empty();
        let period = if busy { limits::TICK_BUSY_MS } else { limits::TICK_IDLE_MS };
        // Without ticks no key is fetched and every request that waits is denied when its client gives up.
        if self.ticks != Some(period) && host::set_tick_period(period).is_ok() {
            self.ticks = Some(period);
        }
    }

    /// Carries `decision` out on the request of the effective context, and says whether the request may go on.
    /// An allow that cannot be carried out to the letter becomes a denial.
    pub fn carry_out(&mut self, decision: Decision) -> bool {
        let config = self.gate.as_ref().map(Gate::config);
        for record in decision.policies() {
            self.metrics.answered(record.entry, record.verdict);
            pass_on(record);
        }
        let carried_out = match Reply::new(&decision, config) {
            Reply::Forward(forward) => Some(
                change(&forward).and_then(|()| disclose(&decision)).and_then(|()| record(&decision, config)),
            ),
            Reply::Local(_) => None,
        };
        let decision = match carried_out {
            Some(Ok(())) => {
                self.metrics.decided(None);
                self.metrics.hand_over_at(decision.at());
                return true;
            }
            Some(Err(error)) => {
                say(LogLevel::Error, &format!("denied because the proxy failed: {error}"));
                decision.or_deny(Reason::Internal)
            }
            None => decision,
        };
        // The request is denied whether or not it can be shown and recorded why.
        disclose(&decision).ok();
        record(&decision, config).ok();
        self.metrics.decided(decision.reason());
        self.metrics.hand_over_at(decision.at());
        if let Reply::Local(answer) = Reply::new(&decision, config) {
            send(&answer);
        }
        false
    }

    /// Lets a request wait no longer, if it does: it is over.
    pub fn forget(&mut self, context: u32) {
        if self.waiting.leave(context).is_some() {
            self.metrics.waiting(self.waiting.len());
        }
    }

    /// Denies a request that could not even be looked at.
    pub fn refuse(&mut self, reason: Reason) {
        let at = host::now().unwrap_or_default();
        let refusal = Decision::refusal(self.ids.next_id(), at, reason);
        self.carry_out(refusal);
    }
}

fn change(forward: &Forward<'_>) -> HostResult<()> {
    if let Some(path) = &forward.path {
        host::set_header(Map::RequestHeaders, ":path", path)?;
    }
    if let Some(connection) = forward.connection {
        host::set_header(Map::RequestHeaders, "connection", connection)?;
    }
    for name in &forward.remove {
        host::remove_header(Map::RequestHeaders, name.as_bytes())?;
    }
    // They are reserved names, so the client's were removed, and no name comes twice.
    for (name, value) in &forward.add {
        host::add_header(Map::RequestHeaders, name, value)?;
    }
    Ok(())
}

/// Filter state, for access logs.
fn disclose(decision: &Decision) -> HostResult<()> {
    host::set_property("mandate.decision", decision.id())?;
    if let Some(reason) = decision.reason() {
        host::set_property("mandate.reason", reason.code())?;
    }
    if let Some(token) = decision.token() {
        host::set_property("mandate.chain", &token.identity_headers().chain)?;
    }
    Ok(())
}

fn record(decision: &Decision, config: Option<&Config>) -> HostResult<()> {
    match AuditRecord::wanted(decision, config) {
        Some(record) => host::log(LogLevel::Info, &format!("audit {}", record.to_json())),
        None => Ok(()),
    }
}

/// What a policy logged.
fn pass_on(record: &PolicyRecord) {
    for (level, line) in record.log.lines() {
        say(*level, &format!("policy {}: {line}", record.policy));
    }
    if record.log.dropped() > 0 {
        say(
            LogLevel::Debug,
            &format!("policy {}: {} more lines were dropped", record.policy, record.log.dropped()),
        );
    }
}

/// If the proxy cannot even send the answer, the request is cut off; it is never let through.
fn send(answer: &LocalReply) {
    if host::send_local_response(answer.status, "mandate", &answer.headers, &answer.body).is_err() {
        host::close_request().ok();
    }
}

/// A line for the operator; if it cannot be written there is nobody left to tell.
pub fn say(level: LogLevel, message: &str) {
    host::log(level, message).ok();
}
