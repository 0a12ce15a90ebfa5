//! What a policy is told, and what becomes of what it says.

use super::guests::{Guest, check, check_with};
use super::{POLICY, ask, ask_with, oracle};
use mandate_host::cases::{CaseVerdict, LoggedLine, Subject};
use mandate_host::oracle::Oracle;
use serde_json::json;

/// Functions that write what they are given into one line, a space after each, and deny with it.
const WRITER: &str = r#"
    (global $end (mut i32) (i32.const 16384))
    (data (i32.const 1024) "seen")
    (func $put (param $at i32) (param $len i32)
        (memory.copy (global.get $end) (local.get $at) (local.get $len))
        (global.set $end (i32.add (global.get $end) (local.get $len)))
        (i32.store8 (global.get $end) (i32.const 0x20))
        (global.set $end (i32.add (global.get $end) (i32.const 1))))
    ;; the string whose pointer and length are at this address
    (func $text (param $at i32)
        (call $put (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))
    (func $number (param $value i64) (local $at i32)
        (local.set $at (i32.const 1200))
        (loop $digits
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (i32.store8 (local.get $at)
                (i32.add (i32.const 0x30) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
            (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
            (br_if $digits (i64.ne (local.get $value) (i64.const 0))))
        (call $put (local.get $at) (i32.sub (i32.const 1200) (local.get $at))))
    (func $byte (param $at i32)
        (call $number (i64.load8_u (local.get $at))))
    ;; option<identity>
    (func $who (param $at i32)
        (call $byte (local.get $at))
        (if (i32.load8_u (local.get $at))
            (then
                (call $text (i32.add (local.get $at) (i32.const 4)))
                (call $text (i32.add (local.get $at) (i32.const 12))))))
    (func $seen (result i32)
        (call $deny (i32.const 1024) (i32.const 4)
            (i32.const 16384) (i32.sub (global.get $end) (i32.const 16384))))"#;

/// What a policy saw that asks with what its settings hold in `ask`.
fn seen(import: &str, rest: &str, case: &str) -> String {
    let fields = format!(
        "{WRITER}
        (global $asked (mut i32) (i32.const 0)) (global $asked-len (mut i32) (i32.const 0))"
    );
    // The text within `{"ask":"…"}`.
    let configure = "
        (global.set $asked (i32.add (local.get $settings) (i32.const 8)))
        (global.set $asked-len (i32.sub (local.get $length) (i32.const 10)))
        (call $accept)";
    let check = format!(
        "(call {import} (local.get $request) (global.get $asked) (global.get $asked-len) (i32.const 512)) {rest} (call $seen)"
    );
    let component = Guest { fields: &fields, configure, check: &check, ..Guest::default() }.component();
    let outcome = ask(&component, case);
    assert_eq!(outcome.code.as_deref(), Some("seen"), "{outcome:?}");
    outcome.message.unwrap().trim_end().to_owned()
}

pub const CHAIN: &str = "
    settings: {}
    request: { method: POST, path: '/v1//tools/%7Esearch?q=1' }
    principal: { iss: 'https://idp.example', sub: 'user:bob' }
    chain: [{ sub: 'agent:planner' }, { iss: 'https://other.example', sub: 'agent:buyer' }]
    scopes: [tools.use, tools.list]
    route: /v1/
    now: 1790000123";

/// Asks everything of 0.1.0, and denies with all the answers in one line.
fn curious() -> Vec<u8> {
    with_curious(|guest| guest.component())
}

/// A component of this policy.
pub fn with_curious(make: impl FnOnce(&Guest<'_>) -> Vec<u8>) -> Vec<u8> {
    let fields = format!(r#"{WRITER} (data (i32.const 1280) "tools.list")"#);
    make(&Guest { fields: &fields, check: CURIOUS, ..Guest::default() })
}

const CURIOUS: &str = "(call $method (local.get $request) (i32.const 512)) (call $text (i32.const 512))
        (call $path (local.get $request) (i32.const 512)) (call $text (i32.const 512))
        (call $principal (local.get $request) (i32.const 512))
        (call $text (i32.const 512)) (call $text (i32.const 520))
        (call $number (i64.extend_i32_u (call $depth (local.get $request))))
        (call $agent (local.get $request) (i32.const 544)) (call $who (i32.const 544))
        (call $hop (local.get $request) (i32.const 0) (i32.const 576)) (call $who (i32.const 576))
        (call $hop (local.get $request) (i32.const 2) (i32.const 608)) (call $who (i32.const 608))
        (call $scopes (local.get $request) (i32.const 512))
        (call $number (i64.load32_u (i32.const 516)))
        (call $text (i32.load (i32.const 512)))
        (call $number (i64.extend_i32_u
            (call $has-scope (local.get $request) (i32.const 1280) (i32.const 10))))
        (call $number (i64.extend_i32_u
            (call $has-scope (local.get $request) (i32.const 1280) (i32.const 5))))
        (call $route (local.get $request) (i32.const 512))
        (call $number (i64.load32_u (i32.const 512))) (call $text (i32.const 516))
        (call $number (call $now (local.get $request)))
        (call $seen)";

/// What it says to [`CHAIN`].
pub const CURIOUS_SAYS: &str = "POST /v1/tools/~search https://idp.example user:bob 2 \
    1 https://other.example agent:buyer 1 https://idp.example agent:planner 0 2 tools.use 1 0 0 /v1/ 1790000123 ";

#[test]
fn a_policy_is_told_about_the_request_and_who_makes_it() {
    assert_eq!(ask(&curious(), CHAIN).message.unwrap(), CURIOUS_SAYS);
}

const MESSAGE: &str = "
    request:
      path: '/mcp//?a=%20b'
      headers: [[X-Two, '1'], [x-one, ''], [x-two, '2, 3'], [cookie, c], [x-mandate-agent, forged]]
      authority: 'Tools.Example.:8443'
    action:
      name: payments.send
      arguments: { amount: 1.5, CURRENCY: EUR, list: [1, { a: ü }], text: '{}', n: -7, none: null }
    chain: [{ sub: 'agent:planner', sub_profile: ai_agent }, { sub: 'agent:buyer' }]
    claims: { card: { b: [1, 1.5, null], a: x } }";

#[test]
fn an_argument_that_servers_read_in_different_ways_is_an_error() {
    // The result's case; then whether there is an argument, and which case it has, or which error it is.
    let argument = |pointer: &str, rest: &str| {
        let rest = format!(
            "(call $byte (i32.const 512)) (call $byte (i32.const 520))
            (if (i32.gt_u (i32.load8_u (i32.const 520)) (i32.load8_u (i32.const 512)))
                (then (call $byte (i32.const 528)) {rest}))"
        );
        seen("$argument", &rest, &format!("    settings: {{ ask: '{pointer}' }}{MESSAGE}"))
    };
    let word = "(call $number (i64.load (i32.const 536)))";
    let half_word = "(call $number (i64.load32_u (i32.const 536)))";
    for ambiguous in ["/currency", "/Currency", "/Amount", "/text/x", "/amount/x"] {
        assert_eq!(argument(ambiguous, "").split(' ').take(2).collect::<Vec<_>>(), ["1", "0"], "{ambiguous}");
    }
    for no_pointer in ["amount", "/~", "/a~2b", "#/amount"] {
        assert_eq!(
            argument(no_pointer, "").split(' ').take(2).collect::<Vec<_>>(),
            ["1", "1"],
            "{no_pointer}"
        );
    }
    for absent in ["/absent", "/list/2", "/list/01", "/none/x", "/list/-"] {
        assert_eq!(argument(absent, ""), "0 0", "{absent}");
    }
    assert_eq!(argument("/none", ""), "0 1 0");
    assert_eq!(argument("/n", word), "0 1 2 18446744073709551609");
    assert_eq!(argument("/amount", word), format!("0 1 3 {}", 1.5_f64.to_bits()));
    assert_eq!(argument("/text", "(call $text (i32.const 536))"), "0 1 4 {}");
    assert_eq!(argument("/list/1/a", "(call $text (i32.const 536))"), "0 1 4 ü");
    assert_eq!(argument("/list", half_word), "0 1 5 2");
    assert_eq!(argument("/list/1", half_word), "0 1 6 1");
    // A route without a protocol.
    let plain = seen(
        "$argument",
        "(call $byte (i32.const 512)) (call $byte (i32.const 520))",
        "    settings: { ask: /amount }",
    );
    assert_eq!(plain, "1 2");
}

/// Asks what came with 0.1.1 and takes no text, and denies with all the answers in one line.
fn curious_about_the_action() -> Vec<u8> {
    check_with(
        WRITER,
        "(call $action (local.get $request) (i32.const 512)) (call $byte (i32.const 512))
        (if (i32.load8_u (i32.const 512)) (then
            (call $text (i32.const 516)) (call $text (i32.const 524))
            (call $text (i32.const 532)) (call $text (i32.const 540))))
        (call $arguments (local.get $request) (i32.const 512)) (call $text (i32.const 512))
        (call $authority (local.get $request) (i32.const 512)) (call $byte (i32.const 512))
        (if (i32.load8_u (i32.const 512)) (then (call $text (i32.const 516))))
        (call $query (local.get $request) (i32.const 512)) (call $byte (i32.const 512))
        (if (i32.load8_u (i32.const 512)) (then (call $text (i32.const 516))))
        (call $header-names (local.get $request) (i32.const 512))
        (call $number (i64.load32_u (i32.const 516)))
        (if (i32.load (i32.const 516)) (then (call $text (i32.load (i32.const 512)))))
        (if (i32.gt_u (i32.load (i32.const 516)) (i32.const 1)) (then
            (call $text (i32.add (i32.load (i32.const 512)) (i32.const 8)))))
        (call $hop-kind (local.get $request) (i32.const 0) (i32.const 512)) (call $byte (i32.const 512))
        (if (i32.load8_u (i32.const 512)) (then (call $text (i32.const 516))))
        (call $hop-kind (local.get $request) (i32.const 1) (i32.const 512)) (call $byte (i32.const 512))
        (call $hop-kind (local.get $request) (i32.const 2) (i32.const 512)) (call $byte (i32.const 512))
        (call $seen)",
    )
}

#[test]
fn a_policy_is_told_what_the_request_is_about_to_do() {
    let asked = |case: &str| ask(&curious_about_the_action(), case).message.unwrap();
    let expected = [
        "1 mcp tool payments.send tools/call",
        r#"{"CURRENCY":"EUR","amount":1.5,"list":[1,{"a":"ü"}],"n":-7,"none":null,"text":"{}"}"#,
        "1 tools.example 1 a=%20b 2 x-one x-two 1 ai_agent 0 0 ",
    ];
    assert_eq!(asked(MESSAGE), expected.join(" "));
    assert_eq!(asked(""), "0 {} 1 tools.example 0 0 0 0 0 ");
    for (case, expected) in [
        ("    action: { kind: session, name: GET }", "1 mcp session GET GET {} "),
        ("    action: { kind: session, name: response }", "1 mcp session response response {} "),
        ("    action: { kind: method, name: tools/list }", "1 mcp method tools/list tools/list {} "),
        (
            "    action: { kind: prompt, name: hi, arguments: { a: b } }",
            r#"1 mcp prompt hi prompts/get {"a":"b"} "#,
        ),
        ("    action: { kind: resource, name: 't://7' }", "1 mcp resource t://7 resources/read {} "),
        (
            "    action: { kind: resource, name: 't://7', method: completion/complete }",
            "1 mcp resource t://7 completion/complete {} ",
        ),
        ("    request: { authority: 'a@b' }", "0 {} 0 0 0 "),
        ("    request: { path: '/?' }", "0 {} 1 tools.example 1  0 "),
        ("    request: { headers: [[host, other.example]] }", "0 {} 0 0 1 host "),
    ] {
        let asked = asked(case);
        assert!(asked.starts_with(expected), "{case}: {asked}");
    }
}

#[test]
fn all_values_of_a_header_are_returned_or_none() {
    let values = |name: &str| {
        let rest = "(call $byte (i32.const 512))
            (call $number (i64.load32_u (i32.const 520)))
            (if (i32.load (i32.const 520)) (then (call $text (i32.load (i32.const 516)))))
            (if (i32.gt_u (i32.load (i32.const 520)) (i32.const 1)) (then
                (call $text (i32.add (i32.load (i32.const 516)) (i32.const 8)))))";
        seen("$header-values", rest, &format!("    settings: {{ ask: '{name}' }}{MESSAGE}"))
    };
    assert_eq!(values("X-TWO"), "0 2 1 2, 3");
    assert_eq!(values("x-one"), "0 1");
    for hidden in ["cookie", "authorization", ":path", "x-mandate-agent", "absent", ""] {
        assert_eq!(values(hidden), "0 0", "{hidden}");
    }
}

#[test]
fn claims_are_returned_as_json() {
    let claim = |pointer: &str| {
        let rest = "(call $byte (i32.const 512))
            (if (i32.load8_u (i32.const 512)) (then (call $text (i32.const 516))))";
        seen("$claim-json", rest, &format!("    settings: {{ ask: '{pointer}' }}{MESSAGE}"))
    };
    assert_eq!(claim("/card"), r#"1 {"a":"x","b":[1,1.5,null]}"#);
    assert_eq!(claim("/sub"), r#"1 "user:alice""#);
    assert_eq!(claim("/absent"), "0");
    assert_eq!(claim("card"), "0");
    let all = claim("");
    let all: serde_json::Value = serde_json::from_str(all.strip_prefix("1 ").unwrap()).unwrap();
    assert_eq!((&all["act"]["act"]["sub_profile"], &all["card"]["a"]), (&json!("ai_agent"), &json!("x")));
}

#[test]
fn a_trace_shows_the_action_and_what_is_an_error() {
    let mut oracle: Oracle = oracle(&curious_about_the_action());
    let trace = oracle.trace();
    ask_with(&oracle, &Subject::new(POLICY), MESSAGE).unwrap();
    let questions: Vec<String> = trace.questions().iter().map(ToString::to_string).collect();
    assert_eq!(
        questions[0],
        r#"request.action() = {"kind":"tool","method":"tools/call","name":"payments.send","protocol":"mcp"}"#
    );
    assert_eq!(questions[2], r#"request.authority() = "tools.example""#);
    assert_eq!(questions[4], r#"request.header-names() = ["x-one","x-two"]"#);
    assert_eq!(questions[5], r#"request.hop-kind(0) = "ai_agent""#);
    let one = check_with(
        r#"(data (i32.const 1024) "/currency")"#,
        "(call $argument (local.get $request) (i32.const 1024) (i32.const 9) (i32.const 512)) (call $abstain)",
    );
    let mut oracle: Oracle = super::oracle(&one);
    let trace = oracle.trace();
    ask_with(&oracle, &Subject::new(POLICY), MESSAGE).unwrap();
    assert_eq!(trace.questions()[0].to_string(), r#"request.argument("/currency") = {"error":"ambiguous"}"#);
}

#[test]
fn a_principal_that_acts_itself_has_no_agent() {
    let component = check_with(
        WRITER,
        "(call $agent (local.get $request) (i32.const 512)) (call $who (i32.const 512))
        (call $number (i64.extend_i32_u (call $depth (local.get $request)))) (call $seen)",
    );
    assert_eq!(ask(&component, "").message.as_deref(), Some("0 0 "));
}

#[test]
fn a_claim_is_told_by_its_type() {
    // Whether there is one, its case, and its payload.
    let claim = |pointer: &str, payload: &str| {
        let rest = format!(
            "(call $byte (i32.const 512))
            (if (i32.load8_u (i32.const 512)) (then (call $byte (i32.const 520)) {payload}))"
        );
        let case = format!(
            "    settings: {{ ask: '{pointer}' }}\n    claims: {{ nothing: null, yes: true, least: -9223372036854775808, \
             large: 9223372036854775808, half: 0.5, whole: 1.0, name: alice, 'a/b': [1, [2]], card: {{ x: 1 }} }}"
        );
        seen("$claim", &rest, &case)
    };
    let word = "(call $number (i64.load (i32.const 528)))";
    let half_word = "(call $number (i64.load32_u (i32.const 528)))";
    let byte = "(call $byte (i32.const 528))";
    assert_eq!(claim("/missing", ""), "0");
    assert_eq!(claim("name", ""), "0", "no pointer");
    assert_eq!(claim("/nothing", ""), "1 0");
    assert_eq!(claim("/yes", byte), "1 1 1");
    assert_eq!(claim("/least", word), "1 2 9223372036854775808");
    assert_eq!(claim("/large", word), format!("1 3 {}", 9_223_372_036_854_775_808_f64.to_bits()));
    assert_eq!(claim("/half", word), format!("1 3 {}", 0.5_f64.to_bits()));
    assert_eq!(claim("/whole", word), format!("1 3 {}", 1.0_f64.to_bits()));
    assert_eq!(claim("/name", "(call $text (i32.const 528))"), "1 4 alice");
    assert_eq!(claim("/a~1b", half_word), "1 5 2");
    assert_eq!(claim("/a~1b/1/0", word), "1 2 2");
    assert_eq!(claim("/card", half_word), "1 6 1");
    assert_eq!(claim("/sub", "(call $text (i32.const 528))"), "1 4 user:alice");
}

#[test]
fn a_header_has_one_value_or_says_why_not() {
    // The result's case, then whether there is a value or which error it is, then the value.
    let header = |name: &str| {
        let rest = "(call $byte (i32.const 512)) (call $byte (i32.const 516))
            (if (i32.eq (i32.load (i32.const 512)) (i32.const 0))
                (then (if (i32.load8_u (i32.const 516)) (then (call $text (i32.const 520))))))";
        let case = format!(
            "    settings: {{ ask: '{name}' }}\n    request: {{ headers: [[X-Tenant, acme], [x-twice, a], [X-Twice, b], \
             [x-empty, ''], [x-mandate-principal, forged]] }}"
        );
        seen("$header", rest, &case)
    };
    assert_eq!(header("x-tenant"), "0 1 acme");
    assert_eq!(header("X-TENANT"), "0 1 acme");
    assert_eq!(header("x-empty"), "0 1");
    assert_eq!(header("x-missing"), "0 0");
    assert_eq!(header("x-twice"), "1 0");
    for hidden in ["authorization", "Authorization", ":path", "x-mandate-principal"] {
        assert_eq!(header(hidden), "0 0", "{hidden}");
    }
}

#[test]
fn obligations_are_told_apart_and_kept_in_order() {
    // Three elements of 20 bytes: a header `plan: gold`, a field `rule: 7`, and the wish for an approval, `plan`.
    let component = check_with(
        r#"(data (i32.const 1024) "plangoldrule7")
        (data (i32.const 2048)
            "\00\00\00\00" "\00\04\00\00" "\04\00\00\00" "\04\04\00\00" "\04\00\00\00"
            "\01\00\00\00" "\08\04\00\00" "\04\00\00\00" "\0c\04\00\00" "\01\00\00\00"
            "\02\00\00\00" "\00\04\00\00" "\04\00\00\00" "\ff\ff\ff\ff" "\ff\ff\ff\ff")"#,
        "(call $allow (i32.const 2048) (i32.const 3))",
    );
    let outcome = ask(&component, "");
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(outcome.verdict, CaseVerdict::Allow);
    assert_eq!((outcome.headers, outcome.audit), (pair("plan", "gold"), pair("rule", "7")));
    assert_eq!(outcome.approve, ["plan"]);
}

#[test]
fn a_policy_may_have_nothing_to_ask_for_and_nothing_to_say() {
    let allowed = ask(&check("(call $allow (i32.const 0) (i32.const 0))"), "");
    assert_eq!((allowed.verdict, allowed.headers.len(), allowed.fuel), (CaseVerdict::Allow, 0, None));
    assert_eq!(ask(&check("(call $abstain)"), "").verdict, CaseVerdict::Abstain);
}

#[test]
fn what_is_logged_is_kept_in_order_within_its_bounds() {
    let log = |level: u32, at: u32, len: u32| {
        format!("(call $log (i32.const {level}) (i32.const {at}) (i32.const {len}))")
    };
    let data = r#"(data (i32.const 1024) "one\ntwothree")"#;
    let line = |level, message: &str| LoggedLine { level, message: message.to_owned() };

    let body = format!("{} {} {} (call $abstain)", log(0, 1024, 7), log(1, 1031, 5), log(2, 1024, 0));
    let said = ask(&check_with(data, &body), "").log;
    assert_eq!(said, [line("debug", "one two"), line("info", "three"), line("warn", "")]);

    let body = format!("{} (call $abstain)", log(1, 1024, 1).repeat(17));
    let said = ask(&check_with(data, &body), "").log;
    assert_eq!(said.len(), 17);
    assert_eq!((&said[15], &said[16]), (&line("info", "o"), &line("debug", "1 more lines were dropped")));

    // What `configure` says is not part of the answer.
    let configure = format!("{} (call $accept)", log(1, 1024, 3));
    let component = Guest { fields: data, configure: &configure, ..Guest::default() }.component();
    assert_eq!(ask(&component, "").log, []);
}

#[test]
fn a_trace_shows_the_questions_of_the_last_check() {
    let mut oracle: Oracle = oracle(&curious());
    let trace = oracle.trace();
    assert_eq!(trace.questions(), []);
    for _ in 0..2 {
        ask_with(&oracle, &Subject::new(POLICY), CHAIN).unwrap();
    }
    let questions = trace.questions();
    assert_eq!(questions.len(), 12);
    assert_eq!(questions[0].to_string(), r#"request.method() = "POST""#);
    assert_eq!(questions[5].function, "request.hop");
    assert_eq!(questions[5].arguments, [json!(0)]);
    assert_eq!(questions[5].answer, json!({ "issuer": "https://idp.example", "subject": "agent:planner" }));
    assert_eq!(questions[6].answer, json!(null));
    assert_eq!(questions[8].to_string(), r#"request.has-scope("tools.list") = true"#);
}

#[test]
fn a_policy_describes_itself() {
    let mut oracle = oracle(&check("(unreachable)"));
    let description = oracle.describe(POLICY).unwrap();
    assert_eq!(
        serde_json::to_value(description).unwrap(),
        json!({ "name": "guest", "version": "0.1.0", "summary": "A policy of a test." })
    );
    assert_eq!(oracle.describe("nobody").unwrap_err().to_string(), "there is no policy `nobody`");
}
