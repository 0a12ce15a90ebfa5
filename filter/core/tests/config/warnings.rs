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
        ("/issuers/0/max_lifetime_s", json!(86_401), "/issuers/0/max_lifetime_s"),
        ("/issuers/1/provider", json!("auth0"), "/issuers/1/issuer"),
        ("/issuers/1/provider", json!("okta"), "/issuers/1/issuer"),
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
fn a_type_of_every_kind_of_token_is_pointed_at_unless_there_are_marks() {
    let plain = edited(&edited(&valid(), "/issuers/1/provider", None), "/policies", None);
    let plain = edited(&plain, "/routes/1/policies", None);
    for (types, places) in [
        (json!(["at+jwt", "JWT"]), vec!["/issuers/1/token_types/1"]),
        (json!(["application/jwt"]), vec!["/issuers/1/token_types/0"]),
        (json!([null, "at+jwt"]), vec!["/issuers/1/token_types/0"]),
        (json!(["at+jwt"]), vec![]),
    ] {
        let document = edited(&plain, "/issuers/1/token_types", Some(types));
        assert_eq!(warned(&document), places);
        let marks = json!({ "require": { "/token_use": "access" } });
        assert_eq!(warned(&edited(&document, "/issuers/1/claims", Some(marks))), Vec::<String>::new());
        let document = edited(&document, "/issuers/1/provider", Some(json!("cognito")));
        assert_eq!(warned(&document), Vec::<String>::new());
    }
}

#[test]
fn scopes_that_no_token_can_have_are_pointed_at() {
    let workload = edited(&valid(), "/issuers/1/provider", Some(json!("kubernetes")));
    assert_eq!(warned(&workload), Vec::<String>::new(), "the other issuer has scopes");
    let workload = edited(&workload, "/issuers/0/claims/scopes", Some(json!([])));
    assert_eq!(warned(&workload), ["/routes/1/scopes"]);
}

#[test]
fn whose_tokens_anybody_can_get_need_a_mark_or_a_policy() {
    for (provider, mark) in [("github_actions", "/repository_owner"), ("google_id", "/email")] {
        let open = edited(&valid(), "/issuers/1/provider", Some(json!(provider)));
        let open = edited(&edited(&open, "/policies", None), "/routes/1/policies", None);
        assert_eq!(warned(&open), ["/issuers/1/claims"]);
        let named = json!({ "require": { mark: "us" } });
        assert_eq!(warned(&edited(&open, "/issuers/1/claims", Some(named))), Vec::<String>::new());
    }
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
    assert_eq!(routes(json!([{ "match": { "path_prefix": "/a" }, "scopes": [] }])), Vec::<String>::new());
    assert_eq!(
        routes(json!([{ "match": { "path_prefix": "/a" }, "anonymous": true }])),
        Vec::<String>::new()
    );
}
