//! `mandate init`.

use crate::output::{self, progress};
use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use mandate_core::config::{Config, Provider};
use mandate_host::FILTER;
use mandate_host::init::{Start, Target, jwks_uri_is_a_guess, must_require, usual_jwks_uri};
use serde_json::Value;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

/// Write a first configuration for one issuer, and the manifest around it.
///
/// What is not given is asked for, if there is a terminal. The result passes `mandate check`. With `--for envoy`, the
/// default, the folder also gets the filter, and `envoy -c envoy.yaml` runs it as it is.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// What the issuer's tokens look like: rfc9068, keycloak, entra, entra_agent, okta, okta_agent, auth0, auth0_agent, ping,
    /// cognito, zitadel, wso2, duende, google_id, kubernetes, github_actions, jwt_svid or wit.
    #[arg(long, value_parser = provider)]
    provider: Option<Provider>,
    /// `iss` of the issuer's tokens; for jwt_svid and wit the trust domain, as in `spiffe://prod.example`.
    #[arg(long)]
    issuer: Option<String>,
    /// What the tokens are for; may be repeated. For wit it may be left out.
    #[arg(long)]
    audience: Vec<String>,
    /// An address under which clients know the gateway, as in `https://tools.example`; may be repeated. Proofs of possession name it: wit
    /// needs it.
    #[arg(long, value_name = "URL")]
    external_uri: Vec<String>,
    /// The URL of the issuer's key set [default: where the provider documents it; for rfc9068, ping and kubernetes a guess].
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<String>,
    /// The algorithms that the issuer signs with, separated by commas [default: what the provider usually does].
    #[arg(long, value_delimiter = ',')]
    algorithms: Vec<String>,
    /// A scope that every request needs; may be repeated. Without it, every valid token is enough.
    #[arg(long)]
    scope: Vec<String>,
    /// A mark that tokens must have, as in `/repository_owner=acme`: a JSON pointer to a claim, and its value. May be
    /// repeated.
    #[arg(long, value_name = "POINTER=VALUE", value_parser = mark)]
    require: Vec<(String, Value)>,
    /// Deny requests that no agent makes.
    #[arg(long)]
    agents_only: bool,
    /// The path below which requests are accepted.
    #[arg(long, default_value = "/")]
    path_prefix: String,
    /// What runs the filter.
    #[arg(long = "for", value_enum, default_value_t = For::Envoy)]
    target: For,
    /// Where allowed requests go (Envoy only).
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    upstream: String,
    /// The port to listen on (Envoy only).
    #[arg(long, default_value_t = 10000)]
    port: u16,
    /// The image of the filter in your registry (Istio and Envoy Gateway).
    #[arg(long, default_value = "registry.example/mandate:0.1.0")]
    image: String,
    /// The folder to write to; it is made. Existing files are not overwritten.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum For {
    /// Envoy by itself.
    Envoy,
    /// Istio before 1.30 (`WasmPlugin`).
    IstioWasmPlugin,
    /// Istio 1.30 and later (`TrafficExtension`).
    Istio,
    /// Envoy Gateway (`EnvoyExtensionPolicy`).
    EnvoyGateway,
}

impl Init {
    pub fn run(self) -> Result<bool> {
        let target = match self.target {
            For::Envoy => Target::Envoy,
            For::IstioWasmPlugin => Target::IstioWasmPlugin,
            For::Istio => Target::IstioTrafficExtension,
            For::EnvoyGateway => Target::EnvoyGateway,
        };
        let start = self.start()?;
        let (text, manifest_file) = (start.configuration(target)? + "\n", target.file());
        let config = Config::parse(text.as_bytes()).map_err(|problems| {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", list.join("; "))
        })?;
        let module = match target {
            Target::Envoy => "mandate.wasm",
            _ => &self.image,
        };
        let manifest = start.manifest(target, module, &self.upstream, self.port)?;
        let mut files: Vec<(&str, &[u8])> =
            vec![("mandate.json", text.as_bytes()), (manifest_file, manifest.as_bytes())];
        if target == Target::Envoy {
            files.push(("mandate.wasm", FILTER));
        }
        std::fs::create_dir_all(&self.output).with_context(|| format!("`{}`", self.output.display()))?;
        for (name, _) in &files {
            let path = self.output.join(name);
            if path.exists() {
                bail!("`{}` exists: choose another folder with `-o`, or move it away", path.display());
            }
        }
        for (name, bytes) in files {
            let path = self.output.join(name);
            std::fs::write(&path, bytes).with_context(|| format!("cannot write `{}`", path.display()))?;
            output::line(&path.display().to_string())?;
        }
        for warning in config.warnings() {
            progress(&format!("warning: {warning}"));
        }
        if self.scope.is_empty() {
            progress("every valid token is enough, because no `--scope` was given");
        }
        if self.algorithms.is_empty() && start.provider == Provider::Rfc9068 {
            progress(
                "the algorithms are a guess: compare them with the key set of the issuer, or give `--algorithms`",
            );
        }
        if self.jwks_uri.is_none() && jwks_uri_is_a_guess(start.provider) {
            progress(&format!(
                "the URL of the key set is a guess: is it {}? Otherwise give `--jwks-uri`",
                start.jwks_uri
            ));
        }
        let folder = self.output.display();
        match target {
            Target::Envoy => progress(&format!("next: `cd {folder} && envoy -c envoy.yaml`")),
            _ => progress(&format!(
                "next: push the filter (`mandate build`) to `{}`, and apply {manifest_file}",
                self.image
            )),
        }
        progress(&format!("`mandate check {folder}/mandate.json --token TOKEN` tells how a token is read"));
        Ok(true)
    }

    /// What was given, asked for, or is usual.
    fn start(&self) -> Result<Start> {
        let provider = match self.provider {
            Some(given) => given,
            None => {
                let names: Vec<&str> = Provider::ALL.iter().map(|provider| provider.name()).collect();
                let answer = ask("--provider", &format!("provider, one of {}", names.join(", ")))?;
                provider(&answer).map_err(|error| anyhow::anyhow!(error))?
            }
        };
        let issuer = match (&self.issuer, provider.usual_issuer()) {
            (Some(given), _) => given.clone(),
            (None, Some(usual)) => usual.to_owned(),
            (None, None) => ask("--issuer", "`iss` of the tokens")?,
        };
        if provider == Provider::JwtSvid {
            ensure!(
                issuer.starts_with("spiffe://"),
                "`--issuer`: write the trust domain as `spiffe://{issuer}`"
            );
        } else if provider == Provider::Wit {
            ensure!(
                issuer.contains("://"),
                "`--issuer`: write the trust domain as `wimse://{issuer}` or `spiffe://{issuer}`"
            );
        } else if provider != Provider::Rfc9068 && !issuer.contains("://") {
            bail!("`--issuer`: write it as the tokens have it in `iss`, with its scheme: `https://{issuer}`");
        }
        let (_, port) = self.upstream.rsplit_once(':').unwrap_or_default();
        ensure!(port.parse::<u16>().is_ok(), "`--upstream`: write HOST:PORT, as in `127.0.0.1:8081`");
        let audiences = match self.audience.as_slice() {
            [] if provider == Provider::Wit => Vec::new(),
            [] => vec![ask("--audience", &format!("audience ({})", provider.audience_hint()))?],
            given => given.to_vec(),
        };
        let jwks_uri = match self.jwks_uri.clone().or_else(|| usual_jwks_uri(provider, &issuer)) {
            Some(uri) => uri,
            None => ask("--jwks-uri", "URL of the key set (of the trust bundle)")?,
        };
        let external_uris = match self.external_uri.as_slice() {
            [] if provider == Provider::Wit => {
                vec![ask("--external-uri", "address under which clients know the gateway")?]
            }
            given => given.to_vec(),
        };
        let mut require = self.require.clone();
        if let Some(example) = must_require(provider).filter(|_| require.is_empty()) {
            let answer =
                ask("--require", &format!("a mark that says whose tokens are accepted, as in `{example}`"))
                    .with_context(|| {
                    format!("tokens of `{}` are given to everybody for any audience", provider.name())
                })?;
            require.push(mark(&answer).map_err(|error| anyhow::anyhow!(error))?);
        }
        let algorithms = match self.algorithms.as_slice() {
            // Nearly every issuer signs with one of these.
            [] if provider == Provider::Rfc9068 => vec!["RS256".to_owned(), "ES256".to_owned()],
            [] => vec![provider.usual_algorithm().to_owned()],
            given => given.to_vec(),
        };
        Ok(Start {
            provider,
            issuer,
            audiences,
            algorithms,
            jwks_uri,
            scopes: self.scope.clone(),
            require,
            agents_only: self.agents_only,
            path_prefix: self.path_prefix.clone(),
            external_uris,
        })
    }
}

/// An answer of whoever sits at the terminal.
fn ask(flag: &str, question: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        bail!("`{flag}` is missing: {question}");
    }
    eprint!("{question}: ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "" => bail!("`{flag}` is missing: {question}"),
        answer => Ok(answer.to_owned()),
    }
}

fn provider(name: &str) -> Result<Provider, String> {
    let found = Provider::ALL.iter().find(|provider| provider.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = Provider::ALL.iter().map(|provider| provider.name()).collect();
        format!("use one of {}", names.join(", "))
    })
}

fn mark(text: &str) -> Result<(String, Value), String> {
    let (pointer, value) =
        text.split_once('=').ok_or("write POINTER=VALUE, as in `/repository_owner=acme`")?;
    // `true` and `null` are meant as such; everything else is text, also what looks like a number.
    let value = match value {
        "true" | "false" | "null" => serde_json::from_str(value).unwrap_or_default(),
        text => Value::String(text.to_owned()),
    };
    Ok((pointer.to_owned(), value))
}
