//! Every callback of the proxy, in one file: proxy-wasm ABI 0.2.1.
//!
//! Exported is what does something here and no more: a proxy skips what a module does not export, and each callback is a
//! call into the virtual machine, for every request. What a callback hands over is numbers; what they stand for is kept in
//! [`Module`].

#![expect(unsafe_code, reason = "exports of the module; each says why it is sound")]

use crate::request;
use crate::root::Root;
use crate::worker::Worker;
use mandate_core::http::ReservedHeaders;
use mandate_core::reason::Reason;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What the proxy does with the part of a request that a callback was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    Continue = 0,
    Pause = 1,
}

/// Everything in one virtual machine. Several plugins, or the old and the new configuration of one, may share it; each has
/// a root context.
#[derive(Debug)]
struct Module {
    roots: BTreeMap<u32, Root>,
    streams: Streams,
}

/// The requests that the proxy has open, by context.
#[derive(Debug)]
pub struct Streams(BTreeMap<u32, Stream>);

#[derive(Debug)]
struct Stream {
    root: u32,
    /// Until this is set nothing of the request goes on.
    passed: bool,
}

impl Streams {
    /// Whether what comes of this request goes on.
    pub fn action(&self, context: u32) -> Action {
        if self.0.get(&context).is_some_and(|stream| stream.passed) {
            Action::Continue
        } else {
            Action::Pause
        }
    }

    /// Lets the request go on, or not.
    pub fn set_passed(&mut self, context: u32, passed: bool) {
        if let Some(stream) = self.0.get_mut(&context) {
            stream.passed = passed;
        }
    }
}

thread_local! {
    static MODULE: RefCell<Module> =
        const { RefCell::new(Module { roots: BTreeMap::new(), streams: Streams(BTreeMap::new()) }) };
}

/// `None` if the proxy called back while another callback ran, which it never should.
fn with<T>(run: impl FnOnce(&mut Module) -> T) -> Option<T> {
    MODULE.with(|module| module.try_borrow_mut().ok().map(|mut module| run(&mut module)))
}

fn with_root(context: u32, run: impl FnOnce(&mut Root, &mut Streams)) {
    with(|Module { roots, streams }| roots.get_mut(&context).map(|root| run(root, streams)));
}

impl Module {
    /// The worker of a request's plugin; `None` for a context that the proxy never announced, or whose plugin is gone.
    fn of_stream(&mut self, context: u32) -> Option<(&mut Worker, &mut Stream)> {
        let stream = self.streams.0.get_mut(&context)?;
        Some((&mut self.roots.get_mut(&stream.root)?.worker, stream))
    }

    fn create(&mut self, context: u32, parent: u32) {
        if parent == 0 {
            self.roots.insert(context, Root::new(context));
        } else if let Some(earlier) = self.streams.0.insert(context, Stream { root: parent, passed: false }) {
            // Nothing that an earlier request of this number left may be taken for this one's.
            self.forget(earlier.root, context);
        }
    }

    fn configure(&mut self, context: u32) -> bool {
        let Some(mut root) = self.roots.remove(&context) else { return false };
        let taken = root.configure(self.roots.values());
        self.roots.insert(context, root);
        taken
    }

    fn request_headers(&mut self, context: u32, count: usize, end: bool) -> Option<Action> {
        let (worker, stream) = self.of_stream(context)?;
        worker.forget(context);
        stream.passed = request::on_headers(worker, context, count, end);
        Some(if stream.passed { Action::Continue } else { Action::Pause })
    }

    fn request_trailers(&mut self, context: u32, count: usize) -> Action {
        // Nothing is passed on in trailers, whatever the configuration passes on in headers.
        let stripped = match self.of_stream(context) {
            Some((worker, _)) => request::on_trailers(worker.all_reserved(), count),
            None => request::on_trailers(&ReservedHeaders::default(), count),
        };
        if !stripped && let Some(stream) = self.streams.0.get_mut(&context) {
            stream.passed = false;
            let root = stream.root;
            // Nor may it pass later.
            self.forget(root, context);
        }
        self.streams.action(context)
    }

    fn delete(&mut self, context: u32) {
        match self.streams.0.remove(&context) {
            Some(stream) => self.forget(stream.root, context),
            None => drop(self.roots.remove(&context)),
        }
    }

    /// What is over waits no longer: the client may have gone meanwhile.
    fn forget(&mut self, root: u32, context: u32) {
        if let Some(root) = self.roots.get_mut(&root) {
            root.worker.forget(context);
        }
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
    with(|module| module.create(context, parent));
}

/// Says no to a configuration that is wrong: the proxy then keeps the one before, and does not start with a wrong first one.
/// Should it go on all the same, every request is denied.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, _: usize) -> u32 {
    u32::from(with(|module| module.configure(root)).unwrap_or(false))
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    with_root(root, Root::tick);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(root: u32, token: u32, _: usize, body_size: usize, _: usize) {
    with_root(root, |root, streams| root.answered(streams, token, body_size));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, count: usize, end: u32) -> Action {
    with(|module| module.request_headers(context, count, end != 0)).flatten().unwrap_or_else(|| {
        Worker::default().refuse(Reason::Internal);
        Action::Pause
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, _: usize, _: u32) -> Action {
    with(|module| module.streams.action(context)).unwrap_or(Action::Pause)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context: u32, count: usize) -> Action {
    with(|module| module.request_trailers(context, count)).unwrap_or(Action::Pause)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    with(|module| module.delete(context));
}
