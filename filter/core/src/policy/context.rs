//! What the policies of a route are asked about: a request whose token, chain and scopes already passed.

use crate::action::{Action, Ruled, has_needs};
use crate::chain::VerifiedChain;
use crate::denial::Denial;
use crate::http::{NormalPath, RequestHead};
use crate::routes::MatchedRoute;
use crate::time::UnixTime;
use serde_json::Value;

/// A request that passed every static check, with all that a policy may look at. `now` is part of it, so that the
/// same case gives the same verdict whenever it is replayed.
#[derive(Debug)]
pub struct RequestContext<'a> {
    head: &'a RequestHead,
    path: &'a NormalPath,
    chain: &'a VerifiedChain,
    action: Option<&'a Action>,
    now: UnixTime,
}

/// Headers that carry credentials: no rule needs them, and a log is no place for them.
const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "dpop"];

/// Why a header has no one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// It came more than once, and who reads only one of them may be fooled by the other.
    Repeated,
    /// Its value is no UTF-8.
    NotText,
}

impl<'a> RequestContext<'a> {
    /// Checks that the token holds every scope that the chain's route asks for, compared exactly (RFC 6749 §3.3).
    ///
    /// # Errors
    /// [`Reason::ScopeInsufficient`].
    pub fn authorize(
        head: &'a RequestHead,
        path: &'a NormalPath,
        chain: &'a VerifiedChain,
        now: UnixTime,
    ) -> Result<Self, Denial> {
        chain.has_scopes(&chain.route().entry().scopes)?;
        Ok(Self { head, path, chain, action: None, now })
    }

    /// The same request, with what it is about to do, and the rules that this falls under, if it needs any.
    ///
    /// # Errors
    /// [`Reason::DelegationTooDeep`] or [`Reason::ScopeInsufficient`], if a rule needs more than the route.
    pub fn about(self, action: &'a Action, ruled: &[Ruled<'_>]) -> Result<Self, Denial> {
        for Ruled { rule, .. } in ruled {
            has_needs(self.chain, rule)?;
        }
        Ok(Self { action: Some(action), ..self })
    }

    /// What the request is about to do, on a route with a protocol.
    #[must_use]
    pub fn action(&self) -> Option<&'a Action> {
        self.action
    }

    /// The request method, as it came.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.method()
    }

    /// The normalised path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// The value of the one header of this name; names compare without regard to case. Credentials are never shown, nor
    /// is a pseudo-header: what was decided on is [`method`](Self::method) and [`path`](Self::path).
    ///
    /// # Errors
    /// If there is no one value, or it is no text.
    pub fn header(&self, name: &str) -> Result<Option<&str>, HeaderError> {
        if CREDENTIALS.iter().any(|hidden| name.eq_ignore_ascii_case(hidden)) || name.starts_with(':') {
            return Ok(None);
        }
        let mut values = self
            .head
            .headers()
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => std::str::from_utf8(value).map(Some).map_err(|_| HeaderError::NotText),
            (Some(_), Some(_)) => Err(HeaderError::Repeated),
        }
    }

    /// The route that matched.
    #[must_use]
    pub fn route(&self) -> &'a MatchedRoute {
        self.chain.route()
    }

    /// A claim of the token by JSON pointer (RFC 6901).
    #[must_use]
    pub fn claim(&self, pointer: &str) -> Option<&Value> {
        self.chain.token().claims().pointer(pointer)
    }

    /// Who acts for whom.
    #[must_use]
    pub fn chain(&self) -> &VerifiedChain {
        self.chain
    }

    /// The time of the decision.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }
}
