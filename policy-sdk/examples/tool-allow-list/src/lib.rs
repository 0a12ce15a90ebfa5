//! Which agent may use which tool.
//!
//! A platform puts many tools behind one gateway, and the scopes of a token are too coarse to say which agent gets
//! which: `tools.call` opens all of them, and a prompt injected into the research agent reaches the payment tool. This
//! policy keeps the list where the operator can read it. On a route with rules for MCP the tool is the one that the message
//! calls; on other routes it is the path segment behind a prefix (`/v1/tools/<tool>`). An agent that is not on the list gets
//! none, and neither does one of the same name from another issuer.

use mandate_policy::{Action, Identity, PathPrefix, Policy, Problem, Request, Verdict};
use serde::Deserialize;

/// What the operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What comes before the tool in a path: `/v1/tools`. Other paths are not this policy's concern. Without it, every request
    /// must be a message whose action is known.
    prefix: Option<PathPrefix>,
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
        match (request.action(), &self.settings.prefix) {
            (Some(action), _) => self.check_action(request, &action),
            (None, Some(prefix)) => {
                let path = request.path();
                let Some(rest) = prefix.below(&path) else {
                    return Verdict::abstain();
                };
                self.check_tool(request, rest.split_once('/').map_or(rest, |(tool, _)| tool))
            }
            // A slip: the route has no protocol, and the settings no prefix.
            (None, None) => Verdict::deny("action_unknown", "nobody read which tool is called"),
        }
    }
}

impl ToolAllowList {
    fn check_action(&self, request: &Request, action: &Action) -> Verdict {
        let Action { protocol, kind, name, .. } = action;
        match (&**protocol, &**kind) {
            ("mcp", "tool") => self.check_tool(request, name),
            // What else may be done is said by `mcp` of the route.
            ("mcp", "resource" | "prompt" | "method" | "session") => Verdict::abstain(),
            // A word of a later version of the contract may be another way to call a tool.
            _ => Verdict::deny("action_unknown", format!("`{protocol}`, `{kind}` is not known")),
        }
    }

    fn check_tool(&self, request: &Request, tool: &str) -> Verdict {
        match self.tools_of(request.agent()) {
            None => Verdict::deny("agent_not_listed", "the agent is not on the list"),
            Some(tools) if tools.iter().any(|given| given == tool) => Verdict::allow(),
            Some(_) => Verdict::deny("tool_not_allowed", format!("the tool `{tool}` was not given")),
        }
    }

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
            self.tool_problems(&mut problems, &format!("/agents/{index}/tools"), &agent.tools);
        }
        self.tool_problems(&mut problems, "/principal_tools", &self.principal_tools);
        problems
    }

    fn tool_problems(&self, problems: &mut Vec<Problem>, pointer: &str, tools: &[String]) {
        for (index, tool) in tools.iter().enumerate() {
            if tool.is_empty() {
                problems.push(Problem::at(format!("{pointer}/{index}"), "must not be empty"));
            } else if self.prefix.is_some() && tool.contains('/') {
                problems.push(Problem::at(format!("{pointer}/{index}"), "must be one segment of a path"));
            }
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

    /// The same call as a message, to a path that says nothing.
    fn message(tool: &str) -> RequestBuilder {
        Request::builder().path("/mcp").tool(tool, json!({}))
    }

    fn action(protocol: &str, kind: &str, name: &str) -> RequestBuilder {
        let [protocol, kind, name] = [protocol, kind, name].map(str::to_owned);
        Request::builder().action(Action { protocol, kind, name, method: "x".to_owned() }, json!({}))
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
        assert_denied(message("pay").hop(IDP, "agent:research"), "tool_not_allowed");
    }

    #[test]
    fn the_tool_of_a_message_is_not_that_of_its_path() {
        let posing = message("pay").path("/v1/tools/search").hop(IDP, "agent:research");
        assert_denied(posing, "tool_not_allowed");
        for tool in ["", "sea", "search2", "Search", "search/x", "/search"] {
            assert_denied(message(tool).hop(IDP, "agent:research"), "tool_not_allowed");
        }
    }

    #[test]
    fn an_action_of_an_unknown_word_is_denied() {
        for (protocol, kind) in [("a2a", "tool"), ("mcp", "task"), ("", ""), ("MCP", "tool"), ("mcp", "Tool")]
        {
            assert_denied(action(protocol, kind, "search").hop(IDP, "agent:research"), "action_unknown");
        }
    }

    #[test]
    fn without_a_prefix_every_request_must_be_a_message() {
        let agents = json!([{ "iss": IDP, "sub": "agent:research", "tools": ["search/web"] }]);
        let policy: ToolAllowList = configure(json!({ "agents": agents })).unwrap();
        let denied = policy.check(&call("search").hop(IDP, "agent:research").build());
        assert!(matches!(&denied, Verdict::Deny(denial) if denial.code == "action_unknown"), "{denied:?}");
        let allowed = policy.check(&message("search/web").hop(IDP, "agent:research").build());
        assert_eq!(allowed, Verdict::allow());
    }

    #[test]
    fn an_agent_calls_its_tools() {
        for tool in ["search", "fetch"] {
            let request = message(tool).hop(IDP, "agent:research").build();
            assert_eq!(policy().check(&request), Verdict::allow(), "{tool}");
        }
        assert_eq!(policy().check(&message("pay").build()), Verdict::allow());
    }

    #[test]
    fn what_is_no_tool_is_not_its_concern() {
        for kind in ["resource", "prompt", "method", "session"] {
            let request = action("mcp", kind, "pay").hop(IDP, "agent:stranger").build();
            assert_eq!(policy().check(&request), Verdict::abstain(), "{kind}");
        }
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
