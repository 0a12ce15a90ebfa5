//! Time as the decisions see it: handed in, never read.

/// A point in time: milliseconds since the Unix epoch, in UTC, leap seconds ignored (RFC 7519 §2, *NumericDate*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime(u64);

impl UnixTime {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(s: u64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// From nanoseconds since the epoch, as the proxy gives them; rounded down.
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns / 1_000_000)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// This time moved `s` seconds into the future, or the end of time.
    #[must_use]
    pub const fn plus_secs(self, s: u64) -> Self {
        Self(self.0.saturating_add(s.saturating_mul(1000)))
    }

    /// This time moved `ms` milliseconds into the future, or the end of time.
    #[must_use]
    pub const fn plus_millis(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// A *NumericDate* (RFC 7519 §2): seconds, possibly with a fraction.
    ///
    /// Fractions are cut to milliseconds. `None` for anything but a number from zero to 2^53 − 1 seconds: beyond
    /// it a double no longer tells one second from the next.
    #[must_use]
    pub fn from_numeric_date(value: &serde_json::Value) -> Option<Self> {
        const LAST: u64 = (1 << 53) - 1;
        let number = value.as_number()?;
        if let Some(s) = number.as_u64() {
            return (s <= LAST).then(|| Self::from_secs(s));
        }
        let s = number.as_f64()?;
        #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact as a double")]
        let in_range = (0.0..=LAST as f64).contains(&s);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be positive and below 2^53; times 1000 stays below 2^63"
        )]
        in_range.then_some(Self((s * 1000.0) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_numeric_date_that_is_no_number_or_out_of_range_is_refused() {
        for bad in [
            json!("1700000000"),
            json!(-1),
            json!(-0.5),
            json!(1e300),
            json!(9_007_199_254_740_992_u64),
            json!(null),
            json!([1]),
        ] {
            assert_eq!(UnixTime::from_numeric_date(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_numeric_date_may_have_a_fraction() {
        assert_eq!(UnixTime::from_numeric_date(&json!(1.5)), Some(UnixTime::from_millis(1500)));
        assert_eq!(
            UnixTime::from_numeric_date(&json!(1_700_000_000)),
            Some(UnixTime::from_secs(1_700_000_000))
        );
        assert_eq!(UnixTime::from_numeric_date(&json!(0)), Some(UnixTime::default()));
    }
}
