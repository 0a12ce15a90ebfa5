//! What is shipped in `envoy/` is loaded as it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/streams.rs"]
mod streams;
mod support;

use mandate_core::config::Config;
use mandate_host::FILTER;
use mandate_host::client;
use mandate_host::envoy::{Envoy, EnvoyOptions, EnvoySetup, VM_ID, envoy_config};
use mandate_host::issuer::{Behaviour, Issuer};
use mandate_host::tokens::{Algorithm, jwks};
use mandate_host::upstream::{EventSource, Upstream};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use streams::assert_streams;
use support::{claims, key, sign, through};

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn yaml(name: &str) -> Value {
    serde_norway::from_str(&shipped(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn assert_is_clean(name: &str, config: &str) {
    let parsed = Config::parse(config.as_bytes()).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    assert_eq!(parsed.warnings(), [], "{name}");
}

const LISTENER: &str = "/static_resources/listeners/0";
/// Those with rules for messages.
const WITH_MESSAGES: [&str; 2] = ["envoy-mcp.yaml", "envoy-a2a.yaml"];

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const ROUTE: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0/route";
const HTTP_FILTERS: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
const VIRTUAL_HOST: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0";
const CORS: &str = "envoy.filters.http.cors";

/// The `config` of our filter, wherever among the filters it is.
fn plugin(envoy: &mut Value) -> &mut Value {
    let filters = envoy.pointer_mut(HTTP_FILTERS).unwrap().as_array_mut().unwrap();
    let own = filters.iter_mut().find(|filter| filter["name"] == "mandate").unwrap();
    &mut own["typed_config"]["config"]
}

#[test]
fn the_schema_is_the_one_that_the_types_give() {
    let shipped: Value = serde_json::from_str(&shipped("mandate.schema.json")).unwrap();
    let is_current = shipped == mandate_core::config::schema();
    assert!(is_current, "write it anew: mandate check --schema > envoy/mandate.schema.json");
}

#[test]
fn every_shipped_configuration_is_valid_and_without_warnings() {
    let mut envoy = yaml("envoy.yaml");
    let config = plugin(&mut envoy);
    assert_is_clean("envoy.yaml", config["configuration"]["value"].as_str().unwrap());
    assert_eq!(config["failure_policy"], "FAIL_RELOAD");
    // Under an empty one nothing is shared: not which proofs were used, and not the secret of sessions and nonces.
    assert_eq!(config["vm_config"]["vm_id"], VM_ID);
    for file in WITH_MESSAGES {
        let mut with_messages = yaml(file);
        let config = plugin(&mut with_messages);
        assert_eq!(config["vm_config"]["vm_id"], VM_ID, "{file}");
        assert_is_clean(file, config["configuration"]["value"].as_str().unwrap());
    }

    let configs = manifests().map(|manifest| {
        let mut config = manifest.parsed["spec"].pointer(manifest.config).unwrap().clone();
        assert_is_clean(manifest.file, &config.to_string());
        // Each has its own name for the issuer's cluster.
        config["issuers"][0]["keys"]["remote"]["cluster"] = json!("idp");
        config
    });
    assert!(configs.iter().all(|config| *config == configs[0]), "they say the same: {configs:?}");
}

/// A manifest of Kubernetes that is shipped.
struct Manifest {
    file: &'static str,
    parsed: Value,
    /// What its kind allows: an extract below `tests/manifests`.
    schema: jsonschema::Validator,
    /// Where the plugin configuration stands below `spec`.
    config: &'static str,
    /// Where it says, below `spec`, what happens when the filter fails, and what it must say.
    failure: (&'static str, Value),
}

impl Manifest {
    fn read(file: &'static str, schema: &str, config: &'static str, failure: (&'static str, Value)) -> Self {
        let schema = root(&format!("host-test/tests/manifests/{schema}.schema.json"));
        let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
        Self { file, parsed: yaml(file), schema, config, failure }
    }

    fn problems(&self, manifest: &Value) -> Vec<String> {
        let told = |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
        self.schema.iter_errors(manifest).map(told).collect()
    }
}

fn manifests() -> [Manifest; 3] {
    let reload = json!("FAIL_RELOAD");
    [
        Manifest::read(
            "istio/wasm-plugin.yaml",
            "istio-wasm-plugin",
            "/pluginConfig",
            ("/failStrategy", reload.clone()),
        ),
        Manifest::read(
            "istio/traffic-extension.yaml",
            "istio-traffic-extension",
            "/wasm/pluginConfig",
            ("/wasm/failStrategy", reload),
        ),
        Manifest::read(
            "envoy-gateway/extension-policy.yaml",
            "envoy-extension-policy",
            "/wasm/0/config",
            ("/wasm/0/failOpen", json!(false)),
        ),
    ]
}

/// All that can be spelled in a manifest, as JSON pointers of objects and the names of their members; what is below the
/// plugin configuration is the filter's to read.
fn members(value: &Value, at: &str, config: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) if at != config => {
            for (name, value) in object {
                found.push((at.to_owned(), name.clone()));
                members(value, &format!("{at}/{name}"), config, found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                members(value, &format!("{at}/{index}"), config, found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_misspelt_field_of_a_manifest_is_found_wherever_it_is() {
    for manifest in manifests() {
        let mut found = Vec::new();
        members(&manifest.parsed, "", &format!("/spec{}", manifest.config), &mut found);
        // Labels have the names that a user gives them.
        found.retain(|(at, _)| !at.ends_with("/matchLabels"));
        assert!(found.len() > 8, "{}: {found:?}", manifest.file);
        for (at, name) in found {
            let mut misspelt = manifest.parsed.clone();
            let object = misspelt.pointer_mut(&at).unwrap().as_object_mut().unwrap();
            let value = object.remove(&name).unwrap();
            object.insert(format!("{name}x"), value);
            let problems = manifest.problems(&misspelt);
            assert!(!problems.is_empty(), "{}: `{at}/{name}x` passes", manifest.file);
        }
    }
}

#[test]
fn every_manifest_has_the_fields_of_its_kind_and_denies_when_the_filter_fails() {
    for manifest in manifests() {
        let Manifest { file, parsed, failure: (place, must), .. } = &manifest;
        assert_eq!(manifest.problems(parsed), [""; 0], "{file}");
        assert_eq!(parsed["spec"].pointer(place), Some(must), "{file}");
        for wrong in ["FAIL_SHUT", ""] {
            let mut unknown = parsed.clone();
            *unknown["spec"].pointer_mut(place).unwrap() = json!(wrong);
            assert_ne!(manifest.problems(&unknown), [""; 0], "{file}: {wrong:?} is no such value");
        }
    }
}

/// Its ports are taken by chance on a machine of tests, so they are replaced; its access log goes to a file, where a test
/// can read it. Nothing else is changed.
fn at_the_desk(name: &str, folder: &Path, upstream: SocketAddr, issuer: SocketAddr) -> Value {
    let mut config = yaml(name);
    let mut port = |pointer: &str, port: u16| *config.pointer_mut(pointer).unwrap() = json!(port);
    port("/admin/address/socket_address/port_value", 0);
    port("/static_resources/listeners/0/address/socket_address/port_value", 0);
    let endpoint = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    port(&format!("/static_resources/clusters/0/{endpoint}"), upstream.port());
    port(&format!("/static_resources/clusters/1/{endpoint}"), issuer.port());
    let module = folder.join("mandate.wasm");
    std::fs::write(&module, FILTER).unwrap();
    let filename = &mut plugin(&mut config)["vm_config"]["code"]["local"]["filename"];
    assert_eq!(*filename, "target/mandate/mandate.wasm");
    *filename = json!(module);
    let log = config.pointer_mut(&format!("{MANAGER}/access_log/0")).unwrap();
    log["name"] = json!("envoy.access_loggers.file");
    log["typed_config"]["@type"] =
        json!("type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog");
    log["typed_config"]["path"] = json!(folder.join("access.log"));
    config
}

/// The shipped configuration in a real Envoy, its keys at this issuer. `None`: no Envoy here.
fn run_shipped(upstream: SocketAddr, issuer: &Issuer) -> Option<(Envoy, SocketAddr, tempfile::TempDir)> {
    run("envoy.yaml", upstream, issuer)
}

fn run(name: &str, upstream: SocketAddr, issuer: &Issuer) -> Option<(Envoy, SocketAddr, tempfile::TempDir)> {
    let binary = support::envoy()?;
    let folder = tempfile::tempdir().unwrap();
    let config = at_the_desk(name, folder.path(), upstream, issuer.address());
    let access_log_path = folder.path().join("access.log");
    let options = EnvoyOptions { access_log_path, ..EnvoyOptions::default() };
    let envoy = Envoy::start(&binary, &config.to_string(), &options).unwrap();
    let listener = envoy.listener().unwrap();
    Some((envoy, listener, folder))
}

fn issuer() -> Issuer {
    Issuer::named(support::ISSUER, jwks(&[key(Algorithm::Es256)])).unwrap()
}

#[test]
fn the_envoy_configuration_runs_in_a_real_envoy_and_its_access_log_tells_reason_and_chain() {
    let (issuer, upstream) = (issuer(), Upstream::start().unwrap());
    let Some((envoy, listener, _folder)) = run_shipped(upstream.address(), &issuer) else { return };
    let send = |path: &str, token: Option<&str>| {
        let request = token.iter().fold(client::Request::get(path), |request, token| request.bearer(token));
        client::blocking::send(listener, &request).unwrap()
    };
    let now = support::now();
    assert_eq!(support::reason(&send("/v1/x", None)).as_deref(), Some("token_missing"));
    assert_eq!(
        support::reason(&send("/v1/x", Some(&sign(through(now, &["a", "b", "c", "d"]))))).as_deref(),
        Some("delegation_too_deep")
    );
    // Envoy itself refuses this one, before the filter sees it.
    assert_eq!(send("/v1/..%2fx", Some(&sign(claims(now)))).status, 400);
    assert_eq!(send("/healthz", None).status, 200);
    assert_eq!(send("/v1/x", Some(&sign(through(now, &["agent:1"])))).status, 200, "{}", envoy.log_tail());
    let entries = envoy.wait_for_access_log(5, Duration::from_secs(10));
    assert_eq!(entries.len(), 5, "{entries:?}");
    let denied = entries.iter().find(|e| e["reason"] == "delegation_too_deep").unwrap();
    assert!(denied["chain"].as_str().unwrap().starts_with("\"user:alice\";iss="), "{denied}");
    let allowed = entries.iter().find(|e| e["path"] == "/v1/x" && e["status"] == 200).unwrap();
    assert_eq!(allowed["reason"], Value::Null);
    assert_eq!(
        allowed["chain"],
        "\"user:alice\";iss=\"https://idp.example\", \"agent:1\";iss=\"https://idp.example\""
    );
}

#[test]
fn a_header_with_an_underscore_is_refused_and_a_claimed_original_path_changes_nothing() {
    let (issuer, upstream) = (issuer(), Upstream::start().unwrap());
    let Some((envoy, listener, _folder)) = run_shipped(upstream.address(), &issuer) else { return };
    let send = |request: client::Request| client::blocking::send(listener, &request).unwrap();
    let token = sign(claims(support::now()));
    for name in ["x_mandate_agent", "script_name", "any_thing"] {
        let refused = send(client::Request::get("/v1/x").bearer(&token).header(name, "/healthz"));
        assert_eq!(refused.status, 400, "{name}");
    }
    assert_eq!(upstream.requests(), 0);
    let claimed = |path: &str| client::Request::get(path).header("x-envoy-original-path", "/healthz");
    let denied = send(claimed("/v1/denied"));
    assert_eq!(support::reason(&denied).as_deref(), Some("token_missing"));
    assert_eq!(send(claimed("/v1//allowed/./x").bearer(&token)).status, 200, "{}", envoy.log_tail());
    let entries = envoy.wait_for_access_log(5, Duration::from_secs(10));
    let paths: Vec<&Value> = entries.iter().map(|entry| &entry["path"]).collect();
    // What is refused while it is parsed has no path yet.
    let none = &Value::Null;
    assert_eq!(paths, [none, none, none, &json!("/v1/denied"), &json!("/v1/allowed/x")]);
    let received = upstream.received();
    assert_eq!((received.len(), received[0].path.as_str()), (1, "/v1/allowed/x"));
    assert_eq!(received[0].header("x-envoy-original-path"), None);
}

#[test]
fn the_envoy_configuration_passes_a_stream_on_as_it_comes() {
    assert_eq!(yaml("envoy.yaml").pointer(ROUTE).unwrap()["timeout"], "0s", "else Envoy ends it after 15 s");
    let (issuer, events) = (issuer(), EventSource::start().unwrap());
    let Some((_envoy, listener, _folder)) = run_shipped(events.address(), &issuer) else { return };
    assert_streams(listener, &client::Request::get("/healthz"), &events);
}

#[test]
fn a_body_above_the_buffers_waits_with_its_request_for_the_keys_and_arrives_whole() {
    let (issuer, upstream) = (issuer(), Upstream::start().unwrap());
    issuer.behave(Behaviour::Slow(Duration::from_millis(500)));
    let Some((envoy, listener, _folder)) = run_shipped(upstream.address(), &issuer) else { return };
    let limit = yaml("envoy.yaml").pointer(LISTENER).unwrap()["per_connection_buffer_limit_bytes"].clone();
    let body = vec![b'x'; usize::try_from(limit.as_u64().unwrap()).unwrap() * 10];
    let post = client::Request::post("/v1/x", body.clone());
    let unsigned = client::blocking::send(listener, &post.clone().bearer("e30.e30.")).unwrap();
    assert_ne!(unsigned.status, 200);
    assert_eq!(upstream.requests(), 0);
    let answer = client::blocking::send(listener, &post.bearer(&sign(claims(support::now())))).unwrap();
    assert_eq!(answer.status, 200, "{}", envoy.log_tail());
    assert_eq!(upstream.received()[0].body, body);
}

#[test]
fn a_grpc_client_is_told_of_a_denial_in_grpc_status_and_grpc_message() {
    let (issuer, upstream) = (issuer(), Upstream::start().unwrap());
    issuer.behave(Behaviour::Status(500));
    let Some((_envoy, listener, _folder)) = run_shipped(upstream.address(), &issuer) else { return };
    let call = |path: &str| client::Request::post(path, "x").header("content-type", "application/grpc");
    let good = sign(claims(support::now()));
    for (request, status, reason) in [
        (call("/v1/service/Method"), "16", "token_missing"),
        (call("/elsewhere/Method").bearer(&good), "7", "route_unmatched"),
        (call("/v1/service/Method").bearer(&good), "14", "keys_unavailable"),
    ] {
        let denied = client::blocking::send(listener, &request).unwrap();
        assert_eq!((denied.status, denied.header("grpc-status")), (200, Some(status)), "{reason}");
        let message: Value = serde_json::from_str(denied.header("grpc-message").unwrap()).unwrap();
        assert_eq!(message["code"], reason);
        assert_eq!(denied.body, b"", "{reason}");
    }
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn what_up_and_demo_put_before_the_filter_is_what_is_shipped() {
    let shipped = yaml("envoy.yaml");
    let made = EnvoySetup::new(SocketAddr::from(([127, 0, 0, 1], 1))).guarded();
    // What each has of its own, and what concerns paths.
    let manager = [
        "@type",
        "access_log",
        "http_filters",
        "merge_slashes",
        "normalize_path",
        "path_with_escaped_slashes_action",
        "route_config",
        "stat_prefix",
    ];
    for (pointer, made, own) in [
        (LISTENER, made.listener, &["address", "filter_chains", "name"][..]),
        (MANAGER, made.connection_manager, &manager),
        (ROUTE, made.route, &["cluster"]),
    ] {
        let mut shipped = shipped.pointer(pointer).unwrap().as_object().unwrap().clone();
        shipped.retain(|member, _| !own.contains(&member.as_str()));
        assert_eq!(made, shipped, "{pointer}");
    }
}

#[test]
fn what_up_and_demo_run_refuses_underscores_and_passes_a_stream_on_as_it_comes() {
    let Some(binary) = support::envoy() else { return };
    let events = EventSource::start().unwrap();
    let setup = EnvoySetup::new(events.address()).guarded();
    let envoy = Envoy::start(&binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
    let listener = envoy.listener().unwrap();
    let underscore = client::Request::get("/").header("x_mandate_agent", "agent:1");
    assert_eq!(client::blocking::send(listener, &underscore).unwrap().status, 400);
    assert_streams(listener, &client::Request::get("/"), &events);
}

#[test]
fn the_configurations_for_messages_differ_in_what_bodies_and_browsers_need_and_in_their_rules() {
    for file in WITH_MESSAGES {
        let (mut plain, mut with_messages) = (yaml("envoy.yaml"), yaml(file));
        for config in [&mut plain, &mut with_messages] {
            let filter = plugin(config).as_object_mut().unwrap();
            filter.remove("configuration");
            filter.remove("allow_on_headers_stop_iteration");
            config
                .pointer_mut(LISTENER)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove("per_connection_buffer_limit_bytes");
        }
        if file == "envoy-mcp.yaml" {
            let filters = with_messages.pointer_mut(HTTP_FILTERS).unwrap().as_array_mut().unwrap();
            assert_eq!(filters.remove(0)["name"], CORS, "before ours, which denies preflights");
            let host = with_messages.pointer_mut(VIRTUAL_HOST).unwrap().as_object_mut().unwrap();
            host.remove("typed_per_filter_config").unwrap();
        }
        assert_eq!(plain, with_messages, "{file}");
        let mut with_messages = yaml(file);
        assert_eq!(plugin(&mut with_messages)["allow_on_headers_stop_iteration"], true);
        let listener = with_messages.pointer(LISTENER).unwrap();
        let buffer = listener["per_connection_buffer_limit_bytes"].as_u64().unwrap();
        assert!(
            usize::try_from(buffer).unwrap() > mandate_core::limits::BODY_BYTES,
            "{file}: else Envoy denies, and nobody knows why"
        );
    }
}

#[test]
fn the_configuration_for_mcp_answers_preflights_and_lets_pages_of_listed_origins_read_denials() {
    let (issuer, upstream) = (issuer(), Upstream::start().unwrap());
    let Some((envoy, listener, _folder)) = run("envoy-mcp.yaml", upstream.address(), &issuer) else { return };
    let send = |request: client::Request| client::blocking::send(listener, &request).unwrap();
    let preflight = |origin: &str, path: &str| {
        send(
            client::Request::new("OPTIONS", path)
                .header("host", "tools.example")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization,content-type,mcp-protocol-version"),
        )
    };
    // Of an origin that nobody listed, a preflight is a request without a token.
    for origin in ["https://evil.example", "http://localhost:6275", "null"] {
        let denied = preflight(origin, "/mcp");
        assert_eq!(denied.status, 401, "{origin}");
        assert_eq!(denied.header("access-control-allow-origin"), None, "{origin}");
    }
    let (origin, exposed) = ("http://localhost:6274", "mcp-session-id, www-authenticate, dpop-nonce");
    let answer = preflight(origin, "/mcp");
    assert_eq!(answer.status, 200, "{}", envoy.log_tail());
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, DELETE"));
    let allowed: Vec<&str> = answer.header("access-control-allow-headers").unwrap().split(", ").collect();
    let needed = [
        "authorization",
        "dpop",
        "content-type",
        "accept",
        "last-event-id",
        "mcp-protocol-version",
        "mcp-session-id",
        "mcp-method",
        "mcp-name",
    ];
    assert_eq!(allowed, needed);
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    // A denial, whose challenge a page must see, and the metadata that it leads to.
    let post = client::Request::post("/mcp", "{}").header("host", "tools.example").header("origin", origin);
    let denied = send(post);
    assert_eq!((denied.status, upstream.requests()), (401, 0));
    let url = "https://tools.example/.well-known/oauth-protected-resource/mcp";
    let challenge = denied.header("www-authenticate").unwrap();
    assert!(challenge.contains(&format!("resource_metadata=\"{url}\"")), "{challenge}");
    assert_eq!(denied.header("access-control-allow-origin"), Some(origin));
    assert_eq!(denied.header("access-control-expose-headers"), Some(exposed));
    let path = url.strip_prefix("https://tools.example").unwrap();
    assert_eq!(preflight(origin, path).status, 200);
    for (page, seen_by) in [(origin, origin), ("https://other.example", "*")] {
        let get = client::Request::get(path).header("host", "tools.example").header("origin", page);
        let metadata = send(get);
        assert_eq!(metadata.status, 200, "{}", envoy.log_tail());
        assert_eq!(metadata.header("access-control-allow-origin"), Some(seen_by), "{page}");
        assert_eq!(metadata.json().unwrap()["authorization_servers"], json!(["https://idp.example"]));
    }
    assert_eq!(upstream.requests(), 0);
}

#[test]
fn the_configuration_for_mcp_lets_a_tool_be_called_and_another_not() {
    let (issuer, upstream) = (issuer(), Upstream::start().unwrap());
    let Some((envoy, listener, _folder)) = run("envoy-mcp.yaml", upstream.address(), &issuer) else { return };
    let token = sign(claims(support::now()));
    let call = |tool: &str, pad: usize| {
        let arguments = json!({ "text": "x".repeat(pad) });
        let params = json!({ "name": tool, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        client::blocking::send(listener, &client::Request::post("/mcp", body).bearer(&token)).unwrap()
    };
    let denied = call("payments.send", 0);
    assert_eq!((denied.status, upstream.requests()), (403, 0));
    assert_eq!(denied.json().unwrap()["error"]["data"]["code"], "action_denied");
    // Above the limit of the filter, and below that of Envoy.
    let too_long = call("tickets.list", mandate_core::limits::BODY_BYTES);
    assert_eq!((too_long.status, upstream.requests()), (413, 0), "{}", envoy.log_tail());
    assert_eq!(too_long.json().unwrap()["error"]["data"]["code"], "body_too_large");
    assert_eq!(call("tickets.list", 900_000).status, 200, "{}", envoy.log_tail());
    assert_eq!(upstream.requests(), 1);
}

#[test]
fn the_configuration_for_a2a_lets_a_method_be_called_and_another_not() {
    let (issuer, upstream) = (issuer(), Upstream::start().unwrap());
    let Some((envoy, listener, _folder)) = run("envoy-a2a.yaml", upstream.address(), &issuer) else { return };
    let token = sign(claims(support::now()));
    let send = |request: client::Request| client::blocking::send(listener, &request).unwrap();
    let call = |method: &str| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "id": "t1" } });
        send(client::Request::post("/a2a", body.to_string()).bearer(&token))
    };
    let denied = call("tasks/cancel");
    assert_eq!((denied.status, upstream.requests()), (403, 0));
    assert_eq!(denied.json().unwrap()["error"]["data"]["code"], "action_denied");
    let denied = send(client::Request::post("/a2a/tasks/t1:cancel", "").bearer(&token));
    assert_eq!((denied.status, upstream.requests()), (403, 0));
    assert_eq!(denied.json().unwrap()["code"], "action_denied");
    assert_eq!(call("GetTask").status, 200, "{}", envoy.log_tail());
    assert_eq!(call("tasks/get").status, 200);
    assert_eq!(send(client::Request::get("/a2a/v1/tasks/t1").bearer(&token)).status, 200);
    for card in ["/.well-known/agent-card.json", "/a2a/.well-known/agent-card.json"] {
        assert_eq!(send(client::Request::get(card)).status, 200, "{card}");
    }
    assert_eq!(upstream.requests(), 5);
}

fn root(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// It is no kind whose schema is at hand; what is ours in it is looked at.
#[test]
fn the_filter_for_istio_with_rules_for_messages_has_what_they_need() {
    let manifest = yaml("istio/envoy-filter-mcp.yaml");
    let patches = manifest["spec"]["configPatches"].as_array().unwrap();
    let config = &patches[0]["patch"]["value"]["typed_config"]["config"];
    assert_is_clean("istio/envoy-filter-mcp.yaml", config["configuration"]["value"].as_str().unwrap());
    assert_eq!(config["allow_on_headers_stop_iteration"], true);
    assert_eq!(config["failure_policy"], "FAIL_RELOAD");
    assert_eq!(config["vm_config"]["vm_id"], VM_ID);
    assert_eq!(patches[1]["patch"]["value"]["name"], patches[0]["patch"]["value"]["name"]);
    let buffer = patches[2]["patch"]["value"]["per_connection_buffer_limit_bytes"].as_u64().unwrap();
    assert!(usize::try_from(buffer).unwrap() > mandate_core::limits::BODY_BYTES);
}
