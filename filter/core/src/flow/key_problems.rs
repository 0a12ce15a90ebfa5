//! What is wrong with the keys that a configuration holds, in words.

use crate::algorithm::Algorithm;
use crate::config::Problem;
use crate::keys::{KeyError, KeySet, KeySetError, KeyUse, RejectedKey};
use serde_json::Value;

pub(super) fn problem(pointer: String, message: String) -> Problem {
    Problem { pointer, message, suggestion: None }
}

/// The keys that the configuration holds; there must be one.
pub(super) fn inline_keys(key_use: KeyUse, jwks: &Value) -> Result<KeySet, KeySetError> {
    let set = KeySet::from_value_for(key_use, jwks)?;
    if set.keys().is_empty() {
        return Err(KeySetError::Empty { rejected: set.rejected().to_vec() });
    }
    Ok(set)
}

/// The keys of a set that are not used, and of each whether it is a secret, which belongs in no configuration.
pub(super) fn rejected_keys(set: &KeySet, pointer: &str) -> impl Iterator<Item = (bool, Problem)> {
    set.rejected().iter().map(move |key| {
        let is_secret = matches!(key.error, KeyError::Private | KeyError::Symmetric);
        (is_secret, problem(format!("{pointer}/keys/{}", key.position), key.error.to_string()))
    })
}

/// An algorithm that no inline key can serve is a slip: every token that uses it would be denied.
pub(super) fn idle_algorithms(set: &KeySet, algorithms: &[Algorithm], at: &str) -> Vec<Problem> {
    let idle = |(_, a): &(usize, &Algorithm)| !set.keys().iter().any(|key| key.serves(**a));
    let describe = |(i, a): (usize, &Algorithm)| {
        problem(format!("{at}/algorithms/{i}"), format!("no inline key here can verify `{}`", a.name()))
    };
    algorithms.iter().enumerate().filter(idle).map(describe).collect()
}

/// With every key rejected the set is empty; then each key's own fault says more than that.
pub(super) fn key_set_problems(error: &KeySetError, pointer: &str) -> Vec<Problem> {
    match error {
        KeySetError::Empty { rejected } if !rejected.is_empty() => {
            let fault = |key: &RejectedKey| {
                problem(format!("{pointer}/keys/{}", key.position), key.error.to_string())
            };
            rejected.iter().map(fault).collect()
        }
        _ => vec![problem(pointer.to_owned(), error.to_string())],
    }
}
