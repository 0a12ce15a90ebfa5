//! Answers to messages, in whatever pieces, and with every call to the proxy failing once.

use crate::proxy::Proxy;
use crate::support::{NOW, config_value, token};
use crate::{PLUGIN, REQUEST, pairs};
use mandate_core::limits;
use mandate_core::plugin::{Action, Module};
use serde_json::{Value, json};

fn tools(more: &Value) -> Value {
    let mut config = config_value();
    let mut mcp = json!({ "tools": [{ "name": "tickets.close", "scopes": ["tickets.write"] }, { "name": "tickets.*" }], "body_bytes": 2000 });
    mcp.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config["routes"] = json!([{ "match": { "path_prefix": "/" }, "mcp": mcp }]);
    config
}

/// A request that was let go. `None`: it was not, for a call failed.
fn let_go(proxy: &Proxy, headers: &[(&str, &str)], message: Option<&Value>) -> Option<Module> {
    let mut module = Module::new();
    module.create(proxy, PLUGIN, 0);
    module.configure(proxy, PLUGIN);
    lets_go(&mut module, proxy, headers, message).then_some(module)
}

/// Whether one more request of this module is let go.
fn lets_go(module: &mut Module, proxy: &Proxy, headers: &[(&str, &str)], message: Option<&Value>) -> bool {
    module.create(proxy, REQUEST, PLUGIN);
    let bearer = format!("Bearer {}", token(json!({ "act": { "sub": "agent" } })));
    let method = if message.is_some() { "POST" } else { "GET" };
    let mut all = vec![(":method", method), (":path", "/mcp"), ("authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    let count = all.len();
    *proxy.request.borrow_mut() = pairs(&all);
    proxy.effective.set(REQUEST);
    let mut action = module.request_headers(proxy, REQUEST, count, message.is_none());
    if let Some(message) = message {
        let bytes = message.to_string().into_bytes();
        let size = bytes.len();
        *proxy.body.borrow_mut() = bytes;
        action = module.request_body(proxy, REQUEST, size, true);
    }
    action == Action::Continue
}

fn list_tools() -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" })
}

/// An answer in pieces, as a proxy shows it: what is held comes again with what follows. Gives what went to the client, or `None` if the
/// answer was cut off.
fn answer(
    module: &mut Module,
    proxy: &Proxy,
    headers: &[(&str, &str)],
    pieces: &[&[u8]],
    trailers: bool,
) -> Option<String> {
    proxy.answer.borrow_mut().0 = pairs(headers);
    module.response_headers(proxy, REQUEST, headers.len(), pieces.is_empty());
    let (mut held, mut out) = (Vec::new(), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        if proxy.closed.get() {
            return None;
        }
        held.extend_from_slice(piece);
        proxy.answer.borrow_mut().1.clone_from(&held);
        let end = !trailers && at + 1 == pieces.len();
        if module.response_body(proxy, REQUEST, held.len(), end) == Action::Continue {
            out.append(&mut proxy.answer.borrow_mut().1);
            held.clear();
        }
    }
    if trailers && module.response_trailers(proxy, REQUEST) == Action::Continue {
        out.append(&mut proxy.answer.borrow_mut().1);
        held.clear();
    }
    if proxy.closed.get() {
        return None;
    }
    assert!(held.is_empty(), "held for ever");
    Some(String::from_utf8(out).unwrap())
}

const JSON: &[(&str, &str)] =
    &[(":status", "200"), ("content-type", "application/json"), ("content-length", "9")];
const EVENTS: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/event-stream; charset=utf-8")];

fn listing() -> String {
    let secret = r#"{"name":"payments.send","description":"secret"}"#;
    let shown = r#"{"zeta":1.50,"name":"tickets.list", "alpha":[1e2]}"#;
    let close = r#"{"name":"tickets.close","description":"secret"}"#;
    format!(
        r#"{{"id":7,"jsonrpc":"2.0","result":{{"tools":[{secret},{shown},{close},7,{{"name":1}}],"nextCursor":"x","cacheScope":"public"}}}}"#
    )
}

fn is_narrowed(text: &str) {
    assert!(!text.contains("secret"), "{text}");
    // What is shown is shown as it was written.
    assert!(text.contains(r#"{"zeta":1.50,"name":"tickets.list", "alpha":[1e2]}"#), "{text}");
    assert!(text.contains(r#""nextCursor":"x""#) && text.contains(r#""cacheScope":"private""#), "{text}");
}

#[test]
fn a_list_is_narrowed_in_whatever_pieces_it_comes() {
    let listing = listing();
    let events =
        format!(": hello\n\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"x\"}}\n\nid: 3\ndata: {listing}\n\n");
    // To clients, a list that does not say for whom it may be kept is for everybody.
    let unscoped = listing.replace(r#","cacheScope":"public""#, "");
    for (headers, text) in [(JSON, &listing), (EVENTS, &events), (JSON, &unscoped)] {
        for size in [1, 7, 50, 10_000] {
            for trailers in [false, true] {
                let proxy = Proxy::new(tools(&json!({})));
                let mut module = let_go(&proxy, &[("accept-encoding", "gzip")], Some(&list_tools())).unwrap();
                assert!(!proxy.request.borrow().iter().any(|(name, _)| name == "accept-encoding"));
                let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
                let shown = answer(&mut module, &proxy, headers, &pieces, trailers).unwrap();
                is_narrowed(&shown);
                if headers == EVENTS {
                    assert!(
                        shown.starts_with(
                            ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\nid: 3\ndata: "
                        ),
                        "{shown}"
                    );
                }
                assert!(!proxy.answer.borrow().0.iter().any(|(name, _)| name == "content-length"));
            }
        }
    }
}

#[test]
fn a_call_that_fails_shows_no_list() {
    let listing = listing();
    let events = format!("data: {listing}\n\n");
    for (headers, text) in [(JSON, &listing), (EVENTS, &events)] {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(100).collect();
        let faultless = Proxy::new(tools(&json!({})));
        let mut module = let_go(&faultless, &[], Some(&list_tools())).unwrap();
        let before = faultless.calls.borrow().len();
        is_narrowed(&answer(&mut module, &faultless, headers, &pieces, false).unwrap());
        let calls = faultless.calls.borrow().clone();
        assert!(calls.len() > before + 3, "{calls:?}");
        for (number, call) in calls.iter().enumerate().skip(before) {
            let proxy = Proxy::new(tools(&json!({})));
            proxy.fails.set(Some(number));
            let mut module = let_go(&proxy, &[], Some(&list_tools())).unwrap();
            if let Some(shown) = answer(&mut module, &proxy, headers, &pieces, false) {
                assert!(!shown.contains("secret"), "call {number}, {}: {shown}", call);
            }
        }
    }
}

#[test]
fn what_cannot_be_narrowed_is_not_shown_and_the_client_is_told() {
    let long = listing().replace("alpha", &"a".repeat(3000));
    let compressed = [JSON, &[("content-encoding", "gzip")]].concat();
    let html = [(":status", "200"), ("content-type", "text/html")];
    for (headers, body) in [
        (JSON, "[]"),
        (JSON, "secret"),
        (JSON, r#"{"result":{"tools":{"secret":1}}}"#),
        (JSON, r#"{"result":{"tools":[{"name":"secret"}]}} "secret""#),
        (&html, "<p>secret"),
        (JSON, long.as_str()),
        (&compressed, "secret"),
    ] {
        for size in [100, 10_000] {
            let proxy = Proxy::new(tools(&json!({})));
            let mut module = let_go(&proxy, &[], Some(&list_tools())).unwrap();
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
            let shown = answer(&mut module, &proxy, headers, &pieces, false).unwrap();
            let message: Value =
                serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
            assert_eq!(
                (&message["id"], &message["error"]["data"]["code"]),
                (&json!(7), &json!("internal")),
                "{body}"
            );
            let lines = proxy.lines.borrow();
            assert!(
                lines
                    .iter()
                    .any(|(_, line)| line.contains("cannot be narrowed") && line.contains("decision ")),
                "{lines:?}"
            );
        }
    }
    // The same as events: what one client cannot read another can.
    for data in [
        r#"[{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"secret"}]}}]"#,
        r#"{"result":{"tools":[{"name":"secret","max":Infinity}]}}"#,
        r#"{"result":{"tools":[{"name":"secret"}]},"result":{}}"#,
        r#"{"result":{"tools":[{"name":"secret"}],"\ud800":1}}"#,
        r#"{"result":{"tools":[{"name":"secret"}]}"#,
        "secret",
    ] {
        let proxy = Proxy::new(tools(&json!({})));
        let mut module = let_go(&proxy, &[], Some(&list_tools())).unwrap();
        let events = format!("id: 1\ndata:\n\ndata: {data}\n\n");
        let shown = answer(&mut module, &proxy, EVENTS, &[events.as_bytes()], false).unwrap();
        assert!(shown.starts_with("id: 1\ndata:\n\n") && shown.contains("internal"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
        let proxy = Proxy::new(tools(&json!({})));
        let mut module = let_go(&proxy, &[], Some(&list_tools())).unwrap();
        let shown = answer(&mut module, &proxy, JSON, &[data.as_bytes()], false).unwrap();
        assert!(!shown.contains("secret"), "{shown}");
    }
    let compressed = [EVENTS, &[("content-encoding", "br")]].concat();
    let proxy = Proxy::new(tools(&json!({})));
    let mut module = let_go(&proxy, &[], Some(&list_tools())).unwrap();
    let shown = answer(&mut module, &proxy, &compressed, &[b"secret", b"secret"], false).unwrap();
    assert!(shown.starts_with("data: {") && shown.ends_with("\n\n") && !shown.contains("secret"), "{shown}");
    // Of events, those before the one that is too long were sent.
    let proxy = Proxy::new(tools(&json!({})));
    let mut module = let_go(&proxy, &[], Some(&list_tools())).unwrap();
    let text = format!("data: 1\n\ndata: {long}\n\ndata: secret\n\n");
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(500).collect();
    let shown = answer(&mut module, &proxy, EVENTS, &pieces, false).unwrap();
    assert!(shown.starts_with("data: 1\n\n") || shown.starts_with("data: {\"jsonrpc\""), "{shown}");
    assert!(shown.contains("internal") && !shown.contains("secret"), "{shown}");
}

#[test]
fn what_is_no_list_or_is_not_asked_for_passes_as_it_is() {
    let call =
        json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": { "name": "tickets.list" } });
    let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"no"}}"#;
    let busy = [(":status", "503"), ("content-type", "text/plain")];
    let listing = listing();
    for (request, more, headers, body) in [
        (&call, json!({}), JSON, listing.as_str()),
        (&list_tools(), json!({ "narrow_lists": false }), JSON, listing.as_str()),
        (&list_tools(), json!({}), JSON, error),
        (&list_tools(), json!({}), &busy, "upstream connect error"),
    ] {
        let proxy = Proxy::new(tools(&more));
        let mut module = let_go(&proxy, &[], Some(request)).unwrap();
        assert_eq!(answer(&mut module, &proxy, headers, &[body.as_bytes()], false).unwrap(), body);
    }
}

#[test]
fn a_stream_that_has_answers_to_other_requests_is_narrowed_too() {
    let events = format!("data: {}\n\n", listing());
    let proxy = Proxy::new(tools(&json!({})));
    let mut module = let_go(&proxy, &[], None).unwrap();
    let page = [(":status", "200"), ("content-type", "text/html")];
    assert_eq!(answer(&mut module, &proxy, &page, &[b"<p>a page"], false).unwrap(), "<p>a page");
    for headers in [vec![("last-event-id", "3")], vec![]] {
        let proxy = Proxy::new(tools(&json!({})));
        let mut module = let_go(&proxy, &headers, None).unwrap();
        is_narrowed(&answer(&mut module, &proxy, EVENTS, &[events.as_bytes()], false).unwrap());
    }
}

#[test]
fn a_call_that_fails_lets_no_session_go_on_unbound() {
    let initialize = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize" });
    let headers = [JSON, &[("mcp-session-id", "s-1")]].concat();
    let go = |fails: Option<usize>| {
        let proxy = Proxy::new(tools(&json!({})));
        proxy.fails.set(fails);
        let module = let_go(&proxy, &[], Some(&initialize));
        let before = proxy.calls.borrow().len();
        let action = module.map(|mut module| {
            proxy.answer.borrow_mut().0 = pairs(&headers);
            module.response_headers(&proxy, REQUEST, headers.len(), false)
        });
        let session = proxy
            .answer
            .borrow()
            .0
            .iter()
            .find(|(name, _)| name == "mcp-session-id")
            .map(|(_, id)| id.clone());
        (before, proxy.calls.borrow().len(), action, session)
    };
    let (before, after, action, session) = go(None);
    assert!(action == Some(Action::Continue) && session.is_some_and(|id| id.starts_with("s-1.")));
    for number in before..after {
        let (_, _, action, session) = go(Some(number));
        assert!(
            action == Some(Action::Pause) || session.is_some_and(|id| id.starts_with("s-1.")),
            "call {number}"
        );
    }
}

#[test]
fn an_id_of_a_session_that_no_header_could_carry_is_removed() {
    let initialize = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize" });
    let long = "x".repeat(3000);
    for ids in [vec!["a", "b"], vec!["a b"], vec![""], vec![long.as_str()]] {
        let proxy = Proxy::new(tools(&json!({})));
        let mut module = let_go(&proxy, &[], Some(&initialize)).unwrap();
        let headers: Vec<_> =
            JSON.iter().copied().chain(ids.iter().map(|id| ("mcp-session-id", *id))).collect();
        answer(&mut module, &proxy, &headers, &[b"{}"], false).unwrap();
        assert!(!proxy.answer.borrow().0.iter().any(|(name, _)| name == "mcp-session-id"), "{ids:?}");
    }
}

#[test]
fn streams_end_with_their_token_and_documents_do_not() {
    for (headers, ends) in [(EVENTS, true), (JSON, false)] {
        let proxy = Proxy::new(tools(&json!({})));
        let mut module = let_go(&proxy, &[], None).unwrap();
        proxy.answer.borrow_mut().0 = pairs(headers);
        module.response_headers(&proxy, REQUEST, headers.len(), false);
        // The tokens of these tests live for five minutes, and clocks may differ by half of one.
        for (seconds, closed) in [(200, false), (4000, ends)] {
            proxy.now.set(NOW.plus_secs(seconds));
            module.tick(&proxy, PLUGIN);
            assert_eq!(proxy.closed.get(), closed, "{headers:?} after {seconds} s");
        }
        if ends {
            assert_eq!(proxy.effective.get(), PLUGIN, "and the plugin is itself again");
        }
    }
    // One that the client left is not ended.
    let proxy = Proxy::new(tools(&json!({})));
    let mut module = let_go(&proxy, &[], None).unwrap();
    proxy.answer.borrow_mut().0 = pairs(EVENTS);
    module.response_headers(&proxy, REQUEST, EVENTS.len(), false);
    module.delete(&proxy, REQUEST);
    proxy.now.set(NOW.plus_secs(4000));
    module.tick(&proxy, PLUGIN);
    assert!(!proxy.closed.get());
}

/// The room for answers is for those that are under way: one that is over takes none, however it ended.
#[test]
fn what_answers_held_is_free_again() {
    let proxy = Proxy::new(tools(&json!({})));
    let mut module = let_go(&proxy, &[], Some(&list_tools())).unwrap();
    let listing = listing();
    for _ in 0..=limits::READ_RESPONSES {
        is_narrowed(&answer(&mut module, &proxy, JSON, &[listing.as_bytes()], true).unwrap());
        module.delete(&proxy, REQUEST);
        assert!(lets_go(&mut module, &proxy, &[], Some(&list_tools())));
    }
    // Others are cut off, or end with their token, while a part of an event is held.
    let config = tools(&json!({ "body_bytes": limits::MAX_BODY_BYTES }));
    let begun = [b"data: ".as_slice(), &vec![b'x'; limits::MAX_BODY_BYTES - 100]].concat();
    for expires in [true, false] {
        let proxy = Proxy::new(config.clone());
        let mut module = let_go(&proxy, &[], None).unwrap();
        for _ in 0..=limits::READ_EVENT_BYTES / begun.len() {
            assert_eq!(answer(&mut module, &proxy, EVENTS, &[&begun], true).as_deref(), Some(""));
            if expires {
                proxy.now.set(NOW.plus_secs(4000));
                module.tick(&proxy, PLUGIN);
                assert!(proxy.closed.take());
                proxy.now.set(NOW);
            }
            module.delete(&proxy, REQUEST);
            assert!(lets_go(&mut module, &proxy, &[], None));
        }
        let events = format!("data: {listing}\n\n");
        is_narrowed(&answer(&mut module, &proxy, EVENTS, &[events.as_bytes()], false).unwrap());
    }
}
