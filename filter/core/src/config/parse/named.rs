//! What routes and their rules refer to.

use super::super::reader::Node;
use super::depth;
use crate::limits;
use crate::proof_kind::ProofKind;
use serde_json::Value;

/// What routes refer to; `None` where the referred part is itself in doubt.
pub(super) struct Named<'a> {
    pub(super) max_depth: Option<u8>,
    pub(super) entries: Option<Vec<&'a str>>,
    /// Whether there is `approvals`.
    pub(super) has_approvals: bool,
    /// Kinds of proofs that the issuers accept and that name an address, where nothing says what the address of a request is.
    pub(super) addressed_proofs: Vec<ProofKind>,
}

/// The names of all policy entries, also of those with problems.
pub(super) fn entry_names(document: &Value) -> Option<Vec<&str>> {
    match document.get("policies") {
        None => Some(Vec::new()),
        Some(Value::Array(entries)) if entries.len() <= limits::POLICIES => {
            Some(entries.iter().filter_map(|entry| entry.get("name")?.as_str()).collect())
        }
        Some(_) => None,
    }
}

pub(super) fn route_depth(node: &Node<'_>, named: &Named<'_>) -> Option<u8> {
    match (depth(node)?, named.max_depth) {
        (depth, Some(most)) if depth > most => {
            node.refuse(format!("must not be more than `delegation.max_depth`, which is {most}"))
        }
        (depth, _) => Some(depth),
    }
}

pub(super) fn entry_reference(node: &Node<'_>, named: &Named<'_>) -> Option<String> {
    let name = node.string(limits::NAME_BYTES)?;
    match &named.entries {
        Some(entries) if !entries.contains(&name) => node.refuse_word("entry of `policies`", name, entries),
        _ => Some(name.to_owned()),
    }
}
