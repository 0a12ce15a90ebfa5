//! Compiles what the library and the tool carry inside: the plain filter, and two example policies. Collects the source of
//! the SDK, for `mandate policy new`.
//!
//! With `MANDATE_FILTER_WASM` set, that module is taken instead, and with `MANDATE_EXAMPLES_WASM` the examples' core modules
//! from that folder: where a release is packed, they are compiled already.

#[path = "src/cargo.rs"]
mod cargo;
#[path = "src/filter_build.rs"]
mod filter_build;
#[path = "src/policy_build.rs"]
mod policy_build;
#[path = "src/authoring/sdk_source.rs"]
mod sdk_source;

use std::path::{Path, PathBuf};

/// The policies of `mandate demo`.
const EXAMPLES: [&str; 2] = ["tool-allow-list", "production-writes"];

fn main() -> Result<(), String> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let out = variable("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let here = variable("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?;
    let workspace = filter_build::workspace_root(&here);
    // Cargo marks the target folder; `OUT_DIR` lies some levels below it.
    let target_dir = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap_or(&out);

    println!("cargo::rerun-if-env-changed=MANDATE_FILTER_WASM");
    let module = match variable("MANDATE_FILTER_WASM") {
        Some(given) => given,
        None => filter(workspace.as_deref(), target_dir)?,
    };
    carry(&module, &out.join("mandate.wasm"))?;

    println!("cargo::rerun-if-env-changed=MANDATE_EXAMPLES_WASM");
    let given = variable("MANDATE_EXAMPLES_WASM");
    for name in EXAMPLES {
        let module = match &given {
            Some(folder) => folder.join(name).with_extension("wasm"),
            None => example(workspace.as_deref(), target_dir, name)?,
        };
        carry(&module, &out.join(name).with_extension("wasm"))?;
    }

    let workspace = workspace.ok_or("the source of the SDK is not here")?;
    changed(&workspace, &["Cargo.toml", "policy-sdk/Cargo.toml", "policy-sdk/src", "policy-sdk/wit"]);
    let list = sdk_source::list(&workspace)?;
    std::fs::write(out.join("sdk.rs"), list).map_err(|e| format!("{}: {e}", out.display()))
}

fn filter(workspace: Option<&Path>, target_dir: &Path) -> Result<PathBuf, String> {
    let workspace =
        workspace.ok_or("the filter's source is not here; set MANDATE_FILTER_WASM to a compiled filter")?;
    let sources = [
        "Cargo.toml",
        "Cargo.lock",
        "filter/Cargo.toml",
        "filter/src",
        "filter/core/Cargo.toml",
        "filter/core/src",
        "filter/seam/Cargo.toml",
        "filter/seam/src",
    ];
    changed(workspace, &sources);
    filter_build::build(workspace, target_dir, false)
}

fn example(workspace: Option<&Path>, target_dir: &Path, name: &str) -> Result<PathBuf, String> {
    let workspace = workspace.ok_or(
        "the examples' source is not here; set MANDATE_EXAMPLES_WASM to the folder of the compiled examples",
    )?;
    let folder = format!("policy-sdk/examples/{name}");
    changed(workspace, &["Cargo.lock", &format!("{folder}/Cargo.toml"), &format!("{folder}/src")]);
    policy_build::build(&workspace.join(folder), name, &filter_build::nested(target_dir), true, false)
}

fn changed(workspace: &Path, paths: &[&str]) {
    for path in paths {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
}

fn carry(module: &Path, to: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-changed={}", module.display());
    std::fs::copy(module, to).map(drop).map_err(|e| format!("{}: {e}", module.display()))
}
