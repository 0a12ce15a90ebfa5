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

use mandate_core::config::Route;
use mandate_core::http::Host;
use mandate_core::http::{NormalPath, PathPrefix};
use mandate_core::routes::{Routes, Target};
use proptest::prelude::*;
use serde_json::json;
use support::config;

fn path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "A", "b", "ab", "aB", "a.b"]);
    (prop::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(segments, slash)| {
        let path: String = segments.iter().map(|segment| format!("/{segment}")).collect();
        if slash || path.is_empty() { format!("{path}/") } else { path }
    })
}

fn host() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["tools.example", "a.tools.example", "other.example"]).prop_map(str::to_owned)
}

/// Whether a route is for this method and host.
fn takes(route: &Route, method: &str, host: &str) -> bool {
    let method = route.matcher.methods.as_ref().is_none_or(|methods| {
        methods.iter().any(|m| m == method) || (method == "HEAD" && methods.contains(&"GET".to_owned()))
    });
    let host = route.matcher.hosts.as_ref().is_none_or(|hosts| {
        let texts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        texts.contains(&host.to_owned())
            || texts.contains(&"*.tools.example".to_owned()) && host == "a.tools.example"
    });
    method && host
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_first_route_that_matches_is_found(
        routes in prop::collection::vec(
            (path(), prop::option::of(0..3_usize), prop::option::of(0..2_usize), any::<bool>()),
            1..12,
        ),
        path in path(),
        method in 0..4_usize,
        host in host(),
    ) {
        const METHODS: [&str; 4] = ["GET", "POST", "PUT", "HEAD"];
        const HOSTS: [&str; 2] = ["tools.example", "*.tools.example"];
        let routes: Vec<_> = routes
            .iter()
            .map(|(prefix, method, host, scoped)| {
                let mut matcher = json!({ "path_prefix": prefix });
                if let Some(method) = method {
                    matcher["methods"] = json!([METHODS[*method]]);
                }
                if let Some(host) = host {
                    matcher["hosts"] = json!([HOSTS[*host]]);
                }
                json!({ "match": matcher, "scopes": if *scoped { vec!["write"] } else { vec![] } })
            })
            .collect();
        let mut config = config(|c| c["routes"] = json!(routes));
        let (path, method) = (NormalPath::normalise(&path).unwrap(), METHODS[method]);
        let wanted = config
            .routes
            .iter()
            .position(|route| route.matcher.path_prefix.matches(&path) && takes(route, method, &host));
        let parsed = Host::parse(host.as_bytes()).unwrap();
        let target = Target { method, host: Some(&parsed), path: &path };
        let routes = Routes::new(&config, &[]).unwrap();
        let found = routes.find(target);
        prop_assert_eq!(found.map(|route| route.index()), wanted);
        prop_assert_eq!(found.map(|route| route.entry()), wanted.and_then(|index| config.routes.get(index)));

        // For a server that takes no notice of case: an earlier route that asks for more than the one that was found.
        let (Some(route), Some(found)) = (found, wanted) else { return Ok(()) };
        let lower = |text: &str| text.to_ascii_lowercase();
        let folded = NormalPath::normalise(lower(path.as_str())).unwrap();
        let stricter = config.routes.iter().take(found).position(|earlier| {
            let prefix = PathPrefix::parse(&lower(earlier.matcher.path_prefix.as_str())).unwrap();
            prefix.matches(&folded)
                && takes(earlier, method, &host)
                && !earlier.scopes.is_empty()
                && config.routes[found].scopes.is_empty()
        });
        prop_assert_eq!(routes.stricter_in_another_case(target, route), stricter);
        config.upstream.case_sensitive_paths = true;
        let sensitive = Routes::new(&config, &[]).unwrap();
        prop_assert_eq!(sensitive.stricter_in_another_case(target, route), None);
    }
}
