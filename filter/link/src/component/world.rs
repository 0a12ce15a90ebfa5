//! Checks that a component's type is the contract's world: it imports no more, and exports neither more nor less.

use wasmparser::{
    Payload,
    component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentItem, ResourceId},
    types::TypesRef,
};

use super::{
    contract::{Contract, Version, contract, split_version},
    declarations::sections,
    types::{Comparison, Difference},
};
use crate::refusal::{Refusal, shown};
use mandate_seam::{layout::obligation, wit};

type Item<'a> = (&'a str, &'a ComponentItem);

/// What the world of a component says about it.
pub(super) struct World {
    /// The resource in it that is the request.
    pub(super) request: Option<ResourceId>,
    /// How many cases of `obligation` it has.
    pub(super) obligation_cases: usize,
}

/// Checks the imports and exports of a component.
pub(super) fn check(component: &[u8], types: TypesRef<'_>) -> Result<World, Refusal> {
    let contract = contract()?;
    let (imports, exports) = imports_and_exports(component, types)?;
    let request = request_of(types, imports.iter().copied());
    let requests = request.zip(request_of(contract.types(), contract.imports()));
    let comparison = |version: Version| Comparison {
        found: types,
        expected: contract.types(),
        request: requests,
        later: version.later_cases().collect(),
    };
    let made_for = contract.made_for(imports.iter().map(|(name, _)| *name));
    for &(name, item) in &imports {
        let expected = &contract.import(name)?.ty;
        let version = split_version(name).1.and_then(Version::parse).unwrap_or(made_for);
        compare_item(&comparison(version), name, &item.ty, expected)?;
    }
    let comparison = comparison(made_for);
    check_exports(&comparison, contract, &exports)?;
    let later = comparison.later.iter().filter(|added| added.variant == wit::OBLIGATION).count();
    Ok(World { request, obligation_cases: obligation::TYPE.parts.len().saturating_sub(later) })
}

fn check_exports(
    comparison: &Comparison<'_>,
    contract: &Contract,
    found: &[Item<'_>],
) -> Result<(), Refusal> {
    for (name, _) in found {
        if !contract.exports().any(|(expected, _)| expected == *name) {
            return Err(Refusal::UnknownExport { name: shown(name) });
        }
    }
    for (name, expected) in contract.exports() {
        let (_, item) = found
            .iter()
            .find(|(export, _)| *export == name)
            .ok_or_else(|| Refusal::MissingExport { name: name.to_owned() })?;
        compare_item(comparison, name, &item.ty, &expected.ty)?;
    }
    Ok(())
}

fn compare_item(
    comparison: &Comparison<'_>,
    name: &str,
    found: &ComponentEntityType,
    expected: &ComponentEntityType,
) -> Result<(), Refusal> {
    let (ComponentEntityType::Instance(found), ComponentEntityType::Instance(expected)) = (found, expected)
    else {
        return compare_entity(comparison, found, expected).map_err(|difference| Refusal::Type {
            item: format!("`{}`", shown(name)),
            difference: difference.to_string(),
        });
    };
    let found = comparison.found.get(*found).map(|instance| &instance.exports);
    let expected = comparison.expected.get(*expected).map(|instance| &instance.exports);
    for (item, found) in found.into_iter().flatten() {
        let expected = expected
            .and_then(|items| items.get(item))
            .ok_or_else(|| Refusal::UnknownImport { interface: shown(name), item: shown(item) })?;
        compare_entity(comparison, &found.ty, &expected.ty).map_err(|difference| Refusal::Type {
            item: format!("`{}` of `{}`", shown(item), shown(name)),
            difference: difference.to_string(),
        })?;
    }
    Ok(())
}

/// Functions and types; the contract has no interfaces within interfaces.
fn compare_entity(
    comparison: &Comparison<'_>,
    found: &ComponentEntityType,
    expected: &ComponentEntityType,
) -> Result<(), Difference> {
    use ComponentEntityType as E;
    match (found, expected) {
        (E::Func(found), E::Func(expected)) => {
            match (comparison.found.get(*found), comparison.expected.get(*expected)) {
                (Some(found), Some(expected)) => comparison.function(found, expected),
                _ => Err(Difference::new("a function without a type", "otherwise")),
            }
        }
        (E::Type { created: found, .. }, E::Type { created: expected, .. }) => {
            comparison.any_type(*found, *expected)
        }
        _ => Err(Difference::new(kind(found), kind(expected))),
    }
}

fn kind(entity: &ComponentEntityType) -> &'static str {
    match entity {
        ComponentEntityType::Module(_) => "a core module",
        ComponentEntityType::Func(_) => "a function",
        ComponentEntityType::Value(_) => "a value",
        ComponentEntityType::Type { .. } => "a type",
        ComponentEntityType::Instance(_) => "an interface",
        ComponentEntityType::Component(_) => "a component",
    }
}

/// The resource `request` of the first imported interface of that name. Where there is a second one, its resource is
/// another, and the comparison finds that out.
fn request_of<'a>(types: TypesRef<'_>, imports: impl IntoIterator<Item = Item<'a>>) -> Option<ResourceId> {
    let (_, interface) = imports
        .into_iter()
        .find(|(name, _)| split_version(name).0.strip_prefix(wit::PACKAGE) == Some(wit::REQUEST))?;
    let ComponentEntityType::Instance(interface) = interface.ty else { return None };
    match types.get(interface)?.exports.get(wit::REQUEST_RESOURCE)?.ty {
        ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(request), .. } => {
            Some(request.resource())
        }
        _ => None,
    }
}

fn imports_and_exports<'a>(
    component: &'a [u8],
    types: TypesRef<'a>,
) -> Result<(Vec<Item<'a>>, Vec<Item<'a>>), Refusal> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for section in sections(component) {
        match section? {
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let name = import?.name.name;
                    imports.extend(types.component_item_for_import(name).map(|item| (name, item)));
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let name = export?.name.name;
                    exports.extend(types.component_item_for_export(name).map(|item| (name, item)));
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}
