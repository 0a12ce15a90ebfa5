//! What the benches share: one configuration, and requests that it allows.
#![expect(clippy::indexing_slicing, reason = "members of JSON that is written here")]

pub mod count;
pub mod policy;
pub mod proxy;

use mandate_host::tokens::{Algorithm, Claims, DpopProof, Hop, SigningKey, TokenBuilder, TokenError, jwks};
use mandate_host::{filter_build, paths};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use wasmtime::error::Context as _;

/// Who issues every token, for whom, and about whom.
pub const ISSUER: &str = "https://idp.example";
/// See [`ISSUER`].
pub const AUDIENCE: &str = "https://tools.example";
/// See [`ISSUER`].
pub const SUBJECT: &str = "user:alice";

/// The time at which every bench without a proxy decides, in seconds since the Unix epoch.
pub const NOW: u64 = 1_790_000_000;
/// The path that every bench asks for.
pub const PATH: &str = "/v1/tickets";

/// A key and the configuration that trusts it.
#[derive(Debug)]
pub struct Setup {
    key: SigningKey,
    /// The plugin configuration.
    pub configuration: Value,
}

impl Setup {
    /// A configuration with a new key of `algorithm`.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn new(algorithm: Algorithm) -> Result<Self, TokenError> {
        let key = SigningKey::generate(algorithm, "bench")?;
        let configuration = json!({
            "issuers": [{
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "algorithms": [algorithm.name()],
                "keys": { "inline": jwks(&[&key]) },
            }],
            "routes": [{ "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] }],
            "audit": { "log": "denied" },
        });
        Ok(Self { key, configuration })
    }

    /// The same with another key, which the configuration does not hold.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn with_new_key(&self, algorithm: Algorithm, kid: &str) -> Result<Self, TokenError> {
        Ok(Self { key: SigningKey::generate(algorithm, kid)?, configuration: self.configuration.clone() })
    }

    /// The key that tokens are signed with.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// The key set of the issuer.
    #[must_use]
    pub fn jwks(&self) -> Value {
        jwks(&[&self.key])
    }

    /// The `authorization` header of a token that came through three agents; each `serial` gives another token.
    ///
    /// # Errors
    /// If the token cannot be signed.
    pub fn authorization(&self, serial: u64) -> Result<String, TokenError> {
        self.authorization_at(NOW, 3, serial)
    }

    /// The same, issued at a time, in seconds since the Unix epoch, and through so many agents.
    ///
    /// # Errors
    /// If the token cannot be signed.
    pub fn authorization_at(&self, now: u64, agents: usize, serial: u64) -> Result<String, TokenError> {
        self.authorization_for("tickets.read tickets.write repo.read", now, agents, serial)
    }

    /// The same with these scopes.
    ///
    /// # Errors
    /// If the token cannot be signed.
    pub fn authorization_for(
        &self,
        scope: &str,
        now: u64,
        agents: usize,
        serial: u64,
    ) -> Result<String, TokenError> {
        Ok(format!("Bearer {}", TokenBuilder::new(claims(scope, now, agents, serial)).sign(&self.key)?))
    }

    /// A client whose token is bound to a new key of `algorithm`, issued at a time, and the configuration that asks for its proofs.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn bound_client(&self, algorithm: Algorithm, now: u64) -> Result<BoundClient, TokenError> {
        let key = SigningKey::generate(algorithm, "client")?;
        let claims = claims("tickets.read tickets.write repo.read", now, 3, 0).bound_to(&key)?;
        let token = TokenBuilder::new(claims).sign(&self.key)?;
        let mut configuration = self.configuration.clone();
        configuration["issuers"][0]["proof"] = json!("required");
        configuration["proofs"] = json!({ "external_uris": [AUDIENCE], "dpop": { "algorithms": [algorithm.name()], "window_s": 300 } });
        Ok(BoundClient { key, token, configuration })
    }
}

/// A client whose token is bound to its key.
#[derive(Debug)]
pub struct BoundClient {
    key: SigningKey,
    token: String,
    /// The plugin configuration.
    pub configuration: Value,
}

impl BoundClient {
    /// The values of `authorization`, which is always the same, and of `dpop`, a new proof for a `GET` of [`PATH`].
    ///
    /// # Errors
    /// If the proof cannot be signed.
    pub fn authorization_at(&self, now: u64) -> Result<[String; 2], TokenError> {
        let address = format!("{AUDIENCE}{PATH}");
        let proof =
            DpopProof::new("GET", &address, now.cast_signed()).of_token(&self.token).sign(&self.key)?;
        Ok([format!("DPoP {}", self.token), proof])
    }
}

/// The claims of every token.
fn claims(scope: &str, now: u64, agents: usize, serial: u64) -> Claims {
    let agents = (0..agents).map(|index| Hop::new(ISSUER, &format!("agent:{index}")));
    Claims::new()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .subject(SUBJECT)
        .client_id("bench")
        .scope(scope)
        .valid_from(now.cast_signed(), 3000)
        .id(&format!("bench-{serial}"))
        .delegation(agents)
}

/// The headers of a request beside the credential, as many as a small client sends.
pub fn headers(authorization: &str) -> Vec<(String, Vec<u8>)> {
    let mut headers = vec![
        (":method".to_owned(), b"GET".to_vec()),
        (":path".to_owned(), PATH.into()),
        (":authority".to_owned(), b"tools.example".to_vec()),
        (":scheme".to_owned(), b"https".to_vec()),
        ("authorization".to_owned(), authorization.into()),
    ];
    headers.extend((0..8).map(|i| (format!("x-h{i}"), format!("some header value {i}").into_bytes())));
    headers
}

/// Compiles a package of this workspace as the filter is compiled, and gives its module.
///
/// # Errors
/// If it does not compile.
pub fn compile(package: &str) -> wasmtime::Result<Vec<u8>> {
    let workspace =
        filter_build::workspace_root(Path::new(env!("CARGO_MANIFEST_DIR"))).context("no workspace")?;
    let target_dir = paths::target_dir().context("no folder to build in; set CARGO_TARGET_DIR")?;
    let folder = filter_build::nested(&target_dir);
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace)
        .args(["build", "--quiet", "--locked", "--package", package, "--profile", "filter"])
        .args(["--target", filter_build::TARGET, "--target-dir"])
        .arg(&folder)
        .env_remove("RUSTFLAGS");
    if !command.status()?.success() {
        wasmtime::bail!("{package} does not compile");
    }
    let module = folder.join(filter_build::TARGET).join(format!("filter/{}.wasm", package.replace('-', "_")));
    std::fs::read(&module).with_context(|| format!("cannot read `{}`", module.display()))
}
