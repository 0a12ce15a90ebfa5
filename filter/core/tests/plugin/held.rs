//! Requests that are held until their message came, and those whose head goes on ahead of it.

use crate::proxy::Proxy;
use crate::support::{NOW, config_value, token};
use crate::{PLUGIN, REQUEST, deliver, pairs};
use mandate_core::limits;
use mandate_core::plugin::{Action, Module};
use serde_json::{Value, json};

fn tools(more: Value) -> Value {
    let mut config = config_value();
    let mut mcp = json!({ "tools": [{ "name": "*" }] });
    mcp.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config["routes"] = json!([{ "match": { "path_prefix": "/" }, "mcp": mcp }]);
    config
}

/// The head of a `POST`, and what became of it.
fn post(module: &mut Module, proxy: &Proxy, context: u32, path: &str, headers: &[(&str, &str)]) -> Action {
    module.create(proxy, context, PLUGIN);
    let bearer = format!("Bearer {}", token(json!({})));
    let mut all = vec![(":method", "POST"), (":path", path), ("authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    let count = all.len();
    *proxy.request.borrow_mut() = pairs(&all);
    proxy.effective.set(context);
    module.request_headers(proxy, context, count, false)
}

fn configured(config: Value) -> (Proxy, Module) {
    let proxy = Proxy::new(config);
    let mut module = Module::new();
    module.create(&proxy, PLUGIN, 0);
    assert!(module.configure(&proxy, PLUGIN));
    (proxy, module)
}

/// A request that is held for its message.
fn held(config: Value) -> (Proxy, Module) {
    let (proxy, mut module) = configured(config);
    assert_eq!(post(&mut module, &proxy, REQUEST, "/mcp", &[]), Action::Pause);
    assert_eq!(*proxy.local.borrow(), None);
    (proxy, module)
}

/// A request whose head went on, and whose message is still to come.
fn ahead() -> (Proxy, Module) {
    let mut config = tools(json!({ "hold": "body", "tools": [{ "name": "a" }] }));
    config["audit"] = json!({ "log": "all" });
    let (proxy, mut module) = configured(config);
    let action = post(&mut module, &proxy, REQUEST, "//mcp", &[("accept-encoding", "gzip")]);
    assert_eq!((action, answered(&proxy)), (Action::Continue, None));
    (proxy, module)
}

fn call(tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } })
}

/// A header of the request as the upstream gets it.
fn header(proxy: &Proxy, name: &str) -> Option<String> {
    proxy.request.borrow().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

fn answered(proxy: &Proxy) -> Option<(u16, String)> {
    let local = proxy.local.borrow().clone();
    local.map(|(status, body)| (status, body["error"]["data"]["code"].as_str().unwrap().to_owned()))
}

#[test]
fn a_message_that_is_too_long_is_denied_before_its_end() {
    let (proxy, mut module) = held(tools(json!({ "body_bytes": 100 })));
    assert_eq!(module.request_body(&proxy, REQUEST, 100, false), Action::Pause);
    assert_eq!(answered(&proxy), None);
    assert_eq!(module.request_body(&proxy, REQUEST, 101, false), Action::Pause);
    assert_eq!(answered(&proxy), Some((413, "body_too_large".to_owned())));
    // What still comes changes nothing.
    assert_eq!(module.request_body(&proxy, REQUEST, 200, true), Action::Pause);
}

#[test]
fn a_message_is_as_long_as_it_is_and_not_as_the_proxy_says() {
    let (proxy, mut module) = held(tools(json!({ "body_bytes": 100 })));
    *proxy.body.borrow_mut() = vec![b' '; 200];
    assert_eq!(module.request_body(&proxy, REQUEST, 10, true), Action::Pause);
    assert_eq!(answered(&proxy), Some((413, "body_too_large".to_owned())));
}

#[test]
fn a_proxy_that_shows_no_body_is_not_waited_for_for_ever() {
    let (proxy, mut module) = held(tools(json!({})));
    proxy.now.set(NOW.plus_secs(9));
    proxy.effective.set(PLUGIN);
    module.tick(&proxy, PLUGIN);
    assert_eq!(answered(&proxy), None);
    proxy.now.set(NOW.plus_secs(10));
    module.tick(&proxy, PLUGIN);
    assert_eq!(answered(&proxy), Some((503, "internal".to_owned())));
    assert!(proxy.lines.borrow().iter().any(|(_, line)| line.contains("allow_on_headers_stop_iteration")));
    // One that shows a part of it is: the client is slow.
    let (proxy, mut module) = held(tools(json!({})));
    assert_eq!(module.request_body(&proxy, REQUEST, 1, false), Action::Pause);
    proxy.now.set(NOW.plus_secs(59));
    module.tick(&proxy, PLUGIN);
    assert_eq!(answered(&proxy), None);
    proxy.now.set(NOW.plus_secs(60));
    module.tick(&proxy, PLUGIN);
    assert_eq!(answered(&proxy), Some((400, "body_malformed".to_owned())));
}

#[test]
fn no_more_requests_are_held_than_there_is_room_for() {
    let (proxy, mut module) = held(tools(json!({})));
    let last = REQUEST + u32::try_from(limits::HELD_REQUESTS).unwrap();
    for context in REQUEST + 1..last {
        assert_eq!(post(&mut module, &proxy, context, "/mcp", &[]), Action::Pause);
    }
    assert_eq!(answered(&proxy), None);
    assert_eq!(post(&mut module, &proxy, last, "/mcp", &[]), Action::Pause);
    assert_eq!(answered(&proxy), Some((503, "internal".to_owned())));
}

#[test]
fn a_request_that_is_held_when_another_configuration_comes_is_denied() {
    let (proxy, mut module) = held(tools(json!({})));
    assert!(module.configure(&proxy, PLUGIN));
    assert_eq!(answered(&proxy), Some((503, "keys_unavailable".to_owned())));
    assert_eq!(module.request_body(&proxy, REQUEST, 10, true), Action::Pause);
}

#[test]
fn an_empty_message_and_one_of_a_request_that_is_gone_do_not_pass() {
    let (proxy, mut module) = held(tools(json!({})));
    assert_eq!(module.request_body(&proxy, REQUEST, 0, true), Action::Pause);
    assert_eq!(answered(&proxy), Some((400, "body_malformed".to_owned())));
    let (proxy, mut module) = held(tools(json!({})));
    module.delete(&proxy, REQUEST);
    assert_eq!(module.request_body(&proxy, REQUEST, 10, true), Action::Pause);
}

/// What goes on ahead is changed as if it were allowed, and of a body that is denied nothing follows.
#[test]
fn a_head_goes_ahead_of_its_body_where_the_proxy_cannot_hold_it() {
    for (tool, passes) in [("b", false), ("a", true)] {
        let (proxy, mut module) = ahead();
        assert_eq!(header(&proxy, ":path").as_deref(), Some("/mcp"));
        assert_eq!((header(&proxy, "authorization"), header(&proxy, "accept-encoding")), (None, None));
        assert!(header(&proxy, "x-mandate-decision").is_some());
        assert!(proxy.audited().is_empty(), "nothing is decided yet");
        let action = deliver(&mut module, &proxy, &call(tool), true);
        assert_eq!(action == Action::Continue, passes);
        let expected = (!passes).then(|| (403, "action_denied".to_owned()));
        assert_eq!(answered(&proxy), expected);
    }
    // A body that does not come in time is denied.
    let (proxy, mut module) = ahead();
    proxy.now.set(NOW.plus_secs(30));
    module.tick(&proxy, PLUGIN);
    assert_eq!(answered(&proxy), None);
    proxy.now.set(NOW.plus_secs(60));
    module.tick(&proxy, PLUGIN);
    assert_eq!(answered(&proxy), Some((400, "body_malformed".to_owned())));
}

#[test]
fn what_a_head_alone_denies_does_not_go_ahead() {
    let config = tools(json!({ "hold": "body" }));
    for (name, expected) in [
        ("mcp-session-id", (404, "session_unknown")),
        // An upstream may read it as the one above.
        ("mcp_session_id", (400, "protocol_mismatch")),
        ("mcp.name", (400, "protocol_mismatch")),
    ] {
        let (proxy, mut module) = configured(config.clone());
        assert_eq!(post(&mut module, &proxy, REQUEST, "/mcp", &[(name, "s-1")]), Action::Pause, "{name}");
        assert_eq!(answered(&proxy), Some((expected.0, expected.1.to_owned())), "{name}");
    }
}

/// Before it is known what is asked for, nothing is answered that could depend on it.
#[test]
fn an_answer_before_the_body_was_ruled_on_is_cut_off() {
    for (status, passes) in [
        (Some("200"), false),
        (Some("204"), false),
        (Some("101"), false),
        (Some(""), false),
        (None, false),
        (Some("307"), true),
        (Some("413"), true),
        (Some("503"), true),
    ] {
        let (proxy, mut module) = ahead();
        let headers: Vec<_> = status.iter().map(|status| (":status", *status)).collect();
        proxy.answer.borrow_mut().0 = pairs(&headers);
        let action = module.response_headers(&proxy, REQUEST, 1, false);
        assert_eq!((action == Action::Continue, proxy.closed.get()), (passes, !passes), "{status:?}");
        let id = header(&proxy, "x-mandate-decision").unwrap();
        let is_told = |(_, line): &(_, String)| line.starts_with(&format!("decision {id}: cut off"));
        assert_eq!(proxy.lines.borrow().iter().any(is_told), !passes, "{:?}", proxy.lines.borrow());
    }
    let (proxy, mut module) = ahead();
    proxy.answer.borrow_mut().0 = pairs(&[(":status", "503")]);
    proxy.fails.set(Some(proxy.calls.borrow().len()));
    assert_eq!(module.response_headers(&proxy, REQUEST, 1, false), Action::Pause);
    assert!(proxy.closed.get());
}

/// The upstream was told who acts and by which decision: whatever fails then, the record is of that decision and says who it was.
#[test]
fn the_record_is_of_the_decision_that_the_upstream_was_told_of() {
    let is_recorded = |proxy: &Proxy, place: &str| {
        let records = proxy.audited();
        let [record] = records.as_slice() else { panic!("{place}: {records:?}") };
        assert_eq!(record["decision"].as_str(), header(proxy, "x-mandate-decision").as_deref(), "{place}");
        assert!(record["route"].is_object(), "{place}: {record}");
        assert_eq!(record["chain"][0]["sub"], "user:alice", "{place}: {record}");
        record["result"].clone()
    };
    let (faultless, mut module) = ahead();
    let before = faultless.calls.borrow().len();
    deliver(&mut module, &faultless, &call("a"), true);
    assert_eq!(is_recorded(&faultless, "faultless"), "allow");
    let calls = faultless.calls.borrow().clone();
    for (number, name) in calls.iter().enumerate().skip(before).filter(|(_, name)| **name != "proxy_log") {
        let (proxy, mut module) = ahead();
        proxy.fails.set(Some(number));
        let action = deliver(&mut module, &proxy, &call("a"), true);
        let expected = if action == Action::Continue { "allow" } else { "deny" };
        assert_eq!(is_recorded(&proxy, name), expected, "{name}");
    }
    // The client goes away, and the clock may fail then.
    for clock_fails in [false, true] {
        let (proxy, mut module) = ahead();
        proxy.fails.set(clock_fails.then_some(before));
        module.delete(&proxy, REQUEST);
        assert_eq!(is_recorded(&proxy, "left"), "deny");
    }
}

/// An address of A2A's REST is a command by itself: its head is held whatever the configuration says.
#[test]
fn the_head_of_a_command_never_goes_ahead() {
    let mut config = config_value();
    config["routes"] = json!([{ "match": { "path_prefix": "/" }, "a2a": { "hold": "body", "methods": [{ "name": "GetTask" }] } }]);
    for (path, action) in
        [("/tasks/1:cancel", Action::Pause), ("/message:send", Action::Pause), ("/", Action::Continue)]
    {
        let (proxy, mut module) = configured(config.clone());
        assert_eq!(post(&mut module, &proxy, REQUEST, path, &[]), action, "{path}");
    }
}
