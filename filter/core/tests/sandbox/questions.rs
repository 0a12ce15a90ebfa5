//! What a policy may ask, and what it is told.

use crate::support::{config, decide, head, token};
use crate::{Fake, abstains, decided, record};
use mandate_core::decision::Decision;
use mandate_core::flow::{Body, Flow, Gate, Step};
use mandate_core::http::RequestHead;
use mandate_core::keys::InModule;
use mandate_core::limits;
use mandate_core::policy::LinkedPolicies;
use mandate_core::seam::HostFunction as F;
use mandate_core::time::UnixTime;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn a_policy_sees_every_hop_also_those_that_do_not_count() {
    let seen: Rc<RefCell<Vec<String>>> = Rc::default();
    let told = Rc::clone(&seen);
    let config = config(|c| {
        c["issuers"][0]["chain"] = json!({ "count": ["ai_agent"] });
        c["policies"] = json!([{ "name": "guard" }]);
        c["routes"] = json!([{ "match": { "path_prefix": "/" }, "policies": ["guard"], "max_depth": 1 }]);
    });
    let fake = Fake::checking(move |fake, visit| {
        let depth = fake.ask(visit, F::Depth, [1, 0, 0, 0])?;
        for index in 0..u32::try_from(depth).unwrap() {
            fake.ask(visit, F::Hop, [1, index, 512, 0])?;
            told.borrow_mut().push(fake.text(524));
        }
        abstains(fake, visit)
    });
    let mut gate = Gate::new(config, Box::new(LinkedPolicies::new(fake).unwrap()), [7; 16]).unwrap();
    let browser = json!({ "sub": "browser", "sub_profile": "browser_app" });
    let act = json!({ "sub": "agent", "sub_profile": "ai_agent", "act": browser });
    let bearer = format!("Bearer {}", token(json!({ "act": act })));
    let decision = decide(&mut gate, head("GET", "/", &[("authorization", bearer.as_str())]));
    assert_eq!(decision.reason(), None);
    // Its contract says that hop `depth - 1` is the agent.
    assert_eq!(*seen.borrow(), ["browser", "agent"]);
}

#[test]
fn a_question_is_answered_as_the_contract_says() {
    let seen: Rc<RefCell<Vec<String>>> = Rc::default();
    let told = Rc::clone(&seen);
    let decision = decided(Fake::checking(move |fake, visit| {
        let say = |line: String| told.borrow_mut().push(line);
        for (name, function) in [("method", F::Method), ("path", F::Path)] {
            fake.ask(visit, function, [1, 512, 0, 0])?;
            say(format!("{name} {}", fake.text(512)));
        }
        for name in ["x-one", "X-ONE", "absent", "authorization", ":path", "x-two"] {
            fake.memory[512..544].fill(9);
            fake.ask_with(visit, F::Header, name)?;
            let (failed, case) = (fake.memory[512], fake.memory[516]);
            let value = if (failed, case) == (0, 1) { fake.text(520) } else { String::new() };
            say(format!("header {name} {failed} {case} {value}"));
        }
        fake.ask(visit, F::Principal, [1, 512, 0, 0])?;
        say(format!("principal {} {}", fake.text(512), fake.text(520)));
        fake.ask(visit, F::Agent, [1, 512, 0, 0])?;
        say(format!("agent {} {} {}", fake.memory[512], fake.text(516), fake.text(524)));
        say(format!("depth {}", fake.ask(visit, F::Depth, [1, 0, 0, 0])?));
        for index in [0, 1, 2, u32::MAX] {
            fake.ask(visit, F::Hop, [1, index, 512, 0])?;
            let who = if fake.memory[512] == 1 { fake.text(524) } else { String::new() };
            say(format!("hop {index} {} {who}", fake.memory[512]));
        }
        for scope in ["tickets.read", "tickets", ""] {
            say(format!("has-scope {scope} {}", fake.ask_with(visit, F::HasScope, scope)?));
        }
        fake.ask(visit, F::Scopes, [1, 512, 0, 0])?;
        let (list, len) = (fake.word(512), fake.word(516));
        say(format!("scopes {:?}", (0..len).map(|i| fake.text(list + 8 * i)).collect::<Vec<_>>()));
        for pointer in [
            "/absent",
            "/a/0",
            "/b",
            "/i",
            "/big",
            "/f",
            "/t",
            "/a",
            "/a/1",
            "/o",
            "/o/x~1y/~0",
            "no pointer",
        ] {
            fake.memory[512..544].fill(9);
            fake.ask_with(visit, F::Claim, pointer)?;
            let payload: [u8; 8] = fake.memory[528..536].try_into().unwrap();
            let shown = match (fake.memory[512], fake.memory[520]) {
                (0, _) => "none".to_owned(),
                (1, 0) => "null".to_owned(),
                (1, 1) => (payload[0] == 1).to_string(),
                (1, 2) => i64::from_le_bytes(payload).to_string(),
                (1, 3) => f64::from_le_bytes(payload).to_string(),
                (1, 4) => fake.text(528),
                (1, 5) => format!("{} elements", fake.word(528)),
                (1, 6) => format!("{} members", fake.word(528)),
                _ => panic!("no such case"),
            };
            say(format!("claim {pointer} {shown}"));
        }
        fake.ask(visit, F::Route, [1, 512, 0, 0])?;
        say(format!("route {} {}", fake.word(512), fake.text(516)));
        say(format!("now {}", fake.ask(visit, F::Now, [1, 0, 0, 0])?));
        abstains(fake, visit)
    }));
    assert_eq!(record(&decision), ("abstain", None));
    let expected = [
        "method POST",
        "path /v1/b",
        "header x-one 0 1 1",
        "header X-ONE 0 1 1",
        "header absent 0 0 ",
        "header authorization 0 0 ",
        "header :path 0 0 ",
        "header x-two 1 0 ",
        "principal https://idp.example user:alice",
        "agent 1 https://idp.example agent-0",
        "depth 2",
        "hop 0 1 agent-1",
        "hop 1 1 agent-0",
        "hop 2 0 ",
        "hop 4294967295 0 ",
        "has-scope tickets.read 1",
        "has-scope tickets 0",
        "has-scope  0",
        r#"scopes ["tickets.read", "tickets.write"]"#,
        "claim /absent none",
        "claim /a/0 null",
        "claim /b true",
        "claim /i -7",
        "claim /big 18446744073709552000",
        "claim /f 2.5",
        "claim /t tëxt",
        "claim /a 2 elements",
        "claim /a/1 two",
        "claim /o 1 members",
        "claim /o/x~1y/~0 1",
        "claim no pointer none",
        "route 0 /v1",
        "now 1700000000",
    ];
    assert_eq!(*seen.borrow(), expected);
}

/// What becomes of a call of a tool with these arguments, with headers, a query and hops of some kinds.
fn told(fake: Fake, arguments: &str) -> Decision {
    let config = config(|c| {
        c["policies"] = json!([{ "name": "guard" }]);
        c["routes"] = json!([{
            "match": { "path_prefix": "/mcp" }, "policies": ["guard"], "mcp": { "tools": [{ "name": "*" }] },
        }]);
    });
    let mut gate = Gate::new(config, Box::new(LinkedPolicies::new(fake).unwrap()), [7; 16]).unwrap();
    let act = json!({ "sub": "new", "sub_profile": "ai_agent", "act": { "sub": "old" } });
    let bearer = format!("Bearer {}", token(json!({ "act": act, "o": { "b": [1, 1.5, null], "a": "\"" } })));
    let headers = [
        ("authorization", bearer.as_str()),
        ("cookie", "c"),
        ("X-Two", "1"),
        ("x-one", ""),
        ("x-two", "2, 3"),
        (":authority", "Tools.Example.:8443"),
    ];
    let head = head("POST", "/mcp/./x?a=%20b?&c", &headers).with_body(true);
    let mut flow = Flow::new(String::new(), head);
    let now = UnixTime::from_secs(1_700_000_000);
    let Step::NeedBody(_) = flow.advance(&mut gate, &InModule, now) else { panic!() };
    let params = format!(r#"{{"name":"pay","arguments":{arguments}}}"#);
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    flow.set_body(Body::Whole(message.into_bytes()));
    match flow.advance(&mut gate, &InModule, now) {
        Step::Done(decision) => *decision,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_argument_that_servers_read_in_different_ways_is_no_absent_one() {
    let seen: Rc<RefCell<Vec<String>>> = Rc::default();
    let said = Rc::clone(&seen);
    let fake = Fake::checking(move |fake, visit| {
        for pointer in [
            "/amount",
            "/Amount",
            "/text/x",
            "/o/x",
            "/amount/x",
            "",
            "amount",
            "/~2",
            "/absent",
            "/list/2",
            "/i",
            "/f",
            "/t",
        ] {
            fake.memory[512..552].fill(9);
            fake.ask_with(visit, F::Argument, pointer)?;
            let payload: [u8; 8] = fake.memory[536..544].try_into().unwrap();
            let shown = match (fake.memory[512], fake.memory[520], fake.memory[528]) {
                (1, 0, _) => "ambiguous".to_owned(),
                (1, 1, _) => "not a pointer".to_owned(),
                (1, 2, _) => "no action".to_owned(),
                (0, 0, _) => "absent".to_owned(),
                (0, 1, 2) => i64::from_le_bytes(payload).to_string(),
                (0, 1, 3) => f64::from_le_bytes(payload).to_string(),
                (0, 1, 4) => fake.text(536),
                _ => panic!("no such case"),
            };
            said.borrow_mut().push(format!("{pointer} {shown}"));
        }
        abstains(fake, visit)
    });
    let arguments =
        r#"{"AMOUNT":1,"text":"{\"x\":1}","o":{"__proto__":{"x":1}},"list":[1,2],"i":-7,"f":0.5,"t":"ü"}"#;
    assert_eq!(record(&told(fake, arguments)), ("abstain", None));
    let expected = [
        "/amount ambiguous",
        "/Amount ambiguous",
        "/text/x ambiguous",
        "/o/x ambiguous",
        "/amount/x ambiguous",
        " not a pointer",
        "amount not a pointer",
        "/~2 not a pointer",
        "/absent absent",
        "/list/2 absent",
        "/i -7",
        "/f 0.5",
        "/t ü",
    ];
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn without_a_protocol_no_argument_is_absent() {
    let decision = decided(Fake::checking(|fake, visit| {
        fake.memory[512..552].fill(9);
        fake.ask_with(visit, F::Argument, "/amount")?;
        assert_eq!((fake.memory[512], fake.memory[520]), (1, 2));
        fake.ask(visit, F::Action, [1, 512, 0, 0])?;
        assert_eq!(fake.memory[512], 0);
        fake.ask(visit, F::Arguments, [1, 512, 0, 0])?;
        assert_eq!(fake.text(512), "{}");
        abstains(fake, visit)
    }));
    assert_eq!(record(&decision), ("abstain", None));
}

#[test]
fn a_policy_is_told_what_the_request_is_about_to_do() {
    let seen: Rc<RefCell<Vec<String>>> = Rc::default();
    let said = Rc::clone(&seen);
    let fake = Fake::checking(move |fake, visit| {
        let say = |line: String| said.borrow_mut().push(line);
        let texts = |fake: &Fake, at: u32| {
            let (list, len) = (fake.word(at), fake.word(at + 4));
            (0..len).map(|i| fake.text(list + 8 * i)).collect::<Vec<_>>()
        };
        fake.ask(visit, F::Action, [1, 512, 0, 0])?;
        say(format!("action {} {:?}", fake.memory[512], [516, 524, 532, 540].map(|at| fake.text(at))));
        fake.ask(visit, F::Arguments, [1, 512, 0, 0])?;
        say(format!("arguments {}", fake.text(512)));
        for (name, function) in [("authority", F::Authority), ("query", F::Query)] {
            fake.ask(visit, function, [1, 512, 0, 0])?;
            say(format!("{name} {} {}", fake.memory[512], fake.text(516)));
        }
        fake.ask(visit, F::HeaderNames, [1, 512, 0, 0])?;
        say(format!("header-names {:?}", texts(fake, 512)));
        for name in ["X-TWO", "x-one", "absent", "cookie", ":authority"] {
            fake.ask_with(visit, F::HeaderValues, name)?;
            say(format!("header-values {name} {} {:?}", fake.memory[512], texts(fake, 516)));
        }
        for pointer in ["/o", "/o/b/1", "/absent", "o"] {
            fake.ask_with(visit, F::ClaimJson, pointer)?;
            let text = if fake.memory[512] == 1 { fake.text(516) } else { String::new() };
            say(format!("claim-json {pointer} {text}"));
        }
        fake.ask_with(visit, F::ClaimJson, "")?;
        let all: serde_json::Value = serde_json::from_str(&fake.text(516)).unwrap();
        say(format!("all claims {} {}", all["sub"], all["o"]));
        for index in [0, 1, 2, u32::MAX] {
            fake.ask(visit, F::HopKind, [1, index, 512, 0])?;
            let kind = if fake.memory[512] == 1 { fake.text(516) } else { String::new() };
            say(format!("hop-kind {index} {kind}"));
        }
        abstains(fake, visit)
    });
    let decision = told(fake, r#"{ "b": [ 1, {} ], "a": 1e2 }"#);
    assert_eq!(record(&decision), ("abstain", None));
    let expected = [
        r#"action 1 ["mcp", "tool", "pay", "tools/call"]"#,
        r#"arguments {"a":100.0,"b":[1,{}]}"#,
        "authority 1 tools.example",
        "query 1 a=%20b?&c",
        r#"header-names ["x-one", "x-two"]"#,
        r#"header-values X-TWO 0 ["1", "2, 3"]"#,
        r#"header-values x-one 0 [""]"#,
        "header-values absent 0 []",
        "header-values cookie 0 []",
        "header-values :authority 0 []",
        r#"claim-json /o {"a":"\"","b":[1,1.5,null]}"#,
        "claim-json /o/b/1 1.5",
        "claim-json /absent ",
        "claim-json o ",
        r#"all claims "user:alice" {"a":"\"","b":[1,1.5,null]}"#,
        "hop-kind 0 ",
        "hop-kind 1 ai_agent",
        "hop-kind 2 ",
        "hop-kind 4294967295 ",
    ];
    assert_eq!(*seen.borrow(), expected);
}

/// The time that it takes to find an argument grows with what the client sent, so the policy's fuel must be bound to it.
#[test]
fn each_member_that_is_looked_at_takes_fuel() {
    let cost = |members: usize| {
        let spent = Rc::new(RefCell::new(0));
        let told_spent = Rc::clone(&spent);
        let fake = Fake::checking(move |fake, visit| {
            let before = fake.fuel;
            fake.ask_with(visit, F::Argument, "/absent")?;
            *told_spent.borrow_mut() = before - fake.fuel;
            abstains(fake, visit)
        });
        let arguments: Vec<String> = (0..members).map(|member| format!(r#""m{member}":0"#)).collect();
        assert_eq!(record(&told(fake, &format!("{{{}}}", arguments.join(",")))), ("abstain", None));
        *spent.borrow()
    };
    assert_eq!(cost(0), limits::HOST_CALL_FUEL);
    assert_eq!(cost(5000), limits::HOST_CALL_FUEL + 5000);
}

#[test]
fn a_header_that_is_no_text_hides_none_of_its_values() {
    let config = config(|c| {
        c["policies"] = json!([{ "name": "guard" }]);
        c["routes"] = json!([{ "match": { "path_prefix": "/" }, "policies": ["guard"] }]);
    });
    let fake = Fake::checking(|fake, visit| {
        fake.ask_with(visit, F::HeaderValues, "x-tier")?;
        assert_eq!((fake.memory[512], fake.memory[516]), (1, 1));
        abstains(fake, visit)
    });
    let mut gate = Gate::new(config, Box::new(LinkedPolicies::new(fake).unwrap()), [7; 16]).unwrap();
    let bearer = format!("Bearer {}", token(json!({})));
    let headers: Vec<(&str, &[u8])> = vec![
        (":method", b"GET"),
        (":path", b"/"),
        ("authorization", bearer.as_bytes()),
        ("x-tier", b"gold"),
        ("x-tier", b"\xff"),
    ];
    let decision = decide(&mut gate, RequestHead::new(headers));
    assert_eq!(record(&decision), ("abstain", None));
}
