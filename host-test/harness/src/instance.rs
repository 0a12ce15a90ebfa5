//! The callbacks of one instance, each with the ABI's own signature, and what it means when one of them fails.

use wasmtime::{Instance, Store, Trap, TypedFunc, WasmBacktrace, WasmParams, WasmResults};

use crate::error::HarnessError;
use crate::host::{Host, LogLevel};

/// Parameters of `proxy_on_http_call_response`: context, token, and the sizes of headers, body and trailers.
type CallAnswered = (u32, u32, u32, u32, u32);

/// Callbacks of ABI 0.2.1 that this host makes; one that the filter does not export is not made.
pub(crate) struct Callbacks {
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) initialize: Option<TypedFunc<(), ()>>,
    pub(crate) context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) vm_start: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) configure: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) tick: Option<TypedFunc<u32, ()>>,
    pub(crate) request_headers: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) request_body: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) request_trailers: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) http_call_response: Option<TypedFunc<CallAnswered, ()>>,
    pub(crate) done: Option<TypedFunc<u32, u32>>,
    pub(crate) log: Option<TypedFunc<u32, ()>>,
    pub(crate) delete: Option<TypedFunc<u32, ()>>,
}

impl Callbacks {
    pub(crate) fn of(instance: &Instance, store: &mut Store<Host>) -> Result<Self, HarnessError> {
        // Envoy calls `_initialize` of a reactor, else `_start` of a command.
        let initialize = match find(instance, store, "_initialize")? {
            Some(initialize) => Some(initialize),
            None => find(instance, store, "_start")?,
        };
        let allocate = match find(instance, store, "proxy_on_memory_allocate")? {
            Some(allocate) => Some(allocate),
            None => find(instance, store, "malloc")?,
        };
        Ok(Self {
            allocate,
            initialize,
            context_create: find(instance, store, "proxy_on_context_create")?,
            vm_start: find(instance, store, "proxy_on_vm_start")?,
            configure: find(instance, store, "proxy_on_configure")?,
            tick: find(instance, store, "proxy_on_tick")?,
            request_headers: find(instance, store, "proxy_on_request_headers")?,
            request_body: find(instance, store, "proxy_on_request_body")?,
            request_trailers: find(instance, store, "proxy_on_request_trailers")?,
            http_call_response: find(instance, store, "proxy_on_http_call_response")?,
            done: find(instance, store, "proxy_on_done")?,
            log: find(instance, store, "proxy_on_log")?,
            delete: find(instance, store, "proxy_on_delete")?,
        })
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
