//! Support for native tests: policies without a proxy, and requests without tokens. It is not compiled into a component.
//!
//! Requests behave as in the proxy. `mandate policy test` then tests the compiled component.

use crate::desk::Recorded;
use crate::{Identity, Policy, Problem, Request, Route};
use serde_json::Map;

#[doc(no_inline)]
pub use serde_json::{Value, json};

/// What [`Request::header`] never shows, for the test that holds this list and the filter's equal.
#[doc(hidden)]
pub use crate::desk::reserved::RESERVED;

/// Creates a policy from its settings, by way of the JSON text that the host would pass.
///
/// # Errors
/// The problems with the settings: what cannot be deserialised, or what [`Policy::new`] returns.
#[expect(clippy::needless_pass_by_value, reason = "it is called with `json!({…})`")]
pub fn configure<P: Policy>(settings: Value) -> Result<P, Vec<Problem>> {
    crate::settings::configure(&settings.to_string())
}

/// Builds a [`Request`] that passed the checks of the filter. By default it is `GET /` by `user:alice` of
/// `https://idp.example`, at the time 1790000000, on the route with the prefix `/`.
#[derive(Debug, Clone)]
#[must_use = "a builder makes a request with `build`"]
pub struct RequestBuilder {
    request: Recorded,
    claims: Map<String, Value>,
}

impl Request {
    /// A builder of requests for tests.
    pub fn builder() -> RequestBuilder {
        RequestBuilder {
            request: Recorded {
                method: "GET".to_owned(),
                path: "/".to_owned(),
                headers: Vec::new(),
                principal: Identity::new("https://idp.example", "user:alice"),
                hops: Vec::new(),
                scopes: Vec::new(),
                claims: Value::Null,
                route: Route { index: 0, path_prefix: "/".to_owned() },
                now: 1_790_000_000,
            },
            claims: Map::new(),
        }
    }
}

impl RequestBuilder {
    /// Sets the method, in upper case.
    pub fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.request.method);
        self
    }

    /// Sets the normalised path, without a query.
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.request.path);
        self
    }

    /// Adds a header line; the same name twice is a header that was sent twice. Headers that the host hides stay hidden: see
    /// [`Request::header`].
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.request.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the principal.
    pub fn principal(mut self, issuer: &str, subject: &str) -> Self {
        self.request.principal = Identity::new(issuer, subject);
        self
    }

    /// Adds a hop to the end of the chain. The last hop is the agent.
    pub fn hop(mut self, issuer: &str, subject: &str) -> Self {
        self.request.hops.push(Identity::new(issuer, subject));
        self
    }

    /// Adds a scope to the token.
    pub fn scope(mut self, scope: &str) -> Self {
        self.request.scopes.push(scope.to_owned());
        self
    }

    /// Adds a claim to the token.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the route that matched.
    pub fn route(mut self, index: u32, path_prefix: &str) -> Self {
        self.request.route = Route { index, path_prefix: path_prefix.to_owned() };
        self
    }

    /// Sets the time of the decision, in seconds since 1970-01-01T00:00:00Z.
    pub fn now(mut self, seconds: u64) -> Self {
        self.request.now = seconds;
        self
    }

    /// Builds the request. Its token also has `aud`, `exp`, `iat`, `client_id` and `jti`, unless they were added with
    /// [`claim`](Self::claim), and `iss`, `sub`, `scope` and `act`, which always correspond to principal, scopes and hops.
    #[must_use]
    pub fn build(self) -> Request {
        let Self { mut request, claims: given } = self;
        let mut claims = Map::new();
        claims.insert("aud".to_owned(), "https://tools.example".into());
        claims.insert("exp".to_owned(), request.now.saturating_add(300).into());
        claims.insert("iat".to_owned(), request.now.into());
        claims.insert("client_id".to_owned(), "desk".into());
        claims.insert("jti".to_owned(), "desk".into());
        claims.extend(given);
        claims.extend(identity_claims(&request.principal));
        claims.insert("scope".to_owned(), request.scopes.join(" ").into());
        if let Some(act) = request.hops.iter().fold(None, |earlier, hop| Some(act(hop, earlier))) {
            claims.insert("act".to_owned(), act);
        } else {
            claims.remove("act");
        }
        request.claims = Value::Object(claims);
        Request(request)
    }
}

/// RFC 8693 §4.1: the outermost `act` is the current actor, and those before it are inside.
fn act(hop: &Identity, earlier: Option<Value>) -> Value {
    let mut act = identity_claims(hop);
    act.extend(earlier.map(|earlier| ("act".to_owned(), earlier)));
    Value::Object(act)
}

fn identity_claims(identity: &Identity) -> Map<String, Value> {
    Map::from_iter([
        ("iss".to_owned(), identity.issuer.as_str().into()),
        ("sub".to_owned(), identity.subject.as_str().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Claim, HeaderError};

    const IDP: &str = "https://idp.example";

    #[test]
    fn a_header_that_came_twice_has_no_one_value() {
        let request = Request::builder().header("X-Tier", "gold").header("x-tier", "gold").build();
        assert_eq!(request.header("x-tier"), Err(HeaderError::Repeated));
    }

    #[test]
    fn a_header_that_is_no_utf8_is_not_text() {
        assert_eq!(
            Request::builder().header("x-tier", [0xff]).build().header("x-tier"),
            Err(HeaderError::NotText)
        );
    }

    #[test]
    fn credentials_pseudo_headers_and_what_the_filter_removes_are_absent() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "cookie",
            "DPoP",
            ":path",
            ":authority",
            "X-Mandate-Principal",
            "x_mandate_agent",
            "SCRIPT_NAME",
            "X-Original-URL",
            "X-Forwarded-User",
            "Remote-User",
            "x-rôle",
        ] {
            assert_eq!(Request::builder().header(name, "secret").build().header(name), Ok(None), "{name}");
        }
    }

    #[test]
    fn headers_are_found_without_regard_to_case() {
        let request = Request::builder().header("X-Tier", "gold").build();
        assert_eq!(request.header("x-TIER"), Ok(Some("gold".to_owned())));
        assert_eq!(request.header("x_tier"), Ok(None), "a name with another separator is another name");
        assert_eq!(request.header("x-mandates"), Ok(None));
    }

    #[test]
    fn a_claim_of_another_type_is_none() {
        let request = Request::builder().claim("level", "3").claim("groups", json!(["ops", 7])).build();
        assert_eq!(request.claim_integer("/level"), None);
        assert_eq!(request.claim_bool("/level"), None);
        assert_eq!(request.claim_text("/groups"), None);
        assert_eq!(request.claim_texts("/groups"), None);
        assert_eq!(request.claim_texts("/level"), None);
        assert_eq!(request.claim("/groups/2"), None);
        assert_eq!(request.claim("level"), None);
    }

    #[test]
    fn numbers_are_integers_within_64_bits_and_floats_beyond() {
        let cases = [
            (json!(i64::MIN), Claim::Integer(i64::MIN)),
            (json!(i64::MAX), Claim::Integer(i64::MAX)),
            (json!(i64::MAX.unsigned_abs() + 1), Claim::Float(9_223_372_036_854_775_808.0)),
            (json!(1.0), Claim::Float(1.0)),
            (serde_json::from_str("1e2").unwrap(), Claim::Float(100.0)),
        ];
        for (value, claim) in cases {
            assert_eq!(
                Request::builder().claim("n", value.clone()).build().claim("/n"),
                Some(claim),
                "{value}"
            );
        }
    }

    #[test]
    fn claims_are_read_by_pointer() {
        let request = Request::builder()
            .claim("groups", json!(["ops", "on-call"]))
            .claim("build", json!({ "signed": true, "level": 3, "note": null }))
            .build();
        assert_eq!(request.claim("/groups"), Some(Claim::Array(2)));
        assert_eq!(request.claim("/build"), Some(Claim::Object(3)));
        assert_eq!(request.claim("/build/note"), Some(Claim::Null));
        assert_eq!(request.claim_bool("/build/signed"), Some(true));
        assert_eq!(request.claim_integer("/build/level"), Some(3));
        assert_eq!(request.claim_text("/groups/1").as_deref(), Some("on-call"));
        assert_eq!(request.claim_texts("/groups").unwrap(), ["ops", "on-call"]);
    }

    #[test]
    fn the_last_hop_is_the_agent_and_the_outermost_act() {
        let request =
            Request::builder().hop(IDP, "agent:planner").hop("https://tools.example", "agent:coder").build();
        assert_eq!((request.depth(), request.hop(2)), (2, None));
        assert_eq!(request.agent(), Some(Identity::new("https://tools.example", "agent:coder")));
        assert_eq!(request.claim_text("/act/sub").as_deref(), Some("agent:coder"));
        assert_eq!(request.claim_text("/act/act/sub").as_deref(), Some("agent:planner"));
        assert_eq!(request.claim("/act/act/act"), None);
        let chain: Vec<_> = request.chain().map(|who| who.subject).collect();
        assert_eq!(chain, ["user:alice", "agent:planner", "agent:coder"]);
    }

    #[test]
    fn a_principal_that_acts_itself_has_no_agent() {
        let request = Request::builder().claim("act", json!({ "sub": "agent:forged" })).build();
        assert_eq!((request.agent(), request.depth(), request.hop(0)), (None, 0, None));
        assert_eq!(request.claim("/act"), None);
    }

    #[test]
    fn scopes_compare_exactly() {
        let request = Request::builder().scope("tickets.read").scope("tickets.write").build();
        assert!(request.has_scope("tickets.write"));
        assert!(!request.has_scope("tickets") && !request.has_scope("tickets.read tickets.write"));
        assert_eq!(request.claim_text("/scope").as_deref(), Some("tickets.read tickets.write"));
    }
}
