//! Which route a request takes, found without looking at each.

use crate::config::{Config, PolicyEntry, Route, RouteMatch, RuleKind};
use crate::http::{Host, NormalPath, fold, may_fold};
use std::rc::Rc;

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

/// An entry of the configuration's `policies`, as requests ask it.
#[derive(Debug)]
pub struct Asked {
    /// Its position in the configuration.
    pub index: usize,
    /// The entry.
    pub entry: PolicyEntry,
    /// Its name, for records.
    pub name: Rc<str>,
    /// SHA-256 of the policy's component.
    pub sha256: Rc<str>,
}

/// A route of the configuration, with its position there and the policies that it asks. Only [`Routes`] makes one.
#[derive(Debug)]
pub struct MatchedRoute {
    index: usize,
    entry: Route,
    /// Its hosts and its path prefix.
    place: Box<str>,
    asked: Vec<Rc<Asked>>,
    /// The same of each rule for actions, by kind, in the order of [`RuleKind::ALL`].
    asked_by_rules: [Vec<Vec<Rc<Asked>>>; 4],
}

impl MatchedRoute {
    /// Its position in the configuration's `routes`.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its entry.
    #[must_use]
    pub fn entry(&self) -> &Route {
        &self.entry
    }

    /// Where it is, as text: its hosts in alphabetical order, and its path prefix, which begins with a slash, as no host does. Routes of
    /// several configurations are at the same place if these are the same.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The policies that it asks, in order.
    #[must_use]
    pub fn asked(&self) -> &[Rc<Asked>] {
        &self.asked
    }

    /// The policies that a rule for actions asks: the one at this position among those of its kind.
    #[must_use]
    pub fn asked_by_rule(&self, kind: RuleKind, index: usize) -> &[Rc<Asked>] {
        let [tools, resources, prompts, methods] = &self.asked_by_rules;
        let rules = match kind {
            RuleKind::Tool => tools,
            RuleKind::Resource => resources,
            RuleKind::Prompt => prompts,
            RuleKind::Method => methods,
        };
        rules.get(index).map_or(&[], Vec::as_slice)
    }
}

/// A route names a policy that nobody can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no entry of `policies` is named `{name}`")]
pub struct UnknownPolicy {
    /// Position of the route.
    pub route: usize,
    /// Position in its `policies`.
    pub position: usize,
    /// The name.
    pub name: String,
}

fn place(matcher: &RouteMatch) -> Box<str> {
    let mut hosts: Vec<String> = matcher.hosts.iter().flatten().map(ToString::to_string).collect();
    hosts.sort_unstable();
    hosts.dedup();
    format!("{}{}", hosts.join(","), matcher.path_prefix.as_str()).into()
}

/// The routes of a configuration, by prefix.
#[derive(Debug, Default)]
pub struct Routes {
    routes: Vec<Rc<MatchedRoute>>,
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
    /// Of a configuration, whose `policies` are `asked`.
    ///
    /// # Errors
    /// The first name in a route's `policies` that is not among them.
    pub fn new(config: &Config, asked: &[Rc<Asked>]) -> Result<Self, UnknownPolicy> {
        let find = |route: usize, (position, name): (usize, &String)| {
            let found = asked.iter().find(|asked| asked.entry.name == *name).map(Rc::clone);
            found.ok_or_else(|| UnknownPolicy { route, position, name: name.clone() })
        };
        let resolve = |(index, entry): (usize, &Route)| {
            let all = |names: &Vec<String>| {
                names.iter().enumerate().map(|name| find(index, name)).collect::<Result<Vec<_>, _>>()
            };
            let of_rules = |kind| {
                let rules = entry.rules().into_iter().flat_map(|rules| rules.of(kind));
                rules.map(|rule| all(&rule.policies)).collect::<Result<Vec<_>, _>>()
            };
            let [tools, resources, prompts, methods] = RuleKind::ALL.map(of_rules);
            let asked_by_rules = [tools?, resources?, prompts?, methods?];
            let asked = all(&entry.policies)?;
            let place = place(&entry.matcher);
            Ok(Rc::new(MatchedRoute { index, entry: entry.clone(), place, asked, asked_by_rules }))
        };
        let routes = &config.routes;
        let prefix = |route: &'_ Route| route.matcher.path_prefix.as_str().to_owned();
        let folded = |route: &'_ Route| fold(route.matcher.path_prefix.as_str());
        Ok(Self {
            routes: routes.iter().enumerate().map(resolve).collect::<Result<_, _>>()?,
            exact: ByPrefix::new(routes.iter().map(prefix)),
            folded: (!config.upstream.case_sensitive_paths).then(|| ByPrefix::new(routes.iter().map(folded))),
            folds: routes.iter().any(|route| may_fold(route.matcher.path_prefix.as_str())),
        })
    }

    /// The first route, in the configuration's order, that matches; an unmatched request is denied.
    #[must_use]
    pub fn find(&self, target: Target<'_>) -> Option<&Rc<MatchedRoute>> {
        let matching = self.exact.positions(target.path.as_str()).filter_map(|at| self.routes.get(at));
        // Of several, only one that comes before the best so far is looked at closely.
        let mut first: Option<&Rc<MatchedRoute>> = None;
        for route in matching {
            if first.is_none_or(|earlier| route.index < earlier.index) && takes(&route.entry.matcher, target)
            {
                first = Some(route);
            }
        }
        first
    }

    /// An earlier and stricter route that would match instead of the one that was found, were the path written in another case.
    #[must_use]
    pub fn stricter_in_another_case(&self, target: Target<'_>, found: &MatchedRoute) -> Option<usize> {
        let folded = self.folded.as_ref()?;
        if !self.folds && !target.path.folds() {
            return None;
        }
        let path = fold(target.path.as_str());
        // Sorted by prefix, not by position: the first in the configuration's order is named.
        folded
            .positions(&path)
            .filter_map(|at| self.routes.get(at))
            .filter(|earlier| {
                let matcher = &earlier.entry.matcher;
                earlier.index < found.index
                    && !matcher.path_prefix.matches(target.path)
                    && takes(matcher, target)
                    && !asks_at_least(&found.entry, &earlier.entry)
            })
            .map(|earlier| earlier.index)
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
            && route.delegation_required >= other.delegation_required
            && route.proof >= other.proof
            && route.authentication.covers(&other.authentication)
            && route.approval >= other.approval
            && (route.rules() == other.rules()
                || other.rules().is_none() && !route.has_public_card() && !other.approval)
}
