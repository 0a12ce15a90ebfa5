//! Nobody is authorized who has not shown to hold the token's key.
use mandate_core::proof::Possession;

fn claim() -> Possession {
    Possession { kinds: Vec::new(), wants_nonce: false }
}

fn main() {}
