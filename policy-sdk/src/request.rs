//! What a policy is asked about.

#[cfg(not(target_arch = "wasm32"))]
use crate::desk::Recorded as Source;
#[cfg(target_arch = "wasm32")]
use crate::sandbox::bindings::Request as Source;

/// A request whose token was verified, whose chain was walked, and whose scopes suffice for the route.
///
/// In the proxy every question is a call to the host, so ask only for what the rule needs. At the desk a request is
/// plain data: [`Request::builder`].
#[derive(Debug)]
#[repr(transparent)]
pub struct Request(pub(crate) Source);

/// Who: the pair is the identity, neither half is one alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The name space of `subject`: an issuer.
    pub issuer: String,
    /// The name in it.
    pub subject: String,
}

impl Identity {
    /// The identity of `subject` in the name space of `issuer`.
    #[must_use]
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), subject: subject.into() }
    }
}

/// Why a header has no one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// It came more than once, and who reads only one of them may be fooled by the other.
    Repeated,
    /// Its value is no UTF-8.
    NotText,
}

/// A JSON value of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number without fraction and exponent, within 64 bits.
    Integer(i64),
    /// Any other number, as near as 64 bits can be.
    Float(f64),
    /// A string.
    Text(String),
    /// How many elements the array has; ask for each by its index.
    Array(u32),
    /// How many members the object has; ask for each by its name.
    Object(u32),
}

/// A route of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its position, from 0.
    pub index: u32,
    /// Its `path_prefix`.
    pub path_prefix: String,
}

impl Request {
    /// The method, as it came: `GET`.
    #[must_use]
    pub fn method(&self) -> String {
        self.0.method()
    }

    /// The normalised path, without the query: what routes are matched on, and what the upstream gets.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// A header by name, without regard to case. Credentials, pseudo-headers and what a client claims about itself
    /// (`x-mandate-…`) are absent.
    ///
    /// # Errors
    /// If it came more than once, or is no UTF-8.
    pub fn header(&self, name: &str) -> Result<Option<String>, HeaderError> {
        #[cfg_attr(
            not(target_arch = "wasm32"),
            expect(clippy::useless_conversion, reason = "in the sandbox it is the binding's own type")
        )]
        self.0.header(name).map_err(HeaderError::from)
    }

    /// On whose behalf everything happens: the token's `sub`, in the name space of its `iss`.
    #[must_use]
    pub fn principal(&self) -> Identity {
        self.0.principal()
    }

    /// The software that acts now: the last hop. None if the principal acts itself.
    #[must_use]
    pub fn agent(&self) -> Option<Identity> {
        self.0.agent()
    }

    /// The number of hops: 0 for a token without `act`, at most 8.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.0.depth()
    }

    /// A hop, oldest first, from 0. None beyond the last.
    #[must_use]
    pub fn hop(&self, index: u32) -> Option<Identity> {
        self.0.hop(index)
    }

    /// The hops, oldest first; each is asked for as it is needed.
    pub fn hops(&self) -> impl Iterator<Item = Identity> {
        (0..self.depth()).map_while(|index| self.hop(index))
    }

    /// Everyone involved: the principal, then the hops, oldest first.
    pub fn chain(&self) -> impl Iterator<Item = Identity> {
        std::iter::once_with(|| self.principal()).chain(self.hops())
    }

    /// Whether the token was granted this scope, compared exactly.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.has_scope(scope)
    }

    /// All scopes of the token, in its order.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        self.0.scopes()
    }

    /// A claim of the token by JSON pointer (RFC 6901): `/cnf/jkt`, `/groups/0`. None if there is nothing. Where a part
    /// of the pointer is not the policy's own word, make it with [`pointer`](crate::pointer).
    #[must_use]
    pub fn claim(&self, pointer: &str) -> Option<Claim> {
        self.0.claim(pointer)
    }

    /// The claim if it is a string; None if it is missing or anything else.
    #[must_use]
    pub fn claim_text(&self, pointer: &str) -> Option<String> {
        match self.claim(pointer) {
            Some(Claim::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The claim if it is an [integer](Claim::Integer); None if it is missing or anything else.
    #[must_use]
    pub fn claim_integer(&self, pointer: &str) -> Option<i64> {
        match self.claim(pointer) {
            Some(Claim::Integer(integer)) => Some(integer),
            _ => None,
        }
    }

    /// The claim if it is `true` or `false`; None if it is missing or anything else.
    #[must_use]
    pub fn claim_bool(&self, pointer: &str) -> Option<bool> {
        match self.claim(pointer) {
            Some(Claim::Boolean(boolean)) => Some(boolean),
            _ => None,
        }
    }

    /// The claim if it is an array of nothing but strings; None if it is missing or anything else. One call for each.
    #[must_use]
    pub fn claim_texts(&self, pointer: &str) -> Option<Vec<String>> {
        let Some(Claim::Array(length)) = self.claim(pointer) else {
            return None;
        };
        (0..length).map(|index| self.claim_text(&format!("{pointer}/{index}"))).collect()
    }

    /// The route that matched.
    #[must_use]
    pub fn route(&self) -> Route {
        self.0.route()
    }

    /// The time of the decision, in seconds since 1970-01-01T00:00:00Z. It stands still during the call.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.now()
    }
}
