//! Two plugins in one virtual machine.

use std::time::Duration;

use mandate_harness::{HarnessError, Plugin, PluginId, Request};

use crate::{guest, messages};

#[test]
fn plugins_of_one_machine_have_contexts_configurations_and_timers_of_their_own() {
    let plugin = Plugin::new("ticks").configuration("40").name("clock");
    let mut vm = guest("headers").configuration("x-a").plugin(plugin).start().unwrap();
    let [headers, ticks] = vm.plugins()[..] else { panic!("{:?}", vm.plugins()) };
    assert_eq!((headers, vm.contexts()), (PluginId::FIRST, vec![1, 2]));
    assert_eq!(vm.tick_period(), Some(Duration::from_millis(40)));
    vm.tick().unwrap();
    let through = vm.send_through(ticks, Request::get("/").header("x-a", "1")).unwrap();
    let forwarded = through.outcome.forwarded().unwrap();
    assert_eq!((forwarded.headers.text("x-ticks"), forwarded.headers.text("x-a")), (Some("1"), Some("1")));
    let through = vm.send_through(headers, Request::get("/").header("x-a", "1")).unwrap();
    let forwarded = through.outcome.forwarded().unwrap();
    assert_eq!((forwarded.headers.text("x-ticks"), forwarded.headers.text("x-a")), (None, None));
    assert_eq!(messages(&vm), ["tick 1 at 1700000000 s", "/ "]);
    assert_eq!(vm.logs()[0].context, 2);
}

#[test]
fn one_plugin_is_updated_and_the_other_is_not() {
    let mut vm = guest("headers").configuration("x-a").plugin(Plugin::new("headers")).start().unwrap();
    let [first, second] = vm.plugins()[..] else { panic!("{:?}", vm.plugins()) };
    assert!(vm.update_plugin(second, "x-b").unwrap());
    for (plugin, removed) in [(first, "x-a"), (second, "x-b")] {
        let request = Request::get("/").header("x-a", "").header("x-b", "");
        let forwarded = vm.send_through(plugin, request).unwrap().outcome.forwarded().unwrap().clone();
        assert!(!forwarded.headers.contains(removed), "{removed}");
        assert_eq!(forwarded.headers.iter().filter(|(name, _)| name.starts_with("x-")).count(), 2);
    }
}

#[test]
fn a_stream_belongs_to_the_configuration_in_force_when_its_headers_come() {
    let mut vm = guest("headers").configuration("x-a").start().unwrap();
    let stream = vm.stream();
    assert!(vm.update("x-b").unwrap());
    let headers = Request::get("/").header("x-a", "").header("x-b", "").header_map();
    let outcome = vm.request_headers(stream, headers, true).unwrap();
    let headers = &outcome.forwarded().unwrap().headers;
    assert!(headers.contains("x-a") && !headers.contains("x-b"));
}

#[test]
fn a_plugin_that_refuses_its_configuration_keeps_the_machine_from_serving() {
    let vm = guest("headers").plugin(Plugin::new("headers").configuration("No Header")).start().unwrap();
    assert!(!vm.startup().configured() && vm.dead().is_some());
}

#[test]
fn a_machine_does_not_know_the_plugins_of_another() {
    let two = guest("headers").plugin(Plugin::new("ticks")).start().unwrap();
    let mut one = guest("headers").start().unwrap();
    let result = one.send_through(two.plugins()[1], Request::get("/"));
    assert!(matches!(result, Err(HarnessError::UnknownPlugin(_))));
}
