//! What is no chain of links, or grants what is not understood.

use crate::made::{Link, grant, holder, thumbprint};
use crate::refused::{constrain, link, refused};
use crate::support::NOW_S;
use mandate_core::reason::Reason;
use serde_json::{Value, json};

#[test]
fn what_cannot_be_read_as_links_is_malformed() {
    use Reason::DelegationMalformed as Malformed;
    let missing = |at, claim: &str| link(at, &format!("`{claim}` is missing"));
    let wrong = |at, claim: &str| link(at, &format!("`{claim}` has the wrong type"));
    refused(&[
        ("another type", |l| l[1].header["typ"] = json!("JWT"), Malformed, link(1, "`typ` is not `at+jwt`")),
        ("no sub", |l| remove(l, 1, "sub"), Malformed, missing(1, "sub")),
        ("no client", |l| remove(l, 1, "client_id"), Malformed, missing(1, "client_id")),
        ("no issuer", |l| remove(l, 2, "iss"), Malformed, missing(2, "iss")),
        ("no jti", |l| remove(l, 0, "jti"), Malformed, missing(0, "jti")),
        ("no aud", |l| remove(l, 1, "aud"), Malformed, missing(1, "aud")),
        ("no aud in the list", |l| l[1].claims["aud"] = json!([]), Malformed, wrong(1, "aud")),
        ("aud null", |l| l[1].claims["aud"] = json!(null), Malformed, wrong(1, "aud")),
        ("aud no text", |l| l[1].claims["aud"] = json!([1]), Malformed, wrong(1, "aud")),
        ("no exp", |l| remove(l, 2, "exp"), Malformed, missing(2, "exp")),
        ("no iat", |l| remove(l, 2, "iat"), Malformed, missing(2, "iat")),
        ("iat no date", |l| l[2].claims["iat"] = json!("now"), Malformed, wrong(2, "iat")),
        ("nbf no date", |l| l[2].claims["nbf"] = json!(-1), Malformed, wrong(2, "nbf")),
        (
            "exp before iat",
            |l| l[2].claims["exp"] = json!(NOW_S - 20),
            Malformed,
            link(2, "`exp` is not later than `iat`"),
        ),
        ("no cnf", |l| remove(l, 2, "cnf"), Malformed, missing(2, "cnf")),
        ("cnf empty", |l| l[2].claims["cnf"] = json!({}), Malformed, wrong(2, "cnf")),
        ("cnf no object", |l| l[2].claims["cnf"] = json!("key"), Malformed, wrong(2, "cnf")),
        (
            "cnf no key",
            |l| l[1].claims["cnf"] = json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
            Malformed,
            wrong(1, "cnf"),
        ),
        (
            "cnf of two keys",
            |l| l[1].claims["cnf"]["jkt"] = json!(thumbprint(&holder(7))),
            Malformed,
            link(1, "`cnf` names two keys: `jkt` is not the thumbprint of `jwk`"),
        ),
        ("no depth", |l| remove(l, 1, "del_depth"), Malformed, missing(1, "del_depth")),
        ("depth no number", |l| l[1].claims["del_depth"] = json!("1"), Malformed, wrong(1, "del_depth")),
        ("depth negative", |l| l[1].claims["del_depth"] = json!(-1), Malformed, wrong(1, "del_depth")),
        ("no most depth", |l| remove(l, 0, "del_max_depth"), Malformed, missing(0, "del_max_depth")),
        (
            "most depth none",
            |l| l[0].claims["del_max_depth"] = json!(0),
            Malformed,
            wrong(0, "del_max_depth"),
        ),
        ("no hash", |l| l[1].claims["par_hash"] = json!(null), Malformed, missing(1, "par_hash")),
        (
            "a root with a hash",
            |l| l[0].claims["par_hash"] = json!("AAAA"),
            Malformed,
            link(0, "`par_hash` must not be in this link"),
        ),
        (
            "another account of who acts",
            |l| l[2].claims["act"] = json!({ "sub": "other" }),
            Malformed,
            link(2, "`act` must not be in this link"),
        ),
        (
            "white space",
            |l| l[1].claims_text = |text| text.replacen(':', ": ", 1),
            Malformed,
            not_canonical(1, "claims"),
        ),
        (
            "white space in the header",
            |l| l[0].header_text = |text| format!("{text} "),
            Malformed,
            not_canonical(0, "header"),
        ),
        (
            "another order",
            |l| l[2].header_text = |_| r#"{"typ":"at+jwt","alg":"EdDSA"}"#.to_owned(),
            Malformed,
            not_canonical(2, "header"),
        ),
        (
            "a number written otherwise",
            |l| l[1].claims_text = |text| text.replace("\"del_depth\":1", "\"del_depth\":1.0"),
            Malformed,
            not_canonical(1, "claims"),
        ),
        (
            "an integer beyond doubles",
            |l| l[1].claims["x"] = json!(9_007_199_254_740_992_u64),
            Malformed,
            not_canonical(1, "claims"),
        ),
        (
            "a member twice",
            |l| l[1].claims_text = |text| text.replacen('{', r#"{"aud":"x","#, 1),
            Malformed,
            link(1, "the claims of the token names a member twice"),
        ),
    ]);
}

fn not_canonical(at: usize, part: &str) -> Value {
    link(at, &format!("the {part} is not in canonical form (RFC 8785), or has a number beyond 2^53 - 1"))
}

fn remove(links: &mut [Link], at: usize, claim: &str) {
    links[at].claims.as_object_mut().unwrap().remove(claim);
}

#[test]
fn what_a_link_grants_must_be_one_detail_that_is_understood_whole() {
    use Reason::DelegationMalformed as Malformed;
    let detail = || {
        link(
            1,
            "`authorization_details` is not one object of the type `agent_delegation` with `scopes` and `constraints` only",
        )
    };
    let scope = || link(1, "a scope is malformed");
    let constraint =
        || link(1, "a constraint is malformed, or another of the same key and type stands beside it");
    refused(&[
        (
            "none",
            |l| remove(l, 1, "authorization_details"),
            Malformed,
            link(1, "`authorization_details` is missing"),
        ),
        ("an empty list", |l| l[1].claims["authorization_details"] = json!([]), Malformed, detail()),
        (
            "two",
            |l| {
                let one = l[1].claims["authorization_details"][0].clone();
                l[1].claims["authorization_details"] = json!([one, one]);
            },
            Malformed,
            detail(),
        ),
        (
            "another type",
            |l| l[1].claims["authorization_details"][0]["type"] = json!("payment"),
            Malformed,
            detail(),
        ),
        (
            "another member",
            |l| l[1].claims["authorization_details"][0]["actions"] = json!([]),
            Malformed,
            detail(),
        ),
        (
            "no scopes",
            |l| l[1].claims["authorization_details"][0]["scopes"] = json!("crm.x"),
            Malformed,
            detail(),
        ),
        ("constraints no list", |l| constrain(l, 1, json!({})), Malformed, detail()),
        (
            "a scope of everything",
            |l| l[1].claims["authorization_details"] = grant(&["*"], json!([])),
            Malformed,
            scope(),
        ),
        (
            "a part of a name",
            |l| l[1].claims["authorization_details"] = grant(&["crm.re*"], json!([])),
            Malformed,
            scope(),
        ),
        (
            "a star inside",
            |l| l[1].claims["authorization_details"] = grant(&["crm.*.read"], json!([])),
            Malformed,
            scope(),
        ),
        (
            "a scope no text",
            |l| l[1].claims["authorization_details"][0]["scopes"] = json!([1]),
            Malformed,
            scope(),
        ),
        ("no key", |l| constrain(l, 1, json!([{ "max": 1 }])), Malformed, constraint()),
        ("no type", |l| constrain(l, 1, json!([{ "key": "rows" }])), Malformed, constraint()),
        (
            "two types",
            |l| constrain(l, 1, json!([{ "key": "rows", "max": 1, "min": 1 }])),
            Malformed,
            constraint(),
        ),
        (
            "another member",
            |l| constrain(l, 1, json!([{ "key": "rows", "max": 1, "unit": "row" }])),
            Malformed,
            constraint(),
        ),
        (
            "a number as text",
            |l| constrain(l, 1, json!([{ "key": "rows", "max": "1" }])),
            Malformed,
            constraint(),
        ),
        (
            "a list as text",
            |l| constrain(l, 1, json!([{ "key": "rows", "one_of": "1" }])),
            Malformed,
            constraint(),
        ),
        (
            "a rank without order",
            |l| constrain(l, 1, json!([{ "key": "egress", "rank": "any" }])),
            Malformed,
            constraint(),
        ),
        (
            "a rank outside of its order",
            |l| constrain(l, 1, json!([{ "key": "egress", "rank": "all", "order": ["none", "any"] }])),
            Malformed,
            constraint(),
        ),
        (
            "an order of one",
            |l| constrain(l, 1, json!([{ "key": "egress", "rank": "any", "order": ["any"] }])),
            Malformed,
            constraint(),
        ),
        (
            "an order with a pair",
            |l| constrain(l, 1, json!([{ "key": "egress", "rank": "any", "order": ["any", "any"] }])),
            Malformed,
            constraint(),
        ),
        (
            "the same constraint twice",
            |l| constrain(l, 1, json!([{ "key": "rows", "max": 1 }, { "key": "rows", "max": 1 }])),
            Malformed,
            constraint(),
        ),
    ]);
}
