//! `cnf` of a link (RFC 7800 §3): the key that its holder proves to have, and signs the next link with.

use crate::denial::{ClaimProblem, LinkProblem};
use crate::keys::PublicKey;
use crate::token::{Digest, digest};
use serde_json::{Map, Value};

/// Whose key a link is bound to.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    /// `cnf.jwk` (RFC 7800 §3.2).
    key: Option<PublicKey>,
    /// `cnf.jkt` (RFC 9449 §6.1).
    thumbprint: Option<Digest>,
}

impl Holder {
    /// Reads `cnf`. What binds in another way, such as `x5t#S256` (RFC 8705 §3.1), may stand there, and signs no link.
    pub(super) fn read(cnf: Option<&Value>) -> Result<Self, LinkProblem> {
        let wrong = |problem| LinkProblem::Claim { claim: "cnf", problem };
        let members = match cnf {
            None => return Err(wrong(ClaimProblem::Missing)),
            Some(Value::Object(members)) if !members.is_empty() => members,
            Some(_) => return Err(wrong(ClaimProblem::Type)),
        };
        let key = members.get("jwk").map(PublicKey::from_jwk).transpose();
        let key = key.map_err(|_| wrong(ClaimProblem::Type))?;
        let thumbprint = match members.get("jkt") {
            None => None,
            Some(value) => {
                let text = value.as_str().ok_or(wrong(ClaimProblem::Type))?;
                Some(digest(text).ok_or(wrong(ClaimProblem::Digest))?)
            }
        };
        // Both name one key, or it is not clear which.
        if let (Some(key), Some(thumbprint)) = (&key, &thumbprint)
            && key.thumbprint() != *thumbprint
        {
            return Err(LinkProblem::TwoKeys);
        }
        Ok(Self { key, thumbprint })
    }

    /// The key that the next link is signed with: the one that is named here, or the one in the header of the next link whose thumbprint
    /// is named here. A key in a header is worth nothing else (RFC 8725 §3.10).
    pub(super) fn signer(&self, next_header: &Map<String, Value>) -> Result<PublicKey, Unsigned> {
        if let Some(key) = &self.key {
            return Ok(key.clone());
        }
        let expected = self.thumbprint.as_ref().ok_or(Unsigned::NoKey)?;
        let shown = next_header.get("jwk").map(PublicKey::from_jwk).and_then(Result::ok);
        shown.filter(|key| key.thumbprint() == *expected).ok_or(Unsigned::OtherKey)
    }
}

/// Why there is no key to verify the next link with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// This link names none.
    NoKey,
    /// The next link has another, or does not show it.
    OtherKey,
}
