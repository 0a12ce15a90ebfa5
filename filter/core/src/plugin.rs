//! The filter as a proxy loads it: what each callback does, and how a decision is carried out, behind one trait of the proxy.
//!
//! A [`Module`] is all that one virtual machine holds. It is fed callbacks, and calls back through [`Host`]; the filter brings
//! the real proxy, the tests one that fails at every call.

mod carry_out;
mod fetch;
mod host;
mod message;
mod metrics;
mod module;
mod request;
mod response;
mod secret;
mod verifier;
mod waiting;

pub use host::{Host, HostError, HostResult, Map, MetricKind};
pub use module::{Action, Module};
pub use waiting::{Source, WaitingRoom};

use crate::config::{Config, Problem};
use crate::decision::{Decision, DecisionIds};
use crate::denial::KeysProblem;
use crate::flow::{Flow, Gate};
use crate::http::ReservedHeaders;
use crate::limits;
use crate::log_level::LogLevel;
use crate::reason::Reason;
use crate::time::UnixTime;
use metrics::Metrics;
use module::Streams;
use response::Responses;
use std::collections::BTreeMap;
use verifier::HostVerifier;

/// One plugin: its configuration, what it keeps between requests, and who waits.
#[derive(Debug, Default)]
struct Plugin {
    /// Its root context.
    context: u32,
    /// `None` until a valid configuration came: then everything is denied.
    gate: Option<Gate>,
    /// What holds without a gate.
    reserved: ReservedHeaders,
    verifier: HostVerifier,
    metrics: Metrics,
    ids: DecisionIds,
    /// Requests that wait for keys, by context.
    waiting: WaitingRoom<Waiting>,
    /// Requests whose message is still to come, by context.
    held: BTreeMap<u32, Held>,
    responses: Responses,
    /// Issuers whose keys are on their way, by the token of the call.
    calls: BTreeMap<u32, usize>,
    /// The period of ticks that was asked for, in milliseconds.
    ticks: Option<u32>,
}

/// A request that waits for keys.
#[derive(Debug)]
struct Waiting {
    flow: Flow,
    issuer: usize,
    /// When the issuer's set was fetched that did not have the key.
    seen: Option<UnixTime>,
    deadline: UnixTime,
}

/// A request whose message is still to come.
#[derive(Debug)]
struct Held {
    flow: Flow,
    /// How much of it is accepted.
    max: usize,
    /// When the head came.
    since: UnixTime,
    /// Whether the proxy has shown something of it.
    is_shown: bool,
    /// Whether its head went on ahead.
    has_head_gone: bool,
}

/// Where the head of a request is when it is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Here: the callback says whether it goes on.
    Here,
    /// Here, and the proxy must be told to let it go on.
    Waits,
    /// It went on ahead of the body.
    Gone,
}

impl Plugin {
    fn new(context: u32) -> Self {
        Self { context, ..Self::default() }
    }

    /// Takes the plugin's configuration, and with it the keys that `others` of this machine fetched from the same places.
    /// Whatever is wrong with it is logged, with its place; then the configuration before stays in force, and without one
    /// everything is denied. Gives whether it was taken.
    fn configure<'a>(&mut self, host: &dyn Host, others: impl Iterator<Item = &'a Self>) -> bool {
        self.verifier = HostVerifier::probe(host);
        let taken = match self.read_configuration(host) {
            Ok(mut gate) => {
                others.filter_map(|other| other.gate.as_ref()).for_each(|other| gate.take_over(other));
                self.gate.iter().for_each(|before| gate.take_over(before));
                for warning in gate.warnings() {
                    host.say(LogLevel::Warn, &format!("configuration: {warning}"));
                }
                if gate.lacks_shared_secret() {
                    host.say(LogLevel::Warn, secret::LONELY_SECRET);
                }
                if !self.verifier.shares_memory() && gate.config().uses_once() {
                    host.say(LogLevel::Warn, secret::LONELY_MEMORY);
                }
                self.abandon(host);
                let remote: Vec<usize> = gate.remote_stores().map(|(index, _)| index).collect();
                self.metrics.replace(host, &remote, &gate.config().policies);
                self.gate = Some(gate);
                true
            }
            Err(problems) => {
                for problem in problems {
                    host.say(LogLevel::Error, &format!("configuration: {problem}"));
                }
                let consequence = match self.gate {
                    Some(_) => "the configuration is refused: the one before stays in force",
                    None => {
                        self.metrics.replace(host, &[], &[]);
                        "the configuration is refused and does not come into force; one that the proxy runs already is not affected, and \
                         without one every request is denied"
                    }
                };
                host.say(LogLevel::Error, consequence);
                false
            }
        };
        self.metrics.host_signatures(host, self.verifier.by_host().len());
        let by_host: Vec<&str> = self.verifier.by_host().iter().map(|a| a.name()).collect();
        host.say(LogLevel::Info, &format!("signatures checked by the host: [{}]", by_host.join(", ")));
        self.set_ticks(host);
        taken
    }

    fn read_configuration(&mut self, host: &dyn Host) -> Result<Gate, Vec<String>> {
        let failed = |error: HostError| vec![error.to_string()];
        let texts = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        let seed = host.random().map_err(failed)?;
        self.ids = DecisionIds::new(seed);
        let bytes = host.plugin_configuration(limits::CONFIG_BYTES).map_err(failed)?;
        let config = Config::parse(&bytes).map_err(texts)?;
        let policies = host.linked_policies().map_err(|error| vec![error])?;
        let gate = Gate::new(config, policies, seed).map_err(texts)?;
        if !gate.config().needs_secret() {
            return Ok(gate);
        }
        match secret::secret(host) {
            Ok(Some(secret)) => Ok(gate.with_secret(&secret)),
            Ok(None) => Ok(gate),
            Err(error) => Err(vec![error.to_string()]),
        }
    }

    /// Looks after keys and those who wait for them, and hands over what was counted.
    fn tick(&mut self, host: &dyn Host, streams: &mut Streams) {
        self.look_after_keys(host, streams);
        self.give_up_on_bodies(host, streams);
        self.end_streams(host);
        self.metrics.hand_over(host);
    }

    /// Ends every request that waits, and forgets the calls under way: they belong to a configuration that is no more.
    fn abandon(&mut self, host: &dyn Host) {
        self.calls.clear();
        if self.waiting.is_empty() && self.held.is_empty() {
            return;
        }
        let at = host.now().unwrap_or_default();
        let mut waiting = std::mem::take(&mut self.waiting);
        let in_turn = waiting.in_turn();
        let waiting = in_turn.into_iter().filter_map(|at| waiting.leave(at).map(|it| (at, it.flow)));
        let held = std::mem::take(&mut self.held).into_iter().map(|(at, it)| (at, it.flow));
        for (context, mut flow) in waiting.chain(held) {
            let decision = match &self.gate {
                Some(gate) => flow.give_up(gate, KeysProblem::Reconfigured, at),
                None => Decision::refusal(self.ids.next_id(), at, Reason::KeysUnavailable),
            };
            match host.set_effective_context(context) {
                Ok(()) => _ = self.carry_out(host, context, decision, Head::Waits),
                Err(error) => self.lose(host, decision, error),
            }
        }
        host.set_effective_context(self.context).ok();
    }

    /// The headers that no request may keep.
    fn reserved(&self) -> &ReservedHeaders {
        self.gate.as_ref().map_or(&self.reserved, Gate::reserved)
    }

    /// All that any configuration could remove.
    fn all_reserved(&self) -> &ReservedHeaders {
        &self.reserved
    }

    /// The headers in which links of chains come.
    fn chain_headers(&self) -> &[String] {
        self.gate.as_ref().map_or(&[], Gate::chain_headers)
    }

    /// Ticks fast while somebody waits or keys are missing, and slowly otherwise: to hand over what was counted.
    fn set_ticks(&mut self, host: &dyn Host) {
        let remote = self.gate.iter_mut().flat_map(Gate::remote_stores);
        let missing = remote.into_iter().any(|(_, store)| store.fetched_at().is_none());
        let busy = missing || !self.waiting.is_empty();
        let period = if busy { limits::TICK_BUSY_MS } else { limits::TICK_IDLE_MS };
        // Without ticks no key is fetched and every request that waits is denied when its client gives up.
        if self.ticks != Some(period) && host.set_tick_period(period).is_ok() {
            self.ticks = Some(period);
        }
    }

    /// Hands over what was counted: the plugin is gone.
    fn close(&mut self, host: &dyn Host) {
        self.metrics.close(host);
    }

    /// Lets a request wait no longer, if it does: it is over.
    fn forget(&mut self, host: &dyn Host, context: u32) {
        if let Some(held) = self.held.remove(&context)
            && held.has_head_gone
        {
            self.record_gone(host, held.flow);
        }
        self.responses.remove(context);
        if self.waiting.leave(context).is_some() {
            self.metrics.waiting(host, self.waiting.len());
        }
    }
}
