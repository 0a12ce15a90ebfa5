//! Which rule admits an action.

use super::mcp::{Action, ActionKind};
use super::spelling::poses_as;
use crate::chain::VerifiedChain;
use crate::config::{ActionRule, Mcp, RuleKind};
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
    /// Finds the first rule for an action, and checks that it admits the arguments. `None`: the action needs no rule.
    ///
    /// # Errors
    /// [`Reason::ActionDenied`] if there is none, [`Reason::ArgumentDenied`] if it does not admit an argument.
    pub fn find(mcp: &'m Mcp, action: &Action) -> Result<Option<Self>, Denial> {
        let denied = || Denial::new(Reason::ActionDenied, Evidence::Action);
        let ActionKind::Ruled(kind) = action.kind() else {
            let listed = || mcp.methods.iter().any(|pattern| pattern.matches(action.method()));
            return if action.is_open() || listed() { Ok(None) } else { Err(denied()) };
        };
        let found = mcp.rules(kind).iter().enumerate().find(|(_, rule)| rule.name.matches(action.name()));
        let (index, rule) = found.ok_or_else(denied)?;
        for (pointer, admitted) in &rule.arguments {
            let found = find(pointer, action.arguments());
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
                    Err(Ambiguous) => ArgumentProblem::Ambiguous,
                };
                let evidence = Evidence::Argument { argument: pointer.to_string(), rule: index, problem };
                return Err(Denial::new(Reason::ArgumentDenied, evidence));
            }
        }
        Ok(Some(Self { kind, index, rule }))
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
