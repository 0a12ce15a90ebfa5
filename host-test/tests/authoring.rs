//! The way of a policy as its author types it: from nothing to a bundle in a proxy, outside of the repository.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "authoring/commands.rs"]
mod commands;
#[path = "authoring/mistakes.rs"]
mod mistakes;
mod support;

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tempfile::TempDir;

/// What the policy of these tests is called.
const NAME: &str = "ticket-guard";

/// A folder of an author.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn mandate(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mandate"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env("CARGO_TARGET_DIR", nested())
            // Such as a user has for native programs; no policy compiles with them.
            .env("RUSTFLAGS", "-Ctarget-cpu=none-of-wasm");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.mandate(arguments).output().unwrap()
    }

    /// What a command says on standard output, if it says yes.
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Everything that a command says, if it exits so.
    #[track_caller]
    fn exits(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        said(&output)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Where policies are compiled, so that a second run of these tests has less to do.
fn nested() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("authoring")
}

/// A new project, built: its folder and its component. Made once, and left as it is by all.
struct Built {
    desk: Desk,
    component: PathBuf,
    sha256: String,
}

impl Built {
    fn project(&self) -> PathBuf {
        self.desk.path(NAME)
    }
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let desk = Desk::new();
        assert_eq!(desk.ok(&["policy", "new", NAME]).trim(), NAME);
        let built = desk.json(&["policy", "build", NAME]);
        let component = PathBuf::from(built["path"].as_str().unwrap());
        assert_eq!(component, nested().join("policy").join(NAME).with_extension("wasm"));
        let sha256 = built["sha256"].as_str().unwrap().to_owned();
        assert_eq!((&built["name"], sha256.len()), (&json!(NAME), 64));
        // The desk may not find it changed by another test that builds.
        let kept = desk.path("ticket-guard.wasm");
        std::fs::copy(&component, &kept).unwrap();
        Built { desk, component: kept, sha256 }
    })
}

/// The configuration of an operator who uses the policy.
fn configuration() -> Value {
    let mut config = support::configuration();
    config["routes"] =
        json!([{ "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"], "policies": [NAME] }]);
    config["policies"] = json!([{ "name": NAME, "settings": { "prefix": "/v1/tenants/" } }]);
    config
}

/// A token of the tenant `acme`.
fn token() -> String {
    support::sign(support::through(support::now(), &["agent:planner"]).claim("tenant", json!("acme")))
}

fn request(path: &str) -> String {
    json!({ "method": "GET", "path": path, "headers": [["authorization", format!("Bearer {}", token())]] })
        .to_string()
}
