//! `proof` and `proofs`.

use super::super::reader::{Node, Object};
use super::super::{CertificateSource, Dpop, Mtls, NonceMode, ProofMode, Proofs, Wpt, checks};
use super::word;
use crate::limits;
use crate::proof_kind::ProofKind;

pub(super) fn mode(node: &Node<'_>) -> Option<ProofMode> {
    word(
        node,
        "mode of proofs",
        &[("none", ProofMode::None), ("if_bound", ProofMode::IfBound), ("required", ProofMode::Required)],
    )
}

pub(super) fn kinds(node: &Node<'_>) -> Option<Vec<ProofKind>> {
    let words = ProofKind::ALL.map(|kind| (kind.name(), kind));
    node.set(1..=limits::SMALL_LIST, |node| word(node, "kind of proof", &words), PartialEq::eq)
}

pub(super) fn proofs(node: &Node<'_>) -> Option<Proofs> {
    let mut object = node.object()?;
    let external_uris = object.defaulted("external_uris", Vec::new, |node| {
        node.set(0..=limits::SMALL_LIST, checks::external_uri, PartialEq::eq)
    });
    let uris_from_host = object.defaulted("uris_from_host", || false, Node::boolean);
    let dpop = object.defaulted("dpop", Dpop::default, dpop);
    let mtls = object.defaulted("mtls", Mtls::default, mtls);
    let wpt = object.defaulted("wpt", Wpt::default, wpt);
    object.finish();
    Some(Proofs {
        external_uris: external_uris?,
        uris_from_host: uris_from_host?,
        dpop: dpop?,
        mtls: mtls?,
        wpt: wpt?,
    })
}

fn mtls(node: &Node<'_>) -> Option<Mtls> {
    let mut object = node.object()?;
    let certificate = object.defaulted("certificate", CertificateSource::default, |node| {
        let words = [("connection", CertificateSource::Connection), ("xfcc", CertificateSource::Xfcc)];
        word(node, "source of certificates", &words)
    });
    object.finish();
    Some(Mtls { certificate: certificate? })
}

fn wpt(node: &Node<'_>) -> Option<Wpt> {
    let mut object = node.object()?;
    let lifetime_s = object.defaulted(
        "lifetime_s",
        || Wpt::default().lifetime_s,
        |node| node.integer(&limits::WPT_LIFETIME_S),
    );
    object.finish();
    Some(Wpt { lifetime_s: lifetime_s? })
}

fn dpop(node: &Node<'_>) -> Option<Dpop> {
    let absent = Dpop::default();
    let mut object = node.object()?;
    let algorithms = object.defaulted("algorithms", || absent.algorithms.clone(), checks::algorithms);
    let window_s =
        object.defaulted("window_s", || absent.window_s, |node| node.integer(&limits::DPOP_WINDOW_S));
    let nonce = object.defaulted("nonce", NonceMode::default, |node| {
        word(node, "mode of nonces", &[("none", NonceMode::None), ("required", NonceMode::Required)])
    });
    let nonce_lifetime_s = object.defaulted(
        "nonce_lifetime_s",
        || absent.nonce_lifetime_s,
        |node| node.integer(&limits::DPOP_NONCE_LIFETIME_S),
    );
    object.finish();
    Some(Dpop {
        algorithms: algorithms?,
        window_s: window_s?,
        nonce: nonce?,
        nonce_lifetime_s: nonce_lifetime_s?,
    })
}

/// Reports a place that asks for proofs with an address in them, where nothing says what that address is.
pub(super) fn refuse_without_address(object: &mut Object<'_>, kinds: &[ProofKind]) {
    let named: Vec<&str> = kinds.iter().filter(|kind| kind.has_address()).map(|kind| kind.name()).collect();
    if named.is_empty() {
        return;
    }
    if let Some(node) = object.member("proof") {
        node.refuse_with::<()>(
            format!(
                "asks for proofs that name the address of the request (`{}`), and `proofs.external_uris` is empty",
                named.join("`, `")
            ),
            "list the addresses under which clients know this gateway, for example `\"proofs\": { \"external_uris\": \
             [\"https://tools.example\"] }`, or accept other kinds only: `\"proof_kinds\": [\"mtls\"]` of the issuer",
        );
    }
}

/// Reports tokens of workloads, whose proofs name an address, where nothing says what that address is.
pub(super) fn refuse_workloads_without_address(object: &mut Object<'_>) {
    if let Some(node) = object.member("provider") {
        node.refuse_with::<()>(
            "tokens of workloads come with proofs that name the address of the request, and `proofs.external_uris` is empty",
            "list the addresses under which clients know this gateway, for example `\"proofs\": { \"external_uris\": \
             [\"https://tools.example\"] }`",
        );
    }
}

/// Reports that tokens of workloads come with another kind of proof than those that are listed.
pub(super) fn refuse_kinds_of_workload(object: &mut Object<'_>) {
    if let Some(node) = object.member("proof_kinds") {
        node.refuse_with::<()>(
            "must contain `wpt`: tokens of workloads come with such proofs",
            "leave the member out",
        );
    }
}
