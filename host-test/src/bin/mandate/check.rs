//! `mandate check`.

use crate::bundle::Policies;
use crate::output;
use anyhow::Result;
use mandate_core::config::{Config, PolicyEntry, Problem};
use mandate_core::flow::Gate;
use mandate_core::policy::Policies as _;
use mandate_host::oracle::Oracle;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Report every error of a configuration, not only the first.
///
/// Each error has its place as a JSON pointer (RFC 6901). Give the policies that the configuration names with `--policy`: they
/// check their settings. Exit status 1 if the filter would refuse the configuration; warnings alone give 0.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The plugin configuration (JSON); `-` for standard input.
    #[arg(value_name = "FILE", required_unless_present_any = ["schema", "reference"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    policies: Policies,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Print the JSON schema of the configuration instead.
    #[arg(long, conflicts_with_all = ["file", "json"])]
    schema: bool,
    /// Print the reference of the configuration (Markdown), generated from the schema, instead.
    #[arg(long, conflicts_with_all = ["file", "json", "schema"])]
    reference: bool,
}

impl Check {
    pub fn run(self) -> Result<bool> {
        let Some(file) = self.file else {
            let schema = mandate_core::config::schema();
            if self.reference {
                output::line(mandate_host::reference::markdown(&schema).trim_end())?;
            } else {
                output::json(&schema)?;
            }
            return Ok(true);
        };
        let text = output::read(&file)?;
        let (mut problems, warnings) = inspect(text.as_bytes(), self.policies.oracle()?);
        let is_yaml = file.extension().is_some_and(|it| it == "yaml" || it == "yml");
        for problem in problems.iter_mut().filter(|problem| is_yaml && problem.pointer.is_empty()) {
            let hint = "in a YAML file of Envoy the configuration is the JSON text below `configuration`: copy it into a file of its own";
            problem.suggestion.get_or_insert_with(|| hint.to_owned());
        }
        if self.json {
            let list = |problems: &[Problem]| -> Vec<_> {
                let one = |p: &Problem| json!({ "pointer": p.pointer, "message": p.message, "suggestion": p.suggestion });
                problems.iter().map(one).collect()
            };
            let (problems_json, warnings_json) = (list(&problems), list(&warnings));
            output::json(
                &json!({ "valid": problems.is_empty(), "problems": problems_json, "warnings": warnings_json }),
            )?;
        } else {
            for problem in &problems {
                output::line(&format!("error: {problem}"))?;
            }
            for warning in &warnings {
                output::line(&format!("warning: {warning}"))?;
            }
            let verdict =
                if problems.is_empty() { "is valid" } else { "is not valid: the filter would refuse it" };
            output::progress(&format!("`{}` {verdict}", file.display()));
        }
        Ok(problems.is_empty())
    }
}

/// What the filter would refuse, and what is allowed but seldom meant.
fn inspect(text: &[u8], policies: Oracle) -> (Vec<Problem>, Vec<Problem>) {
    let config = match Config::parse(text) {
        Ok(config) => config,
        Err(problems) => return (problems, Vec::new()),
    };
    let warnings = config.warnings();
    // Where the configuration names a policy that was not given: there is nothing else to say about that place.
    let unknown = |entry: &PolicyEntry| policies.linked().iter().all(|linked| linked.name != entry.policy);
    let missing: BTreeMap<String, String> = (config.policies.iter().enumerate())
        .filter(|(_, entry)| unknown(entry))
        .flat_map(|(index, entry)| {
            let hint = format!("to check its settings too, add `--policy {}=PATH`", entry.policy);
            ["name", "policy"].map(|member| (format!("/policies/{index}/{member}"), hint.clone()))
        })
        .collect();
    // The seed keys a cache that this gate never uses.
    match Gate::new(config, Box::new(policies), [0; 16]) {
        Ok(gate) => (Vec::new(), [&warnings, gate.warnings()].concat()),
        Err(mut problems) => {
            for problem in &mut problems {
                problem.suggestion =
                    problem.suggestion.take().or_else(|| missing.get(&problem.pointer).cloned());
            }
            (problems, warnings)
        }
    }
}
