//! `mandate policy explain`.

use super::{Tabled, find};
use crate::output::{self, line};
use anyhow::{Context as _, Result, bail};
use mandate_host::FILTER;
use mandate_host::authoring::{self, Trial};
use mandate_host::cases::CaseOutcome;
use mandate_host::decide::RequestFile;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Show how a policy decides: what it reads, logs and returns, and the fuel that it uses.
///
/// For a case of its table, or for a request under a configuration, for example one that was denied in production: then
/// only this policy is called, also if the configuration has others. Exit status 0 if it was called, whatever it returned.
#[derive(Debug, clap::Args)]
pub struct Explain {
    #[command(flatten)]
    tabled: Tabled,
    /// The name of a case of the table, or a part of it.
    #[arg(long, value_name = "NAME", required_unless_present = "request", conflicts_with = "request")]
    case: Option<String>,
    /// A request (JSON), as for `mandate decide`; `-` for standard input.
    #[arg(long, value_name = "FILE", requires = "config")]
    request: Option<PathBuf>,
    /// The plugin configuration (JSON) for the request.
    #[arg(long, value_name = "FILE", requires = "request")]
    config: Option<PathBuf>,
    /// The name of the entry, if the configuration has several for this policy.
    #[arg(long, value_name = "NAME", requires = "config")]
    entry: Option<String>,
    /// The JWK set to use instead of remote keys.
    #[arg(long, value_name = "FILE", requires = "config")]
    jwks: Option<PathBuf>,
    /// The time of the request, in seconds since the Unix epoch [default: now].
    #[arg(long, value_name = "SECONDS", requires = "config")]
    now: Option<u64>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub fn run(self) -> Result<bool> {
        let component = self.tabled.component()?;
        let trial = Trial::new(FILTER, &component)?;
        let (configuration, request, now) = match (&self.case, &self.request, &self.config) {
            (Some(name), ..) => {
                let table = self.tabled.table()?;
                let case = find(&table, name)?;
                let (configuration, request) = trial.setting(case)?;
                (configuration, request, case.now)
            }
            (None, Some(request), Some(config)) => {
                let configuration: Value = serde_json::from_str(&output::read(config)?)
                    .with_context(|| format!("`{}` is no JSON", config.display()))?;
                let request: RequestFile = serde_json::from_str(&output::read(request)?)
                    .with_context(|| format!("`{}` is no request file", request.display()))?;
                let configuration = self.alone(configuration, &component.name)?;
                (configuration, request, self.now.map_or_else(output::now, Ok)?)
            }
            _ => bail!("say what to explain: `--case`, or `--request` and `--config`"),
        };
        let explained = trial.explain(&configuration.to_string(), &request, now)?;
        if self.json {
            output::json(&explained)?;
        } else {
            show(&explained)?;
        }
        Ok(true)
    }

    /// The configuration with one policy, with keys at hand, and with a record of what is decided.
    fn alone(&self, mut configuration: Value, policy: &str) -> Result<Value> {
        let entries = configuration.get("policies").and_then(Value::as_array).cloned().unwrap_or_default();
        let named =
            |entry: &Value, member: &str| entry.get(member).and_then(Value::as_str).map(str::to_owned);
        let is_asked = |entry: &Value| {
            let used = named(entry, "policy").or_else(|| named(entry, "name"));
            let wanted = self.entry.is_none() || self.entry == named(entry, "name");
            wanted && used.as_deref() == Some(policy)
        };
        let asked: Vec<Value> = entries.into_iter().filter(is_asked).collect();
        let [entry] = asked.as_slice() else {
            match asked.len() {
                0 => bail!(
                    "the configuration has no entry for `{policy}`; what it calls the policy is said as NAME=PATH"
                ),
                _ => bail!("the configuration has several entries for `{policy}`; pick one with `--entry`"),
            }
        };
        let name = named(entry, "name").unwrap_or_default();
        let jwks = self.jwks.as_deref().map(output::read).transpose()?;
        let jwks: Option<Value> =
            jwks.as_deref().map(serde_json::from_str).transpose().context("`--jwks`")?;
        for route in members(&mut configuration, "routes") {
            if let Some(policies) = route.get_mut("policies").and_then(Value::as_array_mut) {
                policies.retain(|other| *other == name.as_str());
            }
        }
        for issuer in members(&mut configuration, "issuers") {
            let keys = issuer.get_mut("keys").filter(|keys| keys.get("remote").is_some());
            match (keys, &jwks) {
                (Some(keys), Some(jwks)) => *keys = json!({ "inline": jwks }),
                (Some(_), None) => bail!("the configuration has remote keys; give them with `--jwks`"),
                (None, _) => {}
            }
        }
        if let Some(members) = configuration.as_object_mut() {
            members.insert("policies".to_owned(), json!([entry]));
            members.insert("audit".to_owned(), json!({ "log": "all" }));
        }
        Ok(configuration)
    }
}

fn members<'a>(configuration: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
    configuration.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

fn show(explained: &authoring::Explanation) -> Result<()> {
    let mut table = output::table(&["it asked", "it was told"]);
    let asked: Vec<_> = explained.questions.iter().filter(|question| question.function != "log").collect();
    for question in &asked {
        let arguments: Vec<String> = question.arguments.iter().map(Value::to_string).collect();
        table.add_row([
            format!("{}({})", question.function, arguments.join(", ")),
            question.answer.to_string(),
        ]);
    }
    if asked.is_empty() {
        line("it asked nothing")?
    } else {
        line(&table.to_string())?
    }
    let CaseOutcome { verdict, code, message, headers, audit, approve, fuel, refused, log } =
        &explained.outcome;
    for logged in log {
        line(&format!("it logged, {}: {}", logged.level, logged.message))?;
    }
    for refusal in refused {
        line(&format!("it refused its settings at `{}`: {}", refusal.pointer, refusal.message))?;
    }
    let code = code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    let message = message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    line(&format!("{verdict}{code}{message}"))?;
    for (name, value) in headers {
        line(&format!("the upstream gets x-mandate-ext-{name}: {value}"))?;
    }
    for (name, value) in audit {
        line(&format!("the audit record gets {name}: {value}"))?;
    }
    for reason in approve {
        line(&format!("it wants an approval: {reason}"))?;
    }
    match fuel {
        Some(fuel) => line(&format!("fuel: {fuel}")),
        None => Ok(()),
    }
}
