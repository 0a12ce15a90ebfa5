//! The claims of a token that nobody verified are for showing only.
use mandate_core::token::ParsedToken;

fn trust(token: ParsedToken) -> usize {
    token.claims.len()
}

fn main() {}
