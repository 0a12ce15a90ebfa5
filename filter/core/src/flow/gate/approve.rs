//! Approvals of requests.

use super::{Gate, Stop};
use crate::action::Action;
use crate::approval::{ApprovalRequest, ApproverKey, ParsedApproval, SignedApproval, UsedApproval};
use crate::chain::VerifiedChain;
use crate::denial::{ApprovalProblem, Denial, Evidence, KeysProblem, Unapprovable};
use crate::http::{NormalPath, RequestHead};
use crate::keys::Lookup;
use crate::proof::Surroundings;
use crate::{reason::Reason, time::UnixTime};

impl Gate {
    /// What must be approved of a request that needs it.
    pub(in crate::flow) fn to_approve(
        &self,
        chain: &VerifiedChain,
        head: &RequestHead,
        path: &NormalPath,
        action: Option<&Action>,
    ) -> Result<ApprovalRequest, Unapprovable> {
        let approvals = self.config.approvals.as_ref().ok_or(Unapprovable::NoApprovers)?;
        ApprovalRequest::of(&approvals.audience, chain, head, path, action)
    }

    /// Checks that a request brings its approval, and uses it. Nothing else may stand in the way of the request then.
    pub(in crate::flow) fn approve(
        &mut self,
        request: &ApprovalRequest,
        head: &RequestHead,
        surroundings: &dyn Surroundings,
        now: UnixTime,
    ) -> Result<UsedApproval, Stop> {
        let no_approvers = || ApprovalProblem::Unapprovable(Unapprovable::NoApprovers);
        let approvals = self.config.approvals.as_ref().ok_or_else(no_approvers)?;
        let approval = ParsedApproval::read(head)?;
        let position = approval.approver_in(approvals)?;
        let approver = approvals.approvers.get(position).ok_or(Reason::Internal)?;
        let algorithm = approval.algorithm_for(approver)?;
        let store = self.approvers.get_mut(position).ok_or(Reason::Internal)?;
        let key = match store.find(approval.key_id(), algorithm, now) {
            Lookup::Found(key, _) => key,
            Lookup::Unknown => return Err(ApprovalProblem::Key.into()),
            Lookup::Unavailable => {
                let issuer = Some(approver.issuer.clone());
                let evidence = Evidence::Keys { issuer, problem: KeysProblem::Missing };
                return Err(Denial::new(Reason::KeysUnavailable, evidence).into());
            }
            // They come after those of the issuers.
            Lookup::Wait => return Err(Stop::Wait(self.issuers.len().saturating_add(position))),
        };
        // A key so large that a worker would be held up is none.
        let cost_us = surroundings.cost_us(key, algorithm).ok_or(ApprovalProblem::Key)?;
        self.spent_us = self.spent_us.saturating_add(cost_us);
        let approval =
            SignedApproval::verify(approval, &ApproverKey { approver, algorithm, key }, surroundings)?;
        let held = approval.holds_for(request, approvals, now)?;
        Ok(held.use_up(self.prover.memory(), surroundings.shared_memory(), now)?)
    }
}
