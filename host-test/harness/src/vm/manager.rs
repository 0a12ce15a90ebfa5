//! How messages pass a filter: Envoy's filter manager in miniature.

use crate::error::HarnessError;
use crate::header::Headers;
use crate::instance::{self, Called};
use crate::stream::{Direction, Forwarded, Hold, LocalReply, Part, Stream, StreamId};
use crate::vm::{Vm, len32};

/// What a filter callback may return for headers, data or trailers.
const CONTINUE: u32 = 0;
const STOP_ITERATION: u32 = 1;
/// Of headers; Envoy takes it for "continue".
const CONTINUE_AND_END_STREAM: u32 = 2;
/// Of data: stop, and show only what is new next time.
const STOP_AND_WATERMARK: u32 = 2;

impl Vm {
    pub(super) fn state(&mut self, stream: StreamId) -> Result<&mut Stream, HarnessError> {
        self.store.data_mut().streams.get_mut(&stream.0).ok_or(HarnessError::UnknownStream(stream))
    }

    /// Notes a callback that did not return: the machine is dead, and so is the stream in whose callback it died.
    pub(super) fn ended_by<R>(
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
        state.request.resume = false;
        state.response.resume = false;
        state.trapped = Some(message);
        self.store.data_mut().touched.remove(&stream.0);
        result
    }

    /// Shows the filter what waits for it, as far as it lets itself be shown.
    pub(super) fn pump(&mut self, stream: StreamId, direction: Direction) -> Result<(), HarnessError> {
        loop {
            let dead = self.dead.clone();
            let state = self.state(stream)?;
            if state.is_over(direction) || state.half(direction).hold == Hold::All {
                return Ok(());
            }
            let Some(part) = state.half_mut(direction).inbox.pop_front() else { return Ok(()) };
            if dead.is_some() {
                state.trapped = dead;
                return Ok(());
            }
            match part {
                Part::Body { bytes, end } => self.show_body(stream, direction, bytes, end)?,
                Part::Trailers(trailers) => self.show_trailers(stream, direction, trailers)?,
            }
            self.settle()?;
        }
    }

    pub(super) fn show_headers(
        &mut self,
        stream: StreamId,
        direction: Direction,
        headers: Headers,
        end: bool,
    ) -> Result<(), HarnessError> {
        let callback =
            self.callbacks.as_ref().and_then(|callbacks| callbacks.message(direction).headers.clone());
        let count = len32(headers.len());
        let half = self.state(stream)?.half_mut(direction);
        half.open_headers(headers);
        half.ended = end;
        let action = match callback {
            Some(callback) => {
                let at = (instance::headers_callback(direction), stream.0);
                let called =
                    instance::call(&mut self.store, &callback, at, (stream.0, count, u32::from(end)));
                self.ended_by(stream, called)?
            }
            None => Some(CONTINUE),
        };
        let alone = self.store.data().stop_headers_alone;
        let Some(action) = action else { return Ok(()) };
        let state = self.state(stream)?;
        state.half_mut(direction).seen_all = end;
        match action {
            _ if state.is_cut(direction) => {}
            CONTINUE | CONTINUE_AND_END_STREAM => state.half_mut(direction).release(),
            STOP_ITERATION if alone => state.half_mut(direction).hold = Hold::Single,
            // Envoy stops everything on what it does not know.
            _ => state.half_mut(direction).hold = Hold::All,
        }
        Ok(())
    }

    fn show_body(
        &mut self,
        stream: StreamId,
        direction: Direction,
        bytes: Vec<u8>,
        end: bool,
    ) -> Result<(), HarnessError> {
        let callback =
            self.callbacks.as_ref().and_then(|callbacks| callbacks.message(direction).body.clone());
        let size = len32(self.state(stream)?.half_mut(direction).open_body(bytes, end));
        let action = match callback {
            Some(callback) => {
                let at = (instance::body_callback(direction), stream.0);
                let called = instance::call(&mut self.store, &callback, at, (stream.0, size, u32::from(end)));
                self.ended_by(stream, called)?
            }
            None => Some(CONTINUE),
        };
        let Some(action) = action else { return Ok(()) };
        let state = self.state(stream)?;
        let half = state.half_mut(direction);
        half.seen_all = end;
        half.trailers_can_be_added = false;
        match action {
            _ if state.is_cut(direction) => {}
            CONTINUE => state.half_mut(direction).release(),
            STOP_ITERATION => state.half_mut(direction).keep_body(true),
            STOP_AND_WATERMARK => state.half_mut(direction).keep_body(false),
            // Stop without buffering, which is also what Envoy makes of a number that it does not know.
            _ => state.half_mut(direction).drop_body(),
        }
        Ok(())
    }

    fn show_trailers(
        &mut self,
        stream: StreamId,
        direction: Direction,
        trailers: Headers,
    ) -> Result<(), HarnessError> {
        let callback =
            self.callbacks.as_ref().and_then(|callbacks| callbacks.message(direction).trailers.clone());
        let count = len32(trailers.len());
        let half = self.state(stream)?.half_mut(direction);
        half.trailers = Some(trailers);
        half.trailers_open = true;
        let action = match callback {
            Some(callback) => {
                let at = (instance::trailers_callback(direction), stream.0);
                let called = instance::call(&mut self.store, &callback, at, (stream.0, count));
                self.ended_by(stream, called)?
            }
            None => Some(CONTINUE),
        };
        let Some(action) = action else { return Ok(()) };
        let state = self.state(stream)?;
        state.half_mut(direction).seen_all = true;
        match action {
            _ if state.is_cut(direction) => {}
            CONTINUE => state.half_mut(direction).release(),
            _ => state.half_mut(direction).hold = Hold::Single,
        }
        Ok(())
    }

    /// Does what callbacks asked for, after they returned, as Envoy does: releases, answers and resets, ends of connections
    /// and of root contexts.
    pub(super) fn settle(&mut self) -> Result<(), HarnessError> {
        while let Some(id) = self.store.data_mut().touched.pop_first() {
            let host = self.store.data_mut();
            if let Some(connection) = host.connections.get_mut(&id) {
                connection.settle();
            }
            if let Some(state) = host.streams.get_mut(&id) {
                if state.reset || state.trapped.is_some() {
                    state.request.abandon();
                    state.response.abandon();
                } else if state.reply.is_some() {
                    state.request.abandon();
                    if !state.reply_sent {
                        state.reply_sent = true;
                        self.send_reply(StreamId(id))?;
                    }
                }
                self.resume(StreamId(id), Direction::Request)?;
                self.resume(StreamId(id), Direction::Response)?;
            }
            self.delete_finished_root(id)?;
        }
        Ok(())
    }

    fn resume(&mut self, stream: StreamId, direction: Direction) -> Result<(), HarnessError> {
        let Some(state) = self.store.data_mut().streams.get_mut(&stream.0) else { return Ok(()) };
        let half = state.half_mut(direction);
        if std::mem::take(&mut half.resume) {
            half.release();
            self.pump(stream, direction)?;
        }
        Ok(())
    }

    /// Answers in the upstream's place. As in Envoy, the filter is shown its own answer unless it was looking at the
    /// upstream's already, and an answer that the client has a part of cannot be taken back.
    fn send_reply(&mut self, stream: StreamId) -> Result<(), HarnessError> {
        let dead = self.dead.is_some();
        let state = self.state(stream)?;
        let Some(reply) = state.reply.as_ref() else { return Ok(()) };
        let Forwarded { headers, body, .. } = as_response(reply);
        if state.response.headers_sent {
            state.reply = None;
            state.reset = true;
            state.response.abandon();
            return Ok(());
        }
        if state.response.started || dead {
            state.response.replace(Forwarded { headers, body, trailers: None });
            return Ok(());
        }
        let end = body.is_empty();
        self.show_headers(stream, Direction::Response, headers, end)?;
        let state = self.state(stream)?;
        if !end && !state.is_over(Direction::Response) {
            state.response.ended = true;
            state.response.push(Part::Body { bytes: body, end: true });
            self.pump(stream, Direction::Response)?;
        }
        Ok(())
    }
}

/// A reply of the filter as the response that Envoy makes of it, except that Envoy tells a gRPC client in trailers.
fn as_response(reply: &LocalReply) -> Forwarded {
    let mut headers = Headers::from_iter([(":status", reply.status.to_string())]);
    for (name, value) in reply.headers.iter() {
        headers.add(name, value);
    }
    if !reply.body.is_empty() {
        headers.replace("content-length", reply.body.len().to_string());
        if !headers.contains("content-type") {
            headers.add("content-type", "text/plain");
        }
    }
    Forwarded { headers, body: reply.body.clone(), trailers: None }
}
