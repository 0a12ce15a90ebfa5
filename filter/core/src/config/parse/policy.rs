//! `policies`.

use super::super::reader::Node;
use super::super::{Mode, PolicyEntry, PolicyLimits, checks};
use super::word;
use crate::limits;
use serde_json::Value;

pub(super) fn policies(node: &Node<'_>) -> Option<Vec<PolicyEntry>> {
    let entries = node.list(0..=limits::POLICIES, policy_entry);
    node.refuse_repeated("name", limits::POLICIES);
    entries
}

fn policy_entry(node: &Node<'_>) -> Option<PolicyEntry> {
    let mut object = node.object()?;
    let name = object.required("name", checks::policy_name);
    let policy = object.optional("policy", checks::policy_name);
    let sha256 = object.optional("sha256", checks::sha256);
    let settings = object.defaulted(
        "settings",
        || Value::Object(serde_json::Map::new()),
        |node| node.object().map(|_| node.value().clone()),
    );
    let mode = object.defaulted("mode", Mode::default, |node| {
        word(node, "mode", &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)])
    });
    let limits = object.defaulted("limits", PolicyLimits::default, policy_limits);
    object.finish();
    let name = name?;
    Some(PolicyEntry {
        policy: policy?.unwrap_or_else(|| name.clone()),
        name,
        sha256: sha256?,
        settings: settings?,
        mode: mode?,
        limits: limits?,
    })
}

fn policy_limits(node: &Node<'_>) -> Option<PolicyLimits> {
    let absent = PolicyLimits::default();
    let mut object = node.object()?;
    let fuel = object.defaulted("fuel", || absent.fuel, |node| node.integer(&limits::POLICY_FUEL));
    let memory_bytes = object.defaulted(
        "memory_bytes",
        || absent.memory_bytes,
        |node| node.integer(&limits::POLICY_MEMORY_BYTES),
    );
    let output_bytes = object.defaulted(
        "output_bytes",
        || absent.output_bytes,
        |node| node.integer(&limits::POLICY_OUTPUT_BYTES),
    );
    object.finish();
    Some(PolicyLimits { fuel: fuel?, memory_bytes: memory_bytes?, output_bytes: output_bytes? })
}
