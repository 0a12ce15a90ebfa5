//! The address that a proof is for.

use super::Sent;
use crate::config::Proofs;
use crate::denial::{Denial, Evidence};
use crate::http::{Address, ExternalUri};
use crate::proof_kind::ProofKind;
use crate::reason::Reason;

/// Checks that `named` is the address of this request, as its sender knows it: one of those that the operator lists, for what the request
/// itself says of its host is the sender's word (draft-ietf-wimse-wpt-02 §3.1).
///
/// # Errors
/// [`Reason::ProofInvalid`].
pub(super) fn check(proof: ProofKind, named: &str, sent: Sent<'_>, settings: &Proofs) -> Result<(), Denial> {
    let Sent { head, path, .. } = sent;
    // A request for a host that is listed is at the addresses of this host. One for another host came by a name that is known inside only.
    let host = head.host();
    let is_here = |uri: &&ExternalUri| host.as_ref().is_some_and(|host| uri.host() == host.as_str());
    let all = &settings.external_uris;
    let is_listed = all.iter().any(|uri| is_here(&uri));
    let own: Vec<&ExternalUri> = all.iter().filter(|uri| !is_listed || is_here(uri)).collect();
    let of_host = || ExternalUri::of_host(head.authority()?);
    let of_host = if settings.uris_from_host { of_host() } else { None };
    let is_this = |address: &Address| {
        own.iter().copied().chain(of_host.as_ref()).any(|own| own.is_followed_by(path, address))
    };
    if Address::parse(named).as_ref().is_some_and(is_this) {
        return Ok(());
    }
    let external_uris = own.into_iter().chain(of_host.as_ref()).map(ToString::to_string).collect();
    // What follows is no part of the address, and may be anything.
    let named = named.split(['?', '#']).next().unwrap_or_default();
    Err(Denial::new(
        Reason::ProofInvalid,
        Evidence::ProofAddress { proof, address: named.into(), external_uris },
    ))
}
