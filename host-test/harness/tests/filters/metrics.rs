//! Counters, gauges and histograms.

use mandate_harness::{Metric, Request};

use crate::guest;

#[test]
fn metrics_of_every_kind_are_read_by_name() {
    let mut vm = guest("metrics").start().unwrap();
    assert_eq!(vm.metric("requests"), Some(0));
    let held = vm.begin(Request::new("POST", "/").body("1234")).unwrap();
    assert_eq!(held.outcome.forwarded().unwrap().headers.text("x-number"), Some("1"));
    assert_eq!(vm.metric("requests_under_way"), Some(1));
    vm.finish(held.stream).unwrap();
    vm.send(Request::new("POST", "/").body("12")).unwrap();
    assert_eq!(vm.metrics()["requests"], Metric::Counter(2));
    assert_eq!(vm.metrics()["requests_under_way"], Metric::Gauge(0));
    assert_eq!(vm.metrics()["body_bytes"], Metric::Histogram { count: 2, sum: 6 });
}

#[test]
fn statistics_of_the_proxy_outlive_the_virtual_machine() {
    let mut vm = guest("metrics").start().unwrap();
    vm.send(Request::get("/")).unwrap();
    vm.reload().unwrap();
    vm.send(Request::get("/")).unwrap();
    assert_eq!(vm.metric("requests"), Some(2));
}
