//! One HTTP request.

use crate::host::{self, HostError, Map};
use crate::worker::{Waiting, Worker, say};
use mandate_core::denial::KeysProblem;
use mandate_core::flow::Source;
use mandate_core::flow::{Flow, Step};
use mandate_core::http::RequestHead;
use mandate_core::http::ReservedHeaders;
use mandate_core::limits;
use mandate_core::log_level::LogLevel;
use mandate_core::reason::Reason;

/// Whether the request may go on now. If it may not, it was answered, or it waits.
pub fn on_headers(worker: &mut Worker, context: u32, count: usize, end: bool) -> bool {
    decide(worker, context, count, end).unwrap_or_else(|error| {
        say(LogLevel::Error, &format!("denied because the proxy failed: {error}"));
        worker.refuse(Reason::Internal);
        false
    })
}

fn decide(worker: &mut Worker, context: u32, count: usize, end: bool) -> Result<bool, HostError> {
    let mut headers = host::headers(Map::RequestHeaders, count)?;
    // Before anything else and on every route, for nobody may say for us who is acting.
    let reserved = worker.reserved();
    let mut unwanted = Vec::new();
    headers.retain(|name| {
        let passes = !reserved.contains(name);
        if !passes {
            unwanted.push(name.to_vec());
        }
        passes
    });
    remove(Map::RequestHeaders, unwanted)?;
    let Some(gate) = &mut worker.gate else {
        worker.refuse(Reason::ConfigInvalid);
        return Ok(false);
    };
    let now = host::now()?;
    let mut flow = Flow::new(worker.ids.next_id(), RequestHead::new(headers).with_body(!end));
    let step = flow.advance(gate, &worker.verifier, now);
    worker.metrics.cache(gate.take_cache_counts());
    match step {
        Step::Done(decision) => Ok(worker.carry_out(*decision)),
        Step::NeedKeys(issuer) => {
            let store = gate.remote_store(issuer);
            let seen = store.as_ref().and_then(|store| store.fetched_at());
            let timeout = store.map_or(0, |store| store.config().timeout_ms);
            // Asked for only now, for most requests do not wait; those of whom it cannot be had are one source.
            let source =
                host::property("source\0address").map_or_else(|_| Source::default(), |it| Source::of(&it));
            let size = flow.head().size();
            if !worker.waiting.has_room(&source, size) {
                let decision = flow.give_up(gate, KeysProblem::NoRoom, now);
                return Ok(worker.carry_out(decision));
            }
            let deadline = now.plus_millis(timeout.saturating_add(2 * limits::KEYS_FETCH_GRACE_MS));
            worker.waiting.enter(context, source, size, Waiting { flow, issuer, seen, deadline });
            worker.metrics.waiting(worker.waiting.len());
            worker.set_ticks();
            Ok(false)
        }
    }
}

/// What may not come as a header may not come as a trailer: some servers join the two (RFC 9110 §6.5.1). Gives whether that
/// is so now; if not, the request was cut off.
pub fn on_trailers(reserved: &ReservedHeaders, count: usize) -> bool {
    let stripped = host::headers(Map::RequestTrailers, count).and_then(|trailers| {
        let unwanted = |name: &&[u8]| *name == b"authorization" || reserved.contains(name);
        let names = trailers.iter().map(|(name, _)| name).filter(unwanted).map(<[u8]>::to_vec);
        remove(Map::RequestTrailers, names.collect())
    });
    if let Err(error) = &stripped {
        say(LogLevel::Error, &format!("cut off because the proxy failed: {error}"));
        host::close_request().ok();
    }
    stripped.is_ok()
}

fn remove(map: Map, mut names: Vec<Vec<u8>>) -> Result<(), HostError> {
    names.sort_unstable();
    names.dedup();
    names.iter().try_for_each(|name| host::remove_header(map, name))
}
