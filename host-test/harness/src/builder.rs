//! Everything about a virtual machine that is decided before it starts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::call::{Effect, Injection};
use crate::error::HarnessError;
use crate::filter::Filter;
use crate::host::Host;
use crate::log::LogLevel;
use crate::plugin::Plugin;
use crate::shared::SharedData;
use crate::status::Status;
use crate::verify::VerifySignature;
use crate::vm::Vm;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. A bare `u64` means **seconds**.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From whole seconds, saturating in the year 2554.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// From nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// In nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl From<u64> for Timestamp {
    fn from(secs: u64) -> Self {
        Self::from_secs(secs)
    }
}

impl From<Duration> for Timestamp {
    fn from(since_epoch: Duration) -> Self {
        Self(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        // The ABI cannot say a time before 1970.
        Self::from(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// Sets up one virtual machine: one worker of one proxy.
#[must_use]
pub struct VmBuilder {
    filter: Filter,
    host: Host,
    vm_id: Option<String>,
}

impl VmBuilder {
    pub(crate) fn new(filter: Filter) -> Self {
        Self { filter, host: Host::default(), vm_id: None }
    }

    /// The configuration of the first plugin, as the filter reads it in `proxy_on_configure`. Default: empty.
    pub fn configuration(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        if let Some(first) = self.host.plugins.first_mut() {
            first.configuration = bytes.into();
        }
        self
    }

    /// The root id of the first plugin (the property `plugin_root_id`), by which a module that holds several filters tells
    /// them apart. Default: empty.
    pub fn root_id(mut self, root_id: impl Into<String>) -> Self {
        if let Some(first) = self.host.plugins.first_mut() {
            first.root_id = root_id.into();
        }
        self
    }

    /// The name of the first plugin (the property `plugin_name`). Default: empty.
    pub fn plugin_name(mut self, name: impl Into<String>) -> Self {
        if let Some(first) = self.host.plugins.first_mut() {
            first.name = name.into();
        }
        self
    }

    /// A further plugin in the same virtual machine, with a root context of its own.
    pub fn plugin(mut self, plugin: Plugin) -> Self {
        self.host.plugins.push(plugin);
        self
    }

    /// The id of the virtual machine (the property `plugin_vm_id`), which shared data and queues are kept apart by. Default:
    /// that of the shared data, which is empty.
    pub fn vm_id(mut self, vm_id: impl Into<String>) -> Self {
        self.vm_id = Some(vm_id.into());
        self
    }

    /// The virtual machine's configuration, as the filter reads it in `proxy_on_vm_start`. Default: empty.
    pub fn vm_configuration(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.host.vm_configuration = bytes.into();
        self
    }

    /// What time it is; it stands still until [`Vm::advance`] or [`Vm::set_now`]. Default: 1,700,000,000 seconds.
    pub fn now(mut self, now: impl Into<Timestamp>) -> Self {
        self.host.now = now.into().as_nanos();
        self
    }

    /// Seed of `random_get`; the same seed gives the same bytes. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.host.random = seed;
        self
    }

    /// Shared data and queues of the proxy. Default: of this virtual machine alone.
    pub fn shared_data(mut self, shared: SharedData) -> Self {
        self.host.shared = shared;
        self
    }

    /// A variable of the environment, as Envoy's `environment_variables` gives it to the module. Default: none.
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.host.environment.push((name.into(), value.into()));
        self
    }

    /// A property that every context has. Segments of the path are joined by dots: `source.address`.
    pub fn property(mut self, path: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.host.properties.insert(path.into(), value.into());
        self
    }

    /// The clusters that calls may name; a call to another one gets `BadArgument`. Default: any cluster.
    pub fn clusters<C: Into<String>>(mut self, clusters: impl IntoIterator<Item = C>) -> Self {
        self.host.clusters = Some(clusters.into_iter().map(Into::into).collect());
        self
    }

    /// How the host answers the foreign function `verify_signature`. Default: [`VerifySignature::Real`].
    pub fn verify_signature(mut self, mode: VerifySignature) -> Self {
        self.host.verify = mode;
        self
    }

    /// A foreign function of the test's own, which takes precedence over the built-in one of the same name.
    pub fn foreign(
        mut self,
        name: impl Into<String>,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync + 'static,
    ) -> Self {
        self.host.foreign.insert(name.into(), std::sync::Arc::new(function));
        self
    }

    /// Envoy's `allow_on_headers_stop_iteration`: with it, a filter that pauses a message at its headers is still shown the
    /// body. Default: off, as in Envoy, where such a filter is shown nothing more.
    pub fn allow_on_headers_stop_iteration(mut self, allow: bool) -> Self {
        self.host.stop_headers_alone = allow;
        self
    }

    /// What `proxy_get_log_level` says. Every line is kept, whatever its level. Default: `Trace`.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.host.log_level = level;
        self
    }

    /// Whether a violation ends the call with an error (the default), or is only recorded and answered as Envoy would.
    pub fn strict(mut self, strict: bool) -> Self {
        self.host.strict = strict;
        self
    }

    /// Whether requests reach a filter that refused its configuration, as in a proxy that does not heed the refusal. Default:
    /// no; the virtual machine is dead then, as Envoy serves nothing.
    pub fn go_on_refused(mut self, go_on: bool) -> Self {
        self.host.goes_on_refused = go_on;
        self
    }

    /// A fault from the very start, see [`Vm::inject`]. One that cannot be is refused when the machine starts.
    pub fn inject(mut self, injection: Injection) -> Self {
        self.host.injections.push(injection);
        self
    }

    /// Starts the virtual machine: `_initialize`, and for each plugin the root context, `proxy_on_vm_start` and
    /// `proxy_on_configure`.
    ///
    /// A filter that refuses its configuration starts nevertheless, dead: see [`Vm::startup`].
    ///
    /// # Errors
    /// [`HarnessError::Start`] if the filter trapped, [`HarnessError::Violation`] if it broke a rule of the strict host,
    /// [`HarnessError::WrongType`] if a callback has another signature than the ABI's, and [`HarnessError::Injection`].
    pub fn start(self) -> Result<Vm, HarnessError> {
        let vm = self.start_or_dead()?;
        match vm.startup().trap() {
            Some(message) => Err(HarnessError::Start(message.to_owned())),
            None => Ok(vm),
        }
    }

    /// The same, but a trap leaves a dead virtual machine behind, as in Envoy: its logs can be read, and every request
    /// comes out as [`Outcome::Trapped`](crate::Outcome::Trapped).
    ///
    /// # Errors
    /// As [`VmBuilder::start`], except [`HarnessError::Start`].
    pub fn start_or_dead(self) -> Result<Vm, HarnessError> {
        for injection in &self.host.injections {
            check_injection(injection)?;
        }
        let mut host = self.host;
        if let Some(vm_id) = &self.vm_id {
            host.shared = host.shared.of_vm_id(vm_id);
        }
        host.worker = host.shared.new_worker();
        Vm::start(self.filter, host)
    }
}

pub(crate) fn check_injection(injection: &Injection) -> Result<(), HarnessError> {
    if matches!(injection.effect, Effect::Bytes(_)) && !injection.call.returns_bytes() {
        return Err(HarnessError::Injection { call: injection.call });
    }
    Ok(())
}
