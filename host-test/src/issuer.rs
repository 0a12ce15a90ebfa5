//! An issuer that publishes its keys over HTTP and can be made to fail in the ways real ones do.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::loopback::{Answer, Received, Server, lock};

/// The path of the key set.
const KEYS_PATH: &str = "/jwks.json";
/// The path of the metadata (RFC 8414 §3).
const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";

/// How the issuer behaves when asked for its keys or its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Answers as it should.
    #[default]
    Serve,
    /// Answers as it should, so much later.
    Slow(Duration),
    /// Answers this status with a JSON error.
    Status(u16),
    /// Answers 200 with this body instead of the keys; empty or garbage, as one likes.
    Body(Vec<u8>),
    /// Closes the connection without an answer.
    Close,
}

struct State {
    /// The issuer's identifier, as in `iss`.
    name: String,
    keys: Value,
    behaviour: Behaviour,
}

/// A running issuer on a free loopback port. Dropping it stops it.
pub struct Issuer {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    /// Starts an issuer that calls itself by its own address (`http://127.0.0.1:PORT`), with this JWK set.
    ///
    /// # Errors
    /// When no loopback port or thread can be had.
    pub fn start(jwks: Value) -> io::Result<Self> {
        let issuer = Self::named("", jwks)?;
        lock(&issuer.state).name = issuer.base_url();
        Ok(issuer)
    }

    /// Starts an issuer that goes by another name than its address, such as `https://idp.example`.
    ///
    /// # Errors
    /// When no loopback port or thread can be had.
    pub fn named(name: &str, jwks: Value) -> io::Result<Self> {
        let state =
            Arc::new(Mutex::new(State { name: name.to_owned(), keys: jwks, behaviour: Behaviour::Serve }));
        let served = Arc::clone(&state);
        let server = Server::on_loopback("desk-issuer", move |request| answer(request, &lock(&served)))?;
        Ok(Self { server, state })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The identifier for `iss`.
    #[must_use]
    pub fn name(&self) -> String {
        lock(&self.state).name.clone()
    }

    /// The address of the key set as an HTTP URL.
    #[must_use]
    pub fn keys_url(&self) -> String {
        format!("{}{KEYS_PATH}", self.base_url())
    }

    /// Publishes another JWK set from now on.
    pub fn set_keys(&self, jwks: Value) {
        lock(&self.state).keys = jwks;
    }

    /// Behaves so from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        lock(&self.state).behaviour = behaviour;
    }

    /// How many requests have arrived, failed ones included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.server.requests()
    }

    /// The requests, oldest first; of more than 4,096, the latest.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }
}

fn answer(request: &Received, state: &State) -> Answer {
    // The query is not part of the resource here.
    let path = request.path.split('?').next().unwrap_or_default();
    let document = match path {
        KEYS_PATH => state.keys.clone(),
        METADATA_PATH => {
            let base = state.name.trim_end_matches('/');
            json!({ "issuer": state.name, "jwks_uri": format!("{base}{KEYS_PATH}") })
        }
        _ => return Answer::json(404, &json!({ "error": "not_found" })),
    };
    let reply = |body: Vec<u8>, delay| Answer::typed_json(200, body, delay);
    match &state.behaviour {
        Behaviour::Serve => reply(document.to_string().into_bytes(), Duration::ZERO),
        Behaviour::Slow(delay) => reply(document.to_string().into_bytes(), *delay),
        Behaviour::Status(status) => Answer::json(*status, &json!({ "error": "server_error" })),
        Behaviour::Body(bytes) => reply(bytes.clone(), Duration::ZERO),
        Behaviour::Close => Answer::Close,
    }
}
