//! Rules of a route for actions, whatever their protocol.

use super::authentication::Authentication;
#[cfg(feature = "schema")]
use super::schema;
use crate::json::Pointer;
#[cfg(feature = "schema")]
use crate::limits;
use serde_json::Value;

/// What an action needs beside what its route needs.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "it describes what is read")]
pub(super) struct Needs {
    /// Required scopes, beside those of the route.
    #[schemars(with = "schema::Set<schema::Scope, 0, { limits::SCOPES }>", default, extend("default" = []), extend("examples" = [["tickets.write"]]))]
    scopes: Vec<String>,
    /// Maximum number of hops, if that is less than on the route; with 0 only the principal itself may do it.
    #[schemars(with = "Option<u8>", range(min = 0, max = limits::MAX_MAX_DEPTH), extend("examples" = [1]))]
    max_depth: Option<u8>,
    #[schemars(flatten)]
    authentication: Authentication,
    /// `true`: the action needs an approval (see `approvals`), which is for these arguments alone and used once; without one it is
    /// denied (`approval_required`).
    #[schemars(default, extend("examples" = [true]))]
    approval: bool,
    /// Admitted arguments, for each JSON pointer (RFC 6901) into the arguments a list of values, of which the argument must be one.
    /// `null` in the list admits that it is absent, which an argument whose value is `null` is not. Arguments that are not named may have any value.
    #[schemars(with = "schema::Arguments", default, extend("default" = {}), extend("examples" = [{ "/env": ["staging"], "/force": [false, null] }]))]
    arguments: Value,
    /// Names of entries of the top-level `policies` that are asked after those of the route.
    #[schemars(with = "schema::Set<schema::PolicyName, 0, { limits::POLICIES }>", default, extend("default" = []), extend("examples" = [["ticket-guard"]]))]
    policies: Vec<String>,
}

/// What of a request is held back until its body was ruled on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Hold {
    /// All of it: the upstream sees nothing of a request that is denied. The proxy must show the body to the filter while it holds the
    /// head: `allow_on_headers_stop_iteration: true` in Envoy's `PluginConfig`.
    #[default]
    Head,
    /// The body only, for proxies that cannot hold the head: the upstream gets the head of a request whose token, chain and scopes
    /// passed, and if the body is denied, the request is reset. Policies cannot ask for headers on such a route: that
    /// denies (`policy_fault`). Requests of A2A's REST are commands by their address alone, so their head is held all the same.
    Body,
}

/// What rules are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// A tool is called.
    Tool,
    /// A resource is read, subscribed to or unsubscribed from.
    Resource,
    /// A prompt is asked for.
    Prompt,
    /// A method of A2A is called.
    Method,
}

impl RuleKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Tool, Self::Resource, Self::Prompt, Self::Method];

    /// The member of the configuration that has the rules.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Resource => "resources",
            Self::Prompt => "prompts",
            Self::Method => "methods",
        }
    }
}

/// What admits some actions, and what they need.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionRule {
    /// Which.
    pub name: NamePattern,
    /// Beside those of the route.
    pub scopes: Vec<String>,
    /// If that is less than on the route.
    pub max_depth: Option<u8>,
    /// Beside that of the route.
    pub authentication: Authentication,
    /// Whether somebody must approve it.
    pub approval: bool,
    /// By pointer, the values that are admitted; `None` among them admits absence.
    pub arguments: Vec<(Pointer, Vec<Option<Value>>)>,
    /// Asked after those of the route.
    pub policies: Vec<String>,
}

/// A name, or the beginning of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This one.
    Exact(String),
    /// All that begin so.
    Prefix(String),
}

impl NamePattern {
    /// From `name` or `prefix*`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    /// Whether it is for every name that the other one is for.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(_), Self::Prefix(_)) => false,
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Prefix(own), Self::Exact(other) | Self::Prefix(other)) => other.starts_with(own.as_str()),
        }
    }

    /// Whether it is for some name that begins like this.
    #[must_use]
    pub fn may_match(&self, beginning: &str) -> bool {
        match self {
            Self::Exact(own) => own.starts_with(beginning),
            Self::Prefix(own) => own.starts_with(beginning) || beginning.starts_with(own.as_str()),
        }
    }

    /// Whether it is for this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(own) => own == name,
            Self::Prefix(prefix) => name.starts_with(prefix),
        }
    }
}
