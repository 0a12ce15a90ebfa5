//! Support for native tests: policies without a proxy, and requests without tokens. It is not compiled into a component.
//!
//! Requests behave as in the proxy. `mandate policy test` then tests the compiled component.

use crate::desk::{Recorded, RecordedHop};
use crate::{Action, Identity, Policy, Problem, Request, Route};
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

/// Builds a [`Request`] that passed the checks of the filter. By default it is `GET /` to `tools.example` by `user:alice` of
/// `https://idp.example`, at the time 1790000000, on the route with the prefix `/` and without a protocol.
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
                query: None,
                authority: Some("tools.example".to_owned()),
                headers: Vec::new(),
                principal: Identity::new("https://idp.example", "user:alice"),
                hops: Vec::new(),
                scopes: Vec::new(),
                claims: Value::Null,
                route: Route { index: 0, path_prefix: "/".to_owned() },
                now: 1_790_000_000,
                action: None,
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

    /// Sets the query, without `?`.
    pub fn query(mut self, query: &str) -> Self {
        self.request.query = Some(query.to_owned());
        self
    }

    /// Sets the host, in the form that [`Request::authority`] has; none for a request whose host cannot be compared.
    pub fn authority<'a>(mut self, host: impl Into<Option<&'a str>>) -> Self {
        self.request.authority = host.into().map(str::to_owned);
        self
    }

    /// Makes the request a call of a tool of MCP (`tools/call`), by `POST`. `arguments` is a JSON object.
    pub fn tool(self, name: &str, arguments: Value) -> Self {
        let action = Action {
            protocol: "mcp".to_owned(),
            kind: "tool".to_owned(),
            name: name.to_owned(),
            method: "tools/call".to_owned(),
        };
        self.method("POST").action(action, arguments)
    }

    /// Sets what the request is about to do. What is no JSON object counts as no arguments, as in a message without them.
    pub fn action(mut self, action: Action, arguments: Value) -> Self {
        let arguments = match arguments {
            Value::Object(arguments) => arguments,
            _ => Map::new(),
        };
        self.request.action = Some((action, arguments));
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
    pub fn hop(self, issuer: &str, subject: &str) -> Self {
        self.add_hop(issuer, subject, None)
    }

    /// Adds a hop that says what kind of entity it is: `sub_profile`.
    pub fn hop_of_kind(self, issuer: &str, subject: &str, kind: &str) -> Self {
        self.add_hop(issuer, subject, Some(kind.to_owned()))
    }

    fn add_hop(mut self, issuer: &str, subject: &str, kind: Option<String>) -> Self {
        self.request.hops.push(RecordedHop { identity: Identity::new(issuer, subject), kind });
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
fn act(hop: &RecordedHop, earlier: Option<Value>) -> Value {
    let mut act = identity_claims(&hop.identity);
    act.extend(hop.kind.as_ref().map(|kind| ("sub_profile".to_owned(), kind.as_str().into())));
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
    use crate::{ArgumentError, Claim, HeaderError};

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
    fn an_argument_that_servers_read_in_different_ways_is_not_absent() {
        let arguments = json!({
            "Amount": 1, "env": "staging", "payload": r#"{"env":"production"}"#, "o": { "__proto__": {} }, "\u{212a}ey": 1,
        });
        let request = Request::builder().tool("deploy", arguments).build();
        for pointer in ["/amount", "/ENV", "/payload/env", "/env/x", "/o/x", "/key", "/o/__proto__"] {
            assert_eq!(request.argument(pointer), Err(ArgumentError::Ambiguous), "{pointer}");
        }
        for pointer in ["", "env", "/~", "/a~2b", "#/env"] {
            assert_eq!(request.argument(pointer), Err(ArgumentError::NotAPointer), "{pointer}");
        }
        assert_eq!(Request::builder().build().argument("/env"), Err(ArgumentError::NoAction));
    }

    #[test]
    fn an_argument_is_read_by_pointer() {
        let arguments = json!({ "amount": 7, "list": [null, { "a/b": 1.5 }], "none": null });
        let request = Request::builder().tool("pay", arguments).build();
        assert_eq!(request.argument("/amount"), Ok(Some(Claim::Integer(7))));
        assert_eq!(request.argument("/list"), Ok(Some(Claim::Array(2))));
        assert_eq!(request.argument("/list/0"), Ok(Some(Claim::Null)));
        assert_eq!(request.argument("/list/1/a~1b"), Ok(Some(Claim::Float(1.5))));
        for absent in ["/absent", "/list/2", "/list/01", "/list/-", "/none/x", "/list/0/x"] {
            assert_eq!(request.argument(absent), Ok(None), "{absent}");
        }
        assert_eq!(request.arguments(), r#"{"amount":7,"list":[null,{"a/b":1.5}],"none":null}"#);
        assert_eq!(Request::builder().build().arguments(), "{}");
    }

    #[test]
    fn a_call_of_a_tool_is_an_action() {
        let request = Request::builder().tool("pay", json!({})).build();
        assert_eq!(request.method(), "POST");
        let action = request.action().unwrap();
        assert_eq!((action.tool(), action.method.as_str()), (Some("pay"), "tools/call"));
        let other = |protocol: &str, kind: &str, method: &str| {
            let [protocol, kind, method] = [protocol, kind, method].map(str::to_owned);
            Action { protocol, kind, name: "pay".to_owned(), method }.tool().is_some()
        };
        assert!(!other("a2a", "tool", "tools/call") && !other("mcp", "prompt", "prompts/get"));
        assert_eq!(Request::builder().build().action(), None);
    }

    #[test]
    fn all_headers_but_the_hidden_ones_are_named_and_have_all_their_values() {
        let request = Request::builder()
            .header("X-Tier", "gold")
            .header("authorization", "secret")
            .header("x-tier", "")
            .header("x-mandate-agent", "forged")
            .header(":path", "/")
            .header("accept", "a, b")
            .header("x-bytes", [0xff])
            .build();
        assert_eq!(request.header_names(), ["accept", "x-bytes", "x-tier"]);
        assert_eq!(request.header_lines("X-TIER").unwrap(), ["gold", ""]);
        assert_eq!(request.header_lines("accept").unwrap(), ["a, b"]);
        for hidden in ["authorization", ":path", "x-mandate-agent", "absent"] {
            assert_eq!(request.header_lines(hidden), Ok(Vec::new()), "{hidden}");
        }
        assert_eq!(request.header_lines("x-bytes"), Err(HeaderError::NotText));
    }

    #[test]
    fn a_hop_says_what_kind_it_is_or_nothing() {
        let request =
            Request::builder().hop_of_kind(IDP, "agent:planner", "ai_agent").hop(IDP, "agent:coder");
        let request = request.build();
        assert_eq!(request.hop_kind(0).as_deref(), Some("ai_agent"));
        assert_eq!((request.hop_kind(1), request.hop_kind(2)), (None, None));
        assert_eq!(request.claim_text("/act/act/sub_profile").as_deref(), Some("ai_agent"));
    }

    #[test]
    fn an_object_of_claims_is_read_as_json() {
        let request = Request::builder().claim("build", json!({ "b": [1, null], "a": "x" })).build();
        assert_eq!(request.claim_json("/build").as_deref(), Some(r#"{"a":"x","b":[1,null]}"#));
        assert_eq!(request.claim_json("/absent"), None);
        let all: Value = serde_json::from_str(&request.claim_json("").unwrap()).unwrap();
        assert_eq!(all["sub"], "user:alice");
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
