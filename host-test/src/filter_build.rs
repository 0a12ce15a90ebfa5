//! Compiling the plain filter from its source. Shared by this package's build script and by `mandate build`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target that the filter is compiled for: proxy-wasm hosts offer the few WASI calls that Rust's runtime makes.
pub const TARGET: &str = "wasm32-wasip1";

/// Variables that the outer Cargo sets for its own compilation and that would leak into this one.
const FOREIGN_VARIABLES: [&str; 6] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
];

/// The folder of the workspace that holds the filter's source, at or above `from`.
#[must_use]
pub fn workspace_root(from: &Path) -> Option<PathBuf> {
    let is_root = |folder: &&Path| {
        folder.join("filter/core/Cargo.toml").is_file() && folder.join("Cargo.lock").is_file()
    };
    from.ancestors().find(is_root).map(Path::to_path_buf)
}

/// Compiles the filter below `target_dir` and gives the path of the module. `verbose` shows what Cargo says.
///
/// # Errors
/// A sentence: what failed, and what to do.
pub fn build(workspace: &Path, target_dir: &Path, verbose: bool) -> Result<PathBuf, String> {
    install_target(workspace)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // A folder of its own: the outer Cargo holds the lock of `target_dir` while a build script runs.
    let folder = target_dir.join("mandate/build");
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace)
        .args(["build", "--locked", "--package", "mandate-filter", "--profile", "filter", "--target", TARGET])
        .arg("--target-dir")
        .arg(&folder);
    for variable in FOREIGN_VARIABLES {
        command.env_remove(variable);
    }
    run(command, verbose).map_err(|why| format!("the filter does not compile: {why}"))?;
    let module = folder.join(TARGET).join("filter/mandate_filter.wasm");
    if module.is_file() { Ok(module) } else { Err(format!("cargo built no {}", module.display())) }
}

/// Installs the WebAssembly target of the pinned toolchain if it is missing.
fn install_target(workspace: &Path) -> Result<(), String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .current_dir(workspace)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|e| format!("rustc cannot be run: {e}; install Rust with rustup"))?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    let mut command = Command::new("rustup");
    command.current_dir(workspace).args(["target", "add", TARGET]);
    run(command, false).map_err(|why| {
        format!("the target {TARGET} is missing and could not be installed: {why}; run `rustup target add {TARGET}`")
    })
}

fn run(mut command: Command, verbose: bool) -> Result<(), String> {
    command.stdin(Stdio::null());
    if verbose {
        let status = command.status().map_err(|e| e.to_string())?;
        return if status.success() { Ok(()) } else { Err(format!("{status}")) };
    }
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
