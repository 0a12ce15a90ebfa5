//! `issuers`.

use super::super::reader::{Node, Object};
use super::super::{
    ChainForm, Issuer, KeySource, ProofMode, Provider, RemoteKeys, checks, defaults, same_token_type,
};
use super::{claims, proof, word};
use crate::proof_kind::ProofKind;
use crate::{limits, spiffe, workload};
use serde_json::Value;

/// `lacks_address`: nothing says what the address of a request is.
pub(super) fn issuers(node: &Node<'_>, lacks_address: bool) -> Option<Vec<Issuer>> {
    let issuers = node.list(1..=limits::ISSUERS, |node| issuer(node, lacks_address));
    // Tokens of the two kinds that a trust domain may have are told apart.
    let wit =
        |issuer: &Value| issuer.get("provider").is_some_and(|provider| provider == Provider::Wit.name());
    node.refuse_repeated_of("issuer", limits::ISSUERS, wit);
    issuers
}

fn issuer(node: &Node<'_>, lacks_address: bool) -> Option<Issuer> {
    let mut object = node.object()?;
    let provider = object.defaulted("provider", Provider::default, |node| {
        let words: Vec<_> = Provider::ALL.iter().map(|provider| (provider.name(), *provider)).collect();
        word(node, "known provider", &words)
    });
    let preset = provider.unwrap_or_default().preset();
    let issuer = object.required("issuer", |node| issuer_name(node, provider));
    let audience_list = |node: &Node<'_>| node.set(1..=limits::AUDIENCES, checks::identity, PartialEq::eq);
    let audiences = match provider {
        Some(Provider::Wit) => object.defaulted("audiences", Vec::new, audience_list),
        _ => object.required_as(
            "audiences",
            || format!("for `{}`: {}", preset.name, preset.audience),
            audience_list,
        ),
    };
    let algorithms = object.required_as(
        "algorithms",
        || format!("what the issuer signs with; `{}`: usually `{}`", preset.name, preset.algorithm),
        checks::algorithms,
    );
    let same_type = |left: &Option<String>, right: &Option<String>| match (left, right) {
        (Some(left), Some(right)) => same_token_type(left, right),
        (left, right) => left.is_none() && right.is_none(),
    };
    let token_types = object.required("token_types", |node| {
        node.set(1..=limits::SMALL_LIST, checks::token_type_or_null, same_type)
    });
    let claims = object.required("claims", claims::claims);
    let agent = object.required("agent", |node| claims::agent(node, provider));
    let chain = object.required("chain", claims::chain);
    let keys = object.required("keys", key_source);
    let clock_skew_s = object.defaulted("clock_skew_s", defaults::clock_skew_s, |node| {
        node.integer(&(0..=limits::MAX_CLOCK_SKEW_S))
    });
    let max_lifetime_s =
        object.required("max_lifetime_s", |node| node.integer(&(1..=limits::MAX_MAX_LIFETIME_S)));
    let token_bytes = object.defaulted("token_bytes", defaults::token_bytes, |node| {
        let range = (limits::MIN_TOKEN_BYTES as u64)..=(limits::MAX_TOKEN_BYTES as u64);
        usize::try_from(node.integer(&range)?).ok()
    });
    let proof = object.defaulted("proof", ProofMode::default, proof::mode);
    let proof_kinds = object.defaulted("proof_kinds", defaults::proof_kinds, proof::kinds);
    if provider == Some(Provider::Wit) {
        if lacks_address {
            proof::refuse_workloads_without_address(&mut object);
        }
        if proof_kinds.as_ref().is_some_and(|kinds| !kinds.contains(&ProofKind::Wpt)) {
            proof::refuse_kinds_of_workload(&mut object);
        }
    } else if lacks_address
        && proof.is_some_and(|mode| mode != ProofMode::None)
        && let Some(kinds) = &proof_kinds
    {
        proof::refuse_without_address(&mut object, kinds);
    }
    if chain.as_ref().is_some_and(|chain| chain.form == ChainForm::Attenuated) {
        let provider = provider.unwrap_or_default();
        claims::refuse_beside_attenuated(&mut object, provider, claims.as_ref(), agent.as_ref());
        if proof.is_some_and(|mode| mode != ProofMode::Required) {
            claims::refuse_unproven(&mut object);
        }
    }
    object.finish();
    Some(Issuer {
        issuer: issuer?,
        provider: provider?,
        audiences: audiences?,
        algorithms: algorithms?,
        token_types: token_types?,
        claims: claims?,
        agent: agent?,
        chain: chain?,
        keys: keys?,
        clock_skew_s: clock_skew_s?,
        max_lifetime_s: max_lifetime_s?,
        token_bytes: token_bytes?,
        proof: proof?,
        proof_kinds: proof_kinds?,
    })
}

/// The name of an issuer, which must be one that a token of the provider can have.
fn issuer_name(node: &Node<'_>, provider: Option<Provider>) -> Option<String> {
    let name = checks::identity(node)?;
    match provider {
        Some(Provider::Wit) if !workload::is_trust_domain(&name) => node.refuse_with(
            "must be a trust domain without a path, in lower case",
            "for example `wimse://prod.example` or `spiffe://prod.example`",
        ),
        Some(Provider::JwtSvid) if !spiffe::is_trust_domain(&name) => node.refuse_with(
            "must be a SPIFFE trust domain without a path, in lower case",
            "for example `spiffe://prod.example`",
        ),
        // Tokens name the tenant that they are from, also those of an application of many tenants.
        Some(Provider::Entra | Provider::EntraAgent)
            if ["common", "organizations", "consumers"]
                .iter()
                .any(|tenant| name.split('/').any(|part| part == *tenant)) =>
        {
            node.refuse_with(
                "names no tenant, and no token has such an `iss`",
                "write `https://login.microsoftonline.com/<tenant id>/v2.0`, one issuer for each tenant",
            )
        }
        _ => Some(name),
    }
}

fn key_source(node: &Node<'_>) -> Option<KeySource> {
    let mut object = node.object()?;
    let inline = object.optional("inline", inline_keys);
    let remote = object.optional("remote", remote_keys);
    object.finish();
    match (inline?, remote?) {
        (Some(set), None) => Some(KeySource::Inline(set)),
        (None, Some(remote)) => Some(KeySource::Remote(remote)),
        (None, None) => node.refuse("must hold `inline` or `remote`"),
        (Some(_), Some(_)) => node.refuse_with("must not hold both `inline` and `remote`", "keep one"),
    }
}

/// The keys themselves are read by the key parser, which ignores what RFC 7517 §5 tells it to ignore.
fn inline_keys(node: &Node<'_>) -> Option<Value> {
    let mut object = node.object()?;
    object.required("keys", |node| node.elements(0..=limits::KEYS))?;
    Some(node.value().clone())
}

fn remote_keys(node: &Node<'_>) -> Option<RemoteKeys> {
    let mut object = node.object()?;
    let cluster = object.required("cluster", checks::cluster);
    let uri = object.required("uri", checks::keys_url);
    let timeout_ms =
        object.defaulted("timeout_ms", defaults::timeout_ms, |node| node.integer(&limits::KEYS_TIMEOUT_MS));
    let refresh_s =
        object.defaulted("refresh_s", defaults::refresh_s, |node| node.integer(&limits::KEYS_REFRESH_S));
    let stale_s = object.defaulted("stale_s", defaults::stale_s, |node| node.integer(&limits::KEYS_STALE_S));
    if let (Some(refresh), Some(stale)) = (refresh_s, stale_s)
        && stale < refresh
    {
        refuse_stale(&mut object, refresh, stale);
    }
    object.finish();
    Some(RemoteKeys {
        cluster: cluster?,
        uri: uri?,
        timeout_ms: timeout_ms?,
        refresh_s: refresh_s?,
        stale_s: stale_s?,
    })
}

fn refuse_stale(object: &mut Object<'_>, refresh: u64, stale: u64) {
    if let Some(node) = object.member("stale_s") {
        node.refuse_with::<()>(
            format!("must not be less than `refresh_s`, which is {refresh}"),
            "keys would be dropped before they are fetched again",
        );
    } else if let Some(node) = object.member("refresh_s") {
        node.refuse_with::<()>(
            format!("must not be more than `stale_s`, which is {stale} when absent"),
            format!("give a `stale_s` of at least {refresh}"),
        );
    }
}
