use mandate_core::config::Config;
use serde_json::{Value, json};

use crate::table::{edited, valid};

fn warned(document: &Value) -> Vec<String> {
    let config = Config::parse(document.to_string().as_bytes()).unwrap();
    config.warnings().into_iter().map(|problem| problem.pointer).collect()
}

fn routes(routes: Value) -> Vec<String> {
    let plain = edited(&edited(&valid(), "/policies", None), "/routes", Some(routes));
    warned(&plain)
}

#[test]
fn a_sound_configuration_has_no_warnings() {
    assert_eq!(warned(&valid()), Vec::<String>::new());
}

#[test]
fn what_is_allowed_but_seldom_meant_is_pointed_at() {
    for (at, to, pointer) in [
        ("/issuers/0/token_types/1", json!("JWT"), "/issuers/0/token_types/1"),
        ("/issuers/1/token_types", json!(["application/jwt"]), "/issuers/1/token_types/0"),
        ("/upstream/forward_token", json!(true), "/upstream/forward_token"),
        ("/policies/-", json!({ "name": "spare" }), "/policies/2"),
        ("/routes/1/match/path_prefix", json!("/v1/*"), "/routes/1/match/path_prefix"),
    ] {
        assert_eq!(warned(&edited(&valid(), at, Some(to))), [pointer], "{at}");
    }
    let nobody = edited(&valid(), "/delegation", Some(json!({ "required": true, "max_depth": 0 })));
    assert_eq!(warned(&edited(&nobody, "/routes/1/max_depth", None)), ["/delegation/required"]);
    let nobody = edited(&valid(), "/routes/1/delegation_required", Some(json!(true)));
    assert_eq!(
        warned(&edited(&nobody, "/routes/1/max_depth", Some(json!(0)))),
        ["/routes/1/delegation_required"]
    );
    assert_eq!(warned(&nobody), Vec::<String>::new());
}

#[test]
fn a_route_behind_a_wider_one_is_never_reached() {
    let scoped = |prefix: &str, methods: Option<Value>| {
        let route = json!({ "match": { "path_prefix": prefix }, "scopes": ["s"] });
        match methods {
            Some(methods) => edited(&route, "/match/methods", Some(methods)),
            None => route,
        }
    };
    let (get, both) = (json!(["GET"]), json!(["GET", "PUT"]));
    for (earlier, later, shadowed) in [
        (scoped("/a", None), scoped("/a/b", None), true),
        (scoped("/a/", None), scoped("/a", None), true),
        (scoped("/", None), scoped("/a", Some(get.clone())), true),
        (scoped("/a", Some(both.clone())), scoped("/a/b", Some(get.clone())), true),
        (scoped("/a", Some(get.clone())), scoped("/a", Some(both)), false),
        (scoped("/a", Some(get)), scoped("/a", None), false),
        (scoped("/a/b", None), scoped("/a", None), false),
        (scoped("/a", None), scoped("/ab", None), false),
    ] {
        let expected: &[&str] = if shadowed { &["/routes/1"] } else { &[] };
        assert_eq!(routes(json!([earlier, later])), expected, "{earlier} {later}");
    }
}

#[test]
fn open_doors_are_pointed_at() {
    assert_eq!(
        routes(json!([{ "match": { "path_prefix": "/" }, "anonymous": true }])),
        ["/routes/0/match/path_prefix"]
    );
    assert_eq!(routes(json!([{ "match": { "path_prefix": "/a" } }])), ["/routes/0"]);
    assert_eq!(
        routes(json!([{ "match": { "path_prefix": "/a" }, "anonymous": true }])),
        Vec::<String>::new()
    );
}
