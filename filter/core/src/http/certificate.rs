//! The certificate with which a client authenticated its TLS connection: as the proxy knows it of the connection itself, or as a
//! proxy in front writes it.
//!
//! The header is that of Envoy (`x-forwarded-client-cert`):
//!
//! ```text
//! header  = element                          ; one proxy, so one element: more are refused
//! element = pair *( ";" pair )
//! pair    = key "=" ( quoted / plain )
//! key     = 1*ALPHA                          ; in any case: By, Hash, Cert, Chain, Subject, URI, DNS
//! quoted  = DQUOTE *( %x20-21 / %x23-5B / %x5D-7E / %x80-FF / "\" %x20-7E ) DQUOTE
//! plain   = *( %x20-21 / %x23-2B / %x2D-3A / %x3C-7E / %x80-FF )    ; no DQUOTE, comma, semicolon
//! digest  = 64HEXDIG                         ; value of Hash
//! ```
//!
//! Envoy does not quote every value that needs it: the name in a certificate may hold what looks like the next pair. So `Hash`,
//! which it writes before them, must be there exactly once.

use crate::denial::ForwardedCertificateProblem;
use crate::limits;

/// A client's certificate: what is known of it is enough to tell whether it is a certain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    digest: [u8; 32],
    uri: Option<String>,
}

impl ClientCertificate {
    /// As a proxy tells of a connection: the SHA-256 of the certificate in hexadecimal digits, and the URI among its subject
    /// alternative names, which may be empty. `None`: there is no certificate, or the digest is none.
    #[must_use]
    pub fn of_connection(digest: &[u8], uri: &[u8]) -> Option<Self> {
        Some(Self { digest: hexadecimal(digest)?, uri: some_text(uri) })
    }

    /// As a proxy in front says in all the values of `x-forwarded-client-cert`. `None`: there is no such header.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn forwarded<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, ForwardedCertificateProblem> {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => element(value).map(Some),
            (Some(_), Some(_)) => Err(ForwardedCertificateProblem::Several),
        }
    }

    /// SHA-256 of the certificate in DER.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The one URI among its subject alternative names; `None`: there is none, or several are known.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }
}

fn element(value: &[u8]) -> Result<ClientCertificate, ForwardedCertificateProblem> {
    if value.len() > limits::FORWARDED_CERTIFICATE_BYTES {
        return Err(ForwardedCertificateProblem::TooLong);
    }
    let mut digest = None;
    let (mut uri, mut uris) = (None, 0_usize);
    let mut rest = value;
    loop {
        let pair = Pair::read(rest)?;
        if pair.key.eq_ignore_ascii_case(b"hash") {
            let read = hexadecimal(pair.value).filter(|_| digest.is_none());
            digest = Some(read.ok_or(ForwardedCertificateProblem::Digest)?);
        } else if pair.key.eq_ignore_ascii_case(b"uri") {
            uri = some_text(pair.value);
            uris = uris.saturating_add(1);
        }
        rest = match pair.rest.split_first() {
            None => break,
            Some((b';', rest)) => rest,
            Some((b',', _)) => return Err(ForwardedCertificateProblem::Several),
            Some(_) => return Err(ForwardedCertificateProblem::Malformed),
        };
    }
    let digest = digest.ok_or(ForwardedCertificateProblem::Digest)?;
    Ok(ClientCertificate { digest, uri: uri.filter(|_| uris == 1) })
}

/// A pair, and what follows it.
struct Pair<'a> {
    key: &'a [u8],
    /// Of a quoted value what is between the quotes, escapes as they are.
    value: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Pair<'a> {
    fn read(text: &'a [u8]) -> Result<Self, ForwardedCertificateProblem> {
        let malformed = ForwardedCertificateProblem::Malformed;
        let end = text.iter().position(|byte| !byte.is_ascii_alphabetic()).ok_or(malformed)?;
        let (key, rest) = text.split_at_checked(end).ok_or(malformed)?;
        let rest = rest.strip_prefix(b"=").filter(|_| !key.is_empty()).ok_or(malformed)?;
        let (value, rest) = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let (value, rest) = quoted.split_at_checked(closing_quote(quoted)?).ok_or(malformed)?;
                (value, rest.strip_prefix(b"\"").ok_or(malformed)?)
            }
            None => {
                let end = rest.iter().position(|byte| matches!(byte, b';' | b',' | b'"'));
                rest.split_at_checked(end.unwrap_or(rest.len())).ok_or(malformed)?
            }
        };
        if value.iter().any(u8::is_ascii_control) {
            return Err(malformed);
        }
        Ok(Self { key, value, rest })
    }
}

/// Where a quoted value ends.
fn closing_quote(text: &[u8]) -> Result<usize, ForwardedCertificateProblem> {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.ok_or(ForwardedCertificateProblem::Malformed)
}

fn hexadecimal(text: &[u8]) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    if text.len() != 64 {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (octet, pair) in octets.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *octet = digit(high)? << 4 | digit(low)?;
    }
    Some(octets)
}

fn some_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && text.len() <= limits::IDENTITY_BYTES).then(|| text.to_owned())
}
