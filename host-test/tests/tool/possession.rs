//! Tokens that are bound to a key, and proofs of it.

use super::support::{self, AUDIENCE, ISSUER};
use super::{Desk, read_token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mandate_host::tokens::Algorithm;
use serde_json::{Value, json};

const NOW: u64 = 1_790_000_000;
const URI: &str = "https://tools.example/v1/x";

impl Desk {
    /// A key of a client, in this file.
    fn client_key(&self, file: &str, algorithm: Algorithm) {
        match algorithm.is_rsa() {
            // To make one takes long.
            true => support::key(algorithm).save(&self.path(file)).unwrap(),
            false => {
                let keygen = ["token", "keygen", "--key", file, "--algorithm", algorithm.name()];
                self.ok(&keygen);
            }
        }
    }

    fn bound_token(&self, key: &str, extra: &[&str]) -> String {
        let now = NOW.to_string();
        self.token(&[&["--dpop-key", key, "--now", &now, "--scope", "tickets.read"], extra].concat())
    }

    fn proof(&self, key: &str, token: &str, extra: &[&str]) -> String {
        let now = NOW.to_string();
        let mut arguments = vec!["token", "proof", "--key", key, "--now", &now];
        if !extra.contains(&"--uri") {
            arguments.extend(["--uri", URI]);
        }
        if !token.is_empty() {
            arguments.extend(["--token", token]);
        }
        self.ok(&[&arguments, extra].concat())
    }

    /// Decides on a request with these headers, so many seconds later. Gives the reason of a denial.
    fn decide(&self, headers: &Value, later: u64) -> Option<String> {
        let request = json!({ "method": "GET", "path": "/v1/x", "headers": headers });
        self.write("request.json", &request);
        let now = (NOW + later).to_string();
        let output = self.run(&[
            "decide",
            "--config",
            "config.json",
            "--request",
            "request.json",
            "--json",
            "--now",
            &now,
        ]);
        let decided: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
        assert_eq!(output.status.code(), Some(i32::from(decided["result"] == "deny")), "{decided}");
        assert_eq!(decided.get("log"), None, "the desk shares its memory with nobody: {decided}");
        decided["reason"].as_str().map(str::to_owned)
    }
}

/// Header and claims of a JWT.
fn parts(jwt: &str) -> [Value; 2] {
    let mut parts = jwt.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

#[test]
fn a_bound_token_is_allowed_with_a_proof_of_its_key_and_with_nothing_less() {
    let desk = Desk::new();
    for key in ["own.json", "thief.json"] {
        desk.client_key(key, Algorithm::Es256);
    }
    let token = desk.bound_token("own.json", &[]);
    let jwks: Value = serde_json::from_slice(&std::fs::read(desk.path("jwks.json")).unwrap()).unwrap();
    desk.write(
        "config.json",
        &json!({
            "issuers": [{
                "issuer": ISSUER, "audiences": [AUDIENCE], "algorithms": ["EdDSA"], "keys": { "inline": jwks }, "proof": "if_bound",
            }],
            "proofs": { "external_uris": ["https://tools.example"] },
            "routes": [{ "match": { "path_prefix": "/v1/" }, "scopes": ["tickets.read"] }],
        }),
    );
    let headers = |key: &str, extra: &[&str]| -> Value {
        let printed = desk.proof(key, &token, &[&["--json"], extra].concat());
        serde_json::from_str(&printed).unwrap()
    };
    let bearer = json!([["authorization", format!("Bearer {token}")]]);
    assert_eq!(desk.decide(&bearer, 0).as_deref(), Some("proof_required"));
    assert_eq!(desk.decide(&headers("thief.json", &[]), 0).as_deref(), Some("proof_invalid"));
    for other in [
        &["--method", "POST"][..],
        &["--uri", "https://tools.example/v1/y"],
        &["--uri", "https://other.example/v1/x"],
    ] {
        assert_eq!(
            desk.decide(&headers("own.json", other), 0).as_deref(),
            Some("proof_invalid"),
            "{other:?}"
        );
    }
    let own = headers("own.json", &[]);
    // Longer than its `iat` is accepted, and before the token ends.
    assert_eq!(desk.decide(&own, 61).as_deref(), Some("proof_invalid"));
    assert_eq!(desk.decide(&own, 60), None);
    assert_eq!(desk.decide(&headers("own.json", &["--uri", &format!("{URI}?page=2#top")]), 0), None);
}

#[test]
fn a_key_that_is_not_there_is_not_made() {
    let desk = Desk::new();
    desk.token(&[]);
    let mint = [
        "token",
        "mint",
        "--key",
        "key.json",
        "--issuer",
        ISSUER,
        "--audience",
        AUDIENCE,
        "--subject",
        "a",
        "--dpop-key",
        "absent.json",
    ];
    let prove = ["token", "proof", "--key", "absent.json", "--uri", URI];
    for arguments in [&mint[..], &prove] {
        let output = desk.run(arguments);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("absent.json"), "{output:?}");
        assert!(!desk.path("absent.json").exists());
    }
    desk.client_key("own.json", Algorithm::Es256);
    for uri in ["tools.example/v1/x", "ftp://tools.example/", "https:///v1", "https://tools.example/a%2fb"] {
        let output = desk.run(&["token", "proof", "--key", "own.json", "--uri", uri]);
        assert_eq!(output.status.code(), Some(2), "{uri}: {output:?}");
    }
}

#[test]
fn proofs_of_every_kind_of_key_verify_with_their_token_and_with_no_other() {
    let desk = Desk::new();
    desk.client_key("thief.json", Algorithm::Es256);
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256] {
        let key = format!("{algorithm}.json");
        desk.client_key(&key, algorithm);
        let token = desk.bound_token(&key, &[]);
        let now = NOW.to_string();
        let verify = |proof: &[&str]| {
            let (code, result) = desk.verify(&token, &[&["--now", &now], proof].concat());
            assert_eq!(code, Some(i32::from(result["valid"] == false)), "{result}");
            result["reason"].as_str().map(str::to_owned)
        };
        assert_eq!(verify(&[]).as_deref(), Some("proof_required"), "{algorithm}");
        let stolen = desk.proof("thief.json", &token, &[]);
        assert_eq!(
            verify(&["--proof", &stolen, "--uri", URI]).as_deref(),
            Some("proof_invalid"),
            "{algorithm}"
        );
        let proof = desk.proof(&key, &token, &["--method", "POST", "--jti", "7", "--nonce", "n"]);
        assert_eq!(
            verify(&["--proof", &proof, "--uri", URI]).as_deref(),
            Some("proof_invalid"),
            "{algorithm}"
        );
        let request =
            ["--proof", &proof, "--method", "POST", "--uri", "https://TOOLS.example:443/v1/x?page=2"];
        assert_eq!(verify(&request), None, "{algorithm}");

        let [header, claims] = parts(&proof);
        assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!(algorithm.name())));
        let members: Vec<&str> = header["jwk"].as_object().unwrap().keys().map(String::as_str).collect();
        assert!(members.iter().all(|it| ["kty", "crv", "x", "y", "n", "e"].contains(it)), "{members:?}");
        assert_eq!(header.as_object().unwrap().len(), 3, "{header}");
        let ath = claims["ath"].as_str().unwrap();
        let expected = json!({ "htm": "POST", "htu": URI, "iat": NOW, "jti": "7", "nonce": "n", "ath": ath });
        assert_eq!(claims, expected);
    }
}

#[test]
fn a_proof_without_a_token_is_made_for_no_token_and_each_has_an_id_of_its_own() {
    let desk = Desk::new();
    desk.client_key("own.json", Algorithm::EdDsa);
    let printed: Value = serde_json::from_str(&desk.proof("own.json", "", &["--json"])).unwrap();
    let names: Vec<&Value> = printed.as_array().unwrap().iter().map(|header| &header[0]).collect();
    assert_eq!(names, ["dpop"]);
    let [_, one] = parts(&desk.proof("own.json", "", &[]));
    let [_, two] = parts(&desk.proof("own.json", "", &[]));
    assert_eq!(one.get("ath"), None);
    assert_ne!(one["jti"], two["jti"]);
    assert!(one["jti"].as_str().unwrap().len() >= 16, "{one}");
}

#[test]
fn the_thumbprint_joins_what_else_the_token_is_bound_to() {
    let desk = Desk::new();
    desk.client_key("own.json", Algorithm::Es256);
    let token = desk.bound_token("own.json", &["--claim", r#"cnf={"x5t#S256":"abc"}"#]);
    let [_, claims] = parts(&token);
    let names: Vec<&String> = claims["cnf"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["jkt", "x5t#S256"]);
    assert_eq!(claims["cnf"]["jkt"].as_str().unwrap().len(), 43);
}

/// A key as other tools write it has no `alg`.
#[test]
fn a_private_key_of_another_tool_is_taken_for_what_its_curve_is_for() {
    let desk = Desk::new();
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256] {
        let file = format!("{algorithm}.json");
        desk.client_key(&file, algorithm);
        let mut jwk: Value = serde_json::from_slice(&std::fs::read(desk.path(&file)).unwrap()).unwrap();
        jwk.as_object_mut().unwrap().retain(|name, _| !["alg", "kid", "use"].contains(&name.as_str()));
        desk.write("foreign.json", &jwk);
        let [header, _] = parts(&desk.proof("foreign.json", "", &[]));
        assert_eq!(header["alg"], algorithm.name());
    }
    desk.write("foreign.json", &json!({ "kty": "oct", "k": "AAAA" }));
    let output = desk.run(&["token", "proof", "--key", "foreign.json", "--uri", URI]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn check_token_says_that_a_bound_token_needs_a_proof_and_what_denies_it_beside_that() {
    let desk = Desk::new();
    desk.client_key("own.json", Algorithm::Es256);
    let proofs = |proof: &'static str| {
        move |config: &mut Value| {
            config["issuers"][0]["proof"] = json!(proof);
            config["proofs"] = json!({ "external_uris": ["https://tools.example"] });
            let more = json!({ "match": { "path_prefix": "/v1/payments" }, "scopes": ["payments.write"] });
            config["routes"].as_array_mut().unwrap().insert(0, more);
        }
    };
    let read = |proof, mint: &[&str]| {
        let (code, reading) = read_token(&desk, proofs(proof), &["--jwks", "jwks.json"], mint);
        let routes = reading["routes"].as_array().unwrap().iter();
        let routes: Vec<(Value, Value)> =
            routes.map(|it| (it["denied"]["reason"].clone(), it["needs_proof"].clone())).collect();
        (code, routes, reading["advice"].to_string())
    };
    let bound = ["--dpop-key", "own.json"];
    // Whatever else: without proofs, everybody could have it.
    let (code, routes, advice) = read("none", &bound);
    assert_eq!((code, routes.len()), (Some(1), 2));
    assert!(routes.iter().all(|it| *it == (json!("claim_invalid"), json!(false))), "{routes:?}");
    assert!(advice.contains("if_bound"), "{advice}");
    // A token that is not bound, where it must be.
    let (code, routes, advice) = read("required", &[]);
    assert_eq!(code, Some(1));
    assert!(routes.iter().all(|it| *it == (json!("proof_required"), json!(false))), "{routes:?}");
    assert!(advice.contains("bound to no key"), "{advice}");
    for proof in ["if_bound", "required"] {
        let (code, routes, advice) = read(proof, &bound);
        assert_eq!(code, Some(0), "{proof}");
        assert_eq!(
            routes,
            [(json!("scope_insufficient"), json!(true)), (Value::Null, json!(true))],
            "{proof}"
        );
        assert!(advice.contains("mandate token proof"), "{advice}");
    }
    let (code, routes, _) = read("if_bound", &[]);
    assert_eq!((code, &routes[1]), (Some(0), &(Value::Null, json!(false))));
    // A forged one is not helped by that.
    let token =
        mandate_host::tokens::forge(&desk.token(&[&["--scope", "tickets.read"], &bound[..]].concat()))
            .unwrap();
    let output = desk.run(&["check", "mandate.json", "--json", "--jwks", "jwks.json", "--token", &token]);
    let reading: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &reading["accepted"]), (Some(1), &json!(false)), "{reading}");
    assert_eq!(reading["routes"][1]["denied"]["reason"], "signature_invalid");
}
