//! A small server of the Model Context Protocol, for the demo and for tests: three tools, two resources, a prompt, sessions, and
//! streams, at `/mcp`. It believes everything that it is told, and shows everything to everybody: what is denied, the filter denies.
//! Requests for other paths it says back, as [`Upstream`](crate::upstream::Upstream) does.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::loopback::{Answer, Received, Server};
use crate::upstream::{Events, echo};

/// In which form answers to messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON document.
    Json,
    /// A stream of server-sent events: a notification, then the answer.
    Events,
}

/// A running server on a free loopback port. Dropping it stops it.
pub struct ToolServer {
    server: Server,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    sessions: AtomicU64,
    /// Streams that clients opened with `GET`.
    streams: Mutex<Vec<UnboundedSender<Bytes>>>,
}

impl ToolServer {
    /// The tools that it has.
    pub const TOOLS: [&'static str; 3] = ["tickets.list", "tickets.close", "payments.send"];

    /// Starts a server.
    ///
    /// # Errors
    /// When no loopback port or thread can be had.
    pub fn start(form: Form) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = Server::on_loopback("desk-tools", move |request| shared.answer(form, request))?;
        Ok(Self { server, state })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The requests, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// How many requests have arrived.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.server.requests()
    }

    /// Sends a message on every stream that a client opened.
    pub fn send(&self, message: &Value) {
        let streams = self.state.streams.lock().unwrap_or_else(PoisonError::into_inner);
        // A client that went away hears nothing.
        streams.iter().for_each(|stream| drop(stream.send(event(message))));
    }
}

impl State {
    const PATH: &'static str = "/mcp";

    fn answer(&self, form: Form, request: &Received) -> Answer {
        if !request.path.starts_with(Self::PATH) {
            return Answer::json(200, &echo(request));
        }
        let session = request.header("mcp-session-id");
        if session.is_some_and(|id| !self.is_open(id)) {
            return Answer::empty(404);
        }
        match request.method.as_str() {
            "GET" => {
                let (stream, events) = mpsc::unbounded_channel();
                // Something comes at once, so that a client knows that the stream is open.
                drop(stream.send(Bytes::from_static(b": open\n\n")));
                self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
                return Answer::stream(200, head(Form::Events), Events(events));
            }
            "DELETE" => return Answer::empty(200),
            _ => {}
        }
        let Ok(message) = serde_json::from_slice::<Value>(&request.body) else { return Answer::empty(400) };
        let (Some(method), Some(id)) = (message.get("method").and_then(Value::as_str), message.get("id"))
        else {
            return Answer::empty(202);
        };
        let result = match method {
            "initialize" => json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": {}, "resources": {}, "prompts": {} },
                "serverInfo": { "name": "desk", "version": "1" },
            }),
            "tools/list" => json!({ "cacheScope": "public", "tools": Self::tools() }),
            "prompts/list" => json!({ "prompts": [{ "name": "greet" }, { "name": "escalate" }] }),
            "resources/list" => json!({ "resources": [
                { "uri": "ticket://7", "name": "ticket" },
                { "uri": "payroll://7", "name": "salary" },
            ] }),
            "resources/templates/list" => json!({ "resourceTemplates": [
                { "uriTemplate": "ticket://{id}", "name": "tickets" },
                { "uriTemplate": "payroll://{id}", "name": "salaries" },
            ] }),
            "tools/call" => {
                json!({ "content": [{ "type": "text", "text": format!("{} done", message.pointer("/params/name").unwrap_or(&Value::Null)) }] })
            }
            _ => json!({}),
        };
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        let mut headers = head(form);
        if method == "initialize" {
            let number = self.sessions.fetch_add(1, Ordering::Relaxed);
            headers.push(("mcp-session-id".to_owned(), format!("session-{number}").into_bytes()));
        }
        match form {
            Form::Json => Answer::Reply {
                status: 200,
                headers,
                body: answer.to_string().into_bytes(),
                delay: std::time::Duration::ZERO,
            },
            Form::Events => {
                let (stream, events) = mpsc::unbounded_channel();
                let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "soon" } });
                [event(&note), event(&answer)].into_iter().for_each(|event| drop(stream.send(event)));
                Answer::stream(200, headers, Events(events))
            }
        }
    }

    fn is_open(&self, id: &str) -> bool {
        let number = id.strip_prefix("session-").and_then(|number| number.parse::<u64>().ok());
        number.is_some_and(|number| number < self.sessions.load(Ordering::Relaxed))
    }

    fn tools() -> Vec<Value> {
        let schema = json!({ "type": "object", "properties": { "id": { "type": "integer" }, "env": { "type": "string" } } });
        let tool = |name| json!({ "name": name, "description": format!("{name}, as it says"), "inputSchema": schema });
        ToolServer::TOOLS.into_iter().map(tool).collect()
    }
}

fn head(form: Form) -> Vec<(String, Vec<u8>)> {
    let media_type: &[u8] = match form {
        Form::Json => b"application/json",
        Form::Events => b"text/event-stream",
    };
    vec![("content-type".to_owned(), media_type.to_vec())]
}

fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}
