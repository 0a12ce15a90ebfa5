//! What about approvals is probably a mistake.

use super::super::Route;
use super::{Problem, warning};

/// Methods whose requests seldom have a body.
const WITHOUT_BODY: [&str; 4] = ["GET", "HEAD", "DELETE", "OPTIONS"];

/// Nobody reads the bodies that would have to be approved.
pub(super) fn unread_bodies(index: usize, route: &Route) -> Option<Problem> {
    let methods = route.matcher.methods.as_deref();
    let has_bodies =
        methods.is_none_or(|methods| methods.iter().any(|method| !WITHOUT_BODY.contains(&method.as_str())));
    (route.approval && route.rules().is_none() && has_bodies).then(|| {
        warning(
            format!("/routes/{index}/approval"),
            "every request with a body is denied: bodies are not read on a route without `mcp` or `a2a`, so nobody can approve what they say"
                .to_owned(),
            "name methods without bodies in `match.methods`, such as `GET` and `DELETE`, or use `mcp` or `a2a`",
        )
    })
}
