//! Driving root contexts: plugins, their updates and ends, ticks, queues, and calls into the filter.

use std::time::Duration;

use crate::error::HarnessError;
use crate::host::{Arrival, ROOT_CONTEXT};
use crate::instance::{self, Called};
use crate::plugin::{Closing, PluginId, Root};
use crate::vm::{Vm, len32};

impl Vm {
    /// The plugins of this virtual machine, the first one first.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginId> {
        (0..self.store.data().plugins.len()).map(PluginId).collect()
    }

    /// The ids of all contexts that the filter has, of plugins, streams and connections, in ascending order.
    #[must_use]
    pub fn contexts(&self) -> Vec<u32> {
        let host = self.store.data();
        let mut contexts: Vec<u32> = host.roots.keys().copied().collect();
        // A stream has a context from the moment that its headers came.
        contexts.extend(host.streams.iter().filter(|(_, stream)| stream.request.started).map(|(id, _)| *id));
        contexts.extend(host.connections.keys());
        contexts.sort_unstable();
        contexts
    }

    pub(super) fn check_plugin(&self, plugin: PluginId) -> Result<(), HarnessError> {
        let known = plugin.0 < self.store.data().plugins.len();
        if known { Ok(()) } else { Err(HarnessError::UnknownPlugin(plugin)) }
    }

    /// The root context of a plugin that is in force, which a virtual machine that failed to start may lack.
    pub(super) fn root_of(&self, plugin: PluginId) -> Result<u32, HarnessError> {
        self.check_plugin(plugin)?;
        Ok(self.store.data().in_force.get(plugin.0).copied().unwrap_or_default())
    }

    /// Creates, starts and configures the root context of a plugin while the virtual machine starts, and says whether the
    /// next one may be.
    pub(super) fn start_plugin(&mut self, plugin: usize) -> Result<bool, HarnessError> {
        let host = self.store.data_mut();
        let root = if plugin == 0 { ROOT_CONTEXT } else { host.new_context() };
        host.roots.insert(root, Root { plugin, ..Root::default() });
        host.in_force.push(root);
        let vm_size = len32(host.vm_configuration.len());
        let plugin_size = len32(host.plugins.get(plugin).map_or(0, |plugin| plugin.configuration.len()));
        let Some(callbacks) = &self.callbacks else { return Ok(false) };
        let (create, start, configure) =
            (callbacks.context_create.clone(), callbacks.vm_start.clone(), callbacks.configure.clone());
        if let Some(create) = create
            && self.during_start(&create, ("proxy_on_context_create", root), (root, 0))?.is_none()
        {
            return Ok(false);
        }
        if let Some(start) = start {
            let answer = self.during_start(&start, ("proxy_on_vm_start", root), (root, vm_size))?;
            let Some(answer) = answer else { return Ok(false) };
            self.startup.vm_start &= answer != 0;
        }
        // Envoy does not configure a virtual machine that would not start.
        if !self.startup.vm_start {
            self.startup.configured = false;
            self.dead = Some("proxy_on_vm_start returned false".to_owned());
            return Ok(false);
        }
        let mut configured = true;
        if let Some(configure) = configure {
            let answer = self.during_start(&configure, ("proxy_on_configure", root), (root, plugin_size))?;
            let Some(answer) = answer else { return Ok(false) };
            configured = answer != 0;
        }
        self.startup.configured &= configured;
        if !configured && !self.store.data().goes_on_refused {
            self.dead = Some("proxy_on_configure returned false".to_owned());
            return Ok(false);
        }
        Ok(true)
    }

    /// Configures the first plugin again in the context that it has, and gives what the filter says: ABI 0.2.1 allows it, and
    /// Envoy does not do it (see [`Vm::update`]). The filter lives on, whatever it says.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule. A trap is no error; see [`Vm::dead`].
    pub fn reconfigure(&mut self, configuration: impl Into<Vec<u8>>) -> Result<bool, HarnessError> {
        let root = self.root_of(PluginId::FIRST)?;
        self.configure(PluginId::FIRST, root, configuration.into())
    }

    /// Updates the first plugin's configuration as Envoy does: beside the present root context a new one is made, started and
    /// configured. If the filter takes the configuration, new requests, ticks and answers go to the new context, and the old
    /// one is ended; if not, all stays as it was. Gives what the filter said.
    ///
    /// Envoy ends the old context when its last request is over, and the harness at once: let its requests end before. If
    /// `proxy_on_done` asks for time, the old context lives until `proxy_done`.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule. A trap is no error; see [`Vm::dead`].
    pub fn update(&mut self, configuration: impl Into<Vec<u8>>) -> Result<bool, HarnessError> {
        self.update_plugin(PluginId::FIRST, configuration)
    }

    /// The same of another plugin.
    ///
    /// # Errors
    /// As [`Vm::update`], and [`HarnessError::UnknownPlugin`].
    pub fn update_plugin(
        &mut self,
        plugin: PluginId,
        configuration: impl Into<Vec<u8>>,
    ) -> Result<bool, HarnessError> {
        let old = self.root_of(plugin)?;
        let host = self.store.data_mut();
        let new = host.new_context();
        host.roots.insert(new, Root { plugin: plugin.0, ..Root::default() });
        let vm_size = len32(host.vm_configuration.len());
        let callbacks = self.callbacks.as_ref();
        let (create, start) = (
            callbacks.and_then(|callbacks| callbacks.context_create.clone()),
            callbacks.and_then(|callbacks| callbacks.vm_start.clone()),
        );
        if let Some(create) = create {
            self.on_root(new, &create, "proxy_on_context_create", (new, 0))?;
        }
        let started = match start {
            Some(start) => self
                .on_root(new, &start, "proxy_on_vm_start", (new, vm_size))?
                .is_none_or(|answer| answer != 0),
            None => true,
        };
        let taken = started && self.configure(plugin, new, configuration.into())?;
        if taken {
            if let Some(in_force) = self.store.data_mut().in_force.get_mut(plugin.0) {
                *in_force = new;
            }
            self.end_root(old)?;
        } else {
            self.delete_root(new)?;
        }
        Ok(taken)
    }

    fn configure(
        &mut self,
        plugin: PluginId,
        root: u32,
        configuration: Vec<u8>,
    ) -> Result<bool, HarnessError> {
        let configure = self.callbacks.as_ref().and_then(|callbacks| callbacks.configure.clone());
        let (Some(configure), None) = (configure, &self.dead) else { return Ok(self.dead.is_none()) };
        let size = len32(configuration.len());
        let Some(setup) = self.store.data_mut().plugins.get_mut(plugin.0) else {
            return Err(HarnessError::UnknownPlugin(plugin));
        };
        let before = std::mem::replace(&mut setup.configuration, configuration);
        let answer = self.on_root(root, &configure, "proxy_on_configure", (root, size))?;
        let taken = answer.is_some_and(|answer| answer != 0);
        if !taken && let Some(setup) = self.store.data_mut().plugins.get_mut(plugin.0) {
            setup.configuration = before;
        }
        Ok(taken)
    }

    /// Ends every plugin, as when the proxy goes down: `proxy_on_done`, and `proxy_on_delete` unless the filter asked for time.
    /// Says whether all contexts of plugins are gone; those that are not go with `proxy_done`.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule. A trap is no error; see [`Vm::dead`].
    pub fn shut_down(&mut self) -> Result<bool, HarnessError> {
        let serving = self.store.data().roots.iter().filter(|(_, root)| root.closing == Closing::No);
        let serving: Vec<u32> = serving.map(|(id, _)| *id).collect();
        for root in serving {
            self.end_root(root)?;
        }
        Ok(self.store.data().roots.is_empty())
    }

    /// `proxy_on_done` of a root context, and `proxy_on_delete` unless the filter wants to call `proxy_done` first.
    fn end_root(&mut self, root: u32) -> Result<(), HarnessError> {
        let done = self.callbacks.as_ref().and_then(|callbacks| callbacks.done.clone());
        let is_done = match done {
            Some(done) => self.on_root(root, &done, "proxy_on_done", root)?.is_none_or(|answer| answer != 0),
            None => true,
        };
        if is_done {
            return self.delete_root(root);
        }
        if let Some(state) = self.store.data_mut().roots.get_mut(&root) {
            state.closing = Closing::Waiting;
        }
        Ok(())
    }

    /// Deletes a root context that called `proxy_done` in the callback that just ended.
    pub(super) fn delete_finished_root(&mut self, root: u32) -> Result<(), HarnessError> {
        let finished =
            self.store.data().roots.get(&root).is_some_and(|root| root.closing == Closing::Finished);
        if finished { self.delete_root(root) } else { Ok(()) }
    }

    fn delete_root(&mut self, root: u32) -> Result<(), HarnessError> {
        if let Some(state) = self.store.data_mut().roots.get_mut(&root) {
            state.closing = Closing::No;
        }
        let delete = self.callbacks.as_ref().and_then(|callbacks| callbacks.delete.clone());
        let result = match delete {
            Some(delete) => self.on_root(root, &delete, "proxy_on_delete", root).map(drop),
            None => Ok(()),
        };
        let host = self.store.data_mut();
        host.roots.remove(&root);
        host.drop_calls(root);
        result
    }

    /// How often Envoy would tick: the shortest period that a plugin asked for; `None` until one does.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        self.store.data().roots.values().filter_map(|root| root.tick_period).min()
    }

    /// Ticks once, in every root context that asked for it.
    ///
    /// # Errors
    /// [`HarnessError::NoTick`] if the filter asked for no ticks, [`HarnessError::Violation`] if it broke a rule. A trap is
    /// no error; see [`Vm::dead`].
    pub fn tick(&mut self) -> Result<(), HarnessError> {
        let ticking = self.store.data().roots.iter().filter(|(_, root)| root.tick_period.is_some());
        let ticking: Vec<u32> = ticking.map(|(id, _)| *id).collect();
        if ticking.is_empty() {
            return Err(HarnessError::NoTick);
        }
        let Some(tick) = self.callbacks.as_ref().and_then(|callbacks| callbacks.tick.clone()) else {
            return Ok(());
        };
        for root in ticking {
            self.on_root(root, &tick, "proxy_on_tick", root)?;
        }
        Ok(())
    }

    /// Tells the filter of every item that was put in a queue which this virtual machine was the last to register:
    /// `proxy_on_queue_ready`, once for each item. Gives how many were told of. Envoy does so by itself, soon after the item
    /// came, on the thread of that worker.
    ///
    /// # Errors
    /// [`HarnessError::Violation`] if the filter broke a rule. A trap is no error; see [`Vm::dead`].
    pub fn announce_queues(&mut self) -> Result<usize, HarnessError> {
        let host = self.store.data_mut();
        let announcements = host.shared.take_announcements(host.worker);
        let Some(ready) = self.callbacks.as_ref().and_then(|callbacks| callbacks.queue_ready.clone()) else {
            return Ok(0);
        };
        let mut told = 0_usize;
        for (root, queue) in announcements {
            // The context may have been ended since.
            if self.store.data().roots.contains_key(&root)
                && self.on_root(root, &ready, "proxy_on_queue_ready", (root, queue))?.is_some()
            {
                told = told.saturating_add(1);
            }
        }
        Ok(told)
    }

    /// Calls a function of the filter by its number, as an extension of the proxy may: `proxy_on_foreign_function` of a
    /// plugin.
    ///
    /// # Errors
    /// [`HarnessError::UnknownPlugin`], and [`HarnessError::Violation`] if the filter broke a rule. A trap is no error; see
    /// [`Vm::dead`].
    pub fn call_filter(
        &mut self,
        plugin: PluginId,
        function: u32,
        arguments: impl Into<Vec<u8>>,
    ) -> Result<(), HarnessError> {
        let root = self.root_of(plugin)?;
        let arguments = arguments.into();
        let size = len32(arguments.len());
        let callback = self.callbacks.as_ref().and_then(|callbacks| callbacks.foreign_function.clone());
        let Some(callback) = callback else { return Ok(()) };
        self.deliver(root, Arrival::ForeignArguments(arguments), |vm| {
            vm.on_root(root, &callback, "proxy_on_foreign_function", (root, function, size)).map(drop)
        })
    }

    /// Lets the filter look at something while it is called back.
    pub(super) fn deliver(
        &mut self,
        root: u32,
        arrival: Arrival,
        call: impl FnOnce(&mut Self) -> Result<(), HarnessError>,
    ) -> Result<(), HarnessError> {
        self.store.data_mut().arrival = arrival;
        let result = call(self);
        let host = self.store.data_mut();
        host.arrival = Arrival::Nothing;
        if let Some(root) = host.roots.get_mut(&root) {
            // As in Envoy: the code stays.
            root.status.1.clear();
        }
        result
    }

    /// Makes a callback of a root context, then does what it asked for; `None` if it trapped, or the machine was dead.
    pub(super) fn on_root<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        root: u32,
        function: &wasmtime::TypedFunc<P, R>,
        callback: &'static str,
        parameters: P,
    ) -> Result<Option<R>, HarnessError> {
        // Envoy calls nothing in a virtual machine that failed.
        if self.dead.is_some() {
            return Ok(None);
        }
        let answer = match instance::call(&mut self.store, function, (callback, root), parameters) {
            Ok(Called::Returned(answer)) => Some(answer),
            Ok(Called::Trapped(message)) => {
                self.dead = Some(message);
                None
            }
            Err(error) => {
                self.dead = Some(error.to_string());
                return Err(error);
            }
        };
        self.settle()?;
        Ok(answer)
    }
}
