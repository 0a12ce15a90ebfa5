//! The head of a request, as bytes: which of it is the credential.

use crate::headers::Headers;
use crate::reason::Reason;

/// The head of an HTTP request. Nothing of it is trusted.
#[derive(Clone, Default)]
pub struct RequestHead {
    headers: Headers,
    method: Option<usize>,
    path: Option<usize>,
    authorization: Option<usize>,
    /// Whether there is a second one.
    ambiguous: bool,
}

/// The one credential of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    token: &'a [u8],
    /// Whether the scheme says that a proof of possession comes with it (`DPoP`).
    pub proof_expected: bool,
}

impl RequestHead {
    /// From headers as a proxy has them, pseudo-headers among them (RFC 9113 §8.3.1). A missing `:method` or `:path`
    /// reads as empty, and is denied.
    #[must_use]
    pub fn new(headers: impl Into<Headers>) -> Self {
        let mut head = Self { headers: headers.into(), ..Self::default() };
        for (position, (name, _)) in head.headers.iter().enumerate() {
            match name {
                b":method" => _ = head.method.get_or_insert(position),
                b":path" => _ = head.path.get_or_insert(position),
                b"authorization" if head.authorization.is_some() => head.ambiguous = true,
                b"authorization" => head.authorization = Some(position),
                _ => {}
            }
        }
        head
    }

    fn value(&self, position: Option<usize>) -> Option<&[u8]> {
        position.and_then(|position| self.headers.value(position))
    }

    /// The method; empty if it is missing or no text.
    #[must_use]
    pub fn method(&self) -> &str {
        std::str::from_utf8(self.value(self.method).unwrap_or_default()).unwrap_or_default()
    }

    /// Whether the method is a token without lower-case letters (RFC 9110 §9.1). Methods are case-sensitive, but some servers
    /// fold them: `delete` would slip by a route for `DELETE`, and be carried out as one.
    #[must_use]
    pub fn has_plain_method(&self) -> bool {
        let is_plain = |b: u8| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
        let method = self.method();
        !method.is_empty() && method.bytes().all(is_plain)
    }

    /// How many bytes the head takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.headers.size()
    }

    /// The path with its query, as it came.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.value(self.path).unwrap_or_default()
    }

    /// All headers, as they came.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// What the one `authorization` header holds (RFC 6750 §2.1, RFC 9449 §7.1). The query and the body are never looked at.
    ///
    /// ```text
    /// authorization = scheme 1*SP token68      ; scheme: "Bearer" or "DPoP", in any case
    /// ```
    ///
    /// # Errors
    /// [`Reason::TokenMissing`] without such a header or with another scheme, [`Reason::CredentialAmbiguous`] with
    /// several, [`Reason::TokenMalformed`] for what is no text.
    pub fn credential(&self) -> Result<Credential<'_>, Reason> {
        let value = self.value(self.authorization).ok_or(Reason::TokenMissing)?;
        if self.ambiguous {
            return Err(Reason::CredentialAmbiguous);
        }
        let space = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(space).ok_or(Reason::Internal)?;
        let proof_expected = scheme.eq_ignore_ascii_case(b"DPoP");
        if !proof_expected && !scheme.eq_ignore_ascii_case(b"Bearer") {
            let is_text = std::str::from_utf8(value).is_ok();
            return Err(if is_text { Reason::TokenMissing } else { Reason::TokenMalformed });
        }
        Ok(Credential { token: trim_spaces(rest), proof_expected })
    }
}

/// Without what it holds: a credential is among it.
impl std::fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestHead").field("headers", &self.headers.len()).finish_non_exhaustive()
    }
}

impl<'a> Credential<'a> {
    /// The token, as it came: to look it up among those that are known.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.token
    }

    /// The token, which is one `token68`.
    ///
    /// # Errors
    /// [`Reason::CredentialAmbiguous`] for several, [`Reason::TokenMalformed`] for what is no token.
    pub fn token(&self) -> Result<&'a str, Reason> {
        let token = std::str::from_utf8(self.token).map_err(|_| Reason::TokenMalformed)?;
        // Some proxies join repeated headers with a comma, which no token68 contains (RFC 9110 §5.3, §11.2).
        if token.contains(',') {
            return Err(Reason::CredentialAmbiguous);
        }
        let is_token = |b: u8| TOKEN68.get(usize::from(b)).is_some_and(|allowed| *allowed);
        if token.is_empty() || !token.bytes().all(is_token) {
            return Err(Reason::TokenMalformed);
        }
        Ok(token)
    }
}

/// For each byte whether `token68` may hold it (RFC 9110 §11.2): a look at a table, for tokens are long.
#[expect(clippy::indexing_slicing, reason = "it is evaluated when compiled, and has a place for every byte")]
const TOKEN68: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=";
    while let [byte, others @ ..] = rest {
        table[*byte as usize] = true;
        rest = others;
    }
    table
};

fn trim_spaces(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b" ") {
        bytes = rest;
    }
    while let Some(rest) = bytes.strip_suffix(b" ") {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(values: &[&str]) -> Result<String, Reason> {
        let headers: Headers = values.iter().map(|value| ("authorization", value)).collect();
        let head = RequestHead::new(headers);
        let credential = head.credential()?;
        let proof = if credential.proof_expected { " with proof" } else { "" };
        credential.token().map(|token| format!("{token}{proof}"))
    }

    #[test]
    fn a_credential_that_is_not_exactly_one_token_is_refused() {
        for (values, reason) in [
            (vec![], Reason::TokenMissing),
            (vec!["Basic dTpw"], Reason::TokenMissing),
            (vec![""], Reason::TokenMissing),
            (vec!["Bearer a.b.c", "Bearer a.b.c"], Reason::CredentialAmbiguous),
            (vec!["Bearer a.b.c", ""], Reason::CredentialAmbiguous),
            (vec!["Bearer a.b.c,Bearer d.e.f"], Reason::CredentialAmbiguous),
            (vec!["Bearer"], Reason::TokenMalformed),
            (vec!["Bearer "], Reason::TokenMalformed),
            (vec!["Bearer a b"], Reason::TokenMalformed),
            (vec!["Bearer a\tb"], Reason::TokenMalformed),
            (vec!["Bearer\ta.b.c"], Reason::TokenMissing),
            (vec!["Bearer \u{e9}"], Reason::TokenMalformed),
        ] {
            assert_eq!(credential(&values), Err(reason), "{values:?}");
        }
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(credential(&[value]), Ok("a.b.c".to_owned()), "{value}");
        }
        assert_eq!(credential(&["dpop a.b.c"]), Ok("a.b.c with proof".to_owned()));
    }
}
