//! Valid settings that are probably mistakes.

mod a2a;
mod approvals;
mod issuers;
mod mcp;
mod proofs;
mod resources;
mod rules;

use super::{AgentFrom, Config, Problem, Route, RouteMatch, Rules};

/// Warnings in the order of issuers, delegation, routes, policies, proofs, upstream, protected resources.
pub(super) fn warnings(config: &Config) -> Vec<Problem> {
    let mut warnings = Vec::new();
    issuers::warnings(config, &mut warnings);
    // An agent that is the principal itself has no hop.
    let needs_hop = config.issuers.iter().all(|issuer| issuer.agent.from != AgentFrom::Subject);
    if config.delegation.required && config.delegation.max_depth == 0 && needs_hop {
        warnings.push(warning(
            "/delegation/required".to_owned(),
            "every token is denied: it must have a hop, and `max_depth` 0 allows none".to_owned(),
            "raise `max_depth`, or remove `required`",
        ));
    }
    for (index, route) in config.routes.iter().enumerate() {
        let earlier =
            config.routes.iter().take(index).position(|earlier| shadows(&earlier.matcher, &route.matcher));
        one_route(index, route, earlier, &mut warnings);
        warnings.extend(issuers::no_scopes(config, index, route));
        mcp::warnings(index, route, &mut warnings);
        a2a::warnings(index, route, &mut warnings);
        warnings.extend(approvals::unread_bodies(index, route));
        warnings.extend(wildcard(index, route));
        let max_depth = route.max_depth.unwrap_or(config.delegation.max_depth);
        if route.delegation_required && max_depth == 0 && needs_hop {
            warnings.push(warning(
                format!("/routes/{index}/delegation_required"),
                "every token is denied: it must have a hop, and `max_depth` 0 allows none".to_owned(),
                "raise `max_depth`, or remove `delegation_required`",
            ));
        }
        if !config.upstream.case_sensitive_paths && earlier.is_none() {
            warnings.extend(same_but_for_case(index, route, config));
        }
    }
    for (index, entry) in config.policies.iter().enumerate() {
        let is_asked = |route: &Route| {
            let of_rules = route.rules().into_iter().flat_map(Rules::all).flat_map(|rule| &rule.policies);
            route.policies.iter().chain(of_rules).any(|name| *name == entry.name)
        };
        if !config.routes.iter().any(is_asked) {
            warnings.push(warning(
                format!("/policies/{index}"),
                format!("is not used: no route has `{}` in its `policies`", entry.name),
                "add it to the `policies` of a route, or remove it",
            ));
        }
    }
    proofs::warnings(config, &mut warnings);
    if config.upstream.forward_token {
        warnings.push(warning(
            "/upstream/forward_token".to_owned(),
            "the upstream receives the token, and can use it at other services in the name of the caller"
                .to_owned(),
            "let the upstream use the identity headers instead",
        ));
    }
    resources::warnings(config, &mut warnings);
    warnings
}

fn warning(pointer: String, message: String, suggestion: &str) -> Problem {
    Problem { pointer, message, suggestion: Some(suggestion.to_owned()) }
}

/// Other gateways write `/public/*`, which here is a path whose second segment is an asterisk.
fn wildcard(index: usize, route: &Route) -> Option<Problem> {
    let prefix = route.matcher.path_prefix.as_str();
    // Only where nothing but the asterisk is left out: any other advice would open more than was meant.
    let before = prefix.strip_suffix("/*").filter(|before| !before.contains('*'));
    prefix.contains('*').then(|| Problem {
        pointer: format!("/routes/{index}/match/path_prefix"),
        message: "`*` is no wildcard: only paths that contain an asterisk at this place match".to_owned(),
        suggestion: before.map(|before| format!("write `{before}/`, which matches every path below it")),
    })
}

/// A prefix that is equal to an earlier one, or below it, for a server that ignores letter case.
fn same_but_for_case(index: usize, route: &Route, config: &Config) -> Option<Problem> {
    let prefix = &route.matcher.path_prefix;
    let alike = config.routes.iter().take(index).position(|earlier| {
        let earlier = &earlier.matcher.path_prefix;
        earlier.covers_in_any_case(prefix) && !earlier.covers(prefix)
    })?;
    Some(warning(
        format!("/routes/{index}/match/path_prefix"),
        format!(
            "differs from the prefix of route {alike} only in letter case: requests that route {alike} would deny are denied here too"
        ),
        "use the same letter case, or set `upstream.case_sensitive_paths` if these are different paths for the upstream",
    ))
}

fn one_route(index: usize, route: &Route, earlier: Option<usize>, warnings: &mut Vec<Problem>) {
    if let Some(earlier) = earlier {
        warnings.push(warning(
            format!("/routes/{index}"),
            format!("is never used: route {earlier} matches every request that it matches"),
            "move it before that route, or remove it",
        ));
    }
    let names = |name: &str| route.matcher.methods.iter().flatten().any(|method| method == name);
    if names("HEAD") && !names("GET") {
        warnings.push(warning(
            format!("/routes/{index}/match/methods"),
            "matches `HEAD` only, which most servers answer with the handler of `GET`".to_owned(),
            "write `GET`, which also matches `HEAD`, so that both need the same",
        ));
    }
    if route.anonymous {
        if route.matcher.path_prefix.as_str() == "/" {
            warnings.push(warning(
                format!("/routes/{index}/match/path_prefix"),
                "every request that reaches this route is allowed without a token".to_owned(),
                "name the paths that are public",
            ));
        }
    } else if route.scopes.is_empty()
        && !route.any_token
        && route.policies.is_empty()
        && route.rules().is_none()
    {
        warnings.push(warning(
            format!("/routes/{index}"),
            "every valid token is enough: the route has neither `scopes` nor `policies`".to_owned(),
            "list the required `scopes`, or write `\"scopes\": []` if that is meant",
        ));
    }
}

/// Whether `earlier` matches every request that `later` could match.
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
