//! The head and the trailers of one request.

use super::host::{Host, HostError, Map};
use super::waiting::Source;
use super::{Head, Plugin, Waiting};
use crate::denial::KeysProblem;
use crate::flow::{Flow, Step};
use crate::http::{RequestHead, ReservedHeaders, reads_alike};
use crate::limits;
use crate::log_level::LogLevel;
use crate::reason::Reason;
use crate::time::UnixTime;

impl Plugin {
    /// Whether the request may go on now. If it may not, it was answered, or it waits. `end` says that nothing follows the head.
    pub(super) fn on_headers(&mut self, host: &dyn Host, context: u32, count: usize, end: bool) -> bool {
        self.decide(host, context, count, end).unwrap_or_else(|error| {
            host.say(LogLevel::Error, &format!("denied because the proxy failed: {error}"));
            self.refuse(host, Reason::Internal);
            false
        })
    }

    fn decide(&mut self, host: &dyn Host, context: u32, count: usize, end: bool) -> Result<bool, HostError> {
        let mut headers = host.headers(Map::Request, count)?;
        // Before anything else and on every route, for nobody may say for us who is acting.
        let reserved = self.reserved();
        let mut unwanted = Vec::new();
        headers.retain(|name| {
            let passes = !reserved.contains(name);
            if !passes {
                unwanted.push(name.to_vec());
            }
            passes
        });
        remove(host, Map::Request, unwanted)?;
        let Some(gate) = &mut self.gate else {
            self.refuse(host, Reason::ConfigInvalid);
            return Ok(false);
        };
        let now = host.now()?;
        let mut flow = Flow::new(self.ids.next_id(), RequestHead::new(headers).with_body(!end));
        let step = flow.advance(gate, &self.verifier.with(host), now);
        self.metrics.cache(gate.take_cache_counts());
        match step {
            Step::Done(decision) => Ok(self.carry_out(host, context, *decision, Head::Here)),
            Step::NeedKeys(issuer) => Ok(self.wait(host, context, flow, issuer, now)),
            Step::NeedBody(max) => {
                let ahead = flow.take_ahead();
                ahead.iter().try_for_each(|ahead| self.send_ahead(host, ahead))?;
                self.hold(host, context, flow, max, ahead.is_some(), now);
                Ok(false)
            }
        }
    }

    /// Lets a request wait for keys, if there is room. Gives whether it may go on, which it may not.
    pub(super) fn wait(
        &mut self,
        host: &dyn Host,
        context: u32,
        mut flow: Flow,
        issuer: usize,
        now: UnixTime,
    ) -> bool {
        let Some(gate) = &mut self.gate else {
            self.refuse(host, Reason::ConfigInvalid);
            return false;
        };
        let store = gate.remote_store(issuer);
        let seen = store.as_ref().and_then(|store| store.fetched_at());
        let timeout = store.map_or(0, |store| store.config().timeout_ms);
        // Asked for only now, for most requests do not wait; those of whom it cannot be had are one source.
        let source =
            host.property("source\0address").map_or_else(|_| Source::default(), |it| Source::of(&it));
        let size = flow.size();
        if !self.waiting.has_room(&source, size) {
            let decision = flow.give_up(gate, KeysProblem::NoRoom, now);
            return self.carry_out(host, context, decision, Head::Here);
        }
        let deadline = now.plus_millis(timeout.saturating_add(2 * limits::KEYS_FETCH_GRACE_MS));
        self.waiting.enter(context, source, size, Waiting { flow, issuer, seen, deadline });
        self.metrics.waiting(host, self.waiting.len());
        self.set_ticks(host);
        false
    }
}

/// What may not come as a header may not come as a trailer: some servers join the two (RFC 9110 §6.5.1). Gives whether that
/// is so now; if not, the request was cut off.
pub(super) fn on_trailers(
    host: &dyn Host,
    reserved: &ReservedHeaders,
    chain_headers: &[String],
    count: usize,
) -> bool {
    let stripped = host.headers(Map::RequestTrailers, count).and_then(|trailers| {
        // Of the headers of a protocol the message was compared with, these say something else.
        let begins = |name: &[u8], with: &[u8]| {
            let next = name.strip_prefix(with).and_then(<[u8]>::first);
            next.is_some_and(|byte| !byte.is_ascii_alphanumeric())
        };
        let of_protocol = |name: &[u8]| begins(name, b"mcp") || begins(name, b"a2a");
        let of_chain = |name: &[u8]| chain_headers.iter().any(|header| reads_alike(name, header.as_bytes()));
        let unwanted = |name: &&[u8]| {
            matches!(
                *name,
                b"authorization" | b"dpop" | b"workload-identity-token" | b"txn-token" | b"mandate-approval"
            ) || of_protocol(name)
                || of_chain(name)
                || reserved.contains(name)
        };
        let names = trailers.iter().map(|(name, _)| name).filter(unwanted).map(<[u8]>::to_vec);
        remove(host, Map::RequestTrailers, names.collect())
    });
    if let Err(error) = &stripped {
        host.say(LogLevel::Error, &format!("cut off because the proxy failed: {error}"));
        host.close_request().ok();
    }
    stripped.is_ok()
}

fn remove(host: &dyn Host, map: Map, mut names: Vec<Vec<u8>>) -> Result<(), HostError> {
    names.sort_unstable();
    names.dedup();
    names.iter().try_for_each(|name| host.remove_header(map, name))
}
