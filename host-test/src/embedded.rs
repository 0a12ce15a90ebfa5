//! The harness as a gateway: an HTTP server in front of the filter, for the desk and where there is no Envoy.
//!
//! One virtual machine on a thread of its own decides one request at a time; the server, the calls of the filter and the
//! upstream are real, and an answer is passed on as it comes. A failed virtual machine is replaced, as Envoy does with `FAIL_RELOAD`.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::body::{Body, Bytes, Frame};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use crate::client;
use crate::decide::body_bytes;
use crate::envoy::VM_ID;
use crate::loopback::{Answer, Received, Server, lock};
use mandate_harness::{
    Filter, Forwarded, HarnessError, Headers, HttpCall, Outcome, Request, Response, StreamId, Timestamp, Vm,
};

/// How long the machine sleeps when nothing happens and the filter asked for no ticks.
const IDLE: Duration = Duration::from_secs(1);
/// What Envoy allows a call without a timeout of its own.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no embedded gateway.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The module cannot be run.
    #[error("the filter cannot be run: {0}")]
    Filter(#[from] HarnessError),
    /// It does not take the configuration.
    #[error("the filter refuses its configuration:\n{0}")]
    Refused(String),
    /// No socket or thread could be had.
    #[error("the gateway cannot be started: {0}")]
    Server(#[from] std::io::Error),
}

/// A running gateway. Dropping it stops it.
#[derive(Debug)]
pub struct Embedded {
    server: Option<Server>,
    address: SocketAddr,
    events: Sender<Event>,
    machine: Option<JoinHandle<()>>,
    log: Arc<Mutex<String>>,
}

/// What can happen to the machine.
enum Event {
    Request(Request, oneshot::Sender<Handled>),
    /// A part of the upstream's answer, and whom to tell what goes on of it.
    Upstream(StreamId, UpstreamPart, oneshot::Sender<Forwarded>),
    /// The client has all of the answer, or went away.
    Over(StreamId),
    Answered(u32, Option<Response>),
    Stop,
}

/// A part of the upstream's answer.
enum UpstreamPart {
    Head(Headers),
    Body { bytes: Vec<u8>, end: bool },
}

/// What became of a request.
enum Handled {
    /// It goes upstream; the receiver is closed if the filter breaks off the answer.
    Forward {
        stream: StreamId,
        forwarded: Forwarded,
        broken_off: oneshot::Receiver<Infallible>,
    },
    Reply {
        status: u16,
        headers: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
    },
    Reset,
}

impl Embedded {
    /// Starts a gateway on `listen` (port 0 picks a free one), in front of `upstream`.
    ///
    /// # Errors
    /// If the filter does not start or refuses its configuration, or the address cannot be had.
    pub fn start(
        filter: &Filter,
        configuration: &str,
        upstream: SocketAddr,
        clusters: Vec<(String, SocketAddr)>,
        listen: SocketAddr,
    ) -> Result<Self, EmbeddedError> {
        let (events, inbox) = mpsc::channel();
        let log = Arc::new(Mutex::new(String::new()));
        let names: Vec<String> = clusters.iter().map(|(name, _)| name.clone()).collect();
        let builder = filter
            .vm()
            // What the shipped configurations of Envoy have: what is shared belongs to this plugin.
            .vm_id(VM_ID)
            .configuration(configuration)
            .clusters(names)
            .allow_on_headers_stop_iteration(body_bytes(configuration).is_some())
            .now(clock());
        let vm = builder.start()?;
        if !vm.startup().configured() {
            let lines: Vec<&str> = vm.logs().iter().map(|line| line.message.as_str()).collect();
            return Err(EmbeddedError::Refused(lines.join("\n")));
        }
        let to_machine = events.clone();
        let server = Server::start("mandate-embedded", listen, move |received| {
            let events = to_machine.clone();
            Box::pin(async move { serve(&events, upstream, received).await })
        })?;
        let machine = Machine {
            vm,
            clusters: clusters.into_iter().collect(),
            runtime: server.runtime(),
            events: events.clone(),
            waiting: BTreeMap::new(),
            calling: BTreeSet::new(),
            answering: BTreeMap::new(),
            log: Arc::clone(&log),
        };
        let thread = std::thread::Builder::new().name("mandate-machine".to_owned());
        let machine = thread.spawn(move || machine.run(&inbox))?;
        let address = server.address();
        Ok(Self { server: Some(server), address, events, machine: Some(machine), log })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the filter logged, a line a message.
    #[must_use]
    pub fn log(&self) -> String {
        lock(&self.log).clone()
    }

    /// Whether the machine still decides.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.machine.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // Only a machine that is gone does not hear this.
        drop(self.events.send(Event::Stop));
        drop(self.server.take());
        if let Some(machine) = self.machine.take()
            && machine.join().is_err()
        {
            eprintln!("the embedded gateway panicked");
        }
    }
}

/// The wall clock, as the filter sees it.
fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

async fn serve(events: &Sender<Event>, upstream: SocketAddr, received: Received) -> Answer {
    let (verdict, decided) = oneshot::channel();
    if events.send(Event::Request(to_request(received), verdict)).is_err() {
        return Answer::empty(503);
    }
    match decided.await {
        Ok(Handled::Forward { stream, forwarded, broken_off }) => {
            forward(events, upstream, stream, &forwarded, broken_off).await
        }
        Ok(Handled::Reply { status, headers, body }) => {
            Answer::Reply { status, headers, body, delay: Duration::ZERO }
        }
        Ok(Handled::Reset) => Answer::Close,
        Err(_) => Answer::empty(503),
    }
}

/// A request from the wire, with the pseudo-headers that a proxy gives a filter.
fn to_request(received: Received) -> Request {
    let authority = received.header("host").unwrap_or_default().to_owned();
    let mut request = Request::default()
        .header(":method", received.method)
        .header(":scheme", "http")
        .header(":authority", authority)
        .header(":path", received.path);
    for (name, value) in received.headers {
        if !is_of_the_connection(&name) {
            request = request.header(&name, value);
        }
    }
    if received.body.is_empty() { request } else { request.body(received.body) }
}

/// RFC 9110 §7.6.1: what belongs to one connection is not forwarded; `host` and the length are made anew.
fn is_of_the_connection(name: &str) -> bool {
    const OWN: [&str; 8] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
    ];
    OWN.contains(&name)
}

async fn forward(
    events: &Sender<Event>,
    upstream: SocketAddr,
    stream: StreamId,
    forwarded: &Forwarded,
    broken_off: oneshot::Receiver<Infallible>,
) -> Answer {
    let pseudo = |name: &str| forwarded.headers.text(name).unwrap_or_default().to_owned();
    let mut request = client::Request::new(&pseudo(":method"), pseudo(":path"));
    request = request.header("host", pseudo(":authority"));
    for (name, value) in forwarded.headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        request = request.header(name, value);
    }
    request.body.clone_from(&forwarded.body);
    let open = OpenAnswer { events: events.clone(), stream };
    let Ok(client::Streaming { status, headers, body }) = client::stream(upstream, &request).await else {
        return Answer::empty(502);
    };
    let mut head = Headers::default();
    head.add(":status", status.to_string());
    for (name, value) in headers.into_iter().filter(|(name, _)| !is_of_the_connection(name)) {
        head.add(&name, value);
    }
    let Some(mut passed) = open.pass(UpstreamPart::Head(head)).await else { return Answer::Close };
    let status = passed.headers.text(":status").and_then(|status| status.parse().ok()).unwrap_or(status);
    passed.headers.remove(":status");
    let (pieces, out) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(pump(open, body, pieces, broken_off));
    Answer::stream(status, passed.headers.into_pairs(), Pieces(out))
}

/// An answer that the filter still looks at. Dropping it tells the machine that it is over.
struct OpenAnswer {
    events: Sender<Event>,
    stream: StreamId,
}

impl OpenAnswer {
    /// Shows the filter a part, and gives what goes on. `None`: the answer is broken off.
    async fn pass(&self, part: UpstreamPart) -> Option<Forwarded> {
        let (passed, told) = oneshot::channel();
        self.events.send(Event::Upstream(self.stream, part, passed)).ok()?;
        told.await.ok()
    }
}

impl Drop for OpenAnswer {
    fn drop(&mut self) {
        // Only a machine that is gone does not hear this.
        drop(self.events.send(Event::Over(self.stream)));
    }
}

/// Passes a body on piece by piece, each as the filter lets it go.
async fn pump(
    open: OpenAnswer,
    mut body: client::StreamingBody,
    pieces: UnboundedSender<Result<Bytes, BrokenOff>>,
    mut broken_off: oneshot::Receiver<Infallible>,
) {
    loop {
        let next = tokio::select! {
            next = body.next() => next,
            _ = &mut broken_off => break,
            () = pieces.closed() => return,
        };
        let (bytes, end) = match next {
            Ok(Some(bytes)) => (bytes.to_vec(), false),
            Ok(None) => (Vec::new(), true),
            Err(_) => break,
        };
        let Some(passed) = open.pass(UpstreamPart::Body { bytes, end }).await else { break };
        if !passed.body.is_empty() {
            drop(pieces.send(Ok(Bytes::from(passed.body))));
        }
        if end {
            return;
        }
    }
    // A client that went away does not hear this.
    drop(pieces.send(Err(BrokenOff)));
}

/// Why an answer ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("the upstream or the filter broke off the answer")]
struct BrokenOff;

/// A body in pieces.
struct Pieces(UnboundedReceiver<Result<Bytes, BrokenOff>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// The virtual machine and what it owes answers to.
struct Machine {
    vm: Vm,
    clusters: BTreeMap<String, SocketAddr>,
    runtime: Handle,
    events: Sender<Event>,
    waiting: BTreeMap<StreamId, oneshot::Sender<Handled>>,
    calling: BTreeSet<u32>,
    /// Answers on their way: dropping what is kept of one breaks it off.
    answering: BTreeMap<StreamId, oneshot::Sender<Infallible>>,
    log: Arc<Mutex<String>>,
}

impl Machine {
    fn run(mut self, inbox: &mpsc::Receiver<Event>) {
        let mut next_tick = Instant::now();
        loop {
            let period = self.vm.tick_period();
            let sleep = period.map_or(IDLE, |_| next_tick.saturating_duration_since(Instant::now()));
            let event = match inbox.recv_timeout(sleep) {
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
            };
            self.vm.set_now(clock());
            let result = match event {
                Some(event) => self.handle(event),
                None => Ok(()),
            };
            let ticked = match period {
                Some(period) if Instant::now() >= next_tick => {
                    next_tick = Instant::now() + period;
                    self.vm.tick()
                }
                _ => Ok(()),
            };
            self.start_calls();
            self.release();
            for error in [result, ticked].into_iter().filter_map(Result::err) {
                self.note(&format!("harness: {error}"));
            }
            if self.vm.dead().is_some() {
                self.reload();
            }
            for line in self.vm.take_logs() {
                self.note(&line.message);
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), HarnessError> {
        match event {
            Event::Request(request, verdict) => {
                let exchange = self.vm.begin(request)?;
                self.waiting.insert(exchange.stream, verdict);
                Ok(())
            }
            Event::Upstream(stream, part, passed) => {
                match part {
                    UpstreamPart::Head(head) => self.vm.response_headers(stream, head, false),
                    UpstreamPart::Body { bytes, end } => self.vm.response_body(stream, bytes, end),
                }?;
                // Whoever went away does not hear this.
                drop(passed.send(self.vm.take_downstream(stream)?));
                Ok(())
            }
            Event::Over(stream) => {
                self.answering.remove(&stream);
                self.vm.finish(stream).map(drop)
            }
            Event::Answered(token, response) => {
                self.calling.remove(&token);
                match response {
                    Some(response) => self.vm.answer_call(token, response),
                    None => self.vm.fail_call(token),
                }
            }
            Event::Stop => Ok(()),
        }
    }

    /// Carries out the calls that the filter made since the last time.
    fn start_calls(&mut self) {
        for call in self.vm.calls() {
            if self.calling.insert(call.token) {
                let address = self.clusters.get(&call.cluster).copied();
                let events = self.events.clone();
                self.runtime.spawn(async move {
                    let response = carry_out(&call, address).await;
                    // Only a machine that is gone does not hear this.
                    drop(events.send(Event::Answered(call.token, response)));
                });
            }
        }
    }

    /// Answers the requests that are decided by now.
    fn release(&mut self) {
        let decided: Vec<StreamId> = self
            .waiting
            .keys()
            .copied()
            .filter(|stream| self.vm.outcome(*stream).is_ok_and(|outcome| outcome.is_final()))
            .collect();
        for stream in decided {
            let (Some(verdict), Ok(outcome)) = (self.waiting.remove(&stream), self.vm.outcome(stream)) else {
                continue;
            };
            if let Outcome::Forwarded(forwarded) = outcome {
                let (open, broken_off) = oneshot::channel();
                self.answering.insert(stream, open);
                // A client that went away wants no answer.
                if verdict.send(Handled::Forward { stream, forwarded, broken_off }).is_err() {
                    self.answering.remove(&stream);
                    drop(self.vm.finish(stream));
                }
            } else {
                drop(self.vm.finish(stream));
                answer(outcome, verdict);
            }
        }
        let vm = &self.vm;
        self.answering
            .retain(|stream, _| !matches!(vm.response_outcome(*stream), Ok(Outcome::Reset) | Err(_)));
    }

    fn reload(&mut self) {
        // Dropping the senders answers everyone who waits with 503.
        self.waiting.clear();
        self.calling.clear();
        self.answering.clear();
        match self.vm.reload() {
            Ok(()) => self.note("the virtual machine failed and was replaced"),
            Err(error) => {
                self.note(&format!("the virtual machine failed and could not be replaced: {error}"))
            }
        }
    }

    fn note(&self, line: &str) {
        let mut log = lock(&self.log);
        log.push_str(line);
        log.push('\n');
    }
}

fn answer(outcome: Outcome, verdict: oneshot::Sender<Handled>) {
    let unavailable = || Handled::Reply { status: 503, headers: Vec::new(), body: Vec::new() };
    let what = match outcome {
        Outcome::LocalReply(reply) => Handled::Reply {
            status: u16::try_from(reply.status).unwrap_or(503),
            headers: reply.headers.into_pairs(),
            body: reply.body,
        },
        Outcome::Reset => Handled::Reset,
        Outcome::Forwarded(_) | Outcome::Trapped { .. } | Outcome::Paused | Outcome::Streaming => {
            unavailable()
        }
    };
    // A client that went away wants no answer.
    drop(verdict.send(what));
}

async fn carry_out(call: &HttpCall, address: Option<SocketAddr>) -> Option<Response> {
    let pseudo = |name: &str| call.headers.text(name).unwrap_or_default().to_owned();
    let mut request =
        client::Request::new(&pseudo(":method"), pseudo(":path")).header("host", pseudo(":authority"));
    for (name, value) in call.headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        request = request.header(name, value);
    }
    request.body.clone_from(&call.body);
    let timeout = call.timeout.unwrap_or(CALL_TIMEOUT);
    let response = tokio::time::timeout(timeout, client::send(address?, &request)).await.ok()?.ok()?;
    Some(Response::new(response.status, response.body))
}
