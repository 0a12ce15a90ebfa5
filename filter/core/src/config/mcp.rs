//! `mcp` of a route: which actions of the Model Context Protocol it admits.

#[cfg(feature = "schema")]
use super::{defaults, schema};
use crate::json::Pointer;
#[cfg(feature = "schema")]
use crate::limits;
use serde_json::Value;

/// Rules for a route whose requests are messages of the Model Context Protocol (MCP, Streamable HTTP). Every `POST` is one message,
/// whatever its content type says: its body is read before anything reaches the upstream. An action that no rule admits is
/// denied (`action_denied`).
///
/// Always admitted, for whoever may use the route: `initialize`, `ping`, `server/discover`, notifications, the list requests,
/// `subscriptions/listen` for lists, responses to the server, and `GET`, `HEAD` and `DELETE`, which open a stream and end a session.
/// `completion/complete` needs the rule of the prompt or resource that it refers to. `subscriptions/listen` for resources must be
/// listed in `methods`, and then may name any resource.
///
/// The proxy must show the body to the filter while it holds the head: `allow_on_headers_stop_iteration: true` in Envoy's
/// `PluginConfig` (`envoy/envoy-mcp.yaml` has it).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct Mcp {
    /// Tools that may be called (`tools/call`). The first rule whose `name` matches applies, and no other if it denies: put exact
    /// names before prefixes.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Vec<NamedRule>",
            length(max = limits::ACTION_RULES),
            default,
            extend("default" = []),
            extend("examples" = [[{ "name": "tickets.*" }]])
        )
    )]
    pub tools: Vec<ActionRule>,
    /// Resources that may be read, subscribed to and unsubscribed from. The first rule whose `uri` matches applies.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Vec<ResourceRule>",
            length(max = limits::ACTION_RULES),
            default,
            extend("default" = []),
            extend("examples" = [[{ "uri": "ticket://*" }]])
        )
    )]
    pub resources: Vec<ActionRule>,
    /// Prompts that may be asked for (`prompts/get`). The first rule whose `name` matches applies.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Vec<NamedRule>",
            length(max = limits::ACTION_RULES),
            default,
            extend("default" = []),
            extend("examples" = [[{ "name": "*" }]])
        )
    )]
    pub prompts: Vec<ActionRule>,
    /// Other methods that are admitted, by name; a name that ends in `*` is a prefix.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "schema::Set<schema::ActionName, 0, { limits::ACTION_RULES }>",
            default,
            extend("default" = []),
            extend("examples" = [["logging/setLevel", "tasks/*"]])
        )
    )]
    pub methods: Vec<NamePattern>,
    /// Maximum length of a message, in bytes. A longer one is denied (`body_too_large`). Envoy itself answers 413 to a body that
    /// exceeds `per_connection_buffer_limit_bytes`.
    #[cfg_attr(
        feature = "schema",
        schemars(
            default = "defaults::body_bytes",
            range(min = 1, max = limits::MAX_BODY_BYTES),
            extend("examples" = [65536])
        )
    )]
    pub body_bytes: usize,
    /// `true`: the answers to list requests (`tools/list`, `prompts/list`, `resources/list`, `resources/templates/list`) show only
    /// what the rules, scopes and depth of the caller admit. Such an answer may have at most `body_bytes` bytes, and is requested without
    /// compression.
    #[cfg_attr(
        feature = "schema",
        schemars(default = "defaults::narrow_lists", extend("examples" = [false]))
    )]
    pub narrow_lists: bool,
    /// To whom sessions belong (`Mcp-Session-Id`, revisions 2025-03-26 to 2025-11-25).
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "bound")))]
    pub sessions: Sessions,
}

/// To whom sessions belong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum Sessions {
    /// A session belongs to the principal and the agent of the token that opened it; a request of anybody else that names it is
    /// denied (`session_unknown`). The id that clients see has a signature of the filter, which is removed on the way to the upstream.
    /// Workers and proxies that one client may reach need the same secret: see `docs/operators.md`.
    #[default]
    Bound,
    /// A session belongs to whoever knows its id, if the upstream does not know better.
    Unbound,
}

/// Rule for a tool or prompt, or for all whose names begin alike.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what is read")]
struct NamedRule {
    /// Name of the tool or prompt, compared byte for byte; a name that ends in `*` is a prefix.
    #[schemars(with = "schema::ActionName", extend("examples" = ["tickets.close", "tickets.*"]))]
    name: String,
    #[schemars(flatten)]
    needs: Needs,
}

/// Rule for a resource, or for all whose URIs begin alike.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what is read")]
struct ResourceRule {
    /// URI of the resource, compared byte for byte; one that ends in `*` is a prefix.
    #[schemars(with = "schema::ActionName", extend("examples" = ["ticket://7", "ticket://*"]))]
    uri: String,
    #[schemars(flatten)]
    needs: Needs,
}

/// What an action needs beside what its route needs.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "it describes what is read")]
struct Needs {
    /// Required scopes, beside those of the route.
    #[schemars(with = "schema::Set<schema::Scope, 0, { limits::SCOPES }>", default, extend("default" = []), extend("examples" = [["tickets.write"]]))]
    scopes: Vec<String>,
    /// Maximum number of hops, if that is less than on the route; with 0 only the principal itself may do it.
    #[schemars(with = "Option<u8>", range(min = 0, max = limits::MAX_MAX_DEPTH), extend("examples" = [1]))]
    max_depth: Option<u8>,
    /// Admitted arguments, for each JSON pointer (RFC 6901) into the arguments a list of values, of which the argument must be one.
    /// `null` in the list admits that it is absent, which an argument whose value is `null` is not. Arguments that are not named may have any value.
    #[schemars(with = "schema::Arguments", default, extend("default" = {}), extend("examples" = [{ "/env": ["staging"], "/force": [false, null] }]))]
    arguments: Value,
    /// Names of entries of the top-level `policies` that are asked after those of the route.
    #[schemars(with = "schema::Set<schema::PolicyName, 0, { limits::POLICIES }>", default, extend("default" = []), extend("examples" = [["ticket-guard"]]))]
    policies: Vec<String>,
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
}

impl RuleKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Tool, Self::Resource, Self::Prompt];

    /// The member of the configuration that has the rules.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Resource => "resources",
            Self::Prompt => "prompts",
        }
    }
}

impl Mcp {
    /// The rules of a kind.
    #[must_use]
    pub fn rules(&self, kind: RuleKind) -> &[ActionRule] {
        match kind {
            RuleKind::Tool => &self.tools,
            RuleKind::Resource => &self.resources,
            RuleKind::Prompt => &self.prompts,
        }
    }

    /// The rules of every kind.
    pub fn all_rules(&self) -> impl Iterator<Item = &ActionRule> {
        RuleKind::ALL.into_iter().flat_map(|kind| self.rules(kind))
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
