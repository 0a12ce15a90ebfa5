//! An upstream that says back what reached it, and remembers it: how a test proves that nothing did. Another that sends
//! events when it is told to: how a test proves that an answer is passed on as it comes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::loopback::{Answer, Server, lock};

pub use crate::loopback::Received;

/// A running upstream on a free loopback port, with keep-alive. Dropping it stops it.
///
/// Every request is answered 200 with `{"method", "path", "headers": [[name, value], …], "body"}`. Bytes that are
/// not UTF-8 are replaced there by U+FFFD; [`Upstream::received`] has them as they came.
pub struct Upstream {
    server: Server,
}

impl Upstream {
    /// Starts an upstream.
    ///
    /// # Errors
    /// When no loopback port or thread can be had.
    pub fn start() -> io::Result<Self> {
        Ok(Self {
            server: Server::on_loopback("desk-upstream", |request| Answer::json(200, &echo(request)))?,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How many requests have arrived since the start or [`Upstream::forget`].
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.server.requests()
    }

    /// How many connections have been accepted since the start or [`Upstream::forget`].
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.server.connections()
    }

    /// The requests, oldest first; of more than 4,096, the latest.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// Sets both counters to zero and drops what was remembered.
    pub fn forget(&self) {
        self.server.forget();
    }
}

pub(crate) fn echo(request: &Received) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<Value> =
        request.headers.iter().map(|(name, value)| json!([name, text(value)])).collect();
    json!({ "method": request.method, "path": request.path, "headers": headers, "body": text(&request.body) })
}

/// An upstream whose every answer is a stream of server-sent events. The head and the first event, `data: open`, are sent
/// at once, and the stream stays open until [`EventSource::end`]. Dropping it stops it.
pub struct EventSource {
    server: Server,
    open: Arc<Mutex<Vec<mpsc::UnboundedSender<Bytes>>>>,
}

impl EventSource {
    /// Starts an upstream.
    ///
    /// # Errors
    /// When no loopback port or thread can be had.
    pub fn start() -> io::Result<Self> {
        let open = Arc::new(Mutex::new(Vec::new()));
        let streams = Arc::clone(&open);
        let server = Server::on_loopback("desk-events", move |_| {
            let (stream, events) = mpsc::unbounded_channel();
            tell(&stream, "open");
            lock(&streams).push(stream);
            let kind = ("content-type".to_owned(), b"text/event-stream".to_vec());
            Answer::stream(200, vec![kind], Events(events))
        })?;
        Ok(Self { server, open })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Sends an event, `data: <text>`, on every stream that is open.
    pub fn send(&self, text: &str) {
        lock(&self.open).iter().for_each(|stream| tell(stream, text));
    }

    /// Ends every stream that is open.
    pub fn end(&self) {
        lock(&self.open).clear();
    }
}

fn tell(stream: &mpsc::UnboundedSender<Bytes>, text: &str) {
    // A client that went away hears nothing.
    drop(stream.send(Bytes::from(format!("data: {text}\n\n"))));
}

/// Events as a body.
pub(crate) struct Events(pub(crate) mpsc::UnboundedReceiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
