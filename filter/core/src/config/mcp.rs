//! `mcp` of a route: which actions of the Model Context Protocol it admits.

#[cfg(feature = "schema")]
use super::rule::Needs;
use super::rule::{ActionRule, Hold, NamePattern, RuleKind};
#[cfg(feature = "schema")]
use super::{defaults, schema};
#[cfg(feature = "schema")]
use crate::limits;

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
    /// What of a request is held back until its body was ruled on.
    #[cfg_attr(feature = "schema", schemars(default, extend("default" = "head"), extend("examples" = ["body"])))]
    pub hold: Hold,
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

impl Mcp {
    /// The rules of a kind.
    #[must_use]
    pub fn rules(&self, kind: RuleKind) -> &[ActionRule] {
        match kind {
            RuleKind::Tool => &self.tools,
            RuleKind::Resource => &self.resources,
            RuleKind::Prompt => &self.prompts,
            RuleKind::Method => &[],
        }
    }
}
