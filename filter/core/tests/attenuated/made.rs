//! Chains to be looked at: each link made by the holder of the link before, and signed anew after every change.

use crate::support::{AUDIENCE, ISSUER, NOW_S, Private, b64, header, issuer_key, sign_texts};
use mandate_core::algorithm::Algorithm;
use mandate_core::json::canonical;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many proofs were made: each has an id of its own.
static PROOFS: AtomicUsize = AtomicUsize::new(0);

pub const HEADER: &str = "x-delegation-chain";

/// A link before it is signed.
#[derive(Clone)]
pub struct Link {
    pub header: Value,
    /// `par_hash` is put in when it is signed, unless it is there.
    pub claims: Value,
    /// The number of the key that signs it; `None`: the issuer's.
    pub signer: Option<u8>,
    /// The algorithm that it is signed with, whatever the header says.
    pub algorithm: Algorithm,
    /// Changes of the texts before they are signed.
    pub header_text: fn(String) -> String,
    pub claims_text: fn(String) -> String,
}

#[derive(Clone)]
pub struct Chain(pub Vec<Link>);

/// The key of the holder of the link at a position.
pub fn holder(position: usize) -> Private {
    Private::new(Algorithm::EdDsa, holder_number(position))
}

fn holder_number(position: usize) -> u8 {
    100 + u8::try_from(position).unwrap()
}

/// RFC 7638.
pub fn thumbprint(key: &Private) -> String {
    b64(key.public().thumbprint())
}

/// `authorization_details` of one grant.
pub fn grant(scopes: &[&str], constraints: Value) -> Value {
    json!([{ "type": "agent_delegation", "scopes": scopes, "constraints": constraints }])
}

impl Chain {
    /// A good chain of so many links. `agent-0` has the root; each grants what it has, until ten seconds before its own end.
    pub fn of(links: usize) -> Self {
        let link = |position: usize| {
            let mut claims = json!({
                "iss": ISSUER, "aud": AUDIENCE, "sub": "user:alice", "client_id": format!("agent-{position}"),
                "jti": format!("link-{position}"), "iat": NOW_S - 10, "exp": NOW_S + 600 - 10 * u64::try_from(position).unwrap(),
                "cnf": { "jwk": holder(position).jwk() }, "del_depth": position,
                "authorization_details": grant(&["tickets.read", "crm.*"], json!([])),
            });
            if position == 0 {
                claims["del_max_depth"] = json!(8);
            }
            if position + 1 == links {
                claims["cnf"] = json!({ "jkt": thumbprint(&holder(position)) });
            }
            Link {
                header: if position == 0 { header() } else { json!({ "alg": "EdDSA", "typ": "at+jwt" }) },
                claims,
                signer: position.checked_sub(1).map(holder_number),
                algorithm: Algorithm::EdDsa,
                header_text: |text| text,
                claims_text: |text| text,
            }
        };
        Self((0..links).map(link).collect())
    }

    pub fn with(mut self, change: impl FnOnce(&mut Vec<Link>)) -> Self {
        change(&mut self.0);
        self
    }

    /// All links, signed.
    pub fn signed(&self) -> Vec<String> {
        let mut signed: Vec<String> = Vec::new();
        for link in &self.0 {
            let mut claims = link.claims.clone();
            if let Some(parent) = signed.last()
                && claims.get("par_hash").is_none()
            {
                let input = parent.rsplit_once('.').unwrap().0;
                claims["par_hash"] = json!(b64(Sha256::digest(input)));
            }
            if claims["par_hash"].is_null() {
                claims.as_object_mut().unwrap().remove("par_hash");
            }
            // What has no canonical form is written as it is.
            let text = |value: &Value| canonical(value).unwrap_or_else(|_| value.to_string());
            let (header, claims) =
                ((link.header_text)(text(&link.header)), (link.claims_text)(text(&claims)));
            let input = format!("{}.{}", b64(header), b64(claims));
            let key = link.signer.map_or_else(issuer_key, |number| Private::new(link.algorithm, number));
            let signature = b64(key.sign(link.algorithm, input.as_bytes()));
            signed.push(format!("{input}.{signature}"));
        }
        signed
    }

    /// The headers of the access token with a proof for a `GET` of this path, used for the first time.
    pub fn proven(&self, path: &str) -> Vec<(String, String)> {
        self.proven_by(&holder(self.0.len() - 1), path)
    }

    /// The same, with a proof of some key.
    pub fn proven_by(&self, key: &Private, path: &str) -> Vec<(String, String)> {
        let (token, _) = self.sent();
        let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": key.jwk() });
        let claims = json!({
            "jti": format!("proof-{}", PROOFS.fetch_add(1, Ordering::Relaxed)), "htm": "GET",
            "htu": format!("https://tools.example{path}"), "iat": NOW_S, "ath": b64(Sha256::digest(&token)),
        });
        let proof = sign_texts(key, Algorithm::EdDsa, &header.to_string(), &claims.to_string());
        vec![("authorization".to_owned(), format!("DPoP {token}")), ("dpop".to_owned(), proof)]
    }

    /// What goes into the two headers: the access token, and the links before it, if there are any.
    pub fn sent(&self) -> (String, Option<String>) {
        let mut links = self.signed();
        let last = links.pop().unwrap();
        (last, (!links.is_empty()).then(|| links.join(",")))
    }
}
