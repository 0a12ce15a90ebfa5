//! Whoever proposed may not approve.
//!
//! Four eyes are worth little if two of them are the agent's that the first two sent. Where an agent drafts a payment, a
//! release or a change of rights, and a human or another agent approves it, the proposer must appear nowhere among those
//! who approve: not as the agent that acts, not as one that called it, not as the principal behind both. For an approval,
//! the issuer puts the proposal into the token, and this policy compares:
//!
//! ```json
//! { "proposal": { "id": "42", "proposed_by": { "iss": "https://idp.example", "sub": "agent:drafter" } } }
//! ```
//!
//! The identifier must be that of the path, so that a token for one proposal does not approve another.

use mandate_policy::{Claim, Identity, PathPrefix, Policy, Problem, Request, Verdict};
use serde::Deserialize;

/// What the operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The paths that approve, each with one `*` for the segment that identifies the proposal:
    /// `/v1/proposals/*/approve`. What is below such a path approves too; other paths are not this policy's concern.
    approvals: Vec<PathPrefix>,
}

/// The rule.
#[derive(Debug)]
pub struct SeparationOfDuties {
    settings: Settings,
}

mandate_policy::policy!(SeparationOfDuties);

impl Policy for SeparationOfDuties {
    const SUMMARY: &'static str = "denies approvals by whoever proposed, and by everyone who acts for them";
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if settings.approvals.is_empty() {
            problems.push(Problem::at("/approvals", "must have a path; without any, nothing is kept apart"));
        }
        for (index, approval) in settings.approvals.iter().enumerate() {
            if approval.as_str().split('/').filter(|segment| *segment == "*").count() != 1 {
                let message = "must be a path with one `*`, such as `/v1/proposals/*/approve`";
                problems.push(Problem::at(format!("/approvals/{index}"), message));
            }
        }
        if problems.is_empty() { Ok(Self { settings }) } else { Err(problems) }
    }

    fn check(&self, request: &Request) -> Verdict {
        let path = request.path();
        let mut approved =
            self.settings.approvals.iter().filter_map(|approval| proposal_in(&path, approval.as_str()));
        let Some(approved) = approved.next() else {
            return Verdict::abstain();
        };
        let (Some(proposal), Some(proposer)) = (proposal_of(request), proposer_of(request)) else {
            return Verdict::deny("proposal_missing", "the token does not say what was proposed by whom");
        };
        if proposal != approved {
            return Verdict::deny("proposal_mismatch", format!("the token is for proposal `{proposal}`"));
        }
        if request.chain().any(|who| who == proposer) {
            return Verdict::deny(
                "own_proposal",
                format!("`{}` proposed it, and takes part", proposer.subject),
            );
        }
        Verdict::allow().with_audit("proposed-by", proposer.subject)
    }
}

/// The segment of `path` where `approval` has its `*`, if the segments of `approval` are the first ones of `path`.
fn proposal_in<'p>(path: &'p str, approval: &str) -> Option<&'p str> {
    let mut segments = path.split('/');
    let mut proposal = None;
    for expected in approval.split('/') {
        match segments.next()? {
            segment if expected == "*" => proposal = Some(segment),
            segment if segment == expected => {}
            _ => return None,
        }
    }
    proposal
}

fn proposal_of(request: &Request) -> Option<String> {
    match request.claim("/proposal/id")? {
        Claim::Text(id) => Some(id),
        Claim::Integer(id) => Some(id.to_string()),
        _ => None,
    }
}

fn proposer_of(request: &Request) -> Option<Identity> {
    let issuer = request.claim_text("/proposal/proposed_by/iss")?;
    let subject = request.claim_text("/proposal/proposed_by/sub")?;
    Some(Identity { issuer, subject })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mandate_policy::testing::{RequestBuilder, configure, json};

    const IDP: &str = "https://idp.example";

    /// An approval of the proposal 42, which `agent:drafter` made.
    fn approval() -> RequestBuilder {
        let proposed_by = json!({ "iss": IDP, "sub": "agent:drafter" });
        Request::builder()
            .method("POST")
            .path("/v1/proposals/42/approve")
            .claim("proposal", json!({ "id": "42", "proposed_by": proposed_by }))
    }

    fn check(request: RequestBuilder) -> Verdict {
        let settings = json!({ "approvals": ["/v1/proposals/*/approve", "/v1/releases/*/"] });
        configure::<SeparationOfDuties>(settings).unwrap().check(&request.build())
    }

    #[track_caller]
    fn assert_denied(request: RequestBuilder, expected: &str) {
        match check(request) {
            Verdict::Deny(denial) => assert_eq!(denial.code, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_proposer_does_not_approve() {
        assert_denied(approval().hop(IDP, "agent:drafter"), "own_proposal");
    }

    #[test]
    fn nobody_approves_for_the_proposer() {
        assert_denied(approval().principal(IDP, "agent:drafter"), "own_proposal");
        assert_denied(approval().hop(IDP, "agent:drafter").hop(IDP, "agent:reviewer"), "own_proposal");
    }

    #[test]
    fn a_token_for_one_proposal_does_not_approve_another() {
        assert_denied(
            approval().path("/v1/proposals/43/approve").hop(IDP, "agent:reviewer"),
            "proposal_mismatch",
        );
        assert_denied(
            approval().path("/v1/proposals//approve").hop(IDP, "agent:reviewer"),
            "proposal_mismatch",
        );
    }

    #[test]
    fn an_approval_without_a_proposal_in_the_token_is_denied() {
        let by = json!({ "iss": IDP, "sub": "agent:drafter" });
        for proposal in [
            json!(null),
            json!("42"),
            json!({ "proposed_by": by }),
            json!({ "id": true, "proposed_by": by }),
            json!({ "id": 42.0, "proposed_by": by }),
            json!({ "id": "42" }),
            json!({ "id": "42", "proposed_by": "agent:drafter" }),
            json!({ "id": "42", "proposed_by": { "sub": "agent:drafter" } }),
            json!({ "id": "42", "proposed_by": { "iss": IDP } }),
            json!({ "id": "42", "proposed_by": { "iss": IDP, "sub": ["agent:drafter"] } }),
        ] {
            assert_denied(approval().claim("proposal", proposal), "proposal_missing");
        }
    }

    #[test]
    fn what_is_below_an_approval_approves_too() {
        for path in [
            "/v1/proposals/42/approve/",
            "/v1/proposals/42/approve/now",
            "/v1/releases/42",
            "/v1/releases/42/sign",
        ] {
            assert_denied(approval().path(path).hop(IDP, "agent:drafter"), "own_proposal");
        }
    }

    #[test]
    fn someone_else_approves() {
        let allowed = Verdict::allow().with_audit("proposed-by", "agent:drafter");
        assert_eq!(check(approval()), allowed);
        assert_eq!(check(approval().hop(IDP, "agent:reviewer")), allowed);
    }

    #[test]
    fn the_same_name_from_another_issuer_is_someone_else() {
        let allowed = Verdict::allow().with_audit("proposed-by", "agent:drafter");
        assert_eq!(check(approval().hop("https://other.example", "agent:drafter")), allowed);
    }

    #[test]
    fn an_identifier_may_be_a_number() {
        let proposal = json!({ "id": 42, "proposed_by": { "iss": IDP, "sub": "agent:drafter" } });
        assert_denied(approval().claim("proposal", proposal).hop(IDP, "agent:drafter"), "own_proposal");
    }

    #[test]
    fn other_paths_are_not_its_concern() {
        for path in ["/", "/v1/proposals", "/v1/proposals/42", "/v1/proposals/42/comments", "/v1/releases"] {
            assert_eq!(check(Request::builder().path(path)), Verdict::abstain(), "{path}");
        }
    }

    #[test]
    fn settings_that_would_keep_nothing_apart_are_refused() {
        let pointers = |approvals| {
            let problems = configure::<SeparationOfDuties>(json!({ "approvals": approvals })).unwrap_err();
            problems.into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(pointers(json!([])), ["/approvals"]);
        assert_eq!(
            pointers(json!(["/v1/approve", "/*/*", "/v1/*/approve", "/v1/p*"])),
            ["/approvals/0", "/approvals/1", "/approvals/3"],
        );
        assert_eq!(pointers(json!(["/v1/*/approve", "v1/*/approve"])), ["/approvals/1"]);
    }
}
