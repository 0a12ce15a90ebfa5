//! The filter's own gate for one token, with keys that are at hand or stand in for them.

use crate::tokens::{SigningKey, TokenError, jwks};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use mandate_core::algorithm::Algorithm;
use mandate_core::config::{Config, Issuer, KeySource, Problem, ProofMode};
use mandate_core::flow::Gate;
use mandate_core::keys::{KeySet, KeyUse, PublicKey, SignatureVerifier, VerifierFailed};
use mandate_core::limits;
use mandate_core::policy::NoPolicies;
use mandate_core::proof::Surroundings;
use mandate_core::time::UnixTime;
use mandate_core::token::ParsedToken;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Takes every signature: for a token whose issuer's keys are not at hand. Nothing but this report depends on it.
pub(super) struct Unchecked;

impl SignatureVerifier for Unchecked {
    fn verify(&self, _: &PublicKey, _: Algorithm, _: &[u8], _: &[u8]) -> Result<bool, VerifierFailed> {
        Ok(true)
    }
}

impl Surroundings for Unchecked {}

/// The one issuer's part of a configuration, without policies, and its keys.
pub(super) struct Gates {
    config: Config,
    /// What is fetched, if anything is.
    document: Vec<u8>,
    now: UnixTime,
}

impl Gates {
    /// For the issuer at this position. `keys` is what its key set would be fetched as; without it, a stand-in is.
    pub(super) fn new(
        config: &Config,
        issuer: usize,
        token: &ParsedToken,
        keys: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<Self, TokenError> {
        let mut config = config.clone().without_policies();
        config.issuers = config.issuers.into_iter().skip(issuer).take(1).collect();
        // How a token is read has nothing to do with what is served without one.
        config.protected_resources.clear();
        let document = match keys {
            Some(keys) => keys.to_vec(),
            None => stand_in(config.issuers.first(), token)?.to_string().into_bytes(),
        };
        Ok(Self { config, document, now })
    }

    /// The keys of the set in words: those that can be used, then what is wrong with the others.
    pub(super) fn key_names(&self) -> Vec<String> {
        let Some(issuer) = self.config.issuers.first() else { return Vec::new() };
        let key_use = KeyUse::of(issuer);
        let set = match &issuer.keys {
            KeySource::Inline(set) => KeySet::from_value_for(key_use, set),
            KeySource::Remote(_) => KeySet::parse_for(key_use, &self.document),
        };
        let Ok(set) = set else { return Vec::new() };
        let usable = set.keys().iter().map(|key| {
            let serves: Vec<&str> =
                Algorithm::ALL.into_iter().filter(|it| key.serves(*it)).map(Algorithm::name).collect();
            let kid = key.kid().map_or_else(|| "no `kid`".to_owned(), |kid| format!("`{kid}`"));
            format!("{kid} for {}", serves.join("/"))
        });
        usable.chain(set.rejected().iter().map(ToString::to_string)).take(limits::REPORTED_KEYS).collect()
    }

    /// The gate of all routes, or of the one at this position alone.
    pub(super) fn gate(&self, route: Option<usize>) -> Result<Gate, String> {
        self.with(self.config.clone(), route)
    }

    /// The gate of the route at this position, if it did not verify proofs.
    pub(super) fn without_proofs(&self, route: usize) -> Result<Gate, String> {
        let mut config = self.config.clone();
        config.issuers.iter_mut().for_each(|issuer| issuer.proof = ProofMode::None);
        config.routes.iter_mut().for_each(|route| route.proof = ProofMode::None);
        self.with(config, Some(route))
    }

    fn with(&self, mut config: Config, route: Option<usize>) -> Result<Gate, String> {
        if let Some(route) = route {
            config.routes = config.routes.into_iter().skip(route).take(1).collect();
        }
        let mut gate = plain(config)?;
        if let Some(store) = gate.remote_store(0) {
            store.accept(&self.document, self.now).map_err(|error| error.to_string())?;
        }
        Ok(gate)
    }
}

/// The same token, but bound to no key, and so with a signature that is wrong. `None`: it is not bound.
pub(super) fn unbound(token: &str) -> Option<String> {
    let parsed = ParsedToken::parse_within(token, limits::MAX_TOKEN_BYTES).ok()?;
    let mut claims = parsed.unverified_claims().clone();
    claims.remove("cnf")?;
    let (header, _) = token.split_once('.')?;
    let (_, signature) = token.rsplit_once('.')?;
    Some(format!("{header}.{}.{signature}", BASE64URL.encode(Value::Object(claims).to_string())))
}

/// A proof for a Workload Identity Token, which only [`Unchecked`] takes: its signature is none. `None`: it is no such token.
pub(super) fn workload_proof(token: &str, address: &str, now: UnixTime) -> Option<String> {
    let parsed = ParsedToken::parse_within(token, limits::MAX_TOKEN_BYTES).ok()?;
    let alg = parsed.unverified_claims().get("cnf")?.get("jwk")?.get("alg")?;
    let digest = BASE64URL.encode(Sha256::digest(token));
    let claims =
        json!({ "aud": address, "exp": now.as_secs().saturating_add(1), "jti": "check", "wth": digest });
    let parts =
        [json!({ "alg": alg, "typ": "wpt+jwt" }), claims].map(|part| BASE64URL.encode(part.to_string()));
    parsed.is_of_type("wit+jwt").then(|| format!("{}.AA", parts.join(".")))
}

/// A gate of a configuration without policies.
pub(super) fn plain(config: Config) -> Result<Gate, String> {
    let said =
        |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    Gate::new(config, Box::new(NoPolicies), [0; 16]).map_err(said)
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
    let key_use = match issuer.map(KeyUse::of) {
        Some(KeyUse::JwtSvid) => Some("jwt-svid"),
        Some(KeyUse::WitSvid) => Some("wit-svid"),
        Some(KeyUse::Signatures) | None => None,
    };
    if let (Some(key_use), Some(key)) = (key_use, key.as_object_mut()) {
        key.insert("use".to_owned(), json!(key_use));
    }
    Ok(json!({ "keys": [key] }))
}
