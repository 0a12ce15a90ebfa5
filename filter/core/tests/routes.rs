//! Routes found by prefix are the ones that a look at each would find.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::path::NormalPath;
use mandate_core::routes::Routes;
use proptest::prelude::*;
use serde_json::json;
use support::config;

fn path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "ab", "a.b"]);
    (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        if slash || path.is_empty() { format!("{path}/") } else { path }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_first_route_that_matches_is_found(
        routes in prop::collection::vec((path(), prop::option::of(0..3_usize)), 1..12),
        path in path(),
        method in 0..3_usize,
    ) {
        const METHODS: [&str; 3] = ["GET", "POST", "PUT"];
        let routes: Vec<_> = routes
            .iter()
            .map(|(prefix, method)| match method {
                Some(method) => json!({ "match": { "path_prefix": prefix, "methods": [METHODS[*method]] } }),
                None => json!({ "match": { "path_prefix": prefix } }),
            })
            .collect();
        let config = config(|c| c["routes"] = json!(routes));
        let (path, method) = (NormalPath::normalise(&path).unwrap(), METHODS[method]);
        let wanted = config.routes.iter().position(|route| {
            let takes = |methods: &Vec<String>| methods.iter().any(|m| m == method);
            route.matcher.path_prefix.matches(&path) && route.matcher.methods.as_ref().is_none_or(takes)
        });
        let found = Routes::new(&config.routes).find(&config.routes, method, &path);
        prop_assert_eq!(found.map(|(index, _)| index), wanted);
        prop_assert_eq!(found.map(|(_, route)| route), wanted.and_then(|index| config.routes.get(index)));
    }
}
