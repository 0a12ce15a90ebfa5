//! `a2a` of a route: which methods of the Agent2Agent protocol it admits.

#[cfg(feature = "schema")]
use super::rule::Needs;
use super::rule::{ActionRule, Hold, RuleKind};
#[cfg(feature = "schema")]
use super::{defaults, schema};
#[cfg(feature = "schema")]
use crate::limits;
use strum::{EnumCount, VariantArray};

/// Rules for a route whose requests are those of the Agent2Agent protocol (A2A, versions 1.0 and 0.3, bindings JSON-RPC and
/// HTTP+JSON, which is also called REST). A method that no rule admits is denied (`action_denied`).
///
/// A `POST` to a path that ends as one of REST, such as `…/message:send` and `…/tasks/{id}:cancel`, is a request of REST; every other
/// `POST` is a message of JSON-RPC, whatever its content type says. Either way its body is read before anything reaches the upstream.
/// Requests with other methods are those of REST, and otherwise denied.
///
/// The proxy must show the body to the filter while it holds the head: `allow_on_headers_stop_iteration: true` in Envoy's
/// `PluginConfig` (`envoy/envoy-a2a.yaml` has it).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct A2a {
    /// Methods that may be called. The first rule whose `name` matches applies, and no other if it denies: put exact names before
    /// prefixes.
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Vec<MethodRule>",
            length(max = limits::ACTION_RULES),
            default,
            extend("default" = []),
            extend("examples" = [[{ "name": "SendMessage" }, { "name": "Get*" }]])
        )
    )]
    pub methods: Vec<ActionRule>,
    /// Who may read the public card of an agent: `GET` of a path that ends in `/.well-known/agent-card.json`, or
    /// `/.well-known/agent.json` as in earlier versions. Only a card at or below the route's `path_prefix` is meant: for one at the
    /// root of a host, which this route does not match, add an anonymous route with that path.
    #[cfg_attr(
        feature = "schema",
        schemars(default, extend("default" = "token"), extend("examples" = ["anonymous"]))
    )]
    pub agent_card: CardAccess,
    /// Maximum length of a body, in bytes. A longer one is denied (`body_too_large`). Envoy itself answers 413 to a body that
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
}

/// Who may read the public card of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub enum CardAccess {
    /// Whoever may use the route.
    #[default]
    Token,
    /// Everybody, without a token; a token that is sent is neither checked nor forwarded.
    Anonymous,
}

/// Rule for a method, or for all whose names begin alike.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what is read")]
struct MethodRule {
    /// Name of the method in A2A 1.0, compared byte for byte; a name that ends in `*` is a prefix. The rule holds for the method in
    /// both versions and in both bindings. A name that A2A does not know is that of an extension's method, in JSON-RPC only.
    #[schemars(with = "schema::ActionName", extend("examples" = ["SendMessage", "Get*"]))]
    name: String,
    #[schemars(flatten)]
    needs: Needs,
}

impl A2a {
    /// The rules of a kind.
    #[must_use]
    pub fn rules(&self, kind: RuleKind) -> &[ActionRule] {
        match kind {
            RuleKind::Method => &self.methods,
            RuleKind::Tool | RuleKind::Resource | RuleKind::Prompt => &[],
        }
    }
}

/// The methods of A2A (1.0 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, VariantArray)]
pub enum A2aMethod {
    /// Sends a message to the agent.
    SendMessage,
    /// The same, and the answer is a stream.
    SendStreamingMessage,
    /// Reads a task.
    GetTask,
    /// Reads the tasks.
    ListTasks,
    /// Ends a task.
    CancelTask,
    /// Opens a stream of what happens to a task.
    SubscribeToTask,
    /// Has the agent call an address when something happens to a task.
    CreatePushConfig,
    /// Reads such an address.
    GetPushConfig,
    /// Reads the addresses of a task.
    ListPushConfigs,
    /// Removes one.
    DeletePushConfig,
    /// Reads the card that is not for everybody.
    GetExtendedAgentCard,
}

impl A2aMethod {
    /// Every method.
    pub const ALL: [Self; Self::COUNT] = {
        let mut all = [Self::SendMessage; Self::COUNT];
        all.copy_from_slice(Self::VARIANTS);
        all
    };

    /// Its name in version 1.0, which rules have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendMessage => "SendMessage",
            Self::SendStreamingMessage => "SendStreamingMessage",
            Self::GetTask => "GetTask",
            Self::ListTasks => "ListTasks",
            Self::CancelTask => "CancelTask",
            Self::SubscribeToTask => "SubscribeToTask",
            Self::CreatePushConfig => "CreateTaskPushNotificationConfig",
            Self::GetPushConfig => "GetTaskPushNotificationConfig",
            Self::ListPushConfigs => "ListTaskPushNotificationConfigs",
            Self::DeletePushConfig => "DeleteTaskPushNotificationConfig",
            Self::GetExtendedAgentCard => "GetExtendedAgentCard",
        }
    }

    /// Further names that official SDKs have for it in JSON-RPC of version 1.0: the one for .NET has this one.
    const fn other_names(self) -> &'static [&'static str] {
        match self {
            Self::ListPushConfigs => &["ListTaskPushNotificationConfig"],
            _ => &[],
        }
    }

    /// Its name in JSON-RPC of version 0.3.
    #[must_use]
    pub const fn earlier_name(self) -> &'static str {
        match self {
            Self::SendMessage => "message/send",
            Self::SendStreamingMessage => "message/stream",
            Self::GetTask => "tasks/get",
            Self::ListTasks => "tasks/list",
            Self::CancelTask => "tasks/cancel",
            Self::SubscribeToTask => "tasks/resubscribe",
            Self::CreatePushConfig => "tasks/pushNotificationConfig/set",
            Self::GetPushConfig => "tasks/pushNotificationConfig/get",
            Self::ListPushConfigs => "tasks/pushNotificationConfig/list",
            Self::DeletePushConfig => "tasks/pushNotificationConfig/delete",
            Self::GetExtendedAgentCard => "agent/getAuthenticatedExtendedCard",
        }
    }

    /// All its names in JSON-RPC.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [self.name(), self.earlier_name()].into_iter().chain(self.other_names().iter().copied())
    }
}
