//! The contract with policies, as text, and the names in it that the linker looks for.

/// The files of the package, by name. `wit` is a link to the folder in the SDK, where authors find them.
pub const FILES: [(&str, &str); 4] = [
    ("world.wit", include_str!("../wit/world.wit")),
    ("types.wit", include_str!("../wit/types.wit")),
    ("request.wit", include_str!("../wit/request.wit")),
    ("log.wit", include_str!("../wit/log.wit")),
];

/// The package, up to the name of an interface.
pub const PACKAGE: &str = "mandate:policy/";
/// The world of a policy.
pub const WORLD: &str = "policy";

/// The interface of the request, without package and version.
pub const REQUEST: &str = "request";
/// The resource in that interface.
pub const REQUEST_RESOURCE: &str = "request";
/// The interface with what a policy returns, without package and version.
pub const TYPES: &str = "types";
/// The interface of the log, without package and version.
pub const LOG: &str = "log";

/// The export that says what a policy is.
pub const DESCRIBE: &str = "describe";
/// The export that takes the settings.
pub const CONFIGURE: &str = "configure";
/// The export that judges a request.
pub const CHECK: &str = "check";

/// The variant with the cases that were added.
pub const OBLIGATION: &str = "obligation";

/// A case that a variant got after the first version of the contract. It is the last one, lies within the layout that the
/// variant had, and only policies return it: so a component that was made before needs to know nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddedCase {
    /// The variant.
    pub variant: &'static str,
    /// The case. No other type of the contract has one of this name.
    pub case: &'static str,
    /// The version that added it: WIT has no `@since` for a case.
    pub since: &'static str,
}

/// Every case that was added.
pub const ADDED_CASES: [AddedCase; 1] = [AddedCase { variant: OBLIGATION, case: "approve", since: "0.1.2" }];
