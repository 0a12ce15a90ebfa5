//! `mandate`: the tool of operators, authors and testers.

mod build;
mod check;
mod decide;
mod demo;
mod output;
mod token;
mod up;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Authorization for AI agents, inside the proxy you already run.
///
/// Exit status: 0 for yes, 1 for no, 2 for misuse.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  mandate demo                              see it work: real tokens, a real gateway, real denials
  mandate check mandate.json                find every mistake in a configuration
  mandate decide --config mandate.json --request request.json
                                            ask what would be decided, and why";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is allowed and what is denied, in a gateway that is started for it.
    Demo(demo::Demo),
    /// Run a gateway with this filter in front of an upstream.
    Up(up::Up),
    /// Compile the plain filter, ready for Envoy.
    Build(build::Build),
    /// Find every mistake in a configuration.
    Check(check::Check),
    /// Decide one request with the real filter, without a proxy.
    Decide(decide::Decide),
    /// Make, read and verify tokens at the desk.
    Token(token::Token),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Up(up) => up.run(),
        Command::Build(build) => build.run(),
        Command::Check(check) => check.run(),
        Command::Decide(decide) => decide.run(),
        Command::Token(token) => token.run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("mandate: {error:#}");
            ExitCode::from(2)
        }
    }
}
