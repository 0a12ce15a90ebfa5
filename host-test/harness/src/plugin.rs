//! Plugins: the configurations that one virtual machine serves, each with a root context of its own.

use std::time::Duration;

/// Position of a plugin among those of its [`Vm`](crate::Vm): [`PluginId::FIRST`] is the one that
/// [`VmBuilder::configuration`](crate::VmBuilder::configuration) configures, the others follow in the order of
/// [`VmBuilder::plugin`](crate::VmBuilder::plugin).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginId(pub(crate) usize);

impl PluginId {
    /// The plugin that every virtual machine has.
    pub const FIRST: Self = Self(0);
}

/// A further plugin of a virtual machine.
///
/// ```
/// use mandate_harness::Plugin;
///
/// let plugin = Plugin::new("limits").configuration(r#"{"per_second": 5}"#);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plugin {
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) configuration: Vec<u8>,
}

impl Plugin {
    /// A plugin with this root id, by which a module that holds several filters tells them apart, and without configuration.
    #[must_use]
    pub fn new(root_id: impl Into<String>) -> Self {
        Self { root_id: root_id.into(), ..Self::default() }
    }

    /// The same plugin with this configuration, as the filter reads it in `proxy_on_configure`.
    #[must_use]
    pub fn configuration(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.configuration = bytes.into();
        self
    }

    /// The same plugin under this name (the property `plugin_name`).
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

/// A root context.
#[derive(Debug, Default)]
pub(crate) struct Root {
    /// Position of its plugin.
    pub(crate) plugin: usize,
    pub(crate) tick_period: Option<Duration>,
    /// What `proxy_get_status` says: the end of the last call that failed.
    pub(crate) status: (u32, String),
    pub(crate) closing: Closing,
}

/// How far a root context is from being deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It serves.
    #[default]
    No,
    /// `proxy_on_done` asked for time; `proxy_done` is awaited.
    Waiting,
    /// `proxy_done` was called, and the callback that called it runs still.
    Finished,
}
