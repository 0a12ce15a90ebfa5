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

const CHAIN: &str = "
    settings: {}
    request: { method: POST, path: '/v1//tools/%7Esearch?q=1' }
    principal: { iss: 'https://idp.example', sub: 'user:bob' }
    chain: [{ sub: 'agent:planner' }, { iss: 'https://other.example', sub: 'agent:buyer' }]
    scopes: [tools.use, tools.list]
    route: /v1/
    now: 1790000123";

/// Asks everything, and denies with all the answers in one line.
fn curious() -> Vec<u8> {
    check_with(
        &format!(r#"{WRITER} (data (i32.const 1280) "tools.list")"#),
        "(call $method (local.get $request) (i32.const 512)) (call $text (i32.const 512))
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
        (call $seen)",
    )
}

#[test]
fn a_policy_is_told_about_the_request_and_who_makes_it() {
    let outcome = ask(&curious(), CHAIN);
    let expected = [
        "POST /v1/tools/~search https://idp.example user:bob 2",
        "1 https://other.example agent:buyer",
        "1 https://idp.example agent:planner 0",
        "2 tools.use 1 0 0 /v1/ 1790000123 ",
    ];
    assert_eq!(outcome.message.unwrap(), expected.join(" "));
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
    // Two elements of 20 bytes: a header `plan: gold`, a field `rule: 7`.
    let component = check_with(
        r#"(data (i32.const 1024) "plangoldrule7")
        (data (i32.const 2048)
            "\00\00\00\00" "\00\04\00\00" "\04\00\00\00" "\04\04\00\00" "\04\00\00\00"
            "\01\00\00\00" "\08\04\00\00" "\04\00\00\00" "\0c\04\00\00" "\01\00\00\00")"#,
        "(call $allow (i32.const 2048) (i32.const 2))",
    );
    let outcome = ask(&component, "");
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    assert_eq!(outcome.verdict, CaseVerdict::Allow);
    assert_eq!((outcome.headers, outcome.audit), (pair("plan", "gold"), pair("rule", "7")));
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
