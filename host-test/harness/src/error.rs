//! What can go wrong with the harness itself, told apart by type.

use crate::call::HostCall;
use crate::connection::ConnectionId;
use crate::plugin::PluginId;
use crate::stream::StreamId;

/// Something that the filter did and that no correct filter does in Envoy.
///
/// Envoy answers most of them with a status, and behaves in an undefined way on some. The strict host ends the callback.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{call}` in `{callback}` of context {context}: {what}")]
pub struct Violation {
    /// The host function that was called.
    pub call: HostCall,
    /// The guest callback that was running, such as `proxy_on_request_headers`.
    pub callback: &'static str,
    /// The context that the call acted on: the effective one if set, else the callback's own.
    pub context: u32,
    /// What was wrong, in lower case and without a full stop.
    pub what: String,
    /// What the host answers where it is not strict, which is what Envoy answers: a [`Status`](crate::Status), or an errno of
    /// WASI.
    pub answer: u32,
}

/// An error of the harness. A filter that traps on a request is no error: that is
/// [`Outcome::Trapped`](crate::Outcome::Trapped).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// The crate of the filter could not be compiled.
    #[error("the filter's crate does not build: {0}")]
    Build(String),
    /// The bytes are no module that the engine accepts.
    #[error("the module does not compile: {0}")]
    Compile(String),
    /// The module imports something that Envoy (or this host) does not have.
    #[error("the host provides no import `{module}.{name}`")]
    UnknownImport {
        /// The import's module name.
        module: String,
        /// The import's field name.
        name: String,
    },
    /// An import or export exists, but with another type than the ABI's.
    #[error("`{name}` has the wrong type: {reason}")]
    WrongType {
        /// Name of the import or export.
        name: String,
        /// What the engine said.
        reason: String,
    },
    /// The module lacks an export without which no host can run it.
    #[error("the module exports no `{0}`")]
    MissingExport(&'static str),
    /// The filter trapped while the virtual machine started.
    #[error("the filter trapped at the start: {0}")]
    Start(String),
    /// The filter broke a rule of the strict host.
    #[error("violation: {0}")]
    Violation(#[from] Violation),
    /// The stream does not exist, or was deleted.
    #[error("there is no stream {0}")]
    UnknownStream(StreamId),
    /// The connection does not exist, or was closed.
    #[error("there is no connection {0}")]
    UnknownConnection(ConnectionId),
    /// The virtual machine has no such plugin.
    #[error("there is no plugin {}", .0.0)]
    UnknownPlugin(PluginId),
    /// The id is in use by a context, or is the virtual machine's own.
    #[error("there is a context {0}, and no host makes one twice")]
    ContextExists(u32),
    /// No call or gRPC stream with this token is pending.
    #[error("no call with token {0} is pending")]
    UnknownCall(u32),
    /// The sender of the data had sent all, or the filter closed the connection.
    #[error("connection {0} has ended")]
    ConnectionEnded(ConnectionId),
    /// The stream was driven in an order that no HTTP request has, such as a body after the end of the stream.
    #[error("stream {stream}: {what}")]
    OutOfOrder {
        /// The stream that was driven.
        stream: StreamId,
        /// What was out of order.
        what: &'static str,
    },
    /// The filter set no tick period, so Envoy would never tick.
    #[error("the filter set no tick period")]
    NoTick,
    /// The injection asks for an effect that the call cannot have.
    #[error("`{call}` returns no bytes that an injection could replace")]
    Injection {
        /// The call that was to be injected.
        call: HostCall,
    },
}
