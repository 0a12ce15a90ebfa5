//! What the policies of a route are asked about: a request whose token, chain and scopes already passed.

use crate::action::{Action, Ruled, has_needs};
use crate::chain::VerifiedChain;
use crate::denial::Denial;
use crate::http::{Host, NormalPath, RequestHead, reads_alike};
use crate::json::Pointer;
use crate::proof::Possession;
use crate::routes::MatchedRoute;
use crate::time::UnixTime;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

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
const CREDENTIALS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "dpop", "mcp-session-id"];

/// Why a header has no one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// It came more than once, and who reads only one of them may be fooled by the other.
    Repeated,
    /// Its value is no UTF-8.
    NotText,
}

/// Why it is not known what an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentError {
    /// Some servers would find another one.
    Ambiguous,
    /// What was asked with is no pointer.
    NotAPointer,
    /// Nobody read what the request is about to do.
    NoAction,
}

/// Whether no policy is shown a header of this name: credentials, and pseudo-headers, for what was decided on is
/// [`RequestContext::method`], [`RequestContext::path`] and [`RequestContext::authority`].
fn is_hidden(name: &[u8]) -> bool {
    CREDENTIALS.iter().any(|hidden| name.eq_ignore_ascii_case(hidden.as_bytes())) || name.starts_with(b":")
}

impl<'a> RequestContext<'a> {
    /// Checks that the token holds every scope that the chain's route asks for, compared exactly (RFC 6749 §3.3). Nobody gets so far who
    /// has not shown to hold the token's key.
    ///
    /// # Errors
    /// [`Reason::ScopeInsufficient`].
    pub fn authorize(
        head: &'a RequestHead,
        path: &'a NormalPath,
        chain: &'a VerifiedChain,
        _: &Possession,
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

    /// An argument of the action by JSON pointer (RFC 6901). Adds to `looked_at` the members whose names were compared.
    ///
    /// # Errors
    /// If it is not known which argument, or whether there is one.
    pub fn argument(&self, pointer: &str, looked_at: &mut usize) -> Result<Option<&'a Value>, ArgumentError> {
        let action = self.action.ok_or(ArgumentError::NoAction)?;
        let pointer = Pointer::parse(pointer).map_err(|_| ArgumentError::NotAPointer)?;
        action.argument(&pointer, looked_at).map_err(|_| ArgumentError::Ambiguous)
    }

    /// All arguments of the action as JSON text.
    #[must_use]
    pub fn arguments(&self) -> &'a str {
        self.action.map_or("{}", Action::arguments_text)
    }

    /// The host that the request is for, if it is one to everybody.
    #[must_use]
    pub fn authority(&self) -> Option<Host<'a>> {
        self.head.host()
    }

    /// The query, as it came.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.path.query()
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
    /// is a pseudo-header.
    ///
    /// # Errors
    /// If there is no one value, or it is no text.
    pub fn header(&self, name: &str) -> Result<Option<&str>, HeaderError> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => std::str::from_utf8(value).map(Some).map_err(|_| HeaderError::NotText),
            (Some(_), Some(_)) => Err(HeaderError::Repeated),
        }
    }

    /// All values of the headers of this name, in order; the same are hidden.
    ///
    /// # Errors
    /// If one of them is no text: the rest would say less than was sent.
    pub fn header_values(&self, name: &str) -> Result<Vec<&str>, HeaderError> {
        let texts = self.values(name).map(std::str::from_utf8);
        texts.collect::<Result<_, _>>().map_err(|_| HeaderError::NotText)
    }

    /// The names of all headers that are shown, in lower case, each once, in order of their bytes.
    #[must_use]
    pub fn header_names(&self) -> Vec<&str> {
        let names = self.head.headers().iter().map(|(name, _)| name).filter(|name| !self.hides(name));
        // Names are ASCII, see `Headers`.
        names.filter_map(|name| std::str::from_utf8(name).ok()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether no policy is shown a header of this name; tokens of an attenuated chain are credentials too.
    fn hides(&self, name: &[u8]) -> bool {
        let chain = self.chain.token().issuer().entry().chain.header.as_ref();
        is_hidden(name) || chain.is_some_and(|chain| reads_alike(name, chain.as_bytes()))
    }

    /// What came under a name that is not hidden.
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let name = Some(name.as_bytes()).filter(|name| !self.hides(name));
        let headers = self.head.headers().iter();
        headers
            .filter(move |(n, _)| name.is_some_and(|name| n.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value)
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

    /// A claim of the token as JSON text, by JSON pointer; the empty one is all claims.
    #[must_use]
    pub fn claim_json(&self, pointer: &str) -> Option<Cow<'a, str>> {
        let token = self.chain.token();
        if pointer.is_empty() {
            return Some(token.claims_text().into());
        }
        Some(token.claims().pointer(pointer)?.to_string().into())
    }

    /// What kind of entity a hop is, as its issuer says.
    #[must_use]
    pub fn hop_kind(&self, index: usize) -> Option<&'a str> {
        self.chain.hops().get(index)?.sub_profile.as_deref()
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
