//! Agents that are no longer what was approved.
//!
//! An agent is reviewed with one model and one set of tools, and then a vendor moves an alias, or somebody rebuilds an
//! image, and the name in the token stays the same. Where the platform attests what an agent runs, and the issuer puts it
//! into the token, this policy compares it with what was registered at the review:
//!
//! ```json
//! { "runtime": { "model": "example-4-2026-03-01", "toolchain": "sha256:…" } }
//! ```
//!
//! It is about the agent that acts now; those that called it were compared when they acted. A principal that acts itself
//! runs nothing, and is not this policy's concern.

use mandate_policy::{Policy, Problem, Request, Verdict};
use serde::Deserialize;

/// What the operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What was registered. Who is not here is denied.
    agents: Vec<Agent>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    iss: String,
    sub: String,
    /// The model's exact version; an alias would drift unseen.
    model: String,
    /// The digest of all that the agent can call: `sha256:` and 64 lower-case hexadecimal digits.
    toolchain: String,
}

/// The register.
#[derive(Debug)]
pub struct Drift {
    agents: Vec<Agent>,
}

mandate_policy::policy!(Drift);

impl Policy for Drift {
    const SUMMARY: &'static str = "denies agents that run another model or toolchain than was registered";
    type Settings = Settings;

    fn new(Settings { agents }: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for (index, agent) in agents.iter().enumerate() {
            let mut earlier = agents.iter().take(index);
            if earlier.any(|earlier| earlier.iss == agent.iss && earlier.sub == agent.sub) {
                problems.push(Problem::at(
                    format!("/agents/{index}"),
                    "is registered twice; keep one of the two",
                ));
            }
            if agent.model.is_empty() {
                problems.push(Problem::at(format!("/agents/{index}/model"), "must name a model"));
            }
            if !is_digest(&agent.toolchain) {
                let message = "must be `sha256:` and 64 lower-case hexadecimal digits";
                problems.push(Problem::at(format!("/agents/{index}/toolchain"), message));
            }
        }
        if problems.is_empty() { Ok(Self { agents }) } else { Err(problems) }
    }

    fn check(&self, request: &Request) -> Verdict {
        let Some(agent) = request.agent() else {
            return Verdict::abstain();
        };
        let is_agent =
            |registered: &&Agent| registered.iss == agent.issuer && registered.sub == agent.subject;
        let Some(registered) = self.agents.iter().find(is_agent) else {
            return Verdict::deny("agent_not_registered", format!("`{}` is not registered", agent.subject));
        };
        let is = |pointer, expected: &str| request.claim_text(pointer).as_deref() == Some(expected);
        if !is("/runtime/model", &registered.model) {
            return Verdict::deny("model_drift", format!("it was registered with `{}`", registered.model));
        }
        if !is("/runtime/toolchain", &registered.toolchain) {
            return Verdict::deny(
                "toolchain_drift",
                format!("it was registered with `{}`", registered.toolchain),
            );
        }
        Verdict::allow()
    }
}

fn is_digest(text: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_hex))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mandate_policy::testing::{RequestBuilder, Value, configure, json};

    const IDP: &str = "https://idp.example";
    const MODEL: &str = "example-4-2026-03-01";

    fn digest(of: char) -> String {
        format!("sha256:{}", of.to_string().repeat(64))
    }

    fn request(runtime: Value) -> RequestBuilder {
        Request::builder().claim("runtime", runtime)
    }

    fn as_registered() -> RequestBuilder {
        request(json!({ "model": MODEL, "toolchain": digest('a') }))
    }

    fn check(request: RequestBuilder) -> Verdict {
        let agents = json!([
            { "iss": IDP, "sub": "agent:support", "model": MODEL, "toolchain": digest('a') },
            { "iss": IDP, "sub": "agent:coder", "model": "example-5", "toolchain": digest('b') },
        ]);
        configure::<Drift>(json!({ "agents": agents })).unwrap().check(&request.build())
    }

    #[track_caller]
    fn assert_denied(request: RequestBuilder, expected: &str) {
        match check(request) {
            Verdict::Deny(denial) => assert_eq!(denial.code, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_agent_that_is_not_registered_is_denied() {
        assert_denied(as_registered().hop(IDP, "agent:stranger"), "agent_not_registered");
    }

    #[test]
    fn the_same_name_from_another_issuer_is_another_agent() {
        assert_denied(as_registered().hop("https://other.example", "agent:support"), "agent_not_registered");
    }

    #[test]
    fn another_model_is_denied() {
        for model in [json!("example-5"), json!("example-4"), json!(""), json!(null), json!([MODEL])] {
            let runtime = json!({ "model": model, "toolchain": digest('a') });
            assert_denied(request(runtime).hop(IDP, "agent:support"), "model_drift");
        }
    }

    #[test]
    fn another_toolchain_is_denied() {
        let shouted = digest('a').to_uppercase();
        for toolchain in
            [json!(digest('b')), json!(shouted), json!(""), json!(null), json!({ "sha256": "aa" })]
        {
            let runtime = json!({ "model": MODEL, "toolchain": toolchain });
            assert_denied(request(runtime).hop(IDP, "agent:support"), "toolchain_drift");
        }
    }

    #[test]
    fn a_token_that_does_not_say_what_runs_is_denied() {
        assert_denied(Request::builder().hop(IDP, "agent:support"), "model_drift");
        assert_denied(request(json!({ "model": MODEL })).hop(IDP, "agent:support"), "toolchain_drift");
    }

    #[test]
    fn the_registration_of_a_caller_does_not_help() {
        assert_denied(as_registered().hop(IDP, "agent:support").hop(IDP, "agent:coder"), "model_drift");
    }

    #[test]
    fn an_agent_as_registered_is_allowed() {
        assert_eq!(check(as_registered().hop(IDP, "agent:support")), Verdict::allow());
        assert_eq!(
            check(as_registered().hop(IDP, "agent:stranger").hop(IDP, "agent:support")),
            Verdict::allow()
        );
    }

    #[test]
    fn a_principal_that_acts_itself_is_not_its_concern() {
        assert_eq!(check(Request::builder()), Verdict::abstain());
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused_all_at_once() {
        let agent = |toolchain: &str, model: &str| json!({ "iss": IDP, "sub": "agent:support", "model": model, "toolchain": toolchain });
        let agents = [agent(&digest('a'), MODEL), agent(&digest('A'), ""), agent("sha256:aa", MODEL)];
        let problems = configure::<Drift>(json!({ "agents": agents })).unwrap_err();
        let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/agents/1", "/agents/1/model", "/agents/1/toolchain", "/agents/2", "/agents/2/toolchain"],
        );
    }
}
