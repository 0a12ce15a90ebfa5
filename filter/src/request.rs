//! One HTTP request.

use crate::host::{self, HostError, LogLevel, Map};
use crate::worker::{Waiting, Worker, say};
use mandate_core::flow::{Flow, Step};
use mandate_core::limits;
use mandate_core::reason::Reason;
use mandate_core::reply::is_reserved;
use mandate_core::request::RequestHead;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// One HTTP request. Until `passed` is set nothing of it goes on.
#[derive(Debug)]
pub struct Request {
    context: u32,
    worker: Rc<RefCell<Worker>>,
    passed: Rc<Cell<bool>>,
}

impl Request {
    pub fn new(context: u32, worker: Rc<RefCell<Worker>>) -> Self {
        Self { context, worker, passed: Rc::default() }
    }

    /// Whether the request may go on now.
    fn decide(&self, worker: &mut Worker) -> Result<bool, HostError> {
        let mut headers = host::headers(Map::RequestHeaders)?;
        // Before anything else and on every route, for nobody may say for us who is acting.
        strip(Map::RequestHeaders, headers.iter().map(|(name, _)| name))?;
        headers.retain(|name| !is_reserved(name));
        let Some(gate) = &mut worker.gate else {
            worker.refuse(Reason::ConfigInvalid);
            return Ok(false);
        };
        let now = host::now()?;
        let mut flow = Flow::new(worker.ids.next_id(), RequestHead::new(headers));
        let step = flow.advance(gate, &worker.verifier, now);
        worker.metrics.cache(gate.take_cache_counts());
        match step {
            Step::Done(decision) => Ok(worker.carry_out(*decision)),
            Step::NeedKeys(issuer) => {
                let store = gate.remote_store(issuer);
                let seen = store.as_ref().and_then(|store| store.fetched_at());
                let timeout = store.map_or(0, |store| store.config().timeout_ms);
                let bytes = worker.waiting.values().map(|waiting| waiting.size).sum::<usize>();
                if worker.waiting.len() >= limits::WAITING_REQUESTS || bytes >= limits::WAITING_BYTES {
                    let decision = flow.give_up(gate, now);
                    return Ok(worker.carry_out(decision));
                }
                let deadline = now.plus_millis(timeout.saturating_add(2 * limits::KEYS_FETCH_GRACE_MS));
                let (size, passed) = (flow.head().size(), Rc::clone(&self.passed));
                worker.waiting.insert(self.context, Waiting { flow, size, issuer, seen, deadline, passed });
                worker.metrics.waiting(worker.waiting.len());
                worker.set_ticks();
                Ok(false)
            }
        }
    }

    fn action(&self) -> Action {
        if self.passed.get() { Action::Continue } else { Action::Pause }
    }
}

impl Context for Request {}

/// The proxy deletes a request's context when it is over. `proxy_on_done`, which comes before, is one call more.
impl Drop for Request {
    fn drop(&mut self) {
        // The client may have gone while its request waited.
        if let Ok(mut worker) = self.worker.try_borrow_mut()
            && worker.waiting.remove(&self.context).is_some()
        {
            worker.metrics.waiting(worker.waiting.len());
        }
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let Ok(mut worker) = self.worker.try_borrow_mut() else {
            // The proxy called back while another callback ran, which it never should.
            Worker::default().refuse(Reason::Internal);
            return Action::Pause;
        };
        match self.decide(&mut worker) {
            Ok(passed) => self.passed.set(passed),
            Err(error) => {
                say(LogLevel::Error, &format!("denied because the proxy failed: {error}"));
                worker.refuse(Reason::Internal);
            }
        }
        self.action()
    }

    fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
        self.action()
    }

    /// What may not come as a header may not come as a trailer: some servers join the two (RFC 9110 §6.5.1).
    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        let stripped = match host::headers(Map::RequestTrailers) {
            Ok(trailers) if trailers.len() < count => Err("some trailers are not shown".to_owned()),
            Ok(trailers) => {
                let names = trailers.iter().map(|(name, _)| name);
                let credential = names.clone().find(|name| *name == "authorization");
                let removed =
                    credential.map_or(Ok(()), |name| host::remove_header(Map::RequestTrailers, name));
                removed.and_then(|()| strip(Map::RequestTrailers, names))
            }
            .map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = stripped {
            say(LogLevel::Error, &format!("cut off because the proxy failed: {error}"));
            self.passed.set(false);
            host::close_request().ok();
        }
        self.action()
    }
}

fn strip<'a>(map: Map, names: impl Iterator<Item = &'a str>) -> Result<(), HostError> {
    let mut reserved: Vec<&str> = names.filter(|name| is_reserved(name)).collect();
    reserved.sort_unstable();
    reserved.dedup();
    reserved.into_iter().try_for_each(|name| host::remove_header(map, name))
}
