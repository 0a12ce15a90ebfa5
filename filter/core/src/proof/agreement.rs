//! Who the agent is, where several sources name it: they must name the same (AIMS §6).

use super::Peer;
use crate::chain::VerifiedChain;
use crate::config::AgentSource;
use crate::denial::{AgreementProblem, Denial, Evidence};
use crate::reason::Reason;

/// Checks that every source that the issuer's entry lists names the agent of the token.
///
/// # Errors
/// [`Reason::AgentMismatch`]; what is wrong with the certificate, if it is asked for.
pub(super) fn check(chain: &VerifiedChain, peer: &Peer<'_>) -> Result<(), Denial> {
    let sources = &chain.token().issuer().entry().agent.agree;
    if sources.is_empty() {
        return Ok(());
    }
    let refuse = |source, problem, agent: Option<&str>, found: Option<&str>| {
        let (agent, found) = (agent.map(Into::into), found.map(Into::into));
        Err(Denial::new(Reason::AgentMismatch, Evidence::Agreement { source, problem, agent, found }))
    };
    let Some(agent) = chain.agent().map(|agent| agent.subject.as_str()) else {
        return refuse(None, AgreementProblem::NoAgent, None, None);
    };
    for source in sources {
        let found = match source {
            AgentSource::Client => chain.token().client_id(),
            AgentSource::Certificate => peer.certificate()?.and_then(|certificate| certificate.uri()),
            AgentSource::Workload => chain.token().workload(),
        };
        match found {
            Some(found) if found == agent => {}
            Some(_) => return refuse(Some(source.name()), AgreementProblem::Differs, Some(agent), found),
            None => return refuse(Some(source.name()), AgreementProblem::Absent, Some(agent), None),
        }
    }
    Ok(())
}
