//! An issuer and its key, as the configuration trusts them.

use super::key::PublicKey;
use crate::algorithm::Algorithm;
use crate::config::Issuer;
use std::rc::Rc;

/// An issuer of the configuration, with its position there.
#[derive(Debug)]
pub struct TrustedIssuer {
    index: usize,
    issuer: Issuer,
}

impl TrustedIssuer {
    pub(crate) fn new(index: usize, issuer: Issuer) -> Self {
        Self { index, issuer }
    }

    /// Its position in the configuration's `issuers`.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Its entry.
    #[must_use]
    pub fn entry(&self) -> &Issuer {
        &self.issuer
    }
}

/// A key of a trusted issuer, found for one token: issuer, algorithm and key belong together. Only a
/// [`Gate`](crate::flow::Gate) makes one, see [`Gate::key_for`](crate::flow::Gate::key_for).
#[derive(Debug)]
pub struct TrustedKey<'k> {
    pub(crate) issuer: &'k Rc<TrustedIssuer>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: &'k PublicKey,
    /// Of the key set, see [`KeyStore::generation`](super::KeyStore::generation).
    pub(crate) generation: u64,
}
