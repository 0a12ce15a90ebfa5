//! The Envoy configuration that puts the filter in front of an upstream.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// The name of the listener.
pub const LISTENER: &str = "mandate";
/// The name of the upstream's cluster.
pub const UPSTREAM: &str = "upstream";
/// The access log's file unless told otherwise, in the folder that Envoy runs in.
pub const ACCESS_LOG: &str = "access.log";

/// The `vm_id` of the filter. No other plugin has it: what workers share under it (the secret of sessions and nonces, and which proofs were
/// used) is the filter's alone.
pub const VM_ID: &str = "mandate";

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

/// What Envoy does with requests when the filter's VM has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// Starts the VM anew, with a pause between attempts; requests get 503 until then.
    #[default]
    Reload,
    /// Answers 503 from then on.
    Closed,
}

/// What to run Envoy with. [`EnvoySetup::new`] fills in the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvoySetup {
    /// The filter or bundle. `None`: a plain proxy, to compare with.
    pub wasm_path: Option<PathBuf>,
    /// The plugin configuration (JSON), given to the filter as it is.
    pub plugin_configuration: String,
    /// Where allowed requests go.
    pub upstream: SocketAddr,
    /// Further clusters by name, such as an issuer's, for the filter to call.
    pub clusters: Vec<(String, SocketAddr)>,
    /// The access log (a JSON object a line). A relative path is below the folder that Envoy runs in.
    pub access_log_path: PathBuf,
    /// Where to listen. Port 0 picks a free one; [`super::Envoy::listener`] tells which.
    pub listen: SocketAddr,
    /// What happens after a failure of the VM.
    pub failure_policy: FailurePolicy,
    /// `allow_on_headers_stop_iteration`: whether Envoy shows the filter the body of a request whose head it holds.
    pub shows_held_bodies: bool,
    /// HTTP filters before ours, as Envoy configures them.
    pub filters_before: Vec<Value>,
    /// Members of the HTTP connection manager to set or replace, such as `normalize_path`. By default Envoy's own
    /// defaults stand, so the filter meets paths as they were sent.
    pub connection_manager: Map<String, Value>,
    /// Members of the listener to set or replace.
    pub listener: Map<String, Value>,
    /// How connections are encrypted: members of a `DownstreamTlsContext`. `None`: they are not.
    pub tls: Option<Value>,
    /// Members of the one route's action to set or replace, such as `timeout`.
    pub route: Map<String, Value>,
    /// How long Envoy waits for a connection to the upstream or another cluster.
    pub connect_timeout: Duration,
}

impl EnvoySetup {
    /// A plain proxy in front of the upstream.
    #[must_use]
    pub fn new(upstream: SocketAddr) -> Self {
        Self {
            wasm_path: None,
            plugin_configuration: String::new(),
            upstream,
            clusters: Vec::new(),
            access_log_path: PathBuf::from(ACCESS_LOG),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            failure_policy: FailurePolicy::Reload,
            shows_held_bodies: false,
            filters_before: Vec::new(),
            connection_manager: Map::new(),
            listener: Map::new(),
            tls: None,
            route: Map::new(),
            connect_timeout: Duration::from_secs(1),
        }
    }

    /// The same with a filter and its configuration.
    #[must_use]
    pub fn filter(mut self, wasm_path: impl Into<PathBuf>, plugin_configuration: impl Into<String>) -> Self {
        self.wasm_path = Some(wasm_path.into());
        self.plugin_configuration = plugin_configuration.into();
        self
    }

    /// The same with one more cluster.
    #[must_use]
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        self.clusters.push((name.to_owned(), address));
        self
    }

    /// The same, and Envoy buffers bodies of up to `bytes` and shows them to the filter while it holds the head, see
    /// [`mandate_core::config::Config::body_bytes`].
    #[must_use]
    pub fn shows_held_bodies(mut self, bytes: usize) -> Self {
        self.shows_held_bodies = true;
        // Envoy answers what is longer by itself: what the filter would deny must come to it.
        set(&mut self.listener, json!({ "per_connection_buffer_limit_bytes": bytes + 65_536 }));
        self
    }

    /// The same with the bounds of the shipped `envoy/envoy.yaml`, which says what each protects from, and without a
    /// limit to how long an answer may take. What concerns paths is left out: the filter normalises them by itself, and
    /// the one route that is made here takes all.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        set(
            &mut self.connection_manager,
            json!({
                "use_remote_address": true,
                "strip_trailing_host_dot": true,
                "common_http_protocol_options": {
                    "headers_with_underscores_action": "REJECT_REQUEST",
                    "idle_timeout": "3600s",
                },
                "request_headers_timeout": "10s",
                "stream_idle_timeout": "300s",
                "http2_protocol_options": {
                    "max_concurrent_streams": 100,
                    "initial_stream_window_size": 65_536,
                    "initial_connection_window_size": 1_048_576,
                },
            }),
        );
        set(&mut self.listener, json!({ "per_connection_buffer_limit_bytes": 65_536 }));
        set(&mut self.route, json!({ "timeout": "0s" }));
        self
    }
}

/// Sets or replaces members of an object.
fn set(object: &mut Map<String, Value>, members: Value) {
    if let Value::Object(members) = members {
        object.extend(members);
    }
}

/// An object with members set or replaced.
fn with(mut object: Value, members: &Map<String, Value>) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.extend(members.clone());
    }
    object
}

/// What says which message of Envoy's extensions an object is.
fn message(name: &str) -> Map<String, Value> {
    Map::from_iter([("@type".to_owned(), json!(format!("{EXTENSIONS}.{name}")))])
}

/// The bootstrap: one listener, the filters, the clusters, and an admin interface on a free loopback port.
#[must_use]
pub fn envoy_config(setup: &EnvoySetup) -> Value {
    let upstream = cluster(UPSTREAM, setup.upstream, setup.connect_timeout);
    let others = setup.clusters.iter().map(|(name, at)| cluster(name, *at, setup.connect_timeout));
    json!({
        "admin": { "address": socket_address(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)) },
        "static_resources": {
            "listeners": [listener(setup)],
            "clusters": std::iter::once(upstream).chain(others).collect::<Vec<_>>(),
        },
    })
}

fn listener(setup: &EnvoySetup) -> Value {
    let mut chain = json!({ "filters": [{
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": connection_manager(setup),
    }] });
    if let (Some(context), Some(chain)) = (&setup.tls, chain.as_object_mut()) {
        let context = with(context.clone(), &message("transport_sockets.tls.v3.DownstreamTlsContext"));
        set(chain, json!({ "transport_socket": { "name": "tls", "typed_config": context } }));
    }
    let listener = json!({
        "name": LISTENER,
        "address": socket_address(setup.listen),
        "filter_chains": [chain],
    });
    with(listener, &setup.listener)
}

fn connection_manager(setup: &EnvoySetup) -> Value {
    let mut filters = setup.filters_before.clone();
    filters.extend(wasm_filter(setup));
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": format!("{EXTENSIONS}.filters.http.router.v3.Router") },
    }));
    let manager = json!({
        "@type": format!(
            "{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": LISTENER,
        "route_config": { "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{
                "match": { "prefix": "/" },
                "route": with(json!({ "cluster": UPSTREAM }), &setup.route),
            }],
        }] },
        "http_filters": filters,
        "access_log": [access_log(setup)],
    });
    with(manager, &setup.connection_manager)
}

fn wasm_filter(setup: &EnvoySetup) -> Option<Value> {
    let path = setup.wasm_path.as_ref()?;
    // Envoy runs in a folder of its own.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let policy = match setup.failure_policy {
        FailurePolicy::Reload => "FAIL_RELOAD",
        FailurePolicy::Closed => "FAIL_CLOSED",
    };
    Some(json!({
        "name": "mandate",
        "typed_config": {
            "@type": format!("{EXTENSIONS}.filters.http.wasm.v3.Wasm"),
            "config": {
                "name": "mandate",
                "root_id": "mandate",
                "vm_config": {
                    "vm_id": VM_ID,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": path } },
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": setup.plugin_configuration,
                },
                "failure_policy": policy,
                // A wrapped boolean, so that absent is Envoy's default.
                "allow_on_headers_stop_iteration": setup.shows_held_bodies.then_some(true),
            },
        },
    }))
}

/// Envoy prefixes what a filter sets as a property with `wasm.`; `PLAIN` is the form that prints it as it was set.
fn access_log(setup: &EnvoySetup) -> Value {
    let state = |name: &str| format!("%FILTER_STATE(wasm.mandate.{name}:PLAIN)%");
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": format!("{EXTENSIONS}.access_loggers.file.v3.FileAccessLog"),
            "path": setup.access_log_path,
            "log_format": { "json_format": {
                "time": "%START_TIME%",
                "method": "%REQ(:METHOD)%",
                "path": "%REQ(:PATH)%",
                "status": "%RESPONSE_CODE%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "flags": "%RESPONSE_FLAGS%",
                "duration_ms": "%DURATION%",
                "upstream": "%UPSTREAM_HOST%",
                "decision": state("decision"),
                "reason": state("reason"),
                "chain": state("chain"),
            } },
        },
    })
}

fn cluster(name: &str, at: SocketAddr, connect_timeout: Duration) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": format!("{:.3}s", connect_timeout.as_secs_f64()),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket_address(at) } }] }],
        },
    })
}

fn socket_address(at: SocketAddr) -> Value {
    json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } })
}
