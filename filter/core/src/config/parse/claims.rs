//! `claims`, `agent` and `chain` of an issuer.

use super::super::reader::{Node, Object};
use super::super::{
    AgentFrom, AgentRule, AgentSource, ChainForm, ChainRule, ClaimMapping, ClaimPlaces, ConstraintType, Mark,
    Provider, Sign, checks,
};
use super::word;
use crate::json::Pointer;
use crate::limits;
use serde_json::Value;

pub(super) fn claims(node: &Node<'_>) -> Option<ClaimMapping> {
    let mut object = node.object()?;
    let audience = object
        .required("audience", |node| node.set(1..=limits::CLAIM_POINTERS, checks::pointer, PartialEq::eq));
    let principal = object
        .required("principal", |node| node.set(1..=limits::CLAIM_POINTERS, joined_pointers, PartialEq::eq));
    let client = object.optional("client", claim_places);
    let token_id = object.optional("token_id", claim_places);
    let issued_at = object.required("issued_at", claim_places);
    let scopes = object
        .optional("scopes", |node| node.set(0..=limits::CLAIM_POINTERS, joined_pointers, PartialEq::eq));
    let require = object.required("require", |node| by_pointer(node, mark));
    object.finish();
    Some(ClaimMapping {
        audience: audience?,
        principal: principal?,
        client: client?,
        token_id: token_id?,
        issued_at: issued_at?,
        scopes: scopes?,
        require: require?,
    })
}

pub(super) fn agent(node: &Node<'_>, provider: Option<Provider>) -> Option<AgentRule> {
    let mut object = node.object()?;
    let from = object.required("from", |node| {
        let words = [("act", AgentFrom::Act), ("client", AgentFrom::Client), ("subject", AgentFrom::Subject)];
        word(node, "source of the agent", &words)
    });
    let when = object.defaulted("when", Vec::new, |node| by_pointer(node, sign));
    let agree = object.defaulted("agree", Vec::new, |node| {
        node.set(0..=limits::SMALL_LIST, |node| agent_source(node, provider), PartialEq::eq)
    });
    object.finish();
    Some(AgentRule { from: from?, when: when?, agree: agree? })
}

fn agent_source(node: &Node<'_>, provider: Option<Provider>) -> Option<AgentSource> {
    let words = [AgentSource::Client, AgentSource::Certificate, AgentSource::Workload];
    let source = word(node, "source of the agent's name", &words.map(|source| (source.name(), source)))?;
    if source == AgentSource::Workload && provider.is_some_and(|provider| provider != Provider::Wit) {
        return node.refuse_with(
            "a Workload Identity Token beside another token is not verified in this version",
            "use it for the provider `wit` only, whose tokens are such ones",
        );
    }
    Some(source)
}

pub(super) fn chain(node: &Node<'_>) -> Option<ChainRule> {
    let mut object = node.object()?;
    let form = object.required("form", |node| {
        let forms =
            [("act", ChainForm::Act), ("okta", ChainForm::Okta), ("attenuated", ChainForm::Attenuated)];
        word(node, "form of a chain", &forms)
    });
    let count = object.defaulted(
        "count",
        || None,
        |node| match node.value() {
            Value::Null => Some(None),
            _ => node.set(1..=limits::SMALL_LIST, checks::claim_word, PartialEq::eq).map(Some),
        },
    );
    let header = object.optional("header", checks::chain_header);
    let constraints = object
        .optional("constraints", |node| node.set(1..=limits::SMALL_LIST, constraint_type, PartialEq::eq));
    match form {
        Some(ChainForm::Attenuated) => {
            if header == Some(None) {
                object.required("header", |_| None::<()>);
            }
            if let Some(node) = object.member("count").filter(|_| count.as_ref().is_some_and(Option::is_some))
            {
                node.refuse_with::<()>(
                    "must be absent with the form `attenuated`: agents themselves would say what does not count",
                    "remove it: every link counts",
                );
            }
        }
        Some(_) => {
            // What is wrong anyway is reported once.
            let are_read = [("header", header.is_some()), ("constraints", constraints.is_some())];
            for (name, _) in are_read.into_iter().filter(|(_, is_read)| *is_read) {
                if let Some(node) = object.member(name) {
                    node.refuse_with::<()>("has a meaning with the form `attenuated` only", "remove it");
                }
            }
        }
        None => {}
    }
    object.finish();
    Some(ChainRule { form: form?, count: count?, header: header?, constraints: constraints? })
}

fn constraint_type(node: &Node<'_>) -> Option<ConstraintType> {
    if let Value::String(name) = node.value()
        && matches!(name.as_str(), "max_lifetime" | "max_subtree")
    {
        return node.refuse("is a total over several requests, and no policy holds one");
    }
    let words: Vec<_> =
        <ConstraintType as strum::VariantArray>::VARIANTS.iter().map(|it| (it.name(), *it)).collect();
    word(node, "type of constraints that policies can check", &words)
}

/// The last link of an attenuated chain is worth nothing to who cannot prove to hold its key.
pub(super) fn refuse_unproven(object: &mut Object<'_>) {
    const MESSAGE: &str =
        "must be `required` with the chain form `attenuated`: each link is bound to its holder";
    match object.member("proof") {
        Some(node) => _ = node.refuse::<()>(MESSAGE),
        None => _ = object.required("proof", |_| None::<()>),
    }
}

/// What an issuer's entry may not say whose chains are attenuated: it would decide nothing.
pub(super) fn refuse_beside_attenuated(
    object: &mut Object<'_>,
    provider: Provider,
    claims: Option<&ClaimMapping>,
    agent: Option<&AgentRule>,
) {
    if provider != Provider::Rfc9068
        && let Some(node) = object.member("provider")
    {
        node.refuse_with::<()>(
            "cannot be combined with the chain form `attenuated`, whose tokens look as RFC 9068 says",
            "remove it",
        );
        return;
    }
    let says_where = |claims: &ClaimMapping| {
        claims.client.is_some() || claims.token_id.is_some() || claims.scopes.is_some()
    };
    if claims.is_some_and(says_where)
        && let Some(node) = object.member("claims")
    {
        node.refuse_with::<()>(
            "must not name `client`, `token_id` or `scopes` with the chain form `attenuated`, which says where they are",
            "remove them",
        );
    }
    let is_other = |agent: &AgentRule| agent.from != AgentFrom::Act || !agent.when.is_empty();
    if agent.is_some_and(is_other)
        && let Some(node) = object.member("agent")
    {
        node.refuse_with::<()>(
            "decides nothing with the chain form `attenuated`: the agent is the client of the last link",
            "remove it",
        );
    }
}

/// One pointer, or several that belong together.
fn joined_pointers(node: &Node<'_>) -> Option<Vec<Pointer>> {
    match node.value() {
        Value::Array(_) => node.list(1..=limits::CLAIM_POINTERS, checks::pointer),
        _ => Some(vec![checks::pointer(node)?]),
    }
}

fn claim_places(node: &Node<'_>) -> Option<ClaimPlaces> {
    let list = node.set(0..=limits::CLAIM_POINTERS, pointer_or_null, PartialEq::eq)?;
    let may_be_absent = list.is_empty() || list.contains(&None);
    Some(ClaimPlaces { pointers: list.into_iter().flatten().collect(), may_be_absent })
}

fn pointer_or_null(node: &Node<'_>) -> Option<Option<Pointer>> {
    match node.value() {
        Value::Null => Some(None),
        _ => checks::pointer(node).map(Some),
    }
}

/// An object whose members are named by JSON pointers.
pub(super) fn by_pointer<T>(
    node: &Node<'_>,
    read: impl Fn(&Node<'_>) -> Option<T>,
) -> Option<Vec<(Pointer, T)>> {
    let members = node.members(limits::CLAIM_POINTERS)?;
    let count = members.len();
    let read = |(name, node): &(&str, Node<'_>)| {
        let pointer = checks::pointer_text(node, name);
        let value = read(node);
        Some((pointer?, value?))
    };
    let list: Vec<_> = members.iter().filter_map(read).collect();
    (list.len() == count).then_some(list)
}

fn mark(node: &Node<'_>) -> Option<Mark> {
    match node.value() {
        Value::Object(_) => present(node).map(|()| Mark::Present),
        Value::Array(_) => {
            let list = node.set(1..=limits::SMALL_LIST, one_value, PartialEq::eq)?;
            let or_absent = list.contains(&None);
            Some(Mark::OneOf { values: list.into_iter().flatten().collect(), or_absent })
        }
        _ => {
            let value = one_value(node)?;
            Some(Mark::OneOf { or_absent: value.is_none(), values: value.into_iter().collect() })
        }
    }
}

/// Whether every reader can tell this number from its neighbours; other values have none.
pub(super) fn is_safe(value: &Value) -> bool {
    value.as_f64().is_none_or(|number| number.abs() <= limits::MAX_SAFE_INTEGER)
}

/// `None` stands for `null`: the claim is absent.
pub(super) fn one_value(node: &Node<'_>) -> Option<Option<Value>> {
    match node.value() {
        Value::Null => Some(None),
        Value::Number(number) if number.is_f64() && !is_safe(node.value()) => {
            node.refuse("is rounded when it is read, and so are its neighbours: they could not be told apart")
        }
        Value::Bool(_) | Value::Number(_) => Some(Some(node.value().clone())),
        Value::String(_) => node.string(limits::IDENTITY_BYTES).map(|text| Some(text.into())),
        Value::Array(_) | Value::Object(_) => {
            node.refuse("must be a string, a number, a boolean or `null`, which stands for an absent claim")
        }
    }
}

fn sign(node: &Node<'_>) -> Option<Sign> {
    match node.value() {
        Value::Object(_) => present(node).map(|()| Sign::Present),
        _ => checks::claim_word(node).map(Sign::Word),
    }
}

/// `{"present": true}`.
fn present(node: &Node<'_>) -> Option<()> {
    let mut object: Object<'_> = node.object()?;
    let present = object.required("present", |node| match node.boolean()? {
        true => Some(()),
        false => node.refuse_with(
            "must be `true`",
            "write `null` instead of the object for a claim that must be absent",
        ),
    });
    object.finish();
    present
}
