use std::path::PathBuf;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jwt_simple::prelude::*;
use mandate_host::tokens::{
    Algorithm, Claims, Hop, SigningKey, TokenBuilder, TokenError, forge, jwks, sign_raw, unsigned,
};
use serde_json::{Map, Value, json};

const NOW: i64 = 1_900_000_000;

/// One RSA key for all RSA algorithms: making one takes seconds in an unoptimised build.
fn rsa() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("desk-rsa.jwk");
        SigningKey::load_or_generate(&path, Algorithm::Rs256, "rsa").unwrap()
    })
}

fn key(algorithm: Algorithm) -> SigningKey {
    let kid = format!("key-{algorithm}");
    if algorithm.is_rsa() {
        rsa().under(algorithm, &kid).unwrap()
    } else {
        SigningKey::generate(algorithm, &kid).unwrap()
    }
}

fn claims() -> Claims {
    Claims::new()
        .issuer("https://idp.example")
        .audiences(&["https://tools.example", "https://other.example"])
        .subject("user:alice")
        .client_id("agent-c")
        .scope("tickets.read tickets.write")
        .valid_from(NOW, 300)
        .id("t-1")
}

/// Verifies with the token library alone, by the published key.
fn verify(jwk: &Value, token: &str) -> Result<Map<String, Value>, String> {
    let options = || {
        Some(VerificationOptions {
            artificial_time: Some(UnixTimeStamp::from_secs(NOW.unsigned_abs() + 10)),
            time_tolerance: None,
            ..VerificationOptions::default()
        })
    };
    let text = jwk.to_string();
    macro_rules! with {
        ($key:ident) => {
            $key::from_jwk(&text).and_then(|k| k.verify_token::<Map<String, Value>>(token, options()))
        };
    }
    match jwk["alg"].as_str().unwrap() {
        "EdDSA" => with!(Ed25519PublicKey),
        "ES256" => with!(ES256PublicKey),
        "ES384" => with!(ES384PublicKey),
        "RS256" => with!(RS256PublicKey),
        "RS384" => with!(RS384PublicKey),
        "RS512" => with!(RS512PublicKey),
        "PS256" => with!(PS256PublicKey),
        "PS384" => with!(PS384PublicKey),
        "PS512" => with!(PS512PublicKey),
        other => panic!("unknown {other}"),
    }
    .map(|verified| verified.custom)
    .map_err(|error| error.to_string())
}

fn part(token: &str, index: usize) -> Value {
    let bytes = BASE64URL.decode(token.split('.').nth(index).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_token_of_every_algorithm_verifies_and_its_forgery_does_not() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let token = TokenBuilder::new(claims()).sign(&key).unwrap();
        assert_eq!(
            part(&token, 0),
            json!({ "alg": algorithm.name(), "kid": format!("key-{algorithm}"), "typ": "at+jwt" })
        );
        assert_eq!(part(&token, 1), claims().to_json(), "{algorithm}");
        let verified = verify(&key.public_jwk(), &token).unwrap();
        assert_eq!(verified["client_id"], "agent-c");
        let forged = forge(&token).unwrap();
        assert_eq!(forged.len(), token.len());
        assert!(verify(&key.public_jwk(), &forged).is_err(), "{algorithm} accepted a forgery");
    }
}

#[test]
fn a_raw_token_of_every_algorithm_verifies_and_its_forgery_does_not() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let token =
            TokenBuilder::new(claims()).typ(None).header("x", 1).without_header("kid").sign(&key).unwrap();
        assert_eq!(part(&token, 0), json!({ "alg": algorithm.name(), "x": 1 }));
        verify(&key.public_jwk(), &token).unwrap();
        assert!(verify(&key.public_jwk(), &forge(&token).unwrap()).is_err());
    }
}

#[test]
fn another_key_of_the_same_name_does_not_verify() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384] {
        let token = TokenBuilder::new(claims()).sign(&key(algorithm)).unwrap();
        assert!(verify(&key(algorithm).public_jwk(), &token).is_err());
    }
}

#[test]
fn the_public_jwk_has_its_members_and_never_the_private_part() {
    let members = |algorithm| {
        let jwk = key(algorithm).public_jwk();
        assert_eq!(jwk["alg"], algorithm.name());
        assert_eq!(jwk["use"], "sig");
        assert_eq!(jwk["kid"], format!("key-{algorithm}"));
        let mut names: Vec<String> = jwk.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(members(Algorithm::EdDsa), ["alg", "crv", "kid", "kty", "use", "x"]);
    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        assert_eq!(members(algorithm), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    }
    for algorithm in Algorithm::ALL.into_iter().filter(|a| a.is_rsa()) {
        assert_eq!(members(algorithm), ["alg", "e", "kid", "kty", "n", "use"]);
    }
    assert_eq!(
        format!("{:?}", key(Algorithm::EdDsa)),
        r#"SigningKey { algorithm: EdDsa, kid: "key-EdDSA" }"#
    );
}

#[test]
fn a_key_set_holds_the_keys_in_order() {
    let (one, two) = (key(Algorithm::EdDsa), key(Algorithm::Es256));
    assert_eq!(jwks(&[&one, &two]), json!({ "keys": [one.public_jwk(), two.public_jwk()] }));
}

#[test]
fn the_current_actor_is_outermost_and_the_oldest_innermost() {
    let hops = [
        ("https://idp.example", "oldest"),
        ("https://idp.example", "middle"),
        ("https://b.example", "current"),
    ];
    assert_eq!(
        claims().delegation(hops).to_json()["act"],
        json!({ "iss": "https://b.example", "sub": "current",
            "act": { "iss": "https://idp.example", "sub": "middle",
                "act": { "iss": "https://idp.example", "sub": "oldest" } } })
    );
    assert_eq!(claims().delegation([Hop::bare("a")]).to_json()["act"], json!({ "sub": "a" }));
    assert!(claims().delegation(Vec::<Hop>::new()).to_json().get("act").is_none());
}

#[test]
fn claims_may_be_anything() {
    let key = key(Algorithm::Es256);
    let odd = claims().claim("exp", "soon").claim("iss", json!(["a"])).claim("nbf", -5).without("sub");
    let token = TokenBuilder::new(odd.clone()).sign(&key).unwrap();
    assert_eq!(part(&token, 1), odd.to_json());
    assert_eq!(claims().audience("one").to_json()["aud"], "one");
    assert_eq!(claims().to_json()["exp"], NOW + 300);
}

#[test]
fn raw_payloads_and_headers_are_signed_byte_for_byte() {
    let key = key(Algorithm::EdDsa);
    let payload = br#"{"sub":"a","sub":"b"}"#;
    let token = sign_raw(&key, &json!({ "alg": "ES256", "crit": ["x"] }), payload).unwrap();
    assert_eq!(BASE64URL.decode(token.split('.').nth(1).unwrap()).unwrap(), payload);
    assert_eq!(part(&token, 0)["alg"], "ES256");
    let none = unsigned(&json!({ "alg": "none" }), b"\xff\x00");
    assert!(none.ends_with('.') && none.matches('.').count() == 2);
    assert!(matches!(forge(&none), Err(TokenError::NotCompact)));
    assert!(matches!(forge("no dots"), Err(TokenError::NotCompact)));
}

#[test]
fn a_key_survives_its_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let path = folder.path().join("made/below").join(algorithm.name());
        key.save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = SigningKey::load_or_generate(&path, algorithm, key.kid()).unwrap();
        let token = TokenBuilder::new(claims()).sign(&loaded).unwrap();
        verify(&key.public_jwk(), &token).unwrap();
        let again = SigningKey::from_der(algorithm, key.kid(), &key.to_der().unwrap()).unwrap();
        assert_eq!(again.public_jwk(), key.public_jwk());
    }
}

#[test]
fn a_key_file_of_another_key_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.jwk");
    key(Algorithm::EdDsa).save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        SigningKey::load_or_generate(&path, Algorithm::Es256, "key-EdDSA"),
        Err(TokenError::Format { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::write(&path, "{}").unwrap();
    assert!(matches!(SigningKey::load(&path), Err(TokenError::Format { .. })));
    assert!(matches!(SigningKey::load(&folder.path().join("none")), Err(TokenError::File { .. })));
}

#[test]
fn keys_and_names_of_the_wrong_kind_are_told_apart() {
    assert!(matches!(
        key(Algorithm::EdDsa).under(Algorithm::Es256, "k"),
        Err(TokenError::OtherFamily { from: Algorithm::EdDsa, to: Algorithm::Es256 })
    ));
    let symmetric = SigningKey::from_private_jwk(r#"{"kty":"oct","alg":"HS256","kid":"k","k":"AA"}"#);
    assert!(matches!(symmetric, Err(TokenError::UnknownAlgorithm(name)) if name == "HS256"));
    assert!(matches!(SigningKey::from_pem(Algorithm::Rs256, "k", "no"), Err(TokenError::Key { .. })));
}
