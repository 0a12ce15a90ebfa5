//! Who is at the other end of the connection.

use super::Surroundings;
use crate::config::{CertificateSource, Proofs};
use crate::denial::{Denial, ProofProblem};
use crate::http::{ClientCertificate, RequestHead};
use crate::proof_kind::ProofKind;
use crate::reason::Reason;
use std::cell::OnceCell;

/// The header in which a proxy in front says whose connection it had.
const FORWARDED: &[u8] = b"x-forwarded-client-cert";

/// The client of a connection. Its certificate is asked for at most once, and only if something depends on it.
pub(super) struct Peer<'a> {
    surroundings: &'a dyn Surroundings,
    head: &'a RequestHead,
    source: CertificateSource,
    certificate: OnceCell<Result<Option<ClientCertificate>, Denial>>,
}

impl<'a> Peer<'a> {
    pub(super) fn new(surroundings: &'a dyn Surroundings, head: &'a RequestHead, settings: &Proofs) -> Self {
        Self { surroundings, head, source: settings.mtls.certificate, certificate: OnceCell::new() }
    }

    /// The certificate with which it authenticated the connection.
    pub(super) fn certificate(&self) -> Result<Option<&ClientCertificate>, Denial> {
        let certificate = self.certificate.get_or_init(|| match self.source {
            CertificateSource::Connection => {
                self.surroundings.client_certificate().map_err(|_| Reason::Internal.into())
            }
            CertificateSource::Xfcc => {
                ClientCertificate::forwarded(self.head.values(FORWARDED)).map_err(|problem| {
                    let problem = ProofProblem::Forwarded(problem);
                    super::denial(Reason::ProofInvalid, Some(ProofKind::Mtls), problem)
                })
            }
        });
        certificate.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }
}
