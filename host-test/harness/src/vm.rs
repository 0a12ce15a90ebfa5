//! A running virtual machine, and how a test drives it.

mod calls;
mod http;
mod manager;
mod roots;
mod tcp;

use std::collections::BTreeMap;
use std::time::Duration;

use wasmtime::Store;

use crate::builder::{Timestamp, check_injection};
use crate::call::{HostCall, Injection};
use crate::error::{HarnessError, Violation};
use crate::filter::Filter;
use crate::host::{Host, VM_CONTEXT};
use crate::instance::{self, Callbacks, Called, Entry};
use crate::log::LogLine;
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
    /// What `proxy_on_vm_start` returned, for every plugin; true where the filter has none.
    #[must_use]
    pub const fn vm_start(&self) -> bool {
        self.vm_start
    }

    /// What `proxy_on_configure` returned, for every plugin; true where the filter has none. Envoy serves nothing after a refusal.
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

/// One worker's virtual machine, with a root context for each of its plugins. It is `Send`: give each thread of a proxy its own.
pub struct Vm {
    filter: Filter,
    store: Store<Host>,
    callbacks: Option<Callbacks>,
    startup: Startup,
    dead: Option<String>,
}

impl Vm {
    pub(crate) fn start(filter: Filter, host: Host) -> Result<Self, HarnessError> {
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
        let mut callbacks = Callbacks::of(&instance, &mut self.store)?;
        let memory = instance.get_memory(&mut self.store, "memory");
        let host = self.store.data_mut();
        host.memory = memory;
        host.allocate = callbacks.allocate.clone();
        let entries = std::mem::take(&mut callbacks.entries);
        self.callbacks = Some(callbacks);

        self.startup = Startup { vm_start: true, configured: true, trap: None };
        for (name, entry) in entries {
            let at = (name, VM_CONTEXT);
            let returned = match entry {
                Entry::Void(function) => self.during_start(&function, at, ())?.is_some(),
                Entry::Main(function) => self.during_start(&function, at, (0, 0))?.is_some(),
                Entry::MainVoid(function) => self.during_start(&function, at, ())?.is_some(),
            };
            if !returned {
                return Ok(());
            }
        }
        for plugin in 0..self.store.data().plugins.len() {
            if !self.start_plugin(plugin)? {
                break;
            }
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

    /// Replaces a virtual machine by a fresh one of the same filter and configuration, as Envoy's `FAIL_RELOAD` does.
    ///
    /// Streams, connections and calls are lost, and the tick periods; shared data, metrics, logs, violations, counters, injections, the
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

    /// The shared data and queues that this virtual machine uses, as it sees them.
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
fn len32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
