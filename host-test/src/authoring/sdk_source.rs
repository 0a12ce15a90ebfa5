//! Collects the source of the SDK, so that it can be written into a new project: it is on no registry. For the build script.

use std::fmt::Write as _;
use std::path::Path;

/// Rust source: a list of paths and contents, for `include!`.
pub fn list(workspace: &Path) -> Result<String, String> {
    let sdk = workspace.join("policy-sdk");
    let manifest = manifest(&read(&sdk.join("Cargo.toml"))?, &read(&workspace.join("Cargo.toml"))?)?;
    let mut files = Vec::new();
    for folder in ["src", "wit"] {
        collect(&sdk.join(folder), folder, &mut files)?;
    }
    files.sort();
    let mut list = format!("&[\n    (\"Cargo.toml\", {manifest:?}),\n");
    for file in files {
        // Writing to a string does not fail.
        writeln!(list, "    ({file:?}, include_str!({:?})),", sdk.join(&file)).ok();
    }
    list.push_str("]\n");
    Ok(list)
}

/// The paths of all files below `folder`, with `/` between their parts, and `prefix` in front.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&entry.path(), &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The manifest of the SDK as it is outside of the workspace: what it inherits is filled in, but for the lints, which are
/// not the business of those who use it.
fn manifest(own: &str, workspace: &str) -> Result<String, String> {
    let mut copy = String::new();
    let mut section = "";
    for line in own.lines() {
        if line.starts_with('[') {
            section = line;
        }
        if section == "[lints]" {
            continue;
        }
        match line.split_once(".workspace = true") {
            Some((name, _)) => {
                let table =
                    if section == "[package]" { "[workspace.package]" } else { "[workspace.dependencies]" };
                let value = inherited(workspace, table, name)
                    .ok_or_else(|| format!("{table} has no `{name}` on one line"))?;
                writeln!(copy, "{name} = {value}").ok();
            }
            None => writeln!(copy, "{line}").unwrap_or_default(),
        }
    }
    copy.truncate(copy.trim_end().len());
    copy.push('\n');
    Ok(copy)
}

fn inherited<'a>(workspace: &'a str, table: &str, name: &str) -> Option<&'a str> {
    let lines = workspace.lines().skip_while(|line| *line != table).skip(1);
    let mut lines = lines.take_while(|line| !line.starts_with('['));
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
