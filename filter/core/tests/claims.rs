//! What a verified token must say, and in which form.
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
use mandate_core::chain::{Identity, SignedToken};
use mandate_core::config::Issuer;
use mandate_core::keys::{SignatureVerifier, VerifierFailed};
use mandate_core::limits;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use mandate_core::token::ParsedToken;
use serde_json::{Value, json};
use support::{
    AUDIENCE, ISSUER, KID, NOW_S, Private, act, act_of_depth, claims_with, header, issuer, issuer_key,
    sign_texts, token, token_with_header, verify, verify_by, verify_with, with,
};

fn refusal(members: Value) -> Option<Reason> {
    verify(members).err()
}

fn refusal_of(token: &str, issuer: &Issuer) -> Option<Reason> {
    verify_with(token, issuer).err()
}

fn identity(issuer: &str, subject: &str) -> Identity {
    Identity { issuer: issuer.to_owned(), subject: subject.to_owned() }
}

fn actors(token: &SignedToken) -> Vec<Identity> {
    token.hops().iter().map(|hop| hop.identity.clone()).collect()
}

#[test]
fn a_token_signed_with_another_issuers_key_is_refused() {
    let stranger = Private::new(Algorithm::EdDsa, 2);
    let forged =
        sign_texts(&stranger, Algorithm::EdDsa, &header().to_string(), &claims_with(&json!({})).to_string());
    assert_eq!(refusal_of(&forged, &issuer(|_| {})), Some(Reason::SignatureInvalid));
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let signed = token(json!({}));
    let unsigned = &signed[..=signed.rfind('.').unwrap()];
    assert_eq!(refusal_of(unsigned, &issuer(|_| {})), Some(Reason::SignatureInvalid));
    let none = token_with_header(&with(header(), json!({ "alg": "none" })), json!({}));
    let none = &none[..=none.rfind('.').unwrap()];
    assert_eq!(refusal_of(none, &issuer(|_| {})), Some(Reason::AlgorithmNotAllowed));
}

#[test]
fn the_claims_are_not_looked_at_before_the_signature() {
    let good = token(json!({}));
    let signature = &good[good.rfind('.').unwrap()..];
    for members in
        [json!({ "aud": null }), json!({ "exp": "soon" }), json!({ "act": 1 }), json!({ "cnf": {} })]
    {
        let other = token(members.clone());
        let forged = format!("{}{signature}", &other[..other.rfind('.').unwrap()]);
        assert_eq!(refusal_of(&forged, &issuer(|_| {})), Some(Reason::SignatureInvalid), "{members}");
    }
}

#[test]
fn an_algorithm_that_the_issuer_does_not_use_is_refused_before_a_key_is_looked_for() {
    for alg in ["none", "HS256", "ES256", "RS256", "eddsa"] {
        let token = token_with_header(&with(header(), json!({ "alg": alg })), json!({}));
        assert_eq!(refusal_of(&token, &issuer(|_| {})), Some(Reason::AlgorithmNotAllowed), "{alg}");
        let parsed = ParsedToken::parse(&token).unwrap();
        assert_eq!(
            parsed.algorithm_for(&issuer(|_| {})).map_err(Reason::from),
            Err(Reason::AlgorithmNotAllowed),
            "{alg}"
        );
    }
    // RFC 9864 §2.2: the same algorithm by its other name.
    let token = token_with_header(&with(header(), json!({ "alg": "Ed25519" })), json!({}));
    assert_eq!(refusal_of(&token, &issuer(|_| {})), None);
}

#[test]
fn a_key_that_does_not_serve_the_tokens_algorithm_is_not_used() {
    // Both algorithms are the issuer's, and each has a key.
    let other = with(Private::new(Algorithm::Es256, 1).jwk(), json!({ "kid": "other" }));
    let own = with(issuer_key().jwk(), json!({ "kid": KID }));
    let entry = issuer(|i| {
        i["algorithms"] = json!(["EdDSA", "ES256"]);
        i["keys"] = json!({ "inline": { "keys": [other, own] } });
    });
    for (alg, kid) in [("EdDSA", "other"), ("ES256", KID)] {
        let token = token_with_header(&with(header(), json!({ "alg": alg, "kid": kid })), json!({}));
        assert_eq!(refusal_of(&token, &entry), Some(Reason::KeyUnknown), "{alg}");
    }
    assert_eq!(refusal_of(&token(json!({})), &entry), None);
}

#[test]
fn a_verifier_that_fails_is_neither_a_yes_nor_a_no() {
    struct Failing;
    impl SignatureVerifier for Failing {
        fn verify(
            &self,
            _: &mandate_core::keys::PublicKey,
            _: Algorithm,
            _: &[u8],
            _: &[u8],
        ) -> Result<bool, VerifierFailed> {
            Err(VerifierFailed)
        }
    }
    let refused = verify_by(&Failing, &token(json!({})), &issuer(|_| {})).err();
    assert_eq!(refused, Some(Reason::Internal));
}

#[test]
fn a_type_that_the_issuers_entry_does_not_list_is_refused() {
    let entry = |types: Value| issuer(move |i| i["token_types"] = types);
    let default = || issuer(|_| {});
    for (typ, entry, accepted) in [
        (json!(null), default(), false),
        (json!(""), default(), false),
        (json!("JWT"), default(), false),
        (json!("jwt"), default(), false),
        (json!("at"), default(), false),
        (json!("at+jwt "), default(), false),
        (json!("text/at+jwt"), default(), false),
        (json!("application/application/at+jwt"), default(), false),
        (json!("dpop+jwt"), default(), false),
        (json!("at+jwt"), entry(json!(["JWT"])), false),
        (json!("at+jwt"), default(), true),
        (json!("AT+JWT"), default(), true),
        (json!("application/at+jwt"), default(), true),
        (json!("Application/AT+jwt"), default(), true),
        (json!("at+jwt"), entry(json!(["application/at+jwt"])), true),
        (json!("JWT"), entry(json!(["JWT"])), true),
        (json!("jwt"), entry(json!(["at+jwt", "JWT"])), true),
    ] {
        let mut header = header();
        if typ.is_null() {
            header.as_object_mut().unwrap().remove("typ");
        } else {
            header["typ"] = typ.clone();
        }
        let expected = (!accepted).then_some(Reason::TokenType);
        let token = token_with_header(&header, json!({}));
        assert_eq!(refusal_of(&token, &entry), expected, "{typ} for {:?}", entry.token_types);
    }
}

#[test]
fn each_required_claim_is_missed() {
    for name in ["iss", "aud", "sub", "iat", "exp", "client_id", "jti"] {
        assert_eq!(refusal(json!({ name: null })), Some(Reason::ClaimMissing), "{name}");
    }
    assert_eq!(refusal(json!({})), None);
}

#[test]
fn only_an_access_token_of_rfc_9068_must_have_a_client_and_an_id() {
    let entry = issuer(|i| i["token_types"] = json!(["at+jwt", "JWT"]));
    for (typ, expected) in [
        ("at+jwt", Some(Reason::ClaimMissing)),
        ("AT+JWT", Some(Reason::ClaimMissing)),
        ("application/at+jwt", Some(Reason::ClaimMissing)),
        ("JWT", None),
    ] {
        for name in ["client_id", "jti"] {
            let token = token_with_header(&with(header(), json!({ "typ": typ })), json!({ name: null }));
            assert_eq!(refusal_of(&token, &entry), expected, "{typ} without {name}");
        }
    }
}

#[test]
fn a_claim_of_the_wrong_type_or_out_of_range_is_invalid() {
    let long = "a".repeat(limits::IDENTITY_BYTES + 1);
    let not_text = [json!(1), json!(true), json!(["a"]), json!({}), json!("")];
    let not_date = [
        json!("1700000000"),
        json!(true),
        json!([]),
        json!({}),
        json!(-1),
        json!(-0.5),
        json!(1e300),
        json!(1_u64 << 53),
        json!(u64::MAX),
        json!(i64::MIN),
    ];
    for name in ["sub", "client_id", "jti"] {
        for value in &not_text {
            assert_eq!(refusal(json!({ name: value })), Some(Reason::ClaimInvalid), "{name}: {value}");
        }
        assert_eq!(refusal(json!({ name: long })), Some(Reason::ClaimInvalid), "{name}: too long");
        for control in ["a\nb", "a\rb", "a\0b", "\t", "a\u{7f}", "a\u{85}b", "\u{1b}[31m"] {
            assert_eq!(refusal(json!({ name: control })), Some(Reason::ClaimInvalid), "{name}: {control:?}");
        }
        assert_eq!(
            refusal(json!({ name: "a".repeat(limits::IDENTITY_BYTES) })),
            None,
            "{name}: as long as allowed"
        );
        assert_eq!(refusal(json!({ name: "Zoë 山田" })), None, "{name}: outside ASCII");
    }
    for name in ["iat", "nbf", "exp"] {
        for value in &not_date {
            assert_eq!(refusal(json!({ name: value })), Some(Reason::ClaimInvalid), "{name}: {value}");
        }
    }
    for value in [json!(1), json!(["a"]), json!({})] {
        assert_eq!(refusal(json!({ "iss": value })), Some(Reason::ClaimInvalid), "iss: {value}");
    }
}

#[test]
fn a_claim_that_is_null_is_not_an_absent_one() {
    for name in ["sub", "aud", "iat", "nbf", "exp", "client_id", "jti", "scope"] {
        let mut claims = claims_with(&json!({}));
        claims[name] = Value::Null;
        let token = sign_texts(&issuer_key(), Algorithm::EdDsa, &header().to_string(), &claims.to_string());
        assert_eq!(refusal_of(&token, &issuer(|_| {})), Some(Reason::ClaimInvalid), "{name}");
    }
    let mut claims = claims_with(&json!({}));
    claims["act"] = Value::Null;
    let token = sign_texts(&issuer_key(), Algorithm::EdDsa, &header().to_string(), &claims.to_string());
    assert_eq!(refusal_of(&token, &issuer(|_| {})), Some(Reason::DelegationMalformed));
}

#[test]
fn an_issuer_that_is_not_the_same_byte_for_byte_is_unknown() {
    for iss in
        ["https://idp.example/", "https://IDP.example", "http://idp.example", "https://idp.example#", "idp"]
    {
        assert_eq!(refusal(json!({ "iss": iss })), Some(Reason::IssuerUnknown), "{iss}");
    }
}

#[test]
fn one_of_the_audiences_must_be_ours() {
    let two = || issuer(|i| i["audiences"] = json!([AUDIENCE, "urn:b"]));
    let many: Vec<String> = (0..=limits::AUDIENCES).map(|i| format!("urn:{i}")).collect();
    let mut most: Vec<String> = many[1..].to_vec();
    most[0] = AUDIENCE.to_owned();
    for (aud, expected) in [
        (json!("https://other.example"), Some(Reason::AudienceMismatch)),
        (json!(""), Some(Reason::AudienceMismatch)),
        (json!("https://tools.example/"), Some(Reason::AudienceMismatch)),
        (json!("HTTPS://TOOLS.EXAMPLE"), Some(Reason::AudienceMismatch)),
        (json!("https://tools.example urn:b"), Some(Reason::AudienceMismatch)),
        (json!([]), Some(Reason::AudienceMismatch)),
        (json!(["https://other.example", "https://tools.example/"]), Some(Reason::AudienceMismatch)),
        (json!(1), Some(Reason::ClaimInvalid)),
        (json!({ "aud": AUDIENCE }), Some(Reason::ClaimInvalid)),
        (json!([1]), Some(Reason::ClaimInvalid)),
        // Ours is among them, and still the claim has the wrong shape (RFC 7519 §4.1.3).
        (json!([AUDIENCE, 1]), Some(Reason::ClaimInvalid)),
        (json!([null, AUDIENCE]), Some(Reason::ClaimInvalid)),
        (json!([[AUDIENCE]]), Some(Reason::ClaimInvalid)),
        (json!(many), Some(Reason::ClaimInvalid)),
        (json!(most), None),
        (json!(AUDIENCE), None),
        (json!("urn:b"), None),
        (json!([AUDIENCE]), None),
        (json!(["https://other.example", "urn:b"]), None),
        (json!([AUDIENCE, AUDIENCE]), None),
    ] {
        assert_eq!(refusal_of(&token(json!({ "aud": aud })), &two()), expected, "{aud}");
    }
}

#[test]
fn a_lifetime_that_is_empty_or_longer_than_allowed_is_refused() {
    let entry = || issuer(|i| i["max_lifetime_s"] = json!(600));
    for (iat, exp, expected) in [
        (json!(NOW_S), json!(NOW_S), Some(Reason::ClaimInvalid)),
        (json!(NOW_S), json!(NOW_S - 1), Some(Reason::ClaimInvalid)),
        (json!(NOW_S), json!(0), Some(Reason::ClaimInvalid)),
        (json!(NOW_S), json!(NOW_S + 601), Some(Reason::LifetimeTooLong)),
        (json!(NOW_S), json!(1_700_000_600.001), Some(Reason::LifetimeTooLong)),
        (json!(0), json!(NOW_S), Some(Reason::LifetimeTooLong)),
        (json!(NOW_S), json!((1_u64 << 53) - 1), Some(Reason::LifetimeTooLong)),
        (json!(NOW_S), json!(NOW_S + 600), None),
        (json!(1_700_000_000.5), json!(1_700_000_600.5), None),
        (json!(NOW_S), json!(1_700_000_000.001), None),
    ] {
        let refused = refusal_of(&token(json!({ "iat": iat, "exp": exp })), &entry());
        assert_eq!(refused, expected, "iat {iat}, exp {exp}");
    }
}

#[test]
fn dates_may_have_fractions_and_are_read_to_the_millisecond() {
    let token =
        verify(json!({ "iat": 1_699_999_999.25, "nbf": 1_700_000_000.5, "exp": 1_700_000_001.75 })).unwrap();
    assert_eq!(token.issued_at(), Some(UnixTime::from_millis(1_699_999_999_250)));
    assert_eq!(token.not_before(), Some(UnixTime::from_millis(1_700_000_000_500)));
    assert_eq!(token.expires_at(), UnixTime::from_millis(1_700_000_001_750));
}

#[test]
fn a_binding_to_a_key_must_be_well_formed() {
    for cnf in [json!({ "jkt": "abc" }), json!([]), json!(1), json!({ "x5t#S256": "abc" })] {
        assert_eq!(refusal(json!({ "cnf": cnf })), Some(Reason::ClaimInvalid), "{cnf}");
    }
    // Actor profile: `cnf` inside `act` proves nothing, and asks for nothing.
    assert_eq!(refusal(json!({ "act": { "sub": "a", "cnf": { "jkt": "abc" } } })), None);
}

#[test]
fn a_scope_claim_is_scope_tokens_with_one_space_between_them() {
    let many = |n: usize| vec!["s"; n].join(" ");
    for scope in [
        json!(" "),
        json!(" a"),
        json!("a "),
        json!("a  b"),
        json!("a\tb"),
        json!("a\nb"),
        json!("a\"b"),
        json!("a\\b"),
        json!("é"),
        json!("a\u{a0}b"),
        json!("a\u{7f}"),
        json!(["a", "b"]),
        json!(1),
        json!({}),
        json!(true),
        json!(many(limits::SCOPES + 1)),
    ] {
        assert_eq!(refusal(json!({ "scope": scope })), Some(Reason::ClaimInvalid), "{scope}");
    }
    for (scope, expected) in [
        (json!(""), vec![]),
        (json!("a"), vec!["a"]),
        (json!("tickets.read !#[]~ tickets.read"), vec!["tickets.read", "!#[]~", "tickets.read"]),
        (json!(many(limits::SCOPES)), vec!["s"; limits::SCOPES]),
    ] {
        assert_eq!(verify(json!({ "scope": scope })).unwrap().scopes(), expected, "{scope}");
    }
    assert!(verify(json!({})).unwrap().scopes().is_empty());
}

#[test]
fn an_act_that_is_not_an_object_with_a_subject_is_malformed() {
    let inner = |bad: Value| json!({ "sub": "a", "act": { "sub": "b", "act": bad } });
    for bad in [
        json!(1),
        json!("agent"),
        json!(true),
        json!([]),
        json!([{ "sub": "a" }]),
        json!({}),
        json!({ "iss": ISSUER }),
        json!({ "act": { "sub": "a" } }),
        json!({ "sub": null }),
        json!({ "sub": 1 }),
        json!({ "sub": "" }),
        json!({ "sub": ["a"] }),
        json!({ "sub": "a\nb" }),
        json!({ "sub": "a".repeat(limits::IDENTITY_BYTES + 1) }),
        json!({ "sub": "a", "iss": null }),
        json!({ "sub": "a", "iss": "" }),
        json!({ "sub": "a", "iss": 1 }),
        json!({ "sub": "a", "iss": "b\0" }),
        json!({ "sub": "a", "act": null }),
    ] {
        assert_eq!(refusal(json!({ "act": bad })), Some(Reason::DelegationMalformed), "outermost: {bad}");
        assert_eq!(
            refusal(json!({ "act": inner(bad.clone()) })),
            Some(Reason::DelegationMalformed),
            "innermost: {bad}"
        );
    }
    assert_eq!(refusal(json!({ "act": inner(json!({ "sub": "c" })) })), None);
}

#[test]
fn depth_is_the_number_of_act_objects() {
    for (act, depth) in [
        (json!(null), 0),
        (json!({ "sub": "a" }), 1),
        (act_of_depth(2), 2),
        (act_of_depth(8), 8),
        // RFC 8693 §4.1: never cut off; the claims object and thirty-one hops are all the nesting that JSON may have.
        (act_of_depth(31), 31),
    ] {
        assert_eq!(verify(json!({ "act": act })).unwrap().hops().len(), depth);
    }
    assert_eq!(refusal(json!({ "act": act_of_depth(32) })), Some(Reason::TokenMalformed));
}

#[test]
fn the_outermost_act_is_the_current_actor_and_stands_last() {
    let hops = [(None, "current"), (Some("https://other.example"), "before"), (None, "oldest")];
    let token = verify(json!({ "act": act(&hops) })).unwrap();
    let oldest_first = [
        identity(ISSUER, "oldest"),
        identity("https://other.example", "before"),
        identity(ISSUER, "current"),
    ];
    assert_eq!(actors(&token), oldest_first);
    assert_eq!(token.principal(), &identity(ISSUER, "user:alice"));
    let all: Vec<&Identity> = token.identities().collect();
    assert_eq!(all[0], token.principal());
    assert_eq!(all[1..].iter().copied().cloned().collect::<Vec<_>>(), oldest_first);
}

#[test]
fn a_hop_without_an_issuer_takes_the_tokens_and_not_that_of_the_hop_around_it() {
    let hops = [(Some("https://other.example"), "outer"), (None, "inner")];
    let token = verify(json!({ "act": act(&hops) })).unwrap();
    assert_eq!(actors(&token)[0], identity(ISSUER, "inner"));
}

#[test]
fn other_members_of_an_act_mean_nothing_and_may_act_is_not_read() {
    let act = json!({ "sub": "a", "exp": 0, "nbf": "never", "aud": "elsewhere", "iat": [], "sub_profile": "ai_agent" });
    let token = verify(json!({ "act": act, "may_act": { "sub": "b", "act": 1 } })).unwrap();
    assert_eq!(actors(&token), [identity(ISSUER, "a")]);
    assert!(verify(json!({ "may_act": 1 })).unwrap().hops().is_empty());
    // Delegation is not guessed from other claims either.
    assert!(verify(json!({ "azp": "agent", "client_id": "agent" })).unwrap().hops().is_empty());
}

#[test]
fn a_verified_token_says_what_its_issuer_signed() {
    let members = json!({ "scope": "a b", "nbf": NOW_S, "roles": ["x"], "act": { "sub": "agent" } });
    let token = verify(members.clone()).unwrap();
    assert_eq!(token.issuer().index(), 0);
    assert_eq!(token.principal(), &identity(ISSUER, "user:alice"));
    assert_eq!((token.client_id(), token.token_id()), (Some("agent-app"), Some("token-1")));
    assert_eq!(token.key_id(), Some(support::KID));
    assert_eq!(token.scopes(), ["a", "b"]);
    assert_eq!(token.issued_at(), Some(UnixTime::from_secs(NOW_S - 10)));
    assert_eq!(token.expires_at(), UnixTime::from_secs(NOW_S + 600));
    assert_eq!(token.claims(), &claims_with(&members));
}
