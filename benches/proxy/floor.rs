//! Modules that decide nothing: what any filter in this proxy costs, and what this one's calls to the proxy cost, whoever
//! makes them.

use crate::NOW;
use mandate_harness::{Filter, HostCall, Request};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use wasmtime::error::Context as _;
use wasmtime::{Result, ensure};

/// Where the texts begin, and where the proxy may put what it hands over.
const TEXTS: usize = 1024;
/// See [`TEXTS`].
const ROOM: usize = 32 * 1024;

/// A module with the callbacks that the filter has, all of which do nothing.
///
/// # Errors
/// If it is no module.
pub fn nothing() -> Result<Vec<u8>> {
    Module::default().finish()
}

/// The same, making the calls that `filter` makes for a known token, with the same texts: a request that harness and filter
/// let through tells which.
///
/// # Errors
/// If the request is not let through, or makes other calls than this knows.
pub fn same_calls(filter: &[u8], configuration: &Value, headers: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut vm = Filter::compile(filter)?.vm().configuration(configuration.to_string()).now(NOW).start()?;
    let request = Request { headers: headers.to_vec(), ..Request::default() };
    vm.send(request.clone())?;
    let before = vm.call_counts();
    let exchange = vm.send(request)?;
    let mut made = vm.call_counts();
    made.iter_mut().for_each(|(call, count)| *count -= before.get(call).unwrap_or(&0));
    made.retain(|_, count| *count > 0);
    let forwarded = exchange.outcome.forwarded().context("the request was not let through")?;
    let mut module = Module::default();
    module.call(HostCall::GetHeaderMapPairs, 3, "(i32.const 0) (i32.const 0) (i32.const 4)");
    module.call(HostCall::GetCurrentTimeNanoseconds, 1, "(i32.const 8)");
    let name = module.text(b"authorization");
    module.call(HostCall::RemoveHeaderMapValue, 3, &format!("(i32.const 0) {name}"));
    for (name, value) in forwarded.headers.iter().filter(|(name, _)| name.starts_with("x-mandate-")) {
        let field = [module.text(name.as_bytes()), module.text(value)].concat();
        module.call(HostCall::AddHeaderMapValue, 5, &format!("(i32.const 0) {field}"));
    }
    for (name, value) in &exchange.properties {
        let property = [module.text(name.as_bytes()), module.text(value)].concat();
        module.call(HostCall::SetProperty, 4, &property);
    }
    ensure!(module.made == made, "the filter makes the calls {made:?}, and this module {:?}", module.made);
    module.finish()
}

/// The calls that the filter in `benches/peer` makes for a request, made by hand.
///
/// # Errors
/// If it is no module.
pub fn peer_calls() -> Result<Vec<u8>> {
    let mut module = Module::default();
    module.call(HostCall::GetHeaderMapPairs, 3, "(i32.const 0) (i32.const 0) (i32.const 4)");
    let header = [module.text(b"x-header-count"), module.text(b"12")].concat();
    module.call(HostCall::ReplaceHeaderMapValue, 5, &format!("(i32.const 0) {header}"));
    module.finish()
}

/// A module under construction.
#[derive(Default)]
struct Module {
    imports: BTreeMap<&'static str, usize>,
    made: BTreeMap<HostCall, u64>,
    texts: String,
    used: usize,
    body: String,
}

impl Module {
    /// Keeps a text, and gives its place and length as two constants.
    fn text(&mut self, text: &[u8]) -> String {
        let at = TEXTS + self.used;
        self.used += text.len();
        let escaped: String = text.iter().map(|byte| format!("\\{byte:02x}")).collect();
        // Writing to a string does not fail.
        _ = writeln!(self.texts, "(data (i32.const {at}) \"{escaped}\")");
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// Calls the proxy.
    fn call(&mut self, call: HostCall, parameters: usize, arguments: &str) {
        let name = call.name();
        self.imports.insert(name, parameters);
        *self.made.entry(call).or_default() += 1;
        _ = writeln!(self.body, "(drop (call ${name} {arguments}))");
    }

    fn finish(self) -> Result<Vec<u8>> {
        let mut imports = String::new();
        for (name, parameters) in &self.imports {
            let parameters = " i32".repeat(*parameters);
            _ = writeln!(
                imports,
                "(import \"env\" \"{name}\" (func ${name} (param{parameters}) (result i32)))"
            );
        }
        ensure!(TEXTS + self.used <= ROOM, "its texts do not fit");
        let text = format!(
            r#"(module {imports}
            (memory (export "memory") 2)
            (global $room (mut i32) (i32.const {ROOM}))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "_initialize"))
            (func (export "proxy_on_memory_allocate") (param $size i32) (result i32) (local $at i32)
                (local.set $at (global.get $room))
                (global.set $room (i32.add (global.get $room) (local.get $size)))
                (local.get $at))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
            (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (global.set $room (i32.const {ROOM}))
                {body}
                (i32.const 0))
            (func (export "proxy_on_delete") (param i32))
            {texts})"#,
            body = self.body,
            texts = self.texts,
        );
        Ok(wat::parse_str(text)?)
    }
}
