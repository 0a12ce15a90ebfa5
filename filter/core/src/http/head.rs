//! The head of a request, as bytes: where in it the members are that decide something.

pub(super) mod approval;
pub(super) mod connection;
pub(super) mod credential;
mod preflight;

use super::headers::Headers;
use super::host::Host;
use crate::denial::ProofProblem;

/// The header of a Workload Identity Token (draft-ietf-wimse-workload-creds §5.1.1).
pub const WORKLOAD_TOKEN: &str = "workload-identity-token";
const WORKLOAD_TOKEN_BYTES: &[u8] = WORKLOAD_TOKEN.as_bytes();

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
    /// A DPoP proof.
    dpop: Option<usize>,
    /// Whether there is a second one.
    two_proofs: bool,
    /// A Workload Identity Token.
    workload: Option<usize>,
    /// Whether there is a second one.
    two_workloads: bool,
    /// An approval.
    approval: Option<usize>,
    /// Whether there is a second one.
    two_approvals: bool,
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
                b"host" => note(position, &mut head.host, &mut head.two_hosts),
                b"authorization" => note(position, &mut head.authorization, &mut head.ambiguous),
                b"dpop" => note(position, &mut head.dpop, &mut head.two_proofs),
                WORKLOAD_TOKEN_BYTES => note(position, &mut head.workload, &mut head.two_workloads),
                approval::HEADER_BYTES => note(position, &mut head.approval, &mut head.two_approvals),
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

    /// Whether a body follows.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.body
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

    /// All values of a header, whose name is in lower case.
    pub fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
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

    /// The authority that the request is for, as it came: of several that are the same host the one that a proxy sees.
    #[must_use]
    pub fn authority(&self) -> Option<&[u8]> {
        self.host().and_then(|_| self.value(self.authority.or(self.host)))
    }

    /// Whether it says for which host it is, in whatever form.
    #[must_use]
    pub fn names_host(&self) -> bool {
        self.authority.is_some() || self.host.is_some()
    }

    /// The one DPoP proof (RFC 9449 §4.3 step 1).
    ///
    /// # Errors
    /// There are several.
    pub fn dpop(&self) -> Result<Option<&[u8]>, ProofProblem> {
        if self.two_proofs { Err(ProofProblem::Several) } else { Ok(self.value(self.dpop)) }
    }

    /// Whether there is any DPoP proof.
    #[must_use]
    pub fn has_dpop(&self) -> bool {
        self.dpop.is_some()
    }

    /// Whether there is any Workload Identity Token.
    #[must_use]
    pub fn has_workload_token(&self) -> bool {
        self.workload.is_some()
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
}

/// Notes where a header is, or that it came before.
fn note(position: usize, place: &mut Option<usize>, is_second: &mut bool) {
    match place {
        Some(_) => *is_second = true,
        None => *place = Some(position),
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

#[cfg(test)]
mod tests {
    use super::*;

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
