//! What the proxy knows while a virtual machine runs: the data of the Wasmtime store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Memory, TypedFunc};

use crate::call::{Effect, HostCall, Injection};
use crate::error::Violation;
use crate::header::Headers;
use crate::metric::Metrics;
use crate::shared::SharedData;
use crate::status::Status;
use crate::stream::Stream;
use crate::verify::VerifySignature;

/// The id of the virtual machine's own context, current while it initialises.
pub(crate) const VM_CONTEXT: u32 = 0;
/// The id of the first root context.
pub(crate) const ROOT_CONTEXT: u32 = 1;

/// Severity of a log line, as the ABI numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the meaning")]
pub enum LogLevel {
    Trace = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

impl LogLevel {
    pub(crate) const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

/// Something the filter logged; standard output is `Info`, standard error is `Error`, as in Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Severity.
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// The context that logged.
    pub context: u32,
}

/// An HTTP call that the filter made and that the test has yet to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// What the filter and [`Vm::answer_call`](crate::Vm::answer_call) know the call by.
    pub token: u32,
    /// The cluster that is called.
    pub cluster: String,
    /// The request headers, pseudo-headers included.
    pub headers: Headers,
    /// The request body; empty without one.
    pub body: Vec<u8>,
    /// The request trailers.
    pub trailers: Headers,
    /// How long Envoy would wait; `None` is for ever. The harness never lets a call time out by itself.
    pub timeout: Option<Duration>,
}

/// The answer to an [`HttpCall`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallResponse {
    /// The headers, `:status` included.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers, if any.
    pub trailers: Option<Headers>,
}

impl CallResponse {
    /// An answer with this status and body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = Headers::from_iter([(":status", status.to_string())]);
        Self { headers, body: body.into(), trailers: None }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.add(name, value);
        self
    }
}

/// A foreign function of the embedder: arguments in, bytes or a status out.
pub(crate) type Foreign = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync>;

/// What a running callback may look at besides its stream.
#[derive(Debug, Default)]
pub(crate) enum CallAnswer {
    /// No answer to a call is being delivered.
    #[default]
    None,
    /// The call failed: there is an answer, but nothing in it.
    Failed,
    /// What came back.
    Response(CallResponse),
}

pub(crate) struct Host {
    // How the proxy was set up.
    pub(crate) strict: bool,
    pub(crate) goes_on_refused: bool,
    pub(crate) stop_headers_alone: bool,
    pub(crate) configuration: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) properties: BTreeMap<String, Vec<u8>>,
    pub(crate) clusters: Option<BTreeSet<String>>,
    pub(crate) shared: SharedData,
    pub(crate) verify: VerifySignature,
    pub(crate) foreign: HashMap<String, Foreign>,
    pub(crate) log_level: LogLevel,

    // The world, which outlives a reload.
    pub(crate) now: u64,
    pub(crate) monotonic: u64,
    pub(crate) random: u64,
    pub(crate) injections: Vec<Injection>,
    pub(crate) counts: [u64; HostCall::ALL.len()],
    pub(crate) logs: Vec<LogLine>,
    pub(crate) metrics: Metrics,
    pub(crate) violations: Vec<Violation>,
    pub(crate) next_context: u32,
    pub(crate) next_token: u32,

    // The virtual machine.
    /// The root context of the plugin whose configuration is in force.
    pub(crate) root: u32,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) tick_period: Option<Duration>,
    pub(crate) calls: BTreeMap<u32, HttpCall>,
    pub(crate) streams: BTreeMap<u32, Stream>,

    // The callback that runs.
    pub(crate) callback: &'static str,
    pub(crate) current: u32,
    pub(crate) effective: u32,
    pub(crate) answer: CallAnswer,
    pub(crate) touched: BTreeSet<u32>,
    /// The violation that ended the call, kept because the engine's error carries none of its type.
    pub(crate) fatal: Option<Violation>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            strict: true,
            goes_on_refused: false,
            stop_headers_alone: false,
            configuration: Vec::new(),
            vm_configuration: Vec::new(),
            properties: BTreeMap::new(),
            clusters: None,
            shared: SharedData::new(),
            verify: VerifySignature::Real,
            foreign: HashMap::new(),
            log_level: LogLevel::Trace,
            now: 1_700_000_000_000_000_000,
            monotonic: 0,
            random: 0,
            injections: Vec::new(),
            counts: [0; HostCall::ALL.len()],
            logs: Vec::new(),
            metrics: Metrics::default(),
            violations: Vec::new(),
            next_context: ROOT_CONTEXT + 1,
            next_token: 1,
            root: ROOT_CONTEXT,
            memory: None,
            allocate: None,
            tick_period: None,
            calls: BTreeMap::new(),
            streams: BTreeMap::new(),
            callback: "",
            current: VM_CONTEXT,
            effective: 0,
            answer: CallAnswer::None,
            touched: BTreeSet::new(),
            fatal: None,
        }
    }
}

impl Host {
    /// The context that host calls act on.
    pub(crate) fn context(&self) -> u32 {
        // Envoy falls back to the true context when the effective one is gone.
        if self.effective == self.root || self.streams.contains_key(&self.effective) {
            self.effective
        } else {
            self.current
        }
    }

    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.streams.get(&self.context())
    }

    /// The stream that a host call acts on, remembered for what is done after the callback.
    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.touched.insert(context);
        self.streams.get_mut(&context)
    }

    /// Counts a call, and says what a test wants in its place.
    pub(crate) fn begin(&mut self, call: HostCall) -> Option<Effect> {
        let count = self.counts.get_mut(call.index()).map_or(0, |count| {
            *count = count.saturating_add(1);
            *count
        });
        let injection = self.injections.iter().rev().find(|injection| injection.hits(call, count))?;
        Some(injection.effect.clone())
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: String) {
        let context = self.context();
        self.logs.push(LogLine { level, message, context });
    }

    pub(crate) fn set_now(&mut self, nanos: u64) {
        self.monotonic = self.monotonic.saturating_add(nanos.saturating_sub(self.now));
        self.now = nanos;
    }

    /// The next eight bytes of the deterministic stream (SplitMix64).
    pub(crate) fn next_random(&mut self) -> [u8; 8] {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_le_bytes()
    }

    /// Clears what dies with a virtual machine.
    pub(crate) fn reloaded(mut self) -> Self {
        self.root = ROOT_CONTEXT;
        self.memory = None;
        self.allocate = None;
        self.tick_period = None;
        self.calls.clear();
        self.streams.clear();
        self.metrics.forget_ids();
        self.callback = "";
        self.current = VM_CONTEXT;
        self.effective = 0;
        self.answer = CallAnswer::None;
        self.touched.clear();
        self.fatal = None;
        self
    }
}
