//! Filters in WebAssembly text, small enough to read next to the test that runs them.

use mandate_harness::Filter;

/// What every test filter begins with: the imports, an allocator that never frees, and a few helpers.
///
/// `$pointer` (16) and `$size` (20) are where host calls leave results, `$number` is 24. `$note` sets the property
/// `status` to the status in decimal, so that a test can read what a call returned.
const PRELUDE: &str = r#"
(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))
(import "env" "proxy_set_tick_period_milliseconds" (func $tick_every (param i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_pairs" (func $get_pairs (param i32 i32 i32) (result i32)))
(import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
(import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
(import "env" "proxy_send_local_response"
  (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_http_call"
  (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $as (param i32) (result i32)))
(import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
(import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
(import "env" "proxy_get_metric" (func $metric (param i32 i32) (result i32)))
(import "env" "proxy_get_header_map_size" (func $map_size (param i32 i32) (result i32)))
(import "env" "proxy_get_buffer_status" (func $buffer_size (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_status" (func $get_status (param i32 i32 i32) (result i32)))
(import "env" "proxy_done" (func $done (result i32)))
(import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
(import "env" "proxy_resolve_shared_queue" (func $resolve (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
(import "env" "proxy_grpc_call"
  (func $grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_grpc_stream" (func $grpc_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_grpc_send" (func $grpc_send (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_grpc_cancel" (func $grpc_cancel (param i32) (result i32)))
(import "env" "proxy_grpc_close" (func $grpc_close (param i32) (result i32)))
(import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
(memory (export "memory") 4)
(global $heap (mut i32) (i32.const 65536))
(global $waiting (mut i32) (i32.const 0))
(func (export "proxy_abi_version_0_2_1"))
(func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
  (global.get $heap)
  (global.set $heap (i32.add (global.get $heap) (local.get $size))))
(func $pointer (result i32) (i32.load (i32.const 16)))
(func $size (result i32) (i32.load (i32.const 20)))
(func $number (result i32) (i32.load (i32.const 24)))
(func $note (param $status i32)
  (i32.store8 (i32.const 32) (i32.add (i32.const 48) (i32.div_u (local.get $status) (i32.const 10))))
  (i32.store8 (i32.const 33) (i32.add (i32.const 48) (i32.rem_u (local.get $status) (i32.const 10))))
  (drop (call $set_property $"status" (i32.const 32) (i32.const 2))))
;; Answers with a status, no headers, and the text at the given place as the body.
(func $deny (param $status i32) (param $body i32) (param $size i32)
  (drop (call $reply (local.get $status) $"test_details" (local.get $body) (local.get $size)
    (i32.const 0) (i32.const 0) (i32.const -1))))
;; Sets a property to what the last call left behind.
(func $keep (param $name i32) (param $name_size i32)
  (drop (call $set_property (local.get $name) (local.get $name_size) (call $pointer) (call $size))))
"#;

/// Compiles a filter. In `body`, `$"text"` stands for the two constants that say where the text is and how long.
/// `\00` and the like are WebAssembly's escapes for bytes.
pub fn filter(body: &str) -> Filter {
    Filter::compile(&module(body)).unwrap()
}

pub fn module(body: &str) -> Vec<u8> {
    wat::parse_str(expand(&format!("{PRELUDE}{body}"))).unwrap()
}

/// A callback that runs `code` on the request headers and returns `action`.
pub fn on_headers(code: &str, action: u32) -> String {
    on("proxy_on_request_headers", code, action)
}

/// The same on headers or a piece of a body.
pub fn on(callback: &str, code: &str, action: u32) -> String {
    format!(r#"(func (export "{callback}") (param i32 i32 i32) (result i32) {code} (i32.const {action}))"#)
}

fn expand(text: &str) -> String {
    let mut code = String::new();
    let mut data = String::new();
    let mut offset = 1024;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$\"") {
        let (literal, after) = after.split_once('"').unwrap();
        let escapes = literal.matches('\\').count();
        let size = literal.len() - 2 * escapes;
        code.push_str(before);
        code.push_str(&format!("(i32.const {offset}) (i32.const {size})"));
        data.push_str(&format!("(data (i32.const {offset}) \"{literal}\")\n"));
        offset += size;
        rest = after;
    }
    format!("(module {code}{rest} {data})")
}

/// Fields as the ABI serialises them, written as a WebAssembly string.
pub fn pairs(fields: &[(&str, &str)]) -> String {
    let mut bytes = u32::try_from(fields.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in fields {
        bytes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
        bytes.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
    }
    for (name, value) in fields {
        for text in [name, value] {
            bytes.extend(text.bytes());
            bytes.push(0);
        }
    }
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
