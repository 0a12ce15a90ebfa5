//! The head of a request, as bytes: which of it is the credential.

use crate::denial::{CredentialProblem, Denial, Evidence, TokenProblem};
use crate::headers::Headers;
use crate::host::Host;
use crate::reason::Reason;

/// The head of an HTTP request. Nothing of it is trusted.
#[derive(Clone, Default)]
pub struct RequestHead {
    headers: Headers,
    method: Option<usize>,
    path: Option<usize>,
    authority: Option<usize>,
    host: Option<usize>,
    authorization: Option<usize>,
    /// Whether there is a second one.
    ambiguous: bool,
    /// Whether there is a second host.
    two_hosts: bool,
    /// Whether `x-forwarded-host` holds something else than hosts.
    odd_forwarded_host: bool,
    /// Whether headers are named that the next proxy drops.
    drops: bool,
    upgrade: bool,
    /// Whether a body follows.
    body: bool,
}

/// The one credential of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a> {
    token: &'a [u8],
}

/// What becomes of `connection`, by which a client tells the next proxy what to drop (RFC 9110 §7.6.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connection {
    /// There is none, or it says what an upgrade needs and no more.
    #[default]
    Stays,
    /// It is removed, as is `proxy-connection`, which some servers take for the same.
    Removed,
    /// It says more than the upgrade needs: it is set to `upgrade`, and `proxy-connection` is removed.
    UpgradeOnly,
}

impl RequestHead {
    /// From headers as a proxy has them, pseudo-headers among them (RFC 9113 §8.3.1). A missing `:method` or `:path`
    /// reads as empty, and is denied.
    #[must_use]
    pub fn new(headers: impl Into<Headers>) -> Self {
        let mut head = Self { headers: headers.into(), ..Self::default() };
        let is_host = |host: &[u8]| Host::parse(host.trim_ascii()).is_some();
        let mut odd = false;
        for (position, (name, value)) in head.headers.iter().enumerate() {
            match name {
                b":method" => _ = head.method.get_or_insert(position),
                b":path" => _ = head.path.get_or_insert(position),
                b":authority" => _ = head.authority.get_or_insert(position),
                b"host" if head.host.is_some() => head.two_hosts = true,
                b"host" => head.host = Some(position),
                b"authorization" if head.authorization.is_some() => head.ambiguous = true,
                b"authorization" => head.authorization = Some(position),
                b"connection" | b"proxy-connection" => head.drops = true,
                b"upgrade" => head.upgrade = true,
                b"x-forwarded-host" => odd |= !value.split(|b| *b == b',').all(is_host),
                _ => {}
            }
        }
        head.odd_forwarded_host = odd;
        head
    }

    /// The same, of a request that has a body, or not: a proxy knows it where no header tells.
    #[must_use]
    pub fn with_body(self, body: bool) -> Self {
        Self { body, ..self }
    }

    /// Whether `x-forwarded-host` holds something else than hosts: some servers make a URL of it, and a slash in it moves the
    /// path.
    #[must_use]
    pub fn has_odd_forwarded_host(&self) -> bool {
        self.odd_forwarded_host
    }

    fn value(&self, position: Option<usize>) -> Option<&[u8]> {
        position.and_then(|position| self.headers.value(position))
    }

    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The method; empty if it is missing or no text.
    #[must_use]
    pub fn method(&self) -> &str {
        std::str::from_utf8(self.value(self.method).unwrap_or_default()).unwrap_or_default()
    }

    /// Whether the method is one that a route may name, see [`is_plain_method`].
    #[must_use]
    pub fn has_plain_method(&self) -> bool {
        is_plain_method(self.method().as_bytes())
    }

    /// The host. `None` if it is missing, cannot be compared, or comes twice and differs: `host` beside `:authority` is what
    /// some servers read (RFC 9113 §8.3.1).
    #[must_use]
    pub fn host(&self) -> Option<Host<'_>> {
        let [authority, host] = [self.authority, self.host].map(|at| self.value(at).map(Host::parse));
        match (authority, host) {
            _ if self.two_hosts => None,
            (Some(one), None) | (None, Some(one)) => one,
            (Some(one), Some(other)) if one == other => one,
            _ => None,
        }
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

    /// The method that a CORS preflight asks for (Fetch Standard, section 3.3.2). `None` for any other request: one that has
    /// a credential or a body, or asks for an upgrade, is no preflight.
    #[must_use]
    pub fn preflight_method(&self) -> Option<&str> {
        if self.method() != "OPTIONS" || self.authorization.is_some() || self.upgrade || self.body {
            return None;
        }
        let one = |name: &'static str| {
            let mut values = self.values(name.as_bytes());
            values.next().filter(|_| values.next().is_none())
        };
        let has_body = self.values(b"content-length").any(|length| length != b"0")
            || self.values(b"transfer-encoding").next().is_some();
        one("origin").filter(|origin| !origin.is_empty() && !has_body)?;
        let method = one("access-control-request-method")?;
        std::str::from_utf8(method).ok().filter(|_| is_plain_method(method))
    }

    /// What becomes of `connection`. `is_kept` says of a header name whether it must not be dropped on the way.
    ///
    /// # Errors
    /// [`Reason::ConnectionInvalid`] if it names such a header.
    pub fn connection(&self, is_kept: impl Fn(&[u8]) -> bool) -> Result<Connection, Denial> {
        if !self.drops {
            return Ok(Connection::Stays);
        }
        let names =
            |name| self.values(name).flat_map(|value| value.split(|b| *b == b',')).map(<[u8]>::trim_ascii);
        if let Some(name) = names(b"connection").chain(names(b"proxy-connection")).find(|name| is_kept(name))
        {
            let names = String::from_utf8_lossy(name).as_ref().into();
            return Err(Denial::new(Reason::ConnectionInvalid, Evidence::Connection { names }));
        }
        let is_upgrade = |name: &[u8]| name.eq_ignore_ascii_case(b"upgrade");
        Ok(match self.upgrade && names(b"connection").any(is_upgrade) {
            true if self.values(b"connection").eq([b"upgrade".as_slice()])
                && self.values(b"proxy-connection").next().is_none() =>
            {
                Connection::Stays
            }
            true => Connection::UpgradeOnly,
            false => Connection::Removed,
        })
    }

    /// What the one `authorization` header holds (RFC 6750 §2.1). The query and the body are never looked at.
    ///
    /// ```text
    /// authorization = scheme 1*SP token68      ; scheme: "Bearer", in any case
    /// ```
    ///
    /// # Errors
    /// [`Reason::TokenMissing`] without such a header or with another scheme, [`Reason::CredentialAmbiguous`] with
    /// several, [`Reason::ProofUnsupported`] for the scheme `DPoP` (RFC 9449 §7.1), whose proofs are not checked here.
    pub fn credential(&self) -> Result<Credential<'_>, Denial> {
        let refuse = |reason, problem| Denial::new(reason, Evidence::Credential { problem });
        let value = self
            .value(self.authorization)
            .ok_or_else(|| refuse(Reason::TokenMissing, CredentialProblem::Absent))?;
        if self.ambiguous {
            return Err(refuse(Reason::CredentialAmbiguous, CredentialProblem::Several));
        }
        let space = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(space).ok_or(Reason::Internal)?;
        if scheme.eq_ignore_ascii_case(b"DPoP") {
            return Err(refuse(Reason::ProofUnsupported, CredentialProblem::Proof));
        }
        if !scheme.eq_ignore_ascii_case(b"Bearer") {
            return Err(refuse(Reason::TokenMissing, CredentialProblem::Scheme));
        }
        Ok(Credential { token: trim_spaces(rest) })
    }
}

/// Whether a method is a token without lower-case letters (RFC 9110 §9.1). Methods are case-sensitive, but some servers fold
/// them: `delete` would slip by a route for `DELETE`, and be carried out as one.
#[must_use]
pub fn is_plain_method(method: &[u8]) -> bool {
    let is_plain = |b: &u8| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
    !method.is_empty() && method.iter().all(is_plain)
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
    pub fn token(&self) -> Result<&'a str, Denial> {
        let is_token = |b: &u8| TOKEN68.get(usize::from(*b)).is_some_and(|allowed| *allowed);
        let malformed = |problem| Denial::new(Reason::TokenMalformed, Evidence::Token { problem });
        match (std::str::from_utf8(self.token), self.token.iter().position(|b| !is_token(b))) {
            (Ok(""), _) => Err(malformed(TokenProblem::Empty)),
            (Ok(token), None) => Ok(token),
            // Some proxies join repeated headers with a comma, which no token68 contains (RFC 9110 §5.3, §11.2).
            (Ok(token), Some(_)) if token.contains(',') => {
                let problem = CredentialProblem::Several;
                Err(Denial::new(Reason::CredentialAmbiguous, Evidence::Credential { problem }))
            }
            (_, at) => Err(malformed(TokenProblem::Byte { at: at.unwrap_or_default() })),
        }
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
        let token = RequestHead::new(headers).credential().and_then(|it| it.token().map(str::to_owned));
        token.map_err(|denial| denial.reason)
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
            (vec!["DPoP a.b.c"], Reason::ProofUnsupported),
            (vec!["dpop"], Reason::ProofUnsupported),
        ] {
            assert_eq!(credential(&values), Err(reason), "{values:?}");
        }
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(credential(&[value]), Ok("a.b.c".to_owned()), "{value}");
        }
    }

    #[test]
    fn what_must_not_be_dropped_on_the_way_may_not_be_named() {
        let ruled = |headers: &[(&str, &str)]| {
            let head = RequestHead::new(headers.to_vec());
            head.connection(|name| name.eq_ignore_ascii_case(b"x-kept")).map_err(|denial| denial.reason)
        };
        let upgrade = ("upgrade", "websocket");
        for names in ["x-kept", "upgrade, X-Kept", "close,,x-kept ", "\tx-kept"] {
            for header in ["connection", "proxy-connection"] {
                assert_eq!(
                    ruled(&[upgrade, (header, names)]),
                    Err(Reason::ConnectionInvalid),
                    "{header} {names}"
                );
            }
        }
        let twice = [upgrade, ("connection", "upgrade"), ("connection", "x-kept")];
        assert_eq!(ruled(&twice), Err(Reason::ConnectionInvalid));
        for (headers, becomes) in [
            (vec![], Connection::Stays),
            (vec![upgrade, ("connection", "upgrade")], Connection::Stays),
            (vec![upgrade, ("connection", "keep-alive, Upgrade")], Connection::UpgradeOnly),
            (vec![upgrade, ("connection", "upgrade, x-other")], Connection::UpgradeOnly),
            (vec![upgrade, ("connection", "upgrade"), ("connection", "x-other")], Connection::UpgradeOnly),
            (vec![("connection", "upgrade")], Connection::Removed),
            (vec![upgrade, ("connection", "close")], Connection::Removed),
            (vec![("connection", "x-other")], Connection::Removed),
            (vec![("proxy-connection", "keep-alive")], Connection::Removed),
        ] {
            assert_eq!(ruled(&headers), Ok(becomes), "{headers:?}");
        }
    }

    #[test]
    fn only_a_true_preflight_is_one() {
        let origin = ("origin", "https://app.example");
        let asks = ("access-control-request-method", "POST");
        let method = |method: &str, headers: &[(&str, &str)]| {
            let all = [&[(":method", method)], headers].concat();
            RequestHead::new(all).preflight_method().map(str::to_owned)
        };
        assert_eq!(method("OPTIONS", &[origin, asks]), Some("POST".to_owned()));
        let with_body = RequestHead::new(vec![(":method", "OPTIONS"), origin, asks]).with_body(true);
        assert_eq!(with_body.preflight_method(), None);
        assert_eq!(method("OPTIONS", &[origin, asks, ("content-length", "0")]), Some("POST".to_owned()));
        for (verb, headers) in [
            ("POST", vec![origin, asks]),
            ("OPTIONS", vec![origin]),
            ("OPTIONS", vec![asks]),
            ("OPTIONS", vec![origin, asks, asks]),
            ("OPTIONS", vec![origin, origin, asks]),
            ("OPTIONS", vec![("origin", ""), asks]),
            ("OPTIONS", vec![origin, ("access-control-request-method", "post")]),
            ("OPTIONS", vec![origin, asks, ("authorization", "Bearer x")]),
            ("OPTIONS", vec![origin, asks, ("content-length", "1")]),
            ("OPTIONS", vec![origin, asks, ("transfer-encoding", "chunked")]),
            ("OPTIONS", vec![origin, asks, ("upgrade", "websocket"), ("connection", "upgrade")]),
        ] {
            assert_eq!(method(verb, &headers), None, "{verb} {headers:?}");
        }
    }

    #[test]
    fn two_hosts_that_differ_are_none() {
        let host = |headers: &[(&str, &str)]| {
            RequestHead::new(headers.to_vec()).host().map(|host| host.as_str().to_owned())
        };
        let tools = Some("tools.example".to_owned());
        assert_eq!(host(&[(":authority", "Tools.example:443")]), tools);
        assert_eq!(host(&[("host", "tools.example")]), tools);
        assert_eq!(host(&[(":authority", "tools.example"), ("host", "tools.example:443")]), tools);
        assert_eq!(host(&[(":authority", "tools.example"), ("host", "other.example")]), None);
        assert_eq!(host(&[("host", "tools.example"), ("host", "tools.example")]), None);
        assert_eq!(host(&[]), None);
    }
}
