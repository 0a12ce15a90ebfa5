//! Reads a JSON text (RFC 8259) token by token.

use super::error::Error;
use serde::de::{Expected, Unexpected};
use std::str::Chars;

/// How deep arrays and objects may nest, as in the configuration itself.
const MAX_DEPTH: u8 = 32;

/// The next value, or the beginning of one.
pub(super) enum Token<'t> {
    Null,
    Boolean(bool),
    Unsigned(u64),
    Signed(i64),
    /// Any other number; read only where a float is wanted.
    Float(&'t str),
    Text(String),
    Array,
    Object,
}

impl Token<'_> {
    /// That this is not what was expected.
    #[inline(never)]
    pub(super) fn mismatch(&self, expected: &dyn Expected) -> Error {
        let found = match self {
            Self::Null => Unexpected::Unit,
            Self::Boolean(boolean) => Unexpected::Bool(*boolean),
            Self::Unsigned(integer) => Unexpected::Unsigned(*integer),
            Self::Signed(integer) => Unexpected::Signed(*integer),
            Self::Float(_) => Unexpected::Float(0.0),
            Self::Text(text) => Unexpected::Str(text),
            Self::Array => Unexpected::Seq,
            Self::Object => Unexpected::Map,
        };
        Error::mismatch(found, expected)
    }
}

/// What is left of the text. Nothing here depends on what is read, so that it is compiled once.
pub(super) struct Reader<'t> {
    rest: &'t str,
    depth: u8,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, depth: MAX_DEPTH }
    }

    /// `value = false / null / true / object / array / number / string` (RFC 8259 §3).
    pub(super) fn token(&mut self) -> Result<Token<'t>, Error> {
        Ok(match self.peek() {
            Some('{') => {
                self.open("{")?;
                Token::Object
            }
            Some('[') => {
                self.open("[")?;
                Token::Array
            }
            Some('"') => Token::Text(self.string()?),
            Some('n') => {
                self.expect("null")?;
                Token::Null
            }
            Some('t') => {
                self.expect("true")?;
                Token::Boolean(true)
            }
            Some('f') => {
                self.expect("false")?;
                Token::Boolean(false)
            }
            _ => self.number()?,
        })
    }

    /// The next character behind white space; it stays.
    pub(super) fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.chars().next()
    }

    /// Reads over `token`, and the white space before it.
    pub(super) fn expect(&mut self, token: &str) -> Result<(), Error> {
        self.peek();
        let rest = self.rest.strip_prefix(token).ok_or_else(|| Error::new(format!("expected `{token}`")))?;
        self.rest = rest;
        Ok(())
    }

    /// That nothing is left.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if self.peek().is_some() { Err(Error::new("expected the end")) } else { Ok(()) }
    }

    /// Enters an array or object.
    fn open(&mut self, bracket: &str) -> Result<(), Error> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| Error::new("nested too deeply"))?;
        self.expect(bracket)
    }

    /// Leaves an array or object.
    pub(super) fn close(&mut self, bracket: &str) -> Result<(), Error> {
        self.depth = self.depth.saturating_add(1);
        self.expect(bracket)
    }

    /// Whether another element or member follows, and the comma before it.
    pub(super) fn another(&mut self, close: char, first: bool) -> Result<bool, Error> {
        if self.peek() == Some(close) {
            return Ok(false);
        }
        if !first {
            self.expect(",")?;
        }
        Ok(true)
    }

    /// `string = quotation-mark *char quotation-mark` (RFC 8259 §7).
    pub(super) fn string(&mut self) -> Result<String, Error> {
        self.expect("\"")?;
        let mut string = String::new();
        let mut chars = self.rest.chars();
        loop {
            let char = match chars.next() {
                Some('"') => break,
                Some('\\') => escaped(&mut chars),
                unescaped => unescaped.filter(|char| *char >= ' '),
            };
            string.push(char.ok_or_else(|| Error::new("the string is broken"))?);
        }
        self.rest = chars.as_str();
        Ok(string)
    }

    /// The name of the member that is next; it stays.
    pub(super) fn peek_name(&self) -> Result<String, Error> {
        Self::new(self.rest).string()
    }

    fn number(&mut self) -> Result<Token<'t>, Error> {
        let rest =
            self.rest.trim_start_matches(|char| matches!(char, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
        let number = self.rest.strip_suffix(rest).filter(|number| is_number(number));
        let number = number.ok_or_else(|| Error::new("expected a value"))?;
        self.rest = rest;
        Ok(match (number.parse(), number.parse()) {
            (Ok(unsigned), _) => Token::Unsigned(unsigned),
            (_, Ok(signed)) => Token::Signed(signed),
            _ => Token::Float(number),
        })
    }
}

/// What follows a backslash (RFC 8259 §7).
fn escaped(chars: &mut Chars<'_>) -> Option<char> {
    let unit =
        |chars: &mut Chars<'_>| (0..4).try_fold(0, |unit, _| Some((unit << 4) | chars.next()?.to_digit(16)?));
    Some(match chars.next()? {
        char @ ('"' | '\\' | '/') => char,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => match unit(chars)? {
            high @ 0xd800..=0xdbff => {
                *chars = chars.as_str().strip_prefix("\\u")?.chars();
                let low = unit(chars)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?
            }
            // None for a low surrogate on its own.
            other => char::from_u32(other)?,
        },
        _ => return None,
    })
}

/// `number = [ minus ] int [ frac ] [ exp ]` (RFC 8259 §6).
fn is_number(number: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let rest = text.trim_start_matches(|char: char| char.is_ascii_digit());
        (rest.len() < text.len()).then_some(rest)
    }
    fn rest(number: &str) -> Option<&str> {
        let int = number.strip_prefix('-').unwrap_or(number);
        let rest = int.strip_prefix('0').or_else(|| digits(int))?;
        let rest = rest.strip_prefix('.').map_or(Some(rest), digits)?;
        rest.strip_prefix(['e', 'E'])
            .map_or(Some(rest), |exp| digits(exp.strip_prefix(['+', '-']).unwrap_or(exp)))
    }
    rest(number) == Some("")
}
