//! What each route would say to the token.

use super::gate::{Gates, Unchecked, unbound, workload_proof};
use super::{Denied, Reading, RouteAnswer, Row, no_key};
use mandate_core::config::Config;
use mandate_core::decision::Outcome;
use mandate_core::flow::{Flow, Gate, Step};
use mandate_core::http::{RequestHead, WORKLOAD_TOKEN};
use mandate_core::keys::InModule;
use mandate_core::limits;
use mandate_core::proof::Surroundings;
use mandate_core::reason::Reason;
use mandate_core::time::UnixTime;
use mandate_core::token::ParsedToken;

impl Reading {
    pub(super) fn routes(&mut self, gates: &Gates, config: &Config, token: &str, now: UnixTime) {
        for (index, route) in config.routes.iter().enumerate().filter(|(_, route)| !route.anonymous) {
            let Ok(mut gate) = gates.gate(Some(index)) else { continue };
            let prefix = route.matcher.path_prefix.as_str().to_owned();
            let methods = route.matcher.methods.as_ref();
            let usual = if route.rules().is_some() { "POST" } else { "GET" };
            let method = methods.and_then(|methods| methods.first()).map_or(usual, String::as_str);
            let hosts = route.matcher.hosts.as_ref();
            let host =
                hosts.and_then(|hosts| hosts.first()).map(|host| host.to_string().replacen('*', "any", 1));
            let host = host.unwrap_or_else(|| "host.invalid".to_owned());
            let head_with = |credentials: &[(&str, String)]| {
                let mut headers =
                    vec![(":method", method), (":path", prefix.as_str()), (":authority", host.as_str())];
                headers.extend(credentials.iter().map(|(name, value)| (*name, value.as_str())));
                RequestHead::new(headers).with_body(route.rules().is_some() && method == "POST")
            };
            let head_of = |token: &str| head_with(&[("authorization", format!("Bearer {token}"))]);
            let head = head_of(token);
            let verifier: &dyn Surroundings = if self.signature_checked { &InModule } else { &Unchecked };
            let mut denied = denied(&mut gate, head, token, verifier, now);
            // A proof is made for one request by who holds the key: what there is to say beside it, the same token says that is not bound.
            let lacks_proof = denied.as_ref().is_some_and(|it| it.reason == Reason::ProofRequired);
            let mut needs_proof = false;
            let base = config
                .proofs
                .external_uris
                .first()
                .map_or_else(|| format!("https://{host}"), ToString::to_string);
            if lacks_proof && let Some(proof) = workload_proof(token, &format!("{base}{prefix}"), now) {
                needs_proof = true;
                let credentials =
                    [("authorization", format!("WPT {proof}")), (WORKLOAD_TOKEN, token.to_owned())];
                denied = self::denied(&mut gate, head_with(&credentials), token, &Unchecked, now);
            } else if lacks_proof
                && let Some(token) = unbound(token)
                && let Ok(mut gate) = gates.without_proofs(index)
            {
                needs_proof = true;
                let head = head_of(&token);
                denied = self::denied(&mut gate, head, &token, &Unchecked, now);
            }
            let policies = route.policies.len();
            let reads_body = route.rules().is_some();
            let path_prefix = prefix;
            self.routes.push(RouteAnswer { index, path_prefix, denied, policies, reads_body, needs_proof });
        }
        // The time is looked at with every route alike, and belongs to the token.
        let of_time = [Reason::TokenExpired, Reason::TokenNotYetValid, Reason::LifetimeTooLong];
        let mut denials = self.routes.iter().filter_map(|route| route.denied.clone());
        if let Some(denied) = denials.find(|it| of_time.contains(&it.reason))
            && self.rows.iter().all(|row| row.problem.as_ref() != Some(&denied))
        {
            let row = Row {
                what: "validity",
                from: "token".to_owned(),
                value: String::new(),
                problem: Some(denied),
                unchecked: false,
            };
            self.rows.push(row);
        }
    }
}

/// Why a request is denied; `None` if it is not, as far as that depends on its head.
fn denied(
    gate: &mut Gate,
    head: RequestHead,
    token: &str,
    verifier: &dyn Surroundings,
    now: UnixTime,
) -> Option<Denied> {
    match Flow::new(String::new(), head).advance(gate, verifier, now) {
        Step::Done(decision) => match decision.outcome() {
            Outcome::Allow(_) | Outcome::Answer(_) => None,
            Outcome::Deny(denial) => Some(denial.clone().into()),
        },
        // The filter would fetch the set once more, and find the same.
        Step::NeedKeys(_) => match ParsedToken::parse_within(token, limits::MAX_TOKEN_BYTES) {
            Ok(parsed) => Some(no_key(&parsed).into()),
            Err(denial) => Some(denial.into()),
        },
        Step::NeedBody(_) => None,
    }
}
