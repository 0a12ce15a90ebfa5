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

/// What a request is about to do.
///
/// `protocol` and `kind` are strings, because later versions of the contract may add words: compare them with words that you
/// know, and deny the rest where the policy protects something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The protocol of the message: `mcp` (Model Context Protocol) or `a2a` (Agent2Agent protocol).
    pub protocol: String,
    /// What is acted on: `tool`, `resource`, `prompt`, `method` (another method of MCP, or any of A2A), `session` (a stream is
    /// opened, the session ends, or the client answers the server), or `card` (the card of an agent is read).
    pub kind: String,
    /// The name of the tool or prompt, or the URI of the resource. Of a `method` its name, of A2A that in version 1.0; of a `session`
    /// the HTTP method, or `response`.
    pub name: String,
    /// The JSON-RPC method of the message, such as `tools/call`; `response` if the client answers the server. Of a request
    /// without a message the HTTP method; of REST of A2A that and the address, such as `POST tasks/{id}:cancel`.
    pub method: String,
}

impl Action {
    /// The name of the tool, if a tool of MCP is called.
    #[must_use]
    pub fn tool(&self) -> Option<&str> {
        (self.protocol == "mcp" && self.kind == "tool" && self.method == "tools/call").then_some(&*self.name)
    }
}

/// Why an argument cannot be returned. A rule on the argument should deny.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentError {
    /// Some servers would find another value at this place than others: the arguments have a member whose name differs from
    /// the pointer's in letter case only, or is `__proto__`, or the pointer leads into a value without members, such as text,
    /// which some servers read as JSON.
    Ambiguous,
    /// The text is no JSON pointer to an argument: it does not begin with `/`, or has a `~` that is neither `~0` nor `~1`.
    NotAPointer,
    /// There is no action, so nobody read what the arguments are.
    NoAction,
}

/// The JSON value of a claim or an argument.
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

    /// The query as it was received, without `?`: nothing in it is decoded. It is ASCII, at most 8192 bytes together with the
    /// path. Empty if there is a `?` with nothing behind it, none if there is no `?`.
    #[must_use]
    pub fn query(&self) -> Option<String> {
        self.0.query()
    }

    /// The host that the request is for, as routes compare it: in lower case, without port, and without the dot at its end;
    /// an IPv6 address has its brackets. None if the request names no host, two that differ, or one that servers could read
    /// differently: treat that as a denial where the host matters.
    #[must_use]
    pub fn authority(&self) -> Option<String> {
        self.0.authority()
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

    /// All values of a header, one for each time that it was sent, in order (`header-values` of the contract). The name is
    /// compared as by [`header`](Self::header), and the same headers are hidden. Empty if the request has no such header.
    ///
    /// A value may be a list in turn: a header that is sent twice means the same as one with both values and a comma between
    /// them (RFC 9110 §5.3).
    ///
    /// # Errors
    /// [`HeaderError::NotText`] if one of the values is not UTF-8.
    pub fn header_lines(&self, name: &str) -> Result<Vec<String>, HeaderError> {
        #[cfg_attr(
            not(target_arch = "wasm32"),
            expect(clippy::useless_conversion, reason = "in the sandbox it is the binding's own type")
        )]
        self.0.header_values(name).map_err(HeaderError::from)
    }

    /// The names of all headers that are not hidden, in lower case, each once, in ascending order of their bytes.
    #[must_use]
    pub fn header_names(&self) -> Vec<String> {
        self.0.header_names()
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

    /// What kind of entity a hop is, as its issuer says: `sub_profile` of the `act` object, such as `ai_agent`, or
    /// `client_profile` of the token where the client is the agent. Several words are separated by spaces. None if the hop
    /// does not say, or if the index is `depth` or more.
    #[must_use]
    pub fn hop_kind(&self, index: u32) -> Option<String> {
        self.0.hop_kind(index)
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

    /// A claim of the token as JSON text, by JSON pointer (RFC 6901); an empty pointer is all claims. This is the way to the
    /// members of an object, which [`claim`](Self::claim) only counts. Members are in no particular order, there is no white
    /// space, and numbers that are no 64-bit integer were rounded to a 64-bit float. None if the token has no value there.
    #[must_use]
    pub fn claim_json(&self, pointer: &str) -> Option<String> {
        self.0.claim_json(pointer)
    }

    /// What the request is about to do, as the body of its message says. None on a route without a protocol (`mcp`, `a2a`), where the
    /// filter reads no body.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        self.0.action()
    }

    /// An argument of the action by JSON pointer (RFC 6901), such as `/amount` or `/items/0`. None if the action has no
    /// argument there. If a part of the pointer comes from the request, build the pointer with [`pointer`](crate::pointer).
    ///
    /// A rule should name the type that it expects, and deny anything else: a server may take the text `"100"` for the number,
    /// and [`Claim::Float`] for an integer.
    ///
    /// ```
    /// # use mandate_policy::{Claim, Request, Verdict, testing::json};
    /// fn small_amounts(request: &Request) -> Verdict {
    ///     match request.argument("/amount") {
    ///         Ok(Some(Claim::Integer(0..=100))) => Verdict::allow(),
    ///         _ => Verdict::deny("amount", "the amount is no integer from 0 to 100"),
    ///     }
    /// }
    /// let pay = |arguments| small_amounts(&Request::builder().tool("pay", arguments).build());
    /// assert_ne!(pay(json!({ "amount": 101 })), Verdict::allow());
    /// assert_ne!(pay(json!({ "amount": 100, "Amount": 101 })), Verdict::allow());
    /// assert_eq!(pay(json!({ "amount": 100 })), Verdict::allow());
    /// ```
    ///
    /// # Errors
    /// [`ArgumentError`] if it is not known which value a server will find, so that it never looks absent.
    pub fn argument(&self, pointer: &str) -> Result<Option<Claim>, ArgumentError> {
        #[cfg_attr(
            not(target_arch = "wasm32"),
            expect(clippy::useless_conversion, reason = "in the sandbox it is the binding's own type")
        )]
        self.0.argument(pointer).map_err(ArgumentError::from)
    }

    /// All arguments of the action as JSON text, `{}` if it has none or if there is no action. It is what the body says:
    /// unlike [`argument`](Self::argument), it shows both of two members whose names differ in letter case only, and text that
    /// is JSON itself as text.
    #[must_use]
    pub fn arguments(&self) -> String {
        self.0.arguments()
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
