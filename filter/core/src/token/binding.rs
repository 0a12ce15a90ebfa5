//! The key that a token is bound to (`cnf`, RFC 7800 §3.1).

use super::workload_key::WorkloadKey;
use crate::config::Issuer;
use crate::denial::ClaimProblem;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// What a token is bound to. Members of `cnf` that are not known are ignored (RFC 7800 §3.1); if none is known, nothing proves that the
/// sender may use the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    thumbprint: Option<Digest>,
    certificate: Option<Digest>,
    workload: Option<Box<WorkloadKey>>,
}

impl Binding {
    /// What `claims` say, if they say anything.
    ///
    /// # Errors
    /// The place, and what is wrong there.
    pub(super) fn read(
        claims: &Map<String, Value>,
        issuer: &Issuer,
    ) -> Result<Option<Self>, (&'static str, ClaimProblem)> {
        let Some(cnf) = claims.get("cnf") else {
            // Such a token is no bearer token (draft-ietf-wimse-workload-creds §5.1).
            return if issuer.is_wit() { Err(("/cnf", ClaimProblem::Missing)) } else { Ok(None) };
        };
        let cnf = cnf.as_object().ok_or(("/cnf", ClaimProblem::Type))?;
        let digest = |name: &str, place| match cnf.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => match digest(text) {
                Some(digest) => Ok(Some(digest)),
                None => Err((place, ClaimProblem::Digest)),
            },
            Some(_) => Err((place, ClaimProblem::Type)),
        };
        let thumbprint = digest("jkt", "/cnf/jkt")?;
        let certificate = digest("x5t#S256", "/cnf/x5t#S256")?;
        let workload = issuer.is_wit().then(|| WorkloadKey::read(cnf, issuer)).transpose()?.map(Box::new);
        Ok(Some(Self { thumbprint, certificate, workload }))
    }

    /// The thumbprint of a key (RFC 7638): a DPoP proof must be signed with it (`jkt`, RFC 9449 §6.1).
    #[must_use]
    pub fn thumbprint(&self) -> Option<&Digest> {
        self.thumbprint.as_ref()
    }

    /// The key of a Workload Identity Token: a Workload Proof Token must be signed with it.
    #[must_use]
    pub fn workload(&self) -> Option<&WorkloadKey> {
        self.workload.as_deref()
    }

    /// The digest of a certificate in DER: the connection must be authenticated with it (`x5t#S256`, RFC 8705 §3.1).
    #[must_use]
    pub fn certificate(&self) -> Option<&Digest> {
        self.certificate.as_ref()
    }
}

/// A SHA-256 digest in base64url without padding.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
