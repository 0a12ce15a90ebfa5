//! `mandate check`.

use crate::output;
use anyhow::Result;
use mandate_core::config::{Config, Problem};
use mandate_core::flow::Gate;
use mandate_core::policy::NoPolicies;
use serde_json::json;
use std::path::PathBuf;

/// Find every mistake in a configuration, not only the first.
///
/// Each problem comes with its place as a JSON pointer (RFC 6901). Exit status 1 if the filter would refuse the
/// configuration; warnings alone do not fail.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The plugin configuration (JSON); `-` for standard input.
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Print the JSON schema of the configuration instead.
    #[arg(long, conflicts_with_all = ["file", "json"])]
    schema: bool,
}

impl Check {
    pub fn run(self) -> Result<bool> {
        let Some(file) = self.file else {
            output::json(&mandate_core::config::schema())?;
            return Ok(true);
        };
        let text = output::read(&file)?;
        let (problems, warnings) = inspect(text.as_bytes());
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
                if problems.is_empty() { "is valid" } else { "is not valid: every request would be denied" };
            output::progress(&format!("`{}` {verdict}", file.display()));
        }
        Ok(problems.is_empty())
    }
}

/// What the filter would refuse, and what is allowed but seldom meant.
fn inspect(text: &[u8]) -> (Vec<Problem>, Vec<Problem>) {
    let config = match Config::parse(text) {
        Ok(config) => config,
        Err(problems) => return (problems, Vec::new()),
    };
    let warnings = config.warnings();
    // The seed keys a cache that this gate never uses.
    match Gate::new(config, Box::new(NoPolicies), [0; 16]) {
        Ok(_) => (Vec::new(), warnings),
        Err(problems) => (problems, warnings),
    }
}
