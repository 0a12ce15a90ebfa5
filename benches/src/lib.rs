//! mandate-benches
