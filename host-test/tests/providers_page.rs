//! `docs/providers.md` is made from the corpus, whose tokens run through the core, the harness and Envoy: what the page shows is
//! what is tested. `MANDATE_WRITE_DOCS=1 cargo test --workspace --test providers_page` writes it anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "corpus/cases.rs"]
#[allow(dead_code, reason = "only the entries of providers are used here")]
mod cases;
#[path = "corpus/providers.rs"]
#[allow(dead_code, reason = "only the entries of providers are used here")]
mod providers;
mod support;

use mandate_core::config::Provider;
use mandate_host::init::usual_jwks_uri;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

const INTRODUCTION: &str = "\
<!-- Made from host-test/tests/corpus/providers.json: do not edit. `MANDATE_WRITE_DOCS=1 cargo test --workspace --test providers_page` writes it anew. -->

# Providers: tokens as they are really issued

What to write for each token issuer, what is read from its tokens, and which headers the upstream gets. `provider` is a preset of the members
`token_types`, `claims`, `agent`, `chain` and `max_lifetime_s` of an issuer; each of them can be written instead. All of them are described in
[configuration.md](configuration.md#issuers).

```sh
mandate init --provider okta --issuer https://acme.okta.com/oauth2/default --audience api://default   # a configuration, and Envoy's around it
mandate check mandate.json --expand                                                                 # what a provider stands for
mandate check mandate.json --token \"$TOKEN\" --jwks jwks.json                                        # how a token is read, and what denies it
```

If a token is denied and you do not know why, begin with the last one: it names the claim that each thing is read from, everything that denies
the token, and what to change. `jwks.json` is the issuer's key set; without it the signature is not checked, and the exit status is 1. The filter fetches the set
by itself (`keys.remote`).

- [How a token is read](#how-a-token-is-read)
- [Who acts](#who-acts)
- [What each provider stands for](#what-each-provider-stands-for)
- Examples: ";

const RULES: &str = "
## How a token is read

The default is RFC 9068, and nothing is guessed from a token: what is accepted beyond it, the configuration says.

- **Claims are named by JSON pointers** (RFC 6901): `/sub`, `/realm_access/roles`, `/https:~1~1app~1roles` for the claim `https://app/roles`. Of several,
  the first that is present counts; of scopes, all that are present count together. A claim that is not named decides nothing.
- **`null` in a list admits absence**: `\"token_types\": [null]` accepts a header without `typ`, `\"client\": [\"/azp\", null]` a token without client.
- **Scopes of the user are not the agent's.** Where a provider writes what the user may do beside what the client was given (`roles` of Entra, `permissions` of Auth0), a
  mapping to both lets an agent do everything that its user may do.
- **Marks** (`claims.require`) keep other kinds of tokens of the same issuer out, ID tokens above all. Presets have marks of claims that their provider
  documents. Marks that you write are added to them.
- **The principal** may be made of several claims: `\"principal\": [[\"/tid\", \"/oid\"]]` is `tid/oid`. A `/` or `%` in a value is percent-encoded, so that two
  principals never look the same.
- **Without `iat`** (`\"issued_at\": [\"/iat\", null]`) `max_lifetime_s` limits what is left until `exp`.
- **Lifetimes above a day** must be written (`max_lifetime_s`, at most a week), and `mandate check` warns about them.

## Who acts

| `agent.from` | a token without `act` | a token with `act` (RFC 8693 §4.1) |
|---|---|---|
| `act` | nobody acts | the outermost actor is the agent, if `agent.when` holds |
| `client` | the OAuth client is the agent, as a hop, if `agent.when` holds; a token that names no client is denied (`claim_missing`) | the outermost actor is the agent, whatever `agent.when` says |
| `subject` | the principal itself is the agent, such as a workload, if `agent.when` holds; the depth is 0 | the same |

`agent.when` names for each claim a word that it must contain, or `{\"present\": true}`; all of them must hold.
The conditions of a provider are in force beside those that are written, unless `from` is another than the provider's: then none of them is.
`delegation.required` and `delegation_required` of a route deny requests that no agent makes; where every principal is an agent (`subject` without `when`), they deny
nothing.

`x-mandate-agent` is the agent, and is absent if there is none. `x-mandate-chain` is the principal, then every hop, oldest first, the acting one last, each with its issuer
(`iss`) and, where the token says it, its kind (`sub_profile`) and client (`client_id`). `x-mandate-depth` is the number of hops that count: with
`chain.count` a hop of another kind (`sub_profile`) than those listed does not count, and is no agent; one that does not say its kind counts. Trusted issuers and cycles
are checked for all of them, and policies see all of them. An actor that is the principal itself, and the only one, is no
delegation.

RFC 8693 calls earlier actors informational. Checking their depth, issuers and cycles, as this filter does, is stricter on purpose.
";

/// What a provider's members are, in a table.
fn presets() -> String {
    let mut page = "
## What each provider stands for

`mandate check --expand` prints the same for a configuration. Lists are in order; of `client` and `token id` *or none* stands for `null` in the list.

| `provider` | `typ` | principal | client | token id | scopes | marks | agent | chain | `max_lifetime_s` |
|---|---|---|---|---|---|---|---|---|---|
".to_owned();
    for provider in Provider::ALL {
        let members = provider.members();
        let claims = &members["claims"];
        let joined_by = |value: &Value, joint: &str| -> String {
            let shown = |value: &Value| match value {
                Value::Null => "or none".to_owned(),
                Value::Array(joined) => joined
                    .iter()
                    .map(|it| format!("`{}`", it.as_str().unwrap()))
                    .collect::<Vec<_>>()
                    .join(joint),
                other => format!("`{}`", other.as_str().unwrap()),
            };
            match value {
                Value::Null => "as RFC 9068".to_owned(),
                Value::Array(list) if list.is_empty() => "–".to_owned(),
                other => other.as_array().unwrap().iter().map(shown).collect::<Vec<_>>().join(", "),
            }
        };
        let list = |value: &Value| joined_by(value, " + ");
        let types = members["token_types"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().map_or_else(|| "absent".to_owned(), |it| format!("`{it}`")));
        let marks = claims["require"].as_object().unwrap().iter().map(|(pointer, mark)| match mark {
            Value::Null => format!("no `{pointer}`"),
            Value::Object(_) => format!("`{pointer}`"),
            Value::Array(list) => {
                let values: Vec<String> = list
                    .iter()
                    .map(|it| it.as_str().map_or_else(|| "absent".to_owned(), |it| format!("`{it}`")))
                    .collect();
                format!("`{pointer}` {}", values.join(" or "))
            }
            other => format!("`{pointer}` `{}`", other.as_str().unwrap()),
        });
        let when = members["agent"].get("when").and_then(Value::as_object).into_iter().flatten().map(
            |(pointer, word)| match word.as_str() {
                Some(word) => format!(" if `{pointer}` has `{word}`"),
                None => format!(" with `{pointer}`"),
            },
        );
        let agent = format!("{}{}", members["agent"]["from"].as_str().unwrap(), when.collect::<String>());
        let chain = match members["chain"]["count"].as_array() {
            Some(count) => format!(
                "{}, counting {}",
                members["chain"]["form"].as_str().unwrap(),
                list(&Value::Array(count.clone()))
            ),
            None => members["chain"]["form"].as_str().unwrap().to_owned(),
        };
        let dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            provider.name(),
            types.collect::<Vec<_>>().join(", "),
            list(&claims["principal"]),
            list(&claims["client"]),
            list(&claims["token_id"]),
            joined_by(&claims["scopes"], " or else "),
            dash(marks.collect::<Vec<_>>().join(", ")),
            agent,
            chain,
            members["max_lifetime_s"],
        )
        .unwrap();
    }
    page.push_str("\nThe audience is `/aud`, for `cognito` `/client_id`. The time of issue is `/iat`, for `jwt_svid` and `wit` `/iat` or none.\n");
    page
}

/// The lines of a configuration.
fn configuration(entry: &Value) -> String {
    let issuer = &entry["issuer"];
    let provider = Provider::ALL
        .iter()
        .find(|it| issuer.get("provider").map_or("rfc9068", |it| it.as_str().unwrap()) == it.name())
        .unwrap();
    let name = issuer["issuer"].as_str().unwrap();
    let of_trust_domain = match name.starts_with("spiffe:") {
        true => "https://spire.prod.example/bundle.json",
        false => "https://identity.prod.example/jwks.json",
    };
    let uri = usual_jwks_uri(*provider, name).unwrap_or_else(|| of_trust_domain.to_owned());
    let mut page = "{\n  \"issuers\": [{\n".to_owned();
    for member in ["issuer", "provider", "audiences", "algorithms", "claims", "max_lifetime_s", "token_bytes"]
    {
        if let Some(value) = issuer.get(member) {
            writeln!(page, "    \"{member}\": {},", spaced(value)).unwrap();
        }
    }
    writeln!(page, "    \"keys\": {{ \"remote\": {{ \"cluster\": \"idp\", \"uri\": \"{uri}\" }} }}\n  }}],")
        .unwrap();
    let mut route = entry["route"].clone();
    route["match"] = serde_json::json!({ "path_prefix": "/" });
    let members: Vec<String> = ["match", "scopes", "max_depth", "delegation_required"]
        .iter()
        .filter_map(|member| Some(format!("\"{member}\": {}", spaced(route.get(member)?))))
        .collect();
    write!(page, "  \"routes\": [{{ {} }}]", members.join(", ")).unwrap();
    if *provider == Provider::Wit {
        write!(page, ",\n  \"proofs\": {{ \"external_uris\": [\"{}\"] }}", providers::GATEWAY).unwrap();
    }
    page.push_str("\n}\n");
    page
}

/// JSON in one line, with the spaces that people write.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), spaced(value)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn example(entry: &Value, page: &mut String) {
    write!(
        page,
        "\n### {}\n\n{}\n\n```json\n{}```\n\n",
        entry["name"].as_str().unwrap(),
        entry["about"].as_str().unwrap(),
        configuration(entry)
    )
    .unwrap();
    page.push_str("| token | `x-mandate-principal` | `x-mandate-agent` | `x-mandate-depth` | `x-mandate-chain` |\n|---|---|---|---|---|\n");
    let tokens = entry["tokens"].as_array().unwrap();
    let cell = |value: &Value| {
        value.as_str().map_or_else(|| "–".to_owned(), |text| format!("`{}`", text.replace('|', "\\|")))
    };
    for row in tokens.iter().filter(|row| row.get("upstream").is_some()) {
        let header = |name: &str| cell(&row["upstream"][format!("x-mandate-{name}")]);
        let note =
            row.get("note").and_then(Value::as_str).map(|note| format!(" ({note})")).unwrap_or_default();
        writeln!(
            page,
            "| {}{note} | {} | {} | {} | {} |",
            row["name"].as_str().unwrap(),
            header("principal"),
            header("agent"),
            header("depth"),
            header("chain")
        )
        .unwrap();
    }
    let denied: Vec<String> = tokens
        .iter()
        .filter_map(|row| Some(format!("{} (`{}`)", row["name"].as_str()?, row.get("denied")?.as_str()?)))
        .collect();
    write!(page, "\nDenied: {}.\n", denied.join("; ")).unwrap();
}

fn page() -> String {
    let entries = providers::entries();
    let anchor = |name: &str| {
        name.to_lowercase()
            .chars()
            .filter_map(|it| match it {
                ' ' => Some('-'),
                '_' | '0'..='9' | 'a'..='z' => Some(it),
                _ => None,
            })
            .collect::<String>()
    };
    let links: Vec<String> = entries
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .map(|name| format!("[{name}](#{})", anchor(name)))
        .collect();
    let mut page = format!(
        "{INTRODUCTION}{}\n{RULES}{}\n## Examples\n\nEach configuration is complete; the cluster `idp` is one of the proxy's. Claims and headers are those of the corpus in\n[`host-test/tests/corpus/providers.json`](../host-test/tests/corpus/providers.json), where the tokens are shown whole.\n",
        links.join(", "),
        presets()
    );
    for entry in &entries {
        example(entry, &mut page);
    }
    page
}

#[test]
fn the_page_on_providers_is_made_from_the_corpus() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/providers.md");
    let made = page();
    if std::env::var_os("MANDATE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let is_current = std::fs::read_to_string(&path).unwrap_or_default() == made;
    assert!(is_current, "write it anew: MANDATE_WRITE_DOCS=1 cargo test --workspace --test providers_page");
}
