//! The body of an answer, piece by piece.

use super::super::host::{Host, HostError};
use super::super::module::Action;
use super::Response;
use crate::action::{EventStream, Listing, Narrowed, TooLong, Unlistable};
use crate::decision::error_message;
use crate::limits;
use crate::log_level::LogLevel;

/// What is done with the body of an answer.
#[derive(Debug)]
pub(super) enum ResponseBody {
    /// It goes on as it is.
    Passes,
    /// It is one message, which goes on when it is whole.
    Document,
    /// It is a stream of messages.
    Events(EventStream),
    /// It is not read, and an error is sent instead.
    Refused {
        /// Why.
        why: &'static str,
        /// Whether the client awaits events.
        as_event: bool,
    },
    /// Nothing more of it goes on.
    Withheld,
}

/// What of answers is held.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HeldBack {
    documents: usize,
    event_bytes: usize,
}

impl HeldBack {
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            documents: self.documents.saturating_add(other.documents),
            event_bytes: self.event_bytes.saturating_add(other.event_bytes),
        }
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self {
            documents: self.documents.saturating_sub(other.documents),
            event_bytes: self.event_bytes.saturating_sub(other.event_bytes),
        }
    }
}

impl ResponseBody {
    /// Of a list that is to be narrowed, as a stream of events or as one message, with bytes that can be read or with others.
    pub(super) fn begin(is_stream: bool, is_readable: bool) -> Self {
        match (is_readable, is_stream) {
            (true, true) => Self::Events(EventStream::default()),
            // Compressed bytes are no JSON, and are refused as such when they are whole.
            (_, false) => Self::Document,
            (false, true) => Self::Refused { why: "it is compressed", as_event: true },
        }
    }

    /// Refuses one for which there is no room beside the `others`.
    pub(super) fn limit(&mut self, others: HeldBack) {
        if matches!(self, Self::Document) && others.documents >= limits::READ_RESPONSES {
            *self = Self::Refused { why: "too many are read at the same time", as_event: false };
        }
    }

    pub(super) fn held(&self) -> HeldBack {
        match self {
            Self::Document => HeldBack { documents: 1, event_bytes: 0 },
            Self::Events(events) => HeldBack { documents: 0, event_bytes: events.pending() },
            Self::Passes | Self::Refused { .. } | Self::Withheld => HeldBack::default(),
        }
    }
}

impl Response {
    /// How much of a message may be held.
    fn max(&self) -> usize {
        self.rules().map_or(0, |rules| rules.body_bytes)
    }

    /// `size` bytes of the body are there, with those that were held; `end` says that nothing follows.
    pub(super) fn proceed(
        &mut self,
        host: &dyn Host,
        size: usize,
        end: bool,
        others: HeldBack,
    ) -> Result<Action, HostError> {
        let max = self.max();
        match std::mem::replace(&mut self.body, ResponseBody::Withheld) {
            ResponseBody::Passes => self.body = ResponseBody::Passes,
            ResponseBody::Withheld => host.replace_response_body(&[])?,
            ResponseBody::Refused { why, as_event } => {
                let instead = self.instead(host, why);
                let instead = if as_event { as_data(&instead) } else { instead };
                host.replace_response_body(instead.as_bytes())?;
            }
            ResponseBody::Document if size > max => {
                let instead =
                    self.instead(host, &format!("it has more than the {max} bytes of `body_bytes`"));
                host.replace_response_body(instead.as_bytes())?;
            }
            ResponseBody::Document => {
                self.body = ResponseBody::Document;
                if !end {
                    return Ok(Action::Pause);
                }
                self.finish(host)?;
            }
            ResponseBody::Events(mut events) => {
                let piece = host.response_body(size)?;
                let rewrite = |data: &str| match self.narrow(host, data) {
                    Ok(text) => text,
                    // Servers send events without data so that clients know where to go on.
                    Err(Unlistable::NotObject) if data.trim().is_empty() => None,
                    Err(why) => Some(self.instead(host, &why.to_string())),
                };
                let room = limits::READ_EVENT_BYTES.saturating_sub(others.event_bytes);
                match events.feed(&piece, max.min(room), rewrite) {
                    Ok(complete) => {
                        host.replace_response_body(&complete)?;
                        self.body = ResponseBody::Events(events);
                    }
                    Err(TooLong) => {
                        let why = format!(
                            "one event has more than the {max} bytes of `body_bytes`, or too much is held of others"
                        );
                        host.replace_response_body(as_data(&self.instead(host, &why)).as_bytes())?;
                    }
                }
            }
        }
        Ok(Action::Continue)
    }

    /// Narrows the answer, if it is one message that is held: it is whole.
    pub(super) fn finish(&mut self, host: &dyn Host) -> Result<(), HostError> {
        if !matches!(self.body, ResponseBody::Document) {
            return Ok(());
        }
        self.body = ResponseBody::Withheld;
        let max = self.max();
        let body = host.response_body(max.saturating_add(1))?;
        // An answer without a message, such as one to a notification.
        if body.is_empty() {
            return Ok(());
        }
        let narrowed = match std::str::from_utf8(&body) {
            _ if body.len() > max => Err(format!("it has more than the {max} bytes of `body_bytes`")),
            Ok(text) => self.narrow(host, text).map_err(|why| why.to_string()),
            Err(_) => Err("it is not UTF-8".to_owned()),
        };
        match narrowed {
            Ok(None) => Ok(()),
            Ok(Some(text)) => host.replace_response_body(text.as_bytes()),
            Err(why) => host.replace_response_body(self.instead(host, &why).as_bytes()),
        }
    }

    /// Narrows the lists of one message. `None`: it may be shown as it is.
    fn narrow(&self, host: &dyn Host, message: &str) -> Result<Option<String>, Unlistable> {
        let Some(rules) = self.rules() else { return Ok(None) };
        let narrowed = Listing::new(&self.chain, rules).narrow(message)?;
        Ok(narrowed.map(|Narrowed { text, listed, shown }| {
            let id = &self.decision;
            host.say(LogLevel::Debug, &format!("decision {id}: {shown} of the {listed} in a list are shown"));
            text
        }))
    }

    /// What is sent in the place of an answer that cannot be read, and says so to the operator.
    fn instead(&self, host: &dyn Host, why: &str) -> String {
        let id = &self.decision;
        host.say(
            LogLevel::Error,
            &format!(
                "decision {id}: the list in the answer cannot be narrowed, and an error is sent instead: {why}. If the \
                 upstream's answer is as it should be, set `narrow_lists: false` on the route"
            ),
        );
        error_message(self.id.as_ref(), id)
    }
}

/// A message as an event (Server-Sent Events, HTML standard §9.2.6).
fn as_data(message: &str) -> String {
    format!("data: {message}\n\n")
}
