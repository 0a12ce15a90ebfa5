//! Everything in one virtual machine, and what each callback does with it.

use super::host::Host;
use super::request::on_trailers;
use super::{Head, Plugin};
use crate::http::ReservedHeaders;
use crate::reason::Reason;
use std::collections::BTreeMap;

/// What the proxy does with the part of a request that a callback was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It goes on.
    Continue,
    /// It is held.
    Pause,
}

/// Everything in one virtual machine. Several plugins, or the old and the new configuration of one, may share it; each has
/// a root context.
#[derive(Debug)]
pub struct Module {
    plugins: BTreeMap<u32, Plugin>,
    streams: Streams,
}

/// The requests that the proxy has open, by context.
#[derive(Debug)]
pub(super) struct Streams(BTreeMap<u32, Stream>);

#[derive(Debug)]
struct Stream {
    plugin: u32,
    /// Until this is set nothing of the request goes on.
    passed: bool,
    /// Whether something of its body has come, and whether all of the request has.
    has_body: bool,
    whole: bool,
}

impl Streams {
    /// Whether what comes of this request goes on.
    pub(super) fn action(&self, context: u32) -> Action {
        if self.0.get(&context).is_some_and(|stream| stream.passed) {
            Action::Continue
        } else {
            Action::Pause
        }
    }

    /// Whether something of the request's body has come.
    pub(super) fn has_body(&self, context: u32) -> bool {
        self.0.get(&context).is_some_and(|stream| stream.has_body)
    }

    /// Whether all of the request has come.
    pub(super) fn is_whole(&self, context: u32) -> bool {
        self.0.get(&context).is_some_and(|stream| stream.whole)
    }

    /// Lets the request go on, or not.
    pub(super) fn set_passed(&mut self, context: u32, passed: bool) {
        if let Some(stream) = self.0.get_mut(&context) {
            stream.passed = passed;
        }
    }
}

impl Default for Module {
    fn default() -> Self {
        Self::new()
    }
}

impl Module {
    /// Without any plugin.
    #[must_use]
    pub const fn new() -> Self {
        Self { plugins: BTreeMap::new(), streams: Streams(BTreeMap::new()) }
    }

    /// A plugin, which has no `parent`, or a request of one.
    pub fn create(&mut self, host: &dyn Host, context: u32, parent: u32) {
        if parent == 0 {
            let earlier = self.plugins.insert(context, Plugin::new(context));
            earlier.into_iter().for_each(|mut plugin| plugin.close(host));
        } else if let Some(earlier) = self
            .streams
            .0
            .insert(context, Stream { plugin: parent, passed: false, has_body: false, whole: false })
        {
            // Nothing that an earlier request of this number left may be taken for this one's.
            self.forget(host, earlier.plugin, context);
        }
    }

    /// A plugin's configuration came. Gives whether it was taken.
    pub fn configure(&mut self, host: &dyn Host, plugin: u32) -> bool {
        let Some(mut configured) = self.plugins.remove(&plugin) else { return false };
        let taken = configured.configure(host, self.plugins.values());
        self.plugins.insert(plugin, configured);
        taken
    }

    /// The period of a plugin's ticks has passed.
    pub fn tick(&mut self, host: &dyn Host, plugin: u32) {
        if let Some(plugin) = self.plugins.get_mut(&plugin) {
            plugin.tick(host, &mut self.streams);
        }
    }

    /// The response to an HTTP call of a plugin came, or none.
    pub fn call_response(&mut self, host: &dyn Host, plugin: u32, token: u32, body_size: usize) {
        if let Some(plugin) = self.plugins.get_mut(&plugin) {
            plugin.answered(host, &mut self.streams, token, body_size);
        }
    }

    /// The `count` headers of a request came; `end` says that nothing follows them.
    pub fn request_headers(&mut self, host: &dyn Host, context: u32, count: usize, end: bool) -> Action {
        match self.of_stream(context) {
            Some((plugin, stream)) => {
                plugin.forget(host, context);
                stream.whole = end;
                stream.passed = plugin.on_headers(host, context, count, end);
                if plugin.sent_ahead(context).is_some() {
                    return Action::Continue;
                }
            }
            None => {
                Self::refuse(host);
                return Action::Pause;
            }
        }
        self.streams.action(context)
    }

    /// A part of a request's body came: with what was held of it `size` bytes; `end` says that nothing follows.
    pub fn request_body(&mut self, host: &dyn Host, context: u32, size: usize, end: bool) -> Action {
        if let Some((plugin, stream)) = self.of_stream(context)
            && !stream.passed
        {
            stream.has_body = true;
            stream.whole |= end;
            if plugin.holds(context) {
                stream.passed = plugin.on_body(host, context, size, end);
            }
        }
        self.streams.action(context)
    }

    /// The `count` trailers of a request came.
    pub fn request_trailers(&mut self, host: &dyn Host, context: u32, count: usize) -> Action {
        // Nothing is passed on in trailers, whatever the configuration passes on in headers.
        let stripped = match self.of_stream(context) {
            Some((plugin, _)) => on_trailers(host, plugin.all_reserved(), plugin.chain_headers(), count),
            None => on_trailers(host, &ReservedHeaders::default(), &[], count),
        };
        if !stripped && let Some(stream) = self.streams.0.get_mut(&context) {
            stream.passed = false;
            let plugin = stream.plugin;
            // Nor may it pass later.
            self.forget(host, plugin, context);
        }
        // With trailers, the last part of a body does not say that it is the last.
        if stripped
            && let Some((plugin, stream)) = self.of_stream(context)
            && !stream.passed
        {
            stream.whole = true;
            if plugin.holds(context) {
                stream.passed = plugin.on_whole_body(host, context, Head::Here);
            }
        }
        self.streams.action(context)
    }

    /// The `count` headers of an answer came; `end` says that nothing follows them.
    pub fn response_headers(&mut self, host: &dyn Host, context: u32, count: usize, end: bool) -> Action {
        self.of_response(context, |plugin| plugin.on_response_headers(host, context, count, end))
    }

    /// A part of an answer's body came: with what was held of it `size` bytes; `end` says that nothing follows.
    pub fn response_body(&mut self, host: &dyn Host, context: u32, size: usize, end: bool) -> Action {
        self.of_response(context, |plugin| plugin.on_response_body(host, context, size, end))
    }

    /// The trailers of an answer came.
    pub fn response_trailers(&mut self, host: &dyn Host, context: u32) -> Action {
        self.of_response(context, |plugin| plugin.on_response_trailers(host, context))
    }

    /// What the plugin of a request does with its answer, of which there is nothing to do without a request.
    fn of_response(&mut self, context: u32, act: impl FnOnce(&mut Plugin) -> Action) -> Action {
        let Some(stream) = self.streams.0.get(&context) else { return Action::Continue };
        match self.plugins.get_mut(&stream.plugin) {
            Some(plugin) => act(plugin),
            // What the upstream answers nobody can look at; a denial goes on.
            None if stream.passed => Action::Pause,
            None => Action::Continue,
        }
    }

    /// A request or a plugin is gone.
    pub fn delete(&mut self, host: &dyn Host, context: u32) {
        if let Some(stream) = self.streams.0.remove(&context) {
            self.forget(host, stream.plugin, context);
        } else if let Some(mut plugin) = self.plugins.remove(&context) {
            plugin.close(host);
        }
    }

    /// Denies the request of the effective context, which belongs to no plugin.
    pub fn refuse(host: &dyn Host) {
        Plugin::default().refuse(host, Reason::Internal);
    }

    /// The plugin of a request; `None` for a context that the proxy never announced, or whose plugin is gone.
    fn of_stream(&mut self, context: u32) -> Option<(&mut Plugin, &mut Stream)> {
        let stream = self.streams.0.get_mut(&context)?;
        Some((self.plugins.get_mut(&stream.plugin)?, stream))
    }

    /// What is over waits no longer: the client may have gone meanwhile.
    fn forget(&mut self, host: &dyn Host, plugin: u32, context: u32) {
        if let Some(plugin) = self.plugins.get_mut(&plugin) {
            plugin.forget(host, context);
        }
    }
}
