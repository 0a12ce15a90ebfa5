use mandate_core::config::Config;
use serde_json::{Value, json};

use crate::table::{edited, valid as whole};

/// The valid configuration without what depends on its issuers and routes.
fn valid() -> Value {
    edited(&whole(), "/protected_resources", None)
}

fn warned(document: &Value) -> Vec<String> {
    let config = Config::parse(document.to_string().as_bytes()).unwrap();
    config.warnings().into_iter().map(|problem| problem.pointer).collect()
}

/// A document without policies, wherever they are named.
fn without_policies(document: &Value) -> Value {
    let places = ["/policies", "/routes/1/policies", "/routes/1/mcp/tools/0/policies"];
    places.into_iter().fold(document.clone(), |document, at| edited(&document, at, None))
}

fn routes(routes: Value) -> Vec<String> {
    let plain = edited(&edited(&valid(), "/policies", None), "/routes", Some(routes));
    warned(&plain)
}

#[test]
fn a_sound_configuration_has_no_warnings() {
    assert_eq!(warned(&whole()), Vec::<String>::new());
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
    let other = edited(&valid(), "/routes/1/mcp/tools/0/acr_values", Some(json!(["pwd"])));
    assert_eq!(warned(&other), ["/routes/1/mcp/tools/0/acr_values"]);
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
fn bodies_that_nobody_can_approve_are_pointed_at() {
    let of = |methods: Value, members: Value| {
        let mut route = json!({ "match": { "path_prefix": "/v1", "methods": methods }, "scopes": ["a"], "approval": true });
        if methods.is_null() {
            route["match"].as_object_mut().unwrap().remove("methods");
        }
        route.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        routes(json!([route]))
    };
    assert_eq!(of(json!(null), json!({})), ["/routes/0/approval"]);
    assert_eq!(of(json!(["GET", "POST"]), json!({})), ["/routes/0/approval"]);
    assert_eq!(of(json!(["GET", "DELETE"]), json!({})), Vec::<String>::new());
    assert_eq!(of(json!(null), json!({ "mcp": { "tools": [{ "name": "*" }] } })), Vec::<String>::new());
    assert_eq!(of(json!(null), json!({ "approval": false })), Vec::<String>::new());
}

#[test]
fn a_resource_that_misleads_clients_is_pointed_at() {
    let at = "/protected_resources/0";
    for (member, to, places) in [
        ("resource", json!("http://localhost:8080/v1"), vec!["resource", "resource"]),
        ("resource", json!("https://tools.example/v2"), vec!["resource"]),
        ("resource", json!("https://elsewhere.example/v1"), vec!["resource"]),
        ("resource", json!("https://tools.example/healthz"), vec!["resource"]),
        ("resource", json!("https://tools.example/v1/mcp"), vec![]),
        ("resource", json!("https://tools.example"), vec![]),
        ("resource", json!("https://x.tools.example/v1"), vec![]),
        ("authorization_servers/0", json!("https://idp.example/"), vec!["authorization_servers/0"]),
        ("scopes_supported", json!(["tickets.write"]), vec!["scopes_supported"]),
        // A rule needs it.
        ("scopes_supported", json!(["tickets.read"]), vec!["scopes_supported"]),
        ("scopes_supported", json!([]), vec![]),
    ] {
        let expected: Vec<String> = places.iter().map(|place| format!("{at}/{place}")).collect();
        assert_eq!(
            warned(&edited(&whole(), &format!("{at}/{member}"), Some(to.clone()))),
            expected,
            "{member} {to}"
        );
    }
    // Routes that requests for the resource never take, and those of a resource that is nearer, do not count.
    let route = |prefix: &str, scope: &str| json!({ "match": { "path_prefix": prefix }, "scopes": [scope] });
    let with = |routes: Value, resources: Value| {
        let plain = edited(&edited(&whole(), "/policies", None), "/routes", Some(routes));
        warned(&edited(&plain, "/protected_resources", Some(resources)))
    };
    let resource = |url: &str, scope: &str| json!({ "resource": url, "authorization_servers": ["https://idp.example"], "scopes_supported": [scope] });
    let routes = json!([route("/mcp/admin", "b"), route("/mcp", "a"), route("/", "c")]);
    let (mcp, admin) =
        (resource("https://tools.example/mcp", "a"), resource("https://tools.example/mcp/admin", "b"));
    assert_eq!(with(routes.clone(), json!([mcp])), ["/protected_resources/0/scopes_supported"]);
    assert_eq!(with(routes, json!([mcp, admin])), Vec::<String>::new());
}

#[test]
fn a_type_of_every_kind_of_token_is_pointed_at_unless_there_are_marks() {
    let plain = without_policies(&edited(&valid(), "/issuers/1/provider", None));
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
        let open = without_policies(&open);
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

#[test]
fn what_takes_a_providers_marks_away_is_pointed_at() {
    let of = |provider: &str, member: &str, value: Value| {
        let document = edited(&valid(), "/issuers/1/provider", Some(json!(provider)));
        let name = if provider.starts_with("auth0") { "https://a/" } else { "https://a/oauth2/b" };
        let document = edited(&document, "/issuers/1/issuer", Some(json!(name)));
        warned(&edited(&document, &format!("/issuers/1/{member}"), Some(value)))
    };
    let types = json!(["at+jwt", "JWT"]);
    for provider in ["ping", "wso2", "duende", "auth0_agent"] {
        assert_eq!(of(provider, "token_types", types.clone()), ["/issuers/1/token_types/1"], "{provider}");
    }
    assert_eq!(of("zitadel", "token_types", types), Vec::<String>::new());
    for (provider, mark) in [
        ("keycloak", json!({ "/typ": { "present": true } })),
        ("keycloak", json!({ "/typ": ["Bearer", "ID"] })),
        ("cognito", json!({ "/token_use": ["access", null] })),
        ("okta", json!({ "/nonce": ["x", null] })),
    ] {
        assert_eq!(
            of(provider, "claims", json!({ "require": mark })),
            ["/issuers/1/claims/require"],
            "{provider}"
        );
    }
    assert_eq!(
        of("keycloak", "claims", json!({ "require": { "/typ": "Bearer", "/x": 1 } })),
        Vec::<String>::new()
    );
    for provider in ["entra", "entra_agent", "okta", "auth0"] {
        for client in [json!([]), json!(["/azp", null])] {
            assert_eq!(
                of(provider, "claims", json!({ "client": client }))[0],
                "/issuers/1/claims/client",
                "{provider}"
            );
        }
        assert_eq!(of(provider, "claims", json!({ "client": ["/x"] })), Vec::<String>::new());
    }
}

#[test]
fn a_mark_that_narrows_nothing_does_not_say_whose_tokens_are_accepted() {
    let open = without_policies(&valid());
    let of = |provider: &str, issuer: &str, require: Value| {
        let document = edited(&open, "/issuers/1/provider", Some(json!(provider)));
        let document = edited(&document, "/issuers/1/issuer", Some(json!(issuer)));
        warned(&edited(&document, "/issuers/1/claims", Some(json!({ "require": require }))))
    };
    for require in [
        json!({ "/repository_owner": { "present": true } }),
        json!({ "/enterprise": null }),
        json!({ "/repository": ["acme/a", null] }),
        json!({ "/ref": "refs/heads/main" }),
    ] {
        assert_eq!(of("github_actions", "https://a", require.clone()), ["/issuers/1/claims"], "{require}");
        let by_name = of("zitadel", "https://token.actions.githubusercontent.com", require.clone());
        assert_eq!(by_name, ["/issuers/1/claims"], "{require}");
    }
}

#[test]
fn a_delegation_that_needs_no_hop_may_have_a_depth_of_0() {
    let workloads = |document: Value| {
        let document = edited(&document, "/issuers/0/agent", Some(json!({ "from": "subject" })));
        edited(
            &edited(&document, "/routes/1/delegation_required", Some(json!(true))),
            "/routes/1/max_depth",
            Some(json!(0)),
        )
    };
    assert_eq!(warned(&workloads(valid())), Vec::<String>::new());
}

#[test]
fn one_bundle_for_two_trust_domains_is_pointed_at() {
    let svid = |name: &str| {
        let document = edited(&valid(), "/issuers/1/provider", Some(json!("jwt_svid")));
        edited(&document, "/issuers/1/issuer", Some(json!(name)))["issuers"][1].clone()
    };
    let document = edited(&valid(), "/issuers/1", Some(svid("spiffe://a")));
    let document = edited(&document, "/issuers/-", Some(svid("spiffe://b")));
    assert_eq!(warned(&document), ["/issuers/2/keys/remote/uri"]);
}

#[test]
fn a_client_that_acts_and_is_nowhere_is_pointed_at() {
    let document = edited(&valid(), "/issuers/0/claims/client", Some(json!([])));
    assert_eq!(warned(&document), ["/issuers/0/claims/client"]);
}

#[test]
fn what_a_provider_tells_apart_and_the_configuration_does_not_is_pointed_at() {
    let plain = without_policies(&valid());
    let of = |provider: &str, member: &str, value: Value| {
        let document = edited(&plain, "/issuers/1/provider", Some(json!(provider)));
        warned(&edited(&document, &format!("/issuers/1/{member}"), Some(value)))
    };
    for (provider, member, value, place) in [
        ("keycloak", "agent", json!({ "from": "client" }), "/issuers/1/agent"),
        (
            "keycloak",
            "agent",
            json!({ "from": "client", "when": { "/act/client_id": { "present": true } } }),
            "/issuers/1/agent",
        ),
        ("keycloak", "audiences", json!(["account"]), "/issuers/1/audiences"),
        ("entra", "claims", json!({ "principal": ["/tid", "/oid"] }), "/issuers/1/claims/principal"),
        ("entra", "claims", json!({ "scopes": ["/roles"] }), "/issuers/1/claims/scopes"),
    ] {
        assert_eq!(of(provider, member, value.clone()), [place], "{provider} {member} {value}");
    }
    for (provider, member, value) in [
        ("keycloak", "agent", json!({ "from": "act", "when": { "/act/client_id": { "present": true } } })),
        ("keycloak", "audiences", json!(["tickets"])),
        ("entra", "claims", json!({ "principal": [["/tid", "/oid"]] })),
        ("entra", "claims", json!({ "principal": ["/sub"] })),
        ("entra", "claims", json!({ "scopes": ["/roles"], "require": { "/scp": null } })),
    ] {
        assert_eq!(of(provider, member, value.clone()), Vec::<String>::new(), "{provider} {member} {value}");
    }
}

#[test]
fn rules_for_mcp_that_never_apply_are_pointed_at() {
    let of =
        |mcp: Value| routes(json!([{ "match": { "path_prefix": "/mcp" }, "scopes": ["x"], "mcp": mcp }]));
    for (mcp, at) in [
        (json!({ "tools": [{ "name": "tickets.*" }, { "name": "tickets.close" }] }), "/tools/1"),
        (json!({ "tools": [{ "name": "a*" }, { "name": "ab*" }] }), "/tools/1"),
        (json!({ "resources": [{ "uri": "x://a" }, { "uri": "x://a" }] }), "/resources/1"),
        (json!({ "tools": [{ "name": "a" }], "methods": ["tools/call"] }), "/methods/0"),
        (json!({ "tools": [{ "name": "a", "arguments": { "/env": ["stag*"] } }] }), "/tools/0/arguments"),
        (
            json!({ "tools": [{ "name": "a", "arguments": { "/arguments/env": ["x"] } }] }),
            "/tools/0/arguments",
        ),
        (json!({}), ""),
    ] {
        assert_eq!(of(mcp.clone()), [format!("/routes/0/mcp{at}")], "{mcp}");
    }
    let sound = json!({
        "tools": [{ "name": "tickets.close", "arguments": { "/arguments": ["x"] } }, { "name": "tickets.*" }, { "name": "*" }],
        "methods": ["tasks/*"],
    });
    assert_eq!(of(sound), Vec::<String>::new());
    let get = json!([{ "match": { "path_prefix": "/mcp", "methods": ["GET"] }, "scopes": ["x"], "mcp": { "tools": [{ "name": "a" }] } }]);
    assert_eq!(routes(get), ["/routes/0/mcp"]);
    // A policy that only a rule names is used.
    let tools = json!({ "tools": [{ "name": "a", "policies": ["tools"] }] });
    let one = json!([{ "match": { "path_prefix": "/mcp" }, "scopes": ["x"], "mcp": tools }]);
    let document = edited(&valid(), "/policies", Some(json!([{ "name": "tools" }])));
    assert_eq!(warned(&edited(&document, "/routes", Some(one))), Vec::<String>::new());
}

#[test]
fn rules_for_a2a_that_never_apply_are_pointed_at() {
    let of =
        |a2a: Value| routes(json!([{ "match": { "path_prefix": "/a2a" }, "scopes": ["x"], "a2a": a2a }]));
    for (a2a, at) in [
        (json!({ "methods": [{ "name": "Get*" }, { "name": "GetTask" }] }), "/methods/1"),
        (json!({ "methods": [{ "name": "getTask" }] }), "/methods/0/name"),
        (json!({ "methods": [{ "name": "SendMessages*" }] }), "/methods/0/name"),
        (
            json!({ "methods": [{ "name": "GetTask", "arguments": { "/params/id": ["t1"] } }] }),
            "/methods/0/arguments",
        ),
        (json!({ "agent_card": "anonymous" }), ""),
    ] {
        assert_eq!(of(a2a.clone()), [format!("/routes/0/a2a{at}")], "{a2a}");
    }
    let sound = json!({ "methods": [{ "name": "SendMessage" }, { "name": "GetTask" }, { "name": "*" }] });
    assert_eq!(of(sound), Vec::<String>::new());
    let get = json!([{ "match": { "path_prefix": "/a2a", "methods": ["GET"] }, "scopes": ["x"], "a2a": { "methods": [{ "name": "GetTask" }] } }]);
    assert_eq!(routes(get), ["/routes/0/a2a"]);
    // A policy that only a rule names is used.
    let methods = json!({ "methods": [{ "name": "SendMessage", "policies": ["agents"] }] });
    let one = json!([{ "match": { "path_prefix": "/a2a" }, "scopes": ["x"], "a2a": methods }]);
    let document = edited(&valid(), "/policies", Some(json!([{ "name": "agents" }])));
    assert_eq!(warned(&edited(&document, "/routes", Some(one))), Vec::<String>::new());
}

#[test]
fn proofs_that_are_of_no_use_or_of_less_than_it_seems_are_pointed_at() {
    let pointers = |change: &dyn Fn(&mut Value)| {
        let mut document = valid();
        change(&mut document);
        let found = warned(&document).into_iter();
        found.filter(|pointer| pointer.starts_with("/proofs")).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(
        pointers(&|c| c["proofs"] = json!({ "external_uris": ["https://tools.example"] })),
        ["/proofs"]
    );
    let uris = |uris: Value| {
        move |c: &mut Value| {
            c["issuers"][0]["proof"] = json!("if_bound");
            c["proofs"] = uris.clone();
        }
    };
    assert_eq!(pointers(&uris(json!({ "uris_from_host": true }))), ["/proofs/uris_from_host"]);
    let plain = json!({ "external_uris": ["https://tools.example", "http://tools.example"] });
    assert_eq!(pointers(&uris(plain)), ["/proofs/external_uris/1"]);
    let good = json!({ "external_uris": ["https://tools.example", "http://localhost:10000"] });
    assert_eq!(pointers(&uris(good)), none);
    let forwarded = json!({ "external_uris": ["https://tools.example"], "mtls": { "certificate": "xfcc" } });
    assert_eq!(pointers(&uris(forwarded.clone())), ["/proofs/mtls/certificate"]);
    // Where no proof is verified a certificate may be asked for its name.
    let named = |agree: Value| {
        let forwarded = forwarded.clone();
        move |c: &mut Value| {
            c["issuers"][0]["agent"]["agree"] = agree.clone();
            c["proofs"] = forwarded.clone();
        }
    };
    assert_eq!(pointers(&named(json!(["client"]))), ["/proofs", "/proofs/mtls/certificate"]);
    assert_eq!(pointers(&named(json!(["certificate"]))), ["/proofs/mtls/certificate"]);
    let workloads = |c: &mut Value| {
        c["issuers"][1] = json!({
            "provider": "wit", "issuer": "wimse://td", "algorithms": ["ES256"], "keys": { "inline": { "keys": [] } },
        });
        c["proofs"] = json!({ "external_uris": ["https://tools.example"] });
    };
    assert_eq!(pointers(&workloads), none);
}
