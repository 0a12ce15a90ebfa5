//! The filter as a proxy drives it, with a proxy that fails at every one of its calls, one at a time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod answers;
mod held;
mod proxy;
#[path = "../support/mod.rs"]
mod support;

use mandate_core::config::Config;
use mandate_core::plugin::{Action, Module};
use proxy::Proxy;
use serde_json::{Value, json};
use support::{NOW, config_value, jwks, token};

const PLUGIN: u32 = 1;
const REQUEST: u32 = 2;
const RESOURCE: &str = "https://tools.example/mcp";

/// What became of the one request of a scenario.
#[derive(Debug, PartialEq, Clone)]
enum Became {
    /// It went on to the upstream, with these headers and trailers.
    Forwarded(Vec<(String, String)>, Vec<(String, String)>),
    /// It was answered.
    Answered(u16, String),
    CutOff,
    /// It is held for ever; nothing of it goes on.
    Held,
}

/// One way through the filter.
struct Scenario {
    name: &'static str,
    config: Value,
    headers: Vec<(String, String)>,
    trailers: Vec<(String, String)>,
    /// The body of the response to the fetch of keys, if there is one.
    keys: Option<(&'static str, Value)>,
    /// The message, on a route with a protocol.
    message: Option<Value>,
}

fn run(scenario: &Scenario, fails: Option<usize>) -> (Proxy, Became) {
    let proxy = Proxy::new(scenario.config.clone());
    proxy.fails.set(fails);
    let mut module = Module::new();
    module.create(&proxy, PLUGIN, 0);
    // A proxy whose configuration is refused does not start; should it all the same, every request is denied.
    module.configure(&proxy, PLUGIN);
    module.create(&proxy, REQUEST, PLUGIN);
    *proxy.request.borrow_mut() = scenario.headers.clone();
    *proxy.trailers.borrow_mut() = scenario.trailers.clone();
    let has_trailers = !scenario.trailers.is_empty();
    proxy.effective.set(REQUEST);
    let end = !has_trailers && scenario.message.is_none();
    let mut action = module.request_headers(&proxy, REQUEST, scenario.headers.len(), end);
    if let (Some(message), None) = (&scenario.message, &scenario.keys) {
        action = deliver(&mut module, &proxy, message, !has_trailers);
    }
    if let Some((status, document)) = &scenario.keys {
        proxy.effective.set(PLUGIN);
        module.tick(&proxy, PLUGIN);
        if let Some(message) = &scenario.message {
            // It comes while the request waits.
            proxy.effective.set(REQUEST);
            action = deliver(&mut module, &proxy, message, !has_trailers);
            proxy.effective.set(PLUGIN);
        }
        let fetches = proxy.sent.borrow().clone();
        if let [(_, token), ..] = fetches.as_slice() {
            let body = document.to_string().into_bytes();
            let size = body.len();
            *proxy.call_response.borrow_mut() = (vec![(":status".to_owned(), (*status).to_owned())], body);
            module.call_response(&proxy, PLUGIN, *token, size);
        }
        // Who waited in vain is let go by a later tick.
        proxy.now.set(NOW.plus_secs(10));
        module.tick(&proxy, PLUGIN);
        if proxy.continued.get() {
            action = Action::Continue;
        }
    }
    proxy.effective.set(REQUEST);
    if has_trailers && (action == Action::Continue || scenario.message.is_some()) {
        if scenario.message.is_none() {
            let body = module.request_body(&proxy, REQUEST, 1, false);
            assert_eq!(body, Action::Continue, "{}", scenario.name);
        }
        action = module.request_trailers(&proxy, REQUEST, scenario.trailers.len());
    }
    module.delete(&proxy, REQUEST);
    module.delete(&proxy, PLUGIN);
    let local = proxy.local.borrow().clone();
    let became = match (local, proxy.closed.get(), action) {
        (Some((status, body)), _, held) => {
            assert_eq!(held, Action::Pause, "{}: answered and let go", scenario.name);
            // On a route with a protocol the problem is the error's data.
            let problem = body.pointer("/error/data").unwrap_or(&body);
            // Metadata has no code, but a resource.
            let said = problem.get("code").or(problem.get("resource"));
            Became::Answered(status, said.unwrap().as_str().unwrap().to_owned())
        }
        (None, true, held) => {
            assert_eq!(held, Action::Pause, "{}: cut off and let go", scenario.name);
            Became::CutOff
        }
        (None, false, Action::Continue) => {
            Became::Forwarded(proxy.request.borrow().clone(), proxy.trailers.borrow().clone())
        }
        (None, false, Action::Pause) => Became::Held,
    };
    (proxy, became)
}

/// A message in two parts.
fn deliver(module: &mut Module, proxy: &Proxy, message: &Value, end: bool) -> Action {
    let bytes = message.to_string().into_bytes();
    let size = bytes.len();
    *proxy.body.borrow_mut() = bytes.iter().copied().take(size / 2).collect();
    assert_eq!(module.request_body(proxy, REQUEST, size / 2, false), Action::Pause);
    *proxy.body.borrow_mut() = bytes;
    module.request_body(proxy, REQUEST, size, end)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn request(token: &str) -> Vec<(String, String)> {
    pairs(&[
        (":method", "GET"),
        (":path", "//v1/tickets"),
        ("connection", "keep-alive"),
        ("x-mandate-principal", "mallory"),
        ("authorization", &format!("Bearer {token}")),
    ])
}

fn scenarios() -> Vec<Scenario> {
    let mut audited = config_value();
    audited["audit"] = json!({ "log": "all" });
    let mut remote = audited.clone();
    remote["issuers"][0]["keys"] =
        json!({ "remote": { "cluster": "idp", "uri": "https://idp.example/jwks.json" } });
    let good = request(&token(json!({ "act": { "sub": "agent" } })));
    let bad = request(&token(json!({ "exp": 1 })));
    let trailers = pairs(&[("x-mandate-chain", "mallory"), ("checksum", "1")]);
    let mut bound = audited.clone();
    bound["issuers"][0]["proof"] = json!("if_bound");
    bound["issuers"][0]["proof_kinds"] = json!(["mtls"]);
    bound["issuers"][0]["agent"] = json!({ "from": "act", "agree": ["certificate"] });
    let mut bound_remote = bound.clone();
    bound_remote["issuers"][0]["keys"] = remote["issuers"][0]["keys"].clone();
    let bound_to = |certificate: u8| {
        let cnf = json!({ "x5t#S256": support::b64([certificate; 32]) });
        request(&token(json!({ "act": { "sub": "agent" }, "cnf": cnf })))
    };
    let scenario = |name, config: &Value, headers: &[(String, String)]| Scenario {
        name,
        config: config.clone(),
        headers: headers.to_vec(),
        trailers: Vec::new(),
        keys: None,
        message: None,
    };
    let mut tools = audited.clone();
    tools["routes"] =
        json!([{ "match": { "path_prefix": "/" }, "mcp": { "tools": [{ "name": "tickets.*" }] } }]);
    let mut agent = audited.clone();
    agent["routes"] =
        json!([{ "match": { "path_prefix": "/" }, "a2a": { "methods": [{ "name": "GetTask" }] } }]);
    let a2a =
        |method: &str| Some(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "id": "t1" } }));
    let mut tools_remote = tools.clone();
    tools_remote["issuers"] = remote["issuers"].clone();
    let post: Vec<_> = good
        .iter()
        .cloned()
        .map(|(name, value)| match name.as_str() {
            ":method" => (name, "POST".to_owned()),
            _ => (name, value),
        })
        .collect();
    let call = |tool: &str| {
        Some(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool } }))
    };
    let list = call("tickets.list");
    let mut resources = audited.clone();
    resources["protected_resources"] =
        json!([{ "resource": RESOURCE, "authorization_servers": ["https://idp.example"] }]);
    let metadata = pairs(&[
        (":method", "GET"),
        (":path", "/.well-known/oauth-protected-resource/mcp"),
        (":authority", "tools.example"),
        ("x-mandate-principal", "mallory"),
    ]);
    vec![
        scenario("metadata", &resources, &metadata),
        Scenario { message: list.clone(), ..scenario("a message, allowed", &tools, &post) },
        Scenario { message: call("payments.send"), ..scenario("a message, denied", &tools, &post) },
        Scenario { message: a2a("tasks/get"), ..scenario("a message of A2A, allowed", &agent, &post) },
        Scenario { message: a2a("tasks/cancel"), ..scenario("a message of A2A, denied", &agent, &post) },
        Scenario {
            message: list.clone(),
            trailers: trailers.clone(),
            ..scenario("a message, allowed, with trailers", &tools, &post)
        },
        Scenario {
            message: call("payments.send"),
            trailers: trailers.clone(),
            ..scenario("a message, denied, with trailers", &tools, &post)
        },
        Scenario {
            message: list,
            keys: Some(("200", jwks())),
            ..scenario("a message, waits for keys", &tools_remote, &post)
        },
        scenario("allowed", &audited, &good),
        Scenario { trailers: trailers.clone(), ..scenario("allowed, with trailers", &audited, &good) },
        scenario("allowed, with its certificate", &bound, &bound_to(1)),
        scenario("denied, with another certificate", &bound, &bound_to(2)),
        scenario("denied", &audited, &bad),
        scenario("without a configuration", &json!({ "nonsense": 1 }), &good),
        Scenario { keys: Some(("200", jwks())), trailers, ..scenario("waits for keys", &remote, &good) },
        Scenario { keys: Some(("503", json!({}))), ..scenario("waits in vain", &remote, &good) },
        Scenario {
            keys: Some(("200", jwks())),
            ..scenario("waits for keys, with its certificate", &bound_remote, &bound_to(1))
        },
    ]
}

fn is_reserved(name: &str) -> bool {
    name.starts_with("x-mandate-")
}

#[test]
fn without_a_fault_each_scenario_ends_as_it_should() {
    for scenario in scenarios() {
        let (proxy, became) = run(&scenario, None);
        let record = |result: &str| {
            let records = proxy.audited();
            assert_eq!(records.len(), 1, "{}: {records:?}", scenario.name);
            assert_eq!(records[0]["result"], result, "{}", scenario.name);
        };
        match (scenario.name, became) {
            (
                "allowed"
                | "allowed, with trailers"
                | "allowed, with its certificate"
                | "waits for keys"
                | "waits for keys, with its certificate"
                | "a message, allowed"
                | "a message of A2A, allowed"
                | "a message, allowed, with trailers"
                | "a message, waits for keys"
                | "a message behind its head, allowed"
                | "a message behind its head, waits for keys",
                Became::Forwarded(headers, trailers),
            ) => {
                let value = |name: &str| {
                    headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
                };
                assert_eq!(value(":path"), ["/v1/tickets"], "{}", scenario.name);
                assert_eq!(value("x-mandate-agent"), ["agent"]);
                assert_eq!(value("x-mandate-principal"), ["user:alice"]);
                assert!(value("authorization").is_empty() && value("connection").is_empty());
                assert!(!trailers.iter().any(|(name, _)| is_reserved(name)), "{trailers:?}");
                record("allow");
                assert_eq!(proxy.counted("mandate.decisions.allow"), 1);
            }
            ("denied", Became::Answered(401, code)) => {
                assert_eq!(code, "claim_invalid");
                record("deny");
                assert_eq!(proxy.counted("mandate.decisions.deny.claim_invalid"), 1);
            }
            ("denied, with another certificate", Became::Answered(401, code)) => {
                assert_eq!(code, "proof_invalid");
                record("deny");
            }
            (
                "a message, denied"
                | "a message, denied, with trailers"
                | "a message behind its head, denied"
                | "a message behind its head, denied, with trailers",
                Became::Answered(403, code),
            ) => {
                assert_eq!(code, "action_denied");
                record("deny");
                assert_eq!(proxy.audited()[0]["action"]["name"], "payments.send");
            }
            ("metadata", Became::Answered(200, resource)) => {
                assert_eq!(resource, RESOURCE);
                record("answer");
                assert_eq!(proxy.counted("mandate.decisions.answer"), 1);
                assert_eq!(proxy.counted("mandate.decisions.allow"), 0);
            }
            ("a message of A2A, denied", Became::Answered(403, code)) => {
                assert_eq!(code, "action_denied");
                record("deny");
                assert_eq!(proxy.audited()[0]["action"]["name"], "CancelTask");
            }
            ("without a configuration", Became::Answered(503, code)) => assert_eq!(code, "config_invalid"),
            ("waits in vain", Became::Answered(503, code)) => {
                assert_eq!(code, "keys_unavailable");
                record("deny");
                assert_eq!(proxy.audited()[0]["route"]["index"], 0, "what was known is on record");
            }
            (name, became) => panic!("{name}: {became:?}"),
        }
    }
}

/// What was not looked at must not look like a chain to the upstream.
#[test]
fn links_of_chains_go_on_neither_as_headers_nor_as_trailers_that_look_like_them() {
    let mut config = config_value();
    let mut chained = config["issuers"][0].clone();
    chained["issuer"] = json!("https://chained.example");
    chained["chain"] = json!({ "form": "attenuated", "header": "x-delegation-chain" });
    chained["proof"] = json!("required");
    config["issuers"].as_array_mut().unwrap().push(chained);
    config["proofs"] = json!({ "external_uris": ["https://tools.example"] });
    let mut headers = request(&token(json!({})));
    headers.extend(pairs(&[("x_delegation_chain", "a.b.c")]));
    let trailers =
        pairs(&[("x-delegation-chain", "a.b.c"), ("x.delegation.chain", "a.b.c"), ("checksum", "1")]);
    let scenario = Scenario { name: "chains", config, headers, trailers, keys: None, message: None };
    let (_, Became::Forwarded(headers, trailers)) = run(&scenario, None) else { panic!("it is allowed") };
    assert!(!headers.iter().any(|(name, _)| name.contains("delegation")), "{headers:?}");
    assert_eq!(trailers, pairs(&[("checksum", "1")]));
}

/// Whatever call fails, nothing goes on that would not have gone on just so, and nothing goes on unrecorded.
#[test]
fn a_call_that_fails_lets_nothing_through() {
    let mut held = 0;
    for scenario in scenarios() {
        let (faultless, expected) = run(&scenario, None);
        let calls = faultless.calls.borrow().clone();
        for (number, call) in calls.iter().enumerate() {
            let (proxy, became) = run(&scenario, Some(number));
            let place = format!("{}: call {number}, {call}", scenario.name);
            match &became {
                Became::Forwarded(..) => {
                    assert_eq!(became, expected, "{place}");
                    assert_eq!(proxy.audited().len(), 1, "{place}: unrecorded");
                }
                Became::Answered(200, _) => {
                    assert_eq!(became, expected, "{place}");
                    assert_eq!(proxy.audited().len(), 1, "{place}: unrecorded");
                }
                Became::Answered(status, _) => {
                    assert!(*status >= 400, "{place}");
                    assert!(!proxy.continued.get(), "{place}: answered and resumed");
                }
                // Its head may be with the upstream already, where its trailers are what could not be looked at.
                Became::CutOff => {
                    let resumed = proxy.continued.get() && scenario.trailers.is_empty();
                    assert!(!resumed, "{place}: cut off and resumed");
                }
                Became::Held => held += 1,
            }
        }
        assert!(calls.len() > 10, "{}: {calls:?}", scenario.name);
    }
    assert!(held < 30, "so many requests are held for ever: {held}");
}

/// A request that waits when another configuration comes is denied with what was known of it.
#[test]
fn a_new_configuration_ends_those_who_wait() {
    let mut config = config_value();
    config["issuers"][0]["keys"] =
        json!({ "remote": { "cluster": "idp", "uri": "https://idp.example/jwks.json" } });
    Config::parse(config.to_string().as_bytes()).unwrap();
    let proxy = Proxy::new(config);
    let mut module = Module::new();
    module.create(&proxy, PLUGIN, 0);
    assert!(module.configure(&proxy, PLUGIN));
    module.create(&proxy, REQUEST, PLUGIN);
    *proxy.request.borrow_mut() = request(&token(json!({})));
    assert_eq!(module.request_headers(&proxy, REQUEST, 5, true), Action::Pause);
    assert_eq!(*proxy.local.borrow(), None, "it waits");
    assert!(module.configure(&proxy, PLUGIN));
    let (status, body) = proxy.local.borrow().clone().unwrap();
    assert_eq!((status, body["code"].as_str()), (503, Some("keys_unavailable")));
    let record = &proxy.audited()[0];
    assert_eq!((&record["path"], &record["route"]["index"]), (&json!("/v1/tickets"), &json!(0)));
    assert_eq!(module.request_body(&proxy, REQUEST, 0, true), Action::Pause);
}

#[test]
fn a_request_whose_plugin_is_gone_does_not_go_on() {
    let proxy = Proxy::new(config_value());
    let mut module = Module::new();
    module.create(&proxy, PLUGIN, 0);
    assert!(module.configure(&proxy, PLUGIN));
    module.create(&proxy, REQUEST, PLUGIN);
    *proxy.request.borrow_mut() = request(&token(json!({})));
    assert_eq!(module.request_headers(&proxy, REQUEST, 5, true), Action::Continue);
    module.delete(&proxy, PLUGIN);
    *proxy.request.borrow_mut() = request(&token(json!({})));
    assert_eq!(module.request_headers(&proxy, REQUEST, 5, true), Action::Pause);
    assert_eq!(proxy.local.borrow().as_ref().map(|(status, _)| *status), Some(503));
}

#[test]
fn a_context_that_was_never_announced_is_denied() {
    let proxy = Proxy::new(config_value());
    let mut module = Module::new();
    *proxy.request.borrow_mut() = request(&token(json!({})));
    assert_eq!(module.request_headers(&proxy, 9, 5, true), Action::Pause);
    assert_eq!(proxy.local.borrow().as_ref().map(|(status, _)| *status), Some(503));
    assert_eq!(module.request_body(&proxy, 9, 0, true), Action::Pause);
}
