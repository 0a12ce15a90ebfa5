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
            for byte in bytes.get_mut(name.clone())? {
                match byte {
                    b'A'..=b'Z' => byte.make_ascii_lowercase(),
                    0x80.. => return None,
                    _ => {}
                }
            }
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
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.entries.iter().map(|(name, value)| (self.part(name), self.part(value)))
    }

    /// The value at a position.
    #[must_use]
    pub fn value(&self, position: usize) -> Option<&[u8]> {
        self.entries.get(position).map(|(_, value)| self.part(value))
    }

    /// Forgets those that do not pass.
    pub fn retain(&mut self, mut passes: impl FnMut(&[u8]) -> bool) {
        let Self { bytes, entries } = self;
        // A name that is not in the buffer, which `from_places` excludes, would read as empty: no header has that name.
        entries.retain(|(name, _)| passes(bytes.get(name.clone()).unwrap_or_default()));
    }

    /// How many bytes they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn part(&self, place: &Range<usize>) -> &[u8] {
        self.bytes.get(place.clone()).unwrap_or_default()
    }
}

/// Names that are no ASCII are left out: no header has one.
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let (mut bytes, mut entries) = (Vec::new(), Vec::new());
        let mut add = |part: &[u8]| {
            let from = bytes.len();
            bytes.extend_from_slice(part);
            from..bytes.len()
        };
        for (name, value) in headers {
            if name.as_ref().is_ascii() {
                entries.push((add(&name.as_ref().to_ascii_lowercase()), add(value.as_ref())));
            }
        }
        Self { bytes, entries }
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> From<Vec<(N, V)>> for Headers {
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
        assert_eq!(good.iter().flat_map(Headers::iter).collect::<Vec<_>>(), [(&b"name"[..], &b"value"[..])]);
    }

    #[test]
    fn repeated_names_are_kept_and_reserved_ones_can_be_taken_out() {
        let mut headers: Headers = vec![("A", "1"), ("b", "2"), ("a", "3")].into();
        assert_eq!(headers.iter().filter(|(name, _)| *name == b"a").count(), 2);
        headers.retain(|name| name != b"a");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [(&b"b"[..], &b"2"[..])]);
        assert_eq!((headers.value(0), headers.value(1)), (Some(&b"2"[..]), None));
    }
}
