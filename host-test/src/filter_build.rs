//! Compiling the plain filter from its source. Shared by this package's build script and by `mandate build`.

use crate::cargo;
use std::path::{Path, PathBuf};

/// The target that the filter is compiled for: proxy-wasm hosts offer the few WASI calls that Rust's runtime makes.
pub const TARGET: &str = "wasm32-wasip1";

/// The folder of the workspace that holds the filter's source, at or above `from`.
#[must_use]
pub fn workspace_root(from: &Path) -> Option<PathBuf> {
    let is_root = |folder: &&Path| {
        folder.join("filter/core/Cargo.toml").is_file() && folder.join("Cargo.lock").is_file()
    };
    from.ancestors().find(is_root).map(Path::to_path_buf)
}

/// Compiles the filter below `target_dir` and gives the path of the module. `verbose` shows what Cargo says. The same source
/// and toolchain give the same bytes, whatever the folders are.
///
/// # Errors
/// A sentence: what failed, and what to do.
pub fn build(workspace: &Path, target_dir: &Path, verbose: bool) -> Result<PathBuf, String> {
    cargo::install_target(workspace, TARGET)?;
    let folder = nested(target_dir);
    let mut command = cargo::cargo(workspace);
    command
        .args(["build", "--locked", "--package", "mandate-filter", "--profile", "filter", "--target", TARGET])
        .arg("--target-dir")
        .arg(&folder);
    let flags = cargo::portable_paths(&[(workspace, "/mandate"), (&folder, "/target")]);
    command.arg("--config").arg(format!("target.{TARGET}.rustflags={flags:?}"));
    cargo::run(command, verbose).map_err(|why| format!("the filter does not compile: {why}"))?;
    let module = folder.join(TARGET).join("filter/mandate_filter.wasm");
    if module.is_file() { Ok(module) } else { Err(format!("cargo built no {}", module.display())) }
}

/// A target folder of its own: the outer Cargo holds the lock of `target_dir` while a build script runs.
#[must_use]
pub fn nested(target_dir: &Path) -> PathBuf {
    target_dir.join("mandate/build")
}
