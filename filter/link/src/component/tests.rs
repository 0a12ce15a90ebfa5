//! Every kind of component that is accepted, and every kind of refusal.

mod accepted;
mod fixtures;
mod hostile;
mod wiring;
mod world;
