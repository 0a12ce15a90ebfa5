//! Driving streams: Envoy's filter manager in miniature.

use crate::error::HarnessError;
use crate::header::Headers;
use crate::instance::{self, Called};
use crate::request::Request;
use crate::stream::{BodyView, Exchange, Hold, Outcome, Part, Stream, StreamId};
use crate::vm::{Vm, len32};

/// What a filter callback may return for headers, data or trailers.
const CONTINUE: u32 = 0;
const STOP_ITERATION: u32 = 1;
/// Of headers; Envoy takes it for "continue".
const CONTINUE_AND_END_STREAM: u32 = 2;
/// Of data: stop, and show only what is new next time.
const STOP_AND_WATERMARK: u32 = 2;

impl Vm {
    /// Sends a whole request, and ends the stream if it came to an end.
    ///
    /// A request that the filter holds comes back as [`Outcome::Paused`]: answer its calls or tick, look at
    /// [`Vm::outcome`], and then [`Vm::finish`] it.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule of the strict host. The virtual machine is dead then.
    pub fn send(&mut self, request: Request) -> Result<Exchange, HarnessError> {
        let stream = self.stream();
        if let Some(state) = self.store.data_mut().streams.get_mut(&stream.0) {
            state.attributes.extend(request.properties.iter().cloned());
        }
        let end = request.body.is_none() && request.trailers.is_none();
        self.request_headers(stream, request.header_map(), end)?;
        if let Some(body) = request.body {
            self.request_body(stream, body, request.trailers.is_none())?;
        }
        if let Some(trailers) = request.trailers {
            self.request_trailers(stream, trailers.into_iter().collect())?;
        }
        if self.outcome(stream)?.is_final() { self.finish(stream) } else { self.exchange(stream) }
    }

    /// A new stream, with nothing sent yet.
    pub fn stream(&mut self) -> StreamId {
        let host = self.store.data_mut();
        let id = host.next_context;
        host.next_context = host.next_context.saturating_add(1);
        host.streams.insert(id, Stream::default());
        StreamId(id)
    }

    /// Sends the headers; `end` if nothing follows them.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`], [`HarnessError::OutOfOrder`] if headers were sent before, and
    /// [`HarnessError::Violation`].
    pub fn request_headers(
        &mut self,
        stream: StreamId,
        headers: Headers,
        end: bool,
    ) -> Result<Outcome, HarnessError> {
        let (dead, root) = (self.dead.clone(), self.store.data().root);
        let state = self.state(stream)?;
        if state.started {
            return Err(HarnessError::OutOfOrder { stream, what: "the headers were sent before" });
        }
        let count = len32(headers.len());
        state.open_headers(headers);
        state.ended = end;
        if dead.is_some() {
            state.trapped = dead;
            return self.outcome(stream);
        }
        let create = self.callbacks.as_ref().and_then(|callbacks| callbacks.context_create.clone());
        if let Some(create) = create {
            let created = instance::call(
                &mut self.store,
                &create,
                ("proxy_on_context_create", stream.0),
                (stream.0, root),
            );
            if self.ended_by(stream, created)?.is_none() {
                return self.outcome(stream);
            }
        }
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.request_headers.clone());
        let action = match callback {
            Some(callback) => {
                let at = ("proxy_on_request_headers", stream.0);
                let called =
                    instance::call(&mut self.store, &callback, at, (stream.0, count, u32::from(end)));
                self.ended_by(stream, called)?
            }
            None => Some(CONTINUE),
        };
        let alone = self.store.data().stop_headers_alone;
        if let Some(action) = action {
            let state = self.state(stream)?;
            state.seen_all = end;
            match action {
                _ if state.is_over() => {}
                CONTINUE | CONTINUE_AND_END_STREAM => state.release(),
                STOP_ITERATION if alone => state.hold = Hold::Single,
                // Envoy stops everything on what it does not know.
                _ => state.hold = Hold::All,
            }
        }
        self.settle()?;
        self.outcome(stream)
    }

    /// Sends a piece of the body; `end` if nothing follows it.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`], [`HarnessError::OutOfOrder`] before the headers and after the end, and
    /// [`HarnessError::Violation`].
    pub fn request_body(
        &mut self,
        stream: StreamId,
        bytes: impl Into<Vec<u8>>,
        end: bool,
    ) -> Result<Outcome, HarnessError> {
        self.offer(stream, Part::Body { bytes: bytes.into(), end }, end)
    }

    /// Sends the trailers, which end the request.
    ///
    /// # Errors
    /// As [`Vm::request_body`].
    pub fn request_trailers(&mut self, stream: StreamId, trailers: Headers) -> Result<Outcome, HarnessError> {
        self.offer(stream, Part::Trailers(trailers), true)
    }

    fn offer(&mut self, stream: StreamId, part: Part, end: bool) -> Result<Outcome, HarnessError> {
        let state = self.state(stream)?;
        if !state.started {
            return Err(HarnessError::OutOfOrder { stream, what: "the headers were not sent yet" });
        }
        if state.ended {
            return Err(HarnessError::OutOfOrder { stream, what: "the request has ended" });
        }
        state.ended = end;
        state.push(part);
        self.pump(stream)?;
        self.outcome(stream)
    }

    /// Where a stream stands.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`].
    pub fn outcome(&self, stream: StreamId) -> Result<Outcome, HarnessError> {
        let state = self.store.data().streams.get(&stream.0);
        state.map(Stream::outcome).ok_or(HarnessError::UnknownStream(stream))
    }

    /// Where a stream stands, with what it left behind so far.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`].
    pub fn exchange(&self, stream: StreamId) -> Result<Exchange, HarnessError> {
        let state = self.store.data().streams.get(&stream.0).ok_or(HarnessError::UnknownStream(stream))?;
        Ok(Exchange {
            stream,
            outcome: state.outcome(),
            upstream: state.upstream(),
            properties: state.filter_state.clone(),
        })
    }

    /// The streams that were not finished, oldest first.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamId> {
        self.store.data().streams.keys().copied().map(StreamId).collect()
    }

    /// Ends a stream in Envoy's order, `proxy_on_log`, `proxy_on_done`, `proxy_on_delete`, and says how it came out. A
    /// client that goes away while the filter holds its request is a stream finished in [`Outcome::Paused`].
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`] and [`HarnessError::Violation`].
    pub fn finish(&mut self, stream: StreamId) -> Result<Exchange, HarnessError> {
        self.log(stream)?;
        self.done(stream)?;
        let exchange = self.exchange(stream)?;
        self.delete(stream)?;
        Ok(exchange)
    }

    /// `proxy_on_log`: the request is over and the access log is written.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`] and [`HarnessError::Violation`].
    pub fn log(&mut self, stream: StreamId) -> Result<(), HarnessError> {
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.log.clone());
        self.last_words(stream, callback.as_ref(), "proxy_on_log").map(drop)
    }

    /// `proxy_on_done`: whether the filter is done with the stream, which Envoy does not wait for.
    ///
    /// # Errors
    /// As [`Vm::log`].
    pub fn done(&mut self, stream: StreamId) -> Result<bool, HarnessError> {
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.done.clone());
        let answer = self.last_words(stream, callback.as_ref(), "proxy_on_done")?;
        Ok(answer.is_none_or(|answer| answer != 0))
    }

    /// `proxy_on_delete`: the stream is gone, for the filter and for the harness.
    ///
    /// # Errors
    /// As [`Vm::log`].
    pub fn delete(&mut self, stream: StreamId) -> Result<(), HarnessError> {
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.delete.clone());
        let result = self.last_words(stream, callback.as_ref(), "proxy_on_delete").map(drop);
        self.store.data_mut().streams.remove(&stream.0);
        result
    }

    fn last_words<R: wasmtime::WasmResults>(
        &mut self,
        stream: StreamId,
        callback: Option<&wasmtime::TypedFunc<u32, R>>,
        name: &'static str,
    ) -> Result<Option<R>, HarnessError> {
        let state = self.state(stream)?;
        // What was held stays unsent: a request that is over can go nowhere.
        state.close();
        let started = state.started;
        let Some(callback) = callback.filter(|_| started && self.dead.is_none()) else { return Ok(None) };
        match instance::call(&mut self.store, callback, (name, stream.0), stream.0) {
            Ok(Called::Returned(answer)) => Ok(Some(answer)),
            // The client has its answer already; only the next request finds the machine dead.
            Ok(Called::Trapped(message)) => {
                self.dead = Some(message);
                Ok(None)
            }
            Err(error) => {
                self.dead = Some(error.to_string());
                Err(error)
            }
        }
    }

    fn state(&mut self, stream: StreamId) -> Result<&mut Stream, HarnessError> {
        self.store.data_mut().streams.get_mut(&stream.0).ok_or(HarnessError::UnknownStream(stream))
    }

    /// Notes a callback that did not return: the machine is dead, and so is the stream in whose callback it died.
    fn ended_by<R>(
        &mut self,
        stream: StreamId,
        called: Result<Called<R>, HarnessError>,
    ) -> Result<Option<R>, HarnessError> {
        let (message, result) = match called {
            Ok(Called::Returned(value)) => return Ok(Some(value)),
            Ok(Called::Trapped(message)) => (message, Ok(None)),
            Err(error) => (error.to_string(), Err(error)),
        };
        self.dead = Some(message.clone());
        let state = self.state(stream)?;
        // Envoy fails the stream before it looks at what the callback had asked for.
        state.reply = None;
        state.resume = false;
        state.trapped = Some(message);
        self.store.data_mut().touched.remove(&stream.0);
        result
    }

    /// Shows the filter what waits for it, as far as it lets itself be shown.
    fn pump(&mut self, stream: StreamId) -> Result<(), HarnessError> {
        loop {
            let dead = self.dead.clone();
            let state = self.state(stream)?;
            if state.is_over() || state.hold == Hold::All {
                return Ok(());
            }
            let Some(part) = state.inbox.pop_front() else { return Ok(()) };
            if dead.is_some() {
                state.trapped = dead;
                return Ok(());
            }
            match part {
                Part::Body { bytes, end } => self.show_body(stream, bytes, end)?,
                Part::Trailers(trailers) => self.show_trailers(stream, trailers)?,
            }
            self.settle()?;
        }
    }

    fn show_body(&mut self, stream: StreamId, bytes: Vec<u8>, end: bool) -> Result<(), HarnessError> {
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.request_body.clone());
        let size = len32(self.state(stream)?.open_body(bytes));
        let action = match callback {
            Some(callback) => {
                let at = ("proxy_on_request_body", stream.0);
                let called = instance::call(&mut self.store, &callback, at, (stream.0, size, u32::from(end)));
                self.ended_by(stream, called)?
            }
            None => Some(CONTINUE),
        };
        let Some(action) = action else { return Ok(()) };
        let state = self.state(stream)?;
        state.seen_all = end;
        match action {
            _ if state.reply.is_some() || state.reset => {}
            CONTINUE => state.release(),
            STOP_ITERATION => state.keep_body(true),
            STOP_AND_WATERMARK => state.keep_body(false),
            // Stop without buffering, which is also what Envoy makes of a number that it does not know.
            _ => state.drop_body(),
        }
        Ok(())
    }

    fn show_trailers(&mut self, stream: StreamId, trailers: Headers) -> Result<(), HarnessError> {
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.request_trailers.clone());
        let count = len32(trailers.len());
        let state = self.state(stream)?;
        state.trailers = Some(trailers);
        state.trailers_open = true;
        let action = match callback {
            Some(callback) => {
                let at = ("proxy_on_request_trailers", stream.0);
                let called = instance::call(&mut self.store, &callback, at, (stream.0, count));
                self.ended_by(stream, called)?
            }
            None => Some(CONTINUE),
        };
        let Some(action) = action else { return Ok(()) };
        let state = self.state(stream)?;
        state.seen_all = true;
        match action {
            _ if state.reply.is_some() || state.reset => {}
            CONTINUE => state.release(),
            _ => state.hold = Hold::Single,
        }
        Ok(())
    }

    /// Does what callbacks asked for, after they returned, as Envoy does: releases, answers and resets.
    pub(super) fn settle(&mut self) -> Result<(), HarnessError> {
        while let Some(id) = self.store.data_mut().touched.pop_first() {
            let Some(state) = self.store.data_mut().streams.get_mut(&id) else { continue };
            if state.reply.is_some() || state.reset {
                state.resume = false;
                state.hold = Hold::No;
                state.view = BodyView::Closed;
                state.headers_open = false;
                state.trailers_open = false;
                state.inbox.clear();
            } else if state.resume {
                state.resume = false;
                state.release();
                self.pump(StreamId(id))?;
            }
        }
        Ok(())
    }
}
