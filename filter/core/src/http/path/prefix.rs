//! The path prefixes that routes match with.

use super::{NormalPath, fold};
use crate::denial::PathError;
use core::fmt;

/// The prefix of a route: whole segments, case-sensitive, a trailing slash without meaning.
///
/// `/v1` and `/v1/` both match `/v1`, `/v1/` and `/v1/x`, and neither matches `/v10`; `/` matches every path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPrefix {
    written: String,
}

impl PathPrefix {
    /// Reads a configured prefix, which must be in normal form already.
    ///
    /// # Errors
    /// What [`NormalPath::normalise`] refuses, [`PathError::NotNormal`] and [`PathError::PrefixQuery`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let normal = NormalPath::normalise(text)?;
        if normal.query.is_some() {
            return Err(PathError::PrefixQuery);
        }
        if normal.changed {
            return Err(PathError::NotNormal { normal: normal.path });
        }
        Ok(Self { written: normal.path })
    }

    /// Whether the path lies at or below the prefix.
    #[must_use]
    pub fn matches(&self, path: &NormalPath) -> bool {
        holds(&self.written, &path.path)
    }

    /// Whether every path that `other` matches is matched by this prefix too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        holds(&self.written, &other.written)
    }

    /// Whether every path that `other` matches is matched by this prefix too, for a server that takes no notice of case.
    #[must_use]
    pub fn covers_in_any_case(&self, other: &Self) -> bool {
        holds(&fold(&self.written), &fold(&other.written))
    }

    /// The prefix as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

fn holds(prefix: &str, path: &str) -> bool {
    // INVARIANT: normal forms hold no empty segment, so at most one slash ends the prefix.
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}
