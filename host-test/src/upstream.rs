//! An upstream that says back what reached it, and remembers it: how a test proves that nothing did.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::loopback::{Answer, Server};

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

fn echo(request: &Received) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<Value> =
        request.headers.iter().map(|(name, value)| json!([name, text(value)])).collect();
    json!({ "method": request.method, "path": request.path, "headers": headers, "body": text(&request.body) })
}
