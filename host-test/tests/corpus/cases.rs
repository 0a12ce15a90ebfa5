//! The table.

use crate::providers;
use crate::support::{AUDIENCE, ISSUER, claims, key, keys, now, sign, through};
use mandate_host::decide::RequestFile;
use mandate_host::tokens::{
    Algorithm, Claims, Hop, SigningKey, TokenBuilder, forge, jwks, sign_raw, unsigned,
};
use serde_json::{Value, json};

/// One request and what must become of it.
pub struct Case {
    pub name: String,
    pub request: RequestFile,
    pub expected: Expected,
}

pub enum Expected {
    /// Forwarded with this path, and these headers: `None` is one that must not arrive.
    Allow { path: String, headers: Vec<(&'static str, Option<&'static str>)> },
    /// Answered by the gateway.
    Deny { reason: &'static str, challenge: Option<&'static str> },
}

/// Cases under one configuration.
pub struct Group {
    pub config: Value,
    pub cases: Vec<Case>,
}

pub struct Table {
    pub now: u64,
    pub groups: Vec<Group>,
}

impl Table {
    pub fn new() -> Self {
        let now = now();
        Self { now, groups: vec![general(now), strict(now), lenient(now), providers::group(now)] }
    }

    pub fn all(&self) -> impl Iterator<Item = (&Value, &Case)> {
        self.groups.iter().flat_map(|group| group.cases.iter().map(|case| (&group.config, case)))
    }
}

fn get(path: &str) -> RequestFile {
    RequestFile { method: "GET".to_owned(), path: path.to_owned(), ..RequestFile::default() }
}

fn with(path: &str, token: &str) -> RequestFile {
    header(get(path), "authorization", &format!("Bearer {token}"))
}

fn header(mut request: RequestFile, name: &str, value: &str) -> RequestFile {
    request.headers.push((name.to_owned(), value.to_owned()));
    request
}

fn method(mut request: RequestFile, method: &str) -> RequestFile {
    method.clone_into(&mut request.method);
    request
}

fn allow(name: &str, request: RequestFile, headers: &[(&'static str, Option<&'static str>)]) -> Case {
    let path = request.path.clone();
    allow_as(name, request, &path, headers)
}

fn allow_as(
    name: &str,
    request: RequestFile,
    path: &str,
    headers: &[(&'static str, Option<&'static str>)],
) -> Case {
    Case {
        name: name.to_owned(),
        request,
        expected: Expected::Allow { path: path.to_owned(), headers: headers.to_vec() },
    }
}

fn deny(name: &str, reason: &'static str, request: RequestFile) -> Case {
    Case { name: name.to_owned(), request, expected: Expected::Deny { reason, challenge: None } }
}

fn deny_with(name: &str, reason: &'static str, challenge: &'static str, request: RequestFile) -> Case {
    Case { name: name.to_owned(), request, expected: Expected::Deny { reason, challenge: Some(challenge) } }
}

/// All algorithms, a general depth of four, a narrower one on payments.
fn general(now: u64) -> Group {
    let all: Vec<&SigningKey> = keys().values().collect();
    let config = json!({
        "issuers": [{
            "issuer": ISSUER,
            "audiences": [AUDIENCE, "https://also-us.example"],
            "algorithms": Algorithm::ALL.map(Algorithm::name),
            "keys": { "inline": jwks(&all) },
        }],
        "routes": [
            { "match": { "path_prefix": "/healthz", "methods": ["GET"] }, "anonymous": true },
            { "match": { "path_prefix": "/v1/payments", "methods": ["POST"] }, "scopes": ["payments.write", "tickets.read"], "max_depth": 1 },
            { "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] },
        ],
        "audit": { "log": "all" },
    });
    let mut cases = credentials(now);
    cases.extend(tokens(now));
    cases.extend(claim_rules(now));
    cases.extend(delegation(now));
    cases.extend(routes(now));
    Group { config, cases }
}

fn credentials(now: u64) -> Vec<Case> {
    let good = sign(claims(now));
    vec![
        deny_with("no credential", "token_missing", "Bearer scope=\"tickets.read\"", get("/v1/x")),
        deny("another scheme", "token_missing", header(get("/v1/x"), "authorization", "Basic dTpw")),
        deny("a token in the query", "token_missing", get(&format!("/v1/x?access_token={good}"))),
        deny_with(
            "two credentials",
            "credential_ambiguous",
            "Bearer error=\"invalid_request\"",
            header(with("/v1/x", &good), "authorization", &format!("Bearer {good}")),
        ),
        deny(
            "two in one line",
            "credential_ambiguous",
            header(get("/v1/x"), "authorization", &format!("Bearer {good}, Bearer {good}")),
        ),
        deny("a scheme without a token", "token_malformed", header(get("/v1/x"), "authorization", "Bearer ")),
        deny("no token at all", "token_malformed", with("/v1/x", "x")),
        deny("four parts", "token_malformed", with("/v1/x", &format!("{good}.x"))),
        deny("too long", "token_too_large", with("/v1/x", &format!("{good}{}", "A".repeat(8192)))),
        deny(
            "a scheme whose proof is not checked",
            "proof_unsupported",
            header(get("/v1/x"), "authorization", &format!("DPoP {good}")),
        ),
        deny("a stricter route but for case", "path_invalid", method(with("/v1/Payments", &good), "POST")),
        allow_as("an encoded character that may stand plain", with("/v1/a%3ab", &good), "/v1/a:b", &[]),
        allow(
            "another mount point",
            header(header(with("/v1/x", &good), "script_name", "/v1"), "x-forwarded-prefix", "/v1"),
            &[("script_name", None), ("x-forwarded-prefix", None)],
        ),
        allow(
            "the scheme in lower case",
            header(get("/v1/x"), "authorization", &format!("bearer {good}")),
            &[("authorization", None)],
        ),
        allow(
            "an anonymous route",
            get("/healthz"),
            &[("x-mandate-principal", None), ("x-mandate-chain", None)],
        ),
        allow("an anonymous route with a bad token", with("/healthz", "x"), &[("authorization", None)]),
        deny("an anonymous route with another method", "route_unmatched", method(get("/healthz"), "POST")),
    ]
}

fn tokens(now: u64) -> Vec<Case> {
    let good = sign(claims(now));
    let es256 = key(Algorithm::Es256);
    let payload = claims(now).to_json().to_string();
    let raw = |header: Value| sign_raw(es256, &header, payload.as_bytes()).unwrap();
    let other = SigningKey::generate(Algorithm::Es256, "ES256").unwrap();
    let stranger = SigningKey::generate(Algorithm::Es256, "nobody").unwrap();
    let mut cases = vec![
        deny(
            "alg none",
            "algorithm_not_allowed",
            with("/v1/x", &unsigned(&json!({ "alg": "none", "typ": "at+jwt" }), payload.as_bytes())),
        ),
        deny(
            "alg HS256",
            "algorithm_not_allowed",
            with("/v1/x", &raw(json!({ "alg": "HS256", "typ": "at+jwt", "kid": "ES256" }))),
        ),
        deny(
            "alg in other case",
            "algorithm_not_allowed",
            with("/v1/x", &raw(json!({ "alg": "es256", "typ": "at+jwt", "kid": "ES256" }))),
        ),
        deny("no alg", "token_malformed", with("/v1/x", &raw(json!({ "typ": "at+jwt", "kid": "ES256" })))),
        deny(
            "a critical extension",
            "token_malformed",
            with(
                "/v1/x",
                &raw(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ES256", "crit": ["exp"], "exp": 1 })),
            ),
        ),
        deny(
            "typ JWT",
            "token_type",
            with("/v1/x", &raw(json!({ "alg": "ES256", "typ": "JWT", "kid": "ES256" }))),
        ),
        deny("no typ", "token_type", with("/v1/x", &raw(json!({ "alg": "ES256", "kid": "ES256" })))),
        deny(
            "an unknown key",
            "key_unknown",
            with("/v1/x", &TokenBuilder::new(claims(now)).sign(&stranger).unwrap()),
        ),
        deny(
            "a key of another algorithm",
            "key_unknown",
            with("/v1/x", &raw(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "RS256" }))),
        ),
        deny_with(
            "a flipped bit",
            "signature_invalid",
            "Bearer error=\"invalid_token\", scope=\"tickets.read\"",
            with("/v1/x", &forge(&good).unwrap()),
        ),
        deny(
            "somebody else's key",
            "signature_invalid",
            with("/v1/x", &TokenBuilder::new(claims(now)).sign(&other).unwrap()),
        ),
        deny(
            "no signature",
            "signature_invalid",
            with("/v1/x", &format!("{}.", good.rsplit_once('.').unwrap().0)),
        ),
        deny(
            "another issuer",
            "issuer_unknown",
            with("/v1/x", &sign(claims(now).issuer("https://idp.example/"))),
        ),
        deny(
            "a member twice",
            "token_malformed",
            with("/v1/x", &{
                let twice = payload.replacen('{', "{\"sub\":\"user:root\",", 1);
                sign_raw(es256, &json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ES256" }), twice.as_bytes())
                    .unwrap()
            }),
        ),
        deny(
            "more values than a token may have",
            "token_malformed",
            with("/v1/x", &sign(claims(now).claim("many", vec![0; 1100]))),
        ),
        deny(
            "claims that are no object",
            "token_malformed",
            with(
                "/v1/x",
                &sign_raw(es256, &json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ES256" }), b"[]").unwrap(),
            ),
        ),
        allow(
            "typ application/at+jwt",
            with("/v1/x", &raw(json!({ "alg": "ES256", "typ": "application/AT+JWT", "kid": "ES256" }))),
            &[],
        ),
        allow(
            "no kid, one key that fits",
            with("/v1/x", &raw(json!({ "alg": "ES256", "typ": "at+jwt" }))),
            &[],
        ),
    ];
    for (algorithm, key) in keys() {
        let token = TokenBuilder::new(claims(now)).sign(key).unwrap();
        cases.push(deny(
            &format!("{algorithm} forged"),
            "signature_invalid",
            with("/v1/x", &forge(&token).unwrap()),
        ));
        cases.push(allow(
            &algorithm.to_string(),
            with("/v1/x", &token),
            &[("x-mandate-principal", Some("user:alice"))],
        ));
    }
    cases
}

fn claim_rules(now: u64) -> Vec<Case> {
    let at = |offset: i64| i64::try_from(now).unwrap() + offset;
    let case = |name: &str, reason, claims: Claims| deny(name, reason, with("/v1/x", &sign(claims)));
    let mut cases = vec![
        case("expired", "token_expired", claims(now).valid_from(at(-3000), 300)),
        case("not yet valid", "token_not_yet_valid", claims(now).not_before(at(200))),
        case("issued in the future", "token_not_yet_valid", claims(now).valid_from(at(200), 300)),
        case("a lifetime too long", "lifetime_too_long", claims(now).valid_from(at(0), 3601)),
        case("another audience", "audience_mismatch", claims(now).audience("https://other.example")),
        case(
            "no audience of ours",
            "audience_mismatch",
            claims(now).audiences(&["https://a.example", "https://b.example"]),
        ),
        case("an audience that is a number", "claim_invalid", claims(now).claim("aud", 7)),
        case("expiry that is text", "claim_invalid", claims(now).claim("exp", at(300).to_string())),
        case("expiry before issue", "claim_invalid", claims(now).claim("exp", at(-1))),
        case("a subject that is empty", "claim_invalid", claims(now).subject("")),
        case("a subject with a line break", "claim_invalid", claims(now).subject("user:alice\r\nx-admin: 1")),
        case("a scope that is a list", "claim_invalid", claims(now).claim("scope", json!(["tickets.read"]))),
        case(
            "bound to a key that nobody proves",
            "claim_invalid",
            claims(now).claim("cnf", json!({ "jkt": "x" })),
        ),
        deny_with(
            "a scope is missing",
            "scope_insufficient",
            "Bearer error=\"insufficient_scope\", scope=\"tickets.read\"",
            with("/v1/x", &sign(claims(now).scope("tickets.write tickets.reader"))),
        ),
        allow(
            "one audience of several",
            with("/v1/x", &sign(claims(now).audiences(&["https://a.example", "https://also-us.example"]))),
            &[],
        ),
        allow(
            "fractions of seconds",
            with("/v1/x", &sign(claims(now).claim("exp", json!(now as f64 + 200.5)))),
            &[],
        ),
        allow("within the clock's skew", with("/v1/x", &sign(claims(now).not_before(at(10)))), &[]),
        allow("one scope of several", with("/v1/x", &sign(claims(now).scope("a tickets.read b"))), &[]),
    ];
    for claim in ["iss", "sub", "aud", "exp", "iat", "client_id", "jti"] {
        cases.push(case(&format!("without {claim}"), "claim_missing", claims(now).without(claim)));
    }
    cases
}

fn delegation(now: u64) -> Vec<Case> {
    let case = |name: &str, reason, claims: Claims| deny(name, reason, with("/v1/x", &sign(claims)));
    let agents = ["agent:1", "agent:2", "agent:3", "agent:4", "agent:5"];
    vec![
        deny_with(
            "five hops of four",
            "delegation_too_deep",
            "Bearer error=\"actor_unauthorized\"",
            with("/v1/x", &sign(through(now, &agents))),
        ),
        case("act that is text", "delegation_malformed", claims(now).claim("act", "agent")),
        case("act without sub", "delegation_malformed", claims(now).claim("act", json!({ "iss": ISSUER }))),
        case(
            "an inner act without sub",
            "delegation_malformed",
            claims(now).claim("act", json!({ "sub": "a", "act": {} })),
        ),
        case(
            "an actor of another issuer",
            "actor_untrusted",
            claims(now).delegation([Hop::new("https://elsewhere.example", "agent")]),
        ),
        case(
            "an inner actor of another issuer",
            "actor_untrusted",
            claims(now).delegation([Hop::new("https://elsewhere.example", "agent"), Hop::bare("ours")]),
        ),
        case("a cycle", "delegation_cycle", through(now, &["agent:1", "agent:2", "agent:1"])),
        case("the principal among its agents", "delegation_cycle", through(now, &["agent:1", "user:alice"])),
        allow(
            "the principal as its only agent is no delegation",
            with("/v1/x", &sign(through(now, &["user:alice"]))),
            &[("x-mandate-depth", Some("0")), ("x-mandate-agent", None)],
        ),
        allow(
            "depth 0",
            with("/v1/x", &sign(claims(now))),
            &[
                ("x-mandate-depth", Some("0")),
                ("x-mandate-agent", None),
                ("x-mandate-chain", Some("\"user:alice\";iss=\"https://idp.example\"")),
            ],
        ),
        allow(
            "depth 1",
            with("/v1/x", &sign(through(now, &agents[..1]))),
            &[("x-mandate-depth", Some("1")), ("x-mandate-agent", Some("agent:1"))],
        ),
        allow(
            "depth 4",
            with("/v1/x", &sign(through(now, &agents[..4]))),
            &[
                ("x-mandate-depth", Some("4")),
                ("x-mandate-agent", Some("agent:4")),
                ("x-mandate-principal", Some("user:alice")),
            ],
        ),
        allow(
            "a hop without iss",
            with("/v1/x", &sign(claims(now).delegation([Hop::bare("agent:1")]))),
            &[(
                "x-mandate-chain",
                Some("\"user:alice\";iss=\"https://idp.example\", \"agent:1\";iss=\"https://idp.example\""),
            )],
        ),
        allow(
            "the current actor is the outermost",
            with(
                "/v1/x",
                &sign(claims(now).claim("act", json!({ "sub": "outer", "act": { "sub": "inner" } }))),
            ),
            &[("x-mandate-agent", Some("outer"))],
        ),
        allow(
            "claims inside act mean nothing",
            with("/v1/x", &sign(claims(now).claim("act", json!({ "sub": "a", "exp": 1, "aud": 7 })))),
            &[],
        ),
        allow(
            "names beyond ASCII",
            with("/v1/x", &sign(claims(now).subject("Zoë 100%"))),
            &[
                ("x-mandate-principal", Some("Zo%C3%AB%20100%25")),
                ("x-mandate-chain", Some("%\"Zo%c3%ab 100%25\";iss=\"https://idp.example\"")),
            ],
        ),
    ]
}

fn routes(now: u64) -> Vec<Case> {
    let good = sign(claims(now));
    let payer = sign(through(now, &["agent:1"]).scope("tickets.read payments.write"));
    let far = sign(through(now, &["agent:1", "agent:2"]).scope("tickets.read payments.write"));
    let spoofing = header(with("/v1/x", &good), "x-mandate-principal", "user:root");
    let spoofing =
        header(header(spoofing, "X-Mandate-Ext-Role", "admin"), "x_mandate_chain", "\"user:root\"");
    let spoofing = header(header(spoofing, "x.mandate.agent", "root"), "X-HTTP-Method-Override", "DELETE");
    vec![
        deny("no route", "route_unmatched", with("/v2/x", &good)),
        deny("a prefix is whole segments", "route_unmatched", with("/v10/x", &good)),
        deny("prefixes are case-sensitive", "route_unmatched", with("/V1/x", &good)),
        deny("the route's own depth", "delegation_too_deep", method(with("/v1/payments/7", &far), "POST")),
        deny("every scope of the route", "scope_insufficient", method(with("/v1/payments", &good), "POST")),
        deny("dots cannot reach another route's path", "route_unmatched", with("/v1/../admin", &good)),
        deny("nor encoded dots", "route_unmatched", with("/v1/%2e%2e/admin", &good)),
        deny("an encoded slash", "path_invalid", with("/v1/..%2Fadmin", &good)),
        deny("a backslash", "path_invalid", with("/v1/%5c..%5cadmin", &good)),
        deny("a path parameter", "path_invalid", with("/v1/payments;x=1", &good)),
        deny("above the root", "path_invalid", with("/../../etc", &good)),
        deny("a broken escape", "path_invalid", with("/v1/%zz", &good)),
        allow(
            "the narrow route",
            method(with("/v1/payments/7", &payer), "POST"),
            &[("x-mandate-depth", Some("1"))],
        ),
        allow(
            "another method takes the next route",
            with("/v1/payments/7", &far),
            &[("x-mandate-depth", Some("2"))],
        ),
        allow("a query is carried along", with("/v1/x?a=/../b&c=%2F", &good), &[]),
        allow_as(
            "what was authorised is what is sent",
            with("/v1//a/./b/../%7Ec?q", &good),
            "/v1/a/~c?q",
            &[],
        ),
        allow(
            "what a client says of itself is removed",
            spoofing,
            &[
                ("x-mandate-principal", Some("user:alice")),
                ("x-mandate-ext-role", None),
                ("x.mandate.agent", None),
                ("x-http-method-override", None),
                ("x_mandate_chain", None),
                ("x.mandate.agent", None),
                ("x-http-method-override", None),
                ("authorization", None),
            ],
        ),
    ]
}

/// Delegation required, actors named, cycles allowed, and metadata for clients.
fn strict(now: u64) -> Group {
    let config = json!({
        "issuers": [{
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "algorithms": ["ES256"],
            "keys": { "inline": jwks(&[key(Algorithm::Es256)]) },
            "clock_skew_s": 0,
            "max_lifetime_s": 60,
        }],
        "delegation": {
            "max_depth": 2,
            "required": true,
            "actor_issuers": ["https://agents.example"],
            "allow_cycles": true,
        },
        "routes": [{ "match": { "path_prefix": "/" } }],
        "resource_metadata": "https://tools.example/.well-known/oauth-protected-resource",
    });
    let short = |claims: Claims| claims.valid_from(i64::try_from(now).unwrap() - 1, 60);
    let agent = |name: &str| Hop::new("https://agents.example", name);
    let cases = vec![
        deny_with(
            "no credential, with metadata",
            "token_missing",
            "Bearer resource_metadata=\"https://tools.example/.well-known/oauth-protected-resource\"",
            get("/"),
        ),
        deny("a token without act", "delegation_required", with("/", &sign(short(claims(now))))),
        deny("a lifetime too long for this issuer", "lifetime_too_long", with("/", &sign(claims(now)))),
        deny(
            "a hop of the token's issuer is none of the named",
            "actor_untrusted",
            with("/", &sign(short(claims(now)).delegation([Hop::bare("a")]))),
        ),
        deny(
            "three hops of two",
            "delegation_too_deep",
            with("/", &sign(short(claims(now)).delegation([agent("a"), agent("b"), agent("c")]))),
        ),
        allow(
            "a cycle where cycles are allowed",
            with("/", &sign(short(claims(now)).delegation([agent("a"), agent("a")]))),
            &[("x-mandate-depth", Some("2"))],
        ),
    ];
    Group { config, cases }
}

/// Two issuers, plain JWTs, and everything forwarded as it came.
fn lenient(now: u64) -> Group {
    let config = json!({
        "issuers": [
            {
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "algorithms": ["ES256"],
                "token_types": ["JWT"],
                "keys": { "inline": jwks(&[key(Algorithm::Es256)]) },
            },
            {
                "issuer": "https://other-idp.example",
                "audiences": [AUDIENCE],
                "algorithms": ["EdDSA"],
                "keys": { "inline": jwks(&[key(Algorithm::EdDsa)]) },
            },
        ],
        "routes": [{ "match": { "path_prefix": "/" } }],
        "upstream": { "forward_token": true, "identity_headers": false },
    });
    let jwt =
        |claims: Claims| TokenBuilder::new(claims).typ(Some("JWT")).sign(key(Algorithm::Es256)).unwrap();
    let foreign = |claims: Claims| TokenBuilder::new(claims).sign(key(Algorithm::EdDsa)).unwrap();
    let other = |claims: Claims| claims.issuer("https://other-idp.example");
    let cases = vec![
        deny("an access token where only JWTs are accepted", "token_type", with("/", &sign(claims(now)))),
        deny(
            "one issuer's key under the other's name",
            "algorithm_not_allowed",
            with("/", &{
                TokenBuilder::new(claims(now)).typ(Some("JWT")).sign(key(Algorithm::EdDsa)).unwrap()
            }),
        ),
        deny(
            "the other way round",
            "key_unknown",
            with("/", &{
                let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "ES256" });
                sign_raw(key(Algorithm::Es256), &header, other(claims(now)).to_json().to_string().as_bytes())
                    .unwrap()
            }),
        ),
        allow(
            "a JWT needs no client_id and no jti",
            with("/", &jwt(claims(now).without("client_id").without("jti"))),
            &[("x-mandate-principal", None), ("x-mandate-decision", None)],
        ),
        allow("the other issuer", with("/", &foreign(other(claims(now)))), &[("x-mandate-chain", None)]),
        allow(
            "spoofing is removed even where nothing is added",
            header(with("/", &jwt(claims(now))), "x-mandate-agent", "root"),
            &[("x-mandate-agent", None)],
        ),
    ];
    Group { config, cases }
}
