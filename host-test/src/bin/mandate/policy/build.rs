//! `mandate policy build`.

use crate::output::{self, line, progress};
use anyhow::Result;
use mandate_host::authoring::Project;
use serde_json::json;
use std::path::PathBuf;

/// Compile the crate of a policy to a component that can be linked.
///
/// It is written to policy/NAME.wasm in Cargo's target folder. It is compiled for size, with a stack of 16 KiB, whatever the
/// profile of the crate is. The first build downloads dependencies from crates.io and takes about a minute. Components for the
/// same contract can also be made with other toolchains.
#[derive(Debug, clap::Args)]
pub struct Build {
    /// The folder of the crate.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Build {
    pub fn run(self) -> Result<bool> {
        let project = Project::open(&self.folder)?;
        let component = project.build(progress)?;
        let (path, bytes, sha256) = (project.component(), component.bytes.len(), component.digest());
        if self.json {
            output::json(&json!({ "name": component.name, "path": path, "bytes": bytes, "sha256": sha256 }))?;
        } else {
            line(&format!("{} ({})\nsha256 {sha256}", path.display(), output::size(bytes)))?;
        }
        Ok(true)
    }
}
