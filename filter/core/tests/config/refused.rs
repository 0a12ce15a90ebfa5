use std::collections::BTreeSet;

use mandate_core::{
    config::{Config, Problem},
    limits,
};
use serde_json::json;

use crate::table::{Kind, edited, rows, valid};

fn problems(text: &str) -> Vec<Problem> {
    Config::parse(text.as_bytes()).unwrap_err()
}

fn pointers(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.pointer.as_str()).collect()
}

#[test]
fn every_fault_of_the_table_is_reported_at_its_pointer_and_nowhere_else() {
    let rows = rows();
    let semantic = rows.iter().filter(|row| row.kind == Kind::Semantic).count();
    assert!(rows.len() >= 150 && semantic >= 20, "{} rows, {semantic} semantic", rows.len());
    for row in rows {
        let problems = problems(&row.document().to_string());
        let expected: BTreeSet<&str> = row.pointers.iter().copied().collect();
        let found: BTreeSet<&str> = pointers(&problems).into_iter().collect();
        assert_eq!(found, expected, "{}: {problems:?}", row.name());
        assert_eq!(problems.len(), found.len(), "{}: {problems:?}", row.name());
    }
}

#[test]
fn messages_are_lower_case_without_full_stop_and_never_empty() {
    for row in rows() {
        for problem in problems(&row.document().to_string()) {
            for text in [Some(&problem.message), problem.suggestion.as_ref()].into_iter().flatten() {
                let first = text.chars().next().unwrap();
                assert!(!first.is_uppercase() && !text.ends_with('.'), "{text}");
                assert!(text.len() < 400, "{text}");
            }
        }
    }
}

#[test]
fn six_faults_are_six_problems() {
    let mut document = valid();
    for (at, to) in [
        ("/issuers/0/algorithms/0", json!("HS256")),
        ("/issuers/1/keys/remote/stale_s", json!(1)),
        ("/delegation/max_depht", json!(2)),
        ("/routes/0/scopes", json!(["a"])),
        ("/routes/1/policies/1", json!("queit")),
        ("/policies/0/limits/fuel", json!(0)),
    ] {
        document = edited(&document, at, Some(to));
    }
    let problems = problems(&document.to_string());
    let expected = BTreeSet::from([
        "/issuers/0/algorithms/0",
        "/issuers/1/keys/remote/stale_s",
        "/delegation/max_depht",
        "/routes/0/scopes",
        "/routes/1/policies/1",
        "/policies/0/limits/fuel",
    ]);
    assert_eq!(pointers(&problems).into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(problems.len(), 6);
}

#[test]
fn a_misspelt_word_brings_the_right_one() {
    for (at, to, suggestion) in [
        ("/isuers", json!([]), "did you mean `issuers`?"),
        ("/delegation/max_depht", json!(2), "did you mean `max_depth`?"),
        ("/issuers/0/audience", json!("a"), "did you mean `audiences`?"),
        ("/routes/1/scope", json!("a"), "did you mean `scopes`?"),
        ("/routes/1/policies/0", json!("ticket-gard"), "did you mean `ticket-guard`?"),
        ("/issuers/0/algorithms/0", json!("eddsa"), "did you mean `EdDSA`?"),
        ("/policies/0/mode", json!("enforced"), "did you mean `enforce`?"),
        ("/routes/0/match/methods/0", json!("get"), "write `GET`"),
        ("/routes/1/match/path_prefix", json!("/v1/./x/"), "write `/v1/x/`"),
        ("/audit/log", json!("everything"), "known: all, denied, none"),
        ("/audit/colour", json!("red"), "known: log"),
    ] {
        let problems = problems(&edited(&valid(), at, Some(to)).to_string());
        assert_eq!(problems.len(), 1, "{at}: {problems:?}");
        assert_eq!(problems[0].suggestion.as_deref(), Some(suggestion), "{at}");
    }
}

#[test]
fn what_is_not_strict_json_is_one_problem() {
    let valid = valid().to_string();
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let long = format!("{valid}{}", " ".repeat(limits::CONFIG_BYTES));
    for (text, pointer, part) in [
        ("", "", "empty"),
        (" \n", "", "empty"),
        ("{", "", "ends too early"),
        ("{'a':1}", "", "not valid JSON"),
        ("{\"a\":1,}", "", "not valid JSON"),
        ("// comment\n{}", "", "not valid JSON"),
        (&format!("\u{feff}{valid}"), "", "byte order mark"),
        (&format!("{valid} {{}}"), "", "follows the document"),
        (&deep, "", "deeper than 32"),
        (&long, "", "longer than"),
        (&valid.replacen("{", "{\"audit\":{},", 1), "/audit", "twice"),
        (
            &valid.replacen("\"max_depth\":4", "\"max_depth\":4,\"max_dept\\u0068\":8", 1),
            "/delegation/max_depth",
            "twice",
        ),
    ] {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text:.60}: {problems:?}");
        assert_eq!(problems[0].pointer, pointer, "{text:.60}");
        assert!(problems[0].message.contains(part), "{text:.60}: {}", problems[0].message);
    }
    assert_eq!(Config::parse(b"{\"a\":\"\xff\"}").unwrap_err().len(), 1);
}

#[test]
fn a_flood_of_faults_is_cut_off() {
    let unknown: serde_json::Map<String, serde_json::Value> =
        (0..10_000).map(|index| (format!("member-{index}"), json!(null))).collect();
    assert_eq!(problems(&json!(unknown).to_string()).len(), limits::PROBLEMS);
    let long = problems(&json!({ "issuers": [], "routes": [], "x".repeat(1_000_000): 1 }).to_string());
    assert_eq!(long.len(), 3);
    assert!(long.iter().all(|problem| problem.to_string().len() < 1000));
    let twice = "x".repeat(100_000);
    let repeated = problems(&format!("{{\"{twice}\":1,\"{twice}\":2}}"));
    assert!(repeated[0].to_string().len() < 1000);
}

#[test]
fn a_problem_reads_as_one_line() {
    let problem = Problem {
        pointer: "/issuers/0/audiences".to_owned(),
        message: "is required but missing".to_owned(),
        suggestion: None,
    };
    assert_eq!(problem.to_string(), "`/issuers/0/audiences`: is required but missing");
    let problem = Problem { suggestion: Some("add it".to_owned()), pointer: String::new(), ..problem };
    assert_eq!(problem.to_string(), "the configuration: is required but missing (add it)");
}

#[test]
fn a_protobuf_message_in_place_of_the_text_is_told_what_to_write() {
    // `google.protobuf.Struct` of `{"a": "b"}` and of `{"a": true, "b": 1}`; `xds.type.v3.TypedStruct` of the first.
    let one: &[u8] = b"\x0a\x08\x0a\x01a\x12\x03\x1a\x01b";
    let two: &[u8] = b"\x0a\x07\x0a\x01a\x12\x02\x20\x01\x0a\x0e\x0a\x01b\x12\x09\x11\0\0\0\0\0\0\xf0\x3f";
    let typed = [b"\x0a\x03foo\x12\x0a".as_slice(), one].concat();
    for message in [one, two, &typed] {
        let problems = Config::parse(message).unwrap_err();
        assert_eq!(problems.len(), 1);
        let said = problems[0].to_string();
        assert!(
            said.contains("google.protobuf.Struct") && said.contains("google.protobuf.StringValue"),
            "{said}"
        );
    }
    // Text that is wrong in another way is told that.
    for text in [&b"\n{"[..], b"\n\n\n", b"\x0a\xff", b"{", b"\x0a\x05ab"] {
        let said = Config::parse(text).unwrap_err()[0].to_string();
        assert!(!said.contains("protobuf"), "{text:?}: {said}");
    }
}
