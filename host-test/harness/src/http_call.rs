//! HTTP calls that a filter makes.

use std::time::Duration;

use crate::header::Headers;

/// An HTTP call that the filter made and that the test has yet to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// What the filter and [`Vm::answer_call`](crate::Vm::answer_call) know the call by.
    pub token: u32,
    /// The cluster that is called.
    pub cluster: String,
    /// The request headers, pseudo-headers included.
    pub headers: Headers,
    /// The request body; empty without one.
    pub body: Vec<u8>,
    /// The request trailers.
    pub trailers: Headers,
    /// How long Envoy would wait; `None` is for ever. The harness never lets a call time out by itself.
    pub timeout: Option<Duration>,
}
