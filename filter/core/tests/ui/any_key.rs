//! A token is verified with a key of its issuer, which only a gate finds.
use mandate_core::algorithm::Algorithm;
use mandate_core::keys::{PublicKey, TrustedIssuer, TrustedKey};
use std::rc::Rc;

fn trust<'k>(issuer: &'k Rc<TrustedIssuer>, key: &'k PublicKey) -> TrustedKey<'k> {
    TrustedKey { issuer, algorithm: Algorithm::EdDsa, key, generation: 0 }
}

fn main() {}
