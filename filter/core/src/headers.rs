//! Headers as a proxy hands them over, in the one buffer that they came in.

use std::ops::Range;

/// Header names in lower case and values as bytes, in order, repeated names repeated.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    /// Where in `bytes` each name and each value is.
    entries: Vec<(Range<usize>, Range<usize>)>,
}

impl Headers {
    /// From a buffer and the places of names and values in it. `None` if a place is not in the buffer, or a name is no
    /// ASCII (RFC 9110 §5.1).
    #[must_use]
    pub fn from_places(mut bytes: Vec<u8>, entries: Vec<(Range<usize>, Range<usize>)>) -> Option<Self> {
        for (name, value) in &entries {
            let name = bytes.get_mut(name.clone()).filter(|name| name.is_ascii())?;
            name.make_ascii_lowercase();
            bytes.get(value.clone())?;
        }
        Some(Self { bytes, entries })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.entries.iter().map(|entry| self.entry(entry))
    }

    /// The first value of the header of this name, in lower case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Forgets those that do not pass.
    pub fn retain(&mut self, mut passes: impl FnMut(&str) -> bool) {
        let Self { bytes, entries } = self;
        entries.retain(|(name, _)| passes(text(bytes, name)));
    }

    /// How many bytes they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn entry(&self, (name, value): &(Range<usize>, Range<usize>)) -> (&str, &[u8]) {
        (text(&self.bytes, name), self.bytes.get(value.clone()).unwrap_or_default())
    }
}

/// INVARIANT: names are ASCII and within the buffer; `from_places` saw to it.
fn text<'a>(bytes: &'a [u8], place: &Range<usize>) -> &'a str {
    bytes.get(place.clone()).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
}

/// Names that are no ASCII are left out: no header has one.
impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let (mut bytes, mut entries) = (Vec::new(), Vec::new());
        let mut add = |part: &[u8]| {
            let from = bytes.len();
            bytes.extend_from_slice(part);
            from..bytes.len()
        };
        for (name, value) in headers {
            if name.as_ref().is_ascii() {
                entries.push((add(name.as_ref().to_ascii_lowercase().as_bytes()), add(value.as_ref())));
            }
        }
        Self { bytes, entries }
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> From<Vec<(N, V)>> for Headers {
    fn from(headers: Vec<(N, V)>) -> Self {
        headers.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_buffer_or_no_name_is_refused() {
        let headers = |name: Range<usize>, value: Range<usize>| {
            Headers::from_places(b"Name\xC3\xA9value".to_vec(), vec![(name, value)])
        };
        assert!(headers(0..4, 6..12).is_none());
        assert!(headers(9..12, 0..1).is_none());
        #[expect(clippy::reversed_empty_ranges, reason = "the case")]
        let reversed = headers(4..0, 0..1);
        assert!(reversed.is_none());
        assert!(headers(0..6, 6..11).is_none());
        let good = headers(0..4, 6..11);
        assert_eq!(good.iter().flat_map(Headers::iter).collect::<Vec<_>>(), [("name", &b"value"[..])]);
    }

    #[test]
    fn repeated_names_are_kept_and_reserved_ones_can_be_taken_out() {
        let mut headers: Headers = vec![("A", "1"), ("b", "2"), ("a", "3")].into();
        assert_eq!(headers.first("a"), Some(&b"1"[..]));
        headers.retain(|name| name != "a");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("b", &b"2"[..])]);
        assert_eq!(headers.first("a"), None);
    }
}
