//! The module under test, and the policies that are linked into it.

use crate::ISSUER;
use mandate_host::authoring::{Component, PolicySource};
use mandate_link::{Policy, link};
use serde_json::{Value, json};
use std::path::Path;
use wasmtime::error::Context as _;
use wasmtime::{Error, Result};

/// The example policies, all of which are in the bundle.
pub const EXAMPLES: [&str; 5] =
    ["tool-allow-list", "business-hours", "production-writes", "drift", "separation-of-duties"];

/// The filter with the five examples.
///
/// # Errors
/// If an example does not compile, or does not link.
pub fn five_policies(filter: &[u8]) -> Result<Vec<u8>> {
    let components = EXAMPLES.into_iter().map(load).collect::<Result<Vec<_>>>()?;
    let policies: Vec<Policy<'_>> =
        components.iter().map(|c| Policy { name: &c.name, component: &c.bytes }).collect();
    link(filter, &policies).context("the examples do not link")
}

/// The configuration with three of them on every route, with settings that allow what the benches ask for.
#[must_use]
pub fn with_three_policies(configuration: &Value) -> Value {
    let agents: Vec<Value> = (0..8)
        .map(|index| json!({ "iss": ISSUER, "sub": format!("agent:{index}"), "tools": ["tickets", "repos"] }))
        .collect();
    let week = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let entries = json!([
        { "name": "tool-allow-list", "settings": { "prefix": "/v1/", "agents": agents, "principal_tools": ["tickets"] } },
        { "name": "business-hours", "settings": {
            "utc_offset_minutes": 0, "days": week, "from": "00:00", "to": "23:59", "production": { "path_prefix": "/v1/production/" },
        } },
        { "name": "production-writes", "settings": { "path_prefix": "/v1/", "max_age_s": 300 } },
    ]);
    let mut configuration = configuration.clone();
    let names: Vec<Value> =
        entries.as_array().into_iter().flatten().filter_map(|entry| entry.get("name").cloned()).collect();
    for route in configuration.get_mut("routes").and_then(Value::as_array_mut).into_iter().flatten() {
        route["policies"] = json!(names);
    }
    configuration["policies"] = entries;
    configuration
}

/// The filter with one example linked so many times, under a name for each.
///
/// # Errors
/// If the example does not compile, or does not link.
pub fn copies(filter: &[u8], example: &str, count: usize) -> Result<(Vec<u8>, Vec<String>)> {
    let component = load(example)?;
    let names: Vec<String> = (0..count).map(|index| format!("copy-{index}")).collect();
    let policies: Vec<Policy<'_>> =
        names.iter().map(|name| Policy { name, component: &component.bytes }).collect();
    Ok((link(filter, &policies).context("the copies do not link")?, names))
}

fn load(example: &str) -> Result<Component> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy-sdk/examples").join(example);
    let source: PolicySource = folder.to_string_lossy().parse().map_err(Error::msg::<String>)?;
    Ok(source.load(|_| ())?)
}
