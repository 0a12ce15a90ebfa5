//! Where the tool keeps what it builds and fetches.

use std::env;
use std::path::{Path, PathBuf};

/// The folder below a build's target folder that is ours.
const OURS: &str = "mandate";

/// The folder for built things: `CARGO_TARGET_DIR` if set; else `target` of the workspace around the
/// current folder, marked by a `Cargo.lock`; else the user's cache folder. `None` when there is none of these
/// (no home folder, say). The answer is absolute; the folder need not exist.
#[must_use]
pub fn target_dir() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let asked = set("CARGO_TARGET_DIR").map(|folder| here.join(folder));
    asked.or_else(|| workspace_target(&here)).or_else(cache_dir)
}

/// `mandate/` below a target folder: everything the tool makes lives there.
#[must_use]
pub fn mandate_dir(target_dir: &Path) -> PathBuf {
    target_dir.join(OURS)
}

/// The plain filter that `mandate build` leaves for Envoy.
#[must_use]
pub fn filter_wasm(target_dir: &Path) -> PathBuf {
    mandate_dir(target_dir).join("mandate.wasm")
}

/// Where the desk keeps a signing key of this name between runs.
#[must_use]
pub fn key_file(target_dir: &Path, kid: &str) -> PathBuf {
    mandate_dir(target_dir).join("keys").join(format!("{kid}.jwk"))
}

fn workspace_target(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).map(|root| root.join("target"))
}

fn cache_dir() -> Option<PathBuf> {
    set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))
}

/// An environment variable as a path; an empty one counts as unset.
fn set(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
