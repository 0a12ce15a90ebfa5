//! `approvals`.

use super::super::reader::Node;
use super::super::{Approvals, Approver, checks, defaults};
use super::issuer::key_source;
use crate::limits;

pub(super) fn approvals(node: &Node<'_>) -> Option<Approvals> {
    let mut object = node.object()?;
    let audience = object.required("audience", checks::identity);
    let max_lifetime_s = object.defaulted("max_lifetime_s", defaults::approval_lifetime_s, |node| {
        node.integer(&(1..=limits::MAX_APPROVAL_LIFETIME_S))
    });
    let clock_skew_s = object.defaulted("clock_skew_s", defaults::clock_skew_s, |node| {
        node.integer(&(0..=limits::MAX_CLOCK_SKEW_S))
    });
    let approvers = object.required("approvers", |node| {
        let approvers = node.list(1..=limits::APPROVERS, approver);
        node.refuse_repeated("issuer", limits::APPROVERS);
        approvers
    });
    object.finish();
    Some(Approvals {
        audience: audience?,
        max_lifetime_s: max_lifetime_s?,
        clock_skew_s: clock_skew_s?,
        approvers: approvers?,
    })
}

fn approver(node: &Node<'_>) -> Option<Approver> {
    let mut object = node.object()?;
    let issuer = object.required("issuer", checks::identity);
    let algorithms = object.required("algorithms", checks::algorithms);
    let keys = object.required("keys", key_source);
    object.finish();
    Some(Approver { issuer: issuer?, algorithms: algorithms?, keys: keys? })
}

/// `approval` of a route or a rule: `true` says that its requests need one.
pub(super) fn needed(node: &Node<'_>, has_approvals: bool) -> Option<bool> {
    match node.boolean()? {
        true if !has_approvals => node
            .refuse_with("nobody can approve: there are no `approvals`", "add `approvals` with an approver"),
        needed => Some(needed),
    }
}
