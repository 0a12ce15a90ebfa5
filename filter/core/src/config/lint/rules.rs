//! What about rules for actions is probably a mistake, whatever their protocol.

use super::super::{ActionRule, Route, RouteMatch, RuleKind, Rules};
use super::{Problem, warning};
use serde_json::Value;

/// Rules that never apply, and arguments that are not what they seem.
pub(super) fn warnings(at: &str, route: &Route, rules: Rules<'_>, warnings: &mut Vec<Problem>) {
    for kind in RuleKind::ALL {
        let (member, rules) = (kind.member(), rules.of(kind));
        for (place, rule) in rules.iter().enumerate() {
            let before = rules.get(..place).unwrap_or_default();
            let at = format!("{at}/{member}/{place}");
            one_rule(&at, rule, before, warnings);
            warnings.extend(nobody_authenticates(&at, route, rule));
        }
    }
}

/// No `acr` is in both lists.
fn nobody_authenticates(at: &str, route: &Route, rule: &ActionRule) -> Option<Problem> {
    (!route.authentication.agrees_with(&rule.authentication)).then(|| {
        warning(
            format!("{at}/acr_values"),
            "every request is denied: none of these is among `acr_values` of the route, and both must hold"
                .to_owned(),
            "add those of the rule to the route, or remove `acr_values` there",
        )
    })
}

/// Whether a route takes no messages.
pub(super) fn misses_messages(matcher: &RouteMatch) -> bool {
    matcher.methods.as_ref().is_some_and(|methods| methods.iter().all(|method| method != "POST"))
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
