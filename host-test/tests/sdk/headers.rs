//! A policy that says what it sees of the headers that its settings name.

use mandate_policy::{Policy, Problem, Request, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Settings {
    names: Vec<String>,
}

pub struct Headers {
    names: Vec<String>,
}

mandate_policy::policy!(Headers);

impl Policy for Headers {
    const SUMMARY: &'static str = "denies with what it sees";
    type Settings = Settings;

    fn new(Settings { names }: Settings) -> Result<Self, Vec<Problem>> {
        Ok(Self { names })
    }

    fn check(&self, request: &Request) -> Verdict {
        let seen = self.names.iter().map(|name| {
            let (one, list) = (request.header(name), request.header_values(name));
            format!("{name}: {one:?} {list:?}\n")
        });
        Verdict::deny("seen", seen.collect::<String>())
    }
}
