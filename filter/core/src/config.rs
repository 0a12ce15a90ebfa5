//! The plugin configuration: one strict JSON document in, typed values or every problem out.
//!
//! The types are the grammar; `schema` (feature `schema`) prints them as a JSON schema, and `docs/configuration.md` is
//! generated from that: the comments of the types and members below are what operators read. Absent members take the
//! default named at each field, and no default widens access. [`Config::parse`] reads the document with a small
//! reader of its own rather than with serde's derive, because it lists all problems and not only the first.

mod a2a;
mod approvals;
mod authentication;
mod checks;
mod claims;
mod defaults;
mod issuer;
mod lint;
mod mcp;
mod parse;
mod policy;
mod problem;
mod proof;
mod provider;
mod reader;
mod resource;
mod route;
mod rule;
#[cfg(feature = "schema")]
mod schema;
mod suggest;

pub use a2a::{A2a, A2aMethod, CardAccess};
pub use approvals::{Approvals, Approver};
pub use authentication::Authentication;
pub use claims::{
    AgentFrom, AgentRule, AgentSource, ChainForm, ChainRule, ClaimMapping, ClaimPlaces, ConstraintType, Mark,
    Sign,
};
pub use issuer::{Issuer, KeySource, RemoteKeys, same_token_type};
pub use mcp::{Mcp, Sessions};
pub use policy::{Mode, PolicyEntry, PolicyLimits};
pub use problem::Problem;
pub use proof::{CertificateSource, Dpop, Mtls, NonceMode, ProofMode, Proofs, Wpt};
pub use provider::Provider;
pub use resource::{ProtectedResource, ResourceUrl, WELL_KNOWN};
pub use route::{Route, RouteMatch, Rules};
pub use rule::{ActionRule, Hold, NamePattern, RuleKind};
#[cfg(feature = "schema")]
pub use schema::schema;

use crate::http::{Host, NormalPath};
use crate::limits;
use crate::proof_kind::ProofKind;

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
    /// What proofs of possession are compared with. Which tokens need one is said by `issuers[].proof` and `routes[].proof`.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub proofs: Proofs,
    /// Who may approve single requests. Required where a route or a rule needs an approval (`approval`).
    #[cfg_attr(
        feature = "schema",
        schemars(extend("examples" = [{
            "audience": "https://tools.example",
            "approvers": [{
                "issuer": "https://approve.example", "algorithms": ["ES256"],
                "keys": { "remote": { "cluster": "approve", "uri": "https://approve.example/jwks.json" } },
            }],
        }]))
    )]
    pub approvals: Option<Approvals>,
    /// What an allowed request looks like when it is sent to the upstream.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub upstream: Upstream,
    /// Which decisions are written to the audit log.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = {})))]
    pub audit: Audit,
    /// URL of protected resource metadata (RFC 9728) that somebody else serves, an `https` URL without fragment. It is sent as
    /// `resource_metadata` in every `WWW-Authenticate` challenge for a request that none of `protected_resources` covers. If absent,
    /// those challenges do not contain it.
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(max = limits::URL_BYTES),
            regex(pattern = schema::HTTPS_URL),
            extend("examples" = ["https://tools.example/.well-known/oauth-protected-resource"])
        )
    )]
    pub resource_metadata: Option<String>,
    /// Protected resources whose metadata (RFC 9728) the filter serves, and names in challenges. Clients, MCP clients in particular, find
    /// the authorization server and the scopes with it. If empty, requests for the addresses of metadata are treated like all
    /// others.
    #[cfg_attr(
        feature = "schema",
        schemars(default, length(max = limits::PROTECTED_RESOURCES), extend("default" = []))
    )]
    pub protected_resources: Vec<ProtectedResource>,
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
    /// `true`: a request that no agent makes is denied (`delegation_required`). Without an issuer's `agent`, that is one whose
    /// token has no `act`.
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

/// How CORS preflight requests are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Preflight {
    /// A preflight request is treated like every other request: without a token it is denied, except on an anonymous route.
    #[default]
    Deny,
    /// A preflight request is forwarded without a token if a route matches its host, its path and the method in
    /// `access-control-request-method`. `cookie` and `proxy-authorization` are removed from it. One that asks for the metadata of
    /// a protected resource is answered by the filter: every origin may read it.
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

    /// The document with everything that the `provider` of each issuer says, for people to see.
    ///
    /// # Errors
    /// Text that is not strict JSON.
    pub fn expand(bytes: &[u8]) -> Result<serde_json::Value, Problem> {
        parse::expand(bytes)
    }

    /// The headers in which links of attenuated chains come, see [`ChainRule::header`].
    pub fn chain_headers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().filter_map(|issuer| issuer.chain.header.as_deref())
    }

    /// Whether any route asks for a host.
    #[must_use]
    pub fn matches_hosts(&self) -> bool {
        self.routes.iter().any(|route| route.matcher.hosts.is_some())
    }

    /// The protected resource that a request is for: of those that cover it the one with the longest path.
    #[must_use]
    pub fn protected_resource(&self, host: &Host<'_>, path: &NormalPath) -> Option<&ProtectedResource> {
        let covering = self.protected_resources.iter().filter(|it| it.resource.covers(host, path));
        covering.max_by_key(|it| it.resource.path().as_str().len())
    }

    /// The same without policies: for a tool that looks at everything else, and has none.
    #[must_use]
    pub fn without_policies(mut self) -> Self {
        self.policies.clear();
        for route in &mut self.routes {
            route.policies.clear();
            let of_mcp = route
                .mcp
                .iter_mut()
                .flat_map(|mcp| mcp.tools.iter_mut().chain(&mut mcp.resources).chain(&mut mcp.prompts));
            let of_a2a = route.a2a.iter_mut().flat_map(|a2a| &mut a2a.methods);
            of_mcp.chain(of_a2a).for_each(|rule| rule.policies.clear());
        }
        self
    }

    /// Maximum length of the bodies that any route reads, in bytes. `None`: no route reads bodies. Otherwise the proxy must buffer
    /// as many, and show them while the head is held.
    #[must_use]
    pub fn body_bytes(&self) -> Option<usize> {
        self.routes.iter().filter_map(Route::rules).map(Rules::body_bytes).max()
    }

    /// Whether any route holds heads until the bodies were ruled on, which the proxy must be set up for.
    #[must_use]
    pub fn holds_heads(&self) -> bool {
        self.routes.iter().filter_map(Route::rules).any(|rules| rules.hold() == Hold::Head)
    }

    /// Whether any token may come with this kind of proof.
    #[must_use]
    pub fn accepts_proof(&self, kind: ProofKind) -> bool {
        let on_any_route = self.routes.iter().any(|route| route.proof != ProofMode::None);
        self.issuers.iter().any(|issuer| match kind {
            ProofKind::Wpt => issuer.is_wit(),
            kind => (on_any_route || issuer.proof != ProofMode::None) && issuer.proof_kinds.contains(&kind),
        })
    }

    /// Whether sessions of any route belong to who opened them.
    #[must_use]
    pub fn binds_sessions(&self) -> bool {
        let mut rules = self.routes.iter().filter_map(|route| route.mcp.as_ref());
        rules.any(|mcp| mcp.sessions == Sessions::Bound)
    }

    /// Whether every token must come with this kind of proof, whatever its issuer and the route.
    #[must_use]
    pub fn requires_proof(&self, kind: ProofKind) -> bool {
        self.issuers.iter().all(|issuer| issuer.proof == ProofMode::Required && issuer.proof_kinds == [kind])
    }

    /// Whether anything may be used once only: proofs that have an id.
    #[must_use]
    pub fn uses_once(&self) -> bool {
        self.approvals.is_some()
            || [ProofKind::Dpop, ProofKind::Wpt].into_iter().any(|kind| self.accepts_proof(kind))
    }

    /// Whether workers need a secret that all of them have: for sessions, or for nonces.
    #[must_use]
    pub fn needs_secret(&self) -> bool {
        self.binds_sessions()
            || self.proofs.dpop.nonce == NonceMode::Required && self.accepts_proof(ProofKind::Dpop)
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
