//! Components: where they come from, and the bundle that they go into.

use super::{AuthoringError, Project};
use mandate_link::Policy;
use mandate_link::seam::limits::is_policy_name;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use wit_component::ComponentEncoder;

/// A policy that is ready to be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What configurations will call it.
    pub name: String,
    /// The component's bytes.
    pub bytes: Vec<u8>,
}

impl Component {
    /// SHA-256 of the component, in lower-case hex: what a configuration pins.
    #[must_use]
    pub fn digest(&self) -> String {
        mandate_link::digest(&self.bytes)
    }
}

/// A policy as a command line names it: `PATH` or `NAME=PATH`, where `PATH` is a component, or the folder of its crate.
/// Without a name it is the one of the file, or of the crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySource {
    name: Option<String>,
    path: PathBuf,
}

impl FromStr for PolicySource {
    type Err = String;

    /// What stands before `=` is a name if it could be one, so that a path may have a `=` in it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) if is_policy_name(name) => (Some(name.to_owned()), path),
            _ => (None, text),
        };
        if path.is_empty() {
            return Err("write PATH or NAME=PATH".to_owned());
        }
        Ok(Self { name, path: path.into() })
    }
}

impl From<PathBuf> for PolicySource {
    fn from(path: PathBuf) -> Self {
        Self { name: None, path }
    }
}

impl PolicySource {
    /// The component, or the folder of a crate.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the component; builds it first, if this is a crate. `progress` gets lines for people, and Cargo's own words go
    /// to standard error.
    ///
    /// # Errors
    /// [`AuthoringError::File`] and [`AuthoringError::Name`], and for a crate as [`Project::open`] and [`Project::build`].
    pub fn load(&self, progress: impl Fn(&str)) -> Result<Component, AuthoringError> {
        let (own, bytes) = if self.path.is_dir() {
            let Component { name, bytes } = Project::open(&self.path)?.build(progress)?;
            (name, bytes)
        } else {
            let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
            (stem.into_owned(), std::fs::read(&self.path).map_err(AuthoringError::file(&self.path))?)
        };
        let name = self.name.clone().unwrap_or(own);
        if !is_policy_name(&name) {
            return Err(AuthoringError::Name { name, path: self.path.clone() });
        }
        Ok(Component { name, bytes })
    }
}

/// Puts policies into a filter. The same inputs give the same bytes.
///
/// # Errors
/// [`AuthoringError::Link`].
pub fn bundle(filter: &[u8], policies: &[Component]) -> Result<Vec<u8>, AuthoringError> {
    let policies: Vec<Policy<'_>> =
        policies.iter().map(|one| Policy { name: &one.name, component: &one.bytes }).collect();
    Ok(mandate_link::link(filter, &policies)?)
}

/// Makes a component of a core module that was compiled for the contract.
///
/// # Errors
/// A sentence: what is wrong with the module.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, String> {
    let encode = || ComponentEncoder::default().validate(true).module(module)?.encode();
    encode().map_err(|error| format!("{error:#}"))
}

/// The example policies that this library carries inside: `tool-allow-list` and `production-writes`.
///
/// # Errors
/// [`AuthoringError::Componentize`], if they were compiled for another contract.
pub fn examples() -> Result<Vec<Component>, AuthoringError> {
    let component = |(name, module): &(&str, &[u8])| {
        let bytes = componentize(module)
            .map_err(|why| AuthoringError::Componentize { path: PathBuf::from(name), why })?;
        Ok(Component { name: (*name).to_owned(), bytes })
    };
    crate::EXAMPLES.iter().map(component).collect()
}

/// Writes a file so that whoever reads it finds it whole, or as it was before.
///
/// # Errors
/// [`AuthoringError::File`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), AuthoringError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(AuthoringError::file(folder))?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let written = std::fs::write(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, path));
    if written.is_err() {
        // What failed is said below; a rest that cannot be removed either changes nothing about it.
        std::fs::remove_file(&unfinished).ok();
    }
    written.map_err(AuthoringError::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_a_name_only_where_it_could_be_one() {
        let parse = |text: &str| text.parse::<PolicySource>();
        let source = |name: Option<&str>, path: &str| PolicySource {
            name: name.map(str::to_owned),
            path: path.into(),
        };
        assert_eq!(parse("guard=a/b.wasm"), Ok(source(Some("guard"), "a/b.wasm")));
        assert_eq!(parse("guard=a=b.wasm"), Ok(source(Some("guard"), "a=b.wasm")));
        assert_eq!(parse("./a=b.wasm"), Ok(source(None, "./a=b.wasm")));
        assert_eq!(parse("policies/guard"), Ok(source(None, "policies/guard")));
        assert!(parse("").is_err() && parse("guard=").is_err());
    }

    #[test]
    fn a_file_whose_name_is_no_policys_asks_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("My_Guard.wasm");
        write_whole(&path, b"x").unwrap();
        let error = PolicySource::from(path.clone()).load(|_| {}).unwrap_err().to_string();
        assert!(error.contains(&format!("my-policy={}", path.display())), "{error}");
        let named = PolicySource { name: Some("guard".to_owned()), path };
        assert_eq!(named.load(|_| {}).unwrap(), Component { name: "guard".to_owned(), bytes: b"x".to_vec() });
    }

    #[test]
    fn a_file_is_written_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/out.wasm");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert!(write_whole(&folder.path().join("new"), b"over a folder").is_err());
        let names = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
        assert_eq!((names(folder.path()), names(&folder.path().join("new"))), (1, 1));
    }
}
