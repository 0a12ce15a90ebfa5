//! The SDK at the desk against the filter: what a policy's own tests show it is what the proxy shows it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "sdk/headers.rs"]
mod headers;
mod support;

use headers::Headers;
use mandate_core::action::{Action, Protocol};
use mandate_core::http::{self, NormalPath, PathPrefix as CorePrefix, RequestHead, ReservedHeaders};
use mandate_core::json::Pointer;
use mandate_host::FILTER;
use mandate_host::authoring::{Component, Project, Trial};
use mandate_host::cases::{Case, Engine, Subject, Table, on_harness, on_oracle};
use mandate_host::tokens::Algorithm;
use mandate_policy::testing::{RESERVED, configure};
use mandate_policy::{ArgumentError, Claim, PathPrefix, Policy, Request, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

/// The policy as a component, built as an author builds it.
fn component() -> Component {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let toml = |path: &Path| serde_json::to_string(path.to_str().unwrap()).unwrap();
    let (source, sdk) = (tests.join("tests/sdk/headers.rs"), tests.join("../policy-sdk"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authoring");
    let manifest = format!(
        "[package]\nname = \"headers\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"cdylib\"]\npath = {}\n\n\
         [dependencies]\nmandate-policy = {{ path = {} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\n\
         [workspace]\n",
        toml(&source),
        toml(&sdk)
    );
    std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::copy(tests.join("../Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    std::fs::create_dir(folder.path().join(".cargo")).unwrap();
    let config = format!("[build]\ntarget-dir = {}\n", toml(&target));
    std::fs::write(folder.path().join(".cargo/config.toml"), config).unwrap();
    Project::open(folder.path()).unwrap().build(|_| {}).unwrap()
}

fn trial() -> &'static Trial {
    static BUILT: OnceLock<Trial> = OnceLock::new();
    BUILT.get_or_init(|| Trial::new(FILTER, &component()).unwrap())
}

/// What a policy sees of these headers under these names: at the desk, unlinked, and in the filter.
fn seen(headers: &[(&str, &str)], names: &[&str]) -> [String; 3] {
    let settings = json!({ "names": names });
    let builder =
        headers.iter().fold(Request::builder(), |builder, (name, value)| builder.header(name, *value));
    let policy: Headers = configure(settings.clone()).unwrap();
    let Verdict::Deny(at_desk) = policy.check(&builder.build()) else { panic!("it denies") };
    let case = json!({
        "name": "headers", "settings": settings, "request": { "headers": headers },
        "expect": { "verdict": "deny", "code": "seen" },
    });
    // JSON is YAML.
    let table = Table::parse(&json!({ "cases": [case] }).to_string()).unwrap();
    let ask = |engine: &mut dyn Engine| said(&table.cases[0], engine);
    [at_desk.message, ask(&mut on_oracle(trial().oracle())), ask(&mut on_harness(trial().linked()))]
}

fn said(case: &Case, engine: &mut dyn Engine) -> String {
    let outcome = case.run(&Subject::new("headers"), support::key(Algorithm::Es256), engine).unwrap();
    outcome.message.unwrap_or_else(|| panic!("{:?}", outcome.code))
}

#[track_caller]
fn assert_seen(headers: &[(&str, &str)], name: &str, expected: &str) {
    for said in seen(headers, &[name]) {
        assert_eq!(said.trim_end(), format!("{name}: {expected}"), "{headers:?}");
    }
}

#[test]
fn a_header_is_found_by_its_name_in_any_case_and_by_no_other() {
    for name in ["x_role", "x.role", "x-rol", "x-role ", ""] {
        assert_seen(&[("X-Role", "admin")], name, "Ok(None) Ok([])");
    }
    for name in ["X-Role", "x-role", "X-ROLE"] {
        assert_seen(&[("x-Role", "admin")], name, r#"Ok(Some("admin")) Ok(["admin"])"#);
        assert_seen(&[("x-role", "user"), ("x_role", "admin")], name, r#"Ok(Some("user")) Ok(["user"])"#);
        assert_seen(&[("x-role", "user"), ("X-ROLE", "admin")], name, "Err(Repeated) Err(Repeated)");
    }
    assert_seen(&[("x-role", "user"), ("X_Role", "admin")], "x_role", r#"Ok(Some("admin")) Ok(["admin"])"#);
}

#[test]
fn what_is_hidden_is_hidden_everywhere() {
    for (header, name) in [
        ("authorization", "Authorization"),
        ("cookie", "Cookie"),
        ("proxy-authorization", "proxy-authorization"),
        ("DPoP", "dpop"),
        (":path", ":path"),
        ("X-Mandate-Agent", "x-mandate-agent"),
        ("x_mandate_agent", "x_mandate_agent"),
        ("x-http-method-override", "x-http-method-override"),
        ("X_Original_URL", "x_original_url"),
    ] {
        // A second credential would be refused, and a second pseudo-header is none.
        let sent =
            if matches!(header, "authorization" | ":path") { vec![] } else { vec![(header, "hidden")] };
        assert_seen(&sent, name, "Ok(None) Ok([])");
        let at_desk = Request::builder().header(header, "hidden").build();
        assert_eq!(at_desk.header(name), Ok(None), "{name}");
    }
}

#[test]
fn a_list_is_the_same_list_everywhere() {
    assert_seen(&[("x-role", "user,admin")], "x-role", r#"Ok(Some("user,admin")) Ok(["user", "admin"])"#);
    assert_seen(&[("x-role", r#"user,"admin"#)], "x-role", r#"Ok(Some("user,\"admin")) Err(NotList)"#);
    for value in ["", ",", "a,,b ,\tc", r#""a,b", c"#, r#""a\",b",c"#, "é,ü", "a\\,b"] {
        let [at_desk, unlinked, linked] = seen(&[("x-role", value)], &["x-role", "X-ROLE"]);
        assert_eq!((&at_desk, &at_desk), (&unlinked, &linked), "{value:?}");
    }
}

#[test]
fn the_desk_hides_what_the_filter_removes_and_nothing_else() {
    let removed: BTreeSet<&str> = http::RESERVED.iter().map(|(_, name)| *name).collect();
    assert_eq!(RESERVED.iter().copied().collect::<BTreeSet<_>>(), removed);
}

#[test]
fn what_the_filter_removes_no_policy_sees_at_the_desk() {
    let spellings =
        |name: &str| [name.to_owned(), name.to_uppercase(), name.replace('-', "_"), name.replace('-', ".")];
    for entry in RESERVED {
        let name = entry.strip_suffix('*').map_or_else(|| (*entry).to_owned(), |prefix| format!("{prefix}0"));
        for name in spellings(&name).iter().chain(&spellings(entry.trim_end_matches('*'))) {
            let request = Request::builder().header(name, "hidden").build();
            assert_eq!(request.header(name), Ok(None), "{name}");
            assert!(ReservedHeaders::default().contains(name), "{name}");
        }
    }
}

proptest! {
    /// Names that are nearly one of the filter's.
    #[test]
    fn no_spelling_is_removed_by_the_filter_and_seen_at_the_desk(
        name in "[xX][-_.][mMhHoOrR][a-zA-Z]{3,7}[-_.!]([mM]ethod[-_]override|url|agent|)"
    ) {
        if ReservedHeaders::default().contains(&name) {
            prop_assert_eq!(Request::builder().header(&name, "hidden").build().header(&name), Ok(None));
        }
    }

    #[test]
    fn the_elements_of_a_list_come_back(
        elements in prop::collection::vec("[!#-+--~é]{1,5}( [a-z]{1,3})?|\"([ -!#-\\[\\]-~]|\\\\.){0,5}\"", 0..6),
        between in "[ \t]{0,2},[ \t,]{0,3}",
    ) {
        let list = elements.join(&between);
        let values = Request::builder().header("x-role", list.as_str()).build().header_values("x-role");
        prop_assert_eq!(values, Ok(elements));
    }

    #[test]
    fn no_text_breaks_a_list(text in "[a\", \\\\\té]{0,12}|.{0,12}") {
        let request = Request::builder().header("x-role", text.as_str()).build();
        let Ok(values) = request.header_values("x-role") else {
            prop_assert!(text.contains('"'));
            return Ok(());
        };
        for value in &values {
            prop_assert!(!value.is_empty() && value.trim_matches([' ', '\t']) == value, "{:?}", value);
            prop_assert!(text.contains(value.as_str()));
        }
        if !text.contains('"') {
            let all = text.split(',').map(|value| value.trim_matches([' ', '\t'])).filter(|value| !value.is_empty());
            prop_assert_eq!(values, all.map(str::to_owned).collect::<Vec<_>>());
        }
    }

    /// The SDK's prefixes are the filter's: what one takes, the other does, and both match the same paths.
    #[test]
    fn a_prefix_matches_what_a_route_matches(
        prefix in "(/?[a%./:;?A4C2e~é]{0,4}){0,3}|/(v1|%C3%A9|%20|%41|%2F|a%20b)/?",
        rest in "(|/|/a|a|//|/%C3%A9|/../a)",
    ) {
        let Ok(ours) = PathPrefix::try_from(prefix.clone()) else { return Ok(()) };
        let theirs = CorePrefix::parse(&prefix);
        prop_assert!(theirs.is_ok(), "{:?} is refused for a route: {:?}", prefix, theirs);
        if let (Ok(theirs), Ok(path)) = (theirs, NormalPath::normalise(format!("{prefix}{rest}"))) {
            prop_assert_eq!(ours.matches(path.as_str()), theirs.matches(&path), "{} {}", prefix, path);
        }
    }
}

/// As the SDK has it.
fn claim(value: &Value) -> Claim {
    match value {
        Value::Null => Claim::Null,
        Value::Bool(boolean) => Claim::Boolean(*boolean),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Claim::Float(number.as_f64().unwrap()), Claim::Integer)
        }
        Value::String(text) => Claim::Text(text.clone()),
        Value::Array(elements) => Claim::Array(u32::try_from(elements.len()).unwrap()),
        Value::Object(members) => Claim::Object(u32::try_from(members.len()).unwrap()),
    }
}

/// What a name is made of: letters that some servers take for others among them.
const NAMES: [&str; 16] = [
    "a",
    "A",
    "s",
    "S",
    "\u{17f}",
    "k",
    "\u{212a}",
    "i",
    "I",
    "\u{130}",
    "\u{131}",
    "0",
    "01",
    "__proto__",
    "a/b",
    "~",
];

fn arguments() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(7)),
        Just(json!(1.5)),
        Just(json!(u64::MAX)),
        Just(json!("{\"a\":1}")),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let name = prop::sample::select(NAMES.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The filter has one way to find an argument, for rules and for policies; tests at the desk must find the same.
    #[test]
    fn an_argument_is_found_at_the_desk_as_in_the_filter(
        arguments in prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), arguments(), 0..4),
        pointer in prop::collection::vec(prop::sample::select(NAMES.to_vec()), 1..4).prop_map(mandate_policy::pointer),
        broken in prop::sample::select(vec!["", "a", "/~", "/~2", "#/a"]),
    ) {
        let arguments: Value = json!(arguments);
        let params = json!({ "name": "t", "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let head = RequestHead::new(vec![(":method", "POST")]);
        let path = NormalPath::normalise(b"/").unwrap();
        let action = Action::read(Protocol::Mcp, &head, &path, message.to_string().as_bytes()).unwrap();
        let request = Request::builder().tool("t", arguments).build();
        let theirs = action.argument(&Pointer::parse(&pointer).unwrap(), &mut 0);
        let theirs = theirs.map(|found| found.map(claim)).map_err(|_| ArgumentError::Ambiguous);
        prop_assert_eq!(request.argument(&pointer), theirs, "{}", pointer);
        prop_assert_eq!(request.arguments(), action.arguments_text());
        prop_assert!(Pointer::parse(broken).is_err());
        prop_assert_eq!(request.argument(broken), Err(ArgumentError::NotAPointer), "{}", broken);
    }
}

#[test]
fn everything_about_an_action_is_the_same_everywhere() {
    let settings = json!({
        "names": ["X-Two", "x-one", "cookie", "absent", ":path"],
        "pointers": ["", "/a", "/A", "/b/0", "/b", "/t/x", "/n", "/f", "/absent", "a", "/card", "/card/x", "/sub"],
    });
    let headers =
        [("X-Two", "1"), ("x-one", ""), ("x-two", "2, 3"), ("cookie", "c"), ("x-mandate-a", "forged")];
    let arguments =
        json!({ "a": 1, "B": [null, "ü"], "b": [true, { "x": 1 }], "t": "{\"x\":1}", "n": -7, "f": 1e300 });
    let card = json!({ "y": [1, 1.5, null], "x": "\"" });
    let policy: Headers = configure(settings.clone()).unwrap();
    let builder =
        headers.iter().fold(Request::builder(), |builder, (name, value)| builder.header(name, *value));
    let builder = builder
        .path("/mcp")
        .query("a=%20b?")
        .hop("https://idp.example", "agent:old")
        .hop_of_kind("https://idp.example", "agent:new", "ai_agent")
        .claim("card", card.clone())
        // Those that a case has.
        .claim("iat", 1_790_000_000)
        .claim("client_id", "client-1")
        .claim("jti", "token-1");
    for action in [None, Some(())] {
        let builder = builder.clone();
        let builder = if action.is_some() { builder.tool("pay", arguments.clone()) } else { builder };
        let Verdict::Deny(at_desk) = policy.check(&builder.build()) else { panic!("it denies") };
        let mut case = json!({
            "name": "everything", "settings": settings, "claims": { "card": card },
            "request": { "path": "/mcp?a=%20b?", "headers": headers },
            "chain": [{ "sub": "agent:old" }, { "sub": "agent:new", "sub_profile": "ai_agent" }],
            "expect": { "verdict": "deny", "code": "seen" },
        });
        if action.is_some() {
            case["action"] = json!({ "name": "pay", "arguments": arguments });
        }
        let table = Table::parse(&json!({ "cases": [case] }).to_string()).unwrap();
        let ask = |engine: &mut dyn Engine| said(&table.cases[0], engine);
        // All claims together differ in their spelling only: a case has no scopes, and the builder an empty list of them.
        let comparable = |text: &str| {
            text.lines().filter(|line| !line.starts_with(": ")).map(str::to_owned).collect::<Vec<_>>()
        };
        let unlinked = ask(&mut on_oracle(trial().oracle()));
        assert_eq!(unlinked, ask(&mut on_harness(trial().linked())));
        assert_eq!(comparable(&at_desk.message), comparable(&unlinked));
        let shows = if action.is_some() { "Err(Ambiguous)" } else { "Err(NoAction)" };
        assert!(
            unlinked.contains(shows) && unlinked.contains("Err(NotAPointer)") != action.is_none(),
            "{unlinked}"
        );
    }
}

#[test]
fn a_prefix_that_a_route_may_have_a_policy_may_have() {
    for prefix in ["/", "/v1", "/v1/", "/v1/a.b/c~d", "/caf%C3%A9", "/a%20b/%25", "/a:b@c,d"] {
        CorePrefix::parse(prefix).unwrap();
        PathPrefix::try_from(prefix.to_owned()).unwrap();
    }
}
