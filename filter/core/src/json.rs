//! Strict JSON (RFC 8259) for everything that comes from outside: token headers, claims, key sets, configuration.
//!
//! ```text
//! document = ws value ws                       ; nothing after it, no byte order mark before it, UTF-8 throughout
//! object   = "{" [ member *( "," member ) ] "}" ; member names unique after unescaping (RFC 8725 §2.4, RFC 7515 §4)
//! depth    = number of objects and arrays open at once, at most `max_depth`; `{}` and `[]` have depth 1, scalars 0
//! ```
//!
//! Two readers of one document must not be able to disagree about it: where RFC 8259 leaves a reading to the
//! parser (duplicate members, a byte order mark), this one refuses. The number of bytes is the caller's to bound.

mod canonical;
mod pointer;

pub use canonical::{CanonicalError, canonical, is_canonical};
pub use pointer::{Pointer, PointerError, array_index, pointer_push};

use core::fmt;

use crate::limits;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The deepest nesting that can be asked for: `serde_json` itself stops one level below, untyped.
const DEEPEST: usize = 126;

/// Why a document was refused. No variant carries a value of the document, only member names and positions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The bytes begin with a byte order mark (RFC 8259 §8.1).
    #[error("the document begins with a byte order mark, remove it")]
    ByteOrderMark,
    /// The bytes are not UTF-8.
    #[error("the document is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Offset of the first offending byte.
        at: usize,
    },
    /// An object names a member twice, at any level, compared after unescaping.
    #[error("member `{pointer}` is given twice")]
    DuplicateMember {
        /// JSON pointer (RFC 6901) of the member.
        pointer: String,
    },
    /// Objects and arrays nest too deeply.
    #[error("objects and arrays nest deeper than {max_depth} levels")]
    TooDeep {
        /// The bound that was passed.
        max_depth: usize,
    },
    /// More values than are accepted.
    #[error("the document holds more than {max_values} values")]
    TooMany {
        /// The bound that was passed.
        max_values: usize,
    },
    /// A complete value is followed by something other than white space.
    #[error("text follows the document at line {line} column {column}")]
    TrailingData {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The document ends inside a value, or is empty.
    #[error("the document ends too early, at line {line} column {column}")]
    Truncated {
        /// Line, from 1.
        line: usize,
        /// Column.
        column: usize,
    },
    /// Not JSON, or a number that no `f64` holds.
    #[error("not valid JSON at line {line} column {column}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

/// Parses one strict JSON document.
///
/// `max_depth` is the number of objects and arrays that may be open at once; more than 126 counts as 126.
///
/// # Errors
/// The first fault found, see [`JsonError`].
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    parse_within(bytes, max_depth, usize::MAX)
}

/// The same, of at most `max_values` values: a value takes up to a hundred times the bytes that it is written in.
///
/// # Errors
/// The first fault found, see [`JsonError`].
pub fn parse_within(bytes: &[u8], max_depth: usize, max_values: usize) -> Result<Value, JsonError> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(JsonError::ByteOrderMark);
    }
    let text = core::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
    let mut state = State { violation: None, values_left: max_values };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let max_depth = max_depth.min(DEEPEST);
    let value = match (Strict { remaining: max_depth, state: &mut state }).deserialize(&mut deserializer) {
        Ok(value) => value,
        Err(error) => return Err(refusal(state.violation, &error, max_depth, max_values)),
    };
    deserializer
        .end()
        .map_err(|error| JsonError::TrailingData { line: error.line(), column: error.column() })?;
    Ok(value)
}

/// Whether two values are one and the same: numbers by what they are worth, for `1` and `1.0` are one number to JSON. Integers are
/// compared exactly; of other numbers beyond [`limits::MAX_SAFE_INTEGER`], which were rounded when they were read, none is the same as
/// another.
#[must_use]
pub fn same_value(left: &Value, right: &Value) -> bool {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return left == right };
    if !left.is_f64() && !right.is_f64() {
        return left == right;
    }
    let worth = |number: &Number| number.as_f64().filter(|worth| worth.abs() <= limits::MAX_SAFE_INTEGER);
    worth(left).is_some_and(|left| Some(left) == worth(right))
}

/// What the visitor found that `serde_json` has no word for; it travels beside serde's error.
enum Violation {
    /// The way to the member, innermost first: every level adds its own segment while the error passes through.
    Duplicate(Vec<String>),
    TooDeep,
    TooMany,
}

/// What all levels of one document share.
struct State {
    violation: Option<Violation>,
    values_left: usize,
}

fn refusal(
    violation: Option<Violation>,
    error: &serde_json::Error,
    max_depth: usize,
    max_values: usize,
) -> JsonError {
    let (line, column) = (error.line(), error.column());
    match violation {
        Some(Violation::Duplicate(segments)) => {
            let pointer =
                segments.iter().rev().fold(String::new(), |base, segment| pointer_push(&base, segment));
            JsonError::DuplicateMember { pointer }
        }
        Some(Violation::TooDeep) => JsonError::TooDeep { max_depth },
        Some(Violation::TooMany) => JsonError::TooMany { max_values },
        None if error.is_eof() => JsonError::Truncated { line, column },
        None => JsonError::Syntax { line, column },
    }
}

/// One value, with the number of levels that may still be opened below.
struct Strict<'v> {
    remaining: usize,
    state: &'v mut State,
}

impl Strict<'_> {
    /// The reader of a child, or an error when no further level may be opened.
    fn open<E: de::Error>(&mut self) -> Result<usize, E> {
        self.remaining.checked_sub(1).ok_or_else(|| {
            self.state.violation = Some(Violation::TooDeep);
            E::custom("too deep")
        })
    }

    /// Notes on the way out where an error came from.
    fn passing(&mut self, segment: impl FnOnce() -> String) {
        if let Some(Violation::Duplicate(segments)) = &mut self.state.violation {
            segments.push(segment());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.state.values_left.checked_sub(1) else {
            self.state.violation = Some(Violation::TooMany);
            return Err(de::Error::custom("too many values"));
        };
        self.state.values_left = left;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        let remaining = self.open()?;
        let mut elements = Vec::new();
        loop {
            match access.next_element_seed(Strict { remaining, state: self.state }) {
                Ok(Some(element)) => elements.push(element),
                Ok(None) => return Ok(Value::Array(elements)),
                Err(error) => {
                    self.passing(|| elements.len().to_string());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        let remaining = self.open()?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.contains_key(&name) {
                self.state.violation = Some(Violation::Duplicate(vec![name]));
                return Err(de::Error::custom("duplicate member"));
            }
            match access.next_value_seed(Strict { remaining, state: self.state }) {
                Ok(value) => {
                    members.insert(name, value);
                }
                Err(error) => {
                    self.passing(|| name);
                    return Err(error);
                }
            }
        }
        Ok(Value::Object(members))
    }
}
