//! Which route a request takes, found without looking at each.

use crate::config::{Route, RouteMatch};
use crate::host::Host;
use crate::path::{NormalPath, fold, may_fold};

/// What a route is found by.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The method, as it came.
    pub method: &'a str,
    /// The host; `None` if no route asks for one.
    pub host: Option<&'a Host<'a>>,
    /// The path.
    pub path: &'a NormalPath,
}

/// The routes of a configuration, by prefix.
#[derive(Debug, Default)]
pub struct Routes {
    exact: ByPrefix,
    /// The same for a server that takes no notice of case; `None` if the operator says that the upstream does.
    folded: Option<ByPrefix>,
    /// Whether some prefix is another for such a server.
    folds: bool,
}

/// Prefixes without a slash at the end, sorted, each with positions in the configuration, in order.
#[derive(Debug, Default)]
struct ByPrefix {
    prefixes: Vec<(Box<str>, Vec<usize>)>,
    /// The most segments of a prefix: nothing below that need be looked up.
    deepest: usize,
}

impl Routes {
    /// Of a configuration. `case_sensitive` says that the upstream tells paths apart by case.
    #[must_use]
    pub fn new(routes: &[Route], case_sensitive: bool) -> Self {
        let prefix = |route: &'_ Route| route.matcher.path_prefix.as_str().to_owned();
        let folded = |route: &'_ Route| fold(route.matcher.path_prefix.as_str());
        Self {
            exact: ByPrefix::new(routes.iter().map(prefix)),
            folded: (!case_sensitive).then(|| ByPrefix::new(routes.iter().map(folded))),
            folds: routes.iter().any(|route| may_fold(route.matcher.path_prefix.as_str())),
        }
    }

    /// The first route, in the configuration's order, that matches; an unmatched request is denied. `routes` is what this was
    /// made of.
    #[must_use]
    pub fn find<'r>(&self, routes: &'r [Route], target: Target<'_>) -> Option<(usize, &'r Route)> {
        let matching = self.exact.positions(target.path.as_str()).filter_map(|i| Some((i, routes.get(i)?)));
        // Of several, only one that comes before the best so far is looked at closely.
        let mut first: Option<(usize, &Route)> = None;
        for (index, route) in matching {
            if first.is_none_or(|(earlier, _)| index < earlier) && takes(&route.matcher, target) {
                first = Some((index, route));
            }
        }
        first
    }

    /// An earlier and stricter route that would match instead of the one at `found`, were the path written in another case.
    #[must_use]
    pub fn stricter_in_another_case(
        &self,
        routes: &[Route],
        target: Target<'_>,
        found: usize,
    ) -> Option<usize> {
        let folded = self.folded.as_ref()?;
        if !self.folds && !target.path.folds() {
            return None;
        }
        let route = routes.get(found)?;
        let path = fold(target.path.as_str());
        // Sorted by prefix, not by position: the first in the configuration's order is named.
        folded
            .positions(&path)
            .filter(|earlier| *earlier < found)
            .filter(|earlier| {
                routes.get(*earlier).is_some_and(|earlier| {
                    !earlier.matcher.path_prefix.matches(target.path)
                        && takes(&earlier.matcher, target)
                        && !asks_at_least(route, earlier)
                })
            })
            .min()
    }
}

impl ByPrefix {
    fn new(prefixes: impl Iterator<Item = String>) -> Self {
        let mut found = Self::default();
        for (index, prefix) in prefixes.enumerate() {
            let prefix = prefix.strip_suffix('/').unwrap_or(&prefix);
            found.deepest = found.deepest.max(prefix.matches('/').count());
            match found.find(prefix) {
                Ok(at) => found.prefixes.get_mut(at).into_iter().for_each(|(_, known)| known.push(index)),
                Err(at) => found.prefixes.insert(at, (prefix.into(), vec![index])),
            }
        }
        found
    }

    fn find(&self, prefix: &str) -> Result<usize, usize> {
        self.prefixes.binary_search_by(|(known, _)| (**known).cmp(prefix))
    }

    /// Where in the configuration the prefixes are that `path` lies at or below.
    fn positions<'a>(&'a self, path: &'a str) -> impl Iterator<Item = usize> + 'a {
        // They end where a segment of the path does, the empty one included.
        let ends = path.match_indices('/').map(|(at, _)| at).take(self.deepest.saturating_add(1));
        let prefixes = ends.chain(Some(path.len())).filter_map(|end| path.get(..end));
        prefixes
            .filter_map(|prefix| self.prefixes.get(self.find(prefix).ok()?))
            .flat_map(|(_, at)| at)
            .copied()
    }
}

/// Whether a route is for this method and host; its path is matched already.
fn takes(matcher: &RouteMatch, target: Target<'_>) -> bool {
    let method = matcher.methods.as_ref().is_none_or(|methods| {
        // Servers answer HEAD with the handler of GET (RFC 9110 §9.3.2).
        methods.iter().any(|m| m == target.method || (target.method == "HEAD" && m == "GET"))
    });
    let host = matcher.hosts.as_ref().is_none_or(|hosts| {
        target.host.is_some_and(|host| hosts.iter().any(|pattern| pattern.matches(host)))
    });
    method && host
}

/// Whether whoever may use `route` may use `other` too.
fn asks_at_least(route: &Route, other: &Route) -> bool {
    let depth = |route: &Route| route.max_depth.unwrap_or(u8::MAX);
    other.anonymous
        || !route.anonymous
            && other.scopes.iter().all(|scope| route.scopes.contains(scope))
            && other.policies.iter().all(|policy| route.policies.contains(policy))
            && depth(route) <= depth(other)
}
