//! The settings of an entry of the configuration: one JSON text.

mod deserializer;
mod error;
mod json;

use crate::Policy;
use serde::Deserialize;

/// A problem with the settings. One problem is enough for the whole configuration to be refused; the log shows its pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer (RFC 6901) into the settings. An empty string is the settings as a whole.
    pub pointer: String,
    /// What is wrong, and what would be correct.
    pub message: String,
}

impl Problem {
    /// A problem at `pointer`; an empty pointer is the settings as a whole.
    #[must_use]
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

/// A list of one problem, for `Err(Problem::at("/from", "…").into())` and `?`.
impl From<Problem> for Vec<Problem> {
    fn from(problem: Problem) -> Self {
        vec![problem]
    }
}

/// The settings of a policy that has none: only the empty object is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Creates a policy from its settings.
pub(crate) fn configure<P: Policy>(settings: &str) -> Result<P, Vec<Problem>> {
    let settings = if settings.is_empty() { "{}" } else { settings };
    P::new(deserializer::read(settings)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Request, Verdict};
    use serde_json::Value;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Hours {
        from: u8,
        days: Vec<Day>,
        #[serde(default)]
        names: BTreeMap<String, bool>,
        zone: Option<Utc>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase", deny_unknown_fields)]
    enum Day {
        Monday,
        Other { name: String },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(try_from = "String")]
    struct Utc;

    impl TryFrom<String> for Utc {
        type Error = String;
        fn try_from(zone: String) -> Result<Self, String> {
            if zone == "utc" { Ok(Self) } else { Err(format!("no such zone: {zone}")) }
        }
    }

    #[derive(Debug)]
    struct Closed(Hours);

    impl Policy for Closed {
        const SUMMARY: &'static str = "denies everything";
        type Settings = Hours;
        fn new(settings: Hours) -> Result<Self, Vec<Problem>> {
            if settings.from < 24 {
                Ok(Self(settings))
            } else {
                Err(Problem::at("/from", "must be below 24").into())
            }
        }
        fn check(&self, _: &Request) -> Verdict {
            Verdict::deny("closed", "")
        }
    }

    #[track_caller]
    fn assert_refused(settings: &str, pointer: &str, message: &str) {
        assert_eq!(configure::<Closed>(settings).unwrap_err(), [Problem::at(pointer, message)], "{settings}");
    }

    #[test]
    fn settings_of_another_shape_are_refused_with_a_pointer() {
        assert_refused("", "", "missing field `from`");
        assert_refused("[]", "", "found an array, expected struct Hours");
        assert_refused(r#"{"from":300,"days":[]}"#, "/from", "found `300`, expected u8");
        assert_refused(
            r#"{"from":1.5,"days":[]}"#,
            "/from",
            "found a number that is no integer of 64 bits, expected u8",
        );
        assert_refused(r#"{"from":[1]}"#, "/from", "found an array, expected u8");
        assert_refused(r#"{"from":"nine"}"#, "/from", "found the string `nine`, expected u8");
        assert_refused("{\n \"days\": [ \"monday\", 7 ]\n}", "/days/1", "found `7`, expected enum Day");
        assert_refused(
            r#"{"days":["sunday"]}"#,
            "/days/0",
            "unknown variant `sunday`, expected `monday` or `other`",
        );
        assert_refused(r#"{"days":[{"other":{}}]}"#, "/days/0/other", "missing field `name`");
        assert_refused(
            r#"{"days":[{"other":{"name":null}}]}"#,
            "/days/0/other/name",
            "found `null`, expected a string",
        );
        assert_refused(r#"{"zone":"mars"}"#, "/zone", "no such zone: mars");
    }

    #[test]
    fn unknown_and_repeated_members_are_refused() {
        let expected = "expected one of `from`, `days`, `names`, `zone`";
        assert_refused(r#"{"days":[],"form":1}"#, "/form", &format!("unknown field `form`, {expected}"));
        assert_refused(r#"{"from":1,"from":2}"#, "", "duplicate field `from`");
    }

    #[test]
    fn a_pointer_escapes_what_a_name_contains() {
        assert_refused(r#"{"names":{"a/b~c":1}}"#, "/names/a~1b~0c", "found `1`, expected a boolean");
        assert_refused(r#"{"names":{"\u005d\"}":1}}"#, "/names/]\"}", "found `1`, expected a boolean");
    }

    #[test]
    fn a_policy_refuses_what_the_shape_allows() {
        assert_refused(r#"{"from":24,"days":[]}"#, "/from", "must be below 24");
    }

    #[test]
    fn settings_of_the_right_shape_make_a_policy() {
        let settings = r#"{"from":9,"days":["monday",{"other":{"name":"\u00e9\ud83d\ude00"}}],"names":{"x":true},"zone":"utc"}"#;
        let Hours { from, days, names, zone } = configure::<Closed>(settings).unwrap().0;
        assert_eq!((from, days), (9, vec![Day::Monday, Day::Other { name: "é😀".to_owned() }]));
        assert_eq!((names, zone), (BTreeMap::from([("x".to_owned(), true)]), Some(Utc)));
    }

    #[test]
    fn no_settings_are_the_empty_object_only() {
        let read = deserializer::read::<NoSettings>;
        assert!(read(r#"{"from":1}"#).is_err() && read("null").is_err() && read("[]").is_err());
        assert_eq!(read("{}"), Ok(NoSettings {}));
    }

    /// Against the reader that everyone uses.
    #[test]
    fn what_is_json_is_what_serde_json_says() {
        let refused = [
            "",
            " ",
            "nul",
            "truefalse",
            "1 2",
            "+1",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "1e+",
            "0x1",
            "NaN",
            "1e999",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "]",
            "{",
            "{}}",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            "{,}",
            "'a'",
            r#"""#,
            r#""a"#,
            r#""\""#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\ud800""#,
            r#""\ud800\n""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            "\"\n\"",
            "\"\u{1f}\"",
            "\u{feff}1",
            "\u{a0}1",
            "/**/1",
        ];
        let accepted = [
            "null",
            " true\n",
            "false",
            "0",
            "-1",
            "18446744073709551615",
            "-9223372036854775808",
            "18446744073709551616",
            "-9223372036854775809",
            "1.5",
            "-0.0",
            "1E2",
            "1e-7",
            "123456789012345678901234567890",
            "[]",
            "[ ]",
            "[1, [2], {}]",
            "{ }",
            r#"{"a":{"b":[null]},"":0}"#,
            r#""""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u00E9\ud83d\ude00\uffff\u0000""#,
            "\"é\u{7f}\"",
        ];
        let oracle = |text| serde_json::from_str::<Value>(text);
        for text in refused {
            assert!(deserializer::read::<Value>(text).is_err() && oracle(text).is_err(), "{text}");
        }
        for text in accepted {
            assert_eq!(deserializer::read::<Value>(text).unwrap(), oracle(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn every_shape_is_read_as_serde_json_reads_it() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Shapes {
            float: f64,
            small: f32,
            negative: i64,
            large: u64,
            letter: char,
            nothing: (),
            option: Option<u8>,
            pair: (u8, String),
            newtype: Newtype,
            variants: Vec<Variant>,
            untagged: Vec<Untagged>,
            keyed: BTreeMap<Newtype, u8>,
            #[serde(flatten)]
            others: BTreeMap<String, Value>,
        }

        #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        struct Newtype(String);

        #[derive(Debug, PartialEq, Deserialize)]
        enum Variant {
            Unit,
            Newtype(f64),
            Tuple(u8, u8),
            Struct { a: u8 },
        }

        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(untagged)]
        enum Untagged {
            Number(f64),
            List(Vec<u8>),
            Object { a: u8 },
        }

        let text = r#"{
            "float": 1.5e3, "small": 2, "negative": -9223372036854775808, "large": 18446744073709551615, "letter": "é",
            "nothing": null, "option": null, "pair": [1, "x"], "newtype": "n", "keyed": {"k": 1},
            "variants": ["Unit", {"Unit": null}, {"Newtype": -0.5}, {"Tuple": [1, 2]}, {"Struct": {"a": 1}}],
            "untagged": [0.25, 7, [1], {"a": 1}], "else": {"deep": [1.5, {}, null]}, "more": [[]]
        }"#;
        let expected: Shapes = serde_json::from_str(text).unwrap();
        assert_eq!(deserializer::read::<Shapes>(text), Ok(expected));
    }

    #[test]
    fn what_a_structure_does_not_want_is_skipped() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct One {
            wanted: u8,
        }
        let text = r#"{"a": [1.5, {"b": "\n"}], "wanted": 1, "c": 1e999}"#;
        assert_eq!(deserializer::read::<One>(text), Ok(One { wanted: 1 }));
    }

    #[test]
    fn an_array_is_read_to_its_end_or_refused() {
        assert_eq!(deserializer::read::<(u8, u8)>("[1,2]"), Ok((1, 2)));
        let message = |text| deserializer::read::<(u8, u8)>(text).unwrap_err().message;
        assert_eq!(message("[1,2,3]"), "expected `]`");
        assert_eq!(message("[1]"), "invalid length 1, expected a tuple of size 2");
    }

    #[test]
    fn what_nests_too_deeply_is_refused_before_the_stack_ends() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(deserializer::read::<Value>(&nested(100_000)).unwrap_err().message, "nested too deeply");
        assert!(
            deserializer::read::<Value>(&nested(33)).is_err()
                && deserializer::read::<Value>(&nested(32)).is_ok()
        );
    }
}
