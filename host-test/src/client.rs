//! A plain HTTP/1.1 client for tests and the demo: it sends what it is told to, sound or not.
//!
//! [`send`] writes the request to the wire byte for byte, on a connection of its own; [`stream`] does the same and
//! hands the answer's body over as it comes; [`Connection`] keeps one open, for requests that hyper agrees with;
//! [`blocking`] has the first and the last for callers without a runtime. Answers are always parsed by hyper.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long [`send`] and [`Connection::send`] wait for a whole answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or the connection broke while being written to.
    #[error("connection to {address} failed: {source}")]
    Connect {
        /// Who was to be reached.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection was closed, or what came back is not HTTP.
    #[error("no valid answer: {0}")]
    Answer(#[from] hyper::Error),
    /// hyper refuses to express this part of the request; [`send`] does not.
    #[error("{0} cannot be sent over a kept connection")]
    Refused(&'static str),
    /// The answer took longer than this.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// A runtime or thread for the blocking form could not be had.
    #[error("no runtime for a blocking request: {0}")]
    Runtime(std::io::Error),
}

/// A request, written out. Nothing in it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target, in any bytes.
    pub path: Vec<u8>,
    /// Names and values in order, in any bytes; a name may come twice.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers or body.
    #[must_use]
    pub fn new(method: &str, path: impl Into<Vec<u8>>) -> Self {
        Self { method: method.to_owned(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(path: impl Into<Vec<u8>>) -> Self {
        Self::new("GET", path)
    }

    /// A `POST` with a body.
    #[must_use]
    pub fn post(path: impl Into<Vec<u8>>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", path) }
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// One more `authorization` header with a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The headers that HTTP/1.1 asks for and that are not given: `host`, and the body's length.
    fn missing_headers(&self, address: SocketAddr) -> Vec<(&'static str, String)> {
        let mut missing = Vec::new();
        if !self.has("host") {
            missing.push(("host", address.to_string()));
        }
        if !self.body.is_empty() && !self.has("content-length") && !self.has("transfer-encoding") {
            missing.push(("content-length", self.body.len().to_string()));
        }
        missing
    }

    /// The bytes for the wire, with `host`, `content-length` and `connection: close` unless given.
    fn to_wire(&self, address: SocketAddr) -> Vec<u8> {
        let mut wire = Vec::with_capacity(512 + self.body.len());
        wire.extend_from_slice(self.method.as_bytes());
        wire.push(b' ');
        wire.extend_from_slice(&self.path);
        wire.extend_from_slice(b" HTTP/1.1\r\n");
        let mut line = |name: &[u8], value: &[u8]| {
            for part in [name, b": ", value, b"\r\n"] {
                wire.extend_from_slice(part);
            }
        };
        for (name, value) in self.missing_headers(address) {
            line(name.as_bytes(), value.as_bytes());
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        if !self.has("connection") {
            line(b"connection", b"close");
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&self.body);
        wire
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Name (lower case) and value of each header; several of one name stand together.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body, without transfer coding.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name (lower case), when it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).and_then(|(_, v)| std::str::from_utf8(v).ok())
    }

    /// The body as text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    async fn collect(response: hyper::Response<Incoming>) -> Result<Self, ClientError> {
        let (head, body) = response.into_parts();
        let (status, headers) = read_head(&head);
        Ok(Self { status, headers, body: body.collect().await?.to_bytes().to_vec() })
    }
}

/// The status, and name (lower case) and value of each header.
fn read_head(head: &hyper::http::response::Parts) -> (u16, Vec<(String, Vec<u8>)>) {
    let headers = head.headers.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect();
    (head.status.as_u16(), headers)
}

/// An answer whose body is still coming. Dropping it closes the connection.
#[derive(Debug)]
pub struct Streaming {
    /// The status code.
    pub status: u16,
    /// Name (lower case) and value of each header; several of one name stand together.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, without transfer coding.
    pub body: StreamingBody,
}

/// The body of a [`Streaming`] answer.
#[derive(Debug)]
pub struct StreamingBody {
    incoming: Incoming,
    /// Keeps the connection.
    _talk: Talk,
}

impl StreamingBody {
    /// The next bytes as they came, however long that takes; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError::Answer`] when the answer breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

impl Body for StreamingBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Sends a request exactly as written, on a connection of its own.
///
/// Added unless given: `host`, `content-length` when there is a body, and `connection: close`.
///
/// # Errors
/// [`ClientError::Connect`], [`ClientError::Answer`] or [`ClientError::TimedOut`].
pub async fn send(address: SocketAddr, request: &Request) -> Result<Response, ClientError> {
    exchange(address, request.to_wire(address), &request.method).await
}

/// Sends a request as [`send`] does, and returns with the head of its answer.
///
/// # Errors
/// As [`send`]; there is no limit to how long the body may take.
pub async fn stream(address: SocketAddr, request: &Request) -> Result<Streaming, ClientError> {
    let opened = open(address, request.to_wire(address), &request.method);
    let (response, talk) = within(TIMEOUT, opened).await?;
    let (head, incoming) = response.into_parts();
    let (status, headers) = read_head(&head);
    Ok(Streaming { status, headers, body: StreamingBody { incoming, _talk: talk } })
}

/// Sends these bytes and reads one answer. The method tells whether an answer has a body (`HEAD`: none).
///
/// # Errors
/// [`ClientError::Connect`], [`ClientError::Answer`] or [`ClientError::TimedOut`].
pub async fn send_bytes(address: SocketAddr, bytes: Vec<u8>) -> Result<Response, ClientError> {
    let method = if bytes.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
    exchange(address, bytes, method).await
}

async fn exchange(address: SocketAddr, bytes: Vec<u8>, method: &str) -> Result<Response, ClientError> {
    let talk = async {
        let (response, _talk) = open(address, bytes, method).await?;
        Response::collect(response).await
    };
    within(TIMEOUT, talk).await
}

async fn within<T>(
    time: Duration,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(time, work).await.map_err(|_| ClientError::TimedOut(time))?
}

/// The two halves of an exchange at work. Dropping it ends both.
#[derive(Debug)]
struct Talk(JoinSet<()>);

/// hyper reads the answer from the socket, while what it would have written ends in a pipe that nobody reads
/// but for its first byte. That byte says that hyper now expects an answer: earlier ones would be an error to it.
async fn open(
    address: SocketAddr,
    bytes: Vec<u8>,
    method: &str,
) -> Result<(hyper::Response<Incoming>, Talk), ClientError> {
    let stream = connect(address).await?;
    let (from_server, mut to_server) = stream.into_split();
    let (hypers_end, mut our_end) = tokio::io::duplex(4096);
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(tokio::io::join(from_server, hypers_end))).await?;
    let method = if method == "HEAD" { hyper::Method::HEAD } else { hyper::Method::GET };
    let mut placeholder = hyper::Request::new(Full::<Bytes>::default());
    *placeholder.method_mut() = method;
    let answer = sender.send_request(placeholder);
    let mut talk = Talk(JoinSet::new());
    // How it ended shows in the answer.
    talk.0.spawn(async move { drop(connection.await) });
    talk.0.spawn(async move {
        // A server may answer and close before it has read everything: its answer is what counts.
        if our_end.read_u8().await.is_ok() && to_server.write_all(&bytes).await.is_ok() {
            drop(to_server.flush().await);
        }
        // Neither end may close before the answer is in, or hyper takes the exchange for broken.
        std::future::pending::<()>().await;
        drop((our_end, to_server));
    });
    Ok((answer.await?, talk))
}

async fn connect(address: SocketAddr) -> Result<TcpStream, ClientError> {
    let connected = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    connected.await.map_err(|source| ClientError::Connect { address, source })
}

/// A connection that stays open between requests, one at a time.
pub struct Connection {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::JoinHandle<()>,
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Errors
    /// [`ClientError::Connect`] or [`ClientError::Answer`].
    pub async fn open(address: SocketAddr) -> Result<Self, ClientError> {
        let (sender, connection) = http1::handshake(TokioIo::new(connect(address).await?)).await?;
        // How it ended shows in the request that it ends under.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { address, sender, driver })
    }

    /// Sends a request and reads its answer. Added unless given: `host`, and `content-length` for a body.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for a method, path or header that hyper does not take,
    /// [`ClientError::Answer`] when the connection has been closed, or [`ClientError::TimedOut`].
    pub async fn send(&mut self, request: &Request) -> Result<Response, ClientError> {
        let ready = into_hyper(request, self.address)?;
        let talk = async {
            self.sender.ready().await?;
            Response::collect(self.sender.send_request(ready).await?).await
        };
        within(TIMEOUT, talk).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn into_hyper(request: &Request, address: SocketAddr) -> Result<hyper::Request<Full<Bytes>>, ClientError> {
    let mut made = hyper::Request::new(Full::from(request.body.clone()));
    *made.method_mut() = hyper::Method::from_bytes(request.method.as_bytes())
        .map_err(|_| ClientError::Refused("the method"))?;
    let target =
        hyper::Uri::try_from(request.path.as_slice()).map_err(|_| ClientError::Refused("the path"))?;
    // A fragment would be dropped silently.
    if target.to_string().as_bytes() != request.path.as_slice() {
        return Err(ClientError::Refused("the path"));
    }
    *made.uri_mut() = target;
    for (name, value) in request.missing_headers(address) {
        let value = HeaderValue::try_from(value).map_err(|_| ClientError::Refused("a header value"))?;
        made.headers_mut().append(name, value);
    }
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name).map_err(|_| ClientError::Refused("a header name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| ClientError::Refused("a header value"))?;
        made.headers_mut().append(name, value);
    }
    Ok(made)
}

/// The same for callers without a runtime. Each call runs on a thread of its own, so that it may also be made
/// from inside a runtime, where it blocks the caller's thread.
pub mod blocking {
    use std::net::SocketAddr;

    use super::{ClientError, Request, Response};

    /// [`super::send`], blocking.
    ///
    /// # Errors
    /// As [`super::send`], and [`ClientError::Runtime`].
    pub fn send(address: SocketAddr, request: &Request) -> Result<Response, ClientError> {
        on_a_thread(super::send(address, request))
    }

    /// [`super::send_bytes`], blocking.
    ///
    /// # Errors
    /// As [`super::send_bytes`], and [`ClientError::Runtime`].
    pub fn send_bytes(address: SocketAddr, bytes: Vec<u8>) -> Result<Response, ClientError> {
        on_a_thread(super::send_bytes(address, bytes))
    }

    /// Sends the requests one after the other over one [`super::Connection`], up to the first error.
    ///
    /// # Errors
    /// As [`super::Connection::send`], and [`ClientError::Runtime`].
    pub fn send_all(address: SocketAddr, requests: &[Request]) -> Result<Vec<Response>, ClientError> {
        on_a_thread(async {
            let mut connection = super::Connection::open(address).await?;
            let mut responses = Vec::with_capacity(requests.len());
            for request in requests {
                responses.push(connection.send(request).await?);
            }
            Ok(responses)
        })
    }

    fn on_a_thread<T: Send>(
        work: impl Future<Output = Result<T, ClientError>> + Send,
    ) -> Result<T, ClientError> {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(ClientError::Runtime)?.block_on(work)
        };
        std::thread::scope(|scope| {
            let spawned = std::thread::Builder::new().name("desk-client".to_owned()).spawn_scoped(scope, run);
            let joined = spawned.map_err(ClientError::Runtime)?.join();
            joined
                .unwrap_or_else(|_| Err(ClientError::Runtime(std::io::Error::other("the request panicked"))))
        })
    }
}
