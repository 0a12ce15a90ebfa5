//! The harness, driven with filters of the usual kinds that are written with the `proxy-wasm` crate (`guest/`).

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "filters/bodies.rs"]
mod bodies;
#[path = "filters/call_out.rs"]
mod call_out;
#[path = "filters/grpc.rs"]
mod grpc;
#[path = "filters/headers.rs"]
mod headers;
#[path = "filters/metrics.rs"]
mod metrics;
#[path = "filters/plugins.rs"]
mod plugins;
#[path = "filters/shared.rs"]
mod shared;
#[path = "filters/tcp.rs"]
mod tcp;
#[path = "filters/ticks.rs"]
mod ticks;

use std::sync::OnceLock;

use mandate_harness::{Filter, Vm, VmBuilder};

/// The module of all these filters, built once.
fn filter() -> &'static Filter {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    FILTER.get_or_init(|| Filter::build("guest").unwrap())
}

/// The one of this root id.
fn guest(root_id: &str) -> VmBuilder {
    filter().vm().root_id(root_id)
}

fn messages(vm: &Vm) -> Vec<&str> {
    vm.logs().iter().map(|line| line.message.as_str()).collect()
}
