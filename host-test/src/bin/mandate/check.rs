//! `mandate check`.

use crate::bundle::Policies;
use crate::output;
use anyhow::{Result, anyhow};
use mandate_core::config::{Config, PolicyEntry, Problem};
use mandate_core::flow::Gate;
use mandate_core::policy::Policies as _;
use mandate_core::time::UnixTime;
use mandate_host::oracle::Oracle;
use mandate_host::reading::Reading;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Report every error of a configuration, or tell how a token would be read under it.
///
/// Each error has its place as a JSON pointer (RFC 6901). Give the policies that the configuration names with `--policy`: they
/// check their settings. Exit status 1 if the filter would refuse the configuration; warnings alone give 0.
///
/// With `--token` it goes through the token claim by claim: issuer, audience, principal, client, agent, chain, scopes and
/// lifetime, which claim each is read from, and everything that would deny it, not only the first. Exit status 1 if no route would
/// accept the token, or its signature could not be checked. A token that is bound to a key needs a proof with each request, which
/// is taken for granted here: `mandate token proof` makes one, and `mandate decide` decides on a request with it.
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
    /// Print the configuration with everything that the `provider` of each issuer stands for.
    #[arg(long, conflicts_with_all = ["json", "token"])]
    expand: bool,
    /// Tell how this token would be read; `-` for standard input.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// The key set (JWKS) of the token's issuer, to check the signature if the configuration fetches its keys.
    #[arg(long, value_name = "FILE", requires = "token")]
    jwks: Option<PathBuf>,
    /// The time to read the token at, in seconds since the Unix epoch [default: now].
    #[arg(long, value_name = "SECONDS", requires = "token")]
    now: Option<u64>,
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
        let Found { mut problems, warnings, metadata } = inspect(text.as_bytes(), self.policies.oracle()?);
        // With an unknown provider it would be the expansion of another.
        if self.expand
            && problems.iter().all(|problem| !problem.pointer.ends_with("/provider"))
            && let Ok(document) = Config::expand(text.as_bytes())
        {
            output::json(&document)?;
        }
        let is_yaml = file.extension().is_some_and(|it| it == "yaml" || it == "yml");
        for problem in problems.iter_mut().filter(|problem| is_yaml && problem.pointer.is_empty()) {
            let hint = "in a YAML file of Envoy the configuration is the JSON text below `configuration`: copy it into a file of its own";
            problem.suggestion.get_or_insert_with(|| hint.to_owned());
        }
        if let Some(token) = &self.token
            && problems.is_empty()
        {
            return read_token(token, text.as_bytes(), self.jwks.as_deref(), self.now, self.json);
        }
        if self.json {
            let list = |problems: &[Problem]| -> Vec<_> {
                let one = |p: &Problem| json!({ "pointer": p.pointer, "message": p.message, "suggestion": p.suggestion });
                problems.iter().map(one).collect()
            };
            let (problems_json, warnings_json) = (list(&problems), list(&warnings));
            output::json(&json!({
                "valid": problems.is_empty(), "problems": problems_json, "warnings": warnings_json, "metadata": metadata,
            }))?;
        } else {
            let lines = problems.iter().map(|problem| format!("error: {problem}"));
            for line in lines.chain(warnings.iter().map(|warning| format!("warning: {warning}"))) {
                // What `--expand` prints is a document.
                if self.expand { eprintln!("{line}") } else { output::line(&line)? }
            }
            if !self.expand && problems.is_empty() {
                for Served { url, resource } in &metadata {
                    output::line(&format!("serves {url}: metadata of {resource}"))?;
                }
            }
            let verdict =
                if problems.is_empty() { "is valid" } else { "is not valid: the filter would refuse it" };
            output::progress(&format!("`{}` {verdict}", file.display()));
        }
        Ok(problems.is_empty())
    }
}

/// What `--token --json` prints.
#[derive(Serialize)]
struct Report<'a> {
    accepted: bool,
    #[serde(flatten)]
    reading: &'a Reading,
}

/// `--token`.
fn read_token(token: &str, config: &[u8], jwks: Option<&Path>, now: Option<u64>, json: bool) -> Result<bool> {
    let said =
        |problems: Vec<Problem>| anyhow!("{}", problems.first().map(ToString::to_string).unwrap_or_default());
    let config = Config::parse(config).map_err(said)?;
    let token = output::token(token)?;
    let now = UnixTime::from_secs(now.map_or_else(output::now, Ok)?);
    let keys = jwks.map(output::read).transpose()?;
    let reading = Reading::of(&token, &config, keys.as_ref().map(String::as_bytes), now)?;
    if json {
        output::json(&Report { accepted: reading.is_accepted(), reading: &reading })?;
        return Ok(reading.is_accepted());
    }
    let mut table = output::table(&["", "read from", "value", "result"]);
    for row in &reading.rows {
        let result = match &row.problem {
            None if row.unchecked => output::verdict(false, "not checked"),
            None => output::verdict(true, "ok"),
            Some(denied) => output::verdict(false, &denied.to_string()),
        };
        table.add_row([row.what.into(), row.from.as_str().into(), row.value.as_str().into(), result]);
    }
    output::line(&table.to_string())?;
    for route in &reading.routes {
        let answer = match &route.denied {
            Some(denied) => format!("denied: {denied}"),
            None => {
                let signature = if reading.signature_checked { "" } else { " if the signature is valid" };
                let proof = if route.needs_proof { " with a proof of its key" } else { "" };
                let message =
                    if route.reads_body { ", then the message in the body is ruled on" } else { "" };
                let policies = match route.policies {
                    0 => String::new(),
                    count => format!(", then its policies ({count}) are asked"),
                };
                format!("accepted{proof}{signature}{message}{policies}")
            }
        };
        output::line(&format!("route {} ({}): {answer}", route.index, route.path_prefix))?;
    }
    for advice in &reading.advice {
        output::line(&format!("hint: {advice}"))?;
    }
    let may_be_accepted = reading.rows.iter().all(|row| row.problem.is_none())
        && reading.routes.iter().any(|route| route.denied.is_none());
    if !reading.signature_checked && may_be_accepted {
        output::progress(
            "whether the token is accepted is not known, because its signature was not checked: give the issuer's key set with `--jwks`",
        );
    }
    Ok(reading.is_accepted())
}

/// What there is to say about a configuration.
#[derive(Default)]
struct Found {
    /// What the filter would refuse.
    problems: Vec<Problem>,
    /// What is allowed but seldom meant.
    warnings: Vec<Problem>,
    metadata: Vec<Served>,
}

/// An address at which the filter serves metadata.
#[derive(Serialize)]
struct Served {
    url: String,
    resource: String,
}

fn inspect(text: &[u8], policies: Oracle) -> Found {
    let config = match Config::parse(text) {
        Ok(config) => config,
        Err(problems) => return Found { problems, ..Found::default() },
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
        Ok(gate) => {
            let served =
                |(url, resource): (&str, &str)| Served { url: url.into(), resource: resource.into() };
            let metadata = gate.resources().addresses().map(served).collect();
            Found { problems: Vec::new(), warnings: [&warnings, gate.warnings()].concat(), metadata }
        }
        Err(mut problems) => {
            for problem in &mut problems {
                problem.suggestion =
                    problem.suggestion.take().or_else(|| missing.get(&problem.pointer).cloned());
            }
            Found { problems, warnings, ..Found::default() }
        }
    }
}
