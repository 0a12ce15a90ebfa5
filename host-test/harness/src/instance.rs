//! The callbacks of one instance, each with the ABI's own signature, and what it means when one of them fails.

use wasmtime::{Instance, Store, Trap, TypedFunc, WasmBacktrace, WasmParams, WasmResults};

use crate::error::HarnessError;
use crate::host::Host;
use crate::log::LogLevel;
use crate::stream::Direction;

/// A callback that is shown headers, or a piece of a body: context, count or size, and whether nothing follows.
pub(crate) type PartSeen = TypedFunc<(u32, u32, u32), u32>;
/// A callback that is shown trailers: context and count.
pub(crate) type TrailersSeen = TypedFunc<(u32, u32), u32>;
/// A callback about a gRPC call: context, token, and a count, size or status.
pub(crate) type GrpcEvent = TypedFunc<(u32, u32, u32), ()>;
/// Parameters of `proxy_on_http_call_response`: context, token, and the sizes of headers, body and trailers.
type CallAnswered = (u32, u32, u32, u32, u32);

/// The callbacks of one message.
pub(crate) struct MessageCallbacks {
    pub(crate) headers: Option<PartSeen>,
    pub(crate) body: Option<PartSeen>,
    pub(crate) trailers: Option<TrailersSeen>,
}

/// What a module runs before it has contexts.
pub(crate) enum Entry {
    /// `_initialize` of a reactor or `_start` of a command, and `__main_void`.
    Void(TypedFunc<(), ()>),
    /// `main` of a reactor, with no arguments.
    Main(TypedFunc<(u32, u32), u32>),
    /// The same without parameters.
    MainVoid(TypedFunc<(), u32>),
}

/// Callbacks of ABI 0.2.1; one that the filter does not export is not made.
pub(crate) struct Callbacks {
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) entries: Vec<(&'static str, Entry)>,
    pub(crate) context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) vm_start: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) configure: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) tick: Option<TypedFunc<u32, ()>>,
    pub(crate) queue_ready: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) foreign_function: Option<TypedFunc<(u32, u32, u32), ()>>,
    pub(crate) new_connection: Option<TypedFunc<u32, u32>>,
    pub(crate) downstream_data: Option<PartSeen>,
    pub(crate) upstream_data: Option<PartSeen>,
    pub(crate) downstream_close: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) upstream_close: Option<TypedFunc<(u32, u32), ()>>,
    request: MessageCallbacks,
    response: MessageCallbacks,
    pub(crate) http_call_response: Option<TypedFunc<CallAnswered, ()>>,
    pub(crate) grpc_initial_metadata: Option<GrpcEvent>,
    pub(crate) grpc_receive: Option<GrpcEvent>,
    pub(crate) grpc_trailing_metadata: Option<GrpcEvent>,
    pub(crate) grpc_close: Option<GrpcEvent>,
    pub(crate) done: Option<TypedFunc<u32, u32>>,
    pub(crate) log: Option<TypedFunc<u32, ()>>,
    pub(crate) delete: Option<TypedFunc<u32, ()>>,
}

impl Callbacks {
    pub(crate) fn of(instance: &Instance, store: &mut Store<Host>) -> Result<Self, HarnessError> {
        // In Envoy's order.
        let allocate = match find(instance, store, "malloc")? {
            Some(allocate) => Some(allocate),
            None => find(instance, store, "proxy_on_memory_allocate")?,
        };
        Ok(Self {
            allocate,
            entries: entries(instance, store)?,
            context_create: find(instance, store, "proxy_on_context_create")?,
            vm_start: find(instance, store, "proxy_on_vm_start")?,
            configure: find(instance, store, "proxy_on_configure")?,
            tick: find(instance, store, "proxy_on_tick")?,
            queue_ready: find(instance, store, "proxy_on_queue_ready")?,
            foreign_function: find(instance, store, "proxy_on_foreign_function")?,
            new_connection: find(instance, store, "proxy_on_new_connection")?,
            downstream_data: find(instance, store, "proxy_on_downstream_data")?,
            upstream_data: find(instance, store, "proxy_on_upstream_data")?,
            downstream_close: find(instance, store, "proxy_on_downstream_connection_close")?,
            upstream_close: find(instance, store, "proxy_on_upstream_connection_close")?,
            request: message(instance, store, Direction::Request)?,
            response: message(instance, store, Direction::Response)?,
            http_call_response: find(instance, store, "proxy_on_http_call_response")?,
            grpc_initial_metadata: find(instance, store, "proxy_on_grpc_receive_initial_metadata")?,
            grpc_receive: find(instance, store, "proxy_on_grpc_receive")?,
            grpc_trailing_metadata: find(instance, store, "proxy_on_grpc_receive_trailing_metadata")?,
            grpc_close: find(instance, store, "proxy_on_grpc_close")?,
            done: find(instance, store, "proxy_on_done")?,
            log: find(instance, store, "proxy_on_log")?,
            delete: find(instance, store, "proxy_on_delete")?,
        })
    }

    pub(crate) const fn message(&self, direction: Direction) -> &MessageCallbacks {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }
}

/// Envoy calls `_initialize` of a reactor and then its `main`, else `_start` of a command.
fn entries(instance: &Instance, store: &mut Store<Host>) -> Result<Vec<(&'static str, Entry)>, HarnessError> {
    let Some(initialize) = find(instance, store, "_initialize")? else {
        let start = find(instance, store, "_start")?;
        return Ok(start.into_iter().map(|start| ("_start", Entry::Void(start))).collect());
    };
    let mut entries = vec![("_initialize", Entry::Void(initialize))];
    if let Some(main) = find(instance, store, "main")? {
        entries.push(("main", Entry::Main(main)));
    } else if let Some(main) = find(instance, store, "__main_void")? {
        entries.push(("__main_void", Entry::MainVoid(main)));
    }
    Ok(entries)
}

fn message(
    instance: &Instance,
    store: &mut Store<Host>,
    direction: Direction,
) -> Result<MessageCallbacks, HarnessError> {
    Ok(MessageCallbacks {
        headers: find(instance, store, headers_callback(direction))?,
        body: find(instance, store, body_callback(direction))?,
        trailers: find(instance, store, trailers_callback(direction))?,
    })
}

pub(crate) const fn headers_callback(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "proxy_on_request_headers",
        Direction::Response => "proxy_on_response_headers",
    }
}

pub(crate) const fn body_callback(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "proxy_on_request_body",
        Direction::Response => "proxy_on_response_body",
    }
}

pub(crate) const fn trailers_callback(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "proxy_on_request_trailers",
        Direction::Response => "proxy_on_response_trailers",
    }
}

fn find<P: WasmParams, R: WasmResults>(
    instance: &Instance,
    store: &mut Store<Host>,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, HarnessError> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    let typed = function.typed(&*store);
    typed
        .map(Some)
        .map_err(|error| HarnessError::WrongType { name: name.to_owned(), reason: format!("{error:#}") })
}

/// How a callback ended.
pub(crate) enum Called<R> {
    Returned(R),
    /// The message says which callback it was, what happened, and where if the module has names.
    Trapped(String),
}

/// Calls into the guest as `context`.
///
/// # Errors
/// [`HarnessError::Violation`] if the strict host ended the call.
pub(crate) fn call<P: WasmParams, R: WasmResults>(
    store: &mut Store<Host>,
    function: &TypedFunc<P, R>,
    (callback, context): (&'static str, u32),
    parameters: P,
) -> Result<Called<R>, HarnessError> {
    let host = store.data_mut();
    host.callback = callback;
    host.current = context;
    host.effective = 0;
    host.touched.insert(context);
    let first_line = host.logs.len();
    let result = function.call(&mut *store, parameters);
    let host = store.data_mut();
    host.effective = 0;
    match result {
        Ok(value) => Ok(Called::Returned(value)),
        Err(error) => match host.fatal.take() {
            Some(violation) => Err(violation.into()),
            None => Ok(Called::Trapped(explain(host, first_line, &error))),
        },
    }
}

/// A trap in words: the callback, the cause, the innermost functions, and what the panic hook last said.
pub(crate) fn explain(host: &Host, first_line: usize, error: &wasmtime::Error) -> String {
    let cause = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    let mut message = format!("{}: {cause}", host.callback);
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        for name in backtrace.frames().iter().filter_map(|frame| frame.func_name()).take(6) {
            message.push_str(" < ");
            message.push_str(name);
        }
    }
    let lines = host.logs.get(first_line..).unwrap_or_default();
    if let Some(line) = lines.iter().rev().find(|line| line.level >= LogLevel::Error) {
        message.push_str(" (last said: ");
        message.push_str(&line.message);
        message.push(')');
    }
    message
}
