//! What about the rules for A2A is probably a mistake.

use super::super::{A2aMethod, NamePattern, Route, Rules};
use super::{Problem, rules, warning};

pub(super) fn warnings(index: usize, route: &Route, warnings: &mut Vec<Problem>) {
    let Some(a2a) = &route.a2a else { return };
    let at = format!("/routes/{index}/a2a");
    rules::warnings(&at, route, Rules::A2a(a2a), warnings);
    for (place, rule) in a2a.methods.iter().enumerate() {
        if !A2aMethod::ALL.into_iter().any(|method| rule.name.matches(method.name())) {
            let (text, like) = match &rule.name {
                NamePattern::Exact(name) => (name.clone(), name),
                NamePattern::Prefix(prefix) => (format!("{prefix}*"), prefix),
            };
            let near = |method: &A2aMethod| method.name().eq_ignore_ascii_case(like);
            let suggestion = match A2aMethod::ALL.into_iter().find(near) {
                Some(method) => format!("write `{}`", method.name()),
                None => "ignore this if an extension of the protocol has such a method".to_owned(),
            };
            warnings.push(warning(
                format!("{at}/methods/{place}/name"),
                format!("`{text}` is for no method of A2A 1.0"),
                &suggestion,
            ));
        }
    }
    if a2a.methods.is_empty() {
        warnings.push(warning(
            at.clone(),
            "admits no method: only the card of the agent can be read".to_owned(),
            "add rules to `methods`",
        ));
    }
    if rules::misses_messages(&route.matcher) {
        warnings.push(warning(
            at,
            "admits no message: those come by `POST`, which the route does not match".to_owned(),
            "add `POST` to `match.methods`",
        ));
    }
}
