//! What is wrong with the keys that a configuration holds, in words.

use crate::algorithm::Algorithm;
use crate::config::{Issuer, Problem};
use crate::keys::{KeyError, KeySet, KeySetError, PublicKey};

pub(super) fn problem(pointer: String, message: String) -> Problem {
    Problem { pointer, message, suggestion: None }
}

/// The keys of a set that are not used, and of each whether it is a secret, which belongs in no configuration.
pub(super) fn rejected_keys(set: &KeySet, pointer: &str) -> impl Iterator<Item = (bool, Problem)> {
    set.rejected().iter().map(move |(i, error)| {
        let is_secret = matches!(error, KeyError::Private | KeyError::Symmetric);
        (is_secret, problem(format!("{pointer}/keys/{i}"), format!("{error}")))
    })
}

/// An algorithm that no inline key can serve is a slip: every token that uses it would be denied.
pub(super) fn idle_algorithms(set: &KeySet, issuer: &Issuer, index: usize) -> Vec<Problem> {
    let idle = |(_, a): &(usize, &Algorithm)| !set.keys().iter().any(|key| key.serves(**a));
    let describe = |(i, a): (usize, &Algorithm)| {
        problem(
            format!("/issuers/{index}/algorithms/{i}"),
            format!("no inline key of this issuer can verify `{}`", a.name()),
        )
    };
    issuer.algorithms.iter().enumerate().filter(idle).map(describe).collect()
}

/// With every key rejected the set is empty; then each key's own fault says more than that.
pub(super) fn key_set_problems(error: &KeySetError, jwks: &serde_json::Value, pointer: &str) -> Vec<Problem> {
    let keys =
        jwks.get("keys").and_then(serde_json::Value::as_array).filter(|_| *error == KeySetError::Empty);
    let faults: Vec<Problem> = keys
        .into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(i, key)| {
            let fault = PublicKey::from_jwk(key).err()?;
            Some(problem(format!("{pointer}/keys/{i}"), fault.to_string()))
        })
        .collect();
    if faults.is_empty() { vec![problem(pointer.to_owned(), error.to_string())] } else { faults }
}
