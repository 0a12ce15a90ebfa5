//! `mandate token`.

mod proof;

use crate::output;
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Subcommand;
use mandate_core::algorithm::Algorithm;
use mandate_core::chain::VerifiedChain;
use mandate_core::config::{Config, Problem};
use mandate_core::decision::Outcome;
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::{InModule, KeySet};
use mandate_core::limits;
use mandate_core::policy::NoPolicies;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use mandate_core::token::ParsedToken;
use mandate_host::tokens::{Claims, Hop, SigningKey, TokenBuilder, jwks};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Make, read and verify tokens on your machine, without a proxy.
#[derive(Debug, clap::Args)]
pub struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(Keygen),
    Mint(Box<Mint>),
    Proof(Box<proof::Proof>),
    Inspect(Inspect),
    Verify(Verify),
}

impl Token {
    pub fn run(self) -> Result<bool> {
        match self.command {
            Command::Keygen(keygen) => keygen.run(),
            Command::Mint(mint) => mint.run(),
            Command::Proof(proof) => proof.run(),
            Command::Inspect(inspect) => inspect.run(),
            Command::Verify(verify) => verify.run(),
        }
    }
}

/// Make a signing key, write it to a file, and print its public half as a JWK set.
///
/// For tests only: the file contains the private key unencrypted. Redirect the output to a file, as in `> jwks.json`: it is
/// what an issuer publishes, and what `--jwks` of other commands takes.
#[derive(Debug, clap::Args)]
struct Keygen {
    /// The file for the private key (a JWK). If it exists, it is not changed, and its public half is printed.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// EdDSA, ES256, ES384, RS256, RS384, RS512, PS256, PS384 or PS512.
    #[arg(long, default_value = "EdDSA", value_parser = algorithm)]
    algorithm: Algorithm,
    /// The key's id.
    #[arg(long, default_value = "desk-1")]
    kid: String,
}

impl Keygen {
    fn run(self) -> Result<bool> {
        let key = SigningKey::load_or_generate(&self.key, self.algorithm, &self.kid)?;
        output::json(&jwks(&[&key]))?;
        Ok(true)
    }
}

/// Mint an access token (RFC 9068), with or without agents.
#[derive(Debug, clap::Args)]
struct Mint {
    /// The private key: a file that `mandate token keygen` wrote.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The token's `iss`.
    #[arg(long)]
    issuer: String,
    /// The token's `aud`; may be repeated.
    #[arg(long, required = true)]
    audience: Vec<String>,
    /// The principal: the token's `sub`.
    #[arg(long)]
    subject: String,
    /// The token's `client_id`.
    #[arg(long, default_value = "desk")]
    client_id: String,
    /// The token's `scope`, separated by spaces.
    #[arg(long, default_value = "")]
    scope: String,
    /// An agent of the delegation chain; repeat it for each hop, oldest first, the acting agent last. `iss` of each hop is the
    /// token's.
    #[arg(long, value_name = "SUBJECT")]
    act: Vec<String>,
    /// Seconds until the token expires.
    #[arg(long, default_value_t = 300)]
    lifetime: u64,
    /// Seconds since the Unix epoch at which the token is issued [default: now].
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// The header's `typ`.
    #[arg(long, default_value = "at+jwt")]
    typ: String,
    /// A further claim; the value is JSON, or text if it is not valid JSON. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = claim)]
    claim: Vec<(String, Value)>,
    /// Bind the token to this key, by its thumbprint in `cnf.jkt` (DPoP, RFC 9449): the client's private key, a file that
    /// `mandate token keygen` wrote, or another private JWK.
    #[arg(long, value_name = "FILE")]
    dpop_key: Option<PathBuf>,
}

impl Mint {
    fn run(self) -> Result<bool> {
        let key = SigningKey::load(&self.key)?;
        let now = i64::try_from(self.now.map_or_else(output::now, Ok)?)?;
        let audiences: Vec<&str> = self.audience.iter().map(String::as_str).collect();
        let claims = Claims::new().issuer(&self.issuer).subject(&self.subject).client_id(&self.client_id);
        let claims = match audiences.as_slice() {
            [one] => claims.audience(one),
            several => claims.audiences(several),
        };
        let jti = format!("desk-{now}-{}", std::process::id());
        let mut claims = claims.valid_from(now, i64::try_from(self.lifetime)?).id(&jti);
        if !self.scope.is_empty() {
            claims = claims.scope(&self.scope);
        }
        if !self.act.is_empty() {
            claims = claims.delegation(self.act.iter().map(|subject| Hop::new(&self.issuer, subject)));
        }
        for (name, value) in self.claim {
            claims = claims.claim(&name, value);
        }
        if let Some(file) = &self.dpop_key {
            claims = claims.bound_to(&SigningKey::load(file)?)?;
        }
        output::line(&TokenBuilder::new(claims).typ(Some(&self.typ)).sign(&key)?)?;
        Ok(true)
    }
}

/// Print header and claims of a token. Nothing is verified.
#[derive(Debug, clap::Args)]
struct Inspect {
    /// The token; `-` for standard input.
    token: String,
}

impl Inspect {
    fn run(self) -> Result<bool> {
        let text = output::token(&self.token)?;
        let Ok(token) = ParsedToken::parse_within(&text, limits::MAX_TOKEN_BYTES) else {
            bail!("this is no token: {}", Reason::TokenMalformed.detail());
        };
        let header = token.header();
        output::json(&json!({
            "verified": false,
            "header": {
                "alg": header.algorithm.map(Algorithm::name),
                "typ": header.typ,
                "kid": header.kid,
            },
            "claims": token.unverified_claims(),
        }))?;
        Ok(true)
    }
}

/// Verify a token as the filter does, and print its claims and its chain, or the reason of the denial.
#[derive(Debug, clap::Args)]
struct Verify {
    /// The issuer's key set.
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// The issuer that the token must be from.
    #[arg(long)]
    issuer: String,
    /// The audience that the token must be for.
    #[arg(long)]
    audience: String,
    /// The algorithms to accept, separated by commas [default: all for which the key set has a key].
    #[arg(long, value_delimiter = ',', value_parser = algorithm)]
    algorithms: Vec<Algorithm>,
    /// The values of `typ` to accept, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "at+jwt")]
    types: Vec<String>,
    /// The largest number of hops to accept.
    #[arg(long, default_value_t = limits::DEFAULT_MAX_DEPTH)]
    max_depth: u8,
    /// The time to verify at, in seconds since the Unix epoch [default: now].
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// The DPoP proof that came with the token: a token that is bound to a key needs one.
    #[arg(long, requires = "uri")]
    proof: Option<String>,
    /// The method of the request that the proof came with.
    #[arg(long, default_value = "GET", requires = "proof")]
    method: String,
    /// The address of that request.
    #[arg(long, value_name = "URI", requires = "proof", value_parser = proof::address)]
    uri: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// The token; `-` for standard input.
    token: String,
}

impl Verify {
    fn run(self) -> Result<bool> {
        let text = output::token(&self.token)?;
        let now = UnixTime::from_secs(self.now.map_or_else(output::now, Ok)?);
        let document: Value = serde_json::from_str(&output::read(&self.jwks)?)
            .with_context(|| format!("`{}` is no JSON", self.jwks.display()))?;
        let keys = KeySet::from_value(&document).with_context(|| format!("`{}`", self.jwks.display()))?;
        let mut gate = self.gate(&keys, &document)?;
        let result = self.verify(&text, &mut gate, now)?;
        match (&result, self.json) {
            (Ok(chain), true) => output::json(&json!({
                "valid": true,
                "chain": chain.token().identities().map(|i| json!({ "iss": i.issuer, "sub": i.subject })).collect::<Vec<_>>(),
                "depth": chain.depth(),
                "claims": chain.token().claims(),
            }))?,
            (Err(reason), true) => {
                output::json(&json!({ "valid": false, "reason": reason, "detail": reason.detail() }))?;
            }
            (Ok(chain), false) => {
                let mut table = output::table(&["", "issuer", "subject"]);
                for (hop, identity) in chain.token().identities().enumerate() {
                    let role = if hop == 0 { "principal".to_owned() } else { format!("hop {hop}") };
                    table.add_row([role.as_str(), &identity.issuer, &identity.subject]);
                }
                output::line(&format!("valid, depth {}\n{table}", chain.depth()))?;
                output::json(chain.token().claims())?;
            }
            (Err(reason), false) => output::line(&format!("not valid: {reason}: {}", reason.detail()))?,
        }
        Ok(result.is_ok())
    }

    /// The gate of a configuration that says the same as the command line; it goes through the same reader as every other.
    fn gate(&self, keys: &KeySet, document: &Value) -> Result<Gate> {
        let served = |a: &Algorithm| keys.keys().iter().any(|key| key.serves(*a));
        let algorithms: Vec<&str> = if self.algorithms.is_empty() {
            Algorithm::ALL.iter().filter(|a| served(a)).map(|a| a.name()).collect()
        } else {
            self.algorithms.iter().map(|a| a.name()).collect()
        };
        let all_algorithms = Algorithm::ALL.map(Algorithm::name);
        let (origin, _) = self.address();
        // A set may hold keys for other purposes, which in a configuration would be slips.
        let is_usable = |position: &usize| keys.rejected().iter().all(|key| key.position != *position);
        let all = document["keys"].as_array().into_iter().flatten().enumerate();
        let usable: Vec<&Value> = all.filter(|(at, _)| is_usable(at)).map(|(_, key)| key).collect();
        let config = json!({
            "issuers": [{
                "issuer": self.issuer,
                "audiences": [self.audience],
                "algorithms": algorithms,
                "token_types": self.types,
                "keys": { "inline": { "keys": usable } },
                "proof": "if_bound",
                "proof_kinds": ["dpop"],
            }],
            "proofs": { "external_uris": [origin], "dpop": { "algorithms": all_algorithms } },
            "delegation": { "max_depth": self.max_depth },
            "routes": [{ "match": { "path_prefix": "/" } }],
        });
        let said = |problems: Vec<Problem>| {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow!("{}", list.join("; "))
        };
        let config = Config::parse(config.to_string().as_bytes()).map_err(said)?;
        // Nothing is hashed that anybody could choose, and nothing fetched: the seed need not be random.
        Gate::new(config, Box::new(NoPolicies), [0; 16]).map_err(said)
    }

    /// Origin and path of the request.
    fn address(&self) -> (&str, &str) {
        let Some(uri) = &self.uri else { return ("https://desk.invalid", "/") };
        let authority = uri.find("://").map_or(0, |scheme| scheme.saturating_add(3));
        let rest = uri.get(authority..).unwrap_or_default();
        let end = rest.find(['/', '?', '#']).map_or(uri.len(), |end| authority.saturating_add(end));
        let (origin, rest) = uri.split_at_checked(end).unwrap_or((uri, ""));
        let path = rest.split(['?', '#']).next().filter(|path| !path.is_empty());
        (origin, path.unwrap_or("/"))
    }

    /// What the filter would decide on a request that carries this token.
    fn verify(&self, token: &str, gate: &mut Gate, now: UnixTime) -> Result<Result<VerifiedChain, Reason>> {
        let (_, path) = self.address();
        let scheme = if self.proof.is_some() { "DPoP" } else { "Bearer" };
        let authorization = format!("{scheme} {token}");
        let method = self.method.as_str();
        let mut headers = vec![(":method", method), (":path", path), ("authorization", &authorization)];
        headers.extend(self.proof.as_deref().map(|proof| ("dpop", proof)));
        let Step::Done(decision) =
            Flow::new(String::new(), RequestHead::new(headers)).advance(gate, &InModule, now)
        else {
            bail!("keys that are there are never waited for");
        };
        match decision.outcome() {
            Outcome::Allow(permit) => permit.chain().cloned().map(Ok).context("no token was asked for"),
            Outcome::Answer(_) => bail!("the configuration serves no metadata"),
            Outcome::Deny(denial) => Ok(Err(denial.reason)),
        }
    }
}

pub(crate) fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Algorithm::ALL.iter().map(|a| a.name()).collect();
        format!("use one of {}", known.join(", "))
    })
}

pub(crate) fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}
