//! From JSON to [`Config`]: the structure of the document and what its parts demand of each other.

mod a2a;
mod approvals;
mod authentication;
mod claims;
mod issuer;
mod mcp;
mod named;
mod policy;
mod proof;
mod resource;
mod route;
mod rule;

use super::reader::{Node, Problems, shown};
use super::{
    Audit, AuditLog, Config, Delegation, Issuer, Preflight, Problem, Proofs, Upstream, checks, provider,
};
use crate::json::{self, JsonError};
use crate::limits;
use crate::proof_kind::ProofKind;
use serde_json::Value;

pub(super) fn parse(bytes: &[u8]) -> Result<Config, Vec<Problem>> {
    let document = expand(bytes).map_err(|problem| vec![problem])?;
    let problems = Problems::default();
    let config = config(&Node::root(&document, &problems));
    let mut list = problems.into_list();
    match config {
        Some(config) if list.is_empty() => Ok(config),
        _ => {
            if list.is_empty() {
                // INVARIANT: a reader that returns `None` has reported; this keeps the list's promise all the same.
                list.push(whole("could not be read".to_owned()));
            }
            Err(list)
        }
    }
}

/// The document, with what the providers of its issuers say.
pub(super) fn expand(bytes: &[u8]) -> Result<Value, Problem> {
    let mut document = document(bytes)?;
    provider::expand(&mut document);
    Ok(document)
}

const fn whole(message: String) -> Problem {
    Problem { pointer: String::new(), message, suggestion: None }
}

fn document(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(whole("is empty, it must be a JSON object".to_owned()));
    }
    if bytes.len() > limits::CONFIG_BYTES {
        let (most, found) = (limits::CONFIG_BYTES, bytes.len());
        return Err(whole(format!("must not be longer than {most} bytes, but has {found}")));
    }
    json::parse(bytes, limits::JSON_DEPTH).map_err(|error| match error {
        _ if is_protobuf(bytes) => Problem {
            suggestion: Some(
                "give it as `\"@type\": type.googleapis.com/google.protobuf.StringValue`, with the JSON text as `value`"
                    .to_owned(),
            ),
            ..whole("is a protobuf message (a `google.protobuf.Struct`?) and not JSON text".to_owned())
        },
        JsonError::DuplicateMember { pointer } => Problem {
            pointer: shown(&pointer),
            message: "is given twice".to_owned(),
            suggestion: Some("keep one".to_owned()),
        },
        other => whole(other.to_string()),
    })
}

/// Whether these are the bytes of a message whose fields all have a length (field 1 or 2): a `google.protobuf.Struct`, or an
/// `xds.type.v3.TypedStruct`. Envoy hands over as they are what is neither a `StringValue` nor a `BytesValue`.
fn is_protobuf(mut bytes: &[u8]) -> bool {
    while let Some((tag, mut rest)) = bytes.split_first() {
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let Some((byte, after)) = rest.split_first() else { return false };
            rest = after;
            length |= usize::from(byte & 0x7f).checked_shl(shift).unwrap_or(usize::MAX);
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        match rest.split_at_checked(length) {
            Some((_, after)) if matches!(tag, 0x0a | 0x12) => bytes = after,
            _ => return false,
        }
    }
    true
}

fn config(root: &Node<'_>) -> Option<Config> {
    let mut object = root.object()?;
    let proofs = object.defaulted("proofs", Proofs::default, proof::proofs);
    let lacks_address =
        proofs.as_ref().is_some_and(|proofs| proofs.external_uris.is_empty() && !proofs.uris_from_host);
    let issuers = object.required("issuers", |node| issuer::issuers(node, lacks_address));
    let delegation = object.defaulted("delegation", Delegation::default, delegation);
    let policies = object.defaulted("policies", Vec::new, policy::policies);
    let approvals = object.optional("approvals", approvals::approvals);
    let named = named::Named {
        max_depth: delegation.as_ref().map(|it| it.max_depth),
        entries: named::entry_names(root.value()),
        has_approvals: !matches!(approvals, Some(None)),
        addressed_proofs: if lacks_address { addressed_proofs(issuers.as_deref()) } else { Vec::new() },
    };
    let routes =
        object.required("routes", |node| node.list(1..=limits::ROUTES, |node| route::route(node, &named)));
    let preflight = object.defaulted("preflight", Preflight::default, |node| {
        word(node, "preflight", &[("deny", Preflight::Deny), ("pass", Preflight::Pass)])
    });
    let upstream = object.defaulted("upstream", Upstream::default, upstream);
    let audit = object.defaulted("audit", Audit::default, audit);
    let resource_metadata = object.optional("resource_metadata", checks::metadata_url);
    let protected_resources =
        object.defaulted("protected_resources", Vec::new, resource::protected_resources);
    object.finish();
    Some(Config {
        issuers: issuers?,
        delegation: delegation?,
        routes: routes?,
        preflight: preflight?,
        policies: policies?,
        proofs: proofs?,
        approvals: approvals?,
        upstream: upstream?,
        audit: audit?,
        resource_metadata: resource_metadata?,
        protected_resources: protected_resources?,
    })
}

/// The kinds of proofs that name an address, of all that the issuers accept.
fn addressed_proofs(issuers: Option<&[Issuer]>) -> Vec<ProofKind> {
    let accepted =
        |kind: &ProofKind| issuers.iter().copied().flatten().any(|it| it.proof_kinds.contains(kind));
    ProofKind::ALL.into_iter().filter(|kind| kind.has_address() && accepted(kind)).collect()
}

fn delegation(node: &Node<'_>) -> Option<Delegation> {
    let absent = Delegation::default();
    let mut object = node.object()?;
    let max_depth = object.defaulted("max_depth", || absent.max_depth, depth);
    let required = object.defaulted("required", || absent.required, Node::boolean);
    let actor_issuers = object
        .optional("actor_issuers", |node| node.set(1..=limits::SMALL_LIST, checks::identity, PartialEq::eq));
    let allow_cycles = object.defaulted("allow_cycles", || absent.allow_cycles, Node::boolean);
    object.finish();
    Some(Delegation {
        max_depth: max_depth?,
        required: required?,
        actor_issuers: actor_issuers?,
        allow_cycles: allow_cycles?,
    })
}

fn depth(node: &Node<'_>) -> Option<u8> {
    u8::try_from(node.integer(&(0..=u64::from(limits::MAX_MAX_DEPTH)))?).ok()
}

fn upstream(node: &Node<'_>) -> Option<Upstream> {
    let absent = Upstream::default();
    let mut object = node.object()?;
    let forward_token = object.defaulted("forward_token", || absent.forward_token, Node::boolean);
    let identity_headers = object.defaulted("identity_headers", || absent.identity_headers, Node::boolean);
    let case_sensitive_paths =
        object.defaulted("case_sensitive_paths", || absent.case_sensitive_paths, Node::boolean);
    let pass_headers = object.defaulted("pass_headers", Vec::new, |node| {
        node.set(0..=limits::SMALL_LIST, checks::passed_header, PartialEq::eq)
    });
    object.finish();
    Some(Upstream {
        forward_token: forward_token?,
        identity_headers: identity_headers?,
        case_sensitive_paths: case_sensitive_paths?,
        pass_headers: pass_headers?,
    })
}

fn audit(node: &Node<'_>) -> Option<Audit> {
    let mut object = node.object()?;
    let log = object.defaulted("log", AuditLog::default, |node| {
        word(
            node,
            "audit log",
            &[("all", AuditLog::All), ("denied", AuditLog::Denied), ("none", AuditLog::None)],
        )
    });
    object.finish();
    Some(Audit { log: log? })
}

/// One of a closed set of words.
fn word<T: Copy>(node: &Node<'_>, what: &str, words: &[(&'static str, T)]) -> Option<T> {
    let text = node.string(limits::NAME_BYTES)?;
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Some(*value),
        None => node.refuse_word(what, text, &words.iter().map(|(word, _)| *word).collect::<Vec<_>>()),
    }
}
