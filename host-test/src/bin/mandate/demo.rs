//! `mandate demo`.

mod possession;

use crate::output::{self, progress};
use crate::up::EngineName;
use anyhow::{Context as _, Result};
use mandate_core::algorithm::Algorithm;
use mandate_core::config::Config;
use mandate_host::client::{self, Request, Response};
use mandate_host::gateway::{Engine, Gateway, GatewaySetup, clusters};
use mandate_host::issuer::Issuer;
use mandate_host::tokens::{Claims, SigningKey, TokenBuilder, forge, jwks, unsigned};
use mandate_host::tool_server::{Form, ToolServer};
use mandate_host::{FILTER, authoring, paths};
use serde::Serialize;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Show which requests are allowed and denied, in Envoy.
///
/// Starts an issuer, an upstream and a gateway on this machine, mints tokens and sends real requests. Exit status 0 only if
/// every request has the expected result.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// The engine that runs the filter [default: envoy; embedded if Envoy cannot be installed].
    #[arg(long)]
    engine: Option<EngineName>,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

/// The name by which the demo's tokens call their issuer; its keys are served on this machine.
const ISSUER: &str = "https://idp.example";
const AUDIENCE: &str = "https://tools.example";
/// Long enough for a gateway to fetch a key set, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// One row of the table.
#[derive(Debug, Serialize)]
struct Row {
    case: &'static str,
    expected: String,
    got: String,
    /// What the upstream was told about who is acting, or what the client was told.
    seen: String,
    ok: bool,
}

impl Demo {
    pub fn run(self) -> Result<bool> {
        let target_dir = paths::target_dir().context("no folder to keep Envoy in; set CARGO_TARGET_DIR")?;
        let engine = EngineName::choose(self.engine, &target_dir)?;
        let stage = Stage::set(engine, &target_dir)?;
        progress(&format!("sending requests to {}", stage.gateway.address()));
        let rows = stage.play()?;
        let good = rows.iter().filter(|row| row.ok).count();
        if self.json {
            output::json(&rows)?;
        } else {
            let mut table = output::table(&["", "case", "expected", "decided", "seen by upstream or client"]);
            for row in &rows {
                let mark = output::verdict(row.ok, if row.ok { "✓" } else { "✗" });
                table.add_row([
                    mark,
                    row.case.into(),
                    (&row.expected).into(),
                    (&row.got).into(),
                    (&row.seen).into(),
                ]);
            }
            output::line(&table.to_string())?;
        }
        let engine = match engine {
            Engine::Envoy => "Envoy",
            Engine::Embedded => "the embedded host",
        };
        progress(&format!("{good} of {} came out as they should, in {engine}", rows.len()));
        if good < rows.len() {
            eprintln!("{}", stage.gateway.log());
        }
        Ok(good == rows.len())
    }
}

/// The gateway and its two ends.
struct Stage {
    gateway: Gateway,
    issuer: Issuer,
    upstream: ToolServer,
    key: SigningKey,
    now: i64,
}

impl Stage {
    fn set(engine: Engine, target_dir: &std::path::Path) -> Result<Self> {
        progress("starting an issuer and an upstream");
        let key = SigningKey::generate(Algorithm::Es256, "2026-a")?;
        let issuer = Issuer::named(ISSUER, jwks(&[&key]))?;
        let upstream = ToolServer::start(Form::Json)?;
        let configuration = json!({
            "issuers": [{
                "issuer": ISSUER,
                "audiences": [AUDIENCE],
                "algorithms": ["EdDSA", "ES256"],
                "keys": { "remote": { "cluster": "idp", "uri": issuer.keys_url() } },
                "proof": "if_bound",
            }],
            "proofs": { "external_uris": [AUDIENCE] },
            "delegation": { "max_depth": 3 },
            "routes": [
                { "match": { "path_prefix": "/healthz", "methods": ["GET"] }, "anonymous": true },
                { "match": { "path_prefix": "/v1/payments" }, "scopes": ["payments.write"], "max_depth": 1 },
                { "match": { "path_prefix": "/v1/tools" }, "scopes": ["tools.call"], "policies": ["tool-allow-list"] },
                { "match": { "path_prefix": "/v1/production" }, "scopes": ["production.write"], "policies": ["production-writes"] },
                { "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] },
                { "match": { "path_prefix": "/mcp" }, "scopes": ["tickets.read"], "mcp": { "tools": [
                    { "name": "tickets.list" },
                    { "name": "tickets.close", "arguments": { "/env": ["staging"] } },
                ] } },
            ],
            "policies": [
                { "name": "tool-allow-list", "settings": {
                    "prefix": "/v1/tools/",
                    "agents": [{ "iss": ISSUER, "sub": "agent:research", "tools": ["search"] }],
                } },
                { "name": "production-writes", "settings": { "path_prefix": "/v1/production/", "max_age_s": 300 } },
            ],
            "audit": { "log": "all" },
        })
        .to_string();
        let config = Config::parse(configuration.as_bytes()).map_err(|problems| {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the demo's own configuration: {}", list.join("; "))
        })?;
        let setup = GatewaySetup {
            wasm: &authoring::bundle(FILTER, &authoring::examples()?)?,
            configuration: &configuration,
            upstream: upstream.address(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clusters: clusters(&config, &[])?,
        };
        let gateway = Gateway::start(engine, &setup, target_dir, progress)?;
        let now = i64::try_from(output::now()?)?;
        Ok(Self { gateway, issuer, upstream, key, now })
    }

    fn claims(&self) -> Claims {
        let id = format!("demo-{}", self.upstream.requests());
        Claims::new()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .subject("user:alice")
            .client_id("demo")
            .scope("tickets.read")
            .valid_from(self.now, 300)
            .id(&id)
    }

    fn through(&self, agents: &[&str]) -> Claims {
        self.claims().delegation(agents.iter().map(|agent| mandate_host::tokens::Hop::new(ISSUER, agent)))
    }

    fn sign(&self, claims: Claims) -> Result<String> {
        Ok(TokenBuilder::new(claims).sign(&self.key)?)
    }

    fn send(&self, request: &Request) -> Result<Response> {
        Ok(client::blocking::send(self.gateway.address(), request)?)
    }

    /// Sends a token to `path` and compares the outcome: `None` is an allow.
    fn expect(
        &self,
        case: &'static str,
        path: &str,
        token: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Row> {
        let request = Request::get(path).header("x-mandate-principal", "user:root");
        let request = token.iter().fold(request, |request, token| request.bearer(token));
        self.compare(case, &request, reason)
    }

    fn compare(&self, case: &'static str, request: &Request, reason: Option<&str>) -> Result<Row> {
        let before = self.upstream.requests();
        let response = self.send(request)?;
        let reached = self.upstream.requests() > before;
        let expected = reason.map_or("allow".to_owned(), |reason| format!("deny: {reason}"));
        let (got, seen) = if response.status == 200 && reached {
            let received = self.upstream.received();
            let told = |name| received.last().and_then(|r| r.header(name)).map(str::to_owned);
            ("allow".to_owned(), told("x-mandate-chain").unwrap_or_else(|| "(anonymous)".to_owned()))
        } else {
            let body = response.json().unwrap_or_default();
            // On a route for MCP it is part of an error of the protocol.
            let body = body.pointer("/error/data").unwrap_or(&body);
            let member = |name| body.get(name).and_then(serde_json::Value::as_str);
            let code = member("code")
                .map_or_else(|| format!("no reason, status {}", response.status), str::to_owned);
            let seen = match (member("policy"), member("policy_code")) {
                (Some(policy), Some(code)) => format!("{policy}: {code}"),
                _ => response.header("www-authenticate").unwrap_or_default().to_owned(),
            };
            (format!("deny: {code}"), format!("{} {seen}", response.status))
        };
        // Nothing of a denied request may reach the upstream, whatever the client was told.
        let ok = expected == got && reached == reason.is_none();
        Ok(Row { case, expected, got, seen: seen.trim().to_owned(), ok })
    }

    fn play(&self) -> Result<Vec<Row>> {
        let good = self.sign(self.claims())?;
        let elsewhere = SigningKey::generate(Algorithm::Es256, self.key.kid())?;
        let unsigned = unsigned(
            &json!({ "alg": "none", "typ": "at+jwt" }),
            self.claims().to_json().to_string().as_bytes(),
        );
        let expired = self.claims().valid_from(self.now - 3600, 300);
        let foreign =
            self.claims().delegation([mandate_host::tokens::Hop::new("https://elsewhere.example", "agent")]);
        let mut rows = vec![
            self.expect("no credential on an anonymous route", "/healthz", None, None)?,
            self.expect("direct: the principal itself", "/v1/tickets", Some(&good), None)?,
            self.expect(
                "through two agents",
                "/v1/tickets",
                Some(&self.sign(self.through(&["agent:planner", "agent:browser"]))?),
                None,
            )?,
            self.spoofed(&good)?,
            self.expect("no token", "/v1/tickets", None, Some("token_missing"))?,
            self.expect(
                "four agents where three are allowed",
                "/v1/tickets",
                Some(&self.sign(self.through(&["agent:a", "agent:b", "agent:c", "agent:d"]))?),
                Some("delegation_too_deep"),
            )?,
            self.expect(
                "two agents where the route allows one",
                "/v1/payments",
                Some(&self.sign(self.through(&["agent:a", "agent:b"]).scope("payments.write"))?),
                Some("delegation_too_deep"),
            )?,
            self.expect(
                "the same agent twice in the chain",
                "/v1/tickets",
                Some(&self.sign(self.through(&["agent:a", "agent:b", "agent:a"]))?),
                Some("delegation_cycle"),
            )?,
            self.expect(
                "an agent of another issuer",
                "/v1/tickets",
                Some(&self.sign(foreign)?),
                Some("actor_untrusted"),
            )?,
            self.expect("expired", "/v1/tickets", Some(&self.sign(expired)?), Some("token_expired"))?,
            self.expect(
                "one bit of the signature flipped",
                "/v1/tickets",
                Some(&forge(&good)?),
                Some("signature_invalid"),
            )?,
            self.expect(
                "signed by somebody else under the same key id",
                "/v1/tickets",
                Some(&TokenBuilder::new(self.claims()).sign(&elsewhere)?),
                Some("signature_invalid"),
            )?,
            self.expect("alg: none", "/v1/tickets", Some(&unsigned), Some("algorithm_not_allowed"))?,
            self.expect(
                "meant for another audience",
                "/v1/tickets",
                Some(&self.sign(self.claims().audience("https://other.example"))?),
                Some("audience_mismatch"),
            )?,
            self.expect("a scope is missing", "/v1/payments", Some(&good), Some("scope_insufficient"))?,
            self.expect("no route", "/admin", Some(&good), Some("route_unmatched"))?,
            self.expect("a path that hides a slash", "/v1/..%2fadmin", Some(&good), Some("path_invalid"))?,
        ];
        rows.extend(self.tools(&good)?);
        rows.push(self.listed(&good)?);
        rows.push(self.session_of_another(&good)?);
        rows.extend(self.possession()?);
        rows.extend(self.policies()?);
        rows.extend(self.rotate(&good)?);
        Ok(rows)
    }

    /// Calls of tools of an MCP server: what they say is in the body.
    fn tools(&self, token: &str) -> Result<Vec<Row>> {
        let call = |tool: &str, arguments: serde_json::Value| {
            let params = json!({ "name": tool, "arguments": arguments });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            Request::post("/mcp", body.to_string()).bearer(token)
        };
        Ok(vec![
            self.compare("MCP: a tool that a rule admits", &call("tickets.list", json!({})), None)?,
            self.compare(
                "MCP: a tool that no rule admits",
                &call("payments.send", json!({ "amount": 1 })),
                Some("action_denied"),
            )?,
            self.compare(
                "MCP: an argument that no rule admits",
                &call("tickets.close", json!({ "id": 7, "env": "production" })),
                Some("argument_denied"),
            )?,
        ])
    }

    /// A message of MCP without parameters.
    fn message(method: &str, token: &str) -> Request {
        Request::post("/mcp", json!({ "jsonrpc": "2.0", "id": 1, "method": method }).to_string())
            .bearer(token)
    }

    /// A list shows what its reader may call.
    fn listed(&self, token: &str) -> Result<Row> {
        let request = Self::message("tools/list", token);
        let mut row =
            self.compare("MCP: the list of tools, of which one may not be called", &request, None)?;
        let shown = self.send(&request)?.json()?;
        let names = shown.pointer("/result/tools").and_then(serde_json::Value::as_array);
        let names: Vec<&str> =
            names.into_iter().flatten().filter_map(|tool| tool.get("name")?.as_str()).collect();
        row.seen = format!("shows {}", names.join(", "));
        row.ok &= names == ["tickets.list", "tickets.close"];
        Ok(row)
    }

    /// A session belongs to who opened it.
    fn session_of_another(&self, token: &str) -> Result<Row> {
        let opened = self.send(&Self::message("initialize", token))?;
        let session = opened.header("mcp-session-id").context("no session was opened")?;
        let other = self.sign(self.claims().subject("user:mallory"))?;
        let request = Self::message("ping", &other).header("mcp-session-id", session);
        self.compare("MCP: a session of somebody else", &request, Some("session_unknown"))
    }

    /// Rules of the operator's own, linked into the filter.
    fn policies(&self) -> Result<Vec<Row>> {
        let research = self.sign(self.through(&["agent:research"]).scope("tools.call"))?;
        let posture = |age: i64| json!({ "state": "compliant", "checked_at": self.now - age });
        let writer =
            |age| self.through(&["agent:deploy"]).scope("production.write").claim("posture", posture(age));
        let (fit, stale) = (self.sign(writer(10))?, self.sign(writer(3600))?);
        let write = |token: &str| Request::post("/v1/production/orders", "{}").bearer(token);
        Ok(vec![
            self.expect(
                "policy: a tool that the agent was given",
                "/v1/tools/search",
                Some(&research),
                None,
            )?,
            self.denied_by(
                "policy: a tool that it was not given",
                &Request::get("/v1/tools/pay").bearer(&research),
                "tool-allow-list: tool_not_allowed",
            )?,
            self.obliged("policy: a write to production from a fit device", &write(&fit))?,
            self.denied_by(
                "policy: the same from a device that was checked an hour ago",
                &write(&stale),
                "production-writes: posture_stale",
            )?,
        ])
    }

    /// The client is told which policy denied, and its code.
    fn denied_by(&self, case: &'static str, request: &Request, told: &str) -> Result<Row> {
        let mut row = self.compare(case, request, Some("policy_denied"))?;
        row.ok &= row.seen == format!("403 {told}");
        Ok(row)
    }

    /// What a policy wants the upstream to know must arrive.
    fn obliged(&self, case: &'static str, request: &Request) -> Result<Row> {
        let mut row = self.compare(case, request, None)?;
        let received = self.upstream.received();
        let told = received.last().and_then(|last| last.header("x-mandate-ext-posture-age"));
        row.seen = format!("x-mandate-ext-posture-age: {}", told.unwrap_or("nothing"));
        row.ok &= told.is_some_and(|age| age.parse::<u64>().is_ok_and(|age| (10..70).contains(&age)));
        Ok(row)
    }

    /// The identity that a client claims for itself must not arrive.
    fn spoofed(&self, token: &str) -> Result<Row> {
        let case = "a client that calls itself x-mandate-principal: user:root";
        let request = Request::get("/v1/tickets")
            .bearer(token)
            .header("x-mandate-principal", "user:root")
            .header("X-Mandate-Agent", "agent:root");
        let mut row = self.compare(case, &request, None)?;
        let received = self.upstream.received();
        let last = received.last().context("the upstream received nothing")?;
        let spoofed = last.headers.iter().any(|(_, value)| String::from_utf8_lossy(value).contains("root"));
        let principal = last.header("x-mandate-principal").unwrap_or("nothing");
        row.expected = "allow, as user:alice".to_owned();
        row.got = format!("{}, as {principal}", row.got);
        row.ok = row.expected == row.got && !spoofed && last.header("authorization").is_none();
        Ok(row)
    }

    /// The issuer changes its key while the gateway runs.
    fn rotate(&self, old_token: &str) -> Result<Vec<Row>> {
        let next = SigningKey::generate(Algorithm::EdDsa, "2026-b")?;
        self.issuer.set_keys(jwks(&[&next]));
        let token = TokenBuilder::new(self.claims()).sign(&next)?;
        let started = Instant::now();
        // One look is enough unless another refetch was made within the last half minute.
        let mut row = self.expect("the issuer's new key, no restart", "/v1/tickets", Some(&token), None)?;
        while !row.ok && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
            row = self.expect("the issuer's new key, no restart", "/v1/tickets", Some(&token), None)?;
        }
        let retired = self.expect(
            "a token of the retired key, seen before",
            "/v1/tickets",
            Some(old_token),
            Some("key_unknown"),
        )?;
        let unknown = SigningKey::generate(Algorithm::EdDsa, "nobody-knows")?;
        let unknown = TokenBuilder::new(self.claims()).sign(&unknown)?;
        Ok(vec![
            row,
            retired,
            self.expect("unknown key", "/v1/tickets", Some(&unknown), Some("key_unknown"))?,
        ])
    }
}
