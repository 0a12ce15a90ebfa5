//! Finding an argument, for rules and for policies.

use super::protocol::{Action, Protocol};
use super::spelling::{poses_as, poses_as_field};
use crate::denial::ArgumentProblem;
use crate::json::{Pointer, array_index};
use serde_json::{Map, Value};

impl Action {
    /// The argument at a pointer; `None` if it is absent. Adds to `looked_at` the members whose names were compared: the time
    /// that it takes grows with them.
    ///
    /// # Errors
    /// If some servers would find another one.
    pub fn argument(
        &self,
        pointer: &Pointer,
        looked_at: &mut usize,
    ) -> Result<Option<&Value>, ArgumentProblem> {
        find(self, pointer, &self.arguments, looked_at)
    }
}

/// The argument at a pointer; `None` if it is absent. Adds to `looked_at` the members whose names were compared.
///
/// # Errors
/// If some servers would find another one: by a name in another letter case, or of A2A with underscores, in JSON text within a string
/// (which the Python SDK of MCP reads for parameters that are no strings), in what JavaScript takes for the object's prototype, or
/// at another place of the request.
pub(super) fn find<'a>(
    action: &Action,
    pointer: &Pointer,
    arguments: &'a Map<String, Value>,
    looked_at: &mut usize,
) -> Result<Option<&'a Value>, ArgumentProblem> {
    let poses = match action.protocol() {
        Protocol::Mcp => poses_as,
        Protocol::A2a => poses_as_field,
    };
    let mut member = |members: &'a Map<String, Value>, segment: &str| {
        *looked_at = looked_at.saturating_add(members.len());
        let is_other = |name: &String| poses(name, segment) || name == "__proto__";
        if members.keys().any(is_other) { Err(ArgumentProblem::Ambiguous) } else { Ok(members.get(segment)) }
    };
    let Some((first, rest)) = pointer.segments().split_first() else { return Ok(None) };
    if action.elsewhere.iter().any(|name| name == first || poses(name, first)) {
        return Err(ArgumentProblem::Elsewhere);
    }
    let mut found = member(arguments, first)?;
    for segment in rest {
        if segment == "parts" && !action.has_plain_parts {
            return Err(ArgumentProblem::Ambiguous);
        }
        found = match found {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(members)) => member(members, segment)?,
            Some(Value::Array(elements)) => array_index(segment).and_then(|index| elements.get(index)),
            Some(_) => return Err(ArgumentProblem::Ambiguous),
        };
    }
    Ok(found)
}
