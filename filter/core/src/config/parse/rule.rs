//! What the rules for actions have in common.

use super::super::reader::Node;
use super::super::{ActionRule, Hold, NamePattern, checks};
use super::approvals;
use super::authentication::authentication;
use super::claims::{by_pointer, is_safe, one_value};
use super::named::{Named, entry_reference, route_depth};
use super::word;
use crate::limits;
use serde_json::Value;

pub(super) fn rule(
    node: &Node<'_>,
    member: &'static str,
    pattern: impl FnOnce(&Node<'_>) -> Option<NamePattern>,
    named: &Named<'_>,
) -> Option<ActionRule> {
    let mut object = node.object()?;
    let name = object.required(member, pattern);
    let scopes = object
        .defaulted("scopes", Vec::new, |node| node.set(0..=limits::SCOPES, checks::scope, PartialEq::eq));
    let max_depth = object.optional("max_depth", |node| route_depth(node, named));
    let authentication = authentication(&mut object);
    let approval =
        object.defaulted("approval", || false, |node| approvals::needed(node, named.has_approvals));
    let arguments = object.defaulted("arguments", Vec::new, |node| by_pointer(node, admitted));
    let policies = object.defaulted("policies", Vec::new, |node| {
        node.set(0..=limits::POLICIES, |node| entry_reference(node, named), PartialEq::eq)
    });
    object.finish();
    Some(ActionRule {
        name: name?,
        scopes: scopes?,
        max_depth: max_depth?,
        authentication: authentication?,
        approval: approval?,
        arguments: arguments?,
        policies: policies?,
    })
}

pub(super) fn name_pattern(node: &Node<'_>) -> Option<NamePattern> {
    let text = node.string(limits::IDENTITY_BYTES)?;
    if text.chars().any(char::is_control) {
        return node.refuse("must not contain control characters");
    }
    let before = text.strip_suffix('*').unwrap_or(text);
    if before.contains('*') {
        return node.refuse_with(
            "must have `*` at its end only, where it stands for anything",
            "list several names",
        );
    }
    Some(NamePattern::new(text))
}

fn admitted(node: &Node<'_>) -> Option<Vec<Option<Value>>> {
    // Other than a claim, which is read here alone, an argument is read by the server too.
    let one = |node: &Node<'_>| match is_safe(node.value()) {
        true => one_value(node),
        false => node.refuse_with(
            "is a number that not every server can tell apart from its neighbours (RFC 8259 §6)",
            "have the server take it as a string",
        ),
    };
    node.set(1..=limits::SMALL_LIST, one, PartialEq::eq)
}

pub(super) fn hold(node: &Node<'_>) -> Option<Hold> {
    word(node, "part to hold", &[("head", Hold::Head), ("body", Hold::Body)])
}

pub(super) fn body_bytes(node: &Node<'_>) -> Option<usize> {
    usize::try_from(node.integer(&(1..=limits::MAX_BODY_BYTES as u64))?).ok()
}
