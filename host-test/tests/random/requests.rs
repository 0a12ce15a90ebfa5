//! Random requests: good ones, which every check lets through to the policies, with odd contents.

use super::dice::Dice;
use mandate_harness::Request;
use mandate_host::tokens::{Algorithm, SigningKey, jwks, sign_raw};
use serde_json::{Value, json};
use std::fmt;
use std::sync::OnceLock;

const ISSUER: &str = "https://idp.example";
const AUDIENCE: &str = "https://tools.example";

/// Names of headers that requests have and policies ask for.
pub const HEADERS: [&str; 8] =
    ["x-a", "X-A", "x-tenant", "accept", "x-mandate-agent", "authorization", ":path", "missing"];
/// Names of members of claims; two of them need escapes in a pointer, and two look like indices.
pub const MEMBERS: [&str; 12] =
    ["n", "a", "b", "a/b", "m~n", "", "ключ", "0", "1", "x y", "Ключ", "__proto__"];
/// Names of tools.
const TOOLS: [&str; 4] = ["pay", "", "tickets/close", "größer 😀"];
/// What is in members of JSON text that is an argument.
const JSON_TEXTS: [&str; 2] = [r#""{\"a\":1}""#, r#""[{\"n\":null}]""#];
/// Scopes, as tokens have them.
pub const SCOPES: [&str; 5] = ["read", "write", "tickets.read", "a:b/*", "!"];

const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "0.1",
    "-0.0",
    "1e0",
    "1E5",
    "1e-7",
    "2147483648",
    "-2147483649",
    "4294967295",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1.7976931348623157e308",
    "5e-324",
    "2.2250738585072011e-308",
    "123456789012345678901234567890",
];
const TEXTS: [&str; 9] = [
    r#""""#,
    r#""plain""#,
    r#""two words""#,
    r#""\"\\\/\b\f\n\r\t""#,
    r#""\u0000""#,
    r#""\ud83d\ude00 😀""#,
    r#""ä ö ü""#,
    r#""\u2028\ufeff""#,
    r#""<a href='x'>""#,
];
const SUBJECTS: [&str; 5] = ["user:alice", "agent:planner", "ünï çødé", "quote \" and \\ slash", "😀"];
const PATHS: [&str; 8] = [
    "/",
    "/v1/tickets",
    "/v1/tickets/42?q=1&r=%00",
    "/v1/./a/../b//c",
    "/%c3%bc/%E2%82%AC",
    "/v1/%7Euser/%41",
    "/a,b=c/d!e",
    "/v2/x%20y",
];

/// The key of all tokens here; which it is says nothing.
fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::EdDsa, "test").unwrap())
}

/// One question to all policies.
pub struct Question {
    /// Seconds since the Unix epoch.
    pub now: u64,
    pub request: Request,
    /// Members of the token's payload, beside the usual ones.
    claims: String,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}, claims {}", self.now, self.claims)?;
        if let Some(body) = &self.request.body {
            write!(f, "\n  body: {}", String::from_utf8_lossy(body))?;
        }
        let headers = self.request.headers.iter().filter(|(name, _)| name != "authorization");
        for (name, value) in headers {
            write!(f, "\n  {name}: {}", value.escape_ascii())?;
        }
        Ok(())
    }
}

/// A configuration under which every question reaches every entry.
pub fn configuration(entries: &[Value]) -> Value {
    let names: Vec<&str> = entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    json!({
        "issuers": [{
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "algorithms": [key().algorithm().name()],
            "keys": { "inline": jwks(&[key()]) },
        }],
        "delegation": { "max_depth": 8, "allow_cycles": true, "actor_issuers": [ISSUER, "https://other.example"] },
        "routes": [
            { "match": { "path_prefix": "/v1/" }, "policies": names },
            {
                "match": { "path_prefix": "/mcp" },
                "policies": names,
                "mcp": {
                    "tools": [{ "name": "*" }],
                    "resources": [{ "uri": "*" }],
                    "prompts": [{ "name": "*" }],
                    "methods": ["*"],
                },
            },
            { "match": { "path_prefix": "/" }, "policies": names },
        ],
        "policies": entries,
        "audit": { "log": "all" },
    })
}

/// The plainest question at a time, with a token that is good from another on.
pub fn plain(now: u64, first: u64) -> Question {
    let request = Request::get("/").header("authorization", credential("", first));
    Question { now, request, claims: String::new() }
}

/// Any question.
pub fn any(dice: &mut Dice) -> Question {
    let now = dice.pick(&[1_700_000_000, 1, 2_147_483_648, 4_294_967_296, 18_000_000_000]);
    let mut request = match dice.below(3) {
        0 => {
            let path = dice.pick(&["/mcp", "/mcp/x?q=%7b&q", "/mcp?", "/mcp//./y"]);
            match dice.below(8) {
                0 => Request::new(dice.pick(&["GET", "DELETE", "HEAD"]), path),
                _ => Request::new("POST", path).body(message(dice)),
            }
        }
        _ => {
            let method = dice.pick(&["GET", "POST", "DELETE", "M-SEARCH", "X_1"]);
            Request::new(method, dice.pick(&PATHS))
        }
    };
    let host = dice.pick(&["tools.example", "TOOLS.example.:80", "[::1]:443", "a@b", ""]);
    if let Some((_, authority)) = request.headers.iter_mut().find(|(name, _)| name == ":authority") {
        *authority = host.into();
    }
    for _ in 0..dice.below(7) {
        // The credential is one of its own, and so is the path.
        let name = dice.pick(&["x-a", "X-a", "x-tenant", "accept", "x-mandate-agent", "X-Other"]);
        request = request.header(name, header_value(dice));
    }
    let claims = claims(dice);
    Question { now, request: request.header("authorization", credential(&claims, now)), claims }
}

/// A message of MCP.
fn message(dice: &mut Dice) -> String {
    let name = quoted(dice.pick(&TOOLS));
    let (method, named) = match dice.below(6) {
        0 => ("prompts/get", format!(r#""name":{name}"#)),
        1 => ("resources/read", r#""uri":"ticket://7""#.to_owned()),
        2 => ("ping", r#""x":1"#.to_owned()),
        _ => ("tools/call", format!(r#""name":{name}"#)),
    };
    let members = MEMBERS.iter().filter(|_| !dice.once_in(3)).collect::<Vec<_>>();
    let argument = |name: &&&str| {
        let value = if dice.once_in(8) { dice.pick(&JSON_TEXTS).to_owned() } else { value(dice, 3) };
        format!("{}: {value}", quoted(name))
    };
    let arguments: Vec<String> = members.iter().map(argument).collect();
    let params = format!(r#"{{{named},"arguments":{{{}}}}}"#, arguments.join(","));
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

fn header_value(dice: &mut Dice) -> Vec<u8> {
    match dice.below(6) {
        0 => Vec::new(),
        1 => b"caf\xe9".to_vec(),
        2 => "käse 😀".as_bytes().to_vec(),
        3 => vec![b'y'; usize::try_from(dice.below(3000)).unwrap()],
        _ => b"acme".to_vec(),
    }
}

fn credential(claims: &str, now: u64) -> String {
    let expires = now + 3000;
    let payload = format!(
        r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","client_id":"c","jti":"t","iat":{now},"exp":{expires}{claims}{}}}"#,
        if claims.contains(r#""sub""#) { "" } else { r#","sub":"user:alice""# },
    );
    let header = json!({ "alg": key().algorithm().name(), "kid": key().kid(), "typ": "at+jwt" });
    format!("Bearer {}", sign_raw(key(), &header, payload.as_bytes()).unwrap())
}

/// Members of the token's payload, each after a comma: who acts, the scopes, and anything.
fn claims(dice: &mut Dice) -> String {
    let mut claims = format!(r#","sub":{}"#, quoted(dice.pick(&SUBJECTS)));
    let mut act = String::new();
    for _ in 0..dice.below(9) {
        let iss = if dice.once_in(2) { "" } else { r#","iss":"https://other.example""# };
        let kind = if dice.once_in(2) { "" } else { r#","sub_profile":"ai_agent ünï""# };
        let inner = if act.is_empty() { String::new() } else { format!(r#","act":{act}"#) };
        act = format!(r#"{{"sub":{}{iss}{kind}{inner}}}"#, quoted(dice.pick(&SUBJECTS)));
    }
    if !act.is_empty() {
        claims = format!(r#"{claims},"act":{act}"#);
    }
    let scopes: Vec<&str> = (0..dice.below(6)).map(|_| dice.pick(&SCOPES)).collect();
    claims = format!(r#"{claims},"scope":{}"#, quoted(&scopes.join(" ")));
    for member in MEMBERS {
        // The whole token has a bound of 8 KiB.
        if claims.len() < 2500 && !dice.once_in(3) {
            claims = format!("{claims},{}:{}", quoted(member), value(dice, 3));
        }
    }
    claims
}

/// Any JSON value, in a spelling of its own.
fn value(dice: &mut Dice, depth: u64) -> String {
    let kinds = if depth == 0 { 6 } else { 10 };
    match dice.below(kinds) {
        0 => dice.pick(&["null", "true", "false"]).to_owned(),
        1 | 2 => dice.pick(&TEXTS).to_owned(),
        3 => quoted(&"long ".repeat(usize::try_from(dice.below(60)).unwrap())),
        4 | 5 => dice.pick(&NUMBERS).to_owned(),
        6 | 7 => {
            let elements: Vec<String> = (0..dice.below(4)).map(|_| value(dice, depth - 1)).collect();
            format!("[{}]", elements.join(" ,"))
        }
        _ => {
            // No name twice, or the token is malformed.
            let names = MEMBERS.iter().filter(|_| dice.once_in(3)).collect::<Vec<_>>();
            let members = names.iter().map(|name| format!("{}: {}", quoted(name), value(dice, depth - 1)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A pointer into claims, as a policy might ask for: often into nothing, sometimes no pointer at all.
pub fn pointer(dice: &mut Dice) -> String {
    if dice.once_in(12) {
        return dice
            .pick(&["", "n", "/act/act/sub", "/scope", "/exp", "/a~2b", "/~", "/-", "/00"])
            .to_owned();
    }
    let mut pointer = String::new();
    for _ in 0..dice.within(1, 3) {
        let member = dice.pick(&MEMBERS).replace('~', "~0").replace('/', "~1");
        pointer = format!("{pointer}/{member}");
    }
    pointer
}
