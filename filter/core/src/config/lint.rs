//! What a configuration may say but seldom means.

use super::{Config, Problem, Route, RouteMatch, same_token_type};

/// Warnings in the order of issuers, delegation, routes, policies, upstream.
pub(super) fn warnings(config: &Config) -> Vec<Problem> {
    let mut warnings = Vec::new();
    issuers(config, &mut warnings);
    if config.delegation.required && config.delegation.max_depth == 0 {
        warnings.push(warning(
            "/delegation/required".to_owned(),
            "no token can have a hop and none, so every token is denied".to_owned(),
            "raise `max_depth`, or drop `required`",
        ));
    }
    for (index, route) in config.routes.iter().enumerate() {
        let earlier =
            config.routes.iter().take(index).position(|earlier| shadows(&earlier.matcher, &route.matcher));
        one_route(index, route, earlier, &mut warnings);
    }
    for (index, entry) in config.policies.iter().enumerate() {
        if !config.routes.iter().any(|route| route.policies.contains(&entry.name)) {
            warnings.push(warning(
                format!("/policies/{index}"),
                format!("no route names `{}`, so it is never asked", entry.name),
                "name it in the `policies` of a route",
            ));
        }
    }
    if config.upstream.forward_token {
        warnings.push(warning(
            "/upstream/forward_token".to_owned(),
            "the upstream gets the token and can use it elsewhere in the caller's name".to_owned(),
            "let the upstream read the identity headers instead",
        ));
    }
    warnings
}

fn warning(pointer: String, message: String, suggestion: &str) -> Problem {
    Problem { pointer, message, suggestion: Some(suggestion.to_owned()) }
}

fn issuers(config: &Config, warnings: &mut Vec<Problem>) {
    for (index, issuer) in config.issuers.iter().enumerate() {
        for (place, token_type) in issuer.token_types.iter().enumerate() {
            if same_token_type(token_type, "JWT") {
                warnings.push(warning(
                    format!("/issuers/{index}/token_types/{place}"),
                    "accepts any JWT of this issuer, ID tokens among them".to_owned(),
                    "have the issuer mark access tokens as `at+jwt` (RFC 9068 §2.1)",
                ));
            }
        }
    }
}

fn one_route(index: usize, route: &Route, earlier: Option<usize>, warnings: &mut Vec<Problem>) {
    if let Some(earlier) = earlier {
        warnings.push(warning(
            format!("/routes/{index}"),
            format!("is never reached, route {earlier} matches every request of it"),
            "put it before the earlier one, or remove it",
        ));
    }
    if route.anonymous {
        if route.matcher.path_prefix.as_str() == "/" {
            warnings.push(warning(
                format!("/routes/{index}/match/path_prefix"),
                "lets every request that reaches it pass without a token".to_owned(),
                "name the paths that need no token",
            ));
        }
    } else if route.scopes.is_empty() && route.policies.is_empty() {
        warnings.push(warning(
            format!("/routes/{index}"),
            "any valid token is enough, the route asks for no scope and no policy".to_owned(),
            "list the `scopes` that it needs",
        ));
    }
}

/// Whether `earlier` takes every request that `later` could match.
fn shadows(earlier: &RouteMatch, later: &RouteMatch) -> bool {
    let methods = match (&earlier.methods, &later.methods) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(later)) => later.iter().all(|method| earlier.contains(method)),
    };
    methods && earlier.path_prefix.covers(&later.path_prefix)
}
