//! What the proxy knows while a virtual machine runs: the data of the Wasmtime store.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use wasmtime::{Memory, TypedFunc};

use crate::call::{Effect, HostCall, Injection};
use crate::connection::TcpState;
use crate::error::Violation;
use crate::grpc::{GrpcCall, GrpcStream};
use crate::header::Headers;
use crate::http_call::HttpCall;
use crate::log::{LogLevel, LogLine};
use crate::metric::Metrics;
use crate::plugin::{Plugin, Root};
use crate::response::Response;
use crate::shared::SharedData;
use crate::status::Status;
use crate::stream::Stream;
use crate::verify::VerifySignature;

/// The id of the virtual machine's own context, current while it initialises.
pub(crate) const VM_CONTEXT: u32 = 0;
/// The id of the first root context.
pub(crate) const ROOT_CONTEXT: u32 = 1;

/// Envoy numbers calls of each kind by themselves, and keeps the kind in the lowest two bits of a token.
pub(crate) mod token {
    pub(crate) const KIND_MASK: u32 = 3;
    pub(crate) const HTTP_CALL: u32 = 0;
    pub(crate) const GRPC_CALL: u32 = 1;
    pub(crate) const GRPC_STREAM: u32 = 2;
}

/// A foreign function of the embedder: arguments in, bytes or a status out.
pub(crate) type Foreign = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync>;

/// Something that a root context waits for.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    /// The root context that is called back.
    pub(crate) root: u32,
    pub(crate) what: T,
}

/// What a running callback may look at besides its stream.
#[derive(Debug, Default)]
pub(crate) enum Arrival {
    /// Nothing is being delivered.
    #[default]
    Nothing,
    /// An HTTP call failed: there is an answer, but nothing in it.
    FailedCall,
    /// What came back from an HTTP call.
    Response(Response),
    /// gRPC metadata before the first message.
    GrpcInitialMetadata(Headers),
    /// A gRPC message.
    GrpcMessage(Vec<u8>),
    /// gRPC metadata after the last message.
    GrpcTrailingMetadata(Headers),
    /// The end of a gRPC call or stream.
    GrpcClose,
    /// Arguments of the filter's foreign function.
    ForeignArguments(Vec<u8>),
}

pub(crate) struct Host {
    // How the proxy was set up.
    pub(crate) strict: bool,
    pub(crate) goes_on_refused: bool,
    pub(crate) stop_headers_alone: bool,
    /// The first one is there always.
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) properties: BTreeMap<String, Vec<u8>>,
    pub(crate) clusters: Option<BTreeSet<String>>,
    pub(crate) shared: SharedData,
    pub(crate) verify: VerifySignature,
    pub(crate) foreign: HashMap<String, Foreign>,
    pub(crate) log_level: LogLevel,

    // The world, which outlives a reload.
    pub(crate) worker: u64,
    pub(crate) now: u64,
    pub(crate) monotonic: u64,
    pub(crate) random: u64,
    pub(crate) injections: Vec<Injection>,
    pub(crate) counts: [u64; HostCall::ALL.len()],
    pub(crate) logs: Vec<LogLine>,
    pub(crate) metrics: Metrics,
    pub(crate) violations: Vec<Violation>,
    pub(crate) next_context: u32,
    last_tokens: [u32; 3],

    // The virtual machine.
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) calls: BTreeMap<u32, Pending<HttpCall>>,
    pub(crate) grpc_calls: BTreeMap<u32, Pending<GrpcCall>>,
    pub(crate) grpc_streams: BTreeMap<u32, Pending<GrpcStream>>,
    /// Every root context, by its id.
    pub(crate) roots: BTreeMap<u32, Root>,
    /// The root context of each plugin whose configuration is in force.
    pub(crate) in_force: Vec<u32>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) connections: BTreeMap<u32, TcpState>,

    // The callback that runs.
    pub(crate) callback: &'static str,
    pub(crate) current: u32,
    pub(crate) effective: u32,
    pub(crate) arrival: Arrival,
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
            plugins: vec![Plugin::default()],
            vm_configuration: Vec::new(),
            environment: Vec::new(),
            properties: BTreeMap::new(),
            clusters: None,
            shared: SharedData::new(),
            verify: VerifySignature::Real,
            foreign: HashMap::new(),
            log_level: LogLevel::Trace,
            worker: 0,
            now: 1_700_000_000_000_000_000,
            monotonic: 0,
            random: 0,
            injections: Vec::new(),
            counts: [0; HostCall::ALL.len()],
            logs: Vec::new(),
            metrics: Metrics::default(),
            violations: Vec::new(),
            next_context: ROOT_CONTEXT + 1,
            last_tokens: [token::HTTP_CALL, token::GRPC_CALL, token::GRPC_STREAM],
            memory: None,
            allocate: None,
            calls: BTreeMap::new(),
            grpc_calls: BTreeMap::new(),
            grpc_streams: BTreeMap::new(),
            roots: BTreeMap::new(),
            in_force: Vec::new(),
            streams: BTreeMap::new(),
            connections: BTreeMap::new(),
            callback: "",
            current: VM_CONTEXT,
            effective: 0,
            arrival: Arrival::Nothing,
            touched: BTreeSet::new(),
            fatal: None,
        }
    }
}

impl Host {
    /// Whether there is a context of this id.
    pub(crate) fn has_context(&self, id: u32) -> bool {
        self.roots.contains_key(&id) || self.streams.contains_key(&id) || self.connections.contains_key(&id)
    }

    /// The id of a context to be made.
    pub(crate) fn new_context(&mut self) -> u32 {
        let id = self.next_context;
        self.next_context = self.next_context.saturating_add(1);
        id
    }

    /// The context that host calls act on.
    pub(crate) fn context(&self) -> u32 {
        // Envoy falls back to the true context when the effective one is gone.
        if self.effective != VM_CONTEXT && self.has_context(self.effective) {
            self.effective
        } else {
            self.current
        }
    }

    /// The root context of a context, which may be itself.
    pub(crate) fn root_of(&self, context: u32) -> Option<u32> {
        if self.roots.contains_key(&context) {
            return Some(context);
        }
        let stream = self.streams.get(&context).map(|stream| stream.root);
        stream.or_else(|| self.connections.get(&context).map(|connection| connection.root))
    }

    /// The root context that host calls act on.
    pub(crate) fn root(&self) -> Option<u32> {
        self.root_of(self.context())
    }

    /// The plugin of the context that host calls act on.
    pub(crate) fn plugin(&self) -> Option<&Plugin> {
        let root = self.roots.get(&self.root()?)?;
        self.plugins.get(root.plugin)
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

    pub(crate) fn connection(&self) -> Option<&TcpState> {
        self.connections.get(&self.context())
    }

    /// The connection that a host call acts on, remembered likewise.
    pub(crate) fn connection_mut(&mut self) -> Option<&mut TcpState> {
        let context = self.context();
        self.touched.insert(context);
        self.connections.get_mut(&context)
    }

    /// What is being delivered, if the context that host calls act on is of the plugin that it is delivered to.
    pub(crate) fn arrival(&self) -> &Arrival {
        if self.root() == self.root_of(self.current) { &self.arrival } else { &Arrival::Nothing }
    }

    /// Whether the filter initialises, before it has any context.
    pub(crate) fn initialises(&self) -> bool {
        self.current == VM_CONTEXT
    }

    pub(crate) fn knows_cluster(&self, name: &str) -> bool {
        self.clusters.as_ref().is_none_or(|clusters| clusters.contains(name))
    }

    /// The token of a new call of this kind.
    pub(crate) fn new_token(&mut self, kind: u32) -> u32 {
        let last = self.last_tokens.iter_mut().find(|last| **last & token::KIND_MASK == kind);
        last.map_or(0, |last| {
            *last = last.wrapping_add(token::KIND_MASK + 1);
            *last
        })
    }

    /// Forgets the calls of a root context, which nobody could be told the answers of.
    pub(crate) fn drop_calls(&mut self, root: u32) {
        self.calls.retain(|_, call| call.root != root);
        self.grpc_calls.retain(|_, call| call.root != root);
        self.grpc_streams.retain(|_, stream| stream.root != root);
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
        self.memory = None;
        self.allocate = None;
        self.calls.clear();
        self.grpc_calls.clear();
        self.grpc_streams.clear();
        self.roots.clear();
        self.in_force.clear();
        self.streams.clear();
        self.connections.clear();
        self.metrics.forget_ids();
        self.callback = "";
        self.current = VM_CONTEXT;
        self.effective = 0;
        self.arrival = Arrival::Nothing;
        self.touched.clear();
        self.fatal = None;
        self
    }
}
