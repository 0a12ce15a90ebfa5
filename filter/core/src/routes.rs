//! Which route a request takes, found without looking at each.

use crate::config::Route;
use crate::path::NormalPath;

/// The routes of a configuration, by prefix.
#[derive(Debug, Default)]
pub struct Routes {
    /// Prefixes without a slash at the end, sorted, each with positions in the configuration, in order.
    by_prefix: Vec<(Box<str>, Vec<usize>)>,
    /// The most segments of a prefix: nothing below that need be looked up.
    deepest: usize,
}

impl Routes {
    /// Of a configuration.
    #[must_use]
    pub fn new(routes: &[Route]) -> Self {
        let mut found = Self::default();
        for (index, route) in routes.iter().enumerate() {
            let prefix = route.matcher.path_prefix.as_str();
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            found.deepest = found.deepest.max(prefix.matches('/').count());
            match found.position(prefix) {
                Ok(at) => found.by_prefix.get_mut(at).into_iter().for_each(|(_, known)| known.push(index)),
                Err(at) => found.by_prefix.insert(at, (prefix.into(), vec![index])),
            }
        }
        found
    }

    fn position(&self, prefix: &str) -> Result<usize, usize> {
        self.by_prefix.binary_search_by(|(known, _)| (**known).cmp(prefix))
    }

    /// The first route, in the configuration's order, that matches; none denies. `routes` is what this was made of.
    #[must_use]
    pub fn find<'r>(
        &self,
        routes: &'r [Route],
        method: &str,
        path: &NormalPath,
    ) -> Option<(usize, &'r Route)> {
        let path = path.as_str();
        // The prefixes that match are those that end where a segment of the path does, the empty one included.
        let ends = path.match_indices('/').map(|(at, _)| at).take(self.deepest.saturating_add(1));
        let prefixes = ends.chain(Some(path.len())).filter_map(|end| path.get(..end));
        let mut first: Option<(usize, &Route)> = None;
        let known = prefixes.filter_map(|prefix| self.by_prefix.get(self.position(prefix).ok()?));
        for index in known.flat_map(|(_, positions)| positions) {
            let Some(route) = routes.get(*index) else { continue };
            let takes = |methods: &Vec<String>| methods.iter().any(|m| m == method);
            if first.is_none_or(|(earlier, _)| *index < earlier)
                && route.matcher.methods.as_ref().is_none_or(takes)
            {
                first = Some((*index, route));
            }
        }
        first
    }
}
