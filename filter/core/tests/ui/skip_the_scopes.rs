//! No policy is asked about a request whose scopes nobody looked at.
use mandate_core::chain::VerifiedChain;
use mandate_core::http::{NormalPath, RequestHead};
use mandate_core::policy::RequestContext;
use mandate_core::time::UnixTime;

fn skip<'a>(head: &'a RequestHead, path: &'a NormalPath, chain: &'a VerifiedChain) -> RequestContext<'a> {
    RequestContext { head, path, chain, now: UnixTime::default() }
}

fn main() {}
