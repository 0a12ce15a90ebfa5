//! The proxy, as far as the filter needs it.

use crate::http::Headers;
use crate::log_level::LogLevel;
use crate::policy::Policies;
use crate::time::UnixTime;
use std::time::Duration;

/// A call that the proxy did not carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed with status {status}")]
pub struct HostError {
    /// The ABI's name of the call.
    pub call: &'static str,
    /// What the proxy answered (proxy-wasm ABI 0.2.1, `proxy_status_t`).
    pub status: u32,
}

impl HostError {
    /// What a proxy says of a property that is not there.
    pub const NOT_FOUND: u32 = 1;
    /// What a proxy says of a cluster that it does not have.
    pub const BAD_ARGUMENT: u32 = 2;
    /// Not a status of the ABI: the proxy said yes and gave something that cannot be read.
    pub const UNREADABLE: u32 = u32::MAX;
}

/// The outcome of a call to the proxy.
pub type HostResult<T> = Result<T, HostError>;

/// Which headers a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// Those of the request.
    Request,
    /// Those that follow the request's body.
    RequestTrailers,
    /// Those of the answer to the request.
    Response,
    /// Those of the response to an HTTP call.
    CallResponse,
}

/// What a metric does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It rises.
    Counter,
    /// It is set, or changed by an amount.
    Gauge,
    /// It collects values.
    Histogram,
}

/// All that is asked of the proxy. Every call may fail, and none is about another request than that of the effective context.
///
/// # Errors
/// Each method fails with the status of the proxy that is not `OK`.
#[expect(clippy::missing_errors_doc, reason = "it stands once, above")]
pub trait Host {
    /// Writes a line to the proxy's log.
    fn log(&self, level: LogLevel, message: &str) -> HostResult<()>;

    /// The proxy's clock.
    fn now(&self) -> HostResult<UnixTime>;

    /// Sixteen random bytes.
    fn random(&self) -> HostResult<[u8; 16]>;

    /// Asks for a tick every so many milliseconds.
    fn set_tick_period(&self, ms: u32) -> HostResult<()>;

    /// The plugin's configuration, at most `max` bytes of it.
    fn plugin_configuration(&self, max: usize) -> HostResult<Vec<u8>>;

    /// The policies that are linked into this module.
    ///
    /// # Errors
    /// A sentence, if the module's own list cannot be read.
    fn linked_policies(&self) -> Result<Box<dyn Policies>, String>;

    /// All headers of a map, in order. It must show the `count` that the proxy announced: what is not shown cannot be removed.
    fn headers(&self, map: Map, count: usize) -> HostResult<Headers>;

    /// The first value of a header.
    fn header(&self, map: Map, name: &str) -> HostResult<Option<Vec<u8>>>;

    /// Sets a header to one value.
    fn set_header(&self, map: Map, name: &str, value: &str) -> HostResult<()>;

    /// Adds a header that is not there, for less than it takes to set one.
    fn add_header(&self, map: Map, name: &str, value: &str) -> HostResult<()>;

    /// Removes every value of a header.
    fn remove_header(&self, map: Map, name: &[u8]) -> HostResult<()>;

    /// A property of the stream; the parts of its path are separated by NUL.
    fn property(&self, path: &str) -> HostResult<Vec<u8>>;

    /// Sets a property of the stream, which access logs can show.
    fn set_property(&self, name: &str, value: &str) -> HostResult<()>;

    /// Makes the following calls be about another context.
    fn set_effective_context(&self, context: u32) -> HostResult<()>;

    /// Lets the request of the effective context go on.
    fn continue_request(&self) -> HostResult<()>;

    /// Ends the request of the effective context without an answer.
    fn close_request(&self) -> HostResult<()>;

    /// Answers the request of the effective context. `details` are for the proxy's log.
    fn send_local_response(
        &self,
        status: u16,
        details: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> HostResult<()>;

    /// Sends an HTTP request without a body, and gives the number that its answer will come under.
    fn http_call(&self, cluster: &str, headers: &[(&str, &str)], timeout: Duration) -> HostResult<u32>;

    /// What came of the request's body, at most `max` bytes of it.
    fn request_body(&self, max: usize) -> HostResult<Vec<u8>>;

    /// What came of the answer's body, at most `max` bytes of it.
    fn response_body(&self, max: usize) -> HostResult<Vec<u8>>;

    /// Puts other bytes in the place of what came of the answer's body.
    fn replace_response_body(&self, bytes: &[u8]) -> HostResult<()>;

    /// A variable of the environment that the proxy gives this machine.
    fn environment(&self, name: &str) -> Option<String>;

    /// What the machines with the same `vm_id` share under a name, and the state that it is in; `None`: nothing yet.
    fn shared_data(&self, name: &str) -> HostResult<Option<(Vec<u8>, u32)>>;

    /// Shares something under a name that is still in this state; `None`: that has nothing yet. Gives whether it was.
    fn set_shared_data(&self, name: &str, value: &[u8], state: Option<u32>) -> HostResult<bool>;

    /// The body of the response to an HTTP call, at most `max` bytes of it.
    fn call_body(&self, max: usize) -> HostResult<Vec<u8>>;

    /// Verifies a signature with the proxy's own cryptography: `hash` is `sha256` and its like, the key
    /// `SubjectPublicKeyInfo` in DER, the signature in DER for ECDSA.
    fn verify_signature(&self, hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> HostResult<bool>;

    /// Makes a metric known, and gives its id.
    fn define_metric(&self, kind: MetricKind, name: &str) -> HostResult<u32>;

    /// Adds to a counter or a gauge.
    fn increment_metric(&self, id: u32, by: i64) -> HostResult<()>;

    /// Sets a gauge, or gives a histogram a value.
    fn record_metric(&self, id: u32, value: u64) -> HostResult<()>;
}

impl dyn Host + '_ {
    /// A line for the operator; if it cannot be written there is nobody left to tell.
    pub(super) fn say(&self, level: LogLevel, message: &str) {
        self.log(level, message).ok();
    }
}
