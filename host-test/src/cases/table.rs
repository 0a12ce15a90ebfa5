//! The table as it is written.

use super::expect::Expected;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The time of a case that names none, in seconds since the Unix epoch.
const NOW: u64 = 1_790_000_000;

/// A table of policy tests.
///
/// ```
/// let table = mandate_host::cases::Table::parse("
/// cases:
///   - name: an agent uses a tool that it was not given
///     settings: { tools: [search] }
///     request: { method: POST, path: /v1/tools/delete }
///     chain: [{ sub: 'agent:planner' }]
///     expect: { verdict: deny, code: tool_not_allowed }
///   - name: settings that are refused
///     settings: { tools: 1 }
///     expect: { refused: [/tools] }
/// ")?;
/// assert_eq!(table.cases.len(), 2);
/// # Ok::<(), mandate_host::cases::TableError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// In the order of the file, with the table's defaults filled in.
    pub cases: Vec<Case>,
}

/// One question to a policy, and what it must say.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What is tested, in words.
    pub name: String,
    /// Given to `configure`.
    pub settings: Map<String, Value>,
    /// The request, without its credential.
    pub request: CaseRequest,
    /// What the request is about to do, on a route with a protocol.
    pub action: Option<CaseAction>,
    /// On whose behalf the request is made.
    pub principal: Principal,
    /// Who acts, oldest first.
    pub chain: Vec<Actor>,
    /// The scopes of the token.
    pub scopes: Vec<String>,
    /// Further claims of the token.
    pub claims: Map<String, Value>,
    /// `path_prefix` of the route.
    pub route: String,
    /// Seconds since the Unix epoch.
    pub now: u64,
    /// What the policy must say.
    pub expect: Expected,
}

/// What the request of a case is about to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseAction {
    /// The protocol of the message.
    #[serde(default)]
    pub protocol: CaseProtocol,
    /// What is acted on.
    #[serde(default)]
    pub kind: CaseActionKind,
    /// Its name.
    pub name: String,
    /// The method of the message; absent, the usual one for the kind.
    pub method: Option<String>,
    /// The arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// The protocol of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseProtocol {
    /// Model Context Protocol.
    #[default]
    Mcp,
}

/// What is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CaseActionKind {
    /// A tool is called.
    #[default]
    Tool,
    /// A resource is read, subscribed to or unsubscribed from.
    Resource,
    /// A prompt is asked for.
    Prompt,
    /// Another method.
    Method,
    /// The session: a stream is opened, it ends, or the client answers.
    Session,
}

/// The request of a case. What is left out is `GET`, `/`, `tools.example`, and no header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaseRequest {
    /// The method; with an action it is that of the action.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// `:authority`; absent, `tools.example`.
    pub authority: Option<String>,
}

/// The principal of a case: `iss` and `sub` of its token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Principal {
    /// The issuer of the token.
    pub iss: String,
    /// The subject.
    pub sub: String,
}

/// One hop of the chain of a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The issuer; absent, the token's.
    pub iss: Option<String>,
    /// The subject.
    pub sub: String,
    /// What kind of entity it is.
    pub sub_profile: Option<String>,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error("`{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no YAML, or not of the table's form. The place is part of the message.
    #[error("{0}")]
    Form(#[from] serde_norway::Error),
    /// A case says too little.
    #[error("case {number}: `{member}` is missing")]
    Missing {
        /// Which case, from 1.
        number: usize,
        /// What it lacks.
        member: &'static str,
    },
    /// A report could not tell the cases apart.
    #[error("two cases are named `{0}`")]
    Duplicate(String),
    /// Defaults hold for every case, and every case has a name of its own.
    #[error("`defaults` has a name")]
    NamedDefaults,
    /// A table that tests nothing is a slip.
    #[error("the table has no cases")]
    Empty,
}

impl Default for CaseRequest {
    fn default() -> Self {
        Self { method: "GET".to_owned(), path: "/".to_owned(), headers: Vec::new(), authority: None }
    }
}

impl Default for Principal {
    fn default() -> Self {
        Self { iss: "https://idp.example".to_owned(), sub: "user:alice".to_owned() }
    }
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// [`TableError`], all but [`TableError::File`].
    pub fn parse(yaml: &str) -> Result<Self, TableError> {
        let Written { defaults, cases } = serde_norway::from_str(yaml)?;
        if defaults.name.is_some() {
            return Err(TableError::NamedDefaults);
        }
        let number =
            |(index, members): (usize, Members)| members.over(&defaults).into_case(index.saturating_add(1));
        let cases: Vec<Case> = cases.into_iter().enumerate().map(number).collect::<Result<_, _>>()?;
        let mut names = BTreeSet::new();
        if let Some(case) = cases.iter().find(|case| !names.insert(&case.name)) {
            return Err(TableError::Duplicate(case.name.clone()));
        }
        if cases.is_empty() { Err(TableError::Empty) } else { Ok(Self { cases }) }
    }

    /// Reads the table in a file.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and [`TableError::File`].
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TableError::File { path: path.to_owned(), source })?;
        Self::parse(&text)
    }
}

/// The document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    defaults: Members,
    cases: Vec<Members>,
}

/// What a case, or the defaults, may say.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Members {
    name: Option<String>,
    settings: Option<Map<String, Value>>,
    request: Option<CaseRequest>,
    action: Option<CaseAction>,
    principal: Option<Principal>,
    chain: Option<Vec<Actor>>,
    scopes: Option<Vec<String>>,
    claims: Option<Map<String, Value>>,
    route: Option<String>,
    now: Option<u64>,
    expect: Option<Expected>,
}

impl Members {
    /// A member replaces the default as a whole; nothing is merged within it.
    fn over(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        Self {
            name: self.name,
            settings: self.settings.or(defaults.settings),
            request: self.request.or(defaults.request),
            action: self.action.or(defaults.action),
            principal: self.principal.or(defaults.principal),
            chain: self.chain.or(defaults.chain),
            scopes: self.scopes.or(defaults.scopes),
            claims: self.claims.or(defaults.claims),
            route: self.route.or(defaults.route),
            now: self.now.or(defaults.now),
            expect: self.expect.or(defaults.expect),
        }
    }

    fn into_case(self, number: usize) -> Result<Case, TableError> {
        Ok(Case {
            name: self.name.ok_or(TableError::Missing { number, member: "name" })?,
            settings: self.settings.unwrap_or_default(),
            request: self.request.unwrap_or_default(),
            action: self.action,
            principal: self.principal.unwrap_or_default(),
            chain: self.chain.unwrap_or_default(),
            scopes: self.scopes.unwrap_or_default(),
            claims: self.claims.unwrap_or_default(),
            route: self.route.unwrap_or_else(|| "/".to_owned()),
            now: self.now.unwrap_or(NOW),
            expect: self.expect.ok_or(TableError::Missing { number, member: "expect" })?,
        })
    }
}
