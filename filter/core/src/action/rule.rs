//! Which rule admits an action.

use super::argument::find;
use super::protocol::{Action, ActionKind};
use super::spelling::poses_as_field;
use crate::chain::VerifiedChain;
use crate::config::{A2aMethod, ActionRule, RuleKind, Rules};
use crate::denial::{ArgumentProblem, Denial, Evidence};
use crate::json::same_value;
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
    /// Finds the rules for an action, and checks that they admit the arguments; none if the action needs no rule.
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
        // A gateway may add the query to the body.
        let in_query = |name: &String| name == "configuration" || poses_as_field(name, "configuration");
        if SENDS.contains(&action.name()) && action.elsewhere.iter().any(in_query) {
            return Err(ruled.denies(PUSH_POINTER.to_owned(), ArgumentProblem::Elsewhere));
        }
        let Some(brought) = &action.brings else { return Ok(vec![ruled]) };
        // A message with a push notification configuration does what creating one does.
        let also = Self::first(rules, kind, A2aMethod::CreatePushConfig.name())
            .ok_or_else(|| ruled.denies(PUSH_POINTER.to_owned(), ArgumentProblem::Unruled))?;
        also.admits(action, brought)?;
        // Its policies would be asked about the message, and not about the address that it brings.
        if also.rule.policies.iter().any(|policy| !ruled.rule.policies.contains(policy)) {
            return Err(ruled.denies(PUSH_POINTER.to_owned(), ArgumentProblem::Unruled));
        }
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
            let found = find(action, pointer, arguments, &mut 0);
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

/// Checks that the chain is not longer than a rule admits.
///
/// # Errors
/// [`Reason::DelegationTooDeep`].
pub fn has_depth(chain: &VerifiedChain, rule: &ActionRule) -> Result<(), Denial> {
    let depth = chain.depth();
    match rule.max_depth.filter(|most| depth > usize::from(*most)) {
        Some(max_depth) => Err(Denial::new(Reason::DelegationTooDeep, Evidence::Depth { depth, max_depth })),
        None => Ok(()),
    }
}

/// Checks what a rule needs of the chain at any time, beside what its route needs.
///
/// # Errors
/// [`Reason::DelegationTooDeep`] or [`Reason::ScopeInsufficient`].
pub fn has_needs(chain: &VerifiedChain, rule: &ActionRule) -> Result<(), Denial> {
    has_depth(chain, rule)?;
    chain.has_scopes(&rule.scopes)
}

/// The methods of A2A that send a message.
const SENDS: [&str; 2] = [A2aMethod::SendMessage.name(), A2aMethod::SendStreamingMessage.name()];

/// Where a message has a push notification configuration.
const PUSH_POINTER: &str = "/configuration/taskPushNotificationConfig";
