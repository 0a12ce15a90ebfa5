//! Only the flow lets a request go on.
use mandate_core::decision::{Outcome, Permit};

fn permit() -> Outcome {
    Outcome::Allow(Permit(unimplemented!()))
}

fn main() {}
