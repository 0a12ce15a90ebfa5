//! `acr_values` and `max_age_s`.

use super::super::reader::Object;
use super::super::{Authentication, checks};
use crate::limits;

/// The members of a route or a rule that say how the principal must have authenticated.
pub(super) fn authentication(object: &mut Object<'_>) -> Option<Authentication> {
    let acr_values = object.defaulted("acr_values", Vec::new, |node| {
        node.set(1..=limits::ACR_VALUES, checks::acr_value, PartialEq::eq)
    });
    let max_age_s = object.optional("max_age_s", |node| node.integer(&limits::AUTHENTICATION_AGE_S));
    Some(Authentication { acr_values: acr_values?, max_age_s: max_age_s? })
}
