//! What is written down here is what the contract with policies says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use mandate_seam::layout::{self, Layout};
use mandate_seam::{CoreType, HostFunction, PolicyFunction, Signature, wit};
use std::collections::BTreeMap;
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{
    Function, Int, InterfaceId, Resolve, SizeAlign, SourceMap, Type, TypeDefKind, WorldId, WorldItem,
};

struct Contract {
    resolve: Resolve,
    world: WorldId,
    sizes: SizeAlign,
}

impl Contract {
    fn read() -> Self {
        Self::of(&wit::FILES)
    }

    fn of(files: &[(&str, &str)]) -> Self {
        let mut sources = SourceMap::new();
        for (name, text) in files {
            sources.push_str(name, *text);
        }
        let mut resolve = Resolve::default();
        let package = resolve.push_group(sources.parse().unwrap()).unwrap();
        let world = resolve.select_world(&[package], Some(wit::WORLD)).unwrap();
        let name = &resolve.packages[package].name;
        assert_eq!(wit::PACKAGE, format!("{}:{}/", name.namespace, name.name));
        let mut sizes = SizeAlign::default();
        sizes.fill(&resolve).unwrap();
        Self { resolve, world, sizes }
    }

    fn interfaces(&self) -> BTreeMap<String, InterfaceId> {
        let interfaces = self.resolve.interfaces.iter();
        interfaces.map(|(id, interface)| (interface.name.clone().unwrap(), id)).collect()
    }

    /// The functions that a policy may import, by interface and name.
    fn imported(&self) -> BTreeMap<(String, String), &Function> {
        let interfaces = self.interfaces().into_iter();
        interfaces
            .flat_map(|(interface, id)| {
                let functions = &self.resolve.interfaces[id].functions;
                functions.values().map(move |function| ((interface.clone(), function.name.clone()), function))
            })
            .collect()
    }

    fn exported(&self) -> BTreeMap<String, &Function> {
        let exports = self.resolve.worlds[self.world].exports.values();
        exports
            .map(|item| match item {
                WorldItem::Function(function) => (function.name.clone(), function),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    fn layout(&self, ty: &Type) -> Layout {
        Layout {
            size: word(self.sizes.size(ty).size_wasm32()),
            align: word(self.sizes.align(ty).align_wasm32()),
        }
    }

    /// A type as the contract writes it.
    fn written(&self, ty: &Type) -> String {
        let Type::Id(id) = ty else {
            return match ty {
                Type::String => "string",
                Type::Bool => "bool",
                Type::U32 => "u32",
                Type::U64 => "u64",
                Type::S64 => "s64",
                Type::F64 => "f64",
                other => panic!("{other:?} is not used yet"),
            }
            .to_owned();
        };
        let ty = &self.resolve.types[*id];
        let part = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), |ty| self.written(ty));
        match (&ty.name, &ty.kind) {
            (_, TypeDefKind::Type(same)) => self.written(same),
            (Some(name), _) => name.clone(),
            (None, TypeDefKind::Option(some)) => format!("option<{}>", self.written(some)),
            (None, TypeDefKind::List(element)) => format!("list<{}>", self.written(element)),
            (None, TypeDefKind::Result(result)) => {
                format!("result<{}, {}>", part(&result.ok), part(&result.err))
            }
            (None, TypeDefKind::Handle(_)) => "handle".to_owned(),
            (None, other) => panic!("{other:?} is not used yet"),
        }
    }

    fn signature(&self, function: &Function, side: AbiVariant) -> (Vec<CoreType>, Vec<CoreType>) {
        let core = |types: &[WasmType]| {
            let core = |ty: &WasmType| match ty {
                WasmType::I32 | WasmType::Pointer | WasmType::Length => CoreType::I32,
                WasmType::I64 => CoreType::I64,
                other => panic!("{other:?} is not passed yet"),
            };
            types.iter().map(core).collect()
        };
        let signature = self.resolve.wasm_signature(side, function);
        (core(&signature.params), core(&signature.results))
    }

    /// The cases of every variant, and where they lie: size, alignment, and the place of the payload.
    fn variants(&self) -> BTreeMap<String, (Vec<String>, Layout, usize)> {
        let variants = self.resolve.types.iter().filter_map(|(id, ty)| {
            let TypeDefKind::Variant(variant) = &ty.kind else { return None };
            let names = variant.cases.iter().map(|case| case.name.clone()).collect();
            let payloads = variant.cases.iter().map(|case| case.ty.as_ref());
            let payload = self.sizes.payload_offset(Int::U8, payloads).size_wasm32();
            Some((ty.name.clone().unwrap(), (names, self.layout(&Type::Id(id)), payload)))
        });
        variants.collect()
    }
}

/// The contract as it was, in a folder beside this file.
macro_rules! earlier {
    ($version:literal) => {
        (
            $version,
            [
                ("world.wit", include_str!(concat!("contract-", $version, "/world.wit"))),
                ("types.wit", include_str!(concat!("contract-", $version, "/types.wit"))),
                ("request.wit", include_str!(concat!("contract-", $version, "/request.wit"))),
                ("log.wit", include_str!(concat!("contract-", $version, "/log.wit"))),
            ],
        )
    };
}

const EARLIER: [(&str, [(&str, &str); 4]); 2] = [earlier!("0.1.0"), earlier!("0.1.1")];

/// The last number of a version: all are of 0.1.
fn patch(version: &str) -> u32 {
    version.strip_prefix("0.1.").unwrap().parse().unwrap()
}

fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

fn parts(signature: Signature) -> (Vec<CoreType>, Vec<CoreType>) {
    (signature.params.to_vec(), signature.results.to_vec())
}

#[test]
fn a_policy_may_import_every_function_of_the_contract_by_its_type() {
    let contract = Contract::read();
    let imported = contract.imported();
    let mut granted = Vec::new();
    for function in HostFunction::ALL {
        let name = (function.interface().to_owned(), function.name().to_owned());
        if function == HostFunction::Drop {
            assert_eq!(function.name(), format!("[resource-drop]{}", wit::REQUEST_RESOURCE));
            assert_eq!(parts(function.signature()), (vec![CoreType::I32], vec![]));
            continue;
        }
        let there = imported.get(&name).unwrap_or_else(|| panic!("{name:?}"));
        let expected = contract.signature(there, AbiVariant::GuestImport);
        assert_eq!(parts(function.signature()), expected, "{name:?}");
        granted.push(name);
    }
    granted.sort();
    assert_eq!(granted, imported.into_keys().collect::<Vec<_>>());
}

#[test]
fn a_policy_exports_every_function_of_the_contract_by_its_type() {
    let contract = Contract::read();
    let exported = contract.exported();
    let mut names: Vec<&str> = exported.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, [wit::CHECK, wit::CONFIGURE, wit::DESCRIBE]);
    for (function, post, name) in [
        (PolicyFunction::Configure, PolicyFunction::PostConfigure, wit::CONFIGURE),
        (PolicyFunction::Check, PolicyFunction::PostCheck, wit::CHECK),
    ] {
        let (params, results) = contract.signature(exported[name], AbiVariant::GuestExport);
        assert_eq!(parts(function.signature()), (params, results.clone()), "{name}");
        assert_eq!(parts(post.signature()), (results, vec![]), "{name}");
    }
}

#[test]
fn the_types_of_the_contract_lie_as_the_canonical_abi_has_them() {
    let contract = Contract::read();
    let mut passed: BTreeMap<String, Type> = BTreeMap::new();
    for (id, ty) in contract.resolve.types.iter() {
        if !matches!(ty.kind, TypeDefKind::Resource | TypeDefKind::Handle(_) | TypeDefKind::Type(_)) {
            passed.insert(contract.written(&Type::Id(id)), Type::Id(id));
        }
    }
    for (name, ty) in &passed {
        let Type::Id(id) = ty else { panic!("{name}") };
        let kind = &contract.resolve.types[*id].kind;
        if let TypeDefKind::List(_) = kind {
            assert_eq!(contract.layout(ty), layout::span::LAYOUT, "{name}");
            continue;
        }
        let known = layout::TYPES.into_iter().find(|known| known.name == name);
        let known = known.unwrap_or_else(|| panic!("`{name}` has no layout here"));
        assert_eq!(known.layout, contract.layout(ty), "{name}");
        let numbered = |names: Vec<&str>| -> Vec<(String, usize)> {
            names.into_iter().enumerate().map(|(number, name)| (name.to_owned(), number)).collect()
        };
        let (parts, payloads): (Vec<(String, usize)>, Vec<Option<&Type>>) = match kind {
            TypeDefKind::Record(record) => {
                let offsets = contract.sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
                let fields = record.fields.iter().zip(offsets);
                (fields.map(|(field, (at, _))| (field.name.clone(), at.size_wasm32())).collect(), vec![])
            }
            TypeDefKind::Variant(variant) => (
                numbered(variant.cases.iter().map(|case| case.name.as_str()).collect()),
                variant.cases.iter().map(|case| case.ty.as_ref()).collect(),
            ),
            TypeDefKind::Enum(cases) => {
                (numbered(cases.cases.iter().map(|case| case.name.as_str()).collect()), vec![])
            }
            TypeDefKind::Option(some) => (numbered(vec!["none", "some"]), vec![None, Some(some)]),
            TypeDefKind::Result(result) => {
                (numbered(vec!["ok", "err"]), vec![result.ok.as_ref(), result.err.as_ref()])
            }
            other => panic!("{other:?} is not used yet"),
        };
        let found: Vec<(String, usize)> =
            known.parts.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
        assert_eq!(found, parts, "{name}");
        if !payloads.is_empty() {
            let payload = contract.sizes.payload_offset(Int::U8, payloads).size_wasm32();
            assert_eq!(known.payload, Some(payload), "{name}");
        }
    }
    for known in layout::TYPES {
        assert!(passed.contains_key(known.name), "the contract has no `{}`", known.name);
    }
    for (ty, expected) in [
        (Type::Bool, layout::BYTE),
        (Type::U32, layout::WORD),
        (Type::S64, layout::DOUBLE_WORD),
        (Type::F64, layout::DOUBLE_WORD),
        (Type::String, layout::span::LAYOUT),
    ] {
        assert_eq!(contract.layout(&ty), expected, "{ty:?}");
    }
}

#[test]
fn a_variant_of_an_earlier_version_only_got_cases_behind_its_last_one_and_lies_as_it_did() {
    let today = Contract::read().variants();
    for (version, files) in EARLIER {
        let earlier = Contract::of(&files).variants();
        for (name, (cases, layout, payload)) in &earlier {
            let (all, layout_today, payload_today) = &today[name];
            assert_eq!((layout_today, payload_today), (layout, payload), "`{name}` of {version}");
            let is_later = |case: &&String| {
                let mut added = wit::ADDED_CASES.iter();
                added.any(|a| a.variant == name && a.case == **case && patch(a.since) > patch(version))
            };
            let known: Vec<&String> = all.iter().filter(|case| !is_later(case)).collect();
            assert_eq!(known, cases.iter().collect::<Vec<_>>(), "`{name}` of {version}");
            assert_eq!(&all[..cases.len()], cases, "`{name}` of {version}");
        }
        assert!(!earlier.is_empty(), "{version}");
    }
}

#[test]
fn a_case_that_was_added_is_in_one_variant_only_which_nobody_but_a_policy_returns() {
    let contract = Contract::read();
    for added in wit::ADDED_CASES {
        let with_the_name = contract.resolve.types.iter().flat_map(|(_, ty)| match &ty.kind {
            TypeDefKind::Variant(variant) => variant.cases.iter().map(|case| case.name.as_str()).collect(),
            TypeDefKind::Enum(cases) => cases.cases.iter().map(|case| case.name.as_str()).collect(),
            _ => Vec::new(),
        });
        assert_eq!(with_the_name.filter(|name| *name == added.case).count(), 1, "{added:?}");
        assert!(contract.variants()[added.variant].0.contains(&added.case.to_owned()), "{added:?}");
        // `types` is what a policy returns: no function that it may ask is there, or is given a type of it.
        let types = contract.interfaces()["types"];
        assert!(contract.resolve.interfaces[types].types.contains_key(added.variant), "{added:?}");
        for ((interface, name), function) in contract.imported() {
            let result = function.result.iter().map(|ty| contract.written(ty)).collect::<String>();
            assert!(!result.contains(added.variant), "`{name}` of `{interface}`: {result}");
        }
    }
}
