//! `mandate policy new`.

use crate::output::{line, progress};
use anyhow::Result;
use mandate_host::authoring::scaffold;
use std::path::PathBuf;

/// Create a policy: a crate in Rust that builds and passes its own tests.
///
/// It contains a small policy with typed settings, unit tests, a table of cases, and a copy of the SDK.
#[derive(Debug, clap::Args)]
pub struct New {
    /// Name of the policy and the crate: lower-case letters, digits and dashes, starting with a letter.
    name: String,
    /// The folder to write into; it must not exist, or be empty [default: a folder of that name].
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

impl New {
    pub fn run(self) -> Result<bool> {
        let folder = self.path.unwrap_or_else(|| PathBuf::from(&self.name));
        scaffold(&self.name, &folder)?;
        line(&folder.display().to_string())?;
        progress(&format!("next: `cd {}` and `mandate policy test`", folder.display()));
        Ok(true)
    }
}
