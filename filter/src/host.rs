//! Every call to the proxy, in one file: proxy-wasm ABI 0.2.1.
//!
//! Each status is looked at, and none is assumed: a panic would cost every request in flight.

#![expect(unsafe_code, reason = "calls across the boundary of the module; each block says why it is sound")]

use mandate_core::http::Headers;
use mandate_core::log_level::LogLevel;
use mandate_core::time::UnixTime;
use std::time::Duration;

/// A call that the proxy did not carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostError {
    /// The ABI's name of the call.
    pub call: &'static str,
    /// What the proxy answered.
    pub status: u32,
}

impl std::fmt::Display for HostError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} failed with status {}", self.call, self.status)
    }
}

pub type HostResult<T> = Result<T, HostError>;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
/// What a proxy says of a cluster that it does not have.
pub const BAD_ARGUMENT: u32 = 2;
/// Not a status of the ABI: the proxy said yes and gave something that cannot be read.
const UNREADABLE: u32 = u32::MAX;

/// Which headers a call is about.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    CallHeaders = 6,
}

/// Which bytes a call is about.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Buffer {
    CallBody = 4,
    PluginConfiguration = 7,
}

/// What a metric does.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum MetricKind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// `HttpRequest` of the ABI's stream types.
const STREAM_HTTP_REQUEST: u32 = 0;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: Buffer,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: Map, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: Map,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: Map,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: Map,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: Map, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout_ms: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_define_metric(kind: MetricKind, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(buffer: *mut u8, size: usize) -> u32;
}

fn check(call: &'static str, status: u32) -> HostResult<()> {
    if status == OK { Ok(()) } else { Err(HostError { call, status }) }
}

/// Runs a call that hands out bytes, and takes them over.
fn bytes(call: &'static str, get: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> HostResult<Vec<u8>> {
    let mut data: *mut u8 = std::ptr::null_mut();
    let mut size: usize = 0;
    check(call, get(&raw mut data, &raw mut size))?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the proxy got this memory from `proxy_on_memory_allocate`, which allocates exactly `size` bytes with this
    // allocator and leaves them to whoever takes them over.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes a line to the proxy's log.
pub fn log(level: LogLevel, message: &str) -> HostResult<()> {
    // The ABI counts from trace, which is 0.
    let level = match level {
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
    };
    // SAFETY: pointer and length of a live string.
    check("proxy_log", unsafe { proxy_log(level, message.as_ptr(), message.len()) })
}

/// The proxy's clock.
pub fn now() -> HostResult<UnixTime> {
    let mut nanos = 0;
    // SAFETY: a live place for the answer.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanos) };
    check("proxy_get_current_time_nanoseconds", status)?;
    Ok(UnixTime::from_nanos(nanos))
}

/// Sixteen random bytes.
pub fn random() -> HostResult<[u8; 16]> {
    let mut seed = [0; 16];
    // SAFETY: pointer and length of a live array.
    check("random_get", unsafe { random_get(seed.as_mut_ptr(), seed.len()) })?;
    Ok(seed)
}

/// Asks for a tick every so many milliseconds.
pub fn set_tick_period(ms: u32) -> HostResult<()> {
    // SAFETY: no memory is involved.
    check("proxy_set_tick_period_milliseconds", unsafe { proxy_set_tick_period_milliseconds(ms) })
}

fn buffer(buffer: Buffer, max: usize) -> HostResult<Vec<u8>> {
    // SAFETY: live places for the answer.
    bytes("proxy_get_buffer_bytes", |data, size| unsafe {
        proxy_get_buffer_bytes(buffer, 0, max, data, size)
    })
}

/// The plugin's configuration.
pub fn plugin_configuration(max: usize) -> HostResult<Vec<u8>> {
    buffer(Buffer::PluginConfiguration, max)
}

/// The body of the answer to an HTTP call.
pub fn call_body(max: usize) -> HostResult<Vec<u8>> {
    buffer(Buffer::CallBody, max)
}

/// All headers of a map, in order. It must show the `count` that the proxy announced: what is not shown cannot be removed.
pub fn headers(map: Map, count: usize) -> HostResult<Headers> {
    const CALL: &str = "proxy_get_header_map_pairs";
    // SAFETY: live places for the answer.
    let raw = bytes(CALL, |data, size| unsafe { proxy_get_header_map_pairs(map, data, size) })?;
    let headers = read_pairs(raw).filter(|headers| headers.len() >= count);
    headers.ok_or(HostError { call: CALL, status: UNREADABLE })
}

/// The ABI's form of a list of pairs: a count, all lengths, then every string with a NUL behind it. The strings stay where
/// they are.
fn read_pairs(raw: Vec<u8>) -> Option<Headers> {
    fn number(from: &mut &[u8]) -> Option<usize> {
        let (number, rest) = from.split_first_chunk::<4>()?;
        *from = rest;
        usize::try_from(u32::from_le_bytes(*number)).ok()
    }
    if raw.is_empty() {
        return Some(Headers::default());
    }
    let mut rest = raw.as_slice();
    let count = number(&mut rest)?;
    let (mut lengths, strings) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut at = raw.len().checked_sub(strings.len())?;
    let mut string = |len: usize| {
        let place = at..at.checked_add(len)?;
        at = place.end.checked_add(1)?;
        (raw.get(place.end) == Some(&0)).then_some(place)
    };
    let mut places = Vec::with_capacity(count);
    for _ in 0..count {
        let (name, value) = (number(&mut lengths)?, number(&mut lengths)?);
        places.push((string(name)?, string(value)?));
    }
    Headers::from_places(raw, places)
}

fn write_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Option<Vec<u8>> {
    let length = |text: &str| u32::try_from(text.len()).ok().map(u32::to_le_bytes);
    let mut raw = Vec::new();
    raw.extend(u32::try_from(pairs.clone().count()).ok()?.to_le_bytes());
    for (name, value) in pairs.clone() {
        raw.extend(length(name)?);
        raw.extend(length(value)?);
    }
    for (name, value) in pairs {
        for text in [name, value] {
            raw.extend(text.as_bytes());
            raw.push(0);
        }
    }
    Some(raw)
}

/// The first value of a header.
pub fn header(map: Map, name: &str) -> HostResult<Option<Vec<u8>>> {
    // SAFETY: pointer and length of a live string, and live places for the answer.
    let value = bytes("proxy_get_header_map_value", |data, size| unsafe {
        proxy_get_header_map_value(map, name.as_ptr(), name.len(), data, size)
    });
    match value {
        Err(HostError { status: NOT_FOUND, .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// Sets a header to one value.
pub fn set_header(map: Map, name: &str, value: &str) -> HostResult<()> {
    // SAFETY: pointers and lengths of live strings.
    let status = unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
    check("proxy_replace_header_map_value", status)
}

/// Adds a header that is not there, for less than it takes to set one.
pub fn add_header(map: Map, name: &str, value: &str) -> HostResult<()> {
    // SAFETY: pointers and lengths of live strings.
    let status =
        unsafe { proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    check("proxy_add_header_map_value", status)
}

/// Removes every value of a header.
pub fn remove_header(map: Map, name: &[u8]) -> HostResult<()> {
    // SAFETY: pointer and length of a live slice.
    let status = unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
    check("proxy_remove_header_map_value", status)
}

/// A property of the stream; the parts of its path are separated by NUL.
pub fn property(path: &str) -> HostResult<Vec<u8>> {
    // SAFETY: pointer and length of a live string, and live places for the answer.
    bytes("proxy_get_property", |data, size| unsafe {
        proxy_get_property(path.as_ptr(), path.len(), data, size)
    })
}

/// Sets a property of the stream, which access logs can show.
pub fn set_property(name: &str, value: &str) -> HostResult<()> {
    // SAFETY: pointers and lengths of live strings.
    let status = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    check("proxy_set_property", status)
}

/// Lets the request of the effective context go on.
pub fn continue_request() -> HostResult<()> {
    // SAFETY: no memory is involved.
    check("proxy_continue_stream", unsafe { proxy_continue_stream(STREAM_HTTP_REQUEST) })
}

/// Ends the request of the effective context without an answer.
pub fn close_request() -> HostResult<()> {
    // SAFETY: no memory is involved.
    check("proxy_close_stream", unsafe { proxy_close_stream(STREAM_HTTP_REQUEST) })
}

/// Answers the request of the effective context.
pub fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(&'static str, String)],
    body: &[u8],
) -> HostResult<()> {
    const CALL: &str = "proxy_send_local_response";
    /// Let the proxy derive the gRPC status from the HTTP status.
    const NO_GRPC_STATUS: i32 = -1;
    let headers = write_pairs(headers.iter().map(|(n, v)| (*n, v.as_str())))
        .ok_or(HostError { call: CALL, status: UNREADABLE })?;
    // SAFETY: pointers and lengths of live slices.
    let status = unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        )
    };
    check(CALL, status)
}

/// Makes the following calls be about another context.
pub fn set_effective_context(context: u32) -> HostResult<()> {
    // SAFETY: no memory is involved.
    check("proxy_set_effective_context", unsafe { proxy_set_effective_context(context) })
}

/// Sends an HTTP request without a body, and gives the number that its answer will come under.
pub fn http_call(cluster: &str, headers: &[(&str, &str)], timeout: Duration) -> HostResult<u32> {
    const CALL: &str = "proxy_http_call";
    let too_long = HostError { call: CALL, status: UNREADABLE };
    let headers = write_pairs(headers.iter().copied()).ok_or(too_long)?;
    let trailers = write_pairs(std::iter::empty()).ok_or(too_long)?;
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let mut token = 0;
    // SAFETY: pointers and lengths of live slices, none for the body, and a live place for the answer.
    let status = unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            std::ptr::null(),
            0,
            trailers.as_ptr(),
            trailers.len(),
            timeout_ms,
            &raw mut token,
        )
    };
    check(CALL, status)?;
    Ok(token)
}

/// Calls a function that this proxy adds to the ABI.
pub fn foreign_function(name: &str, argument: &[u8]) -> HostResult<Vec<u8>> {
    // SAFETY: pointers and lengths of a live string and a live slice, and live places for the answer.
    bytes("proxy_call_foreign_function", |data, size| unsafe {
        proxy_call_foreign_function(name.as_ptr(), name.len(), argument.as_ptr(), argument.len(), data, size)
    })
}

/// Makes a metric known, and gives its id.
pub fn define_metric(kind: MetricKind, name: &str) -> HostResult<u32> {
    let mut id = 0;
    // SAFETY: pointer and length of a live string, and a live place for the answer.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    check("proxy_define_metric", status)?;
    Ok(id)
}

/// Adds to a counter.
pub fn increment_metric(id: u32, by: i64) -> HostResult<()> {
    // SAFETY: no memory is involved.
    check("proxy_increment_metric", unsafe { proxy_increment_metric(id, by) })
}

/// Sets a gauge.
pub fn record_metric(id: u32, value: u64) -> HostResult<()> {
    // SAFETY: no memory is involved.
    check("proxy_record_metric", unsafe { proxy_record_metric(id, value) })
}
