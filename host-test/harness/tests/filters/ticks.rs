//! Ticks, functions of the filter, and plugins that end in their own time.

use std::time::Duration;

use mandate_harness::{HarnessError, PluginId, Request};

use crate::{guest, messages};

#[test]
fn ticks_come_when_the_test_says_so_at_the_time_that_it_says() {
    let mut vm = guest("ticks").configuration("250").now(1_000).start().unwrap();
    assert_eq!(vm.tick_period(), Some(Duration::from_millis(250)));
    vm.tick().unwrap();
    vm.advance(Duration::from_secs(5));
    vm.tick().unwrap();
    assert_eq!(messages(&vm), ["tick 1 at 1000 s", "tick 2 at 1005 s"]);
    let exchange = vm.send(Request::get("/")).unwrap();
    assert_eq!(exchange.outcome.forwarded().unwrap().headers.text("x-ticks"), Some("2"));
}

#[test]
fn a_filter_that_wants_no_ticks_gets_none() {
    let mut vm = guest("headers").start().unwrap();
    assert!(matches!(vm.tick(), Err(HarnessError::NoTick)));
}

#[test]
fn an_extension_of_the_proxy_calls_the_filter() {
    let mut vm = guest("ticks").start().unwrap();
    vm.call_filter(PluginId::FIRST, 7, "arguments").unwrap();
    assert_eq!(messages(&vm), ["function 7: arguments"]);
}

#[test]
fn a_plugin_that_asks_for_time_ends_when_it_is_done() {
    let mut vm = guest("ticks").start().unwrap();
    assert!(!vm.shut_down().unwrap());
    assert_eq!(vm.contexts(), [1]);
    vm.tick().unwrap();
    assert!(vm.contexts().is_empty());
    assert!(vm.shut_down().unwrap());
    assert!(matches!(vm.tick(), Err(HarnessError::NoTick)));
}

#[test]
fn an_old_configuration_may_outlive_its_update() {
    let mut vm = guest("ticks").start().unwrap();
    assert!(vm.update("10").unwrap());
    assert_eq!(vm.contexts(), [1, 2]);
    assert_eq!(vm.tick_period(), Some(Duration::from_millis(10)));
    vm.tick().unwrap();
    assert_eq!((vm.contexts(), messages(&vm).len()), (vec![2], 2));
    let mut headers = guest("headers").start().unwrap();
    assert!(headers.shut_down().unwrap() && headers.contexts().is_empty());
}
