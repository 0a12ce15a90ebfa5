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
        if !config.upstream.case_sensitive_paths && earlier.is_none() {
            warnings.extend(same_but_for_case(index, route, config));
        }
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

/// A prefix that another one is, or leads to, for a server that takes no notice of case.
fn same_but_for_case(index: usize, route: &Route, config: &Config) -> Option<Problem> {
    let prefix = &route.matcher.path_prefix;
    let alike = config.routes.iter().take(index).position(|earlier| {
        let earlier = &earlier.matcher.path_prefix;
        earlier.covers_in_any_case(prefix) && !earlier.covers(prefix)
    })?;
    Some(warning(
        format!("/routes/{index}/match/path_prefix"),
        format!(
            "is the prefix of route {alike} but for the case of its letters: what that route would deny is denied here too"
        ),
        "use one spelling, or set `upstream.case_sensitive_paths` if the upstream tells them apart",
    ))
}

fn one_route(index: usize, route: &Route, earlier: Option<usize>, warnings: &mut Vec<Problem>) {
    if let Some(earlier) = earlier {
        warnings.push(warning(
            format!("/routes/{index}"),
            format!("is never reached, route {earlier} matches every request of it"),
            "put it before the earlier one, or remove it",
        ));
    }
    let names = |name: &str| route.matcher.methods.iter().flatten().any(|method| method == name);
    if names("HEAD") && !names("GET") {
        warnings.push(warning(
            format!("/routes/{index}/match/methods"),
            "is for `HEAD` alone, which most servers answer with the handler of `GET`".to_owned(),
            "write `GET`, which stands for both, so that both need the same",
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
    let takes = |methods: &[String], method: &String| {
        methods.contains(method) || (method == "HEAD" && methods.iter().any(|method| method == "GET"))
    };
    let methods = match (&earlier.methods, &later.methods) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(later)) => later.iter().all(|method| takes(earlier, method)),
    };
    let hosts = match (&earlier.hosts, &later.hosts) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(later)) => {
            later.iter().all(|later| earlier.iter().any(|earlier| earlier.covers(later)))
        }
    };
    methods && hosts && earlier.path_prefix.covers(&later.path_prefix)
}
