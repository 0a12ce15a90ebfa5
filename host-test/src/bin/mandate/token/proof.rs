//! `mandate token proof`.

use crate::output;
use anyhow::{Result, ensure};
use mandate_core::http::Address;
use mandate_host::tokens::{DpopProof, SigningKey};
use serde_json::json;
use std::path::PathBuf;

/// Make a DPoP proof (RFC 9449): a client shows with it that it holds the key that its token is bound to.
///
/// A proof is for one request, and for a minute. With `--json`, the headers of the request are printed as a request file
/// of `mandate decide` has them.
#[derive(Debug, clap::Args)]
pub struct Proof {
    /// The client's private key: a file that `mandate token keygen` wrote, or another private JWK.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The method of the request.
    #[arg(long, default_value = "GET")]
    method: String,
    /// The address of the request, as the client knows it. Query and fragment are left out of the proof.
    #[arg(long, value_name = "URI", value_parser = address)]
    uri: String,
    /// The token that the request comes with; `-` for standard input. Servers of resources demand proofs with it.
    #[arg(long)]
    token: Option<String>,
    /// The nonce that the server gave out, in the header `dpop-nonce`.
    #[arg(long)]
    nonce: Option<String>,
    /// Seconds since the Unix epoch at which the proof is made [default: now].
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// The proof's id: a proof with the same id is a replay [default: random].
    #[arg(long)]
    jti: Option<String>,
    /// Print the headers `authorization`, if there is a token, and `dpop`, as JSON.
    #[arg(long)]
    json: bool,
}

impl Proof {
    pub fn run(self) -> Result<bool> {
        let key = SigningKey::load(&self.key)?;
        let now = i64::try_from(self.now.map_or_else(output::now, Ok)?)?;
        ensure!(!self.method.is_empty(), "`--method` is empty");
        let token = self.token.as_deref().map(output::token).transpose()?;
        let mut proof = DpopProof::new(&self.method, &self.uri, now);
        if let Some(token) = &token {
            proof = proof.of_token(token);
        }
        if let Some(nonce) = &self.nonce {
            proof = proof.nonce(nonce);
        }
        if let Some(jti) = &self.jti {
            proof = proof.id(jti);
        }
        let proof = proof.sign(&key)?;
        if self.json {
            let authorization = token.map(|token| json!(["authorization", format!("DPoP {token}")]));
            let headers: Vec<_> = authorization.into_iter().chain([json!(["dpop", proof])]).collect();
            output::json(&headers)?;
        } else {
            output::line(&proof)?;
        }
        Ok(true)
    }
}

/// An address that the filter could compare.
pub fn address(text: &str) -> Result<String, String> {
    match Address::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write the whole address, as in https://tools.example/v1/tickets".to_owned()),
    }
}
