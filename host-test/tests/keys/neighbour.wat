;; Another plugin of the same proxy, which writes keys of its own wherever it believes that ours are looked for: a key set
;; that was fetched just now, and a ledger that says so. Capital words are replaced by the test.
(module
  (import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 1024) "KEYS_NAME")
  (data (i32.const 2048) "LEDGER_NAME")
  ;; 3072: five 64-bit integers, the fourth is when the newest set was fetched
  ;; 4096: when the set was fetched, then the set
  (data (i32.const 4104) "DOCUMENT")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 131072))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func $write
    (if (call $now (i32.const 0)) (then unreachable))
    (i64.store (i32.const 4096) (i64.div_u (i64.load (i32.const 0)) (i64.const 1000000)))
    (i64.store (i32.const 3096) (i64.load (i32.const 4096)))
    (if (call $set (i32.const 1024) (i32.const KEYS_SIZE) (i32.const 4096) (i32.const DOCUMENT_SIZE) (i32.const 0))
      (then unreachable))
    (if (call $set (i32.const 2048) (i32.const LEDGER_SIZE) (i32.const 3072) (i32.const 40) (i32.const 0))
      (then unreachable)))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $write) (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $write) (i32.const 0)))
