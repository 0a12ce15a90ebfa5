//! Running Cargo, perhaps from within Cargo. Shared by this package's build script and by the tool.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables that an outer Cargo sets for its own compilation, or a user for native ones, and that would leak into this one.
const FOREIGN_VARIABLES: [&str; 6] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
];

/// Cargo in a folder, whose toolchain and settings hold.
pub fn cargo(folder: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(folder);
    for variable in FOREIGN_VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// Installs a target of the folder's toolchain if it is missing.
pub fn install_target(folder: &Path, target: &str) -> Result<(), String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .current_dir(folder)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .map_err(|e| format!("rustc cannot be run: {e}; install Rust with rustup (https://rustup.rs)"))?;
    let libraries = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&libraries).is_dir() {
        return Ok(());
    }
    let mut command = Command::new("rustup");
    command.current_dir(folder).args(["target", "add", target]);
    run(command, false).map_err(|why| {
        format!("the target {target} is missing and could not be installed: {why}; run `rustup target add {target}`")
    })
}

/// Flags that replace folders of this machine by names that are the same on every machine: the locations of panics carry
/// paths into a module, and its digest would be this machine's. Cargo's home is always replaced.
pub fn portable_paths(folders: &[(&Path, &str)]) -> Vec<String> {
    let home = std::env::home_dir().map(|home| home.join(".cargo"));
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
    let home = home.as_deref().map(|home| (home, "/cargo"));
    let flag = |(folder, name): (&Path, &str)| format!("--remap-path-prefix={}={name}", folder.display());
    home.into_iter().chain(folders.iter().copied()).map(flag).collect()
}

/// Runs a command to its end. `verbose` shows what it says; otherwise it is part of the error.
pub fn run(mut command: Command, verbose: bool) -> Result<(), String> {
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
