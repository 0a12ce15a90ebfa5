//! Key sets over HTTP, shared between workers, and the requests that wait for them.
//!
//! What to fetch and when is the core's arithmetic ([`RemoteStore`]); this file carries it out. In shared data lie, per
//! key set, the [`Ledger`] and the newest document. Without shared data each worker fetches for itself.

use crate::abi::Streams;
use crate::host::{self, HostResult, LogLevel, Map};
use crate::worker::{Worker, say};
use mandate_core::decision::Decision;
use mandate_core::denial::KeysProblem;
use mandate_core::flow::Step;
use mandate_core::keystore::{Ledger, RemoteStore};
use mandate_core::limits;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// The fetches of one plugin.
#[derive(Debug)]
pub struct Fetcher {
    root: u32,
    /// Issuers whose keys are on their way, by the token of the call.
    calls: BTreeMap<u32, usize>,
}

impl Fetcher {
    pub fn new(root: u32) -> Self {
        Self { root, calls: BTreeMap::new() }
    }

    /// Looks after every key set and every request that waits.
    pub fn tick(&mut self, worker: &mut Worker, streams: &mut Streams) {
        let Some(gate) = &mut worker.gate else { return };
        // Without a clock nothing can be said to be due or late; whoever waits goes on waiting, and nothing passes.
        let Ok(now) = host::now() else { return };
        for (issuer, store) in gate.remote_stores() {
            let shared = Shared::of(store);
            let cas = shared.catch_up(store);
            if store.is_due(now) && shared.claim(store, now, cas) {
                match call(store) {
                    Ok(token) => {
                        self.calls.insert(token, issuer);
                    }
                    Err(error) => {
                        worker.metrics.refreshed(false);
                        say(
                            LogLevel::Warn,
                            &format!("keys from the cluster {}: {error}", store.config().cluster),
                        );
                        shared.publish_ledger(store, store.failed(now));
                    }
                }
            }
            if let Some(at) = store.fetched_at() {
                worker.metrics.key_age(issuer, now.millis_since(at) / 1000);
            }
        }
        self.settle(worker, streams, now);
    }

    /// Takes the answer to a fetch.
    pub fn answered(&mut self, worker: &mut Worker, streams: &mut Streams, token: u32, body_size: usize) {
        let (Some(issuer), Some(gate)) = (self.calls.remove(&token), &mut worker.gate) else { return };
        let (Some(store), Ok(now)) = (gate.remote_store(issuer), host::now()) else { return };
        let shared = Shared::of(store);
        // Another worker may have noted an unknown `kid` meanwhile.
        shared.catch_up(store);
        let document = read_answer(body_size);
        let accepted = document.and_then(|d| store.accept(&d, now).map(|()| d).map_err(|e| e.to_string()));
        worker.metrics.refreshed(accepted.is_ok());
        let ledger = match accepted {
            Ok(document) => {
                shared.publish_document(&document, now);
                store.succeeded()
            }
            Err(error) => {
                say(
                    LogLevel::Warn,
                    &format!(
                        "keys from the cluster {}: {error}; the last good set is kept",
                        store.config().cluster
                    ),
                );
                store.failed(now)
            }
        };
        shared.publish_ledger(store, ledger);
        self.settle(worker, streams, now);
    }

    /// Ends every request that waits, and forgets the calls under way: they belong to a configuration that is no more.
    pub fn abandon(&mut self, worker: &mut Worker) {
        self.calls.clear();
        if worker.waiting.is_empty() {
            return;
        }
        let at = host::now().unwrap_or_default();
        for context in std::mem::take(&mut worker.waiting).into_keys() {
            let refusal = Decision::refusal(worker.ids.next_id(), at, Reason::KeysUnavailable);
            if host::set_effective_context(context).is_ok() {
                worker.carry_out(refusal);
            }
        }
        host::set_effective_context(self.root).ok();
    }

    /// Lets waiting requests go as far as they can now, and ends those that waited too long.
    fn settle(&self, worker: &mut Worker, streams: &mut Streams, now: UnixTime) {
        let mut settled = 0;
        for (context, mut waiting) in std::mem::take(&mut worker.waiting) {
            let Some(gate) = &mut worker.gate else { return };
            // Looking at a token costs something, and nothing can have changed while its issuer's fetch is under way.
            let has_news = gate.remote_store(waiting.issuer).is_none_or(|store| {
                store.fetched_at() != waiting.seen || !(store.is_busy(now) || store.is_due(now))
            });
            let is_late = now >= waiting.deadline;
            if !(has_news || is_late) || settled >= limits::SETTLED_AT_ONCE {
                worker.waiting.insert(context, waiting);
                continue;
            }
            let decision = match waiting.flow.advance(gate, &worker.verifier, now) {
                Step::Done(decision) => *decision,
                Step::NeedKeys(issuer) if !is_late => {
                    waiting.issuer = issuer;
                    waiting.seen = gate.remote_store(issuer).and_then(|store| store.fetched_at());
                    worker.waiting.insert(context, waiting);
                    continue;
                }
                Step::NeedKeys(_) => waiting.flow.give_up(gate, KeysProblem::Late, now),
            };
            settled += 1;
            if let Err(error) = host::set_effective_context(context) {
                // It can be neither answered nor let go: it stays paused until its client or the proxy gives up on it.
                say(LogLevel::Error, &format!("a request stays paused because the proxy failed: {error}"));
                continue;
            }
            if worker.carry_out(decision) {
                streams.set_passed(context, true);
                if let Err(error) = host::continue_request() {
                    streams.set_passed(context, false);
                    say(LogLevel::Error, &format!("cut off because the proxy failed: {error}"));
                    host::close_request().ok();
                }
            }
        }
        host::set_effective_context(self.root).ok();
        worker.metrics.waiting(worker.waiting.len());
        worker.set_ticks();
    }
}

/// Starts a fetch (RFC 7517 §8.5.2 names the media type).
fn call(store: &RemoteStore) -> HostResult<u32> {
    let config = store.config();
    let headers = [
        (":method", "GET"),
        (":scheme", config.scheme()),
        (":authority", config.authority()),
        (":path", config.path()),
        ("accept", "application/jwk-set+json, application/json"),
    ];
    host::http_call(&config.cluster, &headers, Duration::from_millis(config.timeout_ms))
}

fn read_answer(body_size: usize) -> Result<Vec<u8>, String> {
    let status = host::header(Map::CallHeaders, ":status").map_err(|e| e.to_string())?;
    match status.as_deref() {
        Some(b"200") => {}
        Some(other) => return Err(format!("the answer has status {}", String::from_utf8_lossy(other))),
        None => return Err("no answer".to_owned()),
    }
    if body_size > limits::KEY_SET_BYTES {
        return Err(format!("the answer is longer than {} bytes", limits::KEY_SET_BYTES));
    }
    host::call_body(limits::KEY_SET_BYTES).map_err(|e| e.to_string())
}

/// Where the workers keep what they share about one key set.
///
/// Every failure here has the same, harmless consequence: this worker acts on what it knows itself.
struct Shared {
    ledger: String,
    document: String,
}

impl Shared {
    fn of(store: &RemoteStore) -> Self {
        let config = store.config();
        let name = |what| format!("mandate/{what}/{}/{}", config.cluster, config.uri);
        Self { ledger: name("ledger"), document: name("keys") }
    }

    /// Takes over what other workers wrote; gives the number that guards the ledger.
    fn catch_up(&self, store: &mut RemoteStore) -> u32 {
        let Ok(Some((bytes, cas))) = host::shared_data(&self.ledger) else { return 0 };
        store.observe(Ledger::from_bytes(&bytes));
        if store.is_behind()
            && let Ok(Some((bytes, _))) = host::shared_data(&self.document)
            && let Some((at, document)) = bytes.split_first_chunk::<8>()
        {
            // The worker that wrote it accepted it, so it is a key set; should it not be one, this worker fetches.
            store.accept(document, UnixTime::from_millis(u64::from_le_bytes(*at))).ok();
        }
        cas
    }

    /// Whether this worker is the one to fetch.
    fn claim(&self, store: &mut RemoteStore, now: UnixTime, cas: u32) -> bool {
        let ledger = store.claim(now);
        let claimed = host::set_shared_data(&self.ledger, &ledger.to_bytes(), cas).unwrap_or(true);
        if claimed {
            store.observe(ledger);
        }
        claimed
    }

    fn publish_document(&self, document: &[u8], at: UnixTime) {
        let bytes = [at.as_millis().to_le_bytes().as_slice(), document].concat();
        host::set_shared_data(&self.document, &bytes, 0).ok();
    }

    fn publish_ledger(&self, store: &mut RemoteStore, ledger: Ledger) {
        store.observe(ledger);
        host::set_shared_data(&self.ledger, &ledger.to_bytes(), 0).ok();
    }
}
