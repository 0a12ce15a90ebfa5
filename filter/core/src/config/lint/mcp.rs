//! What about the rules for MCP is probably a mistake.

use super::super::{ActionRule, NamePattern, Route, RuleKind};
use super::{Problem, warning};
use serde_json::Value;

/// Methods whose actions fall under the rules of tools, resources and prompts, whatever `methods` says.
const RULED: [&str; 6] = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
];

pub(super) fn warnings(index: usize, route: &Route, warnings: &mut Vec<Problem>) {
    let Some(mcp) = &route.mcp else { return };
    let at = format!("/routes/{index}/mcp");
    for kind in RuleKind::ALL {
        let (member, rules) = (kind.member(), mcp.rules(kind));
        for (place, rule) in rules.iter().enumerate() {
            let before = rules.get(..place).unwrap_or_default();
            one_rule(&format!("{at}/{member}/{place}"), rule, before, warnings);
        }
    }
    for (place, pattern) in mcp.methods.iter().enumerate() {
        if let NamePattern::Exact(name) = pattern
            && RULED.contains(&name.as_str())
        {
            warnings.push(warning(
                format!("{at}/methods/{place}"),
                format!("has no effect: `{name}` falls under the rules for tools, resources and prompts"),
                "add a rule to `tools`, `resources` or `prompts`",
            ));
        }
    }
    if mcp.methods.is_empty() && mcp.all_rules().next().is_none() {
        warnings.push(warning(
            at.clone(),
            "admits no tool, resource or prompt: only lists and sessions".to_owned(),
            "add rules to `tools`, `resources` or `prompts`",
        ));
    }
    if route.matcher.methods.as_ref().is_some_and(|methods| methods.iter().all(|method| method != "POST")) {
        warnings.push(warning(
            at,
            "is never used: messages come by `POST`, which the route does not match".to_owned(),
            "add `POST` to `match.methods`",
        ));
    }
}

fn one_rule(at: &str, rule: &ActionRule, before: &[ActionRule], warnings: &mut Vec<Problem>) {
    if let Some(earlier) = before.iter().position(|earlier| earlier.name.covers(&rule.name)) {
        warnings.push(warning(
            at.to_owned(),
            format!(
                "is never used: rule {earlier} matches every name that it matches, so what this one asks for does not apply"
            ),
            "move it before that rule, or remove it",
        ));
    }
    for (pointer, values) in &rule.arguments {
        let place = format!("{at}/arguments");
        if matches!(pointer.segments(), [first, _, ..] if first == "arguments" || first == "params") {
            warnings.push(warning(
                place.clone(),
                format!("`{pointer}` points into an argument of that name: pointers begin at the arguments themselves"),
                "leave the first segment out, unless there is such an argument",
            ));
        }
        let has_asterisk = |value: &&Value| value.as_str().is_some_and(|text| text.ends_with('*'));
        if let Some(text) = values.iter().flatten().find(has_asterisk).and_then(Value::as_str) {
            warnings.push(warning(
                place,
                format!("`{text}` of `{pointer}` is no prefix: only this text with its asterisk matches"),
                "list the values",
            ));
        }
    }
}
