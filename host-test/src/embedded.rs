//! The harness as a gateway: an HTTP server in front of the filter, for the desk and where there is no Envoy.
//!
//! One virtual machine on a thread of its own decides one request at a time; the server, the calls of the filter and the
//! upstream are real, and an answer is passed on as it comes. A failed virtual machine is replaced, as Envoy does with `FAIL_RELOAD`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::client;
use crate::decide::body_bytes;
use crate::loopback::{Answer, Received, Server, lock};
use mandate_harness::{
    Filter, Forwarded, HarnessError, HttpCall, Outcome, Request, Response, StreamId, Timestamp, Vm,
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
    Answered(u32, Option<Response>),
    Stop,
}

/// What became of a request.
enum Handled {
    Forward(Forwarded),
    Reply { status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8> },
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
        Ok(Handled::Forward(forwarded)) => forward(upstream, &forwarded).await,
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

async fn forward(upstream: SocketAddr, forwarded: &Forwarded) -> Answer {
    let pseudo = |name: &str| forwarded.headers.text(name).unwrap_or_default().to_owned();
    let mut request = client::Request::new(&pseudo(":method"), pseudo(":path"));
    request = request.header("host", pseudo(":authority"));
    for (name, value) in forwarded.headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        request = request.header(name, value);
    }
    request.body.clone_from(&forwarded.body);
    match client::stream(upstream, &request).await {
        Ok(client::Streaming { status, mut headers, body }) => {
            headers.retain(|(name, _)| !is_of_the_connection(name));
            Answer::stream(status, headers, body)
        }
        Err(_) => Answer::empty(502),
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
                let exchange = self.vm.send(request)?;
                if exchange.outcome.is_final() {
                    answer(exchange.outcome, verdict);
                } else {
                    self.waiting.insert(exchange.stream, verdict);
                }
                Ok(())
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
            if let (Some(verdict), Ok(exchange)) = (self.waiting.remove(&stream), self.vm.finish(stream)) {
                answer(exchange.outcome, verdict);
            }
        }
    }

    fn reload(&mut self) {
        // Dropping the senders answers everyone who waits with 503.
        self.waiting.clear();
        self.calling.clear();
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
        Outcome::Forwarded(forwarded) => Handled::Forward(forwarded),
        Outcome::LocalReply(reply) => Handled::Reply {
            status: u16::try_from(reply.status).unwrap_or(503),
            headers: reply.headers.into_pairs(),
            body: reply.body,
        },
        Outcome::Reset => Handled::Reset,
        Outcome::Trapped { .. } | Outcome::Paused | Outcome::Streaming => unavailable(),
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
