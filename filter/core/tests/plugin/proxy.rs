//! A proxy for tests, in memory: it does what it is asked, or fails at one of its calls.

use crate::REQUEST;
use crate::support::NOW;
use mandate_core::http::Headers;
use mandate_core::log_level::LogLevel;
use mandate_core::plugin::{Host, HostError, HostResult, Map, MetricKind};
use mandate_core::policy::{NoPolicies, Policies};
use mandate_core::time::UnixTime;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

pub type Pairs = Vec<(String, String)>;

/// A proxy that does what it is asked, but for one call.
pub struct Proxy {
    pub config: Value,
    pub now: Cell<UnixTime>,
    /// The number of the call that fails.
    pub fails: Cell<Option<usize>>,
    pub calls: RefCell<Vec<&'static str>>,
    pub request: RefCell<Pairs>,
    pub trailers: RefCell<Pairs>,
    pub body: RefCell<Vec<u8>>,
    pub answer: RefCell<(Pairs, Vec<u8>)>,
    pub shared: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    pub call_response: RefCell<(Pairs, Vec<u8>)>,
    pub sent: RefCell<Vec<(String, u32)>>,
    pub lines: RefCell<Vec<(LogLevel, String)>>,
    pub properties: RefCell<BTreeMap<String, String>>,
    pub metrics: RefCell<Vec<(String, i64)>>,
    pub local: RefCell<Option<(u16, Value)>>,
    pub effective: Cell<u32>,
    pub continued: Cell<bool>,
    pub closed: Cell<bool>,
}

impl Proxy {
    pub fn new(config: Value) -> Self {
        Self {
            config,
            now: Cell::new(NOW),
            fails: Cell::default(),
            calls: RefCell::default(),
            request: RefCell::default(),
            trailers: RefCell::default(),
            body: RefCell::default(),
            answer: RefCell::default(),
            shared: RefCell::default(),
            call_response: RefCell::default(),
            sent: RefCell::default(),
            lines: RefCell::default(),
            properties: RefCell::default(),
            metrics: RefCell::default(),
            local: RefCell::default(),
            effective: Cell::default(),
            continued: Cell::default(),
            closed: Cell::default(),
        }
    }

    fn call(&self, call: &'static str) -> HostResult<()> {
        let number = self.calls.borrow().len();
        self.calls.borrow_mut().push(call);
        if self.fails.get() == Some(number) { Err(HostError { call, status: 10 }) } else { Ok(()) }
    }

    fn map(&self, map: Map) -> Vec<(String, String)> {
        match map {
            Map::Request => self.request.borrow().clone(),
            Map::RequestTrailers => self.trailers.borrow().clone(),
            Map::Response => self.answer.borrow().0.clone(),
            Map::CallResponse => self.call_response.borrow().0.clone(),
        }
    }

    pub fn audited(&self) -> Vec<Value> {
        let lines = self.lines.borrow();
        let records = lines.iter().filter_map(|(_, line)| line.strip_prefix("audit "));
        records.map(|json| serde_json::from_str(json).unwrap()).collect()
    }

    pub fn counted(&self, name: &str) -> i64 {
        self.metrics.borrow().iter().filter(|(known, _)| known == name).map(|(_, by)| by).sum()
    }
}

impl Host for Proxy {
    fn log(&self, level: LogLevel, message: &str) -> HostResult<()> {
        self.call("proxy_log")?;
        self.lines.borrow_mut().push((level, message.to_owned()));
        Ok(())
    }

    fn now(&self) -> HostResult<UnixTime> {
        self.call("proxy_get_current_time_nanoseconds").map(|()| self.now.get())
    }

    fn random(&self) -> HostResult<[u8; 16]> {
        self.call("random_get").map(|()| [7; 16])
    }

    fn set_tick_period(&self, _: u32) -> HostResult<()> {
        self.call("proxy_set_tick_period_milliseconds")
    }

    fn plugin_configuration(&self, max: usize) -> HostResult<Vec<u8>> {
        self.call("proxy_get_buffer_bytes")?;
        Ok(self.config.to_string().into_bytes().into_iter().take(max).collect())
    }

    fn linked_policies(&self) -> Result<Box<dyn Policies>, String> {
        Ok(Box::new(NoPolicies))
    }

    fn headers(&self, map: Map, _: usize) -> HostResult<Headers> {
        self.call("proxy_get_header_map_pairs").map(|()| self.map(map).into())
    }

    fn header(&self, map: Map, name: &str) -> HostResult<Option<Vec<u8>>> {
        self.call("proxy_get_header_map_value")?;
        let found = self.map(map).into_iter().find(|(known, _)| known == name);
        Ok(found.map(|(_, value)| value.into_bytes()))
    }

    fn set_header(&self, map: Map, name: &str, value: &str) -> HostResult<()> {
        self.call("proxy_replace_header_map_value")?;
        let change = |list: &mut Pairs| {
            list.retain(|(known, _)| known != name);
            list.push((name.to_owned(), value.to_owned()));
        };
        match map {
            Map::Response => change(&mut self.answer.borrow_mut().0),
            map => {
                assert_eq!(map, Map::Request);
                change(&mut self.request.borrow_mut());
            }
        }
        Ok(())
    }

    fn add_header(&self, map: Map, name: &str, value: &str) -> HostResult<()> {
        self.call("proxy_add_header_map_value")?;
        assert_eq!(map, Map::Request);
        self.request.borrow_mut().push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn remove_header(&self, map: Map, name: &[u8]) -> HostResult<()> {
        self.call("proxy_remove_header_map_value")?;
        let keep = |list: &mut Pairs| list.retain(|(known, _)| known.as_bytes() != name);
        match map {
            Map::Request => keep(&mut self.request.borrow_mut()),
            Map::Response => keep(&mut self.answer.borrow_mut().0),
            _ => keep(&mut self.trailers.borrow_mut()),
        }
        Ok(())
    }

    fn property(&self, path: &str) -> HostResult<Vec<u8>> {
        self.call("proxy_get_property")?;
        // Of a connection a proxy knows in the context of its streams only.
        if path.starts_with("connection\0") && self.effective.get() != REQUEST {
            return Err(HostError { call: "proxy_get_property", status: 1 });
        }
        Ok(match path {
            "plugin_vm_id" => b"mandate".to_vec(),
            "connection\0sha256_peer_certificate_digest" => "01".repeat(32).into_bytes(),
            "connection\0uri_san_peer_certificate" => b"agent".to_vec(),
            path => {
                assert_eq!(path, "source\0address");
                b"192.0.2.1:4711".to_vec()
            }
        })
    }

    fn set_property(&self, name: &str, value: &str) -> HostResult<()> {
        self.call("proxy_set_property")?;
        self.properties.borrow_mut().insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    fn set_effective_context(&self, context: u32) -> HostResult<()> {
        self.call("proxy_set_effective_context").map(|()| self.effective.set(context))
    }

    fn continue_request(&self) -> HostResult<()> {
        self.call("proxy_continue_stream")?;
        assert_eq!(self.effective.get(), REQUEST);
        self.continued.set(true);
        Ok(())
    }

    fn close_request(&self) -> HostResult<()> {
        self.call("proxy_close_stream").map(|()| self.closed.set(true))
    }

    fn send_local_response(
        &self,
        status: u16,
        _: &str,
        _: &[(&'static str, String)],
        body: &[u8],
    ) -> HostResult<()> {
        self.call("proxy_send_local_response")?;
        *self.local.borrow_mut() = Some((status, serde_json::from_slice(body).unwrap()));
        Ok(())
    }

    fn http_call(&self, cluster: &str, _: &[(&str, &str)], _: Duration) -> HostResult<u32> {
        self.call("proxy_http_call")?;
        let token = u32::try_from(self.sent.borrow().len()).unwrap() + 100;
        self.sent.borrow_mut().push((cluster.to_owned(), token));
        Ok(token)
    }

    fn request_body(&self, max: usize) -> HostResult<Vec<u8>> {
        self.call("proxy_get_buffer_bytes")?;
        Ok(self.body.borrow().iter().copied().take(max).collect())
    }

    fn response_body(&self, max: usize) -> HostResult<Vec<u8>> {
        self.call("proxy_get_buffer_bytes")?;
        Ok(self.answer.borrow().1.iter().copied().take(max).collect())
    }

    fn replace_response_body(&self, bytes: &[u8]) -> HostResult<()> {
        self.call("proxy_set_buffer_bytes").map(|()| self.answer.borrow_mut().1 = bytes.to_vec())
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }

    fn shared_data(&self, name: &str) -> HostResult<Option<(Vec<u8>, u32)>> {
        self.call("proxy_get_shared_data").map(|()| self.shared.borrow().get(name).cloned())
    }

    fn set_shared_data(&self, name: &str, value: &[u8], state: Option<u32>) -> HostResult<bool> {
        self.call("proxy_set_shared_data")?;
        let mut shared = self.shared.borrow_mut();
        let known = shared.get(name).map(|(_, state)| *state);
        if known != state {
            return Ok(false);
        }
        shared.insert(name.to_owned(), (value.to_vec(), known.unwrap_or(0) + 1));
        Ok(true)
    }

    fn call_body(&self, max: usize) -> HostResult<Vec<u8>> {
        self.call("proxy_get_buffer_bytes")?;
        Ok(self.call_response.borrow().1.iter().copied().take(max).collect())
    }

    fn verify_signature(&self, _: &str, key: &[u8], _: &[u8], text: &[u8]) -> HostResult<bool> {
        self.call("proxy_call_foreign_function")?;
        assert!(!key.is_empty());
        // As a proxy would: right for what the trial signed.
        Ok(text == b"mandate probe")
    }

    fn define_metric(&self, _: MetricKind, name: &str) -> HostResult<u32> {
        self.call("proxy_define_metric")?;
        self.metrics.borrow_mut().push((name.to_owned(), 0));
        Ok(u32::try_from(self.metrics.borrow().len() - 1).unwrap())
    }

    fn increment_metric(&self, id: u32, by: i64) -> HostResult<()> {
        self.call("proxy_increment_metric")?;
        self.metrics.borrow_mut()[usize::try_from(id).unwrap()].1 += by;
        Ok(())
    }

    fn record_metric(&self, id: u32, value: u64) -> HostResult<()> {
        self.call("proxy_record_metric")?;
        self.metrics.borrow_mut()[usize::try_from(id).unwrap()].1 = i64::try_from(value).unwrap();
        Ok(())
    }
}
