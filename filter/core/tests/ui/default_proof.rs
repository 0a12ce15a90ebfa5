//! Nor is there one to begin with.
use mandate_core::proof::Possession;

fn claim() -> Possession {
    Possession::default()
}

fn main() {}
