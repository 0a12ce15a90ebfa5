//! A reader that never indexes, and the sliver of protobuf that Envoy's foreign functions speak.
//!
//! ```text
//! message = *field
//! field   = tag payload          ; tag is a varint: number << 3 | wire type
//! payload = varint               ; wire type 0
//!         / 8OCTET               ; wire type 1
//!         / varint *OCTET        ; wire type 2, the varint counts the octets
//!         / 4OCTET               ; wire type 5
//! ```

/// Takes bytes from the front of a slice; every method is `None` at the end, and then nothing was taken that matters.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(front)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// `len` bytes that a NUL follows.
    pub(crate) fn terminated(&mut self, len: u32) -> Option<&'a [u8]> {
        let bytes = self.take(usize::try_from(len).ok()?)?;
        (self.take(1)? == [0]).then_some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        // Ten groups of seven bits hold 64; an eleventh is malformed.
        for shift in (0..70).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The next protobuf field that carries bytes; fields of other kinds are skipped. `Ok(None)` at the end of the message.
    pub(crate) fn bytes_field(&mut self) -> Result<Option<(u64, &'a [u8])>, Malformed> {
        while !self.is_empty() {
            let tag = self.varint().ok_or(Malformed)?;
            let (number, wire) = (tag >> 3, tag & 7);
            if number == 0 {
                return Err(Malformed);
            }
            match wire {
                0 => self.varint().map(drop),
                1 => self.take(8).map(drop),
                2 => {
                    let len = self.varint().and_then(|len| usize::try_from(len).ok()).ok_or(Malformed)?;
                    return self.take(len).map(|bytes| Some((number, bytes))).ok_or(Malformed);
                }
                5 => self.take(4).map(drop),
                _ => None,
            }
            .ok_or(Malformed)?;
        }
        Ok(None)
    }
}

/// The message is no protobuf.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Appends a length-delimited field whose number is below 16.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut len = bytes.len();
    while len > 0x7f {
        out.push(u8::try_from(len & 0x7f).unwrap_or(0) | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap_or(0));
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truncated_field_is_malformed() {
        assert_eq!(Reader::new(&[0x0a, 3, b'a']).bytes_field(), Err(Malformed));
    }

    #[test]
    fn a_varint_without_end_is_malformed() {
        assert_eq!(Reader::new(&[0x80; 11]).bytes_field(), Err(Malformed));
    }

    #[test]
    fn field_zero_and_groups_are_malformed() {
        assert_eq!(Reader::new(&[0x02, 0]).bytes_field(), Err(Malformed));
        assert_eq!(Reader::new(&[0x0b]).bytes_field(), Err(Malformed));
    }

    #[test]
    fn a_long_field_comes_back_after_fields_of_other_kinds() {
        let mut message = vec![0x08, 0x96, 0x01, 0x15, 1, 2, 3, 4, 0x19, 1, 2, 3, 4, 5, 6, 7, 8];
        let long = vec![7; 300];
        put_bytes(&mut message, 4, &long);
        let mut reader = Reader::new(&message);
        assert_eq!(reader.bytes_field(), Ok(Some((4, long.as_slice()))));
        assert_eq!(reader.bytes_field(), Ok(None));
    }
}
