//! The small HTTP/1.1 server that the issuer, the upstream and the embedded gateway are made of.
//!
//! It runs on a thread of its own, so that callers need no runtime, and dropping it from inside one is safe.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The longest request body taken, in bytes; a longer one is answered 413.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How many requests are kept for inspection; the count goes on.
const KEPT: usize = 4096;
/// How long requests under way may take to end when the server stops.
const GRACE: Duration = Duration::from_millis(500);

/// A request as a server here received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The request target with its query, as it came over the wire.
    pub path: String,
    /// Name (lower case) and value of each header; several of one name stand together.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of this name (lower case), when it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).and_then(|(_, v)| std::str::from_utf8(v).ok())
    }
}

/// The error of a body breaks the answer off.
pub(crate) type AnswerBody = BoxBody<Bytes, BoxError>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What to do about a request.
pub(crate) enum Answer {
    /// Answer after a delay.
    Reply { status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>, delay: Duration },
    /// Answer with a body that is passed on as it comes.
    Stream { status: u16, headers: Vec<(String, Vec<u8>)>, body: AnswerBody },
    /// Close the connection without a word.
    Close,
}

impl Answer {
    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::typed_json(status, value.to_string().into_bytes(), Duration::ZERO)
    }

    /// Bytes that claim to be JSON.
    pub(crate) fn typed_json(status: u16, body: Vec<u8>, delay: Duration) -> Self {
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Self::Reply { status, headers, body, delay }
    }

    /// This body, as it comes.
    pub(crate) fn stream<B>(status: u16, headers: Vec<(String, Vec<u8>)>, body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
    {
        Self::Stream { status, headers, body: body.map_err(Into::into).boxed() }
    }

    pub(crate) const fn empty(status: u16) -> Self {
        Self::Reply { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO }
    }
}

/// An answer that is still being made.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a server has seen.
#[derive(Debug, Default)]
struct Log {
    requests: u64,
    connections: u64,
    kept: VecDeque<Received>,
}

/// A running server. Dropping it stops it: no new connections, and those under way get a moment to end.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    runtime: Handle,
    log: Arc<Mutex<Log>>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free loopback port. The handler runs on the server's thread and must not block.
    pub(crate) fn on_loopback<H>(name: &str, handler: H) -> io::Result<Self>
    where
        H: Fn(&Received) -> Answer + Send + Sync + 'static,
    {
        let handler = move |received| -> Answering { Box::pin(std::future::ready(handler(&received))) };
        Self::start(name, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), handler)
    }

    /// Listens on an address; port 0 picks a free one. The handler runs on the server's thread and must not block.
    pub(crate) fn start<H>(name: &str, listen: SocketAddr, handler: H) -> io::Result<Self>
    where
        H: Fn(Received) -> Answering + Send + Sync + 'static,
    {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let log = Arc::new(Mutex::new(Log::default()));
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::clone(&log);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(serve(listener, stopped, seen, Arc::new(handler)));
            runtime.shutdown_background();
        })?;
        Ok(Self { address, runtime: handle, log, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where to run what belongs to this server; it ends with the server.
    pub(crate) fn runtime(&self) -> Handle {
        self.runtime.clone()
    }

    /// Requests received since the start, or since [`Server::forget`].
    pub(crate) fn requests(&self) -> u64 {
        lock(&self.log).requests
    }

    /// Connections accepted since the start, or since [`Server::forget`].
    pub(crate) fn connections(&self) -> u64 {
        lock(&self.log).connections
    }

    /// The latest requests, oldest first.
    pub(crate) fn received(&self) -> Vec<Received> {
        lock(&self.log).kept.iter().cloned().collect()
    }

    pub(crate) fn forget(&self) {
        *lock(&self.log) = Log::default();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("a server of the desk panicked");
        }
    }
}

/// Nothing is left half done by a panic while one of these locks is held, so a poisoned one is as good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve<H>(
    listener: TcpListener,
    mut stopped: oneshot::Receiver<Infallible>,
    log: Arc<Mutex<Log>>,
    handler: Arc<H>,
) where
    H: Fn(Received) -> Answering + Send + Sync + 'static,
{
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file descriptors, most likely; the next moment may be better.
                Err(_) => { tokio::time::sleep(Duration::from_millis(10)).await; continue }
            },
            _ = &mut stopped => break,
        };
        lock(&log).connections += 1;
        let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
        let service = service_fn(move |request| answer(request, Arc::clone(&log), Arc::clone(&handler)));
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that goes away, or that is sent away by `Answer::Close`, is no error of ours.
            drop(watched.await);
        });
    }
    drop(listener);
    drop(tokio::time::timeout(GRACE, graceful.shutdown()).await);
}

/// Returned to hyper so that it closes the connection.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("told to close the connection")]
    Told,
    #[error("the request broke off: {0}")]
    Body(BoxError),
    #[error("the answer has a status that HTTP lacks: {0}")]
    Answer(#[from] hyper::http::Error),
}

async fn answer<H>(
    request: hyper::Request<Incoming>,
    log: Arc<Mutex<Log>>,
    handler: Arc<H>,
) -> Result<hyper::Response<AnswerBody>, NoAnswer>
where
    H: Fn(Received) -> Answering,
{
    let (head, body) = request.into_parts();
    let collected = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Some(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => None,
        Err(error) => return Err(NoAnswer::Body(error)),
    };
    let too_long = collected.is_none();
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect(),
        body: collected.unwrap_or_default(),
    };
    {
        let mut log = lock(&log);
        log.requests += 1;
        if log.kept.len() == KEPT {
            log.kept.pop_front();
        }
        log.kept.push_back(received.clone());
    }
    if too_long {
        return respond(413, Vec::new(), whole(Vec::new()));
    }
    match handler(received).await {
        Answer::Close => Err(NoAnswer::Told),
        Answer::Reply { status, headers, body, delay } => {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            respond(status, headers, whole(body))
        }
        Answer::Stream { status, headers, body } => respond(status, headers, body),
    }
}

fn whole(body: Vec<u8>) -> AnswerBody {
    Full::from(body).map_err(|never| match never {}).boxed()
}

fn respond(
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: AnswerBody,
) -> Result<hyper::Response<AnswerBody>, NoAnswer> {
    let response = hyper::Response::builder().status(status);
    let response = headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    Ok(response.body(body)?)
}
