//! Building the crate of a filter.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Proxy-wasm hosts offer the few calls of WASI that a runtime library makes.
const TARGET: &str = "wasm32-wasip1";

/// Variables that an outer Cargo sets for its own compilation, or a user for native ones.
const NATIVE: [&str; 5] = [
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
];

/// Compiles the crate in a folder, and gives the path of its module.
pub(crate) fn build(folder: &Path) -> Result<PathBuf, String> {
    install_target(folder)?;
    let mut command = command("CARGO", "cargo", folder);
    command.args([
        "build",
        "--lib",
        "--release",
        "--target",
        TARGET,
        "--message-format",
        "json-render-diagnostics",
    ]);
    let output = output(command)?;
    let messages = String::from_utf8_lossy(&output);
    let mut modules: Vec<PathBuf> = messages.lines().filter_map(artifact).flatten().collect();
    // Cargo names the crate itself after all that it depends on.
    modules.pop().ok_or_else(|| format!("{} has no library of type `cdylib`", folder.display()))
}

/// The modules in a message of Cargo.
fn artifact(line: &str) -> Option<Vec<PathBuf>> {
    let message: Value = serde_json::from_str(line).ok()?;
    let files = message.get("filenames")?.as_array()?;
    let files = files.iter().filter_map(Value::as_str).map(PathBuf::from);
    Some(files.filter(|file| file.extension().is_some_and(|extension| extension == "wasm")).collect())
}

fn install_target(folder: &Path) -> Result<(), String> {
    let mut rustc = command("RUSTC", "rustc", folder);
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    let libraries = output(rustc)?;
    if Path::new(String::from_utf8_lossy(&libraries).trim()).is_dir() {
        return Ok(());
    }
    let mut rustup = command("RUSTUP", "rustup", folder);
    rustup.args(["target", "add", TARGET]);
    output(rustup).map(drop).map_err(|why| format!("the target {TARGET} cannot be added: {why}"))
}

/// A tool of the toolchain: the one that runs this test, if Cargo says which.
fn command(variable: &str, name: &str, folder: &Path) -> Command {
    let program = std::env::var_os(variable).unwrap_or_else(|| name.into());
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    for variable in NATIVE {
        command.env_remove(variable);
    }
    command
}

fn output(mut command: Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
