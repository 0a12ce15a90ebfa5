//! The members of A2A's requests, with one name for each: that of version 1.0.
//!
//! Servers read their JSON as that of Protocol Buffers: beside `taskId` many take `task_id`, and version 0.3 has other names for some.
//! A rule on `/message/taskId` must hold for all of them. So names in another letter case are refused, those of version 0.3 are
//! translated where the request is of that version and refused where it is not, and names with underscores, which are against
//! 1.0 §5.5, are accepted only in REST of version 0.3, whose SDKs write them.

use super::super::protocol::{malformed, mismatch};
use super::super::spelling::poses_as_field;
use super::address::Address;
use crate::config::A2aMethod;
use crate::denial::{BodyProblem, Denial, ProtocolProblem};
use serde_json::{Map, Value};

/// The words that a request is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Language {
    /// Of version 0.3.
    pub(super) is_early: bool,
    /// Of the REST binding.
    pub(super) is_rest: bool,
}

/// The names that an object of the protocol has.
struct Shape {
    /// In version 1.0.
    members: &'static [&'static str],
    /// Other names in version 0.3, each with the one that it has in 1.0; they come before the members.
    earlier: &'static [(&'static str, &'static str)],
}

const SEND: Shape = Shape {
    members: &["tenant", "message", "configuration", "metadata"],
    earlier: &[("request", "message")],
};

const MESSAGE: Shape = Shape {
    members: &[
        "messageId",
        "contextId",
        "taskId",
        "role",
        "parts",
        "metadata",
        "extensions",
        "referenceTaskIds",
    ],
    earlier: &[("content", "parts")],
};

const PART: Shape =
    Shape { members: &["text", "raw", "url", "data", "metadata", "filename", "mediaType"], earlier: &[] };

const CONFIGURATION: Shape = Shape {
    members: &["acceptedOutputModes", PUSH_MEMBER, "historyLength", "returnImmediately"],
    earlier: &[
        ("pushNotificationConfig", PUSH_MEMBER),
        ("pushNotification", PUSH_MEMBER),
        // With the opposite meaning.
        (BLOCKING, "returnImmediately"),
    ],
};

/// What of a configuration has the agent call an address.
pub(super) const PUSH_MEMBER: &str = "taskPushNotificationConfig";

const BLOCKING: &str = "blocking";

const PUSH: Shape =
    Shape { members: &["tenant", "id", "taskId", "url", "token", "authentication"], earlier: &[] };

/// How version 0.3 wraps it.
const WRAPPED_PUSH: Shape = Shape {
    members: &["tenant", "id", "taskId", "url", "token", "authentication"],
    earlier: &[
        ("config", "config"),
        ("configId", "configId"),
        ("parent", "parent"),
        ("pushNotificationConfig", "pushNotificationConfig"),
    ],
};

/// `config` of version 0.3.
const NAMED_PUSH: Shape = Shape { members: &["name", "pushNotificationConfig"], earlier: &[] };

const TASK: Shape =
    Shape { members: &["tenant", "id", "historyLength", "metadata"], earlier: &[("name", "name")] };

const PUSH_REFERENCE: Shape = Shape {
    members: &["tenant", "taskId", "id", "pageSize", "pageToken", "metadata"],
    earlier: &[("id", "taskId"), ("pushNotificationConfigId", "id")],
};

const TASKS: Shape = Shape {
    members: &[
        "tenant",
        "contextId",
        "status",
        "pageSize",
        "pageToken",
        "historyLength",
        "statusTimestampAfter",
        "includeArtifacts",
    ],
    earlier: &[],
};

const CARD: Shape = Shape { members: &["tenant"], earlier: &[] };

impl Shape {
    /// An object with one name for each member.
    fn read(
        &self,
        object: Map<String, Value>,
        language: Language,
    ) -> Result<Map<String, Value>, BodyProblem> {
        let mut read = Map::new();
        for (name, value) in object {
            let (name, value) = match self.name(&name, language)? {
                Some((BLOCKING, later)) => {
                    let value = match value {
                        Value::Bool(blocks) => Value::Bool(!blocks),
                        Value::Null => Value::Null,
                        _ => return Err(BodyProblem::Member { name: BLOCKING }),
                    };
                    (later.to_owned(), value)
                }
                Some((_, later)) => (later.to_owned(), value),
                None => (name, value),
            };
            if read.insert(name, value).is_some() {
                return Err(BodyProblem::Duplicate);
            }
        }
        Ok(read)
    }

    /// The member that a name means: the name that it has in the language of the request, and in version 1.0. `None`: no member of
    /// the protocol.
    fn name(
        &self,
        name: &str,
        language: Language,
    ) -> Result<Option<(&'static str, &'static str)>, BodyProblem> {
        let is_it = |known: &str| name == known || poses_as_field(name, known);
        let earlier = self.earlier.iter().copied().find(|(earlier, _)| is_it(earlier));
        let later = self.members.iter().copied().find(|member| is_it(member)).map(|member| (member, member));
        let found = match (earlier, later) {
            (Some(earlier), _) if language.is_early => earlier,
            // A server of version 0.3 does not know it, and blocks.
            (None, Some((_, "returnImmediately"))) if language.is_early => {
                return Err(BodyProblem::OtherVersion);
            }
            (_, Some(later)) => later,
            (Some(_), None) => return Err(BodyProblem::OtherVersion),
            (None, None) => return Ok(None),
        };
        let has_underscores = language.is_early && language.is_rest && name == snake_case(found.0);
        if name == found.0 || has_underscores { Ok(Some(found)) } else { Err(BodyProblem::Spelling) }
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// The arguments of a method of A2A: the members of its request, with their names in version 1.0. At an address its ids are among
/// them.
pub(super) fn arguments(
    method: A2aMethod,
    params: Map<String, Value>,
    language: Language,
    address: Option<Address<'_>>,
) -> Result<Map<String, Value>, Denial> {
    let ids = Ids::of(method, address)?;
    let mut arguments = match method {
        A2aMethod::SendMessage | A2aMethod::SendStreamingMessage => send(params, language),
        A2aMethod::GetTask | A2aMethod::CancelTask | A2aMethod::SubscribeToTask => {
            let mut task = TASK.read(params, language).map_err(malformed)?;
            let name = if language.is_early { task.remove("name") } else { None };
            agrees(name.as_ref(), &ids.task_name())?;
            Ok(task)
        }
        A2aMethod::CreatePushConfig => return push(params, language, &ids),
        A2aMethod::GetPushConfig | A2aMethod::ListPushConfigs | A2aMethod::DeletePushConfig => {
            PUSH_REFERENCE.read(params, language)
        }
        A2aMethod::ListTasks => TASKS.read(params, language),
        A2aMethod::GetExtendedAgentCard => CARD.read(params, language),
    }
    .map_err(malformed)?;
    ids.add_to(&mut arguments)?;
    Ok(arguments)
}

/// What a push notification configuration says that a message brings, if it brings one.
pub(super) fn brought(arguments: &Map<String, Value>) -> Result<Option<Map<String, Value>>, BodyProblem> {
    let configuration = arguments.get("configuration").and_then(Value::as_object);
    match configuration.and_then(|configuration| configuration.get(PUSH_MEMBER)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(push)) => Ok(Some(push.clone())),
        Some(_) => Err(BodyProblem::Member { name: PUSH_MEMBER }),
    }
}

fn send(params: Map<String, Value>, language: Language) -> Result<Map<String, Value>, BodyProblem> {
    let mut params = SEND.read(params, language)?;
    within(&mut params, "message", |message| {
        let mut message = MESSAGE.read(message, language)?;
        let Some(Value::Array(parts)) = message.get_mut("parts") else { return Ok(message) };
        for part in parts {
            if let Value::Object(part) = part {
                *part = PART.read(std::mem::take(part), language)?;
            }
        }
        Ok(message)
    })?;
    within(&mut params, "configuration", |configuration| {
        let mut configuration = CONFIGURATION.read(configuration, language)?;
        within(&mut configuration, PUSH_MEMBER, |push| PUSH.read(push, language))?;
        Ok(configuration)
    })?;
    Ok(params)
}

/// Reads the object that a member is, if it is there.
fn within(
    object: &mut Map<String, Value>,
    name: &'static str,
    read: impl FnOnce(Map<String, Value>) -> Result<Map<String, Value>, BodyProblem>,
) -> Result<(), BodyProblem> {
    match object.get_mut(name) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(inner)) => {
            *inner = read(std::mem::take(inner))?;
            Ok(())
        }
        // Some servers read JSON in a string.
        Some(_) => Err(BodyProblem::Member { name }),
    }
}

/// A configuration is flat in version 1.0. In 0.3 it is in `pushNotificationConfig`, and in REST that is in `config`.
fn push(params: Map<String, Value>, language: Language, ids: &Ids) -> Result<Map<String, Value>, Denial> {
    let mut outer = WRAPPED_PUSH.read(params, language).map_err(malformed)?;
    agrees(outer.remove("parent").as_ref(), &ids.task_name())?;
    let config_id = outer.remove("configId");
    let mut name = None;
    if let Some(config) = outer.remove("config") {
        let wrong = || malformed(BodyProblem::Member { name: "config" });
        let Value::Object(config) = config else { return Err(wrong()) };
        let mut config = NAMED_PUSH.read(config, language).map_err(malformed)?;
        name = config.remove("name");
        let inner = config.remove("pushNotificationConfig").ok_or_else(wrong)?;
        if outer.insert("pushNotificationConfig".to_owned(), inner).is_some() {
            return Err(malformed(BodyProblem::Duplicate));
        }
    }
    if let Some(inner) = outer.remove("pushNotificationConfig") {
        let wrong = || malformed(BodyProblem::Member { name: "pushNotificationConfig" });
        let Value::Object(inner) = inner else { return Err(wrong()) };
        for (name, value) in PUSH.read(inner, language).map_err(malformed)? {
            if outer.insert(name, value).is_some() {
                return Err(malformed(BodyProblem::Duplicate));
            }
        }
    }
    ids.add_to(&mut outer)?;
    // The id is given up to three times.
    if let Some(Value::String(id)) = config_id.filter(|id| id.as_str() != Some("")) {
        set(&mut outer, "id", id)?;
    }
    let task = outer.get("taskId").and_then(Value::as_str).unwrap_or_default();
    let id = outer.get("id").and_then(Value::as_str).unwrap_or_default();
    agrees(name.as_ref(), &format!("tasks/{task}/pushNotificationConfigs/{id}"))?;
    Ok(outer)
}

/// The ids in a path, decoded, with the names of the members that they are.
struct Ids(Vec<(&'static str, String)>);

impl Ids {
    fn of(method: A2aMethod, address: Option<Address<'_>>) -> Result<Self, Denial> {
        let Some(address) = address else { return Ok(Self(Vec::new())) };
        let task = match method {
            A2aMethod::GetTask | A2aMethod::CancelTask | A2aMethod::SubscribeToTask => "id",
            _ => "taskId",
        };
        let ids = [(task, address.task), ("id", address.config)];
        let decoded = ids.into_iter().filter_map(|(name, id)| Some((name, id?))).map(|(name, id)| {
            let id = percent_encoding::percent_decode_str(id).decode_utf8();
            id.map(|id| (name, id.into_owned())).map_err(|_| mismatch(ProtocolProblem::Path))
        });
        decoded.collect::<Result<_, _>>().map(Self)
    }

    /// The task as a resource of version 0.3.
    fn task_name(&self) -> String {
        format!("tasks/{}", self.0.first().map(|(_, id)| id.as_str()).unwrap_or_default())
    }

    fn add_to(&self, arguments: &mut Map<String, Value>) -> Result<(), Denial> {
        self.0.iter().try_for_each(|(name, id)| set(arguments, name, id.clone()))
    }
}

/// Sets a member, which must say the same if it is there.
fn set(arguments: &mut Map<String, Value>, name: &str, id: String) -> Result<(), Denial> {
    agrees(arguments.get(name).filter(|value| value.as_str() != Some("")), &id)?;
    arguments.insert(name.to_owned(), Value::String(id));
    Ok(())
}

/// Checks that a member of the body says what the path does, if it is there.
fn agrees(member: Option<&Value>, expected: &str) -> Result<(), Denial> {
    match member {
        None => Ok(()),
        Some(value) if value.as_str() == Some(expected) => Ok(()),
        Some(_) => Err(mismatch(ProtocolProblem::Path)),
    }
}
