//! What an approval must be.

use super::*;

const ARGUMENTS: &str = r#"{"amount":100,"to":"bob"}"#;

fn of(claims: Value) -> Decision {
    decide(&mut new_gate(), message(&[&sign(&claims)]), &call(ARGUMENTS))
}

#[test]
fn a_call_without_an_approval_is_denied_and_one_with_it_passes() {
    let denied = decide(&mut new_gate(), message(&[]), &call(ARGUMENTS));
    assert_eq!(denied.reason(), Some(Reason::ApprovalRequired));
    assert_eq!(problem(&denied), "no approval came");
    assert_eq!(of(claims(ARGUMENTS)).reason(), None);
}

#[test]
fn every_claim_is_compared_with_the_request() {
    let party = |iss: &str, sub: &str| json!({ "iss": iss, "sub": sub });
    let action = |members: Value| {
        let mut action = changed(claims(ARGUMENTS)["action"].clone(), members);
        json!({ "action": action.take() })
    };
    for (members, member) in [
        (json!({ "aud": "https://other.example" }), "aud"),
        (json!({ "principal": null }), "principal"),
        (json!({ "principal": "user:alice" }), "principal"),
        (json!({ "principal": party(ISSUER, "user:bob") }), "principal.sub"),
        (json!({ "principal": party("https://other.example", "user:alice") }), "principal.iss"),
        (json!({ "principal": { "iss": ISSUER, "sub": "user:alice", "name": "Alice" } }), "principal"),
        (json!({ "agent": null }), "agent"),
        (json!({ "agent": party(ISSUER, "agent:other") }), "agent.sub"),
        (json!({ "agent": party("https://other.example", "agent:payer") }), "agent.iss"),
        (json!({ "action": null }), "action"),
        (json!({ "action": "pay" }), "action"),
        (action(json!({ "protocol": "a2a" })), "action.protocol"),
        (action(json!({ "kind": "prompt" })), "action.kind"),
        (action(json!({ "name": "pay.more" })), "action.name"),
        (action(json!({ "name": "PAY" })), "action.name"),
        (action(json!({ "method": "tools/list" })), "action.method"),
        (action(json!({ "host": "other.example" })), "action.host"),
        (action(json!({ "host": null })), "action.host"),
        (action(json!({ "path": "/mcp/other" })), "action.path"),
        (action(json!({ "query": "a=b" })), "action"),
        (action(json!({ "parameters": digest("{}") })), "action"),
        (json!({ "arguments": null }), "arguments"),
        (json!({ "arguments": digest(r#"{"amount":101,"to":"bob"}"#) }), "arguments"),
        (json!({ "arguments": { "amount": 100, "to": "bob" } }), "arguments"),
        (json!({ "arguments": format!("{}=", digest(ARGUMENTS)) }), "arguments"),
    ] {
        let decision = of(changed(claims(ARGUMENTS), members.clone()));
        assert_eq!(decision.reason(), Some(Reason::ApprovalInvalid), "{members}");
        assert_eq!(
            problem(&decision),
            format!("`{member}` of the approval is not that of the request"),
            "{members}"
        );
    }
}

#[test]
fn an_agent_that_acts_is_no_nobody_and_the_other_way_round() {
    let alone = message_of(&token(json!({})), &[&sign(&claims(ARGUMENTS))]);
    let decision = decide(&mut new_gate(), alone, &call(ARGUMENTS));
    assert_eq!(problem(&decision), "`agent` of the approval is not that of the request");
    // The claim must be there and say so.
    let absent = sign(&changed(claims(ARGUMENTS), json!({ "agent": null })));
    let alone = message_of(&token(json!({})), &[&absent]);
    assert_eq!(decide(&mut new_gate(), alone, &call(ARGUMENTS)).reason(), Some(Reason::ApprovalInvalid));
    let mut nobody = claims(ARGUMENTS);
    nobody["agent"] = Value::Null;
    let alone = message_of(&token(json!({})), &[&sign(&nobody)]);
    assert_eq!(decide(&mut new_gate(), alone, &call(ARGUMENTS)).reason(), None);
}

#[test]
fn an_approval_is_for_this_gateway_alone() {
    for (aud, expected) in [
        (json!([AUDIENCE, "https://other.example"]), Some(Reason::ApprovalInvalid)),
        (json!([]), Some(Reason::ApprovalInvalid)),
        (json!(7), Some(Reason::ApprovalInvalid)),
        (json!([AUDIENCE]), None),
    ] {
        let decision = of(changed(claims(ARGUMENTS), json!({ "aud": aud })));
        assert_eq!(decision.reason(), expected, "{aud}");
    }
}

#[test]
fn an_approval_out_of_its_time_is_refused() {
    for (members, expected) in [
        (json!({ "iat": null }), "`iat` of the approval is missing"),
        (json!({ "exp": null }), "`exp` of the approval is missing"),
        (json!({ "exp": "soon" }), "`exp` of the approval is no date in seconds since 1970"),
        (json!({ "iat": -1 }), "`iat` of the approval is no date in seconds since 1970"),
        (json!({ "nbf": [] }), "`nbf` of the approval is no date in seconds since 1970"),
        (json!({ "iat": NOW_S - 100, "exp": NOW_S - 30 }), "the approval has expired"),
        (json!({ "iat": NOW_S + 31 }), "`iat` of the approval is in the future"),
        (json!({ "nbf": NOW_S + 31 }), "`nbf` of the approval is in the future"),
        (json!({ "iat": NOW_S + 10, "exp": NOW_S + 10 }), "`exp` of the approval is not later than `iat`"),
        (json!({ "iat": NOW_S - 100, "exp": NOW_S + 501 }), "the approval lives for 601 s, more than 600"),
    ] {
        let decision = of(changed(claims(ARGUMENTS), members.clone()));
        assert_eq!(decision.reason(), Some(Reason::ApprovalInvalid), "{members}");
        assert_eq!(problem(&decision), expected, "{members}");
    }
    for members in [
        json!({ "iat": NOW_S - 100, "exp": NOW_S - 29 }),
        json!({ "iat": NOW_S + 30 }),
        json!({ "nbf": NOW_S + 30 }),
        json!({ "iat": NOW_S - 100, "exp": NOW_S + 500 }),
    ] {
        assert_eq!(of(changed(claims(ARGUMENTS), members.clone())).reason(), None, "{members}");
    }
}

#[test]
fn an_approval_has_an_id() {
    for (jti, expected) in [
        (json!(null), "`jti` of the approval is missing"),
        (json!(7), "`jti` of the approval has the wrong type"),
        (json!(""), "`jti` of the approval is empty, longer than 2048 bytes, or has control characters"),
    ] {
        let decision = of(changed(claims(ARGUMENTS), json!({ "jti": jti })));
        assert_eq!(problem(&decision), expected, "{jti}");
    }
}

#[test]
fn only_an_approvers_own_key_and_algorithm_count() {
    let texts = |header: &Value, claims: &Value| (header.to_string(), claims.to_string());
    let with_key = |key: &Private, algorithm, header: &Value, claims: &Value| {
        let (header, claims) = texts(header, claims);
        let approval = sign_texts(key, algorithm, &header, &claims);
        let decision = decide(&mut new_gate(), message(&[&approval]), &call(ARGUMENTS));
        assert_eq!(decision.reason(), Some(Reason::ApprovalInvalid), "{header} {claims}");
        problem(&decision)
    };
    let (own, es256, good) = (approver_key(), Algorithm::Es256, claims(ARGUMENTS));
    let of = |members: Value| with(jose(), members);

    let stranger = Private::new(es256, 6);
    assert_eq!(with_key(&stranger, es256, &jose(), &good), "the signature of the approval does not verify");
    // The key in the header is anybody's.
    let brings = of(json!({ "jwk": stranger.jwk() }));
    assert_eq!(with_key(&stranger, es256, &brings, &good), "the signature of the approval does not verify");
    // Nor does the issuer of the token approve, unless it is an approver too.
    let idp = changed(good.clone(), json!({ "iss": ISSUER }));
    let by_idp = json!({ "typ": "mandate-approval+jwt", "alg": "EdDSA", "kid": support::KID });
    let refused = "`iss` of the approval is none of `approvals.approvers`";
    assert_eq!(with_key(&support::issuer_key(), Algorithm::EdDsa, &by_idp, &idp), refused);
    assert_eq!(
        with_key(&own, es256, &jose(), &changed(good.clone(), json!({ "iss": null }))),
        "`iss` of the approval is missing"
    );
    let key = "the approver has no key with the approval's `kid` for its `alg`, or it is too large";
    assert_eq!(with_key(&own, es256, &of(json!({ "kid": "other" })), &good), key);
    for alg in ["none", "HS256", "EdDSA", "es256", "ES384"] {
        assert_eq!(
            with_key(&own, es256, &of(json!({ "alg": alg })), &good),
            "`alg` of the approval is not one of the approver: ES256",
            "{alg}"
        );
    }
    let typed = "`typ` of the approval is not `mandate-approval+jwt`";
    for typ in ["JWT", "at+jwt", "dpop+jwt", "mandate-approval", ""] {
        assert_eq!(with_key(&own, es256, &of(json!({ "typ": typ })), &good), typed, "{typ}");
    }
    let untyped = json!({ "alg": "ES256", "kid": "approver-1" });
    assert_eq!(with_key(&own, es256, &untyped, &good), typed);
    let critical = with_key(&own, es256, &of(json!({ "crit": ["exp"] })), &good);
    assert!(critical.contains("crit"), "{critical}");
}

#[test]
fn there_is_one_approval_of_bounded_length() {
    let good = sign(&claims(ARGUMENTS));
    let of = |approvals: &[&str]| {
        let decision = decide(&mut new_gate(), message(approvals), &call(ARGUMENTS));
        (decision.reason(), problem(&decision))
    };
    let invalid = Some(Reason::ApprovalInvalid);
    let several = (invalid, "more than one approval came".to_owned());
    assert_eq!(of(&[&good, &good]), several);
    assert_eq!(of(&[&good, ""]), several);
    assert_eq!(of(&[&format!("{good},{good}")]), several);
    for (approval, expected) in [
        ("", "the approval: the token has 1 parts between dots, a signed token has 3"),
        ("a.b", "the approval: the token has 2 parts between dots, a signed token has 3"),
        ("é.b.c", "the approval: the header of the token is not base64url"),
        ("e30.e30.e30", "the approval: `alg` in the header of the token is missing, no string, or too long"),
    ] {
        assert_eq!(of(&[approval]), (invalid, expected.to_owned()), "{approval}");
    }
    let long = sign(&changed(claims(ARGUMENTS), json!({ "note": "x".repeat(8192) })));
    assert!(of(&[&long]).1.contains("8192 are accepted"));
    let many = sign(&changed(claims(ARGUMENTS), json!({ "notes": vec![0; 128] })));
    assert!(of(&[&many]).1.contains("values"));
    let twice = claims(ARGUMENTS).to_string().replacen('{', r#"{"jti":"other","#, 1);
    let twice = sign_texts(&approver_key(), Algorithm::Es256, &jose().to_string(), &twice);
    assert_eq!(of(&[&twice]).1, "the approval: the claims of the token names a member twice");
    // White space around it is none of it.
    let spaced = decide(&mut new_gate(), message(&[&format!(" {good} ")]), &call(ARGUMENTS));
    assert_eq!(spaced.reason(), None);
}

#[test]
fn other_claims_are_the_approvers_own() {
    let members = json!({ "sub": "carol", "note": "ok", "scope": "x" });
    assert_eq!(of(changed(claims(ARGUMENTS), members)).reason(), None);
}

#[test]
fn no_byte_of_an_approval_is_in_a_record_or_an_answer() {
    let hostile = changed(
        claims(ARGUMENTS),
        json!({ "jti": "marker-jti", "principal": { "iss": "marker-iss", "sub": "marker-sub" }, "note": "marker" }),
    );
    let approval = sign(&hostile);
    let config = parse_config(&document());
    let decision = decide(&mut gate(config.clone()), message(&[&approval]), &call(ARGUMENTS));
    assert_eq!(decision.reason(), Some(Reason::ApprovalInvalid));
    for text in [record(&decision).to_string(), told(&decision, &config).to_string()] {
        assert!(!text.contains("marker") && !text.contains(approval.split('.').next().unwrap()), "{text}");
    }
}
