//! Constraints of a delegated authority, and when one admits no more than another.
//!
//! ```text
//! constraint = { "key": string, type: value }          ; `rank` has "order" too; no other member
//! type       = "max" / "max_lifetime" / "max_subtree" / "min"  ; a number
//!            / "one_of" / "not_one_of"                  ; an array
//!            / "prefix"                                 ; a string
//!            / "rank"                                   ; a string, one of "order": two or more different strings, strictest first
//! ```

use crate::config::ConstraintType;
use crate::denial::LinkProblem;
use crate::json::canonical;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Of which type a constraint is. With its key it is the constraint's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Max,
    MaxLifetime,
    MaxSubtree,
    Min,
    OneOf,
    NotOneOf,
    Prefix,
    Rank,
    /// One that is not known here: never satisfied.
    Unknown(String),
}

const KNOWN: [Kind; 8] = [
    Kind::Max,
    Kind::MaxLifetime,
    Kind::MaxSubtree,
    Kind::Min,
    Kind::OneOf,
    Kind::NotOneOf,
    Kind::Prefix,
    Kind::Rank,
];

impl Kind {
    /// The name of the member that holds the value; of an unknown one what it is called here.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::MaxLifetime => "max_lifetime",
            Self::MaxSubtree => "max_subtree",
            Self::Min => "min",
            Self::OneOf => "one_of",
            Self::NotOneOf => "not_one_of",
            Self::Prefix => "prefix",
            Self::Rank => "rank",
            Self::Unknown(_) => "unknown",
        }
    }

    /// What an operator calls it who has policies check it. `None` for totals over several requests, which no policy holds,
    /// and for what is not known.
    pub(super) const fn checkable(&self) -> Option<ConstraintType> {
        match self {
            Self::Max => Some(ConstraintType::Max),
            Self::Min => Some(ConstraintType::Min),
            Self::OneOf => Some(ConstraintType::OneOf),
            Self::NotOneOf => Some(ConstraintType::NotOneOf),
            Self::Prefix => Some(ConstraintType::Prefix),
            Self::Rank => Some(ConstraintType::Rank),
            Self::MaxLifetime | Self::MaxSubtree | Self::Unknown(_) => None,
        }
    }
}

/// What a constraint admits.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    /// No more than this.
    Most(f64),
    /// No less than this.
    Least(f64),
    /// One of these, as canonical JSON.
    OneOf(BTreeSet<String>),
    /// None of these, likewise.
    NotOneOf(BTreeSet<String>),
    /// What begins with this.
    Prefix(String),
    /// What stands no later in the order.
    Rank { order: Vec<String>, position: usize },
    /// Nobody knows; its canonical JSON.
    Unknown(String),
}

/// One constraint: its key, its type, and what it admits.
pub(super) fn read(constraint: &Value) -> Result<((String, Kind), Bound), LinkProblem> {
    let members = constraint.as_object().ok_or(LinkProblem::Constraint)?;
    let key = members.get("key").and_then(Value::as_str).ok_or(LinkProblem::Constraint)?;
    let of_type = |kind: &&Kind| members.contains_key(kind.name());
    let mut known = KNOWN.iter().filter(of_type);
    let (kind, bound) = match (known.next(), known.next()) {
        (Some(kind), None) => (kind.clone(), bound(kind, members)?),
        (None, _) => unknown(members)?,
        (Some(_), Some(_)) => return Err(LinkProblem::Constraint),
    };
    Ok(((key.to_owned(), kind), bound))
}

fn bound(kind: &Kind, members: &Map<String, Value>) -> Result<Bound, LinkProblem> {
    let is_rank = *kind == Kind::Rank;
    if members.len() != if is_rank { 3 } else { 2 } {
        return Err(LinkProblem::Constraint);
    }
    let bound = members.get(kind.name()).and_then(|value| match kind {
        Kind::Max | Kind::MaxLifetime | Kind::MaxSubtree => Some(Bound::Most(value.as_f64()?)),
        Kind::Min => Some(Bound::Least(value.as_f64()?)),
        Kind::OneOf => Some(Bound::OneOf(texts(value)?)),
        Kind::NotOneOf => Some(Bound::NotOneOf(texts(value)?)),
        Kind::Prefix => Some(Bound::Prefix(value.as_str()?.to_owned())),
        Kind::Rank => {
            let order = strings(members.get("order")?)?;
            let different: BTreeSet<&String> = order.iter().collect();
            let position = order.iter().position(|name| Some(name.as_str()) == value.as_str())?;
            (order.len() >= 2 && different.len() == order.len()).then_some(Bound::Rank { order, position })
        }
        Kind::Unknown(_) => None,
    });
    bound.ok_or(LinkProblem::Constraint)
}

/// Beside its key it has one member, or it is not known which of them is the type.
fn unknown(members: &Map<String, Value>) -> Result<(Kind, Bound), LinkProblem> {
    let mut others = members.iter().filter(|(name, _)| *name != "key");
    match (others.next(), others.next()) {
        (Some((name, value)), None) => {
            let text = canonical(value).map_err(|_| LinkProblem::Constraint)?;
            Ok((Kind::Unknown(name.clone()), Bound::Unknown(text)))
        }
        _ => Err(LinkProblem::Constraint),
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|element| element.as_str().map(str::to_owned)).collect()
}

fn texts(value: &Value) -> Option<BTreeSet<String>> {
    value.as_array()?.iter().map(|element| canonical(element).ok()).collect()
}

impl Bound {
    /// Whether it admits no more than `parent`, which is of the same key and type.
    pub(super) fn is_within(&self, parent: &Self) -> bool {
        match (self, parent) {
            (Self::Most(own), Self::Most(parent)) => own <= parent,
            (Self::Least(own), Self::Least(parent)) => own >= parent,
            (Self::OneOf(own), Self::OneOf(parent)) => own.is_subset(parent),
            (Self::NotOneOf(own), Self::NotOneOf(parent)) => own.is_superset(parent),
            (Self::Prefix(own), Self::Prefix(parent)) => own.starts_with(parent),
            (
                Self::Rank { order, position },
                Self::Rank { order: parent_order, position: parent_position },
            ) => order == parent_order && position <= parent_position,
            (Self::Unknown(own), Self::Unknown(parent)) => own == parent,
            _ => false,
        }
    }
}
