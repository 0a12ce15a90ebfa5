//! `mandate policy test`.

use super::Tabled;
use crate::output::{self, line, progress};
use anyhow::Result;
use mandate_host::FILTER;
use mandate_host::authoring::{Trial, Tried};
use mandate_host::cases::{Case, CaseOutcome};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Run the cases of a table, and compare the verdicts of a policy with the expected ones.
///
/// Every case is a request with a token. It runs through the filter with the policy linked into it: the code that runs in the
/// proxy, so verdicts, faults and fuel are the same as there. It also runs with the unlinked component in native Wasmtime (the
/// oracle), which shares no code with the linker; both must give the same result. Exit status 1 if a case fails.
#[derive(Debug, clap::Args)]
#[command(after_long_help = FORMAT)]
pub struct Test {
    #[command(flatten)]
    tabled: Tabled,
    /// Run the cases again each time a file changes, until interrupted.
    #[arg(long, conflicts_with = "json")]
    watch: bool,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

const FORMAT: &str = "\
The table is YAML. All members except `name` and `expect` are optional; comments give the defaults:

  defaults:                              # a member of a case replaces the default as a whole
    settings: { tools: [search] }
  cases:
    - name: an agent uses a tool that it was not given
      settings: { tools: [search] }      # of the entry, as in the configuration; {}
      request:
        method: POST                     # GET
        path: /v1/tools/delete           # /
        headers: [[x-tenant, acme]]
        authority: tools.example         # tools.example
      action:                            # a message of MCP, on a route with a protocol; without it there is none
        protocol: mcp                    # mcp
        kind: tool                       # tool; or resource, prompt, method, session
        name: payments.send              # of a session GET, HEAD, DELETE or response
        method: tools/call               # the usual one of the kind
        arguments: { amount: 5 }
      principal: { iss: \"https://idp.example\", sub: \"user:alice\" }
      chain: [{ sub: \"agent:planner\" }]  # oldest first; `iss` is the principal's, `sub_profile` none
      scopes: [tools.use]
      claims: { tenant: acme }           # further claims of the token
      route: /v1/                        # `path_prefix` of the route; /
      now: 1790000000                    # seconds since the Unix epoch
      expect:
        verdict: deny                    # allow, deny, abstain or fault
        code: tool_not_allowed           # of a denial, or the kind of fault; any
        max_fuel: 20000                  # any
    - name: an agent uses its tool
      expect:
        verdict: allow
        headers: { tool: search }        # x-mandate-ext-tool; these and no others
        audit: { tool: search }          # the same
        approve: [a tool that pays]      # why it wants an approval; the same
    - name: settings that are refused
      settings: { tools: 1 }
      expect: { refused: [/tools] }      # JSON pointers of the problems, these and no others";

/// One row, as a program reads it.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    ok: bool,
    #[serde(flatten)]
    outcome: Option<&'a CaseOutcome>,
    differences: &'a [String],
}

impl Test {
    pub fn run(self) -> Result<bool> {
        if !self.watch {
            return self.once();
        }
        loop {
            let before = self.watched();
            if let Err(error) = self.once() {
                progress(&output::chain(&error));
            }
            progress("waiting for a change");
            while self.watched() == before {
                std::thread::sleep(POLL);
            }
        }
    }

    fn once(&self) -> Result<bool> {
        // A slip in the table is found before the policy is built.
        let table = self.tabled.table()?;
        let trial = Trial::new(FILTER, &self.tabled.component()?)?;
        let tried: Vec<(&Case, Tried)> =
            table.cases.iter().map(|case| (case, trial.try_case(case))).collect();
        let failed = tried.iter().filter(|(_, tried)| !tried.differences.is_empty()).count();
        if self.json {
            let row = |(case, tried): &'_ (&Case, Tried)| -> serde_json::Value {
                serde_json::json!(Row {
                    name: &case.name,
                    ok: tried.differences.is_empty(),
                    outcome: tried.outcome.as_ref().ok(),
                    differences: &tried.differences,
                })
            };
            output::json(&tried.iter().map(row).collect::<Vec<_>>())?;
        } else {
            show(&tried)?;
        }
        let cases = tried.len();
        progress(&match failed {
            0 => format!("{cases} of {cases} cases came out as they should, in the bundle and on the oracle"),
            _ => format!("{failed} of {cases} cases did not come out as they should"),
        });
        Ok(failed == 0)
    }

    /// What the result depends on: files, and when they were changed.
    fn watched(&self) -> BTreeMap<PathBuf, (SystemTime, u64)> {
        let mut files = BTreeMap::new();
        watch(self.tabled.policy.path(), &mut files);
        watch(&self.tabled.cases(), &mut files);
        files
    }
}

/// How often files are looked at.
const POLL: Duration = Duration::from_millis(300);

fn show(tried: &[(&Case, Tried)]) -> Result<()> {
    let mut table = output::table(&["", "case", "verdict", "code", "fuel"]);
    for (case, tried) in tried {
        let ok = tried.differences.is_empty();
        let (verdict, code, fuel) = match &tried.outcome {
            Ok(outcome) => (
                outcome.verdict.to_string(),
                outcome.code.clone().unwrap_or_default(),
                outcome.fuel.map(|fuel| fuel.to_string()).unwrap_or_default(),
            ),
            Err(_) => ("not asked".to_owned(), String::new(), String::new()),
        };
        let mark = output::verdict(ok, if ok { "✓" } else { "✗" });
        table.add_row([mark, (&case.name).into(), verdict.into(), code.into(), output::number(&fuel)]);
    }
    line(&table.to_string())?;
    for (case, tried) in tried.iter().filter(|(_, tried)| !tried.differences.is_empty()) {
        line(&format!("\n✗ {}", case.name))?;
        for difference in &tried.differences {
            line(&format!("  {difference}"))?;
        }
        for logged in tried.outcome.iter().flat_map(|outcome| &outcome.log) {
            line(&format!("  it logged, {}: {}", logged.level, logged.message))?;
        }
    }
    Ok(())
}

/// Adds a file, or all files of a folder but what is hidden or marked as a cache, such as Cargo's target folder.
fn watch(path: &Path, files: &mut BTreeMap<PathBuf, (SystemTime, u64)>) {
    // What vanishes while it is looked at is a change.
    let Ok(meta) = std::fs::metadata(path) else { return };
    if meta.is_file() {
        files.insert(path.to_owned(), (meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len()));
    } else if !path.join("CACHEDIR.TAG").exists() {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let entries = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
        // Cargo writes the lock file while it builds.
        entries
            .filter(|entry| entry.file_name() != "Cargo.lock")
            .for_each(|entry| watch(&entry.path(), files));
    }
}
