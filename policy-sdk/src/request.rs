//! The request that a policy is asked about.

#[cfg(not(target_arch = "wasm32"))]
use crate::desk::Recorded as Source;
#[cfg(target_arch = "wasm32")]
use crate::sandbox::bindings::Request as Source;

/// A request whose token, delegation chain and scopes were already verified.
///
/// In the proxy every method is a call to the host and costs fuel, so ask only for what the rule needs. In native tests a
/// request is plain data: see [`Request::builder`].
#[derive(Debug)]
#[repr(transparent)]
pub struct Request(pub(crate) Source);

/// An identity: issuer and subject together. Neither of the two identifies anybody alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The issuer: the name space of `subject`.
    pub issuer: String,
    /// The subject: the name within that name space.
    pub subject: String,
}

impl Identity {
    /// The identity of `subject` in the name space of `issuer`.
    #[must_use]
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), subject: subject.into() }
    }
}

/// Why the value of a header cannot be returned. On paths that the policy protects, treat it as a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// The header was sent more than once. A rule that read one of the values could be bypassed with the other.
    Repeated,
    /// The value is not UTF-8.
    NotText,
    /// The value is not a list: a quoted string in it is not closed. Returned by [`Request::header_values`] only.
    NotList,
}

/// The JSON value of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number without fraction and exponent, between -2^63 and 2^63 - 1.
    Integer(i64),
    /// Any other number, rounded to the nearest 64-bit float.
    Float(f64),
    /// A string.
    Text(String),
    /// An array, with its number of elements. Read an element with its index at the end of the pointer.
    Array(u32),
    /// An object, with its number of members. Read a member with its name at the end of the pointer.
    Object(u32),
}

/// A route of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Position in `routes`, starting at 0.
    pub index: u32,
    /// The `path_prefix` of the route.
    pub path_prefix: String,
}

impl Request {
    /// The HTTP method as it was received: `GET`.
    #[must_use]
    pub fn method(&self) -> String {
        self.0.method()
    }

    /// The normalised path without the query. Routes are matched against it, and the upstream receives it.
    #[must_use]
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// The value of a header, as it was received. None if the request has no such header, or if the header is hidden.
    ///
    /// **The value of a list is one string.** A sender may join several values with commas (RFC 9110 §5.3): comparing
    /// `header("x-role")` with `admin` does not find it in `user, admin`. Use [`header_values`](Self::header_values) for a
    /// header that can be a list.
    ///
    /// The name is compared case-insensitively, and exactly otherwise: `X-Role` and `x-role` are the same header, `x_role` is
    /// another one, although many servers treat them as the same (RFC 3875 §4.1.18).
    ///
    /// Hidden headers: credentials (`authorization`, `proxy-authorization`, `cookie`, `dpop`), pseudo-headers (`:path`), and
    /// every header that the filter removes from requests, in any spelling: `x-mandate-…`, and the headers by which servers
    /// read another path, method, client or user (`x-original-url`, `remote-user`, …).
    ///
    /// # Errors
    /// [`HeaderError::Repeated`] if the header was sent more than once, [`HeaderError::NotText`] if it is not UTF-8.
    pub fn header(&self, name: &str) -> Result<Option<String>, HeaderError> {
        #[cfg_attr(
            not(target_arch = "wasm32"),
            expect(clippy::useless_conversion, reason = "in the sandbox it is the binding's own type")
        )]
        self.0.header(name).map_err(HeaderError::from)
    }

    /// The elements of a header that is a list (RFC 9110 §5.6.1), in their order: split at commas outside of quoted strings
    /// (§5.6.4), without white space around them, and without empty elements. Empty if the request has no such header.
    ///
    /// ```
    /// # use mandate_policy::Request;
    /// let request = Request::builder().header("x-role", "user, admin").build();
    /// assert!(request.header_values("x-role").is_ok_and(|roles| roles.iter().any(|role| role == "admin")));
    /// ```
    ///
    /// Elements are returned as they were received, quotes included: the element `"admin"` with quotes is not equal to
    /// `admin`, though some servers may read it so. A rule that allows known values is not affected; a rule that denies known
    /// values should also deny every element that contains a quote.
    ///
    /// # Errors
    /// Those of [`header`](Self::header): header lines are not joined. [`HeaderError::NotList`] if a quoted string is not
    /// closed, because another reader could find other elements.
    pub fn header_values(&self, name: &str) -> Result<Vec<String>, HeaderError> {
        let value = self.header(name)?.unwrap_or_default();
        elements(&value).ok_or(HeaderError::NotList)
    }

    /// The principal: the token's `iss` and `sub`.
    #[must_use]
    pub fn principal(&self) -> Identity {
        self.0.principal()
    }

    /// The agent that acts now: the last hop of the chain. None if the token has no `act`.
    #[must_use]
    pub fn agent(&self) -> Option<Identity> {
        self.0.agent()
    }

    /// The number of hops, from 0 (a token without `act`) to 8.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.0.depth()
    }

    /// A hop by its index. 0 is the oldest hop, `depth` - 1 is the agent. None if the index is `depth` or more.
    #[must_use]
    pub fn hop(&self, index: u32) -> Option<Identity> {
        self.0.hop(index)
    }

    /// The hops, oldest first. Each is requested from the host when the iterator reaches it.
    pub fn hops(&self) -> impl Iterator<Item = Identity> {
        (0..self.depth()).map_while(|index| self.hop(index))
    }

    /// The whole chain: the principal, then the hops, oldest first.
    pub fn chain(&self) -> impl Iterator<Item = Identity> {
        std::iter::once_with(|| self.principal()).chain(self.hops())
    }

    /// Whether the token has this scope, compared byte for byte.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.has_scope(scope)
    }

    /// All scopes of the token, in the order of the `scope` claim.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        self.0.scopes()
    }

    /// A claim of the token by JSON pointer (RFC 6901), such as `/cnf/jkt` or `/groups/0`. None if the token has no value
    /// there. If a part of the pointer comes from the request, build the pointer with [`pointer`](crate::pointer), which
    /// escapes it.
    #[must_use]
    pub fn claim(&self, pointer: &str) -> Option<Claim> {
        self.0.claim(pointer)
    }

    /// The claim if it is a string. None if it is missing or has another type.
    #[must_use]
    pub fn claim_text(&self, pointer: &str) -> Option<String> {
        match self.claim(pointer) {
            Some(Claim::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The claim if it is an [integer](Claim::Integer). None if it is missing or has another type.
    #[must_use]
    pub fn claim_integer(&self, pointer: &str) -> Option<i64> {
        match self.claim(pointer) {
            Some(Claim::Integer(integer)) => Some(integer),
            _ => None,
        }
    }

    /// The claim if it is `true` or `false`. None if it is missing or has another type.
    #[must_use]
    pub fn claim_bool(&self, pointer: &str) -> Option<bool> {
        match self.claim(pointer) {
            Some(Claim::Boolean(boolean)) => Some(boolean),
            _ => None,
        }
    }

    /// The claim if it is an array that contains only strings. None if it is missing or anything else. Each element is one
    /// call to the host.
    #[must_use]
    pub fn claim_texts(&self, pointer: &str) -> Option<Vec<String>> {
        let Some(Claim::Array(length)) = self.claim(pointer) else {
            return None;
        };
        (0..length).map(|index| self.claim_text(&format!("{pointer}/{index}"))).collect()
    }

    /// The route of the configuration that matched the request.
    #[must_use]
    pub fn route(&self) -> Route {
        self.0.route()
    }

    /// The time of the decision, in seconds since 1970-01-01T00:00:00Z. It is the same for the whole call.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.now()
    }
}

/// The elements of a list. None if a quoted string does not end.
///
/// ```text
/// list          = [ element ] *( OWS "," OWS [ element ] )   ; RFC 9110 §5.6.1.2
/// quoted-string = DQUOTE *( qdtext / "\" char ) DQUOTE        ; §5.6.4; the only place where a comma does not separate
/// ```
fn elements(list: &str) -> Option<Vec<String>> {
    let mut place = Place::Plain;
    let separates = |character| {
        place = match (place, character) {
            (Place::Plain, '"') | (Place::Escaped, _) => Place::Quoted,
            (Place::Quoted, '"') => Place::Plain,
            (Place::Quoted, '\\') => Place::Escaped,
            (same, _) => same,
        };
        place == Place::Plain && character == ','
    };
    let elements = list.split(separates).map(|element| element.trim_matches([' ', '\t']));
    let elements = elements.filter(|element| !element.is_empty()).map(str::to_owned).collect();
    (place == Place::Plain).then_some(elements)
}

/// Where in a list a character is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In no quoted string.
    Plain,
    /// In one.
    Quoted,
    /// In one, behind a backslash.
    Escaped,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &str) -> Result<Vec<String>, HeaderError> {
        Request::builder().header("x-role", list).build().header_values("X-Role")
    }

    #[test]
    fn a_value_that_came_in_a_list_is_found() {
        for list in
            ["user,admin", "user, admin", "admin,user", ",,admin", "user\t,\tadmin \t", " admin ", "admin"]
        {
            assert!(values(list).unwrap().iter().any(|role| role == "admin"), "{list:?}");
        }
        for list in ["", ",", " , ", "administrator", "Admin", "not admin", r#""user,admin""#, r#""admin""#] {
            assert!(!values(list).unwrap().iter().any(|role| role == "admin"), "{list:?}");
        }
    }

    #[test]
    fn a_list_is_split_at_its_commas_outside_of_quoted_strings() {
        let cases: [(&str, &[&str]); 12] = [
            ("", &[]),
            (" \t", &[]),
            (",", &[]),
            (", ,\t,", &[]),
            ("a", &["a"]),
            ("a,b , c", &["a", "b", "c"]),
            ("a b,é", &["a b", "é"]),
            (r#""a,b",c"#, &[r#""a,b""#, "c"]),
            (r#"a;x="1,2", b"#, &[r#"a;x="1,2""#, "b"]),
            (r#""a\",b",c"#, &[r#""a\",b""#, "c"]),
            (r#""a\\",b"#, &[r#""a\\""#, "b"]),
            (r"a\,b", &[r"a\", "b"]),
        ];
        for (list, expected) in cases {
            assert_eq!(values(list).unwrap(), expected, "{list:?}");
        }
    }

    #[test]
    fn a_quoted_string_that_does_not_end_makes_no_list() {
        for list in [r#"""#, r#"user,"admin"#, r#""a\""#, r#""a"""#, r#""\"#] {
            assert_eq!(values(list), Err(HeaderError::NotList), "{list:?}");
        }
    }

    #[test]
    fn a_list_on_several_lines_or_of_no_text_is_none() {
        let twice = Request::builder().header("x-role", "user").header("x-role", "admin").build();
        assert_eq!(twice.header_values("x-role"), Err(HeaderError::Repeated));
        let bytes = Request::builder().header("x-role", *b"admin,\xff").build();
        assert_eq!(bytes.header_values("x-role"), Err(HeaderError::NotText));
        assert_eq!(Request::builder().build().header_values("x-role"), Ok(Vec::new()));
    }
}
