//! `a2a` of a route.

use super::super::reader::Node;
use super::super::{A2a, A2aMethod, CardAccess, Hold, NamePattern, defaults};
use super::named::Named;
use super::rule::{body_bytes, hold, name_pattern, rule};
use super::word;
use crate::limits;

pub(super) fn a2a(node: &Node<'_>, named: &Named<'_>) -> Option<A2a> {
    let mut object = node.object()?;
    let methods = object.defaulted("methods", Vec::new, |node| {
        node.list(0..=limits::ACTION_RULES, |node| rule(node, "name", method_pattern, named))
    });
    let agent_card = object.defaulted("agent_card", CardAccess::default, |node| {
        word(node, "agent card", &[("token", CardAccess::Token), ("anonymous", CardAccess::Anonymous)])
    });
    let body_bytes = object.defaulted("body_bytes", defaults::body_bytes, body_bytes);
    let hold = object.defaulted("hold", Hold::default, hold);
    object.finish();
    Some(A2a { methods: methods?, agent_card: agent_card?, body_bytes: body_bytes?, hold: hold? })
}

/// Names of version 0.3 are spellings of others, and a rule for one would never apply.
fn method_pattern(node: &Node<'_>) -> Option<NamePattern> {
    let pattern = name_pattern(node)?;
    let earlier = A2aMethod::ALL.into_iter().find(|method| match &pattern {
        NamePattern::Exact(name) => name == method.earlier_name(),
        NamePattern::Prefix(prefix) => !prefix.is_empty() && method.earlier_name().starts_with(prefix),
    });
    match earlier {
        None => Some(pattern),
        Some(method) => node.refuse_with(
            "is for a name of A2A 0.3, and rules have the names of 1.0, which hold for both",
            format!("write `{}`", method.name()),
        ),
    }
}
