//! `routes`.

use super::super::reader::{Node, shown};
use super::super::{ProofMode, Route, RouteMatch, checks};
use super::named::{Named, entry_reference, route_depth};
use super::{a2a, approvals, authentication, mcp, proof};
use crate::denial::PathError;
use crate::http::PathPrefix;
use crate::limits;

pub(super) fn route(node: &Node<'_>, named: &Named<'_>) -> Option<Route> {
    let mut object = node.object()?;
    let matcher = object.required("match", route_match);
    let anonymous = object.defaulted("anonymous", || false, Node::boolean);
    let scopes = object.optional("scopes", |node| node.set(0..=limits::SCOPES, checks::scope, PartialEq::eq));
    let max_depth = object.optional("max_depth", |node| route_depth(node, named));
    let delegation_required = object.defaulted("delegation_required", || false, Node::boolean);
    let proof = object.defaulted("proof", ProofMode::default, proof::mode);
    if proof.is_some_and(|mode| mode != ProofMode::None) {
        proof::refuse_without_address(&mut object, &named.addressed_proofs);
    }
    let authentication = authentication::authentication(&mut object);
    let approval =
        object.defaulted("approval", || false, |node| approvals::needed(node, named.has_approvals));
    let policies = object.defaulted("policies", Vec::new, |node| {
        node.set(0..=limits::POLICIES, |node| entry_reference(node, named), PartialEq::eq)
    });
    let mcp = object.optional("mcp", |node| mcp::mcp(node, named));
    let a2a = object.optional("a2a", |node| a2a::a2a(node, named));
    if object.member("mcp").is_some()
        && let Some(node) = object.member("a2a")
    {
        node.refuse_with::<()>(
            "cannot be combined with `mcp`: a message is of one protocol",
            "write a route for each protocol",
        );
    }
    if anonymous == Some(true) {
        for name in [
            "scopes",
            "max_depth",
            "delegation_required",
            "proof",
            "acr_values",
            "max_age_s",
            "approval",
            "policies",
            "mcp",
            "a2a",
        ] {
            if let Some(node) = object.member(name) {
                node.refuse_with::<()>(
                    "has no meaning on an anonymous route, which never looks at a token",
                    "remove it, or remove `anonymous`",
                );
            }
        }
    }
    object.finish();
    Some(Route {
        matcher: matcher?,
        anonymous: anonymous?,
        any_token: scopes.as_ref()?.as_ref().is_some_and(Vec::is_empty),
        scopes: scopes?.unwrap_or_default(),
        max_depth: max_depth?,
        delegation_required: delegation_required?,
        proof: proof?,
        authentication: authentication?,
        approval: approval?,
        policies: policies?,
        mcp: mcp?,
        a2a: a2a?,
    })
}

fn route_match(node: &Node<'_>) -> Option<RouteMatch> {
    let mut object = node.object()?;
    let hosts =
        object.optional("hosts", |node| node.set(1..=limits::SMALL_LIST, checks::host, PartialEq::eq));
    let path_prefix = object.required("path_prefix", path_prefix);
    let methods =
        object.optional("methods", |node| node.set(1..=limits::SMALL_LIST, checks::method, PartialEq::eq));
    object.finish();
    Some(RouteMatch { hosts: hosts?, path_prefix: path_prefix?, methods: methods? })
}

fn path_prefix(node: &Node<'_>) -> Option<PathPrefix> {
    let text = node.string(limits::PATH_BYTES)?;
    match PathPrefix::parse(text) {
        Ok(prefix) => Some(prefix),
        Err(PathError::NotAbsolute) => {
            // A prefix needs no wildcard.
            let text = text.strip_suffix("/*").unwrap_or(text);
            node.refuse_with("must begin with `/`", format!("perhaps `/{}`", shown(text)))
        }
        Err(PathError::NotNormal { normal }) => node.refuse_with(
            "is not in normal form and would match nothing",
            format!("write `{}`", shown(&normal)),
        ),
        Err(error) => node.refuse(error.to_string()),
    }
}
