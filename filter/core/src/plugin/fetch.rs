//! Key sets over HTTP, and the requests that wait for them.
//!
//! What to fetch and when is arithmetic ([`RemoteStore`]); this file carries it out. Each worker fetches for itself: the
//! store says why, and what it costs.

use super::host::{Host, HostError, HostResult, Map};
use super::module::Streams;
use super::{Head, Plugin, Waiting};
use crate::denial::KeysProblem;
use crate::flow::Step;
use crate::keys::RemoteStore;
use crate::limits;
use crate::log_level::LogLevel;
use crate::printable::shortened;
use crate::time::UnixTime;
use std::time::Duration;

impl Plugin {
    /// Looks after every key set and every request that waits.
    pub(super) fn look_after_keys(&mut self, host: &dyn Host, streams: &mut Streams) {
        let Some(gate) = &mut self.gate else { return };
        // Without a clock nothing can be said to be due or late; whoever waits goes on waiting, and nothing passes.
        let Ok(now) = host.now() else { return };
        let mut failed = Vec::new();
        for (issuer, store) in gate.remote_stores() {
            if store.is_due(now) {
                store.begin(now);
                match call(host, store) {
                    Ok(token) => _ = self.calls.insert(token, issuer),
                    Err(error) => {
                        store.failed(now);
                        failed.push((issuer, not_sent(error, store)));
                    }
                }
            }
            if let Some(at) = store.fetched_at() {
                self.metrics.key_age(host, issuer, now.millis_since(at) / 1000);
            }
        }
        for (issuer, why) in failed {
            self.report(host, issuer, &why, now);
        }
        self.settle(host, streams, now);
    }

    /// Takes the answer to a fetch.
    pub(super) fn answered(&mut self, host: &dyn Host, streams: &mut Streams, token: u32, body_size: usize) {
        let (Some(issuer), Some(gate)) = (self.calls.remove(&token), &mut self.gate) else { return };
        let (Some(store), Ok(now)) = (gate.remote_store(issuer), host.now()) else { return };
        let document = read_answer(host, body_size);
        match document.and_then(|document| store.accept(&document, now).map_err(|e| explain(&document, &e))) {
            Ok(is_new) => {
                self.metrics.refreshed(host, true);
                if is_new {
                    self.report_dropped_keys(host, issuer);
                }
            }
            Err(why) => {
                store.failed(now);
                self.report(host, issuer, &why, now);
            }
        }
        self.settle(host, streams, now);
    }

    /// Lets waiting requests go as far as they can now, and ends those that waited too long.
    fn settle(&mut self, host: &dyn Host, streams: &mut Streams, now: UnixTime) {
        // What requests that did not wait took is not this callback's.
        self.gate.iter_mut().for_each(|gate| _ = gate.take_spent_us());
        let mut spent_us = 0_u64;
        for context in self.waiting.in_turn() {
            let (Some(gate), Some(waiting)) = (&mut self.gate, self.waiting.get_mut(context)) else {
                break;
            };
            // Looking at a token costs something, and nothing can have changed while its issuer's fetch is under way.
            let has_news = gate.remote_store(waiting.issuer).is_none_or(|store| {
                store.fetched_at() != waiting.seen || !(store.is_busy(now) || store.is_due(now))
            });
            let is_late = now >= waiting.deadline;
            let has_time = spent_us < limits::SETTLE_AT_ONCE_US;
            // The rest follows with the next tick, so that others get their turn; who is late waits no longer in any case.
            if !(is_late || has_news && has_time) {
                continue;
            }
            // What is asked of the connection is about this request's, and about no other's.
            if let Err(error) = host.set_effective_context(context) {
                let decision = waiting.flow.give_up(gate, KeysProblem::Late, now);
                self.waiting.leave(context);
                self.lose(host, decision, error);
                continue;
            }
            let step = match has_time {
                true => waiting.flow.advance(gate, &self.verifier.with(host), now),
                false => Step::NeedKeys(waiting.issuer),
            };
            spent_us = spent_us.saturating_add(limits::SETTLE_ONE_US).saturating_add(gate.take_spent_us());
            let decision = match step {
                Step::Done(decision) => *decision,
                Step::NeedBody(max) => {
                    let Some(Waiting { flow, .. }) = self.waiting.leave(context) else { continue };
                    self.hold_after_wait(host, context, flow, max, streams, now);
                    continue;
                }
                Step::NeedKeys(issuer) if !is_late => {
                    waiting.issuer = issuer;
                    waiting.seen = gate.remote_store(issuer).and_then(|store| store.fetched_at());
                    continue;
                }
                Step::NeedKeys(_) => waiting.flow.give_up(gate, KeysProblem::Late, now),
            };
            self.waiting.leave(context);
            let passed = self.carry_out(host, context, decision, Head::Waits);
            streams.set_passed(context, passed);
        }
        host.set_effective_context(self.context).ok();
        self.metrics.waiting(host, self.waiting.len());
        self.set_ticks(host);
    }

    /// Says that a fetch failed, why, and what is in force now.
    fn report(&mut self, host: &dyn Host, issuer: usize, why: &str, now: UnixTime) {
        self.metrics.refreshed(host, false);
        let Some(gate) = &mut self.gate else { return };
        let name = gate.name_of(issuer);
        let Some(store) = gate.remote_store(issuer) else { return };
        let config = store.config();
        let in_force = match store.fetched_at().filter(|_| store.is_usable(now)) {
            Some(at) => {
                let age = now.millis_since(at) / 1000;
                let left = config.stale_s.saturating_sub(age);
                format!("the keys that were fetched {age} s ago stay in force for {left} s more")
            }
            None => "there are no keys in force: what it signed is denied with keys_unavailable".to_owned(),
        };
        let (uri, cluster) = (&config.uri, &config.cluster);
        host.say(
            LogLevel::Warn,
            &format!("keys of {name} from {uri} (cluster {cluster}): {why}; {in_force}"),
        );
    }

    /// Says of each key of a new set that is not used why.
    fn report_dropped_keys(&mut self, host: &dyn Host, issuer: usize) {
        let Some(gate) = &mut self.gate else { return };
        let name = gate.name_of(issuer);
        let Some(set) = gate.remote_store(issuer).and_then(|store| store.set()) else { return };
        for key in set.rejected() {
            host.say(LogLevel::Warn, &format!("keys of {name}: {key}"));
        }
        self.metrics.dropped(host, issuer, set.rejected().len());
    }
}

/// Starts a fetch (RFC 7517 §8.5.2 names the media type).
fn call(host: &dyn Host, store: &RemoteStore) -> HostResult<u32> {
    let config = store.config();
    let headers = [
        (":method", "GET"),
        (":scheme", config.scheme()),
        (":authority", config.authority()),
        (":path", config.path()),
        ("accept", "application/jwk-set+json, application/json"),
    ];
    host.http_call(&config.cluster, &headers, Duration::from_millis(config.timeout_ms))
}

/// Why a fetch was not even sent.
fn not_sent(error: HostError, store: &RemoteStore) -> String {
    match error.status {
        HostError::BAD_ARGUMENT => format!("the proxy has no cluster named `{}`", store.config().cluster),
        _ => error.to_string(),
    }
}

/// How the body begins that Envoy itself answers with if it cannot reach a cluster.
const PROXY_ERRORS: [&[u8]; 3] =
    [b"upstream connect error", b"no healthy upstream", b"upstream request timeout"];

/// The document, or in words why there is none.
fn read_answer(host: &dyn Host, body_size: usize) -> Result<Vec<u8>, String> {
    let header = |name: &str| host.header(Map::CallResponse, name).map_err(|e| e.to_string());
    let text = |bytes: &[u8]| shortened(&String::from_utf8_lossy(bytes), limits::REPORTED_BYTES);
    // A proxy that got no answer has no headers to show, and says so with one status or another.
    let Some(status) = header(":status").unwrap_or_default() else {
        return Err("no answer came in time, or the connection failed".to_owned());
    };
    match status.as_slice() {
        b"200" => {}
        b"301" | b"302" | b"303" | b"307" | b"308" => {
            let to = header("location")?.unwrap_or_default();
            return Err(format!(
                "the answer is a redirect to `{}`, and redirects are not followed",
                text(&to)
            ));
        }
        other => {
            // The proxy answers itself if it cannot reach the cluster, and says why in the body.
            let body = host.call_body(limits::REPORTED_BYTES).unwrap_or_default();
            let own = PROXY_ERRORS.iter().any(|error| body.starts_with(error));
            let whose = if own {
                " (as Envoy answers if it cannot reach its upstream: this proxy, or one before the issuer)"
            } else {
                ""
            };
            return Err(format!("the answer has status {}{whose}: `{}`", text(other), text(&body)));
        }
    }
    if body_size > limits::KEY_SET_BYTES {
        return Err(format!("the answer has {body_size} bytes, {} are accepted", limits::KEY_SET_BYTES));
    }
    host.call_body(limits::KEY_SET_BYTES).map_err(|e| e.to_string())
}

/// Why a document is no key set, with a guess at what it is instead.
fn explain(document: &[u8], error: &dyn std::error::Error) -> String {
    let looks_like = match document.trim_ascii_start() {
        [] => "; the answer is empty",
        [0x1f, 0x8b, ..] => "; it is compressed with gzip",
        [b'<', ..] => "; it looks like HTML or XML",
        _ => "",
    };
    format!("{error}{looks_like}")
}
