//! The headers that `docs/upstream-headers.md` lists: what is said to be removed does not reach the upstream.

use crate::support;
use mandate_host::FILTER;
use mandate_host::client::{self, Request};
use mandate_host::envoy::{Envoy, EnvoyOptions, EnvoySetup, envoy_config};
use mandate_host::upstream::Upstream;
use std::path::Path;

/// The names in the first column of the tables that come before those that are kept.
fn removed() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/upstream-headers.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (removed, _) = document.split_once("## Kept, and why").unwrap();
    let columns = removed.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names = columns.flat_map(|column| column.split('`').step_by(2));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn what_the_document_lists_as_removed_does_not_reach_the_upstream_however_it_is_spelled() {
    let Some(binary) = support::envoy() else { return };
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("mandate.wasm");
    std::fs::write(&module, FILTER).unwrap();
    let upstream = Upstream::start().unwrap();
    let setup = EnvoySetup::new(upstream.address()).filter(module, support::configuration().to_string());
    let envoy = Envoy::start(&binary, &envoy_config(&setup).to_string(), &EnvoyOptions::default()).unwrap();
    let listener = envoy.listener().unwrap();

    let removed = removed();
    assert!(removed.len() > 120, "{removed:?}");
    let mut passed = Vec::new();
    for name in &removed {
        let name = name.replace('*', "anything");
        for name in [name.clone(), name.to_ascii_uppercase(), name.replace('-', "_"), name.replace('-', ".")]
        {
            upstream.forget();
            let request = Request::get("/healthz").header(name.as_str(), "mallory");
            let response = client::blocking::send(listener, &request).unwrap();
            assert_eq!(response.status, 200, "{name}: {response:?}");
            let received = upstream.received();
            if received[0].headers.iter().any(|(_, value)| value == b"mallory") {
                passed.push(name);
            }
        }
    }
    assert_eq!(passed, [""; 0], "reached the upstream");

    for (name, value) in [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-host", "tools.example"),
        ("forwarded", "for=192.0.2.7"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-tenant", "one"),
    ] {
        upstream.forget();
        let request = Request::get("/healthz").header(name, value);
        assert_eq!(client::blocking::send(listener, &request).unwrap().status, 200, "{name}");
        assert_eq!(upstream.received()[0].header(name), Some(value), "{name}");
    }
}
