//! What an author of policies does at the desk, from the first line to the bundle.
//!
//! - [`scaffold()`] begins a crate; [`Project`] compiles one to a [`Component`].
//! - [`PolicySource`] is a policy as a command line names it, and [`bundle`] puts policies into a filter.
//! - [`Trial`] puts the cases of a table to the linked policy and to the oracle, and compares; [`Bench`] says what they cost.
//! - [`inspect()`] says what is in a component, or in a bundle.

mod bench;
mod component;
mod inspect;
mod project;
mod scaffold;
mod trial;

pub use bench::{Bench, Cost};
pub use component::{Component, PolicySource, bundle, componentize, examples, write_whole};
pub use inspect::{BundledPolicy, Contents, CoreModule, Function, inspect};
pub use project::Project;
pub use scaffold::{is_crate_name, scaffold};
pub use trial::{Explanation, Trial, Tried};

use crate::cases::{CaseError, TableError};
use crate::oracle::OracleError;
use crate::tokens::TokenError;
use mandate_harness::HarnessError;
use mandate_link::LinkError;
use mandate_link::seam::limits::NAME_BYTES;
use std::path::{Path, PathBuf};

/// Why something could not be done for an author.
#[derive(Debug, thiserror::Error)]
pub enum AuthoringError {
    /// A file or folder cannot be read or written.
    #[error("`{}`: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Nothing is overwritten.
    #[error("`{}` exists and is not empty: take another name, or another folder with `--path`", .0.display())]
    Exists(PathBuf),
    /// A name that a crate and a policy cannot both have.
    #[error(
        "`{0}` is no name for a policy: begin with a lower-case letter, and go on with lower-case letters, digits and dashes, \
         {most} at most",
        most = NAME_BYTES
    )]
    CrateName(String),
    /// A name that a configuration cannot call a policy by.
    #[error(
        "`{name}` is no name for a policy (1 to {most} lower-case letters, digits and dashes): give it one, as in \
         `my-policy={}`", path.display(), most = NAME_BYTES
    )]
    Name {
        /// The name.
        name: String,
        /// The policy.
        path: PathBuf,
    },
    /// There is no crate of a policy in a folder.
    #[error("`{}` is no crate of a policy: {why}", folder.display())]
    NoProject {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        why: String,
    },
    /// The crate does not compile, or Cargo cannot be run.
    #[error("{0}")]
    Cargo(String),
    /// What was compiled is no policy.
    #[error("no component can be made of `{}`: {why}", path.display())]
    Componentize {
        /// The core module.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The linker refuses what was built.
    #[error("`{name}` cannot be linked: {why}")]
    Refused {
        /// The crate.
        name: String,
        /// Why, and what to do about it.
        why: String,
    },
    /// There is no bundle.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The table of cases cannot be used.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A case cannot be put to the policy.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The bundle cannot be run.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// The component cannot be run.
    #[error(transparent)]
    Oracle(#[from] OracleError),
    /// No token could be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// What is neither a component nor a core module, or cannot be read to its end.
    #[error("`{}` cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

impl AuthoringError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}
