//! `mandate`: the tool of operators, authors and testers.

mod approve;
mod build;
mod bundle;
mod check;
mod decide;
mod demo;
mod init;
mod output;
mod policy;
mod token;
mod up;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Authorization for AI agents, inside the proxy you already run.
///
/// Exit status: 0 for yes (allowed, valid), 1 for no, 2 for an error in the use of the command.
#[derive(Debug, Parser)]
#[command(name = "mandate", version, max_term_width = 110, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  mandate demo                              see it work: real tokens, Envoy, allowed and denied requests
  mandate init                              write a configuration for your issuer, and the manifest around it
  mandate check mandate.json                report every error of a configuration
  mandate check mandate.json --token TOKEN  tell how a token is read, and what denies it
  mandate decide --config mandate.json --request request.json
                                            decide one request without a proxy, with the reason
  mandate policy new ticket-guard           start a policy of your own";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Up(up::Up),
    Build(build::Build),
    Bundle(bundle::Bundle),
    Init(init::Init),
    Check(check::Check),
    Decide(decide::Decide),
    Token(token::Token),
    Approve(Box<approve::Approve>),
    Policy(policy::Policy),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(demo) => demo.run(),
        Command::Up(up) => up.run(),
        Command::Build(build) => build.run(),
        Command::Bundle(bundle) => bundle.run(),
        Command::Init(init) => init.run(),
        Command::Check(check) => check.run(),
        Command::Decide(decide) => decide.run(),
        Command::Token(token) => token.run(),
        Command::Approve(approve) => approve.run(),
        Command::Policy(policy) => policy.run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("mandate: {}", output::chain(&error));
            ExitCode::from(2)
        }
    }
}
