//! `routes`: what the requests of a path need.

use super::a2a::{A2a, CardAccess};
use super::authentication::Authentication;
use super::mcp::Mcp;
use super::proof::ProofMode;
use super::rule::{ActionRule, Hold, RuleKind};
#[cfg(feature = "schema")]
use super::schema;
use crate::http::{HostPattern, PathPrefix};
#[cfg(feature = "schema")]
use crate::limits;

/// A route: which requests it matches, and what they need.
///
/// A route without `anonymous` needs a valid token even if it lists neither scopes nor policies. A preflight request that
/// is let through (see `preflight`) is the only exception.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Route {
    /// Conditions that a request must meet, all of them.
    #[cfg_attr(feature = "schema", schemars(rename = "match"))]
    pub matcher: RouteMatch,
    /// `true`: requests are allowed without a token, and a token that is sent is neither checked nor forwarded. Cannot be
    /// combined with `scopes`, `max_depth`, `delegation_required`, `proof`, `acr_values`, `max_age_s`, `approval`,
    /// `policies`, `mcp` and `a2a`.
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub anonymous: bool,
    /// Required scopes. The token's `scope` claim, or the claims that its issuer's `claims.scopes` names, must contain every one
    /// of them, byte for byte; otherwise the request is denied (`scope_insufficient`). An empty list says that every
    /// valid token is enough; `mandate check` warns if a route has neither this member nor `policies`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::Scope, 0, { limits::SCOPES }>",
            default,
            extend("examples" = [["tickets.read"]])
        )
    )]
    pub scopes: Vec<String>,
    /// Whether the document has an empty list of scopes, and not none.
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub any_token: bool,
    /// Maximum number of hops on this route; not more than `delegation.max_depth`. If absent, `delegation.max_depth`
    /// applies.
    #[cfg_attr(
        feature = "schema",
        schemars(range(min = 0, max = limits::MAX_MAX_DEPTH), extend("examples" = [1]))
    )]
    pub max_depth: Option<u8>,
    /// `true`: a request that no agent makes is denied on this route (`delegation_required`), as `delegation.required` does for
    /// all routes.
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub delegation_required: bool,
    /// Whether tokens must come with a proof on this route. The stricter of this and the issuer's `proof` applies.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "none"), extend("examples" = ["required"])))]
    pub proof: ProofMode,
    /// How the principal must have authenticated.
    #[cfg_attr(feature = "schema", schemars(flatten))]
    pub authentication: Authentication,
    /// `true`: requests need an approval (see `approvals`); without one they are denied (`approval_required`). With `mcp` or `a2a` this is
    /// about actions that need a rule, or are listed in `methods`, and not about what is always admitted, such as lists. Without
    /// them bodies are not read, so a request with a body cannot be approved, and is denied.
    #[cfg_attr(feature = "schema", schemars(default, extend("examples" = [true])))]
    pub approval: bool,
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
    /// If present, requests are messages of the Model Context Protocol, and only actions that a rule admits pass.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = [{ "tools": [{ "name": "tickets.*" }] }])))]
    pub mcp: Option<Mcp>,
    /// If present, requests are those of the Agent2Agent protocol, and only methods that a rule admits pass. Cannot be combined with
    /// `mcp`.
    #[cfg_attr(feature = "schema", schemars(extend("examples" = [{ "methods": [{ "name": "SendMessage" }] }])))]
    pub a2a: Option<A2a>,
}

/// The rules of a route for the messages of its protocol. A route has one protocol at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rules<'r> {
    /// Model Context Protocol.
    Mcp(&'r Mcp),
    /// Agent2Agent protocol.
    A2a(&'r A2a),
}

impl Route {
    /// The rules for its messages; `None`: bodies are not looked at.
    #[must_use]
    pub fn rules(&self) -> Option<Rules<'_>> {
        self.mcp.as_ref().map(Rules::Mcp).or_else(|| self.a2a.as_ref().map(Rules::A2a))
    }

    /// Whether everybody may read the public cards of its agents.
    #[must_use]
    pub fn has_public_card(&self) -> bool {
        self.a2a.as_ref().is_some_and(|a2a| a2a.agent_card == CardAccess::Anonymous)
    }
}

impl<'r> Rules<'r> {
    /// Maximum length of a body, in bytes.
    #[must_use]
    pub fn body_bytes(self) -> usize {
        match self {
            Self::Mcp(mcp) => mcp.body_bytes,
            Self::A2a(a2a) => a2a.body_bytes,
        }
    }

    /// What of a request is held back until its body was ruled on.
    #[must_use]
    pub fn hold(self) -> Hold {
        match self {
            Self::Mcp(mcp) => mcp.hold,
            Self::A2a(a2a) => a2a.hold,
        }
    }

    /// The rules of a kind.
    #[must_use]
    pub fn of(self, kind: RuleKind) -> &'r [ActionRule] {
        match self {
            Self::Mcp(mcp) => mcp.rules(kind),
            Self::A2a(a2a) => a2a.rules(kind),
        }
    }

    /// The rules of every kind.
    pub fn all(self) -> impl Iterator<Item = &'r ActionRule> {
        RuleKind::ALL.into_iter().flat_map(move |kind| self.of(kind))
    }
}

/// Conditions on a request. All that are present must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct RouteMatch {
    /// Host names, compared case-insensitively and without port. `*.tools.example` matches every host below
    /// `tools.example`, at any number of labels, and not `tools.example` itself. If absent, every host matches. If any route of the
    /// configuration has `hosts`, a request without a usable host is denied, and the headers `x-forwarded-host` and
    /// `forwarded` are removed from every request, as they are if `approvals` is set.
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
