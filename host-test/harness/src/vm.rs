//! A running virtual machine, and how a test drives it.

mod http;

use std::collections::BTreeMap;
use std::time::Duration;

use wasmtime::Store;

use crate::builder::{Timestamp, check_injection};
use crate::call::{HostCall, Injection};
use crate::error::{HarnessError, Violation};
use crate::filter::Filter;
use crate::host::{CallAnswer, CallResponse, Host, HttpCall, LogLine, ROOT_CONTEXT, VM_CONTEXT};
use crate::instance::{self, Callbacks, Called};
use crate::metric::Metric;
use crate::shared::SharedData;

/// How a virtual machine came up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Startup {
    vm_start: bool,
    configured: bool,
    trap: Option<String>,
}

impl Startup {
    /// What `proxy_on_vm_start` returned; true where the filter has none.
    #[must_use]
    pub const fn vm_start(&self) -> bool {
        self.vm_start
    }

    /// What `proxy_on_configure` returned; true where the filter has none. Envoy serves nothing after a refusal.
    #[must_use]
    pub const fn configured(&self) -> bool {
        self.configured
    }

    /// The trap that ended the start, if one did.
    #[must_use]
    pub fn trap(&self) -> Option<&str> {
        self.trap.as_deref()
    }
}

/// One worker's virtual machine with one root context. It is `Send`: give each thread of a proxy its own.
pub struct Vm {
    filter: Filter,
    store: Store<Host>,
    callbacks: Option<Callbacks>,
    startup: Startup,
    dead: Option<String>,
}

impl Vm {
    pub(super) fn start(filter: Filter, host: Host) -> Result<Self, HarnessError> {
        let store = new_store(&filter, host);
        let mut vm = Self { filter, store, callbacks: None, startup: Startup::default(), dead: None };
        vm.boot()?;
        Ok(vm)
    }

    fn boot(&mut self) -> Result<(), HarnessError> {
        self.store.data_mut().callback = "start function";
        let filter = self.filter.clone();
        let instance = match filter.instance().instantiate(&mut self.store) {
            Ok(instance) => instance,
            Err(error) => {
                if let Some(violation) = self.store.data_mut().fatal.take() {
                    return Err(violation.into());
                }
                let message = instance::explain(self.store.data(), 0, &error);
                self.fail_start(message);
                return Ok(());
            }
        };
        let callbacks = Callbacks::of(&instance, &mut self.store)?;
        let memory = instance.get_memory(&mut self.store, "memory");
        let host = self.store.data_mut();
        host.memory = memory;
        host.allocate = callbacks.allocate.clone();
        let (vm_size, plugin_size) = (len32(host.vm_configuration.len()), len32(host.configuration.len()));

        let initialize = callbacks.initialize.clone();
        let create = callbacks.context_create.clone();
        let (vm_start, configure) = (callbacks.vm_start.clone(), callbacks.configure.clone());
        self.callbacks = Some(callbacks);

        self.startup = Startup { vm_start: true, configured: true, trap: None };
        if let Some(initialize) = initialize
            && self.during_start(&initialize, ("_initialize", VM_CONTEXT), ())?.is_none()
        {
            return Ok(());
        }
        if let Some(create) = create
            && self
                .during_start(&create, ("proxy_on_context_create", ROOT_CONTEXT), (ROOT_CONTEXT, 0))?
                .is_none()
        {
            return Ok(());
        }
        if let Some(start) = vm_start {
            let Some(answer) =
                self.during_start(&start, ("proxy_on_vm_start", ROOT_CONTEXT), (ROOT_CONTEXT, vm_size))?
            else {
                return Ok(());
            };
            self.startup.vm_start = answer != 0;
        }
        // Envoy does not configure a virtual machine that would not start.
        if !self.startup.vm_start {
            self.startup.configured = false;
            self.dead = Some("proxy_on_vm_start returned false".to_owned());
            return Ok(());
        }
        if let Some(configure) = configure {
            let Some(answer) = self.during_start(
                &configure,
                ("proxy_on_configure", ROOT_CONTEXT),
                (ROOT_CONTEXT, plugin_size),
            )?
            else {
                return Ok(());
            };
            self.startup.configured = answer != 0;
        }
        if !self.startup.configured && !self.store.data().goes_on_refused {
            self.dead = Some("proxy_on_configure returned false".to_owned());
        }
        Ok(())
    }

    fn during_start<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        function: &wasmtime::TypedFunc<P, R>,
        at: (&'static str, u32),
        parameters: P,
    ) -> Result<Option<R>, HarnessError> {
        match instance::call(&mut self.store, function, at, parameters)? {
            Called::Returned(value) => Ok(Some(value)),
            Called::Trapped(message) => {
                self.fail_start(message);
                Ok(None)
            }
        }
    }

    fn fail_start(&mut self, message: String) {
        self.dead = Some(message.clone());
        self.startup = Startup { vm_start: false, configured: false, trap: Some(message) };
    }

    /// Configures the plugin anew in the context that it has, and gives what the filter says: ABI 0.2.1 allows it, and Envoy
    /// does not do it (see [`Vm::update`]). The filter lives on, whatever it says.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule. A trap is no error; see [`Vm::dead`].
    pub fn reconfigure(&mut self, configuration: impl Into<Vec<u8>>) -> Result<bool, HarnessError> {
        let root = self.store.data().root;
        self.configure(root, configuration.into())
    }

    /// Updates the plugin's configuration as Envoy does: beside the present root context a new one is made and configured. If
    /// the filter takes the configuration, new requests, ticks and answers go to the new context and the old one is deleted;
    /// if not, all stays as it was. Gives what the filter said.
    ///
    /// Envoy deletes the old context when its last request is over, and the harness at once: let its requests end before.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule. A trap is no error; see [`Vm::dead`].
    pub fn update(&mut self, configuration: impl Into<Vec<u8>>) -> Result<bool, HarnessError> {
        let host = self.store.data_mut();
        let (old, new) = (host.root, host.next_context);
        host.next_context = host.next_context.saturating_add(1);
        host.root = new;
        let (period, calls) = (host.tick_period.take(), std::mem::take(&mut host.calls));
        let create = self.callbacks.as_ref().and_then(|callbacks| callbacks.context_create.clone());
        if let Some(create) = create {
            self.root_callback(&create, "proxy_on_context_create", (new, 0))?;
        }
        let taken = self.configure(new, configuration.into())?;
        let host = self.store.data_mut();
        if !taken {
            host.root = old;
            (host.tick_period, host.calls) = (period, calls);
        }
        let delete = self.callbacks.as_ref().and_then(|callbacks| callbacks.delete.clone());
        if let Some(delete) = delete {
            self.root_callback(&delete, "proxy_on_delete", if taken { old } else { new })?;
        }
        Ok(taken)
    }

    fn configure(&mut self, root: u32, configuration: Vec<u8>) -> Result<bool, HarnessError> {
        let configure = self.callbacks.as_ref().and_then(|callbacks| callbacks.configure.clone());
        let (Some(configure), None) = (configure, &self.dead) else { return Ok(self.dead.is_none()) };
        let size = len32(configuration.len());
        let before = std::mem::replace(&mut self.store.data_mut().configuration, configuration);
        let answer =
            match instance::call(&mut self.store, &configure, ("proxy_on_configure", root), (root, size)) {
                Ok(Called::Returned(answer)) => answer != 0,
                Ok(Called::Trapped(message)) => {
                    self.dead = Some(message);
                    false
                }
                Err(error) => {
                    self.dead = Some(error.to_string());
                    return Err(error);
                }
            };
        if !answer {
            self.store.data_mut().configuration = before;
        }
        self.settle()?;
        Ok(answer)
    }

    /// Replaces a virtual machine by a fresh one of the same filter and configuration, as Envoy's `FAIL_RELOAD` does.
    ///
    /// Streams and calls are lost, and the tick period; shared data, metrics, logs, violations, counters, injections, the
    /// time and the random stream go on.
    ///
    /// # Errors
    /// As [`VmBuilder::start_or_dead`](crate::VmBuilder::start_or_dead).
    pub fn reload(&mut self) -> Result<(), HarnessError> {
        let host = std::mem::take(self.store.data_mut()).reloaded();
        self.store = new_store(&self.filter, host);
        self.callbacks = None;
        self.dead = None;
        self.boot()
    }

    /// How the virtual machine came up, last time.
    #[must_use]
    pub const fn startup(&self) -> &Startup {
        &self.startup
    }

    /// Why the virtual machine serves nothing any more, if so.
    #[must_use]
    pub fn dead(&self) -> Option<&str> {
        self.dead.as_deref()
    }

    /// The time that the filter sees.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.store.data().now)
    }

    /// Sets the time, which may go backwards. Nothing ticks by itself.
    pub fn set_now(&mut self, now: impl Into<Timestamp>) {
        self.store.data_mut().set_now(now.into().as_nanos());
    }

    /// Lets time pass. Nothing ticks by itself.
    pub fn advance(&mut self, by: Duration) {
        let by = Timestamp::from(by).as_nanos();
        self.set_now(Timestamp::from_nanos(self.now().as_nanos().saturating_add(by)));
    }

    /// How often Envoy would tick; `None` until the filter asks for it.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        self.store.data().tick_period
    }

    /// Ticks once.
    ///
    /// # Errors
    /// [`HarnessError::NoTick`] if the filter asked for no ticks, [`HarnessError::Violation`] if it broke a rule. A trap is
    /// no error; see [`Vm::dead`].
    pub fn tick(&mut self) -> Result<(), HarnessError> {
        if self.tick_period().is_none() {
            return Err(HarnessError::NoTick);
        }
        let tick = self.callbacks.as_ref().and_then(|callbacks| callbacks.tick.clone());
        match tick {
            Some(tick) => {
                let root = self.store.data().root;
                self.root_callback(&tick, "proxy_on_tick", root)
            }
            None => Ok(()),
        }
    }

    /// The HTTP calls that wait for an answer, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<HttpCall> {
        self.store.data().calls.values().cloned().collect()
    }

    /// Answers a call. Streams that this releases, or that are answered, say so in [`Vm::outcome`].
    ///
    /// # Errors
    /// [`HarnessError::UnknownCall`] if no such call is pending, [`HarnessError::Violation`] if the filter broke a rule. A
    /// trap is no error; see [`Vm::dead`].
    pub fn answer_call(&mut self, token: u32, response: CallResponse) -> Result<(), HarnessError> {
        self.deliver(token, CallAnswer::Response(response))
    }

    /// Lets a call fail: a reset, a timeout, no healthy host. Envoy reports no headers and no body then.
    ///
    /// # Errors
    /// As [`Vm::answer_call`].
    pub fn fail_call(&mut self, token: u32) -> Result<(), HarnessError> {
        self.deliver(token, CallAnswer::Failed)
    }

    fn deliver(&mut self, token: u32, answer: CallAnswer) -> Result<(), HarnessError> {
        let host = self.store.data_mut();
        if host.calls.remove(&token).is_none() {
            return Err(HarnessError::UnknownCall(token));
        }
        let (headers, body, trailers) = match &answer {
            CallAnswer::Response(response) => (
                len32(response.headers.len()),
                len32(response.body.len()),
                response.trailers.as_ref().map_or(0, |trailers| len32(trailers.len())),
            ),
            CallAnswer::None | CallAnswer::Failed => (0, 0, 0),
        };
        let response = self.callbacks.as_ref().and_then(|callbacks| callbacks.http_call_response.clone());
        let Some(response) = response else { return Ok(()) };
        self.store.data_mut().answer = answer;
        let parameters = (self.store.data().root, token, headers, body, trailers);
        let result = self.root_callback(&response, "proxy_on_http_call_response", parameters);
        self.store.data_mut().answer = CallAnswer::None;
        result
    }

    /// Makes a callback of the root context, then does what it asked for.
    fn root_callback<P: wasmtime::WasmParams>(
        &mut self,
        function: &wasmtime::TypedFunc<P, ()>,
        callback: &'static str,
        parameters: P,
    ) -> Result<(), HarnessError> {
        // Envoy calls nothing in a virtual machine that failed.
        if self.dead.is_some() {
            return Ok(());
        }
        let root = self.store.data().root;
        match instance::call(&mut self.store, function, (callback, root), parameters) {
            Ok(Called::Returned(())) => {}
            Ok(Called::Trapped(message)) => self.dead = Some(message),
            Err(error) => {
                self.dead = Some(error.to_string());
                return Err(error);
            }
        }
        self.settle()
    }

    /// Makes one of the host functions fail from now on, or once. The injection added last wins.
    ///
    /// # Errors
    /// [`HarnessError::Injection`] if the call cannot have the effect.
    pub fn inject(&mut self, injection: Injection) -> Result<(), HarnessError> {
        check_injection(&injection)?;
        self.store.data_mut().injections.push(injection);
        Ok(())
    }

    /// Takes every injection away.
    pub fn clear_injections(&mut self) {
        self.store.data_mut().injections.clear();
    }

    /// How often each host function was called since the machine was built, reloads included. Functions that were never
    /// called are missing.
    #[must_use]
    pub fn call_counts(&self) -> BTreeMap<HostCall, u64> {
        let counts = HostCall::ALL.into_iter().zip(self.store.data().counts);
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// What the filter logged, oldest first.
    #[must_use]
    pub fn logs(&self) -> &[LogLine] {
        &self.store.data().logs
    }

    /// The same, and forgets it; a long-running host must do so now and then.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.store.data_mut().logs)
    }

    /// The value of a counter or gauge, the count of a histogram; `None` if no such metric was defined.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.store.data().metrics.values().get(name).map(|metric| metric.value())
    }

    /// Every metric that was defined, by name.
    #[must_use]
    pub fn metrics(&self) -> &BTreeMap<String, Metric> {
        self.store.data().metrics.values()
    }

    /// What the filter did that no correct filter does. In strict mode the call also failed.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.store.data().violations
    }

    /// The shared data that this virtual machine uses.
    #[must_use]
    pub fn shared_data(&self) -> SharedData {
        self.store.data().shared.clone()
    }

    /// Octets of the guest's first memory, which only ever grows.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    /// How many WebAssembly instructions it carried out since it was started or reloaded; `None` unless its filter was
    /// compiled to count them; those that only mark where a block begins or ends, `drop` and `return` are not counted. The
    /// same calls take as many on every machine and at any load.
    #[must_use]
    pub fn instructions(&self) -> Option<u64> {
        self.store.get_fuel().ok().map(|left| FUEL - left)
    }
}

/// More than any virtual machine uses: what is measured is how much is gone.
const FUEL: u64 = u64::MAX;

fn new_store(filter: &Filter, host: Host) -> Store<Host> {
    let mut store = Store::new(filter.engine(), host);
    if filter.counts() {
        // Only an engine that does not count refuses it.
        store.set_fuel(FUEL).ok();
    }
    store
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").field("startup", &self.startup).field("dead", &self.dead).finish_non_exhaustive()
    }
}

/// A size for the guest, whose memory has no room for more anyway.
pub(super) fn len32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
