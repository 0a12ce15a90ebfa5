//! Header maps with Envoy's semantics, and their serialised form in the ABI.

use std::fmt;

/// An ordered multimap of HTTP fields. Names are lower-cased on the way in, as Envoy does; values are bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The first value of the name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// The first value of the name, if it is UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value of the name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// Whether there is at least one field of the name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The fields in order, names in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a field; pseudo-headers go before the others, where HTTP/2 wants them (RFC 9113 §8.3).
    pub fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let field = (name.to_ascii_lowercase(), value.into());
        if name.starts_with(':') {
            let at = self.0.iter().take_while(|(name, _)| name.starts_with(':')).count();
            self.0.insert(at, field);
        } else {
            self.0.push(field);
        }
    }

    /// Removes every field of the name, then appends one.
    pub fn replace(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.add(name, value);
    }

    /// Removes every field of the name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// The fields as pairs.
    #[must_use]
    pub fn into_pairs(self) -> Vec<(String, Vec<u8>)> {
        self.0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, Bytes(value)))).finish()
    }
}

/// Bytes that a failing test shows as text where they are text.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok(text) => text.fmt(f),
            Err(_) => write!(f, "b\"{}\"", self.0.escape_ascii()),
        }
    }
}

impl<N: AsRef<str>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in fields {
            headers.add(name.as_ref(), value);
        }
        headers
    }
}

impl Headers {
    /// Bytes of all names and values together, as Envoy counts them.
    pub(crate) fn byte_size(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| name.len().saturating_add(value.len()))
            .fold(0, usize::saturating_add)
    }
}

/// Serialises fields as the ABI wants them: `u32` count; per field `u32` length of name and of value; then each name and
/// each value, followed by a NUL that the lengths do not count. All integers little-endian.
pub(crate) fn encode_pairs(headers: &Headers) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(length(headers.len()));
    for (name, value) in headers.iter() {
        out.extend(length(name.len()));
        out.extend(length(value.len()));
    }
    for (name, value) in headers.iter() {
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}

/// Envoy reads no longer and no larger map.
const MOST_BYTES: usize = 1024 * 1024;
const MOST_PAIRS: u32 = 1024;

/// Reads what [`encode_pairs`] writes; anything malformed is `None`, which Envoy reads as no fields at all.
pub(crate) fn decode_pairs(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    // The specification allows both for an empty map.
    if matches!(bytes, [] | [0]) {
        return Some(Vec::new());
    }
    let mut reader = Reader(bytes);
    let count = reader.u32().filter(|count| *count <= MOST_PAIRS && bytes.len() <= MOST_BYTES)?;
    let mut sizes = Vec::new();
    for _ in 0..count {
        sizes.push((reader.u32()?, reader.u32()?));
    }
    let mut pairs = Vec::new();
    for (name, value) in sizes {
        let name = String::from_utf8(reader.terminated(name)?.to_vec()).ok()?;
        pairs.push((name, reader.terminated(value)?.to_vec()));
    }
    reader.0.is_empty().then_some(pairs)
}

/// Takes bytes from the front of a slice; every method is `None` at the end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(front)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// `len` bytes that a NUL follows.
    fn terminated(&mut self, len: u32) -> Option<&'a [u8]> {
        let bytes = self.take(usize::try_from(len).ok()?)?;
        (self.take(1)? == [0]).then_some(bytes)
    }
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

/// What is wrong with a field that a filter writes, if anything. Envoy asserts on such fields or resets the stream.
pub(crate) fn fault_of_field(name: &str, value: &[u8]) -> Option<String> {
    let token = name.strip_prefix(':').unwrap_or(name);
    // RFC 9110 §5.6.2.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_token) {
        return Some(format!("`{}` is no field name", name.escape_debug()));
    }
    // RFC 9110 §5.5.
    if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Some(format!("the value of `{name}` holds NUL, CR or LF"));
    }
    None
}
