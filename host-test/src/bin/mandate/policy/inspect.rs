//! `mandate policy inspect`.

use crate::output::{self, line};
use anyhow::{Context as _, Result};
use mandate_host::authoring::{Contents, Function, inspect};
use std::path::PathBuf;

/// Show what is in a component or a bundle.
///
/// For a component: its description, imports, exports, digest, size and initial memory, and whether it can be linked. For a
/// bundle: its policies. Exit status 1 if the file can be neither linked nor loaded.
#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// A component, or a bundle.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub fn run(self) -> Result<bool> {
        let bytes =
            std::fs::read(&self.file).with_context(|| format!("cannot read `{}`", self.file.display()))?;
        let contents = inspect(&self.file, &bytes)?;
        let good = match &contents {
            Contents::Component { refused, .. } => refused.is_none(),
            Contents::Bundle { .. } => true,
            Contents::Module { filter, .. } => *filter,
        };
        if self.json {
            output::json(&contents)?
        } else {
            show(&contents)?
        }
        Ok(good)
    }
}

fn show(contents: &Contents) -> Result<()> {
    match contents {
        Contents::Component { sha256, bytes, imports, exports, modules, description, refused } => {
            if let Some(description) = description {
                line(&format!("{} {}: {}", description.name, description.version, description.summary))?;
            }
            let mut table = output::table(&["component", &output::size(*bytes)]);
            table.add_row(["sha256", sha256]);
            // Those without a memory only pass calls on.
            for module in modules.iter().filter(|module| module.memory_bytes > 0) {
                let size = output::size(usize::try_from(module.bytes)?);
                table.add_row([
                    "core module",
                    &format!("{size}, starts with {}", memory(module.memory_bytes)),
                ]);
            }
            table.add_row(["imports", &functions(imports)]);
            table.add_row(["exports", &functions(exports)]);
            line(&table.to_string())?;
            match refused {
                None => line("it can be linked"),
                Some(why) => line(&format!("it cannot be linked: {why}")),
            }
        }
        Contents::Bundle { bytes, policies } => {
            let mut table = output::table(&["policy", "sha256", "starts with"]);
            for policy in policies {
                table.add_row([&policy.name, &policy.sha256, &memory(policy.memory_bytes)]);
            }
            line(&format!("{table}\na bundle of {}", output::size(*bytes)))
        }
        Contents::Module { bytes, filter: true, .. } => line(&format!(
            "a filter of {} without policies; `mandate bundle` links some into it",
            output::size(*bytes)
        )),
        Contents::Module { bytes, refused, .. } => line(&format!(
            "a core module of {}, and neither a component nor a filter of this release; `mandate policy build` makes \
             components{}",
            output::size(*bytes),
            refused.as_ref().map(|why| format!("\n{why}")).unwrap_or_default()
        )),
    }
}

fn memory(bytes: u64) -> String {
    format!("{} KiB of memory", bytes / 1024)
}

/// One line for each interface.
fn functions(all: &[Function]) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut current = None;
    for Function { interface, name } in all {
        match lines.last_mut() {
            Some(line) if current == Some(interface) => line.push_str(&format!(", {name}")),
            _ => lines.push(
                interface.as_ref().map_or_else(|| name.clone(), |interface| format!("{interface}: {name}")),
            ),
        }
        current = Some(interface);
    }
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}
