//! The operator's policies: what they are asked about, how they are called, and what their verdicts come to.

mod call;
mod canonical_abi;
mod context;
mod fold;
mod linked;
mod log;
mod policies;
mod verdict;

pub use call::PolicyCall;
pub use canonical_abi::{PolicyMemory, lift_configured, lift_verdict};
pub use context::{ArgumentError, HeaderError, RequestContext};
pub use fold::{Fold, PolicyRecord};
pub use linked::{LinkedPolicies, Seam, host_call};
pub use log::PolicyLog;
pub use policies::{CheckResult, Complaint, LinkedPolicy, NoPolicies, Policies};
pub use verdict::{Fault, Obligation, Verdict};
