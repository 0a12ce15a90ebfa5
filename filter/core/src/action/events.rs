//! A stream of server-sent events (HTML Standard §9.2), of which some messages are rewritten on the way.
//!
//! ```text
//! stream = [ BOM ] *event
//! event  = *( line end-of-line ) end-of-line      ; an empty line ends it
//! line   = "data" [ ":" [ SPACE ] value ] / any other field, kept as it is
//! end-of-line = CR LF / LF / CR
//! ```
//!
//! An event goes on when it is complete; what is left of one at the end of a stream is no event to any client, and is dropped.

use std::borrow::Cow;

/// Events that come in pieces.
#[derive(Debug, Default)]
pub struct EventStream {
    /// What has come of the next event.
    pending: Vec<u8>,
    /// Where its last line begins, and up to where that has been searched for its end.
    line: usize,
    searched: usize,
    begun: bool,
}

/// An event is longer than is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl EventStream {
    /// Takes a piece, and gives the events that are complete by now. `rewrite` is given the data of each that has any, and gives
    /// what to send instead, if it is not to stay.
    ///
    /// # Errors
    /// If an event has more than `max` bytes. The events before it are lost, too: nothing more of the stream may be sent.
    pub fn feed(
        &mut self,
        piece: &[u8],
        max: usize,
        mut rewrite: impl FnMut(&str) -> Option<String>,
    ) -> Result<Vec<u8>, TooLong> {
        self.pending.extend_from_slice(piece);
        if !self.begun && self.pending.len() >= BOM.len() {
            self.begun = true;
            if self.pending.starts_with(BOM) {
                self.pending.drain(..BOM.len());
                (self.line, self.searched) = (0, 0);
            }
        }
        let (mut out, mut from) = (Vec::new(), 0);
        while let Some((start, end)) = self.next_line() {
            // An empty line ends an event.
            if start == self.line {
                let event = self.pending.get(from..end).unwrap_or_default();
                write(event, &mut out, &mut rewrite);
                from = end;
            }
            (self.line, self.searched) = (end, end);
        }
        self.pending.drain(..from);
        self.line = self.line.saturating_sub(from);
        self.searched = self.searched.saturating_sub(from);
        if self.pending.len() > max { Err(TooLong) } else { Ok(out) }
    }

    /// How many bytes of the next event have come.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Where the last line ends, before its end-of-line and behind it; `None`: there must be more.
    fn next_line(&mut self) -> Option<(usize, usize)> {
        let rest = self.pending.get(self.searched..)?;
        let Some(found) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            self.searched = self.pending.len();
            return None;
        };
        let at = self.searched.saturating_add(found);
        self.searched = at;
        let next = at.saturating_add(1);
        match (self.pending.get(at), self.pending.get(next)) {
            (Some(b'\n'), _) => Some((at, next)),
            (Some(b'\r'), Some(b'\n')) => Some((at, next.saturating_add(1))),
            (Some(b'\r'), Some(_)) => Some((at, next)),
            // A line feed may follow.
            _ => None,
        }
    }
}

const BOM: &[u8] = "\u{feff}".as_bytes();

/// Writes one event, with its data rewritten or as it is.
fn write(event: &[u8], out: &mut Vec<u8>, rewrite: &mut impl FnMut(&str) -> Option<String>) {
    let lines = || event.split_inclusive(|byte| matches!(byte, b'\r' | b'\n'));
    let mut data: Option<Vec<u8>> = None;
    for value in lines().filter_map(data_of) {
        match &mut data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => data = Some(value.to_vec()),
        }
    }
    let rewritten = data.and_then(|data| match String::from_utf8_lossy(&data) {
        Cow::Borrowed(text) => rewrite(text),
        // As clients decode it.
        Cow::Owned(text) => rewrite(&text),
    });
    match rewritten {
        None => out.extend_from_slice(event),
        Some(text) => {
            for field in lines().filter(|line| data_of(line).is_none()) {
                let field = trim_end_of_line(field);
                if !field.is_empty() {
                    out.extend_from_slice(field);
                    out.push(b'\n');
                }
            }
            for line in text.split('\n') {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
            out.push(b'\n');
        }
    }
}

/// The value of a line, if its field is `data`.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let rest = trim_end_of_line(line).strip_prefix(b"data")?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

fn trim_end_of_line(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'));
    end.and_then(|end| line.get(..=end)).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// The events that come out when `text` comes in pieces of this size; `secret` in their data is replaced.
    fn through(text: &str, size: usize) -> String {
        let mut stream = EventStream::default();
        let rewrite = |data: &str| data.contains("secret").then(|| data.replace("secret", "x"));
        let pieces = text.as_bytes().chunks(size);
        let out = pieces.flat_map(|piece| stream.feed(piece, 1000, rewrite).unwrap()).collect();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn whatever_the_pieces_and_the_ends_of_lines_no_data_passes_unseen() {
        let streams = [
            ("data: secret\n\n", "data: x\n\n"),
            ("data:secret\r\n\r\nid: 1\r\n\r\n", "data: x\n\nid: 1\r\n\r\n"),
            (
                "event: message\rdata: a\rdata: secret\rid: 7\r\rdata: b\r\r:",
                "event: message\nid: 7\ndata: a\ndata: x\n\ndata: b\r\r",
            ),
            ("\u{feff}data: secret\n\n", "data: x\n\n"),
            (": note\ndata: {\"secret\":\ndata: 1}\n\n", ": note\ndata: {\"x\":\ndata: 1}\n\n"),
            ("data: a\n\ndata: secret", "data: a\n\n"),
            ("database: secret\n\n", "database: secret\n\n"),
            ("\n\ndata\n\nretry: 3\n\n", "\n\ndata\n\nretry: 3\n\n"),
        ];
        for (text, expected) in streams {
            for size in 1..=text.len() {
                assert_eq!(through(text, size), expected, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn an_event_that_is_too_long_is_an_error_and_one_that_fits_is_not() {
        let feed = |bytes: usize| {
            let mut stream = EventStream::default();
            let long = format!("data: {}", "y".repeat(bytes));
            long.as_bytes().chunks(100).try_for_each(|piece| stream.feed(piece, 1000, |_| None).map(|_| ()))
        };
        assert_eq!((feed(2000), feed(900)), (Err(TooLong), Ok(())));
    }
}
