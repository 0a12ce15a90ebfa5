//! The keys of everybody whom the configuration trusts.

use super::super::key_problems::{idle_algorithms, inline_keys, key_set_problems, rejected_keys};
use crate::algorithm::Algorithm;
use crate::config::{KeySource, Problem};
use crate::keys::{KeyStore, KeyUse, RemoteStore};

/// Key stores as they are opened, and what is wrong with them.
#[derive(Default)]
pub(super) struct Stores {
    seed: [u8; 16],
    /// How many were opened.
    opened: usize,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Stores {
    /// None yet. `seed` is random: see [`RemoteStore::new`].
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Opens the store of somebody whose entry is at this pointer; `None` if the keys cannot be used.
    pub(super) fn open(
        &mut self,
        keys: &KeySource,
        key_use: KeyUse,
        algorithms: &[Algorithm],
        at: &str,
    ) -> Option<KeyStore> {
        let position = self.opened;
        self.opened = position.saturating_add(1);
        let jwks = match keys {
            KeySource::Remote(remote) => {
                return Some(KeyStore::Remote(RemoteStore::new(
                    remote.clone(),
                    key_use,
                    self.seed,
                    position,
                )));
            }
            KeySource::Inline(jwks) => jwks,
        };
        let pointer = format!("{at}/keys/inline");
        match inline_keys(key_use, jwks) {
            Ok(set) => {
                let (secret, unusable): (Vec<_>, Vec<_>) =
                    rejected_keys(&set, &pointer).partition(|(is_secret, _)| *is_secret);
                self.problems.extend(secret.into_iter().map(|(_, problem)| problem));
                self.warnings.extend(unusable.into_iter().map(|(_, problem)| problem));
                self.problems.extend(idle_algorithms(&set, algorithms, at));
                Some(KeyStore::Inline(set))
            }
            Err(error) => {
                self.problems.extend(key_set_problems(&error, &pointer));
                None
            }
        }
    }
}
