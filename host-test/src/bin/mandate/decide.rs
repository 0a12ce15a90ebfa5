//! `mandate decide`.

use crate::bundle::Module;
use crate::output;
use anyhow::{Context as _, Result};
use mandate_harness::Filter;
use mandate_host::decide::{RequestFile, decide};
use std::path::PathBuf;

/// Decide one request with the real filter, on your machine, without a proxy.
///
/// The request file: {"method", "path", "headers": [[name, value], …], "body"?: text, "properties"?: {path: value}}.
/// Exit status 0 if the request is allowed, or the filter itself has what it asks for, 1 if it is denied.
#[derive(Debug, clap::Args)]
pub struct Decide {
    /// The plugin configuration (JSON).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The request (JSON); `-` for standard input.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// The time of the decision, in seconds since the Unix epoch [default: now].
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// The JWK set that answers every fetch of remote keys; without it they are unavailable. Inline keys do not need it.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    #[command(flatten)]
    module: Module,
    /// Print the decision as JSON.
    #[arg(long)]
    json: bool,
}

impl Decide {
    pub fn run(self) -> Result<bool> {
        let configuration = output::read(&self.config)?;
        let request: RequestFile = serde_json::from_str(&output::read(&self.request)?)
            .with_context(|| format!("`{}` is no request file", self.request.display()))?;
        let jwks = self.jwks.as_deref().map(output::read).transpose()?;
        let filter = Filter::compile(&self.module.read()?)?;
        let now = self.now.map_or_else(output::now, Ok)?;
        let decided = decide(&filter, &configuration, &request, now, jwks.as_deref().map(str::as_bytes))?;
        if self.json {
            output::json(&decided)?;
            return Ok(decided.allowed());
        }
        match (&decided.reason, decided.status) {
            (Some(reason), Some(status)) => {
                output::line(&format!("{}: {reason} ({status})", decided.result))?
            }
            _ => output::line(decided.result)?,
        }
        let mut table = output::table(&["header", "value"]);
        for (name, value) in &decided.headers {
            table.add_row([name, value]);
        }
        output::line(&table.to_string())?;
        for part in [&decided.body, &decided.audit].into_iter().flatten() {
            output::json(part)?;
        }
        for message in &decided.log {
            output::progress(&format!("filter: {message}"));
        }
        Ok(decided.allowed())
    }
}
