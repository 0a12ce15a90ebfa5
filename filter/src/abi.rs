//! Every callback of the proxy, in one file: proxy-wasm ABI 0.2.1.
//!
//! Exported is what does something here and no more: a proxy skips what a module does not export, and each callback is a
//! call into the virtual machine, for every request. What a callback hands over is numbers; what they stand for is kept in
//! [`Module`].
//!
//! **Why not the `proxy-wasm` crate?** Its dispatcher and its wrappers cost more, and can panic. A filter of that crate that
//! reads all headers and sets one adds about 1.5 times the processor time of a module that makes the same two calls by hand
//! (24 and 16 µs a request in one run); `cargo bench -p mandate-benches --bench targets` measures both in Envoy. A panic is a trap, and
//! a trap costs every request in flight on that worker. Two of the crate's panics cannot be avoided from outside: version
//! 0.2.5 unwraps `proxy_set_effective_context` before it hands over the response to a call, and panics when
//! `proxy_http_call` answers a status that it does not expect. Here every status is an error like any other.

#![expect(unsafe_code, reason = "exports of the module; each says why it is sound")]

use crate::host::Proxy;
use mandate_core::plugin::{Action, Module};
use std::cell::RefCell;

thread_local! {
    static MODULE: RefCell<Module> = const { RefCell::new(Module::new()) };
}

/// `None` if the proxy called back while another callback ran, which it never should.
fn with<T>(run: impl FnOnce(&mut Module) -> T) -> Option<T> {
    MODULE.with(|module| module.try_borrow_mut().ok().map(|mut module| run(&mut module)))
}

/// The ABI's number of an action (`proxy_action_t`).
const fn action_number(action: Option<Action>) -> u32 {
    match action {
        Some(Action::Continue) => 0,
        Some(Action::Pause) | None => 1,
    }
}

// The names are the ABI's, and nothing else in the module has them: that is all that each of these needs to be sound.

/// Says which ABI this module is made for.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Called once, before anything else.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: wasm-ld makes this function; a module with its own `_initialize` has to call it, once.
    unsafe { __wasm_call_ctors() };
}

/// Gives the proxy room for what it hands over; [`crate::host`] takes it from there.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, parent: u32) {
    with(|module| module.create(&Proxy, context, parent));
}

/// Says no to a configuration that is wrong: the proxy then keeps the one before, and does not start with a wrong first one.
/// Should it go on all the same, every request is denied.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(plugin: u32, _: usize) -> u32 {
    u32::from(with(|module| module.configure(&Proxy, plugin)).unwrap_or(false))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(plugin: u32) {
    with(|module| module.tick(&Proxy, plugin));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(plugin: u32, token: u32, _: usize, body_size: usize, _: usize) {
    with(|module| module.call_response(&Proxy, plugin, token, body_size));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, count: usize, end: u32) -> u32 {
    let action = with(|module| module.request_headers(&Proxy, context, count, end != 0));
    if action.is_none() {
        Module::refuse(&Proxy);
    }
    action_number(action)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, end: u32) -> u32 {
    action_number(with(|module| module.request_body(&Proxy, context, size, end != 0)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, count: usize) -> u32 {
    action_number(with(|module| module.request_trailers(&Proxy, context, count)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, count: usize, end: u32) -> u32 {
    // If an answer cannot be looked at, nothing of it goes on.
    action_number(with(|module| module.response_headers(&Proxy, context, count, end != 0)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> u32 {
    action_number(with(|module| module.response_body(&Proxy, context, size, end != 0)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context: u32, _: usize) -> u32 {
    action_number(with(|module| module.response_trailers(&Proxy, context)))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    with(|module| module.delete(&Proxy, context));
}
