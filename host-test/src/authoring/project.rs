//! The crate of a policy, and how it becomes a component.

use super::AuthoringError;
use super::component::{Component, componentize, write_whole};
use crate::{cargo, policy_build};
use mandate_link::Refusal;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A crate that is one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    name: String,
    folder: PathBuf,
    library: String,
    target_dir: PathBuf,
}

/// What `cargo metadata` says, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Project {
    /// The crate in a folder. Cargo is asked where it builds: `CARGO_TARGET_DIR`, a workspace and the user's settings count.
    ///
    /// # Errors
    /// [`AuthoringError::NoProject`] and [`AuthoringError::Cargo`].
    pub fn open(folder: &Path) -> Result<Self, AuthoringError> {
        let no_project =
            |why: &str| AuthoringError::NoProject { folder: folder.to_owned(), why: why.to_owned() };
        let absolute = folder.canonicalize().map_err(AuthoringError::file(folder))?;
        let manifest = absolute.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(no_project("it has no Cargo.toml; `mandate policy new NAME` begins one"));
        }
        let metadata = metadata(&absolute)?;
        let is_this =
            |package: &Package| package.manifest_path.canonicalize().is_ok_and(|path| path == manifest);
        let package = metadata.packages.into_iter().find(is_this);
        let package =
            package.ok_or_else(|| no_project("its Cargo.toml is a workspace; take one of its members"))?;
        let is_library =
            |target: &&Target| target.kind.iter().any(|kind| kind == "lib" || kind.ends_with("lib"));
        let library = package.targets.iter().find(is_library);
        let library =
            library.ok_or_else(|| no_project("it has no library; write the policy in src/lib.rs"))?;
        Ok(Self {
            name: package.name,
            library: library.name.clone(),
            folder: absolute,
            target_dir: metadata.target_directory,
        })
    }

    /// The name of the package, which is the policy's unless it is given another.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder, absolute.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where [`build`](Self::build) leaves the component: `policy/<name>.wasm` below Cargo's target folder.
    #[must_use]
    pub fn component(&self) -> PathBuf {
        self.target_dir.join("policy").join(&self.name).with_extension("wasm")
    }

    /// Compiles the crate, makes a component of it, checks that it can be linked, and leaves it at
    /// [`component`](Self::component). `progress` gets lines for people, and Cargo's own words go to standard error.
    ///
    /// # Errors
    /// [`AuthoringError::Cargo`], [`AuthoringError::Componentize`], [`AuthoringError::Refused`], [`AuthoringError::File`].
    pub fn build(&self, progress: impl Fn(&str)) -> Result<Component, AuthoringError> {
        progress(&format!("building `{}`", self.name));
        let module = policy_build::build(&self.folder, &self.library, &self.target_dir, false, true);
        let module = module.map_err(AuthoringError::Cargo)?;
        let code = std::fs::read(&module).map_err(AuthoringError::file(&module))?;
        let bytes = componentize(&code).map_err(|why| AuthoringError::Componentize { path: module, why })?;
        mandate_link::check(&bytes).map_err(|refusal| {
            let hint = match refusal {
                Refusal::MissingExport { .. } => "; is there a `mandate_policy::policy!(…)` in src/lib.rs?",
                _ => "",
            };
            AuthoringError::Refused { name: self.name.clone(), why: format!("{refusal}{hint}") }
        })?;
        let path = self.component();
        write_whole(&path, &bytes)?;
        Ok(Component { name: self.name.clone(), bytes })
    }
}

fn metadata(folder: &Path) -> Result<Metadata, AuthoringError> {
    let failed = |why: String| AuthoringError::Cargo(format!("`cargo metadata` failed: {why}"));
    let mut command = cargo::cargo(folder);
    // Where this build goes is the user's to say.
    if let Some(asked) = std::env::var_os("CARGO_TARGET_DIR").filter(|asked| !asked.is_empty()) {
        command.env("CARGO_TARGET_DIR", std::path::absolute(&asked).unwrap_or_else(|_| asked.into()));
    }
    let output = command.args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let output = output.map_err(|e| failed(format!("{e}; install Rust with rustup (https://rustup.rs)")))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| failed(e.to_string()))
}
