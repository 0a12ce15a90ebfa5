//! The filter's own gate for one token, with keys that are at hand or stand in for them.

use crate::tokens::{SigningKey, TokenError, jwks};
use mandate_core::algorithm::Algorithm;
use mandate_core::config::{Config, Issuer, KeySource};
use mandate_core::flow::Gate;
use mandate_core::keys::{KeySet, KeyUse, PublicKey, SignatureVerifier, VerifierFailed};
use mandate_core::policy::NoPolicies;
use mandate_core::token::ParsedToken;
use serde_json::{Value, json};

/// Takes every signature: for a token whose issuer's keys are not at hand. Nothing but this report depends on it.
pub(super) struct Unchecked;

impl SignatureVerifier for Unchecked {
    fn verify(&self, _: &PublicKey, _: Algorithm, _: &[u8], _: &[u8]) -> Result<bool, VerifierFailed> {
        Ok(true)
    }
}

/// A gate of the same configuration, without policies, and with keys for the one issuer: its own, or a stand-in.
pub(super) fn gate(
    config: &Config,
    issuer: usize,
    token: &ParsedToken,
    keys: Option<&Value>,
) -> Result<Result<Gate, String>, TokenError> {
    let mut config = config.clone();
    config.policies.clear();
    for route in &mut config.routes {
        route.policies.clear();
    }
    let keys = match keys {
        Some(keys) => keys.clone(),
        None => stand_in(config.issuers.get(issuer), token)?,
    };
    for (index, entry) in config.issuers.iter_mut().enumerate() {
        if index == issuer {
            entry.keys = KeySource::Inline(keys.clone());
            // What no key serves is no slip here.
            let served = KeySet::from_value_for(
                if entry.is_trust_domain() { KeyUse::JwtSvid } else { KeyUse::Signatures },
                &keys,
            );
            if let Ok(set) = served {
                let serves = |algorithm: &Algorithm| set.keys().iter().any(|key| key.serves(*algorithm));
                let some = entry.algorithms.iter().any(serves);
                entry.algorithms.retain(|algorithm| !some || serves(algorithm));
            }
        }
    }
    // The others are not asked, and neither are policies.
    if let Some(only) = config.issuers.get(issuer).cloned() {
        config.issuers = vec![only];
    }
    Ok(Gate::new(config, Box::new(NoPolicies), [0; 16])
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
}

/// A key set with one key under the token's `kid`, of a kind that its algorithm takes; it verifies nothing.
fn stand_in(issuer: Option<&Issuer>, token: &ParsedToken) -> Result<Value, TokenError> {
    let algorithm =
        token.header().algorithm.or_else(|| issuer?.algorithms.first().copied()).unwrap_or(Algorithm::Es256);
    let kid = token.header().kid.clone().unwrap_or_else(|| "stand-in".to_owned());
    let mut key = if algorithm.is_rsa() {
        // The key of RFC 7515 §A.2.
        json!({
            "kty": "RSA", "kid": kid, "e": "AQAB",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        })
    } else {
        let set = jwks(&[&SigningKey::generate(algorithm, &kid)?]);
        set.pointer("/keys/0").cloned().unwrap_or_default()
    };
    if issuer.is_some_and(Issuer::is_trust_domain) {
        key.as_object_mut().into_iter().for_each(|key| _ = key.insert("use".to_owned(), json!("jwt-svid")));
    }
    Ok(json!({ "keys": [key] }))
}

pub(super) fn find(config: &Config, token: &ParsedToken) -> Option<usize> {
    let position = |name: &str, is_trust_domain: bool| {
        config
            .issuers
            .iter()
            .position(|issuer| issuer.is_trust_domain() == is_trust_domain && issuer.issuer == name)
    };
    let by_iss = token.unverified_issuer().ok().and_then(|name| position(name, false));
    by_iss.or_else(|| position(token.unverified_trust_domain()?, true))
}
