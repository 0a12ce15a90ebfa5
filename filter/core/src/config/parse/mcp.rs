//! `mcp` of a route.

use super::super::reader::Node;
use super::super::{Hold, Mcp, Sessions, defaults};
use super::named::Named;
use super::rule::{body_bytes, hold, name_pattern, rule};
use super::word;
use crate::limits;

pub(super) fn mcp(node: &Node<'_>, named: &Named<'_>) -> Option<Mcp> {
    let mut object = node.object()?;
    let rules = |node: &Node<'_>, member| {
        node.list(0..=limits::ACTION_RULES, |node| rule(node, member, name_pattern, named))
    };
    let tools = object.defaulted("tools", Vec::new, |node| rules(node, "name"));
    let resources = object.defaulted("resources", Vec::new, |node| rules(node, "uri"));
    let prompts = object.defaulted("prompts", Vec::new, |node| rules(node, "name"));
    let methods = object.defaulted("methods", Vec::new, |node| {
        node.set(0..=limits::ACTION_RULES, name_pattern, PartialEq::eq)
    });
    let body_bytes = object.defaulted("body_bytes", defaults::body_bytes, body_bytes);
    let narrow_lists = object.defaulted("narrow_lists", defaults::narrow_lists, Node::boolean);
    let sessions = object.defaulted("sessions", Sessions::default, |node| {
        word(node, "sessions", &[("bound", Sessions::Bound), ("unbound", Sessions::Unbound)])
    });
    let hold = object.defaulted("hold", Hold::default, hold);
    object.finish();
    Some(Mcp {
        tools: tools?,
        resources: resources?,
        prompts: prompts?,
        methods: methods?,
        body_bytes: body_bytes?,
        hold: hold?,
        narrow_lists: narrow_lists?,
        sessions: sessions?,
    })
}
