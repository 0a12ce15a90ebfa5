//! Strict JSON: vectors, and agreement with `serde_json` on everything that both accept.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use mandate_core::json::{JsonError, parse, pointer_push, same_value};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn error(text: &str) -> JsonError {
    parse(text.as_bytes(), 32).unwrap_err()
}

fn duplicate(pointer: &str) -> JsonError {
    JsonError::DuplicateMember { pointer: pointer.to_owned() }
}

#[test]
fn values_are_the_same_by_what_they_are_worth_unless_they_were_rounded() {
    let big: Value = serde_json::from_str("12345678901234567890123").unwrap();
    for (left, right) in [
        (json!(1), json!("1")),
        (json!(1), json!(true)),
        (json!(1), json!(1.5)),
        (json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64)),
        (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_992.0)),
        // It was rounded: others are, too, to the same.
        (big.clone(), big),
        (json!(null), json!(0)),
    ] {
        assert!(!same_value(&left, &right) && !same_value(&right, &left), "{left} {right}");
    }
    for (left, right) in [
        (json!(1), json!(1.0)),
        (json!(-0.0), json!(0)),
        (json!(u64::MAX), json!(u64::MAX)),
        (json!("a"), json!("a")),
        (json!([1]), json!([1])),
    ] {
        assert!(same_value(&left, &right) && same_value(&right, &left), "{left} {right}");
    }
}

#[test]
fn documents_come_out_as_they_are() {
    for (text, value) in [
        ("null", json!(null)),
        (" true\n", json!(true)),
        ("-0", json!(-0.0)),
        ("18446744073709551615", json!(u64::MAX)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("1.5e3", json!(1500.0)),
        ("\"\\u00e9\\ud83d\\ude00\\n\"", json!("é😀\n")),
        ("[]", json!([])),
        ("{\"a\":[1,{\"b\":null}],\"\":{}}", json!({ "a": [1, { "b": null }], "": {} })),
        // Equal names in different objects are no duplicates.
        (
            "{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":2}]}",
            json!({ "a": { "a": { "a": 1 } }, "b": [{ "a": 1 }, { "a": 2 }] }),
        ),
        ("{\"A\":1,\"a\":2}", json!({ "A": 1, "a": 2 })),
    ] {
        assert_eq!(parse(text.as_bytes(), 32), Ok(value), "{text}");
    }
}

#[test]
fn a_member_that_serde_json_reserves_is_only_a_member() {
    for name in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
        let value = json!({ name: "1" });
        assert_eq!(parse(value.to_string().as_bytes(), 32), Ok(value));
    }
}

#[test]
fn duplicate_members_are_found_at_every_level_and_after_unescaping() {
    for (text, pointer) in [
        ("{\"a\":1,\"a\":1}", "/a"),
        ("{\"a\":1,\"\\u0061\":2}", "/a"),
        ("{\"\":1,\"\":2}", "/"),
        ("{\"x\":[0,{\"y\":{\"a\":1,\"b\":2,\"a\":3}}]}", "/x/1/y/a"),
        ("[[],[{\"a/b\":{\"~\":1,\"~\":2}}]]", "/1/0/a~1b/~0"),
        // Reported before the second value is looked at.
        ("{\"a\":1,\"a\":[[[", "/a"),
    ] {
        assert_eq!(error(text), duplicate(pointer), "{text}");
    }
}

#[test]
fn depth_counts_open_objects_and_arrays() {
    for (text, depth) in
        [("1", 0), ("{}", 1), ("[]", 1), ("[{}]", 2), ("{\"a\":[],\"b\":[[1]]}", 3), ("[[],[],[]]", 2)]
    {
        assert!(parse(text.as_bytes(), depth).is_ok(), "{text}");
        if let Some(less) = depth.checked_sub(1) {
            assert_eq!(parse(text.as_bytes(), less), Err(JsonError::TooDeep { max_depth: less }), "{text}");
        }
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(126).as_bytes(), usize::MAX).is_ok());
    assert_eq!(parse(nested(127).as_bytes(), 1000), Err(JsonError::TooDeep { max_depth: 126 }));
    assert_eq!(parse("[".repeat(1_000_000).as_bytes(), 32), Err(JsonError::TooDeep { max_depth: 32 }));
}

#[test]
fn what_is_not_one_utf8_document_is_refused() {
    assert_eq!(error("\u{feff}{}"), JsonError::ByteOrderMark);
    assert_eq!(parse(b"\xff\xfe{\0}\0", 32), Err(JsonError::NotUtf8 { at: 0 }));
    assert_eq!(parse(b"{\"a\":\"\xc3\"}", 32), Err(JsonError::NotUtf8 { at: 6 }));
    assert_eq!(parse(b"\"\xed\xa0\x80\"", 32), Err(JsonError::NotUtf8 { at: 1 }));
    assert_eq!(error("{} {}"), JsonError::TrailingData { line: 1, column: 4 });
    assert_eq!(error("{}\n,"), JsonError::TrailingData { line: 2, column: 1 });
    assert_eq!(error("{}\0"), JsonError::TrailingData { line: 1, column: 3 });
    for text in ["", " ", "{", "[1,", "\"a", "{\"a\"", "{\"a\":", "tru"] {
        assert!(matches!(error(text), JsonError::Truncated { .. }), "{text}: {:?}", error(text));
    }
    for text in [
        "{,}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "NaN",
        "Infinity",
        "-",
        "1e999",
        "\"\t\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "// c\n1",
        "True",
        "{1:2}",
        "\u{a0}1",
        "[1 2]",
        "{\"a\" 1}",
    ] {
        let error = error(text);
        assert!(
            matches!(
                error,
                JsonError::Syntax { .. } | JsonError::Truncated { .. } | JsonError::TrailingData { .. }
            ),
            "{text}: {error:?}"
        );
    }
}

#[test]
fn an_error_tells_no_value() {
    for text in ["{\"a\":\"secret\" x", "{\"a\":secret}", "[\"secret\",\"secret\" \"secret\"]", "{} secret"] {
        assert!(!error(text).to_string().contains("secret"), "{text}");
    }
}

#[test]
fn pointers_are_escaped() {
    assert_eq!(pointer_push("", ""), "/");
    assert_eq!(pointer_push("/a", "b"), "/a/b");
    assert_eq!(pointer_push("/a", "~1/m~n"), "/a/~01~1m~0n");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 50, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Every object of a document, as a pointer.
fn objects(value: &Value, here: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(index, it)| objects(it, &pointer_push(here, &index.to_string()), found));
        }
        Value::Object(members) => {
            found.push(here.to_owned());
            members.iter().for_each(|(name, it)| objects(it, &pointer_push(here, name), found));
        }
        _ => {}
    }
}

/// JSON-like text, mostly broken.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "\"\\u0061\"",
        "1",
        "-1.5e3",
        "null",
        "true",
        " ",
        "\"a\":1",
        "{}",
        "[]",
        "\\",
        "\"",
        "1e999",
        "\"\\ud800\"",
        "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_slice::<Value>(bytes);
    match parse(bytes, 32) {
        Ok(ours) => prop_assert_eq!(ours, theirs.unwrap()),
        Err(JsonError::DuplicateMember { .. } | JsonError::TooDeep { .. }) => {}
        Err(_) => prop_assert!(theirs.is_err()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_are_answered_as_serde_json_answers(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        agree(&bytes)?;
    }

    #[test]
    fn any_soup_is_answered_as_serde_json_answers(text in soup()) {
        agree(text.as_bytes())?;
    }

    #[test]
    fn every_value_survives_and_its_depth_is_the_least_that_will_do(value in value()) {
        let text = value.to_string();
        let depth = depth(&value);
        prop_assert_eq!(parse(text.as_bytes(), depth), serde_json::from_str(&text).map_err(|_| error("")));
        if let Some(less) = depth.checked_sub(1) {
            prop_assert_eq!(parse(text.as_bytes(), less), Err(JsonError::TooDeep { max_depth: less }));
        }
    }

    #[test]
    fn a_duplicate_is_found_wherever_it_is(value in value(), place in any::<prop::sample::Index>(), name in any::<String>()) {
        let mut found = Vec::new();
        objects(&value, "", &mut found);
        prop_assume!(!found.is_empty());
        let object: &String = place.get(&found);
        // Two marks in one object, renamed to one name in the text.
        let (mut marked, one, two) = (value.clone(), "\u{1}mark-one", "\u{1}mark-two");
        let members = marked.pointer_mut(object).unwrap().as_object_mut().unwrap();
        members.remove(&name);
        members.insert(one.to_owned(), json!(1));
        members.insert(two.to_owned(), json!([]));
        let quoted = |text: &str| Value::from(text).to_string();
        let text = marked.to_string().replace(&quoted(one), &quoted(&name)).replace(&quoted(two), &quoted(&name));
        prop_assert_eq!(parse(text.as_bytes(), 32), Err(duplicate(&pointer_push(object, &name))));
    }
}
