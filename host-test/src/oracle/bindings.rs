//! The contract as Rust sees it, generated from `policy-sdk/wit`.
#![allow(missing_docs, reason = "generated; the contract itself is documented in its WIT")]

wasmtime::component::bindgen!({
    world: "policy",
    path: "../policy-sdk/wit",
    // A question that cannot be answered ends the call.
    imports: { default: trappable },
    with: { "mandate:policy/request.request": super::host::Request },
});
