//! What about the rules for MCP is probably a mistake.

use super::super::{NamePattern, Route, Rules};
use super::{Problem, rules, warning};

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
    rules::warnings(&at, route, Rules::Mcp(mcp), warnings);
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
    if mcp.methods.is_empty() && Rules::Mcp(mcp).all().next().is_none() {
        warnings.push(warning(
            at.clone(),
            "admits no tool, resource or prompt: only lists and sessions".to_owned(),
            "add rules to `tools`, `resources` or `prompts`",
        ));
    }
    if rules::misses_messages(&route.matcher) {
        warnings.push(warning(
            at,
            "is never used: messages come by `POST`, which the route does not match".to_owned(),
            "add `POST` to `match.methods`",
        ));
    }
}
