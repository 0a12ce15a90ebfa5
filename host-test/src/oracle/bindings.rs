//! The contract as Rust sees it, generated from `wit`, which is a link to the folder in the SDK.
#![allow(missing_docs, reason = "generated; the contract itself is documented in its WIT")]

wasmtime::component::bindgen!({
    world: "policy",
    path: "wit",
    // A question that cannot be answered ends the call.
    imports: { default: trappable },
    with: { "mandate:policy/request.request": super::host::Request },
});
