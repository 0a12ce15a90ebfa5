//! The beginning of a policy: a crate that builds and passes its own tests.

use super::AuthoringError;
use mandate_link::seam::limits::is_policy_name;
use std::path::Path;

/// The source of the SDK: paths and contents. It is on no registry, so a project gets a copy.
static SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk.rs"));

/// The folder of that copy, and the name of its package.
const SDK_NAME: &str = "mandate-policy";

/// What a project begins with, beside the SDK. `{{name}}` stands for the project's name, `{{rust}}` for the toolchain that
/// this tool was built and tested with.
const TEMPLATE: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.in")),
    ("README.md", include_str!("template/README.md")),
    ("rust-toolchain.toml", include_str!("template/rust-toolchain.toml")),
    (".cargo/config.toml", include_str!("template/config.toml")),
    (".gitignore", include_str!("template/gitignore")),
    ("src/lib.rs", include_str!("template/lib.rs")),
    ("tests.yaml", include_str!("template/tests.yaml")),
];

/// Whether both a crate and a policy can have this name.
#[must_use]
pub fn is_crate_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && is_policy_name(name) && name != SDK_NAME
}

/// Writes a new project into a folder that does not exist yet, or is empty.
///
/// # Errors
/// [`AuthoringError::CrateName`], [`AuthoringError::Exists`], [`AuthoringError::File`].
pub fn scaffold(name: &str, folder: &Path) -> Result<(), AuthoringError> {
    if !is_crate_name(name) {
        return Err(AuthoringError::CrateName(name.to_owned()));
    }
    let is_free = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(AuthoringError::Exists(folder.to_owned()));
    }
    // The package gives the oldest Rust that compiles it; a toolchain is named in full.
    let rust = concat!(env!("CARGO_PKG_RUST_VERSION"), ".0");
    for (path, text) in TEMPLATE {
        write(&folder.join(path), &text.replace("{{name}}", name).replace("{{rust}}", rust))?;
    }
    for (path, text) in SDK {
        write(&folder.join(SDK_NAME).join(path), text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), AuthoringError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(AuthoringError::file(folder))?;
    }
    std::fs::write(path, text).map_err(AuthoringError::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_of_the_sdk_stands_alone() {
        let text = |path: &str| SDK.iter().find(|(other, _)| *other == path).map(|(_, text)| *text);
        let manifest = text("Cargo.toml").unwrap();
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(manifest.contains("edition = \"2024\"") && manifest.contains("serde = {"), "{manifest}");
        assert!(
            text("src/lib.rs").is_some()
                && text("src/sandbox/mod.rs").is_some()
                && text("wit/world.wit").is_some()
        );
    }

    #[test]
    fn a_name_is_one_for_a_crate_and_for_a_policy() {
        let longest = "a".repeat(64);
        for good in ["a", "ticket-guard", "guard2", &longest] {
            assert!(is_crate_name(good), "{good}");
        }
        let longer = "a".repeat(65);
        for bad in
            ["", "2guard", "-guard", "Guard", "ticket_guard", "ticket guard", "../guard", SDK_NAME, &longer]
        {
            assert!(!is_crate_name(bad), "{bad}");
        }
    }
}
