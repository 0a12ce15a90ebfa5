//! The border between the filter, the policies that are linked into it, and the linker that puts them together.
//!
//! All three are compiled apart and meet in one module, where nothing but numbers is passed. Whatever they must agree on
//! stands here and nowhere else:
//!
//! - [`functions!`]: the functions of the filter that the linker finds by name and gives bodies, see [`Stub`];
//! - [`PolicyFunction`]: the functions of a policy that the filter calls, by number;
//! - [`HostFunction`]: the functions of the filter that a policy calls, by number;
//! - [`Fault`]: how a call ends that ends badly, and [`passed`]: how results and faults share a word;
//! - [`layout`]: where the parts of the contract's types lie in a policy's memory;
//! - [`limits`]: what a policy may be made of, and what copying costs;
//! - [`list`]: how a bundle names its policies;
//! - [`wit`]: the contract with policies, as text;
//! - [`VERSION`]: what all of this is called. A test fails where it changes, and asks whether the version must too.
//!
//! Plain constants and enums: this package depends on nothing, and builds for every target.

#![no_std]

#[macro_use]
mod define;

pub mod layout;
pub mod limits;
pub mod list;
pub mod passed;
pub mod wit;

mod fault;
mod host_function;
mod policy_function;
mod signature;
mod stub;
mod version;

pub use fault::Fault;
pub use host_function::HostFunction;
pub use policy_function::PolicyFunction;
pub use signature::{CoreType, Signature};
pub use stub::{ANSWER, Function, PREFIX, Stub};
pub use version::{VERSION, VERSION_SECTION, version_of};
