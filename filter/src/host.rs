//! Every call to the proxy, in one file: proxy-wasm ABI 0.2.1.
//!
//! Each status is looked at, and none is assumed: a panic would cost every request in flight.

#![expect(unsafe_code, reason = "calls across the boundary of the module; each block says why it is sound")]

use crate::seam::LinkedModule;
use mandate_core::http::Headers;
use mandate_core::log_level::LogLevel;
use mandate_core::plugin::{Host, HostError, HostResult, Map, MetricKind};
use mandate_core::policy::{LinkedPolicies, Policies};
use mandate_core::time::UnixTime;
use prost::Message as _;
use std::time::Duration;

/// The proxy that loaded this module.
#[derive(Debug, Clone, Copy)]
pub struct Proxy;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
/// What is shared is not in the state that was named.
const CAS_MISMATCH: u32 = 8;

/// The ABI's number of a map (`proxy_map_type_t`).
const fn map_number(map: Map) -> u32 {
    match map {
        Map::Request => 0,
        Map::RequestTrailers => 1,
        Map::Response => 2,
        Map::CallResponse => 6,
    }
}

/// The ABI's number of a kind of metric (`proxy_metric_type_t`).
const fn metric_number(kind: MetricKind) -> u32 {
    match kind {
        MetricKind::Counter => 0,
        MetricKind::Gauge => 1,
        MetricKind::Histogram => 2,
    }
}

/// The ABI's number of a level (`proxy_log_level_t`), which counts from trace.
const fn level_number(level: LogLevel) -> u32 {
    match level {
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
    }
}

/// Which bytes a call is about.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    CallBody = 4,
    PluginConfiguration = 7,
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
    fn proxy_set_buffer_bytes(
        buffer: Buffer,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
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
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
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

fn buffer(buffer: Buffer, max: usize) -> HostResult<Vec<u8>> {
    // SAFETY: live places for the answer.
    bytes("proxy_get_buffer_bytes", |data, size| unsafe {
        proxy_get_buffer_bytes(buffer, 0, max, data, size)
    })
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

/// Calls a function that this proxy adds to the ABI.
fn foreign_function(name: &str, argument: &[u8]) -> HostResult<Vec<u8>> {
    // SAFETY: pointers and lengths of a live string and a live slice, and live places for the answer.
    bytes("proxy_call_foreign_function", |data, size| unsafe {
        proxy_call_foreign_function(name.as_ptr(), name.len(), argument.as_ptr(), argument.len(), data, size)
    })
}

/// What Envoy's `verify_signature` takes.
#[derive(prost::Message)]
struct VerifySignatureRequest {
    #[prost(string, tag = "1")]
    hash: String,
    /// `SubjectPublicKeyInfo` in DER.
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    /// In DER for ECDSA, as it is for RSA.
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

/// What it answers; why it said no is its own affair.
#[derive(prost::Message)]
struct VerifySignatureResponse {
    #[prost(bool, tag = "1")]
    verified: bool,
}

impl Host for Proxy {
    fn log(&self, level: LogLevel, message: &str) -> HostResult<()> {
        // SAFETY: pointer and length of a live string.
        check("proxy_log", unsafe { proxy_log(level_number(level), message.as_ptr(), message.len()) })
    }

    fn now(&self) -> HostResult<UnixTime> {
        let mut nanos = 0;
        // SAFETY: a live place for the answer.
        let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanos) };
        check("proxy_get_current_time_nanoseconds", status)?;
        Ok(UnixTime::from_nanos(nanos))
    }

    fn random(&self) -> HostResult<[u8; 16]> {
        let mut seed = [0; 16];
        // SAFETY: pointer and length of a live array.
        check("random_get", unsafe { random_get(seed.as_mut_ptr(), seed.len()) })?;
        Ok(seed)
    }

    fn set_tick_period(&self, ms: u32) -> HostResult<()> {
        // SAFETY: no memory is involved.
        check("proxy_set_tick_period_milliseconds", unsafe { proxy_set_tick_period_milliseconds(ms) })
    }

    fn plugin_configuration(&self, max: usize) -> HostResult<Vec<u8>> {
        buffer(Buffer::PluginConfiguration, max)
    }

    fn request_body(&self, max: usize) -> HostResult<Vec<u8>> {
        match buffer(Buffer::RequestBody, max) {
            // Of a request whose body is empty there is no buffer. An empty message is denied.
            Err(HostError { status: NOT_FOUND, .. }) => Ok(Vec::new()),
            other => other,
        }
    }

    fn response_body(&self, max: usize) -> HostResult<Vec<u8>> {
        match buffer(Buffer::ResponseBody, max) {
            // As above: an answer may be empty, too.
            Err(HostError { status: NOT_FOUND, .. }) => Ok(Vec::new()),
            other => other,
        }
    }

    fn replace_response_body(&self, bytes: &[u8]) -> HostResult<()> {
        // SAFETY: pointer and length of a live slice.
        let status = unsafe {
            proxy_set_buffer_bytes(Buffer::ResponseBody, 0, usize::MAX, bytes.as_ptr(), bytes.len())
        };
        check("proxy_set_buffer_bytes", status)
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn shared_data(&self, name: &str) -> HostResult<Option<(Vec<u8>, u32)>> {
        let mut state = 0;
        // SAFETY: pointer and length of a live string, and live places for the answer.
        let shared = bytes("proxy_get_shared_data", |data, size| unsafe {
            proxy_get_shared_data(name.as_ptr(), name.len(), data, size, &raw mut state)
        });
        match shared {
            Err(HostError { status: NOT_FOUND, .. }) => Ok(None),
            // Written in this state, it would replace whatever is there.
            Ok(_) if state == 0 => {
                Err(HostError { call: "proxy_get_shared_data", status: HostError::UNREADABLE })
            }
            other => other.map(|bytes| Some((bytes, state))),
        }
    }

    fn set_shared_data(&self, name: &str, value: &[u8], state: Option<u32>) -> HostResult<bool> {
        /// A state that nothing is ever in: what is there is not replaced, and where there is nothing it is not looked at.
        const NO_STATE: u32 = u32::MAX;
        let state = state.unwrap_or(NO_STATE);
        // SAFETY: pointers and lengths of a live string and a live slice.
        let status =
            unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), state) };
        match status {
            CAS_MISMATCH => Ok(false),
            other => check("proxy_set_shared_data", other).map(|()| true),
        }
    }

    fn call_body(&self, max: usize) -> HostResult<Vec<u8>> {
        buffer(Buffer::CallBody, max)
    }

    fn headers(&self, map: Map, count: usize) -> HostResult<Headers> {
        const CALL: &str = "proxy_get_header_map_pairs";
        // SAFETY: live places for the answer.
        let raw =
            bytes(CALL, |data, size| unsafe { proxy_get_header_map_pairs(map_number(map), data, size) })?;
        let headers = read_pairs(raw).filter(|headers| headers.len() >= count);
        headers.ok_or(HostError { call: CALL, status: HostError::UNREADABLE })
    }

    fn header(&self, map: Map, name: &str) -> HostResult<Option<Vec<u8>>> {
        // SAFETY: pointer and length of a live string, and live places for the answer.
        let value = bytes("proxy_get_header_map_value", |data, size| unsafe {
            proxy_get_header_map_value(map_number(map), name.as_ptr(), name.len(), data, size)
        });
        match value {
            Err(HostError { status: NOT_FOUND, .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    fn set_header(&self, map: Map, name: &str, value: &str) -> HostResult<()> {
        // SAFETY: pointers and lengths of live strings.
        let status = unsafe {
            proxy_replace_header_map_value(
                map_number(map),
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        };
        check("proxy_replace_header_map_value", status)
    }

    fn add_header(&self, map: Map, name: &str, value: &str) -> HostResult<()> {
        // SAFETY: pointers and lengths of live strings.
        let status = unsafe {
            proxy_add_header_map_value(
                map_number(map),
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        };
        check("proxy_add_header_map_value", status)
    }

    fn remove_header(&self, map: Map, name: &[u8]) -> HostResult<()> {
        // SAFETY: pointer and length of a live slice.
        let status = unsafe { proxy_remove_header_map_value(map_number(map), name.as_ptr(), name.len()) };
        check("proxy_remove_header_map_value", status)
    }

    fn property(&self, path: &str) -> HostResult<Vec<u8>> {
        // SAFETY: pointer and length of a live string, and live places for the answer.
        bytes("proxy_get_property", |data, size| unsafe {
            proxy_get_property(path.as_ptr(), path.len(), data, size)
        })
    }

    fn set_property(&self, name: &str, value: &str) -> HostResult<()> {
        // SAFETY: pointers and lengths of live strings.
        let status = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
        check("proxy_set_property", status)
    }

    fn continue_request(&self) -> HostResult<()> {
        // SAFETY: no memory is involved.
        check("proxy_continue_stream", unsafe { proxy_continue_stream(STREAM_HTTP_REQUEST) })
    }

    fn close_request(&self) -> HostResult<()> {
        // SAFETY: no memory is involved.
        check("proxy_close_stream", unsafe { proxy_close_stream(STREAM_HTTP_REQUEST) })
    }

    fn send_local_response(
        &self,
        status: u16,
        details: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> HostResult<()> {
        const CALL: &str = "proxy_send_local_response";
        /// Let the proxy derive the gRPC status from the HTTP status.
        const NO_GRPC_STATUS: i32 = -1;
        let headers = write_pairs(headers.iter().map(|(n, v)| (*n, v.as_str())))
            .ok_or(HostError { call: CALL, status: HostError::UNREADABLE })?;
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

    fn linked_policies(&self) -> Result<Box<dyn Policies>, String> {
        Ok(Box::new(LinkedPolicies::new(LinkedModule)?))
    }

    fn set_effective_context(&self, context: u32) -> HostResult<()> {
        // SAFETY: no memory is involved.
        check("proxy_set_effective_context", unsafe { proxy_set_effective_context(context) })
    }

    fn http_call(&self, cluster: &str, headers: &[(&str, &str)], timeout: Duration) -> HostResult<u32> {
        const CALL: &str = "proxy_http_call";
        let too_long = HostError { call: CALL, status: HostError::UNREADABLE };
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

    fn verify_signature(&self, hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> HostResult<bool> {
        const CALL: &str = "proxy_call_foreign_function";
        let request = VerifySignatureRequest {
            hash: hash.to_owned(),
            public_key: key.to_vec(),
            signature: signature.to_vec(),
            text: text.to_vec(),
        };
        let response = foreign_function("verify_signature", &request.encode_to_vec())?;
        VerifySignatureResponse::decode(response.as_slice())
            .map(|response| response.verified)
            .map_err(|_| HostError { call: CALL, status: HostError::UNREADABLE })
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> HostResult<u32> {
        let mut id = 0;
        // SAFETY: pointer and length of a live string, and a live place for the answer.
        let status =
            unsafe { proxy_define_metric(metric_number(kind), name.as_ptr(), name.len(), &raw mut id) };
        check("proxy_define_metric", status)?;
        Ok(id)
    }

    fn increment_metric(&self, id: u32, by: i64) -> HostResult<()> {
        // SAFETY: no memory is involved.
        check("proxy_increment_metric", unsafe { proxy_increment_metric(id, by) })
    }

    fn record_metric(&self, id: u32, value: u64) -> HostResult<()> {
        // SAFETY: no memory is involved.
        check("proxy_record_metric", unsafe { proxy_record_metric(id, value) })
    }
}
