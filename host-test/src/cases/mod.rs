//! Tables of policy tests: what a policy must say about which request, under which settings.
//!
//! One table runs in two ways that must agree: on the oracle ([`on_oracle`]), and linked into the filter on the harness
//! ([`on_harness`]). Both put a real request with a real token through every check, so a case that would not reach its
//! policy in production does not reach it here, and says so.
//!
//! ```yaml
//! defaults:                            # optional; a member of a case replaces the default as a whole
//!   settings: { tools: [search] }
//! cases:
//!   - name: an agent uses a tool that it was not given
//!     settings: { tools: [search] }    # for `configure`; default {}
//!     request:
//!       method: POST                   # default GET
//!       path: /v1/tools/delete         # default /
//!       headers: [[x-tenant, acme]]    # default none
//!       authority: tools.example       # the default
//!     action:                          # a message of MCP; default none: a route without a protocol
//!       protocol: mcp                  # the default
//!       kind: tool                     # the default; or resource, prompt, method, session
//!       name: payments.send            # of a session: GET, HEAD, DELETE or response
//!       method: tools/call             # default: the method for the kind, such as tools/call
//!       arguments: { amount: 5 }       # default none
//!     principal: { iss: "https://idp.example", sub: "user:alice" } # the default
//!     chain: [{ sub: "agent:planner" }] # oldest first; `iss` defaults to the principal's, `sub_profile` to none; default none
//!     scopes: [tools.use]              # default none
//!     claims: { tenant: acme }         # further claims of the token, or other than the usual ones; default none
//!     route: /v1/                      # `path_prefix` of the route; default /
//!     now: 1790000000                  # seconds since the Unix epoch; this is the default
//!     expect:
//!       verdict: deny                  # allow, deny, abstain or fault
//!       code: tool_not_allowed         # the code of a denial, or the kind of fault; default any
//!       max_fuel: 20000                # only a linked policy is metered; default any
//!   - name: an agent uses its tool
//!     expect:
//!       verdict: allow
//!       headers: { tool: search }      # x-mandate-ext-tool; these and no others; default none
//!       audit: { tool: search }        # the same
//!       approve: [a tool that pays]    # why it wants an approval; the same
//!   - name: settings that are refused
//!     settings: { tools: 1 }
//!     expect:
//!       refused: [/tools]              # JSON pointers of the problems, these and no others
//! ```

mod action;
mod engine;
mod expect;
mod question;
mod table;

pub(crate) use engine::advance;
pub use engine::{Engine, on_harness, on_oracle};
pub use expect::{CaseOutcome, CaseVerdict, Expected, ExpectedVerdict, LoggedLine, Refusal};
pub use question::Subject;
pub use table::{
    Actor, Case, CaseAction, CaseActionKind, CaseProtocol, CaseRequest, Principal, Table, TableError,
};

use crate::tokens::{SigningKey, TokenError};
use mandate_core::denial::PathError;
use mandate_harness::HarnessError;

/// Why a case could not be put to the policy.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The request, or the route, has no path that the filter takes.
    #[error("path `{path}`: {source}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// The request is not on the route of the case.
    #[error("the request's path `{path}` is not on the route `{route}` of the case")]
    Route {
        /// The path of the request.
        path: String,
        /// The prefix of the route.
        route: String,
    },
    /// `claims` has what `principal` and `chain` say.
    #[error("`claims` has `{0}`, which `principal` and `chain` say")]
    Claim(&'static str),
    /// No request does what `action` says.
    #[error("`action`: {0}")]
    Action(String),
    /// The time is beyond what a token can say.
    #[error("`now` is {0}, beyond what a token can say")]
    Time(u64),
    /// The token could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The configuration is refused for another reason than the policy's settings.
    #[error("the configuration is refused: {}", .0.join("; "))]
    Configuration(Vec<String>),
    /// The request was decided before the policy was asked.
    #[error("the policy was not asked: {0}")]
    NotAsked(String),
    /// The harness failed.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// The audit record is not what it should be.
    #[error("the record of the policy: {0}")]
    Record(#[from] serde_json::Error),
}

/// What came of one case.
#[derive(Debug)]
pub struct Report<'a> {
    /// The case.
    pub case: &'a Case,
    /// What the policy said, or why it could not be asked.
    pub outcome: Result<CaseOutcome, CaseError>,
}

impl Report<'_> {
    /// What is wrong, one line each; empty if the case came out as it should.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        match &self.outcome {
            Ok(outcome) => outcome.differences(&self.case.expect),
            Err(error) => vec![error.to_string()],
        }
    }
}

impl Case {
    /// Puts the case to the policy.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn run(
        &self,
        subject: &Subject,
        key: &SigningKey,
        engine: &mut dyn Engine,
    ) -> Result<CaseOutcome, CaseError> {
        let configuration = self.configuration(subject, key).to_string();
        engine.decide(&configuration, &self.request(key)?, self.now)
    }
}

impl Table {
    /// Puts every case to the policy, in order. `key` signs the tokens; which it is says nothing.
    pub fn run(&self, subject: &Subject, key: &SigningKey, engine: &mut dyn Engine) -> Vec<Report<'_>> {
        self.cases.iter().map(|case| Report { case, outcome: case.run(subject, key, engine) }).collect()
    }
}
