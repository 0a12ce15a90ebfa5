//! JSON in its canonical form (JCS, RFC 8785): one text for one value, to hash it or to compare it with what came.
//!
//! ```text
//! document = value                                  ; no white space outside of strings (§3.2.1)
//! object   = "{" [ member *( "," member ) ] "}"     ; sorted by the UTF-16 code units of the names (§3.2.3)
//! string   = %x22 *char %x22                        ; escaped: ", \ and controls, with the shortest escape (§3.2.2.2)
//! number   = ECMAScript Number::toString            ; the shortest digits that lead back to the same double (§3.2.2.3)
//! ```
//!
//! Numbers are doubles there. Beyond [`limits::MAX_SAFE_INTEGER`] a double stands for several integers, and two documents that
//! differ would have one text: such a number has none here.

use crate::limits;
use serde_json::{Map, Number, Value};

/// Why a value has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// A number that doubles cannot tell from its neighbours.
    #[error("a number is beyond 2^53 - 1, where doubles cannot tell integers apart")]
    Number,
    /// A string could not be written.
    #[error("a string could not be written")]
    Text,
}

/// The canonical text of a value. The depth of the value is the caller's to bound, as [`parse`](super::parse) does.
///
/// # Errors
/// If a number in it is beyond [`limits::MAX_SAFE_INTEGER`].
pub fn canonical(value: &Value) -> Result<String, CanonicalError> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

/// Whether `bytes`, from which `value` was read, are its canonical text.
#[must_use]
pub fn is_canonical(bytes: &[u8], value: &Value) -> bool {
    canonical(value).is_ok_and(|text| text.as_bytes() == bytes)
}

fn write(value: &Value, text: &mut String) -> Result<(), CanonicalError> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(ryu_js::Buffer::new().format_finite(double(number)?)),
        Value::String(string) => write_string(string, text)?,
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(element, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => write_object(members, text)?,
    }
    Ok(())
}

fn write_object(members: &Map<String, Value>, text: &mut String) -> Result<(), CanonicalError> {
    let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
    sorted.sort_unstable_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    text.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_string(name, text)?;
        text.push(':');
        write(value, text)?;
    }
    text.push('}');
    Ok(())
}

/// The escapes of `serde_json` are those of RFC 8785: the two-character ones where there are any, else `\u00xx` in lower case,
/// and nothing else is escaped.
fn write_string(string: &str, text: &mut String) -> Result<(), CanonicalError> {
    text.push_str(&serde_json::to_string(string).map_err(|_| CanonicalError::Text)?);
    Ok(())
}

fn double(number: &Number) -> Result<f64, CanonicalError> {
    // An integer is rounded here, but none of those that pass.
    let double = number.as_f64().ok_or(CanonicalError::Number)?;
    (double.abs() <= limits::MAX_SAFE_INTEGER).then_some(double).ok_or(CanonicalError::Number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::json::parse;

    fn of(text: &str) -> Result<String, CanonicalError> {
        canonical(&parse(text.as_bytes(), 32).unwrap())
    }

    #[test]
    fn a_number_that_stands_for_several_has_no_canonical_form() {
        for number in [
            "9007199254740992",
            "-9007199254740992",
            "9007199254740993",
            "18446744073709551615",
            "100000000000000000000",
            "1e30",
        ] {
            assert_eq!(of(number), Err(CanonicalError::Number), "{number}");
            assert_eq!(of(&format!(r#"{{"a":[{number}]}}"#)), Err(CanonicalError::Number), "{number}");
        }
        assert_eq!(of("9007199254740991").unwrap(), "9007199254740991");
        assert_eq!(of("-9007199254740991").unwrap(), "-9007199254740991");
    }

    /// RFC 8785, appendix B: the bits of a double, and its text.
    #[test]
    fn doubles_are_written_as_ecmascript_does() {
        for (bits, text) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(ryu_js::Buffer::new().format_finite(f64::from_bits(bits)), text, "{bits:x}");
        }
    }

    /// RFC 8785 §3.2.2 and §3.2.3, without the number that has no canonical form here.
    #[test]
    fn the_examples_of_the_specification_have_its_text() {
        let sample = r#"{
            "numbers": [333333333.33333329, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,4.5,0.002,1e-27],\
                        \"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(of(sample).unwrap(), expected);
        let names = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let text = of(names).unwrap();
        let order: Vec<usize> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
            .map(|it| text.find(it).unwrap())
            .into();
        assert!(order.is_sorted(), "{text}");
    }

    #[test]
    fn what_is_written_otherwise_is_not_canonical() {
        for text in [
            " {}",
            "{} ",
            "{\"a\": 1}",
            r#"{"b":1,"a":2}"#,
            "1.0",
            "1e0",
            "-0",
            "0.10",
            "1E-7",
            r#""\u0041""#,
            r#""\/""#,
            r#""\u000A""#,
            r#""\u001F""#,
            "[1, 2]",
            "9007199254740992",
        ] {
            let value = parse(text.as_bytes(), 32).unwrap();
            assert!(!is_canonical(text.as_bytes(), &value), "{text}");
        }
        for text in
            ["{}", "[]", "null", r#"{"a":2,"b":[1,{"c":""}]}"#, "1", "-1", "0.1", "1e-7", r#""A/\n\u001f€""#]
        {
            let value = parse(text.as_bytes(), 32).unwrap();
            assert!(is_canonical(text.as_bytes(), &value), "{text}");
        }
    }
}
