//! What is read from components that are policies.

use wit_parser::ManglingAndAbi;

use super::{
    super::{PolicyExports, read},
    fixtures::{LONER, by_hand, component_around, component_of, earlier_world, edit, encode, world},
};
use mandate_seam::HostFunction;

fn plain_exports() -> PolicyExports {
    PolicyExports {
        describe: "describe".into(),
        configure: "configure".into(),
        check: "check".into(),
        post_describe: None,
        post_configure: None,
        post_check: None,
        realloc: "cabi_realloc".into(),
        memory: "memory".into(),
    }
}

#[test]
fn every_function_of_the_contract_is_found() {
    let component = component_of(world(&[]));
    let mut imports = read(&component).unwrap().imports;
    imports.sort();
    assert_eq!(imports, HostFunction::ALL);
}

/// Its types are compared with those of today, so nothing of 0.1.0 was changed or removed.
#[test]
fn a_component_of_the_first_version_is_still_a_policy() {
    let component = component_of(earlier_world("0.1.0", &[]));
    let mut imports = read(&component).unwrap().imports;
    imports.sort();
    let first = HostFunction::ALL.iter().position(|function| *function == HostFunction::Action).unwrap();
    assert_eq!(imports, HostFunction::ALL[..first]);
}

#[test]
fn a_component_of_a_version_with_fewer_cases_is_still_a_policy() {
    for (world, cases) in
        [(earlier_world("0.1.0", &[]), 2), (earlier_world("0.1.1", &[]), 2), (world(&[]), 3)]
    {
        let component = component_of(world);
        match read(&component) {
            Ok(policy) => assert_eq!(policy.obligation_cases, cases),
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

#[test]
fn imports_are_in_the_order_of_the_module_s_own_section() {
    let component = component_of(world(&[]));
    let policy = read(&component).unwrap();
    let named: Vec<_> = function_imports(policy.module);
    let found: Vec<_> = policy
        .imports
        .iter()
        .map(|function| {
            let (interface, name) = (function.interface(), function.name());
            (format!("mandate:policy/{interface}@0.1.2"), name.to_owned())
        })
        .collect();
    assert_eq!(found, named);
}

#[test]
fn both_ways_of_naming_core_exports_are_followed() {
    let (resolve, world) = world(&[]);
    let module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    let component = encode(module, &resolve, world);
    let policy = read(&component).unwrap();
    assert_eq!(policy.imports.len(), HostFunction::ALL.len());
    assert_eq!(policy.exports.check, "cm32p2||check");
    assert_eq!(policy.exports.realloc, "cm32p2_realloc");
    assert_eq!(policy.exports.post_check.as_deref(), Some("cm32p2||check_post"));
    assert_eq!(policy.start, ["cm32p2_initialize"]);
}

#[test]
fn a_policy_without_imports_needs_none() {
    let component = component_around(LONER);
    let policy = read(&component).unwrap();
    assert_eq!(policy.imports, []);
    assert_eq!(policy.exports, plain_exports());
    assert_eq!(policy.start, [""; 0]);
    assert_eq!(function_imports(policy.module), []);
}

#[test]
fn what_is_to_be_initialised_is_called_first() {
    let component = component_around(&edit(LONER, "(memory", "(func (export \"_initialize\")) (memory"));
    assert_eq!(read(&component).unwrap().start, ["_initialize"]);
}

#[test]
fn a_start_function_may_call_several_exports() {
    let component = by_hand(&[
        (
            "(import \"policy\" \"begin\" (func $begin))",
            "(import \"policy\" \"begin\" (func $b)) (import \"policy\" \"begin-again\" (func $a)) (func $begin call $b call $a call $b)",
        ),
        ("(func (export \"begin\"))", "(func (export \"begin\")) (func (export \"begin-again\"))"),
    ]);
    assert_eq!(read(&component).unwrap().start, ["begin", "begin-again", "begin"]);
}

#[test]
fn what_is_called_after_a_return_is_found() {
    let module = edit(LONER, "(memory", "(func (export \"cabi_post_configure\") (param i32)) (memory");
    let component = component_around(&module);
    let exports = read(&component).unwrap().exports;
    assert_eq!(
        exports,
        PolicyExports { post_configure: Some("cabi_post_configure".into()), ..plain_exports() }
    );
}

#[test]
fn no_name_within_the_component_matters() {
    let component = by_hand(&[]);
    let policy = read(&component).unwrap();
    assert_eq!(policy.imports, [HostFunction::Path, HostFunction::Depth, HostFunction::Drop]);
    assert_eq!(policy.start, ["begin"]);
    assert_eq!(
        policy.exports,
        PolicyExports { post_check: Some("after".into()), realloc: "realloc".into(), ..plain_exports() }
    );
}

#[test]
fn a_table_may_be_filled_by_expressions() {
    let component = by_hand(&[("func $path)\n    (start", "funcref (ref.func $path))\n    (start")]);
    assert_eq!(read(&component).unwrap().imports[0], HostFunction::Path);
}

#[test]
fn an_older_patch_of_the_contract_is_served_and_a_newer_one_is_not() {
    use super::super::contract::Version;
    let ours = Version::parse("0.3.2").unwrap();
    let served = |text| ours.serves(Version::parse(text).unwrap());
    assert!(served("0.3.2") && served("0.3.0"));
    assert!(!served("0.3.3") && !served("0.2.2") && !served("1.3.2") && !served("0.4.0"));
    let later =
        |text| Version::parse(text).unwrap().later_cases().map(|added| added.case).collect::<Vec<_>>();
    assert_eq!((later("0.1.0"), later("0.1.1")), (vec!["approve"], vec!["approve"]));
    assert_eq!((later("0.1.2"), later("0.1.3"), later("0.2.0")), (vec![], vec![], vec![]));
    for text in ["", "0.3", "0.3.2.1", "0.3.2-rc", "0.3.x", "0.3.-1"] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
}

fn function_imports(module: &[u8]) -> Vec<(String, String)> {
    wasmparser::Parser::new(0)
        .parse_all(module)
        .filter_map(|section| match section.unwrap() {
            wasmparser::Payload::ImportSection(section) => Some(section.into_imports()),
            _ => None,
        })
        .flatten()
        .map(|import| import.unwrap())
        .map(|import| (import.module.to_owned(), import.name.to_owned()))
        .collect()
}
