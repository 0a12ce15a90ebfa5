//! The tables of policy tests: how they are read, run, and compared.

use super::guests::{check, check_with};
use super::{POLICY, ask_with, key, oracle};
use mandate_harness::Filter;
use mandate_host::FILTER;
use mandate_host::cases::{
    CaseError, CaseOutcome, CaseVerdict, Expected, Refusal, Subject, Table, TableError, on_harness, on_oracle,
};
use serde_json::json;

fn table(yaml: &str) -> Table {
    Table::parse(yaml).unwrap()
}

#[test]
fn a_case_that_says_nothing_asks_a_plain_question() {
    let case = &table("cases: [{ name: plain, expect: { verdict: abstain } }]").cases[0];
    assert_eq!((case.request.method.as_str(), case.request.path.as_str()), ("GET", "/"));
    assert_eq!(case.principal.sub, "user:alice");
    assert_eq!((case.route.as_str(), case.now), ("/", 1_790_000_000));
    let config = case.configuration(&Subject::new(POLICY), key());
    assert_eq!(config["delegation"], json!({ "max_depth": 8, "allow_cycles": true }));
}

#[test]
fn a_member_of_a_case_replaces_the_default_as_a_whole() {
    let table = table(
        "
defaults:
  settings: { a: 1, b: 2 }
  request: { method: POST, path: /v1/x }
  scopes: [one]
cases:
  - { name: inherits, expect: { verdict: abstain } }
  - { name: replaces, settings: { c: 3 }, request: { path: /v1/y }, expect: { verdict: abstain } }",
    );
    let [inherits, replaces] = table.cases.as_slice() else { panic!("{table:?}") };
    assert_eq!((inherits.request.method.as_str(), inherits.settings.len()), ("POST", 2));
    assert_eq!((replaces.request.method.as_str(), replaces.settings.len()), ("GET", 1));
    assert_eq!((inherits.scopes.len(), replaces.scopes.len()), (1, 1));
}

#[test]
fn a_table_that_says_something_else_than_it_means_is_refused() {
    let case = |members: &str| format!("cases: [{{ name: a, {members} }}]");
    for (yaml, says) in [
        ("cases: []".to_owned(), "no cases"),
        ("cases: [{ expect: { verdict: deny } }]".to_owned(), "case 1: `name` is missing"),
        ("cases: [{ name: a }]".to_owned(), "case 1: `expect` is missing"),
        (
            "cases: [{ name: a, expect: { verdict: deny } }, { name: a, expect: { verdict: deny } }]"
                .to_owned(),
            "two cases are named `a`",
        ),
        (
            "{ defaults: { name: a }, cases: [{ name: a, expect: { verdict: deny } }] }".to_owned(),
            "`defaults` has a name",
        ),
        ("{ cases: [{ name: a, expect: { verdict: deny } }], more: 1 }".to_owned(), "unknown field `more`"),
        (case("expects: { verdict: deny }"), "unknown field `expects`"),
        (case("expect: { verdict: deny }, request: { verb: GET }"), "unknown field `verb`"),
        (case("expect: { verdict: deny }, chain: [{ subject: a }]"), "unknown field `subject`"),
        (case("expect: { verdict: deny }, settings: [1]"), "invalid type"),
        (case("expect: {}"), "needs `verdict`"),
        (case("expect: { verdict: refused }"), "needs `verdict`"),
        (case("expect: { verdict: deny, refused: [/a] }"), "needs `verdict`"),
        (case("expect: { refused: [/a], max_fuel: 1 }"), "needs `verdict`"),
        (case("expect: { refused: [] }"), "at least one pointer"),
        (case("expect: { verdict: abstain, code: a }"), "have a code"),
        (case("expect: { verdict: deny, headers: {} }"), "has headers"),
        (case("expect: { verdict: fault, code: traps }"), "`traps` is no kind of fault"),
    ] {
        let error = Table::parse(&yaml).unwrap_err().to_string();
        assert!(error.contains(says), "{yaml}: {error}");
    }
    let missing = Table::read("no/such/table.yaml".as_ref()).unwrap_err();
    assert!(matches!(missing, TableError::File { .. }), "{missing}");
}

#[test]
fn a_case_that_would_not_reach_its_policy_is_in_error() {
    let oracle = oracle(&check("(call $abstain)"));
    let subject = Subject::new(POLICY);
    let error = |case: &str| ask_with(&oracle, &subject, case).unwrap_err();
    assert!(matches!(error("    route: /v1/\n    request: { path: /v2/x }"), CaseError::Route { .. }));
    assert!(matches!(error("    request: { path: '/%00' }"), CaseError::Path { .. }));
    assert!(matches!(error("    claims: { sub: mallory }"), CaseError::Claim("sub")));
    assert!(matches!(error("    now: 18446744073709551615"), CaseError::Time(_)));
    for (case, reason) in [
        ("    claims: { exp: 1790000000 }", "claim_invalid"),
        ("    claims: { aud: 'https://else.example' }", "audience_mismatch"),
        ("    request: { method: get }", "route_unmatched"),
        ("    request: { headers: [[authorization, 'Bearer x']] }", "credential_ambiguous"),
    ] {
        let error = error(case);
        assert!(matches!(&error, CaseError::NotAsked(why) if why == reason), "{case}: {error}");
    }
    let pinned = Subject { sha256: Some("0".repeat(64)), ..Subject::new(POLICY) };
    let error = ask_with(&oracle, &pinned, "").unwrap_err();
    assert!(
        matches!(&error, CaseError::Configuration(problems) if problems[0].contains("sha256")),
        "{error}"
    );
}

#[test]
fn a_report_names_what_differs() {
    let component = check_with(
        r#"(data (i32.const 1024) "too_deep")"#,
        "(if (result i32) (i32.gt_u (call $depth (local.get $request)) (i32.const 1))
            (then (call $deny (i32.const 1024) (i32.const 8) (i32.const 1024) (i32.const 3)))
            (else (call $allow (i32.const 0) (i32.const 0))))",
    );
    let table = table(
        "
defaults:
  expect: { verdict: allow }
cases:
  - name: as it should be
  - { name: denied, chain: [{ sub: a }, { sub: a }], expect: { verdict: deny, code: too_deep } }
  - { name: any denial, chain: [{ sub: a }, { sub: a }], expect: { verdict: deny } }
  - { name: wrong verdict, chain: [{ sub: a }, { sub: b }] }
  - { name: wrong code, chain: [{ sub: a }, { sub: b }], expect: { verdict: deny, code: deep } }
  - { name: wrong header, expect: { verdict: allow, headers: { plan: gold } } }
  - { name: not refused, expect: { refused: [/a] } }
  - { name: in error, route: /v1/ }",
    );
    let reports = table.run(&Subject::new(POLICY), key(), &mut on_oracle(&oracle(&component)));
    let differences: Vec<_> = reports.iter().map(|report| report.differences().join("|")).collect();
    assert_eq!(
        differences,
        [
            "",
            "",
            "",
            "verdict: expected allow, got deny (too_deep): too",
            "verdict: expected deny (deep), got deny (too_deep): too",
            "header `plan`: expected `gold`, got none",
            "settings: expected them to be refused, got allow",
            "the request's path `/` is not on the route `/v1/` of the case",
        ]
    );
}

#[test]
fn outcomes_are_compared_to_the_letter() {
    let expected = |expect: &str| -> Expected {
        table(&format!("cases: [{{ name: a, expect: {expect} }}]")).cases[0].expect.clone()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut allowed = CaseOutcome { verdict: CaseVerdict::Allow, ..CaseOutcome::refused(vec![]) };
    allowed.fuel = Some(100);
    allowed.audit = vec![pair("rule", "7"), pair("twice", "a"), pair("twice", "b")];
    assert_eq!(
        allowed.differences(&expected("{ verdict: allow, audit: { rule: '8', twice: a }, max_fuel: 99 }")),
        [
            "audit field `rule`: expected `8`, got `7`",
            "audit field `twice`: expected `a`, got `a`, `b`",
            "fuel: expected at most 99, got 100",
        ]
    );
    assert_eq!(
        allowed.differences(&expected("{ verdict: allow, audit: { rule: '7' }, max_fuel: 100 }")),
        ["audit field `twice`: expected none, got `a`", "audit field `twice`: expected none, got `b`"]
    );
    assert_eq!(allowed.unmetered().fuel, None);

    let refusal = |pointer: &str| Refusal { pointer: pointer.to_owned(), message: "no".to_owned() };
    let refused = CaseOutcome::refused(vec![refusal("/a"), refusal("/b")]);
    assert_eq!(refused.differences(&expected("{ refused: [/b, /a] }")), [""; 0]);
    assert_eq!(
        refused.differences(&expected("{ refused: [/a, /c] }")),
        ["settings: expected a problem at `/c`", "settings: unexpected problem at `/b`: no"]
    );
    assert_eq!(
        refused.differences(&expected("{ verdict: deny }")),
        ["verdict: expected deny, got refused; `/a`: no; `/b`: no"]
    );
}

#[test]
fn a_filter_without_the_policy_says_so() {
    let filter = Filter::compile(FILTER).unwrap();
    let table = table("cases: [{ name: plain, expect: { verdict: abstain } }]");
    let error = table.cases[0].run(&Subject::new(POLICY), key(), &mut on_harness(&filter)).unwrap_err();
    let CaseError::Configuration(problems) = error else { panic!("{error}") };
    assert_eq!(problems[0], "`/policies/0/name`: no policy `guest` is linked into this module");
}
