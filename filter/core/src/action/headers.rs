//! What headers say about a message.

use super::protocol::mismatch;
use crate::denial::{Denial, ProtocolProblem};
use crate::http::RequestHead;

/// The one value of a header.
pub(super) fn single<'a>(head: &'a RequestHead, header: &'static str) -> Result<Option<&'a str>, Denial> {
    let mut values = head.values(header.as_bytes());
    let first = values.next();
    if values.next().is_some() {
        return Err(mismatch(ProtocolProblem::Repeated { header }));
    }
    let text = |value: &'a [u8]| {
        std::str::from_utf8(value).map_err(|_| mismatch(ProtocolProblem::Differs { header }))
    };
    first.map(text).transpose()
}

/// Checks that no header has one of these names but for what stands between its letters: servers that come from CGI read
/// `mcp_session_id` as `mcp-session-id` (RFC 3875 §4.1.18).
pub(super) fn are_plainly_named(head: &RequestHead, names: &[&'static str]) -> Result<(), Denial> {
    for (name, _) in head.headers().iter() {
        let is_it = |known: &&&str| {
            let same =
                |(byte, known): (&u8, u8)| *byte == known || (known == b'-' && !byte.is_ascii_alphanumeric());
            known.len() == name.len() && name.iter().zip(known.bytes()).all(same)
        };
        if let Some(header) = names.iter().find(is_it).filter(|known| known.as_bytes() != name) {
            return Err(mismatch(ProtocolProblem::Respelled { header }));
        }
    }
    Ok(())
}

/// Whether the body is neither compressed nor in another character set, as its headers say.
pub(super) fn is_plain_text(head: &RequestHead) -> bool {
    let identity =
        head.values(b"content-encoding").all(|value| value.trim_ascii().eq_ignore_ascii_case(b"identity"));
    let charset = head.values(b"content-type").all(|value| {
        let value = value.to_ascii_lowercase();
        let parameters = value.split(|byte| matches!(byte, b';' | b',')).map(<[u8]>::trim_ascii);
        parameters.filter_map(|parameter| parameter.strip_prefix(b"charset")).all(|rest| {
            let name = rest.trim_ascii().strip_prefix(b"=").unwrap_or_default().trim_ascii();
            matches!(name.trim_ascii(), b"utf-8" | b"\"utf-8\"" | b"utf8")
        })
    });
    identity && charset
}
