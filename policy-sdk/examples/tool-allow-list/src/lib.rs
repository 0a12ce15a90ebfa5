//! Which agent may use which tool.
//!
//! A platform puts many tools behind one gateway, and the scopes of a token are too coarse to say which agent gets
//! which: `tools.call` opens all of them, and a prompt injected into the research agent reaches the payment tool. This
//! policy keeps the list where the operator can read it. The tool is the path segment behind a prefix
//! (`/v1/tools/<tool>`); an agent that is not on the list gets none, and neither does one of the same name from another
//! issuer.

use mandate_policy::{Identity, PathPrefix, Policy, Problem, Request, Verdict};
use serde::Deserialize;

/// What the operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What comes before the tool in a path: `/v1/tools`. Other paths are not this policy's concern.
    prefix: PathPrefix,
    /// Who may use what. Who is not here may use nothing.
    agents: Vec<Agent>,
    /// What the principal may use when it acts itself, without an agent; by default nothing.
    #[serde(default)]
    principal_tools: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    iss: String,
    sub: String,
    tools: Vec<String>,
}

/// The list.
#[derive(Debug)]
pub struct ToolAllowList {
    settings: Settings,
}

mandate_policy::policy!(ToolAllowList);

impl Policy for ToolAllowList {
    const SUMMARY: &'static str = "denies tools that the agent was not given";
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let problems = settings.problems();
        if problems.is_empty() { Ok(Self { settings }) } else { Err(problems) }
    }

    fn check(&self, request: &Request) -> Verdict {
        let path = request.path();
        let Some(rest) = self.settings.prefix.below(&path) else {
            return Verdict::abstain();
        };
        let tool = rest.split_once('/').map_or(rest, |(tool, _)| tool);
        match self.tools_of(request.agent()) {
            None => Verdict::deny("agent_not_listed", "the agent is not on the list"),
            Some(tools) if tools.iter().any(|given| given == tool) => Verdict::allow(),
            Some(_) => Verdict::deny("tool_not_allowed", format!("the tool `{tool}` was not given")),
        }
    }
}

impl ToolAllowList {
    fn tools_of(&self, agent: Option<Identity>) -> Option<&[String]> {
        let Some(agent) = agent else {
            return Some(&self.settings.principal_tools);
        };
        let mut agents = self.settings.agents.iter();
        agents
            .find(|listed| listed.iss == agent.issuer && listed.sub == agent.subject)
            .map(|listed| &*listed.tools)
    }
}

impl Settings {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, agent) in self.agents.iter().enumerate() {
            let mut earlier = self.agents.iter().take(index);
            if earlier.any(|earlier| earlier.iss == agent.iss && earlier.sub == agent.sub) {
                problems.push(Problem::at(format!("/agents/{index}"), "is listed twice; join the two"));
            }
            tool_problems(&mut problems, &format!("/agents/{index}/tools"), &agent.tools);
        }
        tool_problems(&mut problems, "/principal_tools", &self.principal_tools);
        problems
    }
}

fn tool_problems(problems: &mut Vec<Problem>, pointer: &str, tools: &[String]) {
    for (index, tool) in tools.iter().enumerate() {
        if tool.is_empty() || tool.contains('/') {
            problems.push(Problem::at(format!("{pointer}/{index}"), "must be one segment of a path"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mandate_policy::testing::{RequestBuilder, configure, json};

    const IDP: &str = "https://idp.example";

    fn policy() -> ToolAllowList {
        configure(json!({
            "prefix": "/v1/tools/",
            "agents": [
                { "iss": IDP, "sub": "agent:research", "tools": ["search", "fetch"] },
                { "iss": IDP, "sub": "agent:treasury", "tools": ["pay"] },
            ],
            "principal_tools": ["pay"],
        }))
        .unwrap()
    }

    fn call(tool: &str) -> RequestBuilder {
        Request::builder().method("POST").path(&format!("/v1/tools/{tool}"))
    }

    #[track_caller]
    fn assert_denied(request: RequestBuilder, expected: &str) {
        match policy().check(&request.build()) {
            Verdict::Deny(denial) => assert_eq!(denial.code, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_agent_gets_no_tool_of_another() {
        assert_denied(call("pay").hop(IDP, "agent:research"), "tool_not_allowed");
    }

    #[test]
    fn an_agent_gets_no_tool_of_the_one_that_called_it() {
        assert_denied(call("pay").hop(IDP, "agent:treasury").hop(IDP, "agent:research"), "tool_not_allowed");
    }

    #[test]
    fn an_agent_that_is_not_listed_gets_nothing() {
        assert_denied(call("search").hop(IDP, "agent:stranger"), "agent_not_listed");
    }

    #[test]
    fn the_same_name_from_another_issuer_is_another_agent() {
        assert_denied(call("search").hop("https://other.example", "agent:research"), "agent_not_listed");
    }

    #[test]
    fn a_tool_is_its_whole_segment() {
        for tool in ["", "sea", "search2", "Search", "search%2F..", "/search"] {
            assert_denied(call(tool).hop(IDP, "agent:research"), "tool_not_allowed");
        }
    }

    #[test]
    fn the_prefix_itself_is_no_tool() {
        let request = Request::builder().path("/v1/tools");
        assert_denied(request.clone().hop(IDP, "agent:research"), "tool_not_allowed");
        assert_denied(request, "tool_not_allowed");
    }

    #[test]
    fn a_principal_that_acts_itself_gets_only_its_own() {
        assert_denied(call("search"), "tool_not_allowed");
        assert_eq!(policy().check(&call("pay").build()), Verdict::allow());
    }

    #[test]
    fn an_agent_gets_its_tools_and_what_is_below_them() {
        for tool in ["search", "fetch", "search/", "fetch/pages/1"] {
            assert_eq!(
                policy().check(&call(tool).hop(IDP, "agent:research").build()),
                Verdict::allow(),
                "{tool}"
            );
        }
    }

    #[test]
    fn other_paths_are_not_its_concern() {
        for path in ["/", "/v1", "/v1/toolshed/pay", "/v2/v1/tools/pay"] {
            assert_eq!(policy().check(&Request::builder().path(path).build()), Verdict::abstain(), "{path}");
        }
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused_all_at_once() {
        let twice = json!({ "iss": IDP, "sub": "agent:research", "tools": ["search", "a/b"] });
        let settings = json!({ "prefix": "/v1/tools/", "agents": [twice, twice], "principal_tools": [""] });
        let problems = configure::<ToolAllowList>(settings).unwrap_err();
        let pointers: Vec<_> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(pointers, ["/agents/0/tools/1", "/agents/1", "/agents/1/tools/1", "/principal_tools/0"]);
    }

    #[test]
    fn a_prefix_that_no_path_has_is_refused() {
        let problems = configure::<ToolAllowList>(json!({ "prefix": "v1/tools", "agents": [] })).unwrap_err();
        assert_eq!(problems, [Problem::at("/prefix", "must begin with `/`")]);
    }

    #[test]
    fn an_agent_without_an_issuer_is_refused() {
        let settings = json!({ "prefix": "/", "agents": [{ "sub": "agent:research", "tools": [] }] });
        let expected = Problem::at("/agents/0", "missing field `iss`");
        assert_eq!(configure::<ToolAllowList>(settings).unwrap_err(), [expected]);
    }
}
