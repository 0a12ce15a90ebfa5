//! How a token would be read under a configuration, claim by claim, and what would deny it: for `mandate check --token`.
//!
//! The steps are the filter's own; the difference is that it stops at the first problem, and this goes on to the next.

mod advice;
mod gate;
mod routes;

use crate::tokens::TokenError;
use gate::{Gates, plain};
use mandate_core::chain::{Delegated, Hop, Identity, SignedToken};
use mandate_core::config::{AgentFrom, ClaimPlaces, Config, Issuer, KeySource, ProofMode};
use mandate_core::denial::{ClaimProblem, Denial, Evidence};
use mandate_core::flow::{Gate, Stop};
use mandate_core::json::Pointer;
use mandate_core::keys::InModule;
use mandate_core::limits;
use mandate_core::printable::one_line;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use mandate_core::token::{ClaimReader, ParsedToken};
use serde::Serialize;
use serde_json::Value;

/// Why it cannot be told how a token is read.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// The filter refuses the configuration.
    #[error("the filter would refuse the configuration: {0}")]
    Configuration(String),
    /// A stand-in for a key could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// How a token is read.
#[derive(Debug, Serialize)]
pub struct Reading {
    /// One for each thing that the filter reads or checks, in its order.
    pub rows: Vec<Row>,
    /// What the routes would say, if the token is read at all.
    pub routes: Vec<RouteAnswer>,
    /// What to change, most likely first.
    pub advice: Vec<String>,
    /// Whether the signature was checked, or could not be for want of the issuer's keys.
    pub signature_checked: bool,
}

/// One thing that is read.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What it is.
    pub what: &'static str,
    /// Where it was looked for.
    pub from: String,
    /// What was found, for people.
    pub value: String,
    /// Why it denies; `None` if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Denied>,
    /// Whether it could not be checked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unchecked: bool,
}

/// A denial, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// The reason that the filter would give.
    pub reason: Reason,
    /// What led to it, as in the audit record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Value>,
}

/// What a route says to the token.
#[derive(Debug, Serialize)]
pub struct RouteAnswer {
    /// Its position in the configuration.
    pub index: usize,
    /// Its path prefix.
    pub path_prefix: String,
    /// Why it denies; `None` if it allows, as far as its policies do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denied>,
    /// How many policies would be asked then.
    pub policies: usize,
    /// Whether the message in the body would be ruled on before that.
    pub reads_body: bool,
    /// Whether each request needs a proof of the key that the token is bound to. Such a proof is taken for granted here.
    pub needs_proof: bool,
}

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        let evidence = denial.evidence.and_then(|evidence| serde_json::to_value(&*evidence).ok());
        Self { reason: denial.reason, evidence }
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.reason)?;
        let members = self.evidence.as_ref().and_then(Value::as_object);
        let told = members.into_iter().flatten().filter(|(name, _)| *name != "kind");
        for (index, (name, value)) in told.enumerate() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(f, "{}{name}: {}", if index == 0 { ": " } else { ", " }, one_line(&value))?;
        }
        Ok(())
    }
}

impl Reading {
    /// Whether the token is accepted, by at least one route, with a proof if it is bound to a key. A token whose signature was not
    /// checked is not.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.signature_checked
            && self.rows.iter().all(|row| row.problem.is_none())
            && self.routes.iter().any(|route| route.denied.is_none())
    }

    /// Reads `token` under `config` at this time. `keys` is the key set document of the token's issuer, for a configuration that
    /// fetches its keys; without it, the signature is not checked.
    ///
    /// # Errors
    /// If the filter would refuse the configuration, or a stand-in for a key cannot be made.
    pub fn of(
        token: &str,
        config: &Config,
        keys: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<Self, ReadingError> {
        let mut reading =
            Self { rows: Vec::new(), routes: Vec::new(), advice: Vec::new(), signature_checked: false };
        reading.read(token, config, keys, now)?;
        for text in &mut reading.advice {
            *text = one_line(text);
        }
        Ok(reading)
    }

    fn read(
        &mut self,
        token: &str,
        config: &Config,
        keys: Option<&[u8]>,
        now: UnixTime,
    ) -> Result<(), ReadingError> {
        let longest =
            config.issuers.iter().map(|issuer| issuer.token_bytes).max().unwrap_or(limits::TOKEN_BYTES);
        let size = format!("{} bytes", token.len());
        let parsed = match ParsedToken::parse_within(token, longest) {
            Ok(parsed) => parsed,
            Err(denial) => {
                self.opaque(token, &denial);
                self.row("token", "authorization header", size, Err(denial));
                return Ok(());
            }
        };
        self.row("token", "authorization header", size, Ok(()));
        let gate = plain(config.clone().without_policies()).map_err(ReadingError::Configuration)?;
        let Some(index) = self.issuer(&parsed, &gate) else { return Ok(()) };
        let Some(entry) = config.issuers.get(index) else { return Ok(()) };
        self.header(&parsed, entry);
        let asks = |mode| mode != ProofMode::None;
        let proves =
            entry.is_wit() || asks(entry.proof) || config.routes.iter().any(|route| asks(route.proof));
        self.claims(&parsed, entry, proves, now);
        let inline = matches!(entry.keys, KeySource::Inline(_));
        if inline && keys.is_some() {
            self.advice
                .push("the configuration has its own keys for this issuer: `--jwks` is not used".to_owned());
        }
        self.signature_checked = inline || keys.is_some();
        let mut gates = Gates::new(config, index, &parsed, keys, now)?;
        if let Err(problem) = gates.gate(None) {
            self.advice.push(format!("the keys cannot be used: {problem}"));
            self.signature_checked = false;
            gates = Gates::new(config, index, &parsed, None, now)?;
        }
        self.signature(&gates, token, now);
        self.routes(&gates, config, token, now);
        self.advise(&parsed, entry);
        Ok(())
    }

    fn row(
        &mut self,
        what: &'static str,
        from: impl Into<String>,
        value: impl Into<String>,
        result: Result<(), Denial>,
    ) {
        let problem = result.err().map(Denied::from);
        let value = one_line(&value.into());
        self.rows.push(Row { what, from: one_line(&from.into()), value, problem, unchecked: false });
    }

    /// A value that is read, or the problem with it.
    fn value<T>(
        &mut self,
        what: &'static str,
        from: impl Into<String>,
        result: Result<T, Denial>,
        shown: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let value = result.as_ref().map_or_else(|_| String::new(), shown);
        let (value_of, result) = match result {
            Ok(value) => (Some(value), Ok(())),
            Err(denial) => (None, Err(denial)),
        };
        self.row(what, from, value, result);
        value_of
    }

    fn issuer(&mut self, token: &ParsedToken, gate: &Gate) -> Option<usize> {
        let issuers = &gate.config().issuers;
        let (found, result) = match gate.issuer_of(token) {
            Ok(index) => (Some(index), Ok(())),
            Err(denial) => (None, Err(denial)),
        };
        let by_iss = || Some(("iss", token.unverified_issuer().ok()?));
        let by_sub = || Some(("sub", token.unverified_trust_domain()?));
        let is_svid = found.and_then(|index| issuers.get(index)).is_some_and(Issuer::is_trust_domain);
        let named = if is_svid { by_sub() } else { by_iss().or_else(by_sub) };
        let (from, name) = named.unwrap_or(("iss", ""));
        let value = match found {
            Some(index) => format!("{name} (issuer {index} of the configuration)"),
            None => name.to_owned(),
        };
        self.row("issuer", from, value, result);
        if found.is_none() {
            let known: Vec<&str> = issuers.iter().map(|issuer| issuer.issuer.as_str()).collect();
            let same = |it: &&&str| it.trim_end_matches('/').eq_ignore_ascii_case(name.trim_end_matches('/'));
            self.advice.push(match known.iter().find(same) {
                Some(near) => format!(
                    "`issuer` is `{near}`, and the token says `{name}`: they must be equal byte for byte"
                ),
                None => format!("add an issuer `{name}`; the configuration has {}", known.join(", ")),
            });
            self.advice.extend(advice::provider(token.unverified_claims()));
        }
        found
    }

    fn header(&mut self, token: &ParsedToken, entry: &Issuer) {
        let header = token.header();
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "absent".to_owned());
        self.row("type", "header typ", shown(&header.typ), type_of(token, entry));
        self.row("algorithm", "header alg", header.alg.clone(), algorithm_of(token, entry));
        self.row("key id", "header kid", shown(&header.kid), Ok(()));
    }

    fn claims(&mut self, token: &ParsedToken, entry: &Issuer, proves: bool, now: UnixTime) {
        let reader = ClaimReader::new(token, entry);
        let places = |places: Option<&ClaimPlaces>, usual: &str| {
            places.map_or_else(|| usual.to_owned(), |places| pointers(&places.pointers))
        };
        for (pointer, mark) in &entry.claims.require {
            let value = pointer.find(reader.claims()).map_or_else(|| "absent".to_owned(), short);
            self.row("mark", pointer.as_str(), value, reader.mark(pointer, mark));
        }
        let aud = entry.claims.audience.iter().find_map(|pointer| pointer.find(reader.claims()));
        self.row(
            "audience",
            pointers(&entry.claims.audience),
            aud.map(short).unwrap_or_default(),
            reader.audience(),
        );
        let from = entry
            .claims
            .principal
            .iter()
            .map(|joined| joined.iter().map(Pointer::as_str).collect::<Vec<_>>().join(" + "));
        let from = from.collect::<Vec<_>>().join(", ");
        let principal = self.value("principal", from, reader.principal(), |it| it.to_string());
        let optional = |it: &Option<&str>| it.unwrap_or("none").to_owned();
        let client = self.value(
            "client",
            places(entry.claims.client.as_ref(), "/client_id"),
            reader.client(),
            optional,
        );
        self.value("token id", places(entry.claims.token_id.as_ref(), "/jti"), reader.token_id(), optional);
        let from = format!("{}, nbf, exp", places(Some(&entry.claims.issued_at), "/iat"));
        self.value("times", from, reader.times(), |times| {
            let issued =
                times.issued_at.map_or_else(|| "no time of issue".to_owned(), |at| ago("issued", at, now));
            format!("{issued}, {}", ago("expires", times.expires_at, now))
        });
        self.row(
            "key binding",
            "cnf",
            if reader.claims().contains_key("cnf") { "bound: needs a proof" } else { "none" },
            reader.binding().and_then(|binding| match binding {
                Some(_) if !proves => Err(Denial::new(
                    Reason::ClaimInvalid,
                    Evidence::Claim { claim: "cnf".into(), problem: ClaimProblem::Bound },
                )),
                _ => Ok(()),
            }),
        );
        if let (Some(principal), Ok(issuer)) = (principal, reader.issuer_name()) {
            let principal = Identity { issuer: issuer.to_owned(), subject: principal.into_owned() };
            let read = Delegated::read(&reader, &principal, client.flatten());
            let from = match entry.agent.from {
                AgentFrom::Act => "act",
                AgentFrom::Client => "act, else the client",
                AgentFrom::Subject => "act, else the principal",
            };
            if let Some(delegated) =
                self.value("chain", "act", read, |delegated| chain(&principal, delegated))
            {
                let agent =
                    delegated.agent(&principal).map_or("none", |agent| agent.subject.as_str()).to_owned();
                self.row("agent", from, format!("{agent} (depth {})", delegated.depth), Ok(()));
            }
        }
        let from = entry.claims.scopes.as_ref().map_or_else(
            || "/scope".to_owned(),
            |places| places.iter().map(|place| pointers(place)).collect::<Vec<_>>().join(" and "),
        );
        self.value("scopes", from, reader.scopes(), |scopes| {
            if scopes.is_empty() { "none".to_owned() } else { scopes.join(" ") }
        });
    }

    /// Whether there is a key, and the signature is that key's.
    fn signature(&mut self, gates: &Gates, token: &str, now: UnixTime) {
        if !self.signature_checked {
            return self.unchecked();
        }
        let (Ok(mut gate), Ok(parsed)) =
            (gates.gate(None), ParsedToken::parse_within(token, limits::MAX_TOKEN_BYTES))
        else {
            return;
        };
        match gate.key_for(&parsed, &InModule, now) {
            Ok(key) => {
                self.row("key", "key set", "found", Ok(()));
                // What is wrong with the claims has rows already.
                let verified = SignedToken::verify(parsed, &key, &InModule).map(|_| ());
                let result = verified.or_else(|denial| match denial.reason {
                    Reason::SignatureInvalid => Err(denial),
                    _ => Ok(()),
                });
                let value = if result.is_ok() { "valid" } else { "" };
                self.row("signature", "token", value, result);
            }
            Err(Stop::Deny(denial)) if denial.reason == Reason::KeyUnknown => {
                self.row("key", "key set", "", Err(denial));
            }
            // The filter would fetch the set once more, and find the same.
            Err(Stop::Wait(_)) => self.row("key", "key set", "", Err(no_key(&parsed))),
            // Of these there is a row already.
            Err(Stop::Deny(_)) => {}
        }
        if self.rows.iter().any(|row| row.what == "key" && row.problem.is_some()) {
            self.signature_checked = false;
            let names = gates.key_names();
            self.advice.push(match names.as_slice() {
                [] => "no key of the key set can be used: is it the set of this issuer?".to_owned(),
                names => format!("the key set has {}: is it the set of this issuer?", names.join(", ")),
            });
        }
    }

    fn unchecked(&mut self) {
        self.row("signature", "token", "not checked: give the issuer's key set with --jwks", Ok(()));
        self.rows.iter_mut().rev().take(1).for_each(|row| row.unchecked = true);
    }
}

/// That the key set has no key for a token.
fn no_key(token: &ParsedToken) -> Denial {
    match token.header().algorithm {
        Some(algorithm) => Denial::new(Reason::KeyUnknown, token.key_evidence(algorithm)),
        None => Reason::KeyUnknown.into(),
    }
}

/// The type alone, whatever the algorithm.
fn type_of(token: &ParsedToken, entry: &Issuer) -> Result<(), Denial> {
    match token.algorithm_for(entry) {
        Err(denial) if denial.reason == Reason::AlgorithmNotAllowed => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The algorithm alone, whatever the type.
fn algorithm_of(token: &ParsedToken, entry: &Issuer) -> Result<(), Denial> {
    let mut any_type = entry.clone();
    any_type.token_types = vec![token.header().typ.clone()];
    any_type.token_bytes = usize::MAX;
    token.algorithm_for(&any_type).map(|_| ())
}

fn pointers(list: &[Pointer]) -> String {
    if list.is_empty() {
        "nowhere".to_owned()
    } else {
        list.iter().map(Pointer::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// A value, cut for a table.
fn short(value: &Value) -> String {
    const MOST: usize = 120;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn chain(principal: &Identity, delegated: &Delegated) -> String {
    let hop = |hop: &Hop| {
        let kind = hop.sub_profile.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default();
        let not = if hop.counts { "" } else { ", does not count" };
        format!("{}{kind}{not}", hop.identity.subject)
    };
    let parties = std::iter::once(principal.subject.clone()).chain(delegated.hops.iter().map(hop));
    parties.collect::<Vec<_>>().join(" → ")
}

fn ago(what: &str, at: UnixTime, now: UnixTime) -> String {
    if at > now {
        format!("{what} in {} s", at.millis_since(now) / 1000)
    } else {
        format!("{what} {} s ago", now.millis_since(at) / 1000)
    }
}
