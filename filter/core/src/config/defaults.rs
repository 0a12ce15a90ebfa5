//! Defaults of members, where no `Default` implementation has them.

use crate::algorithm::Algorithm;
use crate::limits;
use crate::proof_kind::ProofKind;

#[cfg(feature = "schema")]
pub(super) fn token_types() -> Vec<String> {
    vec!["at+jwt".to_owned()]
}

pub(super) const fn body_bytes() -> usize {
    limits::BODY_BYTES
}

pub(super) const fn narrow_lists() -> bool {
    true
}

pub(super) const fn token_bytes() -> usize {
    limits::TOKEN_BYTES
}

pub(super) const fn clock_skew_s() -> u64 {
    limits::DEFAULT_CLOCK_SKEW_S
}

#[cfg(feature = "schema")]
pub(super) const fn max_lifetime_s() -> u64 {
    limits::DEFAULT_MAX_LIFETIME_S
}

pub(super) fn proof_kinds() -> Vec<ProofKind> {
    ProofKind::ALL.to_vec()
}

pub(super) fn dpop_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::Es256, Algorithm::EdDsa]
}

#[cfg(feature = "schema")]
pub(super) const fn dpop_window_s() -> u64 {
    limits::DEFAULT_DPOP_WINDOW_S
}

#[cfg(feature = "schema")]
pub(super) const fn wpt_lifetime_s() -> u64 {
    limits::DEFAULT_WPT_LIFETIME_S
}

#[cfg(feature = "schema")]
pub(super) const fn dpop_nonce_lifetime_s() -> u64 {
    limits::DEFAULT_DPOP_NONCE_LIFETIME_S
}

pub(super) const fn timeout_ms() -> u64 {
    limits::DEFAULT_KEYS_TIMEOUT_MS
}

pub(super) const fn refresh_s() -> u64 {
    limits::DEFAULT_KEYS_REFRESH_S
}

pub(super) const fn stale_s() -> u64 {
    limits::DEFAULT_KEYS_STALE_S
}

#[cfg(feature = "schema")]
pub(super) const fn max_depth() -> u8 {
    limits::DEFAULT_MAX_DEPTH
}

#[cfg(feature = "schema")]
pub(super) const fn identity_headers() -> bool {
    true
}

#[cfg(feature = "schema")]
pub(super) const fn fuel() -> u64 {
    limits::DEFAULT_POLICY_FUEL
}

#[cfg(feature = "schema")]
pub(super) const fn memory_bytes() -> u64 {
    limits::DEFAULT_POLICY_MEMORY_BYTES
}

#[cfg(feature = "schema")]
pub(super) const fn output_bytes() -> u64 {
    limits::DEFAULT_POLICY_OUTPUT_BYTES
}
