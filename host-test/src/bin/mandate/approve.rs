//! `mandate approve`.

use crate::output;
use anyhow::{Context as _, Result, bail, ensure};
use mandate_core::action::{Action, Protocol};
use mandate_core::algorithm::Algorithm;
use mandate_core::approval::{ApprovalRequest, TYPE, digest_of, digest_of_text};
use mandate_core::chain::Identity;
use mandate_core::http::{NormalPath, RequestHead};
use mandate_core::limits;
use mandate_core::printable::{lines, one_line};
use mandate_host::tokens::{Claims, SigningKey, TokenBuilder};
use serde_json::{Map, Value, json};
use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

/// Approve one request that was denied with `approval_required`: show what it is, sign it, and print the approval, which the
/// client sends as `mandate-approval` when it repeats the request.
///
/// What is signed is what is shown. So everything that the request names by a digest must be given: the arguments
/// (`--arguments`), or the whole message (`--message`), and a query (`--query`).
#[derive(Debug, clap::Args)]
pub struct Approve {
    /// What must be approved: the body of the denial, or its audit record, which also says who asks. `-` for standard input.
    #[arg(value_name = "REQUEST")]
    request: PathBuf,
    /// The approver's private key: a JWK as `mandate token keygen` writes it, or PEM (PKCS #8).
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The algorithm to sign with, for a key in PEM.
    #[arg(long, value_parser = crate::token::algorithm)]
    algorithm: Option<Algorithm>,
    /// The key's id, for a key in PEM.
    #[arg(long)]
    kid: Option<String>,
    /// The approver: `issuer` of its entry in `approvals.approvers`.
    #[arg(long)]
    issuer: String,
    /// `approvals.audience` of the gateway [default: as the audit record says].
    #[arg(long)]
    audience: Option<String>,
    /// The principal, on whose behalf it is asked [default: as the audit record says].
    #[arg(long, value_name = "SUBJECT")]
    principal: Option<String>,
    /// The agent that asks [default: as the audit record says].
    #[arg(long, value_name = "SUBJECT", conflicts_with = "no_agent")]
    agent: Option<String>,
    /// No agent asks, but the principal itself.
    #[arg(long)]
    no_agent: bool,
    /// The issuer of principal and agent.
    #[arg(long, value_name = "ISSUER")]
    token_issuer: Option<String>,
    /// The issuer of the agent, if it is another.
    #[arg(long, value_name = "ISSUER")]
    agent_issuer: Option<String>,
    /// The arguments, a file of JSON.
    #[arg(long, value_name = "FILE", conflicts_with = "message")]
    arguments: Option<PathBuf>,
    /// The message of the request, a file of JSON: its arguments, and whatever else it says.
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// The query of the request, without the question mark.
    #[arg(long)]
    query: Option<String>,
    /// Seconds until the approval expires.
    #[arg(long, default_value_t = 120)]
    lifetime: u64,
    /// Seconds since the Unix epoch at which it is given [default: now].
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// A further claim, such as who approves; the value is JSON, or text if it is not valid JSON. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::token::claim)]
    claim: Vec<(String, Value)>,
    /// Do not ask. Nobody is asked either if standard input is no terminal.
    #[arg(long)]
    yes: bool,
    /// Print the approval with its claims as JSON.
    #[arg(long)]
    json: bool,
}

impl Approve {
    pub fn run(self) -> Result<bool> {
        let asked = Asked::read(&output::read(&self.request)?)?;
        let data = self.data(&asked)?;
        let request = self.request(&asked)?;
        ensure!(
            request.id() == asked.id,
            "the request has the id {}, and principal, agent, issuers and audience as given lead to {}: one of them is not that of the request",
            asked.id,
            request.id()
        );
        self.show(&request, &asked, &data)?;
        if !self.yes {
            ensure!(
                std::io::stdin().is_terminal(),
                "nobody can be asked, for standard input is no terminal: look at what is shown, and say `--yes`"
            );
            if !is_yes()? {
                return Ok(false);
            }
        }
        let claims = self.claims(&request)?;
        let approval = self.sign(claims.clone())?;
        ensure!(
            approval.len() <= limits::APPROVAL_BYTES,
            "the approval has {} bytes, and the filter accepts {}",
            approval.len(),
            limits::APPROVAL_BYTES
        );
        match self.json {
            true => output::json(
                &json!({ "approval": approval, "id": request.id(), "claims": claims.to_json() }),
            )?,
            false => output::line(&approval)?,
        }
        Ok(true)
    }

    /// The request as it is signed: what the denial says, with what only the record, or the command line, says.
    fn request(&self, asked: &Asked) -> Result<ApprovalRequest> {
        let member = |name: &str| asked.members.get(name);
        let said = |party: &str, name: &str| member(party)?.get(name)?.as_str().map(str::to_owned);
        let needed = |found: Option<String>, flag: &str| {
            found.with_context(|| format!("the request does not say it, so give `{flag}`"))
        };
        let audience = self.audience.clone().or_else(|| member("audience")?.as_str().map(str::to_owned));
        let audience = needed(audience, "--audience")?;
        let subject = needed(self.principal.clone().or_else(|| said("principal", "sub")), "--principal")?;
        let issuer = self.token_issuer.clone().or_else(|| said("principal", "iss"));
        let principal = Identity { issuer: needed(issuer, "--token-issuer")?, subject };
        let agent = match (&self.agent, member("agent")) {
            _ if self.no_agent => None,
            (Some(agent), _) => Some(agent.clone()),
            (None, Some(Value::Null)) => None,
            (None, Some(_)) => Some(needed(said("agent", "sub"), "--agent")?),
            (None, None) => bail!("the request does not say who asks, so give `--agent` or `--no-agent`"),
        };
        let agent = agent.map(|subject| {
            let own = self.agent_issuer.clone().or_else(|| said("agent", "iss"));
            Identity { issuer: own.unwrap_or_else(|| principal.issuer.clone()), subject }
        });
        let request = ApprovalRequest::new(
            &audience,
            &principal,
            agent.as_ref(),
            asked.action.clone(),
            asked.arguments.clone(),
        );
        request.context("the action")
    }

    /// What the digests of the request stand for, to be shown.
    fn data(&self, asked: &Asked) -> Result<Vec<(&'static str, String)>> {
        let mut shown = Vec::new();
        let (arguments, parameters) = match (&self.arguments, &self.message) {
            (_, Some(file)) => parts(&asked.action, &output::read(file)?)?,
            (Some(file), None) => (object(file)?, Map::new()),
            (None, None) => (Map::new(), Map::new()),
        };
        let is_same = digest_of(&arguments).is_ok_and(|digest| digest == asked.arguments);
        ensure!(
            is_same,
            "{}",
            match self.arguments.is_some() || self.message.is_some() {
                true => "these are not the arguments of the request: their digest differs",
                false =>
                    "the request has arguments: give them with `--arguments`, or its message with `--message`",
            }
        );
        if !arguments.is_empty() {
            shown.push(("arguments", serde_json::to_string_pretty(&arguments)?));
        }
        if let Some(expected) = asked.action.get("parameters") {
            let is_same = digest_of(&parameters).is_ok_and(|digest| *expected == digest);
            ensure!(
                is_same,
                "the message of the request says more than its arguments: give the same message with `--message`"
            );
            shown.push(("parameters", serde_json::to_string_pretty(&parameters)?));
        }
        match (asked.action.get("query"), &self.query) {
            (None, None) => {}
            (None, Some(_)) => bail!("the request has no query"),
            (Some(expected), Some(query)) if *expected == digest_of_text(query) => {
                shown.push(("query", query.clone()));
            }
            (Some(_), _) => bail!("the request has a query: give the same with `--query`"),
        }
        Ok(shown)
    }

    fn show(&self, request: &ApprovalRequest, asked: &Asked, data: &[(&'static str, String)]) -> Result<()> {
        let claims = request.claims();
        let party = |name: &str| match claims.get(name) {
            Some(Value::Object(party)) => {
                let of =
                    |member: &str| one_line(party.get(member).and_then(Value::as_str).unwrap_or_default());
                format!("{} ({})", of("sub"), of("iss"))
            }
            _ => "nobody".to_owned(),
        };
        let mut table = output::table(&["", "what you approve"]);
        table.add_row(["on behalf of".to_owned(), party("principal")]);
        table.add_row(["agent".to_owned(), party("agent")]);
        for (name, value) in asked.action.as_object().into_iter().flatten() {
            if !matches!(name.as_str(), "query" | "parameters") {
                table.add_row([name.clone(), one_line(value.as_str().unwrap_or_default())]);
            }
        }
        for (name, text) in data {
            // Whatever is in a string of JSON is on its line.
            table.add_row([(*name).to_owned(), if *name == "query" { one_line(text) } else { text.clone() }]);
        }
        for reason in asked.members.get("needed_by").and_then(Value::as_array).into_iter().flatten() {
            if let Some(reason) = reason.get("reason").and_then(Value::as_str) {
                table.add_row(["because".to_owned(), one_line(reason)]);
            }
        }
        table.add_row(["at".to_owned(), request.audience().to_owned()]);
        table.add_row(["valid for".to_owned(), format!("{} s, once", self.lifetime)]);
        // What is signed goes to standard output; this is for people.
        eprintln!("{}", lines(&table.to_string()));
        Ok(())
    }

    fn claims(&self, request: &ApprovalRequest) -> Result<Claims> {
        let now = self.now.map_or_else(output::now, Ok)?;
        let (from, lifetime) = (i64::try_from(now)?, i64::try_from(self.lifetime)?);
        let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let jti = format!("desk-{moment}-{}", std::process::id());
        let mut claims = Claims::new()
            .issuer(&self.issuer)
            .audience(request.audience())
            .valid_from(from, lifetime)
            .id(&jti);
        for (name, value) in &self.claim {
            claims = claims.claim(name, value.clone());
        }
        for (name, value) in request.claims() {
            claims = claims.claim(&name, value);
        }
        Ok(claims)
    }

    fn sign(&self, claims: Claims) -> Result<String> {
        let text = output::read(&self.key)?;
        let is_pem = text.trim_start().starts_with("-----BEGIN");
        let builder = TokenBuilder::new(claims).typ(Some(TYPE));
        if !is_pem {
            return Ok(builder.sign(&SigningKey::load(&self.key)?)?);
        }
        let algorithm =
            self.algorithm.context("a key in PEM does not say its algorithm: give `--algorithm`")?;
        let key = SigningKey::from_pem(algorithm, self.kid.as_deref().unwrap_or_default(), &text)?;
        let builder = if self.kid.is_some() { builder } else { builder.without_header("kid") };
        Ok(builder.sign(&key)?)
    }
}

/// What a denial says of the approval that it asks for.
struct Asked {
    id: String,
    action: Value,
    arguments: String,
    /// All that it says.
    members: Map<String, Value>,
}

impl Asked {
    /// From the body of a denial, of JSON-RPC or not, its audit record, a line of a log with one, or that member alone.
    fn read(text: &str) -> Result<Self> {
        let start = text.find('{').context("there is no JSON in the request")?;
        let document: Value = serde_json::from_str(text.get(start..).unwrap_or_default().trim())
            .context("the request is no JSON document")?;
        let places = ["/error/data/approval", "/data/approval", "/approval"];
        let found = places.iter().find_map(|place| document.pointer(place)).unwrap_or(&document);
        let members = found.as_object().context("`approval` is no object")?.clone();
        let text = |name: &str| {
            let text = members.get(name).and_then(Value::as_str).map(str::to_owned);
            text.with_context(|| format!("the request does not say what to approve: `{name}` is missing"))
        };
        let (id, arguments) = (text("id")?, text("arguments")?);
        let action = members.get("action").cloned().context("the request does not say what to approve")?;
        Ok(Self { id, action, arguments, members })
    }
}

/// The arguments and the other parameters of a message, as the filter reads them.
fn parts(action: &Value, message: &str) -> Result<(Map<String, Value>, Map<String, Value>)> {
    let of = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
    let protocol = match of("protocol") {
        "mcp" => Protocol::Mcp,
        "a2a" => Protocol::A2a,
        _ => bail!("the request is no message of MCP or A2A, so leave `--message` out"),
    };
    let path = NormalPath::normalise(of("path").as_bytes()).context("`path` of the action")?;
    let head = RequestHead::new(vec![(":method", "POST"), (":path", of("path"))]).with_body(true);
    // What headers repeat of a message is there, and no headers are here; nothing of it is approved.
    let mut message =
        mandate_core::json::parse(message.as_bytes(), limits::JSON_DEPTH).context("the message")?;
    if let Some(params) = message.get_mut("params").and_then(Value::as_object_mut) {
        params.remove("_meta");
    }
    let read = Action::read(protocol, &head, &path, message.to_string().as_bytes());
    let read = read.map_err(|unread| {
        let evidence = unread.denial.evidence.map(|evidence| json!(evidence));
        let problem = evidence.and_then(|evidence| evidence.get("problem").map(ToString::to_string));
        anyhow::anyhow!(
            "the message: {}",
            problem.unwrap_or_else(|| unread.denial.reason.detail().to_owned())
        )
    })?;
    let is_it = (read.kind().word(), read.name(), read.method()) == (of("kind"), of("name"), of("method"));
    ensure!(is_it, "this is not the message of the request, which is about `{}`", of("name"));
    Ok((read.arguments().clone(), read.parameters().clone()))
}

fn object(path: &Path) -> Result<Map<String, Value>> {
    let text = output::read(path)?;
    let value = mandate_core::json::parse(text.as_bytes(), limits::JSON_DEPTH).context("the arguments")?;
    match value {
        Value::Object(members) => Ok(members),
        Value::Null => Ok(Map::new()),
        _ => bail!("the arguments are no JSON object"),
    }
}

fn is_yes() -> Result<bool> {
    eprint!("approve? [y/N] ");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
