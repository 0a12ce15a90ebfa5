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

/// Why a header cannot be read. On a path that the policy guards, that is a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// It came on more than one line, and who reads only one of them may be fooled by the other.
    Repeated,
    /// Its value is no UTF-8.
    NotText,
    /// Its value is no list: a quoted string in it does not end. Only from [`Request::header_values`].
    NotList,
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

    /// The value of a header as the proxy has it: the text of the one line that it came on.
    ///
    /// **A list is one text.** HTTP joins repeated headers with commas, and any sender may do so itself (RFC 9110 §5.3): who
    /// compares `header("x-role")` with `admin` does not see it in `user, admin`. Ask [`header_values`](Self::header_values)
    /// where the header can be a list.
    ///
    /// The name compares without regard to ASCII case, and exactly otherwise: `X-Role` and `x-role` are one header, `x_role`
    /// is another, and many servers take it for the same (RFC 3875 §4.1.18). None if there is no such header. These are never
    /// there: credentials (`authorization`, `proxy-authorization`, `cookie`, `dpop`), pseudo-headers (`:path`), and what the
    /// filter removes from every request, however it is spelt: what a client claims about itself (`x-mandate-…`), and the
    /// headers by which known servers take path, method, client or user from elsewhere (`x-original-url`, `remote-user`, …).
    ///
    /// # Errors
    /// [`HeaderError::Repeated`] if it came on more than one line, [`HeaderError::NotText`] if it is no UTF-8.
    pub fn header(&self, name: &str) -> Result<Option<String>, HeaderError> {
        #[cfg_attr(
            not(target_arch = "wasm32"),
            expect(clippy::useless_conversion, reason = "in the sandbox it is the binding's own type")
        )]
        self.0.header(name).map_err(HeaderError::from)
    }

    /// The elements of a header that is a list (RFC 9110 §5.6.1), in their order: split at the commas that are in no quoted
    /// string (§5.6.4), without the white space around them, and without empty ones. None of them if there is no such header.
    ///
    /// ```
    /// # use mandate_policy::Request;
    /// let request = Request::builder().header("x-role", "user, admin").build();
    /// assert!(request.header_values("x-role").is_ok_and(|roles| roles.iter().any(|role| role == "admin")));
    /// ```
    ///
    /// Elements are as they came, quotes included: `"admin"` in quotes is not `admin`, though some servers may read it so. A
    /// rule that allows what it knows is right in any case; one that forbids a value should deny what has a quote in it, too.
    ///
    /// # Errors
    /// As [`header`](Self::header): a list on several lines is not put together. [`HeaderError::NotList`] if a quoted string
    /// does not end, because others would find other elements.
    pub fn header_values(&self, name: &str) -> Result<Vec<String>, HeaderError> {
        let value = self.header(name)?.unwrap_or_default();
        elements(&value).ok_or(HeaderError::NotList)
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
