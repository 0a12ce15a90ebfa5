//! Compiles the plain filter, so that the library and the tool carry it inside.
//!
//! With `MANDATE_FILTER_WASM` set, that module is taken instead: a release is built from its source package, where
//! the workspace with the filter's source is not.

#[path = "src/filter_build.rs"]
mod filter_build;

use std::path::{Path, PathBuf};

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=MANDATE_FILTER_WASM");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let module = match std::env::var_os("MANDATE_FILTER_WASM") {
        Some(given) => PathBuf::from(given),
        None => from_source(&out)?,
    };
    println!("cargo::rerun-if-changed={}", module.display());
    std::fs::copy(&module, out.join("mandate.wasm")).map_err(|e| format!("{}: {e}", module.display()))?;
    Ok(())
}

fn from_source(out: &Path) -> Result<PathBuf, String> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?);
    let workspace = filter_build::workspace_root(&here)
        .ok_or("the filter's source is not here; set MANDATE_FILTER_WASM to a compiled filter")?;
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "filter/Cargo.toml",
        "filter/src",
        "filter/core/Cargo.toml",
        "filter/core/src",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    // Cargo marks the target folder; `OUT_DIR` lies some levels below it.
    let target_dir = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    filter_build::build(&workspace, target_dir.unwrap_or(out), false)
}
