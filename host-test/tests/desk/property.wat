;; The smallest proxy-wasm filter that sets properties: which form of a name reaches the access log?
(module
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "mandate.reason")     ;; one segment with a dot
  (data (i32.const 32) "mandate\00decision") ;; two segments
  (data (i32.const 64) "mandate.chain")
  (data (i32.const 128) "token_expired")
  (data (i32.const 160) "d-1")
  (data (i32.const 192) "\"user:alice\", \"agent-a\", \c3\a9")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (i32.const 1) ;; configured
  )
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (call $set_property (i32.const 0) (i32.const 14) (i32.const 128) (i32.const 13)) (then unreachable))
    (if (call $set_property (i32.const 32) (i32.const 16) (i32.const 160) (i32.const 3)) (then unreachable))
    (if (call $set_property (i32.const 64) (i32.const 13) (i32.const 192) (i32.const 27)) (then unreachable))
    (i32.const 0) ;; continue
  ))
