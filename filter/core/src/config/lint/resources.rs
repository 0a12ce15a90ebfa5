//! What about protected resources is probably a mistake.

use super::super::{Config, ProtectedResource, ResourceUrl, Route, Rules};
use super::{Problem, warning};
use crate::http::HostPattern;

pub(super) fn warnings(config: &Config, warnings: &mut Vec<Problem>) {
    for (index, entry) in config.protected_resources.iter().enumerate() {
        let at = format!("/protected_resources/{index}");
        if entry.resource.is_plain_http() {
            warnings.push(warning(
                format!("{at}/resource"),
                "is not protected by TLS: tokens for it are for trials on this machine".to_owned(),
                "use `https` and the host that clients on the network use",
            ));
        }
        for (place, server) in entry.authorization_servers.iter().enumerate() {
            if config.issuers.iter().all(|issuer| issuer.issuer != *server) {
                warnings.push(warning(
                    format!("{at}/authorization_servers/{place}"),
                    "is not the `issuer` of any issuer: the tokens that clients get there are denied, unless their `iss` is another".to_owned(),
                    "compare it byte for byte, or add the issuer",
                ));
            }
        }
        let routes = routes_of(config, &entry.resource);
        if routes.is_empty() {
            warnings.push(warning(
                format!("{at}/resource"),
                "no route asks for a token at or below it: clients find out how to get one that nothing needs"
                    .to_owned(),
                "compare its host and path with those of the routes",
            ));
        }
        warnings.extend(missing_scopes(&at, entry, &routes));
    }
}

/// A client asks for scopes that it finds here; those of the challenge are the other source.
fn missing_scopes(at: &str, entry: &ProtectedResource, routes: &[(usize, &Route)]) -> Option<Problem> {
    if entry.scopes_supported.is_empty() {
        return None;
    }
    let (scope, route) = routes.iter().find_map(|(index, route)| {
        let of_rules = route.rules().into_iter().flat_map(Rules::all).flat_map(|rule| &rule.scopes);
        let mut needed = route.scopes.iter().chain(of_rules);
        Some((needed.find(|scope| !entry.scopes_supported.contains(scope))?, index))
    })?;
    Some(warning(
        format!("{at}/scopes_supported"),
        format!("does not name `{scope}`, which route {route} needs"),
        "add it, so that clients can ask for it",
    ))
}

/// The routes that requests for a resource may take and that ask for a token, as far as no other resource is nearer to them.
fn routes_of<'a>(config: &'a Config, resource: &ResourceUrl) -> Vec<(usize, &'a Route)> {
    let has_host = |hosts: &Option<Vec<HostPattern>>| {
        hosts.as_ref().is_none_or(|hosts| {
            let own = HostPattern::Exact(resource.host().to_owned());
            hosts.iter().any(|pattern| pattern.covers(&own))
        })
    };
    let is_nearer = |other: &ProtectedResource, route: &Route| {
        let (own, other) = (resource, &other.resource);
        other.host() == own.host()
            && other != own
            && own.path().covers(other.path())
            && other.path().covers(&route.matcher.path_prefix)
    };
    let mut routes = Vec::new();
    for (index, route) in config.routes.iter().enumerate().filter(|(_, it)| has_host(&it.matcher.hosts)) {
        let prefix = &route.matcher.path_prefix;
        let (above, below) = (prefix.covers(resource.path()), resource.path().covers(prefix));
        let of_another = config.protected_resources.iter().any(|other| is_nearer(other, route));
        if (above || below) && !route.anonymous && !of_another {
            routes.push((index, route));
        }
        // Whatever comes after it, requests for the resource do not.
        if above && route.matcher.methods.is_none() {
            break;
        }
    }
    routes
}
