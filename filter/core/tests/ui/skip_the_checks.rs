//! A chain is verified, or it is none.
use mandate_core::chain::{SignedToken, VerifiedChain};
use mandate_core::routes::MatchedRoute;
use std::rc::Rc;

fn skip(token: Rc<SignedToken>, route: Rc<MatchedRoute>) -> VerifiedChain {
    VerifiedChain { token, route }
}

fn main() {}
