//! `mandate build`.

use crate::output::{line, progress, size};
use anyhow::{Context as _, Result, anyhow};
use mandate_host::{FILTER, filter_build, paths};
use std::path::PathBuf;

/// Write the plain filter, without policies, ready for Envoy.
///
/// In a checkout of the source the filter is compiled; elsewhere the filter that this tool contains is written.
#[derive(Debug, clap::Args)]
pub struct Build {
    /// The file to write [default: mandate/mandate.wasm below CARGO_TARGET_DIR, the target folder of the surrounding Cargo
    /// workspace, or the user's cache folder].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Build {
    pub fn run(self) -> Result<bool> {
        let target_dir = paths::target_dir().context("no folder to build in; set CARGO_TARGET_DIR")?;
        let output = self.output.unwrap_or_else(|| paths::filter_wasm(&target_dir));
        let module = match filter_build::workspace_root(&std::env::current_dir()?) {
            Some(workspace) => {
                progress("compiling the filter");
                let built = filter_build::build(&workspace, &target_dir, true).map_err(|why| anyhow!(why))?;
                std::fs::read(&built).with_context(|| format!("cannot read `{}`", built.display()))?
            }
            None => FILTER.to_vec(),
        };
        if let Some(folder) = output.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        }
        std::fs::write(&output, &module).with_context(|| format!("cannot write `{}`", output.display()))?;
        line(&format!("{} ({})", output.display(), size(module.len())))?;
        Ok(true)
    }
}
