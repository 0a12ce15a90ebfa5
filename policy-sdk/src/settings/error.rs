//! Why settings cannot be read, and where, in JSON's own words.

use crate::{Problem, pointer};
use serde::de::{self, Expected, Unexpected};
use std::fmt::{self, Display};

/// Boxed, because it is in every result here.
#[derive(Debug)]
pub(super) struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    /// The names and indices of where, innermost first.
    path: Vec<String>,
    /// What is wrong.
    message: String,
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner { path: Vec::new(), message: message.into() }))
    }

    /// The same error, seen from the array or object around it.
    #[inline(never)]
    pub(super) fn inside(mut self, token: &str) -> Self {
        self.0.path.push(token.to_owned());
        self
    }

    #[inline(never)]
    pub(super) fn mismatch(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("found {}, expected {expected}", Found(found)))
    }
}

impl From<Error> for Problem {
    fn from(Error(inner): Error) -> Self {
        Self::at(pointer(inner.path.iter().rev()), inner.message)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(found, expected)
    }
}

/// What was found, in JSON's own words, and without printing a float.
struct Found<'a>(Unexpected<'a>);

impl Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(boolean) => write!(f, "`{boolean}`"),
            Unexpected::Unsigned(integer) => write!(f, "`{integer}`"),
            Unexpected::Signed(integer) => write!(f, "`{integer}`"),
            Unexpected::Str(text) => write!(f, "the string `{text}`"),
            Unexpected::Unit => f.write_str("`null`"),
            Unexpected::Seq => f.write_str("an array"),
            Unexpected::Map => f.write_str("an object"),
            Unexpected::Float(_) => f.write_str("a number that is no integer of 64 bits"),
            Unexpected::Other(what) => f.write_str(what),
            _ => f.write_str("another variant"),
        }
    }
}
