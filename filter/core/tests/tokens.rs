//! A credential's bytes: whatever is not exactly a compact JWS with strict JSON in it is malformed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and takes the `json!` that is written in place"
)]

mod support;

use mandate_core::algorithm::Algorithm;
use mandate_core::limits;
use mandate_core::reason::Reason;
use mandate_core::token::ParsedToken;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{b64, unb64, vectors};

fn refusal(token: &str) -> Option<Reason> {
    ParsedToken::parse(token).err().map(Reason::from)
}

fn compact(header: &[u8], claims: &[u8]) -> String {
    format!("{}.{}.{}", b64(header), b64(claims), b64([1, 2, 3]))
}

/// A token with this header and empty claims.
fn with_header(header: &Value) -> String {
    compact(header.to_string().as_bytes(), b"{}")
}

#[test]
fn what_is_not_three_parts_of_plain_base64url_is_malformed() {
    let (header, claims, signature) = (b64(br#"{"alg":"EdDSA"}"#), b64(b"{}"), b64([0xfb, 0xff]));
    assert_eq!(refusal(&format!("{header}.{claims}.{signature}")), None, "the token that the table spoils");
    for (what, token) in [
        ("nothing", String::new()),
        ("dots only", "..".to_owned()),
        ("one part", header.clone()),
        ("two parts", format!("{header}.{claims}")),
        ("four parts", format!("{header}.{claims}.{signature}.")),
        ("five parts, as a JWE has", format!("{header}.{claims}.{signature}.{claims}.{claims}")),
        ("no header", format!(".{claims}.{signature}")),
        ("no claims, as a detached payload has", format!("{header}..{signature}")),
        ("padded header", format!("{}.{claims}.{signature}", b64(br#"{"alg":"EdDSA" }"#) + "==")),
        ("padded claims", format!("{header}.{claims}=.{signature}")),
        ("padded signature", format!("{header}.{claims}.{signature}=")),
        ("the other alphabet", format!("{header}.{claims}.+/8")),
        ("a space before", format!(" {header}.{claims}.{signature}")),
        ("a space after", format!("{header}.{claims}.{signature} ")),
        ("a line break after", format!("{header}.{claims}.{signature}\n")),
        ("a space within", format!("{header}.{claims} .{signature}")),
        ("a line break within", format!("{header}.{claims}.\n{signature}")),
        ("a null byte", format!("{header}.{claims}.{signature}\0")),
        ("a letter outside ASCII", format!("{header}.{claims}.{signature}é")),
        ("a lone character", format!("{header}.{claims}.{signature}AA")),
        ("a percent sign", format!("{header}.{claims}.%2D")),
    ] {
        assert_eq!(refusal(&token), Some(Reason::TokenMalformed), "{what}");
    }
}

#[test]
fn stray_bits_in_the_last_character_of_any_part_are_malformed() {
    // RFC 4648 §3.5: otherwise several texts would decode to the same bytes and pass as one token.
    let header = b64(br#"{"alg":"EdDSA"} "#);
    let claims = b64(b"{}");
    let signature = b64([0; 64]);
    assert_eq!(
        (header.len() % 4, claims.len() % 4, signature.len() % 4),
        (2, 3, 2),
        "each has bits to spare"
    );
    let stray = |part: &str| {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (rest, last) = part.split_at(part.len() - 1);
        let at = alphabet.find(last).unwrap();
        format!("{rest}{}", &alphabet[at + 1..at + 2])
    };
    for token in [
        format!("{}.{claims}.{signature}", stray(&header)),
        format!("{header}.{}.{signature}", stray(&claims)),
        format!("{header}.{claims}.{}", stray(&signature)),
    ] {
        assert_eq!(refusal(&token), Some(Reason::TokenMalformed), "{token}");
    }
    assert_eq!(refusal(&format!("{header}.{claims}.{signature}")), None);
}

#[test]
fn a_header_or_claims_that_are_no_strict_json_object_are_malformed() {
    let good_header: &[u8] = br#"{"alg":"EdDSA"}"#;
    let nested =
        |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)).into_bytes();
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("empty", b"".to_vec()),
        ("null", b"null".to_vec()),
        ("an array", b"[]".to_vec()),
        ("a string", br#""alg""#.to_vec()),
        ("a number", b"1".to_vec()),
        ("cut short", br#"{"alg":"EdDSA""#.to_vec()),
        ("trailing data", br#"{"alg":"EdDSA"}{}"#.to_vec()),
        ("a trailing null byte", b"{\"alg\":\"EdDSA\"}\0".to_vec()),
        ("a trailing comma", br#"{"alg":"EdDSA",}"#.to_vec()),
        ("a comment", br#"{"alg":"EdDSA"/**/}"#.to_vec()),
        ("single quotes", b"{'alg':'EdDSA'}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{\"alg\":\"EdDSA\"}".to_vec()),
        ("invalid UTF-8", b"{\"alg\":\"EdDSA\",\"x\":\"\xff\"}".to_vec()),
        ("a lone surrogate", br#"{"alg":"EdDSA","x":"\ud800"}"#.to_vec()),
        ("UTF-16", "{\"alg\":\"EdDSA\"}".encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("a member twice", br#"{"alg":"EdDSA","x":1,"x":1}"#.to_vec()),
        ("a member twice, once escaped", br#"{"alg":"EdDSA","kid":"a","\u006bid":"b"}"#.to_vec()),
        ("a member twice, far down", br#"{"alg":"EdDSA","act":{"act":{"sub":"a","sub":"b"}}}"#.to_vec()),
        ("not a number", br#"{"alg":"EdDSA","x":NaN}"#.to_vec()),
        ("nesting of 33", nested(33)),
        ("nesting of 1000", nested(1000)),
    ];
    for (what, json) in &bad {
        assert_eq!(refusal(&compact(json, b"{}")), Some(Reason::TokenMalformed), "header: {what}");
        assert_eq!(refusal(&compact(good_header, json)), Some(Reason::TokenMalformed), "claims: {what}");
    }
    assert_eq!(refusal(&compact(good_header, &nested(32))), None, "nesting of 32");
    assert_eq!(
        refusal(&compact(br#" {"alg":"EdDSA","x":[{"y":{}}]} "#, b"{}")),
        None,
        "white space is JSON's own"
    );
}

#[test]
fn a_header_that_asks_for_an_extension_or_has_members_of_the_wrong_type_is_malformed() {
    let long = "k".repeat(limits::KID_BYTES + 1);
    for header in [
        json!({}),
        json!({ "typ": "at+jwt" }),
        json!({ "Alg": "EdDSA" }),
        json!({ "alg": null }),
        json!({ "alg": 1 }),
        json!({ "alg": ["EdDSA"] }),
        json!({ "alg": { "name": "EdDSA" } }),
        json!({ "alg": true }),
        json!({ "alg": "EdDSA", "typ": 1 }),
        json!({ "alg": "EdDSA", "typ": null }),
        json!({ "alg": "EdDSA", "typ": ["at+jwt"] }),
        json!({ "alg": "EdDSA", "kid": 1 }),
        json!({ "alg": "EdDSA", "kid": null }),
        json!({ "alg": "EdDSA", "kid": {} }),
        json!({ "alg": "EdDSA", "kid": long }),
        // RFC 7515 §4.1.11: none is understood, and an empty list is not allowed.
        json!({ "alg": "EdDSA", "crit": ["exp"], "exp": 1 }),
        json!({ "alg": "EdDSA", "crit": [] }),
        json!({ "alg": "EdDSA", "crit": null }),
        // RFC 7797 §6.
        json!({ "alg": "EdDSA", "crit": ["b64"], "b64": false }),
        json!({ "alg": "EdDSA", "b64": false }),
        json!({ "alg": "EdDSA", "b64": true }),
    ] {
        assert_eq!(refusal(&with_header(&header)), Some(Reason::TokenMalformed), "{header}");
    }
}

#[test]
fn a_header_is_read_as_it_is_written_and_keys_in_it_are_not_followed() {
    let kid = "k".repeat(limits::KID_BYTES);
    let header = json!({
        "alg": "ES256", "typ": "application/AT+jwt", "kid": kid, "jku": "https://evil.example", "x5u": "x",
        "jwk": { "kty": "OKP" }, "x5c": ["AAAA"], "cty": "JWT",
    });
    let token = ParsedToken::parse(&with_header(&header)).unwrap();
    assert_eq!(token.header().algorithm, Some(Algorithm::Es256));
    assert_eq!(token.header().typ.as_deref(), Some("application/AT+jwt"));
    assert_eq!(token.header().kid.as_deref(), Some(kid.as_str()));
}

#[test]
fn an_algorithm_that_is_not_ours_has_no_value() {
    for name in ["none", "None", "HS256", "HS512", "ES512", "es256", "", "EdDSA "] {
        let token = ParsedToken::parse(&with_header(&json!({ "alg": name }))).unwrap();
        assert_eq!(token.header().algorithm, None, "{name}");
    }
}

#[test]
fn a_token_one_byte_longer_than_the_limit_is_malformed_and_one_as_long_is_not() {
    let header = b64(br#"{"alg":"EdDSA"}"#);
    let claims = b64(b"{}");
    for (length, expected) in
        [(limits::TOKEN_BYTES + 1, Some(Reason::TokenTooLarge)), (limits::TOKEN_BYTES, None)]
    {
        let token = format!("{header}.{claims}.");
        let token = format!("{token}{}", "A".repeat(length - token.len()));
        assert_eq!((token.len(), refusal(&token)), (length, expected));
    }
}

#[test]
fn what_the_signature_covers_is_everything_before_the_last_dot() {
    for jws in [vectors::RFC7515_A2_JWS, vectors::RFC7515_A3_JWS] {
        let token = ParsedToken::parse(jws).unwrap();
        let (input, signature) = jws.rsplit_once('.').unwrap();
        assert_eq!(token.signing_input(), input.as_bytes());
        assert_eq!(token.signature(), unb64(signature));
        assert_eq!(token.unverified_claims()["iss"], "joe");
        assert_eq!(token.as_str(), jws);
    }
}

#[test]
fn an_issuer_that_is_absent_or_no_text_cannot_be_looked_up() {
    let issuer = |claims: &Value| {
        let token =
            ParsedToken::parse(&compact(br#"{"alg":"EdDSA"}"#, claims.to_string().as_bytes())).unwrap();
        token.unverified_issuer().map(str::to_owned).map_err(Reason::from)
    };
    assert_eq!(issuer(&json!({})), Err(Reason::ClaimMissing));
    for wrong in [json!(null), json!(1), json!(["https://idp.example"]), json!({})] {
        assert_eq!(issuer(&json!({ "iss": wrong })), Err(Reason::ClaimInvalid), "{wrong}");
    }
    assert_eq!(issuer(&json!({ "iss": "https://idp.example" })), Ok("https://idp.example".to_owned()));
}

/// Whatever is accepted is the three parts that it came as, and says what they decode to.
fn accepted_tokens_are_their_parts(text: &str) -> Result<bool, TestCaseError> {
    let Ok(token) = ParsedToken::parse(text) else { return Ok(false) };
    let parts: Vec<&str> = text.split('.').collect();
    prop_assert_eq!(parts.len(), 3);
    prop_assert_eq!(token.as_str(), text);
    let covered = format!("{}.{}", parts[0], parts[1]);
    prop_assert_eq!(token.signing_input(), covered.as_bytes());
    prop_assert_eq!(b64(token.signature()), parts[2]);
    // Only one text of the same bytes is accepted: encoding what was read gives the text back.
    for part in &parts {
        prop_assert_eq!(&b64(unb64(part)), part);
    }
    let claims: Value = serde_json::from_slice(&unb64(parts[1])).unwrap();
    prop_assert_eq!(Value::Object(token.unverified_claims().clone()), claims);
    Ok(true)
}

fn valid_token() -> impl Strategy<Value = String> {
    let header = prop_oneof![
        Just(json!({ "alg": "EdDSA" })),
        "[ -~]{0,20}".prop_map(|kid| json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid })),
    ];
    let claims = prop::collection::btree_map("[a-z]{1,4}", "\\PC{0,8}", 0..5);
    (header, claims, prop::collection::vec(any::<u8>(), 0..70)).prop_map(|(header, claims, signature)| {
        format!("{}.{}.{}", b64(header.to_string()), b64(json!(claims).to_string()), b64(signature))
    })
}

proptest! {
    #[test]
    fn random_text_never_panics_and_never_passes_for_other_parts(text in "\\PC{0,80}") {
        accepted_tokens_are_their_parts(&text)?;
    }

    #[test]
    fn random_parts_never_panic(text in "[A-Za-z0-9_=.-]{0,120}") {
        accepted_tokens_are_their_parts(&text)?;
    }

    #[test]
    fn random_json_in_the_parts_never_panics(header in "\\PC{0,40}", claims in prop::collection::vec(any::<u8>(), 0..60)) {
        accepted_tokens_are_their_parts(&compact(header.as_bytes(), &claims))?;
    }

    #[test]
    fn a_well_formed_token_is_accepted_as_its_parts(token in valid_token()) {
        prop_assert!(accepted_tokens_are_their_parts(&token)?);
    }

    #[test]
    fn a_changed_token_is_refused_or_taken_for_what_it_then_says(
        token in valid_token(), at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.= -]{0,2}", cut in 0_usize..3,
    ) {
        let at = at.index(token.len());
        let end = (at + cut).min(token.len());
        accepted_tokens_are_their_parts(&format!("{}{with}{}", &token[..at], &token[end..]))?;
    }
}
