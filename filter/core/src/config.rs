//! The plugin configuration: one strict JSON document in, typed values or every problem out.
//!
//! The types are the grammar; `schema` (feature `schema`) prints them as a JSON schema, and `docs/configuration.md` is
//! generated from that: the comments of the types and members below are what operators read. Absent members take the
//! default named at each field, and no default widens access. [`Config::parse`] reads the document with a small
//! reader of its own rather than with serde's derive, because it lists all problems and not only the first.

mod checks;
mod defaults;
mod lint;
mod parse;
mod problem;
mod reader;
#[cfg(feature = "schema")]
mod schema;
mod suggest;

pub use problem::Problem;
#[cfg(feature = "schema")]
pub use schema::schema;
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::http::{HostPattern, PathPrefix};
use crate::limits;

/// The whole document: one JSON object.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Config {
    /// Token issuers that are accepted. A token of any other issuer is denied (`issuer_unknown`). No two entries may have
    /// the same `issuer`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::ISSUERS)))]
    pub issuers: Vec<Issuer>,
    /// Limits on the delegation chain of every token: its length, and whose agents may be in it.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub delegation: Delegation,
    /// Rules for requests, selected by host, path and method. The first route that matches a request, in the order of
    /// this list, applies to it. A request that matches no route is denied (`route_unmatched`).
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::ROUTES)))]
    pub routes: Vec<Route>,
    /// How CORS preflight requests are treated. A preflight request is `OPTIONS` with the headers `origin` and
    /// `access-control-request-method` and without a credential; browsers send it before a request to another origin
    /// (Fetch Standard, section 3.3.2).
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "deny")))]
    pub preflight: Preflight,
    /// Policies that routes may name. Each entry is one use of a policy that is linked into the module. The plain filter
    /// contains no policies, so it accepts no entries.
    #[cfg_attr(feature = "schema", schemars(default, length(max = limits::POLICIES), extend("default" = [])))]
    pub policies: Vec<PolicyEntry>,
    /// What an allowed request looks like when it is sent to the upstream.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub upstream: Upstream,
    /// Which decisions are written to the audit log.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub audit: Audit,
    /// URL of the protected resource metadata (RFC 9728), an `https` URL without fragment. It is sent as
    /// `resource_metadata` in every `WWW-Authenticate` challenge. If absent, challenges do not contain it.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = limits::URL_BYTES),
            regex(pattern = schema::HTTPS_URL),
            extend("examples" = ["https://tools.example/.well-known/oauth-protected-resource"])
        )
    )]
    pub resource_metadata: Option<String>,
}

/// A token issuer, and the checks that its tokens must pass.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Issuer {
    /// Issuer identifier. It must equal the token's `iss` claim byte for byte: a trailing slash makes a difference.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Identity", extend("examples" = ["https://idp.example"]))
    )]
    pub issuer: String,
    /// Accepted audiences. The token's `aud` claim (a string or an array) must contain at least one of them, byte for byte.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::Identity, 1, { limits::AUDIENCES }>",
            extend("examples" = [["https://tools.example"]])
        )
    )]
    pub audiences: Vec<String>,
    /// Accepted signature algorithms (`alg` of the token header). `none` and HMAC algorithms are not supported. `Ed25519`
    /// (RFC 9864) and `EdDSA` name the same algorithm, and either is accepted where one of them is listed.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<Algorithm, 1, { limits::SMALL_LIST }>",
            extend("examples" = [["EdDSA", "ES256"]])
        )
    )]
    pub algorithms: Vec<Algorithm>,
    /// Accepted values of `typ` in the token header, compared case-insensitively; a leading `application/` is ignored. A
    /// token without `typ` is denied. A token of type `at+jwt` must have every claim that RFC 9068 requires. `JWT` is
    /// accepted only if listed, and then also admits ID tokens of this issuer.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::MediaType, 1, { limits::SMALL_LIST }>",
            default = "defaults::token_types",
            extend("examples" = [["at+jwt", "JWT"]])
        )
    )]
    pub token_types: Vec<String>,
    /// Source of the issuer's public keys.
    pub keys: KeySource,
    /// Tolerated difference between the issuer's clock and the proxy's, in seconds. A token is accepted until
    /// `exp` + `clock_skew_s`, and from `nbf` - `clock_skew_s` and `iat` - `clock_skew_s` on.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::clock_skew_s",
            range(min = 0, max = limits::MAX_CLOCK_SKEW_S),
            extend("examples" = [10])
        )
    )]
    pub clock_skew_s: u64,
    /// Maximum lifetime of a token (`exp` - `iat`), in seconds. A token with a longer one is denied (`lifetime_too_long`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::max_lifetime_s",
            range(min = 1, max = limits::MAX_MAX_LIFETIME_S),
            extend("examples" = [900])
        )
    )]
    pub max_lifetime_s: u64,
}

/// Source of an issuer's public keys: exactly one of `inline` and `remote`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum KeySource {
    /// JWK set (RFC 7517 §5) in the configuration itself. Public keys only: a private or symmetric key is refused.
    Inline(#[cfg_attr(feature = "schema", schemars(with = "schema::JwkSet"))] Value),
    /// JWK set that each worker fetches through a cluster of the proxy, and fetches again before it is `refresh_s` old.
    Remote(RemoteKeys),
}

/// A JWK set that is fetched over HTTP. Each worker fetches for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct RemoteKeys {
    /// Name of the proxy's cluster through which the JWK set is fetched. The cluster decides where the request is sent
    /// and whether TLS is used.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::ClusterName", extend("examples" = ["outbound|443||idp.example"]))
    )]
    pub cluster: String,
    /// URL of the JWK set, `http` or `https`, with a path and without fragment. Its host becomes `:authority` of the
    /// request, its path and query become `:path`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = limits::URL_BYTES),
            regex(pattern = schema::HTTP_URL),
            extend("examples" = ["https://idp.example/jwks.json"])
        )
    )]
    pub uri: String,
    /// Timeout of one fetch, in milliseconds.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::timeout_ms",
            range(min = *limits::KEYS_TIMEOUT_MS.start(), max = *limits::KEYS_TIMEOUT_MS.end()),
            extend("examples" = [2000])
        )
    )]
    pub timeout_ms: u64,
    /// Maximum time from one successful fetch to the next, in seconds. The next fetch starts at a random moment in the
    /// last fifth of this time.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::refresh_s",
            range(min = *limits::KEYS_REFRESH_S.start(), max = *limits::KEYS_REFRESH_S.end()),
            extend("examples" = [600])
        )
    )]
    pub refresh_s: u64,
    /// Maximum age of the last fetched set while fetches fail, in seconds; at least `refresh_s`. Older keys are not used,
    /// and the issuer's tokens are denied (`keys_unavailable`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::stale_s",
            range(min = *limits::KEYS_STALE_S.start(), max = *limits::KEYS_STALE_S.end()),
            extend("examples" = [7200])
        )
    )]
    pub stale_s: u64,
}

impl RemoteKeys {
    /// The authority of `uri`, for the `:authority` pseudo header.
    #[must_use]
    pub fn authority(&self) -> &str {
        checks::split_url(&self.uri).map_or("", |url| url.authority)
    }

    /// Path and query of `uri`, for the `:path` pseudo header.
    #[must_use]
    pub fn path(&self) -> &str {
        checks::split_url(&self.uri).map_or("", |url| url.path)
    }

    /// The scheme of `uri`, `http` or `https`, for the `:scheme` pseudo header.
    #[must_use]
    pub fn scheme(&self) -> &str {
        checks::split_url(&self.uri).map_or("", |url| url.scheme)
    }
}

/// Limits on the delegation chain, which is the principal (`sub`) and then one hop for each `act` object (RFC 8693 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Delegation {
    /// Maximum number of hops. A token without `act` has 0 hops, `{"act": {"sub": "a"}}` has 1. A longer chain is denied
    /// (`delegation_too_deep`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::max_depth",
            range(min = 0, max = limits::MAX_MAX_DEPTH),
            extend("examples" = [2])
        )
    )]
    pub max_depth: u8,
    /// `true`: a token without `act` is denied (`delegation_required`).
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub required: bool,
    /// Accepted issuers of the hops (`act.iss`). A hop without `iss` has the issuer of the token. A hop of another issuer
    /// is denied (`actor_untrusted`). If absent, only the issuer of the token is accepted.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::Identity, 1, { limits::SMALL_LIST }>>",
            extend("examples" = [["https://idp.example", "https://agents.example"]])
        )
    )]
    pub actor_issuers: Option<Vec<String>>,
    /// `true`: the same identity (issuer and subject) may be in a chain more than once. `false`: such a chain is denied
    /// (`delegation_cycle`). The principal counts as a member of the chain.
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub allow_cycles: bool,
}

impl Default for Delegation {
    fn default() -> Self {
        Self {
            max_depth: limits::DEFAULT_MAX_DEPTH,
            required: false,
            actor_issuers: None,
            allow_cycles: false,
        }
    }
}

/// A route: which requests it matches, and what they need.
///
/// A route without `anonymous` needs a valid token even if it lists neither scopes nor policies. A preflight request that
/// is let through (see `preflight`) is the only exception.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Route {
    /// Conditions that a request must meet, all of them.
    #[cfg_attr(feature = "schema", schemars(rename = "match"))]
    pub matcher: RouteMatch,
    /// `true`: requests are allowed without a token, and a token that is sent is neither checked nor forwarded. Cannot be
    /// combined with `scopes`, `max_depth` and `policies`.
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub anonymous: bool,
    /// Required scopes. The token's `scope` claim must contain every one of them, byte for byte; otherwise the request is
    /// denied (`scope_insufficient`).
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::Scope, 0, { limits::SCOPES }>",
            default,
            extend("examples" = [["tickets.read"]])
        )
    )]
    pub scopes: Vec<String>,
    /// Maximum number of hops on this route; not more than `delegation.max_depth`. If absent, `delegation.max_depth`
    /// applies.
    #[cfg_attr(
        feature = "schema",
        schemars(range(min = 0, max = limits::MAX_MAX_DEPTH), extend("examples" = [1]))
    )]
    pub max_depth: Option<u8>,
    /// Names of entries of the top-level `policies` that are asked, in this order, after every other check passed. The
    /// first entry in mode `enforce` that denies or fails ends the evaluation and denies the request.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::PolicyName, 0, { limits::POLICIES }>",
            default,
            extend("examples" = [["ticket-guard"]])
        )
    )]
    pub policies: Vec<String>,
}

/// Conditions on a request. All that are present must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct RouteMatch {
    /// Host names, compared case-insensitively and without port. `*.tools.example` matches every host below
    /// `tools.example`, at any number of labels, and not `tools.example` itself. If absent, every host matches. If any route of the
    /// configuration has `hosts`, a request without a usable host is denied, and the headers `x-forwarded-host` and
    /// `forwarded` are removed from every request.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::HostName, 1, { limits::SMALL_LIST }>>",
            extend("examples" = [["tools.example", "*.tools.example"]])
        )
    )]
    pub hosts: Option<Vec<HostPattern>>,
    /// Path prefix in normal form. It is compared with the normalised path of the request by whole segments and
    /// case-sensitively: `/v1/tickets` matches `/v1/tickets` and `/v1/tickets/7`, and not `/v1/ticketing`. A trailing slash
    /// has no meaning. `/` matches every path.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Prefix", extend("examples" = ["/v1/tickets"]))
    )]
    pub path_prefix: PathPrefix,
    /// HTTP methods, in upper case. `GET` also matches `HEAD`, because servers answer both with the same handler. If
    /// absent, every method matches.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<schema::Set<schema::Method, 1, { limits::SMALL_LIST }>>",
            extend("examples" = [["GET", "POST"]])
        )
    )]
    pub methods: Option<Vec<String>>,
}

/// One use of a policy that is linked into the module. Several entries may use the same policy with different settings.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct PolicyEntry {
    /// Name of this entry: lower-case letters, digits and hyphens. Routes, metrics and audit records use it. No two entries
    /// may have the same name.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::PolicyName", extend("examples" = ["ticket-guard"]))
    )]
    pub name: String,
    /// Name of the policy in the bundle, as `mandate policy inspect` prints it. If absent, the value of `name` is used.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::PolicyName>", extend("examples" = ["tool-allow-list"]))
    )]
    pub policy: String,
    /// SHA-256 digest of the policy's component: 64 hexadecimal digits in lower case. If the policy in the
    /// bundle has another digest, the configuration is refused. If absent, the digest is not compared.
    #[cfg_attr(
        feature = "schema",
        schemars(
            regex(pattern = "^[0-9a-f]{64}$"),
            extend("examples" = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
        )
    )]
    pub sha256: Option<String>,
    /// Settings of the policy, an object that only the policy interprets. If the policy reports a problem with them, the
    /// whole configuration is refused, and the message names the JSON pointer.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Settings",
            default,
            extend("default" = {}),
            extend("examples" = [{ "prefix": "/v1/tools/" }])
        )
    )]
    pub settings: Value,
    /// Whether the verdict of this entry affects the decision.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "enforce")))]
    pub mode: Mode,
    /// Limits of one call of the policy. A call that exceeds one of them is a fault: the request is denied
    /// (`policy_fault`).
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub limits: PolicyLimits,
}

/// Whether a policy's verdict affects the decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Mode {
    /// A denial or a fault of the policy denies the request.
    #[default]
    Enforce,
    /// The policy is asked, and its verdict is counted and recorded, but never affects the decision.
    Shadow,
}

/// Limits of one call of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct PolicyLimits {
    /// Fuel: the bound on computation. On entering a function, and at each iteration of a loop, about one unit is taken for
    /// each instruction of it; a call of a host function takes 100 units, and each string that it returns 50 more.
    /// `mandate policy test` prints what a call used.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::fuel",
            range(min = *limits::POLICY_FUEL.start(), max = *limits::POLICY_FUEL.end()),
            extend("examples" = [200_000])
        )
    )]
    pub fuel: u64,
    /// Maximum linear memory of the policy, in bytes.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::memory_bytes",
            range(min = *limits::POLICY_MEMORY_BYTES.start(), max = *limits::POLICY_MEMORY_BYTES.end()),
            extend("examples" = [2_097_152])
        )
    )]
    pub memory_bytes: u64,
    /// Maximum size of a verdict, in bytes: the sum of its strings, and 16 bytes for each obligation.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::output_bytes",
            range(min = *limits::POLICY_OUTPUT_BYTES.start(), max = *limits::POLICY_OUTPUT_BYTES.end()),
            extend("examples" = [1024])
        )
    )]
    pub output_bytes: u64,
}

impl Default for PolicyLimits {
    fn default() -> Self {
        Self {
            fuel: limits::DEFAULT_POLICY_FUEL,
            memory_bytes: limits::DEFAULT_POLICY_MEMORY_BYTES,
            output_bytes: limits::DEFAULT_POLICY_OUTPUT_BYTES,
        }
    }
}

/// How CORS preflight requests are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Preflight {
    /// A preflight request is treated like every other request: without a token it is denied, except on an anonymous route.
    #[default]
    Deny,
    /// A preflight request is forwarded without a token if a route matches its host, its path and the method in
    /// `access-control-request-method`. `cookie` and `proxy-authorization` are removed from it.
    Pass,
}

/// What is sent to the upstream of an allowed request, and how the upstream interprets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Upstream {
    /// `true`: the `authorization` header is forwarded to the upstream. On an anonymous route it is always removed,
    /// because nothing checked it.
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub forward_token: bool,
    /// `true`: the identity headers (`x-mandate-principal` and others) are added to the request. Headers that policies ask
    /// for (`x-mandate-ext-…`) are added in either case.
    #[cfg_attr(
        feature = "schema",
        schemars(default = "defaults::identity_headers", extend("examples" = [false]))
    )]
    pub identity_headers: bool,
    /// `true`: for the upstream, `/Payments` and `/payments` are different paths. `false`: a request is denied
    /// (`path_invalid`) if its path would match an earlier, stricter route when letter case, and dots at the end of a
    /// segment, are ignored. So `/Payments` does not avoid what the route for `/payments` requires.
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub case_sensitive_paths: bool,
    /// Names of headers, in lower case, that are forwarded although the filter removes them by default (see
    /// `docs/upstream-headers.md`). List only headers that a trusted proxy in front of this one sets or removes. Names that
    /// begin with `x-mandate-` are refused, and so are headers that are not removed by default.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::HeaderName, 0, { limits::SMALL_LIST }>",
            default,
            extend("examples" = [["x-real-ip"]])
        )
    )]
    pub pass_headers: Vec<String>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            forward_token: false,
            identity_headers: true,
            case_sensitive_paths: false,
            pass_headers: Vec::new(),
        }
    }
}

/// The audit log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Audit {
    /// Which decisions are written to the proxy's log as audit records.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "denied")))]
    pub log: AuditLog,
}

/// Which decisions get an audit record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum AuditLog {
    /// Every decision.
    All,
    /// Every denial.
    #[default]
    Denied,
    /// No decision.
    None,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Every problem found, structural and semantic, at most [`limits::PROBLEMS`] of them; the list is never
    /// empty. Text that is not strict JSON (see [`crate::json`]) is one problem.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        parse::parse(bytes)
    }

    /// Whether any route asks for a host.
    #[must_use]
    pub fn matches_hosts(&self) -> bool {
        self.routes.iter().any(|route| route.matcher.hosts.is_some())
    }

    /// Valid settings that are probably mistakes: routes that are never reached, routes that any token or no token opens,
    /// generic token types.
    ///
    /// For people, not for the request path; the time grows with the square of the number of routes.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        lint::warnings(self)
    }
}

/// Whether two `typ` values mean the same media type: without regard to case, and with `application/` prepended
/// to a value that holds no slash (RFC 7515 §4.1.9).
#[must_use]
pub fn same_token_type(left: &str, right: &str) -> bool {
    fn short(value: &str) -> &str {
        match value.split_once('/') {
            Some((top, rest)) if top.eq_ignore_ascii_case("application") && !rest.contains('/') => rest,
            _ => value,
        }
    }
    short(left).eq_ignore_ascii_case(short(right))
}
