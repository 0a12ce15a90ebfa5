//! Random and damaged configurations: no panic, a problem for every refusal, and every pointer leads somewhere.

use mandate_core::{config::Config, limits};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::table::valid;

/// Names and words that the reader knows, so that random documents get past the first door.
const WORDS: &[&str] = &[
    "issuers",
    "issuer",
    "audiences",
    "algorithms",
    "token_types",
    "provider",
    "keycloak",
    "jwt_svid",
    "wit",
    "claims",
    "audience",
    "principal",
    "client",
    "token_id",
    "issued_at",
    "require",
    "present",
    "agent",
    "from",
    "when",
    "subject",
    "chain",
    "form",
    "count",
    "okta",
    "/sub",
    "/a~1b",
    "token_bytes",
    "keys",
    "inline",
    "remote",
    "cluster",
    "uri",
    "timeout_ms",
    "refresh_s",
    "stale_s",
    "clock_skew_s",
    "max_lifetime_s",
    "delegation",
    "max_depth",
    "required",
    "actor_issuers",
    "allow_cycles",
    "routes",
    "match",
    "mcp",
    "a2a",
    "agent_card",
    "tools",
    "resources",
    "prompts",
    "arguments",
    "body_bytes",
    "narrow_lists",
    "sessions",
    "path_prefix",
    "methods",
    "anonymous",
    "scopes",
    "policies",
    "name",
    "policy",
    "sha256",
    "settings",
    "mode",
    "limits",
    "fuel",
    "memory_bytes",
    "output_bytes",
    "upstream",
    "forward_token",
    "identity_headers",
    "audit",
    "log",
    "resource_metadata",
    "protected_resources",
    "resource",
    "authorization_servers",
    "https://a/b/",
    "EdDSA",
    "none",
    "HS256",
    "/v1",
    "//",
    "https://a/b",
    "GET",
    "shadow",
    "all",
    "",
    "é",
    "HSé",
    "~/",
    "/..;x",
    "p",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => any::<String>()]
}

pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..5000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Every place of a document.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                places(element, &format!("{here}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &mandate_core::json::pointer_push(here, name), found);
            }
        }
        _ => {}
    }
}

/// A valid configuration with up to three places replaced.
pub(crate) fn damaged() -> impl Strategy<Value = Value> {
    prop::collection::vec((any::<prop::sample::Index>(), json_value()), 0..4).prop_map(|damages| {
        let mut document = valid();
        for (place, value) in damages {
            let mut found = Vec::new();
            places(&document, "", &mut found);
            let place: &String = place.get(&found);
            *document.pointer_mut(place).unwrap() = value;
        }
        document
    })
}

fn check(document: &Value) -> Result<(), TestCaseError> {
    match Config::parse(document.to_string().as_bytes()) {
        Ok(config) => {
            prop_assert!(config.warnings().iter().all(|warning| !warning.pointer.is_empty()));
        }
        Err(problems) => {
            prop_assert!(!problems.is_empty() && problems.len() <= limits::PROBLEMS);
            for problem in problems {
                // A missing member's pointer leads to where it belongs; a very long name is cut.
                let parent = problem.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
                prop_assert!(document.pointer(parent).is_some(), "{}", problem);
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn random_json_is_answered_with_problems(document in json_value()) {
        check(&document)?;
    }

    #[test]
    fn a_damaged_configuration_is_answered_with_problems_in_it(document in damaged()) {
        check(&document)?;
    }

    #[test]
    fn random_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!Config::parse(&bytes).err().is_some_and(|problems| problems.is_empty()));
    }

    #[test]
    fn a_truncated_configuration_is_one_problem(end in 1_usize..1000) {
        let text = valid().to_string();
        let end = end.min(text.len() - 1);
        prop_assert_eq!(Config::parse(&text.as_bytes()[..end]).map_err(|problems| problems.len()), Err(1));
    }
}

#[test]
fn the_undamaged_configuration_is_accepted() {
    assert!(Config::parse(valid().to_string().as_bytes()).is_ok());
    assert!(Config::parse(json!({}).to_string().as_bytes()).is_err());
}
