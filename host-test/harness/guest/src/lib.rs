//! Filters of the usual kinds, written with the `proxy-wasm` crate, for the tests of the harness. One module holds them all;
//! the root id of the plugin says which one it is.

#![expect(missing_docs, reason = "the entry point that the macro makes")]

mod bodies;
mod call_out;
mod grpc;
mod headers;
mod metrics;
mod shared;
mod tcp;
mod ticks;

use proxy_wasm::traits::{Context, RootContext};
use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);

    proxy_wasm::set_root_context(|_| make_root());
}}

fn make_root() -> Box<dyn RootContext> {
    let root_id = NoFilter.get_property(vec!["plugin_root_id"]).unwrap_or_default();
    match root_id.as_slice() {
        b"bodies" => Box::new(bodies::Root),
        b"call-out" => Box::new(call_out::Root),
        b"grpc-call" => Box::new(grpc::Root::unary()),
        b"grpc-stream" => Box::new(grpc::Root::streaming()),
        b"metrics" => Box::new(metrics::Root::default()),
        b"shared" => Box::new(shared::Root::default()),
        b"tcp" => Box::new(tcp::Root),
        b"ticks" => Box::new(ticks::Root::default()),
        _ => Box::new(headers::Root::default()),
    }
}

/// A context without a filter.
struct NoFilter;

impl Context for NoFilter {}
impl RootContext for NoFilter {}
