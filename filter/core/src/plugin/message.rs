//! Requests that are held until their message came.

use super::host::Host;
use super::module::Streams;
use super::{Head, Held, Plugin};
use crate::denial::KeysProblem;
use crate::flow::{Body, Flow, Step};
use crate::limits;
use crate::log_level::LogLevel;
use crate::reason::Reason;
use crate::time::UnixTime;

impl Plugin {
    /// Holds a request until its message came; it is denied if there is no room.
    pub(super) fn hold(
        &mut self,
        host: &dyn Host,
        context: u32,
        flow: Flow,
        max: usize,
        has_head_gone: bool,
        now: UnixTime,
    ) {
        let has_room = self.held.len() < limits::HELD_REQUESTS;
        self.held.insert(context, Held { flow, max, since: now, is_shown: false, has_head_gone });
        if !has_room {
            host.say(LogLevel::Error, "too many requests whose body has not come yet: the request is denied");
            self.rule(host, context, Body::Withheld, Head::Here);
        }
    }

    /// Holds a request that waited for keys. Its message may have come meanwhile.
    pub(super) fn hold_after_wait(
        &mut self,
        host: &dyn Host,
        context: u32,
        mut flow: Flow,
        max: usize,
        streams: &mut Streams,
        now: UnixTime,
    ) {
        // What came of the body is behind the head in the proxy's buffer, and would go on with it: then both are held.
        let ahead = if streams.has_body(context) { None } else { flow.take_ahead() };
        let sent = ahead.as_ref().map(|ahead| self.send_ahead(host, ahead));
        let sent = sent.map(|sent| sent.and_then(|()| host.continue_request()));
        if let Some(Err(error)) = sent {
            host.say(LogLevel::Error, &format!("denied because the proxy failed: {error}"));
            self.refuse(host, Reason::Internal);
            return;
        }
        self.hold(host, context, flow, max, sent.is_some(), now);
        if streams.is_whole(context) {
            let passed = self.on_whole_body(host, context, Head::Waits);
            streams.set_passed(context, passed);
        }
    }

    /// Records a request whose head went on and whose client left before its body came: the upstream was told who acts.
    pub(super) fn record_gone(&mut self, host: &dyn Host, mut flow: Flow) {
        flow.set_body(Body::Late);
        let Some(gate) = &mut self.gate else { return };
        let now = host.now().unwrap_or_default();
        let decision = match flow.advance(gate, &self.verifier.with(host), now) {
            Step::Done(decision) => *decision,
            Step::NeedKeys(_) | Step::NeedBody(_) => flow.give_up(gate, KeysProblem::Late, now),
        };
        self.note(host, &decision.or_deny(Reason::Internal));
    }

    /// The request whose head went on ahead of its body, which is still to come, if this one is such.
    pub(super) fn sent_ahead(&self, context: u32) -> Option<&Flow> {
        self.held.get(&context).filter(|held| held.has_head_gone).map(|held| &held.flow)
    }

    /// Whether the request of this context is held for its message.
    pub(super) fn holds(&self, context: u32) -> bool {
        self.held.contains_key(&context)
    }

    /// So many bytes of the message are there, and perhaps no more follow. Gives whether the request may go on.
    pub(super) fn on_body(&mut self, host: &dyn Host, context: u32, size: usize, end: bool) -> bool {
        let Some(held) = self.held.get_mut(&context) else { return false };
        held.is_shown = true;
        if size > held.max {
            return self.rule(host, context, Body::TooLong(size), Head::Here);
        }
        end && self.on_whole_body(host, context, Head::Here)
    }

    /// The whole message is there. Gives whether the request may go on; one whose head waits goes on at once.
    pub(super) fn on_whole_body(&mut self, host: &dyn Host, context: u32, head: Head) -> bool {
        let Some(held) = self.held.get(&context) else { return false };
        // One more than is accepted, so that too much is seen as such.
        match host.request_body(held.max.saturating_add(1)) {
            Ok(body) => self.rule(host, context, Body::Whole(body), head),
            Err(error) => {
                host.say(LogLevel::Error, &format!("denied because the proxy failed: {error}"));
                self.rule(host, context, Body::Withheld, head)
            }
        }
    }

    fn rule(&mut self, host: &dyn Host, context: u32, body: Body, head: Head) -> bool {
        let Some(Held { mut flow, has_head_gone, .. }) = self.held.remove(&context) else { return false };
        let head = if has_head_gone { Head::Gone } else { head };
        // Without the time nothing of it can be ruled on.
        let (body, now) = host.now().map_or((Body::Withheld, UnixTime::default()), |now| (body, now));
        flow.set_body(body);
        let Some(gate) = &mut self.gate else {
            self.refuse(host, Reason::ConfigInvalid);
            return false;
        };
        let step = flow.advance(gate, &self.verifier.with(host), now);
        self.metrics.cache(gate.take_cache_counts());
        let decision = match step {
            Step::Done(decision) => *decision,
            // Its keys are gone meanwhile.
            Step::NeedKeys(issuer) if head != Head::Gone => {
                return self.wait(host, context, flow, issuer, now);
            }
            // It has its body, and one whose head is gone waits for nothing else.
            Step::NeedBody(_) | Step::NeedKeys(_) => flow.give_up(gate, KeysProblem::Late, now),
        };
        self.carry_out(host, context, decision, head)
    }

    /// Ends requests whose message does not come in time. Without a setting of its own the proxy never shows one while the head is
    /// held.
    pub(super) fn give_up_on_bodies(&mut self, host: &dyn Host, streams: &mut Streams) {
        if self.held.is_empty() {
            return;
        }
        let Ok(now) = host.now() else { return };
        let is_late = |held: &Held| {
            let patience = if held.is_shown || held.has_head_gone {
                limits::BODY_COMPLETE_MS
            } else {
                limits::BODY_WAIT_MS
            };
            now >= held.since.plus_millis(patience)
        };
        let late = self.held.iter().filter(|(_, held)| is_late(held));
        let late: Vec<(u32, bool)> =
            late.map(|(context, held)| (*context, held.is_shown || held.has_head_gone)).collect();
        for (context, is_shown) in late {
            let body = if is_shown { Body::Late } else { Body::Withheld };
            if !is_shown {
                host.say(
                    LogLevel::Error,
                    "no part of a message came: either its client sent none, or the proxy does not show it. If no message at all passes, \
                     set `allow_on_headers_stop_iteration: true` in the plugin's configuration of Envoy (1.35 or later); the request \
                     is denied",
                );
            }
            if host.set_effective_context(context).is_ok() {
                let passed = self.rule(host, context, body, Head::Waits);
                streams.set_passed(context, passed);
            } else {
                self.held.remove(&context);
            }
        }
        host.set_effective_context(self.context).ok();
    }
}
