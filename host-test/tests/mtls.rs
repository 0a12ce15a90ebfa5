//! Tokens that are bound to a client certificate (RFC 8705), in a real Envoy that ends TLS: with curl and OpenSSL as clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mandate_host::tokens::Hop;
use mandate_host::upstream::Upstream;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::proxy::Proxy;
use support::{claims, configuration, now, sign};

const AGENT: &str = "spiffe://prod.example/agent";

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("`{program}` is needed for this test: {error}"))
}

/// An authority, certificates that it signed, and one that signed itself; `NAME.pem` and `NAME.key`.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let certificates = Self(tempfile::tempdir().unwrap());
        certificates.own("authority", &[]);
        certificates.signed("server", "DNS:localhost");
        certificates.signed("agent", &format!("URI:{AGENT}"));
        certificates.signed("other", "URI:spiffe://prod.example/other");
        certificates.own("stranger", &["-addext", &format!("subjectAltName=URI:{AGENT}")]);
        certificates
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = run(self.0.path(), "openssl", arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn own(&self, name: &str, more: &[&str]) {
        let (key, certificate, subject) =
            (format!("{name}.key"), format!("{name}.pem"), format!("/CN={name}"));
        let mut arguments = vec![
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ];
        arguments.extend(["-subj", &subject, "-keyout", &key, "-out", &certificate]);
        arguments.extend(more);
        self.openssl(&arguments);
    }

    fn signed(&self, name: &str, alternative: &str) {
        let [key, request, certificate, extensions] =
            ["key", "csr", "pem", "ext"].map(|end| format!("{name}.{end}"));
        let subject = format!("/CN={name}");
        let text = format!("subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n");
        std::fs::write(self.path(&extensions), text).unwrap();
        let mut arguments = vec!["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        arguments.extend(["-subj", &subject, "-keyout", &key, "-out", &request]);
        self.openssl(&arguments);
        let mut arguments = vec![
            "x509",
            "-req",
            "-CA",
            "authority.pem",
            "-CAkey",
            "authority.key",
            "-CAcreateserial",
            "-days",
            "2",
        ];
        arguments.extend(["-in", &request, "-out", &certificate, "-extfile", &extensions]);
        self.openssl(&arguments);
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// `x5t#S256` (RFC 8705 §3.1).
    fn thumbprint(&self, name: &str) -> String {
        let output =
            run(self.0.path(), "openssl", &["x509", "-in", &format!("{name}.pem"), "-outform", "DER"]);
        assert!(output.status.success(), "{output:?}");
        URL_SAFE_NO_PAD.encode(Sha256::digest(&output.stdout))
    }

    /// How Envoy ends TLS.
    fn tls(&self, validation: &Value, requires_certificate: bool) -> Value {
        json!({
            "require_client_certificate": requires_certificate,
            "common_tls_context": {
                "tls_certificates": [{
                    "certificate_chain": { "filename": self.path("server.pem") },
                    "private_key": { "filename": self.path("server.key") },
                }],
                "validation_context": validation,
            },
        })
    }

    /// Clients with a certificate of the authority.
    fn authority(&self) -> Value {
        json!({ "trusted_ca": { "filename": self.path("authority.pem") } })
    }

    /// What curl says: the status, the reason, and the challenge.
    fn curl(
        &self,
        at: SocketAddr,
        certificate: Option<&str>,
        more: &[&str],
    ) -> (u16, Option<String>, String) {
        let url = format!("https://localhost:{}/v1/tickets", at.port());
        let resolve = format!("localhost:{}:127.0.0.1", at.port());
        let mut arguments = vec!["--silent", "--show-error", "--include", "--max-time", "20", "--http1.1"];
        arguments.extend(["--cacert", "authority.pem", "--resolve", &resolve]);
        let files = certificate.map(|name| (format!("{name}.pem"), format!("{name}.key")));
        if let Some((certificate, key)) = &files {
            arguments.extend(["--cert", certificate, "--key", key]);
        }
        arguments.extend(more);
        arguments.push(&url);
        let output = run(self.0.path(), "curl", &arguments);
        answer(&String::from_utf8_lossy(&output.stdout), &output)
    }
}

fn answer(text: &str, context: &dyn std::fmt::Debug) -> (u16, Option<String>, String) {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?} {context:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let challenge = head.lines().find_map(|line| line.strip_prefix("www-authenticate: "));
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    (status, body["code"].as_str().map(str::to_owned), challenge.unwrap_or_default().to_owned())
}

/// [`configuration`] with proofs, changed.
fn proving(change: impl FnOnce(&mut Value)) -> Value {
    let mut config = configuration();
    config["issuers"][0]["proof"] = json!("if_bound");
    config["issuers"][0]["proof_kinds"] = json!(["mtls"]);
    change(&mut config);
    config
}

fn proxy(config: &Value, tls: Value) -> Option<Proxy<Upstream>> {
    let upstream = Upstream::start().unwrap();
    let address = upstream.address();
    Proxy::start(upstream, address, config, |mut setup| {
        setup.tls = Some(tls);
        setup
    })
}

/// The header with a token of the agent that is bound to this certificate.
fn bound(thumbprint: &str) -> String {
    let claims = claims(now())
        .delegation([Hop::new(support::ISSUER, AGENT)])
        .claim("cnf", json!({ "x5t#S256": thumbprint }));
    format!("authorization: Bearer {}", sign(claims))
}

const DENIED: &str = "Bearer error=\"invalid_token\", scope=\"tickets.read\"";

#[test]
fn a_stolen_token_is_of_no_use_without_its_certificate() {
    let certificates = Certificates::new();
    let Some(proxy) = proxy(&proving(|_| {}), certificates.tls(&certificates.authority(), false)) else {
        return;
    };
    let token = bound(&certificates.thumbprint("agent"));
    let refused = |certificate, reason: &str| {
        let answer = certificates.curl(proxy.at, certificate, &["--header", &token]);
        assert_eq!(answer, (401, Some(reason.to_owned()), DENIED.to_owned()), "{certificate:?}");
    };
    refused(None, "proof_required");
    refused(Some("other"), "proof_invalid");
    assert_eq!(proxy.upstream.requests(), 0);
    let (status, ..) = certificates.curl(proxy.at, Some("agent"), &["--header", &token]);
    assert_eq!((status, proxy.upstream.requests()), (200, 1), "{}", proxy.envoy.log_tail());
    // A bearer token needs none.
    let plain = format!("authorization: Bearer {}", sign(claims(now())));
    assert_eq!(certificates.curl(proxy.at, None, &["--header", &plain]).0, 200);
}

#[test]
fn a_session_that_is_resumed_keeps_its_certificate() {
    let certificates = Certificates::new();
    let Some(proxy) = proxy(&proving(|_| {}), certificates.tls(&certificates.authority(), false)) else {
        return;
    };
    let token = bound(&certificates.thumbprint("agent"));
    let connect = |version: &str, more: &[&str]| {
        let at = format!("127.0.0.1:{}", proxy.at.port());
        let mut client = Command::new("openssl")
            .args(["s_client", version, "-connect", &at, "-ign_eof"])
            .args(more)
            .current_dir(certificates.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let request =
            format!("GET /v1/tickets HTTP/1.1\r\nhost: localhost\r\n{token}\r\nconnection: close\r\n\r\n");
        client.stdin.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
        let output = client.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // It comes in the midst of what the client says of itself.
        let status = text.split("HTTP/1.1 ").nth(1).and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
        (text.contains("\nReused, "), status)
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let session = format!("session{version}");
        let agent = ["-cert", "agent.pem", "-key", "agent.key", "-sess_out", &session];
        assert_eq!(connect(version, &agent), (false, Some(200)), "{version}: {}", proxy.envoy.log_tail());
        assert_eq!(connect(version, &["-sess_in", &session]), (true, Some(200)), "{version}");
        assert_eq!(connect(version, &[]), (false, Some(401)), "{version}");
    }
}

#[test]
fn a_certificate_that_signed_itself_binds_as_well() {
    // RFC 8705 §2.2.
    let certificates = Certificates::new();
    let untrusted = json!({ "trust_chain_verification": "ACCEPT_UNTRUSTED" });
    let token = bound(&certificates.thumbprint("stranger"));
    for requires in [false, true] {
        let Some(proxy) = proxy(&proving(|_| {}), certificates.tls(&untrusted, requires)) else { return };
        let status = |name| certificates.curl(proxy.at, Some(name), &["--header", &token]).0;
        assert_eq!((status("other"), status("stranger")), (401, 200), "{}", proxy.envoy.log_tail());
    }
}

#[test]
fn a_proxy_that_does_not_ask_for_certificates_lets_no_bound_token_in() {
    let certificates = Certificates::new();
    let token = bound(&certificates.thumbprint("agent"));
    for requires in [false, true] {
        let Some(proxy) = proxy(&proving(|_| {}), certificates.tls(&Value::Null, requires)) else { return };
        let answer = certificates.curl(proxy.at, Some("agent"), &["--header", &token]);
        assert_eq!(answer, (401, Some("proof_required".to_owned()), DENIED.to_owned()));
    }
}

#[test]
fn the_certificate_must_name_the_agent_if_so_configured() {
    let certificates = Certificates::new();
    let config =
        proving(|config| config["issuers"][0]["agent"] = json!({ "from": "act", "agree": ["certificate"] }));
    let Some(proxy) = proxy(&config, certificates.tls(&certificates.authority(), false)) else { return };
    let token = format!(
        "authorization: Bearer {}",
        sign(claims(now()).delegation([Hop::new(support::ISSUER, AGENT)]))
    );
    for (certificate, expected) in [(None, 403), (Some("other"), 403), (Some("agent"), 200)] {
        let (status, reason, _) = certificates.curl(proxy.at, certificate, &["--header", &token]);
        assert_eq!(status, expected, "{certificate:?} {reason:?} {}", proxy.envoy.log_tail());
        assert_eq!(reason.as_deref(), (expected == 403).then_some("agent_mismatch"));
    }
}

#[test]
fn a_proxy_in_front_tells_whose_connection_it_had() {
    let certificates = Certificates::new();
    let config = proving(|config| config["proofs"] = json!({ "mtls": { "certificate": "xfcc" } }));
    let upstream = Upstream::start().unwrap();
    let address = upstream.address();
    // The one behind takes what the one in front says.
    let Some(behind) = Proxy::start(upstream, address, &config, |mut setup| {
        setup
            .connection_manager
            .insert("forward_client_cert_details".to_owned(), json!("ALWAYS_FORWARD_ONLY"));
        setup
    }) else {
        return;
    };
    let binary = support::envoy().unwrap();
    let mut setup = mandate_host::envoy::EnvoySetup::new(behind.at);
    setup.tls = Some(certificates.tls(&certificates.authority(), false));
    setup.connection_manager.insert("forward_client_cert_details".to_owned(), json!("SANITIZE_SET"));
    setup.connection_manager.insert(
        "set_current_client_cert_details".to_owned(),
        json!({ "uri": true, "subject": true, "dns": true }),
    );
    let config = mandate_host::envoy::envoy_config(&setup).to_string();
    let front =
        mandate_host::envoy::Envoy::start(&binary, &config, &mandate_host::envoy::EnvoyOptions::default())
            .unwrap();
    let at = front.listener().unwrap();
    let token = bound(&certificates.thumbprint("agent"));
    // What a client says of itself is removed by the one in front.
    let digest: String = URL_SAFE_NO_PAD
        .decode(certificates.thumbprint("agent"))
        .unwrap()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let forged = format!("x-forwarded-client-cert: Hash={digest}");
    for (certificate, more, expected) in [
        (None, vec!["--header", &token], Some("proof_required")),
        (None, vec!["--header", &token, "--header", &forged], Some("proof_required")),
        (Some("other"), vec!["--header", &token], Some("proof_invalid")),
        (Some("other"), vec!["--header", &token, "--header", &forged], Some("proof_invalid")),
        (Some("agent"), vec!["--header", &token], None),
    ] {
        let (_, reason, _) = certificates.curl(at, certificate, &more);
        assert_eq!(reason.as_deref(), expected, "{certificate:?} {}", behind.envoy.log_tail());
    }
    assert_eq!(behind.upstream.requests(), 1);
}
