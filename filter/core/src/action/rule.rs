//! Which rule admits an action.

use super::mcp::{Action, ActionKind};
use super::spelling::poses_as;
use crate::config::{ActionRule, Mcp};
use crate::denial::{ArgumentProblem, Denial, Evidence};
use crate::json::{Pointer, array_index};
use crate::limits;
use crate::reason::Reason;
use serde_json::{Map, Value};

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulePlace {
    /// In which list.
    pub kind: ActionKind,
    /// At which position.
    pub index: usize,
}

/// The rule that an action falls under. Its scopes, its depth and its policies are still to be looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ruled<'m> {
    /// Where it stands; `None` for what needs no rule.
    pub rule: Option<(RulePlace, &'m ActionRule)>,
}

impl<'m> Ruled<'m> {
    /// Finds the first rule for an action, and checks that it admits the arguments.
    ///
    /// # Errors
    /// [`Reason::ActionDenied`] if there is none, [`Reason::ArgumentDenied`] if it does not admit an argument.
    pub fn find(mcp: &'m Mcp, action: &Action) -> Result<Self, Denial> {
        let kind = action.kind();
        let denied = || Denial::new(Reason::ActionDenied, Evidence::Action);
        let rules = match kind {
            ActionKind::Tool => &mcp.tools,
            ActionKind::Resource => &mcp.resources,
            ActionKind::Prompt => &mcp.prompts,
            ActionKind::Method | ActionKind::Session => {
                let listed = || mcp.methods.iter().any(|pattern| pattern.matches(action.method()));
                return if action.is_open() || listed() { Ok(Self { rule: None }) } else { Err(denied()) };
            }
        };
        let found = rules.iter().enumerate().find(|(_, rule)| rule.name.matches(action.name()));
        let (index, rule) = found.ok_or_else(denied)?;
        for (pointer, admitted) in &rule.arguments {
            let found = find(pointer, action.arguments());
            let is_admitted = found.is_ok_and(|found| {
                let is_it = |value: &Option<Value>| match (value, found) {
                    (None, None) => true,
                    (Some(value), Some(found)) => same(value, found),
                    _ => false,
                };
                admitted.iter().any(is_it)
            });
            if !is_admitted {
                let problem = match found {
                    Ok(None) => ArgumentProblem::Absent,
                    Ok(Some(_)) => ArgumentProblem::Value,
                    Err(Ambiguous) => ArgumentProblem::Ambiguous,
                };
                let evidence = Evidence::Argument { argument: pointer.to_string(), rule: index, problem };
                return Err(Denial::new(Reason::ArgumentDenied, evidence));
            }
        }
        Ok(Self { rule: Some((RulePlace { kind, index }, rule)) })
    }
}

/// What a server may read otherwise than it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ambiguous;

/// The argument at a pointer; `None` if it is absent.
///
/// # Errors
/// If some servers would find another one: by a name in another letter case, in JSON text within a string (which the Python SDK
/// reads for parameters that are no strings), or in what JavaScript takes for the object's prototype.
fn find<'a>(pointer: &Pointer, arguments: &'a Map<String, Value>) -> Result<Option<&'a Value>, Ambiguous> {
    let member = |members: &'a Map<String, Value>, segment: &str| {
        let is_other = |name: &String| poses_as(name, segment) || name == "__proto__";
        if members.keys().any(is_other) { Err(Ambiguous) } else { Ok(members.get(segment)) }
    };
    let Some((first, rest)) = pointer.segments().split_first() else { return Ok(None) };
    let mut found = member(arguments, first)?;
    for segment in rest {
        found = match found {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(members)) => member(members, segment)?,
            Some(Value::Array(elements)) => array_index(segment).and_then(|index| elements.get(index)),
            Some(_) => return Err(Ambiguous),
        };
    }
    Ok(found)
}

/// Whether every server takes the two for the same value. `1` and `1.0` are; of numbers that not every server can tell apart from
/// their neighbours none is the same as another.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => {
                one.total_cmp(&other).is_eq() && one.abs() <= limits::MAX_SAFE_INTEGER
            }
            _ => false,
        },
        _ => one == other,
    }
}
