//! `mandate policy`.

mod bench;
mod build;
mod explain;
mod inspect;
mod new;
mod test;

use crate::output::progress;
use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use mandate_host::authoring::{Component, PolicySource};
use mandate_host::cases::{Case, Table};
use std::path::{Path, PathBuf};

/// Write, build, test and inspect policies.
///
/// A policy is a rule of your own, in WebAssembly. It is called for requests that passed every check of the token, the
/// delegation chain and the scopes. It can deny them, ask for an approval, add a header for the upstream, or a field to the
/// audit record. It can read the request and the claims of the token, and nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Policy {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  mandate policy new ticket-guard           a policy in Rust that builds and passes its tests
  cd ticket-guard
  mandate policy test --watch               run its cases each time a file changes
  mandate bundle --policy . -o mandate.wasm the filter with the policy in it, for Envoy";

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Build(build::Build),
    Test(test::Test),
    Bench(bench::Bench),
    Inspect(inspect::Inspect),
    Explain(explain::Explain),
}

impl Policy {
    pub fn run(self) -> Result<bool> {
        match self.command {
            Command::New(new) => new.run(),
            Command::Build(build) => build.run(),
            Command::Test(test) => test.run(),
            Command::Bench(bench) => bench.run(),
            Command::Inspect(inspect) => inspect.run(),
            Command::Explain(explain) => explain.run(),
        }
    }
}

/// A policy and the table of its cases.
#[derive(Debug, clap::Args)]
struct Tabled {
    /// The policy: the folder of its crate, which is built first, or a component.
    #[arg(value_name = "[NAME=]PATH", default_value = ".")]
    policy: PolicySource,
    /// The table of cases [default: tests.yaml in the folder of the crate, or beside the component].
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
}

impl Tabled {
    fn component(&self) -> Result<Component> {
        Ok(self.policy.load(progress)?)
    }

    fn table(&self) -> Result<Table> {
        let path = self.cases();
        Table::read(&path).with_context(|| match self.cases {
            Some(_) => format!("cannot use the cases in `{}`", path.display()),
            None => {
                format!("cannot use the cases in `{}`; say where they are with `--cases`", path.display())
            }
        })
    }

    fn cases(&self) -> PathBuf {
        let path = self.policy.path();
        let folder = if path.is_dir() { Some(path) } else { path.parent() };
        self.cases.clone().unwrap_or_else(|| folder.unwrap_or(Path::new(".")).join("tests.yaml"))
    }
}

/// The case with this name, or the only one that has it in its name.
fn find<'a>(table: &'a Table, name: &str) -> Result<&'a Case> {
    if let Some(case) = table.cases.iter().find(|case| case.name == name) {
        return Ok(case);
    }
    let matching: Vec<&Case> = table.cases.iter().filter(|case| case.name.contains(name)).collect();
    match matching.as_slice() {
        [case] => Ok(case),
        several => {
            let shown = if several.is_empty() { table.cases.iter().collect() } else { matching };
            let names: Vec<String> = shown.iter().map(|case| format!("\n  {}", case.name)).collect();
            bail!("which case is `{name}`? There are:{}", names.concat())
        }
    }
}
