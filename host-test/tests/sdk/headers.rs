//! A policy that says what it sees of the headers that its settings name, or of everything that came with 0.1.1.

use mandate_policy::{Policy, Problem, Request, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Settings {
    names: Vec<String>,
    #[serde(default)]
    pointers: Vec<String>,
}

pub struct Headers {
    settings: Settings,
}

mandate_policy::policy!(Headers);

impl Policy for Headers {
    const SUMMARY: &'static str = "denies with what it sees";
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self { settings })
    }

    fn check(&self, request: &Request) -> Verdict {
        let Settings { names, pointers } = &self.settings;
        if !pointers.is_empty() {
            return Verdict::deny("seen", everything(request, names, pointers));
        }
        let seen = names.iter().map(|name| {
            let (one, list) = (request.header(name), request.header_values(name));
            format!("{name}: {one:?} {list:?}\n")
        });
        Verdict::deny("seen", seen.collect::<String>())
    }
}

/// What came with 0.1.1, a line each.
fn everything(request: &Request, names: &[String], pointers: &[String]) -> String {
    let mut lines = vec![
        format!("{:?}", request.action()),
        request.arguments(),
        format!("{:?} {:?}", request.authority(), request.query()),
        format!("{:?}", request.header_names()),
        format!("{:?}", [0, 1, 2, u32::MAX].map(|hop| request.hop_kind(hop))),
    ];
    lines.extend(names.iter().map(|name| format!("{name}: {:?}", request.header_lines(name))));
    lines.extend(pointers.iter().map(|pointer| {
        format!("{pointer}: {:?} {:?}", request.argument(pointer), request.claim_json(pointer))
    }));
    lines.join("\n")
}
