//! Compiling the crate of a policy to a core module. Shared by this package's build script and by `mandate policy build`.

use crate::cargo;
use std::path::{Path, PathBuf};

/// The target that policies are compiled for: it grants nothing, and policies are given nothing but the contract.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Small, whatever the crate's own profile says: a bundle is loaded by every worker of every proxy.
const PROFILE: [&str; 5] = [
    "profile.release.opt-level=\"s\"",
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.strip=true",
];

/// In bytes. A policy's memory is set back before every call, and the stack is a part of it: at 16 KiB that takes 3 µs, at
/// Rust's default of 1 MiB fifteen times as long.
const STACK: u32 = 16 * 1024;

/// Compiles the crate in `folder`, whose library is called `library`, below `target_dir`; gives the path of the core module.
/// `locked` forbids to change the lock file, `verbose` shows what Cargo says.
///
/// # Errors
/// A sentence: what failed, and what to do.
pub fn build(
    folder: &Path,
    library: &str,
    target_dir: &Path,
    locked: bool,
    verbose: bool,
) -> Result<PathBuf, String> {
    cargo::install_target(folder, TARGET)?;
    let mut command = cargo::cargo(folder);
    // As a `cdylib` alone: with an `rlib` besides, Cargo leaves out link-time optimisation, and the module doubles.
    command.args([
        "rustc",
        "--lib",
        "--crate-type",
        "cdylib",
        "--release",
        "--target",
        TARGET,
        "--target-dir",
    ]);
    command.arg(target_dir);
    if locked {
        command.arg("--locked");
    }
    for setting in PROFILE {
        command.args(["--config", setting]);
    }
    let mut flags = vec![format!("-Clink-arg=-zstack-size={STACK}")];
    flags.extend(cargo::portable_paths(&[]));
    command.arg("--config").arg(format!("target.{TARGET}.rustflags={flags:?}"));
    cargo::run(command, verbose).map_err(|why| format!("the policy does not compile: {why}"))?;
    let module =
        target_dir.join(TARGET).join("release").join(library.replace('-', "_")).with_extension("wasm");
    if module.is_file() { Ok(module) } else { Err(format!("cargo built no {}", module.display())) }
}
