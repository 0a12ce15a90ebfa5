//! `proofs`.

use super::super::{AgentSource, CertificateSource, Config, Problem, Proofs};
use super::warning;
use crate::proof_kind::ProofKind;

pub(super) fn warnings(config: &Config, warnings: &mut Vec<Problem>) {
    let proofs = &config.proofs;
    let is_used = ProofKind::ALL.into_iter().any(|kind| config.accepts_proof(kind))
        || config.issuers.iter().any(|issuer| issuer.agent.agree.contains(&AgentSource::Certificate));
    if *proofs != Proofs::default() && !is_used {
        warnings.push(warning(
            "/proofs".to_owned(),
            "is not used: `proof` of every issuer and every route is `none`, so no proof is verified"
                .to_owned(),
            "set `proof` of the issuer to `if_bound` or `required`, or remove `proofs`",
        ));
    }
    if proofs.uris_from_host {
        warnings.push(warning(
            "/proofs/uris_from_host".to_owned(),
            "the sender of a request chooses its host: a proof that was stolen from a request to another server is accepted here with that \
             server's host"
                .to_owned(),
            "list the addresses of this gateway in `external_uris`, or let the proxy accept its own hosts only",
        ));
    }
    if proofs.mtls.certificate == CertificateSource::Xfcc {
        warnings.push(warning(
            "/proofs/mtls/certificate".to_owned(),
            "whoever can send the header `x-forwarded-client-cert` to this proxy has any certificate that it names".to_owned(),
            "let only the proxy in front reach this one, and have it remove what its clients sent; or write `connection`, if this proxy \
             ends TLS",
        ));
    }
    for (index, uri) in proofs.external_uris.iter().enumerate() {
        if !uri.is_secure() {
            warnings.push(warning(
                format!("/proofs/external_uris/{index}"),
                "without TLS, whoever listens gets tokens and proofs, and can use a proof that did not arrive".to_owned(),
                "write `https`, if clients reach this gateway over TLS",
            ));
        }
    }
}
