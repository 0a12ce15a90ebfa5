//! Which rule admits an action.

use super::protocol::{Action, ActionKind, Protocol};
use super::spelling::{poses_as, poses_as_field};
use crate::chain::VerifiedChain;
use crate::config::{A2aMethod, ActionRule, RuleKind, Rules};
use crate::denial::{ArgumentProblem, Denial, Evidence};
use crate::json::{Pointer, array_index, same_value};
use crate::reason::Reason;
use serde_json::{Map, Value};

/// The rule that an action falls under. Its scopes, its depth and its policies are still to be looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ruled<'m> {
    /// What it is for.
    pub kind: RuleKind,
    /// Its position among those of its kind.
    pub index: usize,
    /// The rule itself.
    pub rule: &'m ActionRule,
}

impl<'m> Ruled<'m> {
    /// Finds the rules for an action, and checks that they admit the arguments. None: the action needs no rule.
    ///
    /// # Errors
    /// [`Reason::ActionDenied`] if there is no rule, [`Reason::ArgumentDenied`] if it does not admit an argument.
    pub fn find(rules: Rules<'m>, action: &Action) -> Result<Vec<Self>, Denial> {
        let denied = || Denial::new(Reason::ActionDenied, Evidence::Action);
        let ActionKind::Ruled(kind) = action.kind() else {
            let listed = || match rules {
                Rules::Mcp(mcp) => mcp.methods.iter().any(|pattern| pattern.matches(action.method())),
                Rules::A2a(_) => false,
            };
            return if action.is_open() || listed() { Ok(Vec::new()) } else { Err(denied()) };
        };
        let ruled = Self::first(rules, kind, action.name()).ok_or_else(denied)?;
        ruled.admits(action, action.arguments())?;
        let Some(brought) = &action.brings else { return Ok(vec![ruled]) };
        // A message with a push notification configuration does what creating one does.
        let also = Self::first(rules, kind, A2aMethod::CreatePushConfig.name())
            .ok_or_else(|| ruled.denies(PUSH_POINTER.to_owned(), ArgumentProblem::Unruled))?;
        also.admits(action, brought)?;
        Ok(vec![ruled, also])
    }

    /// The first rule for a name.
    fn first(rules: Rules<'m>, kind: RuleKind, name: &str) -> Option<Self> {
        let mut of_kind = rules.of(kind).iter().enumerate();
        let (index, rule) = of_kind.find(|(_, rule)| rule.name.matches(name))?;
        Some(Self { kind, index, rule })
    }

    fn admits(&self, action: &Action, arguments: &Map<String, Value>) -> Result<(), Denial> {
        for (pointer, admitted) in &self.rule.arguments {
            let found = find(action, pointer, arguments);
            let is_admitted = found.is_ok_and(|found| {
                let is_it = |value: &Option<Value>| match (value, found) {
                    (None, None) => true,
                    (Some(value), Some(found)) => same_value(value, found),
                    _ => false,
                };
                admitted.iter().any(is_it)
            });
            if !is_admitted {
                let problem = match found {
                    Ok(None) => ArgumentProblem::Absent,
                    Ok(Some(_)) => ArgumentProblem::Value,
                    Err(problem) => problem,
                };
                return Err(self.denies(pointer.to_string(), problem));
            }
        }
        Ok(())
    }

    fn denies(&self, argument: String, problem: ArgumentProblem) -> Denial {
        let evidence = Evidence::Argument { argument, rule: self.index, problem };
        Denial::new(Reason::ArgumentDenied, evidence)
    }
}

/// Checks what a rule needs of the chain, beside what its route needs.
///
/// # Errors
/// [`Reason::DelegationTooDeep`] or [`Reason::ScopeInsufficient`].
pub fn has_needs(chain: &VerifiedChain, rule: &ActionRule) -> Result<(), Denial> {
    let depth = chain.depth();
    if let Some(max_depth) = rule.max_depth.filter(|most| depth > usize::from(*most)) {
        return Err(Denial::new(Reason::DelegationTooDeep, Evidence::Depth { depth, max_depth }));
    }
    chain.has_scopes(&rule.scopes)
}

/// Where a message has a push notification configuration.
const PUSH_POINTER: &str = "/configuration/taskPushNotificationConfig";

/// The argument at a pointer; `None` if it is absent.
///
/// # Errors
/// If some servers would find another one: by a name in another letter case, or of A2A with underscores, in JSON text within a string
/// (which the Python SDK of MCP reads for parameters that are no strings), in what JavaScript takes for the object's prototype, or
/// at another place of the request.
fn find<'a>(
    action: &Action,
    pointer: &Pointer,
    arguments: &'a Map<String, Value>,
) -> Result<Option<&'a Value>, ArgumentProblem> {
    let poses = match action.protocol() {
        Protocol::Mcp => poses_as,
        Protocol::A2a => poses_as_field,
    };
    let member = |members: &'a Map<String, Value>, segment: &str| {
        let is_other = |name: &String| poses(name, segment) || name == "__proto__";
        if members.keys().any(is_other) { Err(ArgumentProblem::Ambiguous) } else { Ok(members.get(segment)) }
    };
    let Some((first, rest)) = pointer.segments().split_first() else { return Ok(None) };
    if action.elsewhere.iter().any(|name| name == first || poses(name, first)) {
        return Err(ArgumentProblem::Elsewhere);
    }
    let mut found = member(arguments, first)?;
    for segment in rest {
        found = match found {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(members)) => member(members, segment)?,
            Some(Value::Array(elements)) => array_index(segment).and_then(|index| elements.get(index)),
            Some(_) => return Err(ArgumentProblem::Ambiguous),
        };
    }
    Ok(found)
}
