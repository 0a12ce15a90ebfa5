//! Driving HTTP streams.

use crate::error::HarnessError;
use crate::header::Headers;
use crate::instance::{self, Called};
use crate::plugin::PluginId;
use crate::request::Request;
use crate::response::Response;
use crate::stream::{Direction, Exchange, Forwarded, Outcome, Part, Stream, StreamId};
use crate::vm::Vm;

impl Vm {
    /// Sends a whole request to the first plugin, and ends the stream if the request came to an end. No upstream answers it:
    /// for that, there is [`Vm::round_trip`].
    ///
    /// A request that the filter holds comes back as [`Outcome::Paused`]: answer its calls or tick, look at
    /// [`Vm::outcome`], and then [`Vm::finish`] it.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule of the strict host. The virtual machine is dead then.
    pub fn send(&mut self, request: Request) -> Result<Exchange, HarnessError> {
        self.send_through(PluginId::FIRST, request)
    }

    /// The same to another plugin.
    ///
    /// # Errors
    /// As [`Vm::send`], and [`HarnessError::UnknownPlugin`].
    pub fn send_through(&mut self, plugin: PluginId, request: Request) -> Result<Exchange, HarnessError> {
        let stream = self.offer_request(plugin, request)?;
        self.finish_if_final(stream)
    }

    /// Sends a whole request to the first plugin and leaves the stream open, for a response or for [`Vm::finish`].
    ///
    /// # Errors
    /// As [`Vm::send`].
    pub fn begin(&mut self, request: Request) -> Result<Exchange, HarnessError> {
        self.begin_through(PluginId::FIRST, request)
    }

    /// The same to another plugin.
    ///
    /// # Errors
    /// As [`Vm::send_through`].
    pub fn begin_through(&mut self, plugin: PluginId, request: Request) -> Result<Exchange, HarnessError> {
        let stream = self.offer_request(plugin, request)?;
        self.exchange(stream)
    }

    fn offer_request(&mut self, plugin: PluginId, request: Request) -> Result<StreamId, HarnessError> {
        let stream = self.stream_through(plugin)?;
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
        Ok(stream)
    }

    /// Sends the whole response of the upstream, and ends the stream if the response came to an end. A response that the
    /// filter holds comes back with [`Exchange::response`] as [`Outcome::Paused`].
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`], [`HarnessError::OutOfOrder`] if the request did not go upstream or was answered
    /// before, and [`HarnessError::Violation`].
    pub fn respond(&mut self, stream: StreamId, response: Response) -> Result<Exchange, HarnessError> {
        let Response { headers, body, trailers } = response;
        let has_body = !body.is_empty();
        self.response_headers(stream, headers, !has_body && trailers.is_none())?;
        if has_body {
            self.response_body(stream, body, trailers.is_none())?;
        }
        if let Some(trailers) = trailers {
            self.response_trailers(stream, trailers)?;
        }
        self.finish_if_final(stream)
    }

    /// Sends a whole request to the first plugin and, if it all goes upstream, the upstream's response.
    ///
    /// # Errors
    /// As [`Vm::send`].
    pub fn round_trip(&mut self, request: Request, response: Response) -> Result<Exchange, HarnessError> {
        let stream = self.offer_request(PluginId::FIRST, request)?;
        let state = self.state(stream)?;
        if !state.is_answered() && state.request.is_complete() {
            return self.respond(stream, response);
        }
        self.finish_if_final(stream)
    }

    fn finish_if_final(&mut self, stream: StreamId) -> Result<Exchange, HarnessError> {
        if self.state(stream)?.is_final() { self.finish(stream) } else { self.exchange(stream) }
    }

    /// A new stream of the first plugin, with nothing sent yet.
    pub fn stream(&mut self) -> StreamId {
        let host = self.store.data_mut();
        let id = host.new_context();
        host.streams.insert(id, Stream::default());
        StreamId(id)
    }

    /// A new stream of another plugin.
    ///
    /// # Errors
    /// [`HarnessError::UnknownPlugin`].
    pub fn stream_through(&mut self, plugin: PluginId) -> Result<StreamId, HarnessError> {
        self.check_plugin(plugin)?;
        let id = self.store.data_mut().new_context();
        self.store.data_mut().streams.insert(id, Stream { plugin: plugin.0, ..Stream::default() });
        Ok(StreamId(id))
    }

    /// A new stream of the first plugin whose context has this id. Envoy may use an id again once its context is deleted.
    ///
    /// # Errors
    /// [`HarnessError::ContextExists`] if the id is in use: no host makes a context twice.
    pub fn stream_with_id(&mut self, id: u32) -> Result<StreamId, HarnessError> {
        let host = self.store.data_mut();
        if id == 0 || host.has_context(id) {
            return Err(HarnessError::ContextExists(id));
        }
        host.streams.insert(id, Stream::default());
        host.next_context = host.next_context.max(id.saturating_add(1));
        Ok(StreamId(id))
    }

    /// Sends the headers of the request; `end` if nothing follows them.
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
        let dead = self.dead.clone();
        let plugin = PluginId(self.state(stream)?.plugin);
        let root = self.root_of(plugin)?;
        let state = self.state(stream)?;
        if state.request.started {
            return Err(HarnessError::OutOfOrder { stream, what: "the headers were sent before" });
        }
        state.root = root;
        if dead.is_some() {
            state.request.open_headers(headers);
            state.request.ended = end;
            state.trapped = dead;
            return self.outcome(stream);
        }
        state.request.started = true;
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
        self.show_headers(stream, Direction::Request, headers, end)?;
        self.settle()?;
        self.outcome(stream)
    }

    /// Sends a piece of the request's body; `end` if nothing follows it.
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
        self.offer(stream, Direction::Request, Part::Body { bytes: bytes.into(), end }, end)
    }

    /// Sends the trailers of the request, which end it.
    ///
    /// # Errors
    /// As [`Vm::request_body`].
    pub fn request_trailers(&mut self, stream: StreamId, trailers: Headers) -> Result<Outcome, HarnessError> {
        self.offer(stream, Direction::Request, Part::Trailers(trailers), true)
    }

    /// Sends the headers of the upstream's response; `end` if nothing follows them. An upstream may answer before it has the
    /// whole request, but not before it has the headers.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`], [`HarnessError::OutOfOrder`] if the request did not go upstream or was answered
    /// before, and [`HarnessError::Violation`].
    pub fn response_headers(
        &mut self,
        stream: StreamId,
        headers: Headers,
        end: bool,
    ) -> Result<Outcome, HarnessError> {
        let dead = self.dead.clone();
        let state = self.state(stream)?;
        if state.is_answered() || state.response.started {
            return Err(HarnessError::OutOfOrder { stream, what: "the request was answered before" });
        }
        if !state.request.headers_sent {
            return Err(HarnessError::OutOfOrder { stream, what: "the request did not go upstream" });
        }
        if dead.is_some() {
            state.trapped = dead;
            return self.response_outcome(stream);
        }
        self.show_headers(stream, Direction::Response, headers, end)?;
        self.settle()?;
        self.response_outcome(stream)
    }

    /// Sends a piece of the response's body; `end` if nothing follows it.
    ///
    /// # Errors
    /// As [`Vm::request_body`].
    pub fn response_body(
        &mut self,
        stream: StreamId,
        bytes: impl Into<Vec<u8>>,
        end: bool,
    ) -> Result<Outcome, HarnessError> {
        self.offer(stream, Direction::Response, Part::Body { bytes: bytes.into(), end }, end)
    }

    /// Sends the trailers of the response, which end it.
    ///
    /// # Errors
    /// As [`Vm::request_body`].
    pub fn response_trailers(
        &mut self,
        stream: StreamId,
        trailers: Headers,
    ) -> Result<Outcome, HarnessError> {
        self.offer(stream, Direction::Response, Part::Trailers(trailers), true)
    }

    fn offer(
        &mut self,
        stream: StreamId,
        direction: Direction,
        part: Part,
        end: bool,
    ) -> Result<Outcome, HarnessError> {
        let state = self.state(stream)?;
        let answered = direction == Direction::Response && state.is_answered();
        let half = state.half_mut(direction);
        if !half.started {
            return Err(HarnessError::OutOfOrder { stream, what: "the headers were not sent yet" });
        }
        if half.ended {
            let what = match direction {
                Direction::Request => "the request has ended",
                Direction::Response => "the response has ended",
            };
            return Err(HarnessError::OutOfOrder { stream, what });
        }
        half.ended = end;
        // What the upstream goes on to send after the filter answered in its place is dropped.
        if !answered {
            half.push(part);
            self.pump(stream, direction)?;
        }
        self.outcome_of(stream, direction)
    }

    /// Where the request of a stream stands.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`].
    pub fn outcome(&self, stream: StreamId) -> Result<Outcome, HarnessError> {
        self.outcome_of(stream, Direction::Request)
    }

    /// Where the response of a stream stands; [`Outcome::Streaming`] before there is one.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`].
    pub fn response_outcome(&self, stream: StreamId) -> Result<Outcome, HarnessError> {
        self.outcome_of(stream, Direction::Response)
    }

    fn outcome_of(&self, stream: StreamId, direction: Direction) -> Result<Outcome, HarnessError> {
        let state = self.store.data().streams.get(&stream.0);
        state.map(|state| state.outcome(direction)).ok_or(HarnessError::UnknownStream(stream))
    }

    /// What has gone to the client of the upstream's answer since the last time. Of the headers it has all, as long as nothing was
    /// taken.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`].
    pub fn take_downstream(&mut self, stream: StreamId) -> Result<Forwarded, HarnessError> {
        Ok(std::mem::take(&mut self.state(stream)?.response.sent))
    }

    /// Where a stream stands, with what it left behind so far.
    ///
    /// # Errors
    /// [`HarnessError::UnknownStream`].
    pub fn exchange(&self, stream: StreamId) -> Result<Exchange, HarnessError> {
        let state = self.store.data().streams.get(&stream.0).ok_or(HarnessError::UnknownStream(stream))?;
        Ok(state.exchange(stream))
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
        self.end_callback(stream, callback.as_ref(), "proxy_on_log").map(drop)
    }

    /// `proxy_on_done`: whether the filter is done with the stream, which Envoy does not wait for.
    ///
    /// # Errors
    /// As [`Vm::log`].
    pub fn done(&mut self, stream: StreamId) -> Result<bool, HarnessError> {
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.done.clone());
        let answer = self.end_callback(stream, callback.as_ref(), "proxy_on_done")?;
        Ok(answer.is_none_or(|answer| answer != 0))
    }

    /// `proxy_on_delete`: the stream is gone, for the filter and for the harness.
    ///
    /// # Errors
    /// As [`Vm::log`].
    pub fn delete(&mut self, stream: StreamId) -> Result<(), HarnessError> {
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.delete.clone());
        let result = self.end_callback(stream, callback.as_ref(), "proxy_on_delete").map(drop);
        self.store.data_mut().streams.remove(&stream.0);
        result
    }

    fn end_callback<R: wasmtime::WasmResults>(
        &mut self,
        stream: StreamId,
        callback: Option<&wasmtime::TypedFunc<u32, R>>,
        name: &'static str,
    ) -> Result<Option<R>, HarnessError> {
        let state = self.state(stream)?;
        // What was held stays unsent: a request that is over can go nowhere.
        state.request.close();
        state.response.close();
        let started = state.request.started;
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
}
