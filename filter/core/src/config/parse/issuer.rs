//! `issuers`.

use super::super::reader::{Node, Object};
use super::super::{Issuer, KeySource, RemoteKeys, checks, defaults, same_token_type};
use crate::limits;
use serde_json::Value;

pub(super) fn issuers(node: &Node<'_>) -> Option<Vec<Issuer>> {
    let issuers = node.list(1..=limits::ISSUERS, issuer);
    node.refuse_repeated("issuer", limits::ISSUERS);
    issuers
}

fn issuer(node: &Node<'_>) -> Option<Issuer> {
    let mut object = node.object()?;
    let issuer = object.required("issuer", checks::identity);
    let audiences =
        object.required("audiences", |node| node.set(1..=limits::AUDIENCES, checks::identity, PartialEq::eq));
    // By name: an algorithm may have two, and whoever lists both means that a token may use either.
    let algorithms = object.required("algorithms", |node| {
        let named = |node: &Node<'_>| Some((checks::algorithm(node)?, node.value().clone()));
        let set = node.set(1..=limits::SMALL_LIST, named, |left, right| left.1 == right.1)?;
        Some(set.into_iter().map(|(algorithm, _)| algorithm).collect())
    });
    let token_types = object.defaulted("token_types", defaults::token_types, |node| {
        node.set(1..=limits::SMALL_LIST, checks::token_type, |left, right| same_token_type(left, right))
    });
    let keys = object.required("keys", key_source);
    let clock_skew_s = object.defaulted("clock_skew_s", defaults::clock_skew_s, |node| {
        node.integer(&(0..=limits::MAX_CLOCK_SKEW_S))
    });
    let max_lifetime_s = object.defaulted("max_lifetime_s", defaults::max_lifetime_s, |node| {
        node.integer(&(1..=limits::MAX_MAX_LIFETIME_S))
    });
    object.finish();
    Some(Issuer {
        issuer: issuer?,
        audiences: audiences?,
        algorithms: algorithms?,
        token_types: token_types?,
        keys: keys?,
        clock_skew_s: clock_skew_s?,
        max_lifetime_s: max_lifetime_s?,
    })
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
