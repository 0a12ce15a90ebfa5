//! The contract as Rust sees it, generated from `wit`, which is a link to the folder in the SDK.
#![allow(missing_docs, reason = "generated; the contract itself is documented in its WIT")]

wasmtime::component::bindgen!({
    world: "policy",
    path: "wit",
    // A question that cannot be answered ends the call.
    imports: { default: trappable },
    with: { "mandate:policy/request.request": super::host::Request },
});

/// The contract of 0.1.1, whose `obligation` had two cases. What a policy may ask has only grown since 0.1.0, so today's host
/// answers.
pub mod earlier {
    wasmtime::component::bindgen!({
        world: "policy",
        path: "../filter/seam/tests/contract-0.1.1",
        imports: { default: trappable },
        with: {
            "mandate:policy/request": crate::oracle::bindings::mandate::policy::request,
            "mandate:policy/log": crate::oracle::bindings::mandate::policy::log,
        },
    });
}
