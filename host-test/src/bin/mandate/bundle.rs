//! `mandate bundle`, and `--policy` of the other commands.

use crate::output::{self, progress};
use anyhow::{Context as _, Result, bail};
use mandate_host::FILTER;
use mandate_host::authoring::{self, Component, PolicySource};
use mandate_host::oracle::Oracle;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The policies of a command line.
#[derive(Debug, clap::Args)]
pub struct Policies {
    /// A policy to link into the filter: a component, or the folder of its crate, which is built first; may be repeated.
    ///
    /// NAME is the name that configurations use for it; without NAME it is the name of the file or crate.
    #[arg(long = "policy", value_name = "[NAME=]PATH")]
    sources: Vec<PolicySource>,
}

impl Policies {
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    pub fn load(&self) -> Result<Vec<Component>> {
        Ok(self.sources.iter().map(|source| source.load(progress)).collect::<Result<_, _>>()?)
    }

    /// The same policies by themselves.
    pub fn oracle(&self) -> Result<Oracle> {
        let mut oracle = Oracle::new()?;
        for Component { name, bytes } in self.load()? {
            // What the linker refuses would be in no bundle.
            mandate_link::check(&bytes).with_context(|| format!("policy `{name}`"))?;
            oracle.add(&name, &bytes)?;
        }
        Ok(oracle)
    }
}

/// The filter of a command line, and what is linked into it.
#[derive(Debug, clap::Args)]
pub struct Module {
    /// A filter module to use instead of the one that this tool contains; without `--policy` it can be a bundle.
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    #[command(flatten)]
    policies: Policies,
}

impl Module {
    /// The module that Envoy would load.
    pub fn read(&self) -> Result<Cow<'static, [u8]>> {
        let filter = read_filter(self.filter.as_deref())?;
        if self.policies.is_empty() {
            mandate_link::validate(&filter)?;
            return Ok(filter);
        }
        Ok(Cow::Owned(authoring::bundle(&filter, &self.policies.load()?)?))
    }
}

fn read_filter(path: Option<&Path>) -> Result<Cow<'static, [u8]>> {
    match path {
        Some(path) => {
            let wasm = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            Ok(Cow::Owned(wasm))
        }
        None => Ok(Cow::Borrowed(FILTER)),
    }
}

/// Link policies and the filter into one module, ready for Envoy.
///
/// Each policy is in a sandbox of its own: it cannot exceed its limits, and a policy that fails denies its request and has no
/// other effect on the proxy. The same inputs give the same bytes. `mandate policy inspect` shows the content of a bundle.
#[derive(Debug, clap::Args)]
pub struct Bundle {
    /// A filter module to link with, instead of the one that this tool contains.
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    #[command(flatten)]
    policies: Policies,
    /// The file to write. An existing file is replaced only if everything succeeds.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Bundle {
    pub fn run(self) -> Result<bool> {
        if self.policies.is_empty() {
            bail!(
                "say what to link, as in `--policy ticket-guard.wasm`; `mandate build` writes the filter alone"
            );
        }
        let policies = self.policies.load()?;
        let bundle = authoring::bundle(&read_filter(self.filter.as_deref())?, &policies)?;
        authoring::write_whole(&self.output, &bundle)?;
        if self.json {
            let list = |one: &Component| serde_json::json!({ "name": one.name, "sha256": one.digest(), "bytes": one.bytes.len() });
            output::json(&serde_json::json!({
                "path": self.output,
                "sha256": mandate_link::digest(&bundle),
                "bytes": bundle.len(),
                "policies": policies.iter().map(list).collect::<Vec<_>>(),
            }))?;
            return Ok(true);
        }
        let mut table = output::table(&["policy", "sha256", "size"]);
        for policy in &policies {
            table.add_row([policy.name.clone(), policy.digest(), output::size(policy.bytes.len())]);
        }
        output::line(&table.to_string())?;
        output::line(&format!("{} ({})", self.output.display(), output::size(bundle.len())))?;
        Ok(true)
    }
}
