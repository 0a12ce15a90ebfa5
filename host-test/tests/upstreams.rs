//! Real servers behind the filter in a real Envoy: what is authorised is what they serve.
//!
//! The servers are installed below the target folder when they are first needed, from the registries. Where one cannot be had,
//! its tests are skipped, visibly, unless `MANDATE_REQUIRE_UPSTREAMS` is set. Every server writes down which handler ran for
//! a request and what it saw, so each test looks at both: the answer, and what ran.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

#[cfg(test)]
mod upstreams {
    mod a2a;
    mod approvals;
    mod connection;
    mod dpop;
    mod gateway;
    mod hosts;
    mod listed;
    mod mcp;
    mod mount;
    mod oauth;
    mod servers;
    mod spelling;
}
