//! The servers: installed once, started once for a test program, gone with it.

use mandate_host::paths;
use serde_json::Value;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What `install.sh` exits with when something cannot be had here.
const UNAVAILABLE: i32 = 69;
/// How long a server may take to start.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Pause between two looks at something that is awaited.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a server until our end of its pipe closes, which the system does even when this process is killed.
const GUARDED: &str = r#"
folder=$1; shift
"$@" </dev/null & server=$!
trap '' INT TERM HUP
while read -r _; do :; done
kill -TERM "$server"; wait "$server"
rm -rf -- "$folder"
"#;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upstreams")
}

/// The folder in which one kind of server is installed; `None` after saying that the test is skipped.
fn installed(kind: &str, version: &[u8]) -> Option<PathBuf> {
    let ours =
        paths::mandate_dir(&paths::target_dir().expect("a folder to keep servers in")).join("upstreams");
    fs::create_dir_all(&ours).unwrap();
    // Released when it is closed, also by the death of this process.
    let lock = File::create(ours.join(format!("{kind}.lock"))).unwrap();
    lock.lock().unwrap();
    let (folder, stamp) = (ours.join(kind), ours.join(format!("{kind}.installed")));
    // Written last: what an interrupted installation left is not trusted, nor what another list asked for.
    if fs::read(&stamp).is_ok_and(|installed| installed == version) {
        return Some(folder);
    }
    let output = Command::new(here().join("install.sh")).arg(kind).arg(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.code() == Some(UNAVAILABLE) && std::env::var_os("MANDATE_REQUIRE_UPSTREAMS").is_none() {
        // Past the capture of the test runner, so that it is seen.
        std::io::stderr().write_all(format!("skipped: {said}\n").as_bytes()).unwrap();
        return None;
    }
    assert!(output.status.success(), "{kind}: {said}");
    fs::write(stamp, version).unwrap();
    Some(folder)
}

/// Where a server in this folder accepts connections, as soon as it does.
fn ready(folder: &Path, port: impl Fn(&Path) -> Option<u16>) -> SocketAddr {
    let began = Instant::now();
    loop {
        let address = port(folder).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        if let Some(address) = address.filter(|address| TcpStream::connect(address).is_ok()) {
            return address;
        }
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(began.elapsed() < READY_WITHIN, "a server does not start:\n{log}");
        sleep(LOOK);
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    folder: PathBuf,
    /// Ends the server when our end of its pipe closes.
    _guard: Child,
}

impl Server {
    /// Starts a server that writes its port to `PORT` and what ran to `RECORD`.
    fn start(command: &[OsString], variables: &[(&str, &Path)]) -> Self {
        Self::spawn(command, variables, |folder| fs::read_to_string(folder.join("port")).ok()?.parse().ok())
    }

    fn spawn(command: &[OsString], variables: &[(&str, &Path)], port: impl Fn(&Path) -> Option<u16>) -> Self {
        let folder = tempfile::Builder::new().prefix("mandate-upstream-").tempdir().unwrap().keep();
        let log = File::create(folder.join("log")).unwrap();
        let guard = Command::new("sh")
            .args(["-c", GUARDED, "sh"])
            .arg(&folder)
            .args(command)
            .current_dir(here().join("servers"))
            .envs(variables.iter().copied())
            .env("FOLDER", &folder)
            .env("PORT", folder.join("port"))
            .env("RECORD", folder.join("record"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let address = ready(&folder, port);
        Self { address, folder, _guard: guard }
    }

    /// The same, where another server behind it writes down what ran.
    pub fn recorded_by(self, other: &Self) -> Self {
        std::os::unix::fs::symlink(other.folder.join("record"), self.folder.join("record")).unwrap();
        self
    }

    /// What ran for a request, in order. It is written down before the answer goes out.
    pub fn ran(&self, request: &str) -> Vec<Value> {
        let record = fs::read_to_string(self.folder.join("record")).unwrap_or_default();
        let lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["request"] == request).collect()
    }
}

fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(|| installed("python", include_bytes!("requirements.txt"))).as_deref()
}

fn gunicorn(application: &str) -> Option<Server> {
    let program = python()?.join("bin/gunicorn");
    Some(Server::start(&[program.into(), application.into()], &[]))
}

fn uvicorn(module: &str) -> Option<Server> {
    let program = python()?.join("bin/python");
    Some(Server::start(&[program.into(), "asgi.py".into(), module.into()], &[]))
}

/// gunicorn with Flask.
pub fn flask() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| gunicorn("flask_app:app")).as_ref()
}

/// gunicorn with Django.
pub fn django() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| gunicorn("django_app:app")).as_ref()
}

/// uvicorn with Starlette.
pub fn starlette() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| uvicorn("starlette_app")).as_ref()
}

/// The official A2A server.
pub fn a2a() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| uvicorn("a2a_app")).as_ref()
}

/// What the official A2A client prints, see `a2a_client.py`.
pub fn a2a_client(url: &str, token: &str, binding: &str, version: &str) -> String {
    python_client("a2a_client.py", &[url, token, binding, version])
}

/// An official MCP server; each has its own record.
pub fn mcp() -> Option<&'static Server> {
    Some(Box::leak(Box::new(uvicorn("mcp_app")?)))
}

/// An authorization server; each has its own record.
pub fn oauth() -> Option<&'static Server> {
    Some(Box::leak(Box::new(uvicorn("oauth_app")?)))
}

/// What the official MCP client in Python prints, see `mcp_client.py`.
pub fn mcp_client(url: &str, token: &str, mode: &str) -> String {
    python_client("mcp_client.py", &[url, token, mode])
}

/// What the same client prints when it calls a tool that somebody must approve, see `mcp_approval_client.py`. `key` is the approver's.
pub fn mcp_approval_client(url: &str, token: &str, mode: &str, key: &Path) -> String {
    let key = key.to_str().expect("a path that is text");
    python_client("mcp_approval_client.py", &[url, token, mode, env!("CARGO_BIN_EXE_mandate"), key])
}

/// What the same client prints when it gets its tokens by itself, see `mcp_oauth_client.py`.
pub fn mcp_oauth_client(url: &str, mode: &str, consents: &[&str]) -> Option<String> {
    Some(python_client("mcp_oauth_client.py", &[&[url, mode], consents].concat()))
}

/// What an OAuth client in Python prints, see `dpop_client.py`.
pub fn dpop_python_client(url: &str, token: &str, key: &str) -> Option<String> {
    Some(python_client("dpop_client.py", &[url, token, key]))
}

fn python_client(client: &str, arguments: &[&str]) -> String {
    let mut program = Command::new(python().expect("the server is there").join("bin/python"));
    printed(program.arg(here().join("servers").join(client)).args(arguments))
}

/// What the official MCP client in TypeScript prints, see `mcp_client.mjs`. `None` after saying that the test is skipped.
pub fn mcp_typescript_client(url: &str, token: &str, mode: &str) -> Option<String> {
    typescript_client("mcp_client.mjs", &[url, token, mode])
}

/// What the same client prints when it gets its tokens by itself, see `mcp_oauth_client.mjs`.
pub fn mcp_oauth_typescript_client(url: &str, mode: &str, consents: &[&str]) -> Option<String> {
    typescript_client("mcp_oauth_client.mjs", &[&[url, mode], consents].concat())
}

/// What an OAuth client in JavaScript prints, see `dpop_client.mjs`. `None` after saying that the test is skipped.
pub fn dpop_javascript_client(url: &str, token: &str, key: &str) -> Option<String> {
    node_client("dpop_client.mjs", &[url, token, key], ("OPENID_CLIENT", "openid-client/build/index.js"))
}

fn typescript_client(client: &str, arguments: &[&str]) -> Option<String> {
    node_client(client, arguments, ("MCP_CLIENT", "@modelcontextprotocol/client/dist/index.mjs"))
}

/// What a client prints that finds its library by this variable.
fn node_client(client: &str, arguments: &[&str], (variable, library): (&str, &str)) -> Option<String> {
    let library = node()?.join("node_modules").join(library);
    let mut program = Command::new("node");
    program.arg(here().join("servers").join(client)).args(arguments);
    Some(printed(program.env(variable, library)))
}

fn printed(program: &mut Command) -> String {
    let output = program.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn node() -> Option<&'static Path> {
    static NODE: OnceLock<Option<PathBuf>> = OnceLock::new();
    NODE.get_or_init(|| installed("node", include_bytes!("package.json"))).as_deref()
}

/// Express, which reads the case of paths only if told to: `insensitive` is its default.
pub fn express(case: &str) -> Option<&'static Server> {
    let express = node()?.join("node_modules/express");
    let command = ["node".into(), "express_app.js".into(), case.into()];
    Some(Box::leak(Box::new(Server::start(&command, &[("EXPRESS", &express)]))))
}

/// Apache httpd as the next proxy before a server.
pub fn apache(backend: &Server) -> Option<Server> {
    let (program, modules, libraries) = httpd()?;
    // Apache cannot be told to take any free port: one that was free a moment ago.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let config = here().join("servers/httpd.conf");
    let command: [OsString; 4] = [program.into(), "-DFOREGROUND".into(), "-f".into(), config.into()];
    let (listen, backend) = (free.to_string(), backend.address.to_string());
    let variables = [
        ("MODULES", modules.as_path()),
        ("LD_LIBRARY_PATH", libraries.as_path()),
        ("LISTEN", Path::new(&listen)),
        ("BACKEND", Path::new(&backend)),
    ];
    Some(Server::spawn(&command, &variables, |_| Some(free)))
}

/// The program, its modules and its libraries: the system's, else one unpacked below the target folder.
fn httpd() -> Option<(PathBuf, PathBuf, PathBuf)> {
    let system = PathBuf::from("/usr/sbin/apache2");
    let modules = |root: &Path| root.join("usr/lib/apache2/modules");
    if system.is_file() && modules(Path::new("/")).join("mod_proxy_http.so").is_file() {
        return Some((system, modules(Path::new("/")), PathBuf::new()));
    }
    static UNPACKED: OnceLock<Option<PathBuf>> = OnceLock::new();
    let root = UNPACKED.get_or_init(|| installed("apache", b"apache2-bin")).as_deref()?;
    let library = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    Some((root.join("usr/sbin/apache2"), modules(root), root.join(library)))
}
