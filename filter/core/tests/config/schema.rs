//! The schema against the reader: it accepts whatever the reader accepts, and sees every structural fault.

use jsonschema::Validator;
use mandate_core::{
    config::{Config, schema},
    limits,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    accepted::whole_example,
    random::{damaged, json_value},
    table::{Kind, rows, valid},
};

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

#[test]
fn the_schema_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn the_schema_accepts_the_valid_configurations() {
    for document in [valid(), whole_example()] {
        let errors: Vec<String> = validator().iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn the_schema_sees_every_structural_fault_and_no_semantic_one() {
    let validator = validator();
    for row in rows() {
        assert_eq!(
            validator.is_valid(&row.document()),
            row.kind == Kind::Semantic,
            "{:?} {}",
            row.kind,
            row.name()
        );
    }
}

#[test]
fn every_object_of_ours_is_closed_and_every_member_described() {
    fn walk(place: &str, value: &Value, seen: &mut usize) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object)
            && !place.ends_with("/inline")
            // A condition, and no object.
            && !place.ends_with("/if")
        {
            assert_eq!(value["additionalProperties"], json!(false), "{place}");
            for (name, property) in properties {
                if !["inline", "remote"].contains(&name.as_str()) {
                    assert!(property.get("description").is_some(), "{place}/{name}");
                }
                *seen += 1;
            }
        }
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| walk(&format!("{place}/{name}"), member, seen));
            }
            Value::Array(elements) => elements.iter().for_each(|element| walk(place, element, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    walk("", &schema(), &mut seen);
    assert_eq!(seen, 140, "members that the schema knows");
}

#[test]
fn every_example_and_every_default_is_one_that_the_schema_accepts() {
    fn walk(value: &Value, seen: &mut usize) {
        if let Value::Object(members) = value {
            let list = members.get("examples").and_then(Value::as_array);
            for value in list.into_iter().flatten().chain(members.get("default")) {
                // References lead to the definitions, which belong to the whole.
                let mut part = Value::Object(members.clone());
                part["$defs"] = schema()["$defs"].clone();
                assert!(jsonschema::draft202012::is_valid(&part, value), "{value} in {members:?}");
                *seen += 1;
            }
            members.values().for_each(|member| walk(member, seen));
        }
        if let Value::Array(elements) = value {
            elements.iter().for_each(|element| walk(element, seen));
        }
    }
    let mut seen = 0;
    walk(&schema(), &mut seen);
    assert!(seen > 40, "{seen} were found");
}

#[test]
fn no_member_may_be_null() {
    let text = schema().to_string();
    assert!(!text.contains("\"null\""), "{text}");
}

#[test]
fn defaults_and_bounds_are_those_of_the_reader() {
    let schema = schema();
    let of = |path: &str| schema.pointer(path).cloned().unwrap_or_else(|| panic!("{path}"));
    assert_eq!(of("/required"), json!(["issuers", "routes"]));
    assert_eq!(of("/properties/issuers/maxItems"), json!(limits::ISSUERS));
    assert_eq!(of("/properties/delegation/default"), json!({}));
    assert_eq!(of("/$defs/Issuer/required"), json!(["issuer", "algorithms", "keys"]));
    assert_eq!(of("/$defs/Issuer/properties/token_types/default"), json!(["at+jwt"]));
    assert_eq!(of("/$defs/Issuer/properties/clock_skew_s/default"), json!(30));
    assert_eq!(of("/$defs/Issuer/properties/clock_skew_s/maximum"), json!(60));
    assert_eq!(of("/$defs/Delegation/properties/max_depth/default"), json!(4));
    assert_eq!(of("/$defs/Delegation/properties/max_depth/maximum"), json!(8));
    assert_eq!(of("/$defs/Route/required"), json!(["match"]));
    assert_eq!(of("/$defs/RouteMatch/required"), json!(["path_prefix"]));
    assert_eq!(of("/$defs/PolicyEntry/required"), json!(["name"]));
    assert_eq!(of("/$defs/PolicyEntry/properties/mode/default"), json!("enforce"));
    assert_eq!(of("/$defs/PolicyLimits/properties/fuel/default"), json!(1_000_000));
    assert_eq!(of("/$defs/Upstream/properties/identity_headers/default"), json!(true));
    assert_eq!(of("/$defs/Upstream/properties/forward_token/default"), json!(false));
    assert_eq!(of("/$defs/Audit/properties/log/default"), json!("denied"));
}

proptest! {
    #[test]
    fn whatever_the_reader_accepts_the_schema_accepts(
        document in prop_oneof![1 => json_value(), 9 => damaged()]
    ) {
        if Config::parse(document.to_string().as_bytes()).is_ok() {
            prop_assert!(validator().is_valid(&document), "{}", document);
        }
    }
}
