//! The addresses of A2A's REST binding (1.0 §11.3, 0.3 §3.5.3), as the ends of paths.
//!
//! ```text
//! POST       …/message:send                                     SendMessage
//! POST       …/message:stream                                   SendStreamingMessage
//! GET        …/tasks                                            ListTasks
//! GET        …/tasks/{id}                                       GetTask
//! POST       …/tasks/{id}:cancel                                CancelTask
//! GET, POST  …/tasks/{id}:subscribe                             SubscribeToTask
//! POST       …/tasks/{id}/pushNotificationConfigs               CreateTaskPushNotificationConfig
//! GET        …/tasks/{id}/pushNotificationConfigs               ListTaskPushNotificationConfigs
//! GET        …/tasks/{id}/pushNotificationConfigs/{id}          GetTaskPushNotificationConfig
//! DELETE     …/tasks/{id}/pushNotificationConfigs/{id}          DeleteTaskPushNotificationConfig
//! GET        …/extendedAgentCard, …/v1/card, …/agent/authenticatedExtendedCard
//!                                                               GetExtendedAgentCard
//! GET        …/.well-known/agent-card.json, …/agent.json        the public card
//! ```
//!
//! What comes before is not known here: the path under which the agent is served, `v1` of version 0.3, a tenant. So a path may be
//! read in two ways (`…/tasks/tasks`: a task of that name, or the tasks of a tenant of that name), and is refused then. So is one that
//! is such an address only for a server that takes no notice of case. A slash at the end changes nothing: some servers drop it.

use crate::config::A2aMethod;
use crate::denial::PathError;
use crate::http::{NormalPath, fold, may_fold};
use std::borrow::Cow;

/// A request of the REST binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address<'p> {
    pub(super) method: A2aMethod,
    /// How it is spelled, without the ids.
    pub(super) spelling: &'static str,
    /// The id of the task, as it is in the path.
    pub(super) task: Option<&'p str>,
    /// The id of a push notification configuration.
    pub(super) config: Option<&'p str>,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'p> {
    /// An address of the REST binding.
    Rest(Address<'p>),
    /// The public card.
    Card,
    /// The endpoint of JSON-RPC.
    Endpoint,
    /// Nothing that this HTTP method is for.
    Nowhere,
}

/// What the end of a path looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form<'p> {
    Send,
    Stream,
    Tasks,
    Task(&'p str),
    Cancel(&'p str),
    Subscribe(&'p str),
    Configs(&'p str),
    Config(&'p str, &'p str),
    ExtendedCard,
    /// Like one of REST, and none.
    Other,
}

impl<'p> Form<'p> {
    fn with(self, http_method: &str) -> Option<Address<'p>> {
        let reads = matches!(http_method, "GET" | "HEAD");
        let of = |method, spelling, task, config| Some(Address { method, spelling, task, config });
        match (self, http_method) {
            (Self::Send, "POST") => of(A2aMethod::SendMessage, "POST message:send", None, None),
            (Self::Stream, "POST") => of(A2aMethod::SendStreamingMessage, "POST message:stream", None, None),
            (Self::Tasks, _) if reads => of(A2aMethod::ListTasks, "GET tasks", None, None),
            (Self::Task(id), _) if reads => of(A2aMethod::GetTask, "GET tasks/{id}", Some(id), None),
            (Self::Cancel(id), "POST") => of(A2aMethod::CancelTask, "POST tasks/{id}:cancel", Some(id), None),
            (Self::Subscribe(id), "POST") => {
                of(A2aMethod::SubscribeToTask, "POST tasks/{id}:subscribe", Some(id), None)
            }
            (Self::Subscribe(id), _) if reads => {
                of(A2aMethod::SubscribeToTask, "GET tasks/{id}:subscribe", Some(id), None)
            }
            (Self::Configs(id), "POST") => {
                of(A2aMethod::CreatePushConfig, "POST tasks/{id}/pushNotificationConfigs", Some(id), None)
            }
            (Self::Configs(id), _) if reads => {
                of(A2aMethod::ListPushConfigs, "GET tasks/{id}/pushNotificationConfigs", Some(id), None)
            }
            (Self::Config(id, config), _) if reads => {
                let spelling = "GET tasks/{id}/pushNotificationConfigs/{id}";
                of(A2aMethod::GetPushConfig, spelling, Some(id), Some(config))
            }
            (Self::Config(id, config), "DELETE") => {
                let spelling = "DELETE tasks/{id}/pushNotificationConfigs/{id}";
                of(A2aMethod::DeletePushConfig, spelling, Some(id), Some(config))
            }
            (Self::ExtendedCard, _) if reads => {
                of(A2aMethod::GetExtendedAgentCard, "GET extendedAgentCard", None, None)
            }
            _ => None,
        }
    }
}

/// What is at a path.
///
/// # Errors
/// If servers may read the path in different ways.
pub(super) fn place<'p>(http_method: &str, path: &'p NormalPath) -> Result<Place<'p>, PathError> {
    let text = path.as_str();
    if is_card(text) {
        let reads = matches!(http_method, "GET" | "HEAD");
        return Ok(if reads { Place::Card } else { Place::Nowhere });
    }
    let ends = ends(text);
    let forms = forms(ends, |segment, name| segment == name);
    let address = one(http_method, &forms)?;
    let folded = if may_fold(text) { Cow::Owned(fold(text)) } else { Cow::Borrowed(text) };
    let other_forms = self::forms(self::ends(&folded), str::eq_ignore_ascii_case);
    let other = one(http_method, &other_forms)?;
    if other.map(|other| other.method) != address.map(|address| address.method) {
        return Err(PathError::AddressSpelling);
    }
    let looks_like_rest = !forms.is_empty() || !other_forms.is_empty() || is_card(&folded);
    // A colon is before what is to be done there: a server of a later version may know more of that than is known here.
    let has_verb = ends.first().is_some_and(|last| last.contains(':'));
    Ok(match address {
        Some(address) => Place::Rest(address),
        None if http_method == "POST" && !looks_like_rest && !has_verb => Place::Endpoint,
        None => Place::Nowhere,
    })
}

/// Whether a path is that of a public card (1.0 §8.2; 0.2 had `agent.json`).
pub(super) fn is_card(path: &str) -> bool {
    path.ends_with("/.well-known/agent-card.json") || path.ends_with("/.well-known/agent.json")
}

/// The one address that a path has for an HTTP method.
fn one<'p>(http_method: &str, forms: &[Form<'p>]) -> Result<Option<Address<'p>>, PathError> {
    let mut found = forms.iter().filter_map(|form| form.with(http_method));
    let first = found.next();
    if found.next().is_some() { Err(PathError::TwoAddresses) } else { Ok(first) }
}

/// The last four segments of a path, the last one first.
fn ends(path: &str) -> [&str; 4] {
    let mut segments = path.strip_suffix('/').unwrap_or(path).rsplit('/');
    [(); 4].map(|()| segments.next().unwrap_or_default())
}

/// Everything that a path can be read as, for a server that compares its segments so.
fn forms<'p>([last, second, third, fourth]: [&'p str; 4], is: impl Fn(&str, &str) -> bool) -> Vec<Form<'p>> {
    let mut forms = Vec::new();
    let mut find = |is_it: bool, form| {
        if is_it {
            forms.push(form);
        }
    };
    let id_before = |verb| last.strip_suffix(verb).filter(|id| !id.is_empty());
    let has_verb = matches!(last, "message:send" | "message:stream");
    find(last == "message:send", Form::Send);
    find(last == "message:stream", Form::Stream);
    find(last == "tasks", Form::Tasks);
    if second == "tasks" {
        match (id_before(":cancel"), id_before(":subscribe")) {
            (Some(id), _) => find(true, Form::Cancel(id)),
            (_, Some(id)) => find(true, Form::Subscribe(id)),
            _ => find(!has_verb && !last.is_empty(), Form::Task(last)),
        }
    }
    let configs = |segment: &str| is(segment, "pushNotificationConfigs");
    let of_task = configs(last) && third == "tasks" && !second.is_empty();
    find(of_task, Form::Configs(second));
    let one_of_task = configs(second) && fourth == "tasks" && !third.is_empty() && !last.is_empty();
    find(one_of_task, Form::Config(third, last));
    // Version 0.3.0 has `task` for `tasks` in one place of its definition.
    find((configs(last) || configs(second)) && !of_task && !one_of_task, Form::Other);
    // In Connect and in transcoded gRPC a method has its own path, and takes JSON, whose unknown members it may pass over.
    find(second.to_ascii_lowercase().ends_with("a2aservice"), Form::Other);
    let is_card = is(last, "extendedAgentCard")
        || (second == "v1" && last == "card")
        || (second == "agent" && is(last, "authenticatedExtendedCard"));
    find(is_card, Form::ExtendedCard);
    forms
}
