//! Mutual TLS (RFC 8705): the client authenticated the connection with the certificate that its token is bound to.
//!
//! Whether the certificate is one of an authority that the proxy trusts does not matter here: its digest is what binds, also that of one that
//! nobody signed but the client itself (§2.2). That the client has the private key is what the handshake showed, or that of the session
//! which it resumes.

use super::Peer;
use crate::denial::{Denial, ProofProblem};
use crate::proof_kind::ProofKind;
use crate::reason::Reason;
use crate::token::Digest;

/// Checks that the certificate of the connection is the one with this digest (§3).
///
/// # Errors
/// [`Reason::ProofRequired`] without a certificate, [`Reason::ProofInvalid`] with another or with one that cannot be read.
pub(super) fn check(bound_to: &Digest, peer: &Peer<'_>) -> Result<(), Denial> {
    let refuse = |reason, problem| Err(super::denial(reason, Some(ProofKind::Mtls), problem));
    match peer.certificate()? {
        Some(certificate) if certificate.digest() == bound_to => Ok(()),
        Some(_) => refuse(Reason::ProofInvalid, ProofProblem::OtherCertificate),
        None => refuse(Reason::ProofRequired, ProofProblem::NoCertificate),
    }
}
