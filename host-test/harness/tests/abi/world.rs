//! What surrounds a request: configuration, shared data, properties, metrics, logs, time and random numbers.

use mandate_harness::{HarnessError, LogLevel, Metric, Outcome, Request, SharedData, Timestamp};

use crate::support::{filter, module, on_headers};
use mandate_harness::Filter;

#[test]
fn a_refused_configuration_leaves_a_dead_machine() {
    let code = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 16) (i32.const 20)))
        (i32.eq (i32.load8_u (call $pointer)) (i32.const 123)))"#;
    let filter = filter(code);
    let mut vm = filter.vm().configuration("x").start().unwrap();
    assert!(vm.startup().vm_start() && !vm.startup().configured());
    let exchange = vm.send(Request::get("/")).unwrap();
    assert!(matches!(exchange.outcome, Outcome::Trapped { .. }));
    assert_eq!((exchange.outcome.status(), exchange.upstream), (Some(503), None));
    assert!(filter.vm().configuration("{}").start().unwrap().startup().configured());
}

#[test]
fn a_module_that_envoy_would_refuse_does_not_compile() {
    assert!(matches!(Filter::compile(b"no wasm"), Err(HarnessError::Compile(_))));
    let unknown = wat::parse_str(r#"(module (import "env" "proxy_teleport" (func)))"#).unwrap();
    let error = Filter::compile(&unknown).unwrap_err();
    assert_eq!(error.to_string(), "the host provides no import `env.proxy_teleport`");
    let mistyped = r#"(module (import "env" "proxy_done" (func (param i64))) (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#;
    let error = Filter::compile(&wat::parse_str(mistyped).unwrap()).unwrap_err();
    assert!(error.to_string().contains("proxy_done"), "{error}");
    let bare = wat::parse_str("(module)").unwrap();
    assert!(matches!(Filter::compile(&bare), Err(HarnessError::MissingExport("proxy_abi_version_0_2_1"))));
    let tag = wat::parse_str(r#"(module (tag (export "fault")))"#).unwrap();
    assert!(matches!(Filter::compile(&tag), Err(HarnessError::Compile(_))));
}

#[test]
fn a_callback_of_another_type_is_an_error() {
    let filter = filter(r#"(func (export "proxy_on_tick") (param i64))"#);
    assert!(
        matches!(filter.vm().start(), Err(HarnessError::WrongType { name, .. }) if name == "proxy_on_tick")
    );
}

#[test]
fn modules_with_many_memories_exceptions_and_tail_calls_run() {
    let code = r#"
        (memory $policy 1) (tag $fault (param i32))
        (func $check (result i32) (i32.store $policy (i32.const 8) (i32.const 2)) (throw $fault (i32.const 418)))
        (func $call (result i32) (return_call $check))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (block $caught (result i32)
            (try_table (result i32) (catch $fault $caught) (call $call))
            (drop) (i32.const 0))
          (call $deny $"") (i32.const 1))"#;
    let mut vm = filter(code).vm().start().unwrap();
    for _ in 0..1_000 {
        assert_eq!(vm.send(Request::get("/")).unwrap().outcome.status(), Some(418));
    }
}

#[test]
fn a_stale_compare_and_swap_between_two_workers_is_refused() {
    // Reads on `/read`, writes with the number that it read on `/write`.
    let code = r#"
        (if (i32.eq (local.get 1) (i32.const 4))
          (then (call $note (call $get_shared $"lease" (i32.const 16) (i32.const 20) (i32.const 24)))
                (global.set $waiting (call $number)) (call $keep $"value"))
          (else (call $note (call $set_shared $"lease" $"mine" (global.get $waiting)))))"#;
    let filter = filter(&on_headers(code, 0));
    let shared = SharedData::new();
    let mut one = filter.vm().shared_data(shared.clone()).start().unwrap();
    let mut two = filter.vm().shared_data(shared.clone()).start().unwrap();
    let status = |exchange: mandate_harness::Exchange| exchange.property("status").map(str::to_owned);
    let (read, write) = (Request::get("/read"), Request::get("/write").header("x-fifth", ""));

    assert_eq!(status(one.send(read.clone()).unwrap()).as_deref(), Some("01"));
    shared.set("lease", b"free", 0).unwrap();
    assert_eq!(one.send(read.clone()).unwrap().property("value"), Some("free"));
    assert_eq!(status(two.send(read).unwrap()).as_deref(), Some("00"));
    assert_eq!(status(two.send(write.clone()).unwrap()).as_deref(), Some("00"));
    assert_eq!(status(one.send(write).unwrap()).as_deref(), Some("08"));
    assert_eq!(shared.get("lease").unwrap(), (b"mine".to_vec(), 2));
    assert_eq!(shared.keys(), ["lease"]);
}

#[test]
fn properties_come_from_the_stream_then_the_request_then_the_proxy() {
    let code = r#"
        (drop (call $get_property $"source\00address" (i32.const 16) (i32.const 20))) (call $keep $"a")
        (drop (call $get_property $"request\00id" (i32.const 16) (i32.const 20))) (call $keep $"b")
        (drop (call $get_property $"a" (i32.const 16) (i32.const 20))) (call $keep $"module.c")
        (call $note (call $get_property $"nothing" (i32.const 16) (i32.const 20)))"#;
    let filter = filter(&on_headers(code, 0));
    let vm = filter.vm().property("source.address", "10.0.0.1").property("request.id", "proxy's");
    let mut vm = vm.start().unwrap();
    let exchange = vm.send(Request::get("/").property("request.id", "request's")).unwrap();
    assert_eq!(exchange.property("a"), Some("10.0.0.1"));
    assert_eq!(exchange.property("b"), Some("request's"));
    assert_eq!(exchange.property("module.c"), Some("10.0.0.1"));
    assert_eq!(exchange.property("status"), Some("01"));
}

#[test]
fn filter_state_of_one_request_is_not_seen_by_the_next() {
    let code = r#"(call $note (call $get_property $"mark" (i32.const 16) (i32.const 20)))
        (drop (call $set_property $"mark" $"1"))"#;
    let mut vm = filter(&on_headers(code, 0)).vm().start().unwrap();
    for _ in 0..2 {
        let exchange = vm.send(Request::get("/")).unwrap();
        assert_eq!((exchange.property("status"), exchange.property("mark")), (Some("01"), Some("1")));
    }
}

#[test]
fn metrics_are_read_by_name() {
    let code = r#"
        (global $c (mut i32) (i32.const 0)) (global $g (mut i32) (i32.const 0)) (global $h (mut i32) (i32.const 0))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (drop (call $define (i32.const 0) $"requests" (i32.const 24))) (global.set $c (call $number))
          (drop (call $define (i32.const 1) $"cached" (i32.const 24))) (global.set $g (call $number))
          (drop (call $define (i32.const 2) $"cost" (i32.const 24))) (global.set $h (call $number))
          (i32.const 1))"#;
    let count = r#"
        (drop (call $increment (global.get $c) (i64.const 3)))
        (drop (call $increment (global.get $g) (i64.const -1)))
        (drop (call $record (global.get $g) (i64.const 9)))
        (drop (call $record (global.get $h) (i64.const 40)))
        (drop (call $metric (global.get $c) (i32.const 24)))"#;
    let mut vm = filter(&format!("{code}{}", on_headers(count, 0))).vm().start().unwrap();
    assert_eq!(vm.metric("requests"), Some(0));
    vm.send(Request::get("/")).unwrap();
    vm.reload().unwrap();
    vm.send(Request::get("/")).unwrap();
    assert_eq!((vm.metric("requests"), vm.metric("cached"), vm.metric("none")), (Some(6), Some(9), None));
    assert_eq!(vm.metrics()["cost"], Metric::Histogram { count: 2, sum: 80 });
}

#[test]
fn standard_output_and_error_become_log_lines() {
    let code = r#"
        (i32.store (i32.const 40) (i32.const 48)) (i32.store (i32.const 44) (i32.const 3))
        (i32.store (i32.const 48) (i32.const 0x0a6968))
        (drop (call $fd_write (i32.const 2) (i32.const 40) (i32.const 1) (i32.const 24)))
        (drop (call $fd_write (i32.const 1) (i32.const 40) (i32.const 1) (i32.const 24)))
        (call $note (call $fd_write (i32.const 3) (i32.const 40) (i32.const 1) (i32.const 24)))"#;
    let mut vm = filter(&on_headers(code, 0)).vm().start().unwrap();
    let exchange = vm.send(Request::get("/")).unwrap();
    assert_eq!(exchange.property("status"), Some("08"));
    let lines: Vec<_> = vm.take_logs().into_iter().map(|line| (line.level, line.message)).collect();
    assert_eq!(lines, [(LogLevel::Error, "hi".to_owned()), (LogLevel::Info, "hi".to_owned())]);
    assert!(vm.logs().is_empty());
}

#[test]
fn time_stands_still_and_random_numbers_are_seeded() {
    let code = r#"
        (drop (call $random (i32.const 100) (i32.const 13)))
        (drop (call $set_property $"random" (i32.const 100) (i32.const 13)))
        (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 120)))
        (drop (call $set_property $"clock" (i32.const 120) (i32.const 8)))
        (call $note (call $clock (i32.const 2) (i64.const 0) (i32.const 120)))"#;
    let filter = filter(&on_headers(code, 0));
    let run = |seed| {
        let mut vm = filter.vm().seed(seed).now(Timestamp::from_nanos(5)).start().unwrap();
        let first = vm.send(Request::get("/")).unwrap();
        assert_eq!(first.properties["clock"], 5_u64.to_le_bytes());
        assert_eq!(first.property("status"), Some("58"));
        let second = vm.send(Request::get("/")).unwrap();
        assert_ne!(first.properties["random"], second.properties["random"]);
        first.properties["random"].clone()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn one_filter_serves_many_threads() {
    fn is_send<T: Send>(_: &T) {}
    let filter = Filter::compile(&module("")).unwrap();
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let filter = filter.clone();
            std::thread::spawn(move || {
                let mut vm = filter.vm().start().unwrap();
                is_send(&vm);
                vm.send(Request::get("/")).unwrap().outcome.forwarded().is_some()
            })
        })
        .collect();
    assert!(workers.into_iter().all(|worker| worker.join().unwrap()));
}

#[test]
fn the_module_initialises_before_it_has_contexts() {
    let code = r#"
        (func (export "_initialize") (drop (call $log (i32.const 2) $"_initialize")))
        (func (export "main") (param i32 i32) (result i32) (drop (call $log (i32.const 2) $"main")) (i32.const 0))
        (func (export "proxy_on_context_create") (param i32 i32) (drop (call $log (i32.const 2) $"context")))"#;
    let vm = filter(code).vm().start().unwrap();
    let said: Vec<_> = vm.logs().iter().map(|line| (line.context, line.message.as_str())).collect();
    assert_eq!(said, [(0, "_initialize"), (0, "main"), (1, "context")]);
}

#[test]
fn variables_of_the_environment_are_those_of_the_test() {
    let code = r#"
        (drop (call $environ_sizes (i32.const 200) (i32.const 204)))
        (drop (call $environ (i32.const 208) (i32.const 240)))
        (drop (call $set_property $"sizes" (i32.const 200) (i32.const 8)))
        (drop (call $set_property $"second" (i32.load (i32.const 212)) (i32.const 8)))"#;
    let vm = filter(&on_headers(code, 0)).vm().environment("A", "1").environment("LEVEL", "2");
    let exchange = vm.start().unwrap().send(Request::get("/")).unwrap();
    assert_eq!(exchange.properties["sizes"], [2, 0, 0, 0, 12, 0, 0, 0]);
    assert_eq!(exchange.property("second"), Some("LEVEL=2\0"));
}

#[test]
fn more_random_bytes_than_envoy_gives_at_once_are_refused() {
    let code = r#"(call $note (call $random (i32.const 1024) (i32.const 65537)))"#;
    let mut vm = filter(&on_headers(code, 0)).vm().start().unwrap();
    assert_eq!(vm.send(Request::get("/")).unwrap().property("status"), Some("28"));
}

#[test]
fn a_module_of_an_old_toolchain_finds_the_same_functions() {
    let module = r#"(module
        (import "wasi_unstable" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "env" "emscripten_notify_memory_growth" (func $grown (param i32)))
        (memory (export "memory") 1) (data (i32.const 8) "\10\00\00\00\02\00\00\00hi")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "_start") (call $grown (i32.const 0))
          (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 64)))))"#;
    let filter = Filter::compile(&wat::parse_str(module).unwrap()).unwrap();
    let vm = filter.vm().start().unwrap();
    assert_eq!(vm.logs()[0].message, "hi");
    assert_eq!(vm.call_counts()[&mandate_harness::HostCall::NotifyMemoryGrowth], 1);
}
