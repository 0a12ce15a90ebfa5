//! The closed list of host functions, and how a test makes one of them fail.

use std::fmt;

/// Declares [`HostCall`] with its names in one table, so that `ALL`, the names and the linker cannot drift apart.
macro_rules! host_calls {
    ($($variant:ident $module:literal $name:literal $group:ident,)*) => {
        /// A function that a filter may import.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each variant is the host function of the same name")]
        pub enum HostCall { $($variant,)* }

        impl HostCall {
            /// Every host function, in the order of declaration.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The name of the import, such as `proxy_log`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The module of the import: `env`, or `wasi_snapshot_preview1`.
            #[must_use]
            pub const fn module(self) -> &'static str {
                match self { $(Self::$variant => $module,)* }
            }

            const fn group(self) -> Group {
                match self { $(Self::$variant => Group::$group,)* }
            }
        }
    };
}

enum Group {
    /// Answers with a status alone, or writes numbers.
    Plain,
    /// Hands bytes to the guest, through the guest's allocator.
    Bytes,
    /// WASI: answers with an errno.
    Wasi,
}

host_calls! {
    Log "env" "proxy_log" Plain,
    GetLogLevel "env" "proxy_get_log_level" Plain,
    GetCurrentTimeNanoseconds "env" "proxy_get_current_time_nanoseconds" Plain,
    SetTickPeriodMilliseconds "env" "proxy_set_tick_period_milliseconds" Plain,
    GetBufferBytes "env" "proxy_get_buffer_bytes" Bytes,
    SetBufferBytes "env" "proxy_set_buffer_bytes" Plain,
    GetHeaderMapPairs "env" "proxy_get_header_map_pairs" Bytes,
    SetHeaderMapPairs "env" "proxy_set_header_map_pairs" Plain,
    GetHeaderMapValue "env" "proxy_get_header_map_value" Bytes,
    ReplaceHeaderMapValue "env" "proxy_replace_header_map_value" Plain,
    AddHeaderMapValue "env" "proxy_add_header_map_value" Plain,
    RemoveHeaderMapValue "env" "proxy_remove_header_map_value" Plain,
    GetProperty "env" "proxy_get_property" Bytes,
    SetProperty "env" "proxy_set_property" Plain,
    GetSharedData "env" "proxy_get_shared_data" Bytes,
    SetSharedData "env" "proxy_set_shared_data" Plain,
    ContinueStream "env" "proxy_continue_stream" Plain,
    CloseStream "env" "proxy_close_stream" Plain,
    SendLocalResponse "env" "proxy_send_local_response" Plain,
    HttpCall "env" "proxy_http_call" Plain,
    SetEffectiveContext "env" "proxy_set_effective_context" Plain,
    Done "env" "proxy_done" Plain,
    CallForeignFunction "env" "proxy_call_foreign_function" Bytes,
    DefineMetric "env" "proxy_define_metric" Plain,
    IncrementMetric "env" "proxy_increment_metric" Plain,
    RecordMetric "env" "proxy_record_metric" Plain,
    GetMetric "env" "proxy_get_metric" Plain,
    GetHeaderMapSize "env" "proxy_get_header_map_size" Plain,
    GetBufferStatus "env" "proxy_get_buffer_status" Plain,
    GetStatus "env" "proxy_get_status" Bytes,
    RegisterSharedQueue "env" "proxy_register_shared_queue" Plain,
    ResolveSharedQueue "env" "proxy_resolve_shared_queue" Plain,
    DequeueSharedQueue "env" "proxy_dequeue_shared_queue" Bytes,
    EnqueueSharedQueue "env" "proxy_enqueue_shared_queue" Plain,
    GrpcCall "env" "proxy_grpc_call" Plain,
    GrpcStream "env" "proxy_grpc_stream" Plain,
    GrpcSend "env" "proxy_grpc_send" Plain,
    GrpcCancel "env" "proxy_grpc_cancel" Plain,
    GrpcClose "env" "proxy_grpc_close" Plain,
    NotifyMemoryGrowth "env" "emscripten_notify_memory_growth" Plain,
    EnvironGet "wasi_snapshot_preview1" "environ_get" Wasi,
    EnvironSizesGet "wasi_snapshot_preview1" "environ_sizes_get" Wasi,
    ArgsGet "wasi_snapshot_preview1" "args_get" Wasi,
    ArgsSizesGet "wasi_snapshot_preview1" "args_sizes_get" Wasi,
    RandomGet "wasi_snapshot_preview1" "random_get" Wasi,
    ClockTimeGet "wasi_snapshot_preview1" "clock_time_get" Wasi,
    FdWrite "wasi_snapshot_preview1" "fd_write" Wasi,
    FdClose "wasi_snapshot_preview1" "fd_close" Wasi,
    FdSeek "wasi_snapshot_preview1" "fd_seek" Wasi,
    FdFdstatGet "wasi_snapshot_preview1" "fd_fdstat_get" Wasi,
    FdFdstatSetFlags "wasi_snapshot_preview1" "fd_fdstat_set_flags" Wasi,
    FdRead "wasi_snapshot_preview1" "fd_read" Wasi,
    FdPrestatGet "wasi_snapshot_preview1" "fd_prestat_get" Wasi,
    FdPrestatDirName "wasi_snapshot_preview1" "fd_prestat_dir_name" Wasi,
    PathOpen "wasi_snapshot_preview1" "path_open" Wasi,
    PollOneoff "wasi_snapshot_preview1" "poll_oneoff" Wasi,
    SchedYield "wasi_snapshot_preview1" "sched_yield" Wasi,
    ProcExit "wasi_snapshot_preview1" "proc_exit" Wasi,
}

impl HostCall {
    /// Whether the call is WASI's, which answers with an errno in place of a [`Status`](crate::Status).
    #[must_use]
    pub const fn is_wasi(self) -> bool {
        matches!(self.group(), Group::Wasi)
    }

    /// Whether the call hands bytes to the guest, so that [`Effect::Bytes`] can replace them.
    #[must_use]
    pub const fn returns_bytes(self) -> bool {
        matches!(self.group(), Group::Bytes)
    }

    /// Whether a module may make the call while it initialises, before it has contexts; Envoy lets the module trap on any
    /// other.
    #[must_use]
    pub const fn is_allowed_at_start(self) -> bool {
        matches!(
            self,
            Self::NotifyMemoryGrowth
                | Self::Log
                | Self::FdWrite
                | Self::ArgsGet
                | Self::ArgsSizesGet
                | Self::EnvironGet
                | Self::EnvironSizesGet
                | Self::FdPrestatGet
                | Self::FdPrestatDirName
                | Self::ClockTimeGet
                | Self::RandomGet
                | Self::FdFdstatGet
                | Self::FdFdstatSetFlags
                | Self::PollOneoff
        )
    }

    /// The call of this import name, if the host has it. Old toolchains say `wasi_unstable` for the module of WASI.
    #[must_use]
    pub fn by_name(module: &str, name: &str) -> Option<Self> {
        let module = if module == "wasi_unstable" { "wasi_snapshot_preview1" } else { module };
        Self::ALL.into_iter().find(|call| call.module() == module && call.name() == name)
    }

    /// Position in [`HostCall::ALL`], for the counters.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of the calls of one kind an [`Injection`] hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nth {
    /// Every call from now on.
    Always,
    /// Only the nth call since the virtual machine was built, counted from 1 like [`Vm::call_counts`](crate::Vm::call_counts).
    Only(u64),
}

/// What happens in place of the real call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The call has no effect and returns this status (of WASI: this errno), which need not be a known one.
    Status(u32),
    /// The call has no effect other than to hand these bytes to the guest with status `Ok`: a host that answers nonsense.
    /// Only for calls that return bytes. An empty value is a null pointer and a zero length.
    Bytes(Vec<u8>),
    /// The call traps.
    Trap,
}

/// One fault of the host, decided by the test.
///
/// ```
/// use mandate_harness::{Effect, HostCall, Injection, Nth, Status};
///
/// let injection = Injection::status(HostCall::GetSharedData, Nth::Only(2), Status::InternalFailure);
/// assert_eq!(injection.effect, Effect::Status(10));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// The host function that fails.
    pub call: HostCall,
    /// Which of its calls.
    pub nth: Nth,
    /// How.
    pub effect: Effect,
}

impl Injection {
    /// An injection of a proxy-wasm status.
    #[must_use]
    pub const fn status(call: HostCall, nth: Nth, status: crate::Status) -> Self {
        Self { call, nth, effect: Effect::Status(status.code()) }
    }

    /// An injection of other headers than there are, as a call that gives all of them writes them.
    #[must_use]
    pub fn headers(call: HostCall, nth: Nth, headers: &crate::Headers) -> Self {
        Self { call, nth, effect: Effect::Bytes(crate::header::encode_pairs(headers)) }
    }

    pub(crate) fn hits(&self, call: HostCall, count: u64) -> bool {
        self.call == call
            && match self.nth {
                Nth::Always => true,
                Nth::Only(nth) => nth == count,
            }
    }
}
