//! The plugin configuration: one strict JSON document in, typed values or every problem out.
//!
//! The types are the grammar; `schema` (feature `schema`) prints them as a JSON schema. Absent members take the
//! defaults named at each field, and no default widens access. [`Config::parse`] reads the document with a small
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

/// Configuration of the Mandate filter.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Config {
    /// The issuers whose tokens are accepted; a token of any other issuer is denied.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::ISSUERS)))]
    pub issuers: Vec<Issuer>,
    /// What a chain of actors may look like.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub delegation: Delegation,
    /// What each path needs. The first match wins; a request that matches none is denied.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = limits::ROUTES)))]
    pub routes: Vec<Route>,
    /// What becomes of a CORS preflight request: `OPTIONS` with `origin` and `access-control-request-method`, and without a
    /// credential, as browsers send it before a request of another origin (Fetch Standard, section 3.3.2).
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "deny")))]
    pub preflight: Preflight,
    /// The policies that routes may name.
    #[cfg_attr(feature = "schema", schemars(default, length(max = limits::POLICIES), extend("default" = [])))]
    pub policies: Vec<PolicyEntry>,
    /// What the upstream gets to see of an allowed request.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub upstream: Upstream,
    /// What is recorded.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub audit: Audit,
    /// URL of this resource's metadata (RFC 9728), named in every challenge. Absent: challenges name none.
    #[cfg_attr(feature = "schema", schemars(length(max = limits::URL_BYTES), regex(pattern = schema::HTTPS_URL)))]
    pub resource_metadata: Option<String>,
}

/// One issuer of tokens, and what its tokens must look like.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Issuer {
    /// Must equal the token's `iss`, byte for byte.
    #[cfg_attr(feature = "schema", schemars(with = "schema::Identity"))]
    pub issuer: String,
    /// The token's `aud` must hold one of these.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Set<schema::Identity, 1, { limits::AUDIENCES }>")
    )]
    pub audiences: Vec<String>,
    /// The signature algorithms that are accepted. There is no default.
    #[cfg_attr(feature = "schema", schemars(with = "schema::Set<Algorithm, 1, { limits::SMALL_LIST }>"))]
    pub algorithms: Vec<Algorithm>,
    /// The `typ` values that are accepted, compared without regard to case and to a leading `application/`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::MediaType, 1, { limits::SMALL_LIST }>",
            default = "defaults::token_types"
        )
    )]
    pub token_types: Vec<String>,
    /// Where the issuer's keys come from.
    pub keys: KeySource,
    /// How far the issuer's clock may be off, in seconds.
    #[cfg_attr(
        feature = "schema",
        schemars(default = "defaults::clock_skew_s", range(min = 0, max = limits::MAX_CLOCK_SKEW_S))
    )]
    pub clock_skew_s: u64,
    /// The longest lifetime of a token, `exp` less `iat`, in seconds.
    #[cfg_attr(
        feature = "schema",
        schemars(default = "defaults::max_lifetime_s", range(min = 1, max = limits::MAX_MAX_LIFETIME_S))
    )]
    pub max_lifetime_s: u64,
}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum KeySource {
    /// A JWK set (RFC 7517 §5), written out.
    Inline(#[cfg_attr(feature = "schema", schemars(with = "schema::JwkSet"))] Value),
    /// A JWK set, fetched through one of the proxy's clusters.
    Remote(RemoteKeys),
}

/// A JWK set that is fetched, and fetched again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct RemoteKeys {
    /// The proxy's cluster that leads to the issuer.
    #[cfg_attr(feature = "schema", schemars(with = "schema::ClusterName"))]
    pub cluster: String,
    /// The URL of the JWK set; host and path go into the request, the cluster decides where it is sent.
    #[cfg_attr(feature = "schema", schemars(length(max = limits::URL_BYTES), regex(pattern = schema::HTTP_URL)))]
    pub uri: String,
    /// How long one fetch may take, in milliseconds.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::timeout_ms",
            range(min = *limits::KEYS_TIMEOUT_MS.start(), max = *limits::KEYS_TIMEOUT_MS.end())
        )
    )]
    pub timeout_ms: u64,
    /// Time from one fetch to the next, in seconds.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::refresh_s",
            range(min = *limits::KEYS_REFRESH_S.start(), max = *limits::KEYS_REFRESH_S.end())
        )
    )]
    pub refresh_s: u64,
    /// How old the last good set may grow while fetches fail, in seconds; at least `refresh_s`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::stale_s",
            range(min = *limits::KEYS_STALE_S.start(), max = *limits::KEYS_STALE_S.end())
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

/// What a chain of actors may look like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Delegation {
    /// The most hops of a chain.
    #[cfg_attr(
        feature = "schema",
        schemars(default = "defaults::max_depth", range(min = 0, max = limits::MAX_MAX_DEPTH))
    )]
    pub max_depth: u8,
    /// Whether a token without `act` is denied.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub required: bool,
    /// The issuers that an `act.iss` may name. Absent: the token's own issuer only.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::Set<schema::Identity, 1, { limits::SMALL_LIST }>>")
    )]
    pub actor_issuers: Option<Vec<String>>,
    /// Whether the same actor may appear twice in one chain.
    #[cfg_attr(feature = "schema", schemars(default))]
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

/// What the requests of one path need.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Route {
    /// The requests that are meant.
    #[cfg_attr(feature = "schema", schemars(rename = "match"))]
    pub matcher: RouteMatch,
    /// Whether requests pass without a token. Excludes `scopes`, `max_depth` and `policies`.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub anonymous: bool,
    /// The scopes that the token must hold, all of them.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Set<schema::Scope, 0, { limits::SCOPES }>", default)
    )]
    pub scopes: Vec<String>,
    /// The most hops of a chain on this route; at most `delegation.max_depth`, which holds when absent.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = limits::MAX_MAX_DEPTH)))]
    pub max_depth: Option<u8>,
    /// The entries of the top-level `policies` that are asked, in this order.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Set<schema::PolicyName, 0, { limits::POLICIES }>", default)
    )]
    pub policies: Vec<String>,
}

/// The requests that a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct RouteMatch {
    /// The hosts that are meant, compared without port and case; `*.` at the beginning stands for one or more labels. Absent:
    /// every host. Where any route names hosts, a request without a usable host is denied.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::Set<schema::HostName, 1, { limits::SMALL_LIST }>>")
    )]
    pub hosts: Option<Vec<HostPattern>>,
    /// Matches whole segments of the normalised path, with regard to case.
    #[cfg_attr(feature = "schema", schemars(with = "schema::Prefix"))]
    pub path_prefix: PathPrefix,
    /// The methods that are meant; `GET` stands for `HEAD` too, which servers answer with the same handler. Absent: every
    /// method.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<schema::Set<schema::Method, 1, { limits::SMALL_LIST }>>")
    )]
    pub methods: Option<Vec<String>>,
}

/// One use of a policy. Two entries may use one policy with different settings.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct PolicyEntry {
    /// The name of this entry, for routes, metrics and audit records.
    #[cfg_attr(feature = "schema", schemars(with = "schema::PolicyName"))]
    pub name: String,
    /// The policy, as the bundle names it. Absent: the one with the name of the entry.
    #[cfg_attr(feature = "schema", schemars(with = "Option<schema::PolicyName>"))]
    pub policy: String,
    /// SHA-256 of the policy's component, in lower-case hexadecimal; must match what the bundle names.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub sha256: Option<String>,
    /// Given to the policy's `configure`, which may refuse it. Always an object.
    #[cfg_attr(feature = "schema", schemars(with = "schema::Settings", default, extend("default" = {})))]
    pub settings: Value,
    /// Whether the verdict decides.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "enforce")))]
    pub mode: Mode,
    /// What one call may use.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub limits: PolicyLimits,
}

/// Whether a verdict decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Mode {
    /// The verdict decides.
    #[default]
    Enforce,
    /// The policy is evaluated and its verdict recorded, but never decides.
    Shadow,
}

/// The budget of one policy call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct PolicyLimits {
    /// Units of fuel.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::fuel",
            range(min = *limits::POLICY_FUEL.start(), max = *limits::POLICY_FUEL.end())
        )
    )]
    pub fuel: u64,
    /// Linear memory, in bytes.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::memory_bytes",
            range(min = *limits::POLICY_MEMORY_BYTES.start(), max = *limits::POLICY_MEMORY_BYTES.end())
        )
    )]
    pub memory_bytes: u64,
    /// All that a verdict carries, in bytes.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::output_bytes",
            range(min = *limits::POLICY_OUTPUT_BYTES.start(), max = *limits::POLICY_OUTPUT_BYTES.end())
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

/// What becomes of a CORS preflight request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Preflight {
    /// It is ruled like every other request: without a token it is denied.
    #[default]
    Deny,
    /// It goes on without a token, and without cookies, if a route matches the request that it asks for.
    Pass,
}

/// What the upstream gets to see of an allowed request, and how it reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Upstream {
    /// Whether the `authorization` header is passed on, where it was checked: never on an anonymous route.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub forward_token: bool,
    /// Whether the `x-mandate-*` identity headers are added.
    #[cfg_attr(feature = "schema", schemars(default = "defaults::identity_headers"))]
    pub identity_headers: bool,
    /// Whether the upstream tells `/Payments` from `/payments`. If not, a path that is the prefix of an earlier, stricter
    /// route but for the case of its letters, or for dots at the end of a segment, is denied.
    #[cfg_attr(feature = "schema", schemars(default))]
    pub case_sensitive_paths: bool,
    /// Headers to pass on that would be removed because some server takes the path, the method, the host, the client's
    /// address or the user from them. Only for what a trusted proxy before this one sets, in lower case.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "schema::Set<schema::HeaderName, 0, { limits::SMALL_LIST }>", default)
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

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Audit {
    /// The decisions that get an audit record.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "denied")))]
    pub log: AuditLog,
}

/// The decisions that get an audit record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum AuditLog {
    /// Every decision.
    All,
    /// Denials.
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

    /// What is allowed but seldom meant: unreachable routes, open doors, accepted generic token types.
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
