use super::check;
use crate::filter::Filter;
use crate::{Defect, LinkError};

/// A module with these types, imports and exports, and what every one here has besides.
fn module(types: &str, imports: &str, exports: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {types} {imports}
            (func (type 0)) (memory 1) (global i32 (i32.const 0)) {exports})"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const TYPES: &str = "(type (func)) (type (func (param i32) (result i32)))";
const LOG: &str = r#"(import "env" "proxy_log" (func (type 1)))"#;
const DONE: &str = r#"(import "env" "proxy_done" (func (type 0)))"#;
/// The function behind two imported ones.
const EXPORTS: &str = r#"(export "proxy_on_tick" (func 2)) (export "memory" (memory 0))"#;

/// What is wrong with such a bundle of a filter that imports `proxy_log` and `proxy_done`.
fn defect(types: &str, imports: &str, exports: &str) -> Option<Defect> {
    let filter = module(TYPES, &format!("{LOG}{DONE}"), EXPORTS);
    match check(&Filter::read(&filter).unwrap(), &module(types, imports, exports)) {
        Ok(()) => None,
        Err(LinkError::Bundle(defect)) => Some(defect),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_bundle_imports_what_the_filter_imports_and_nothing_else() {
    let import = |position, module: &str, name: &str| {
        Some(Defect::Import { position, module: module.to_owned(), name: name.to_owned() })
    };
    let other = |module: &str, name: &str, what: &str| format!(r#"(import "{module}" "{name}" {what})"#);
    // What a policy could bring along.
    let call = other("env", "proxy_set_buffer_bytes", "(func (type 1))");
    let exports = EXPORTS.replace("func 2", "func 3");
    let found = defect(TYPES, &format!("{LOG}{DONE}{call}"), &exports);
    assert_eq!(found, import(2, "env", "proxy_set_buffer_bytes"));
    let found = defect(TYPES, &format!("{call}{LOG}{DONE}"), &exports);
    assert_eq!(found, import(0, "env", "proxy_set_buffer_bytes"));
    let found = defect(TYPES, &format!("{LOG}{DONE}{LOG}"), &exports);
    assert_eq!(found, import(2, "env", "proxy_log"), "once more is one too many");
    for (what, name) in [("(global i32)", "g"), ("(memory 1)", "m"), ("(table 1 funcref)", "t")] {
        let found = defect(TYPES, &format!("{LOG}{DONE}{}", other("env", name, what)), EXPORTS);
        assert_eq!(found, import(2, "env", name), "{what}");
    }
    // What could come in the place of the filter's own.
    let found = defect(TYPES, &format!("{DONE}{LOG}"), EXPORTS);
    assert_eq!(found, import(0, "env", "proxy_done"), "code calls by number");
    let found = defect(TYPES, &format!("{LOG}{}", other("env", "proxy_done", "(func (type 1))")), EXPORTS);
    assert_eq!(found, import(1, "env", "proxy_done"), "of another type");
    let found = defect(TYPES, &format!("{LOG}{}", other("wasi", "proxy_done", "(func (type 0))")), EXPORTS);
    assert_eq!(found, import(1, "wasi", "proxy_done"), "of another module");
    let found = defect(TYPES, LOG, &EXPORTS.replace("func 2", "func 1"));
    assert_eq!(found, import(1, "env", "proxy_done"), "is missing");
    let types = "(type (func)) (type (func (param i64) (result i32)))";
    assert_eq!(defect(types, &format!("{LOG}{DONE}"), EXPORTS), Some(Defect::Types), "the type itself");

    assert_eq!(defect(TYPES, &format!("{LOG}{DONE}"), EXPORTS), None);
    let types = format!("{TYPES} (type (func (param i64)))");
    assert_eq!(defect(&types, &format!("{LOG}{DONE}"), EXPORTS), None, "types of policies follow");
}

#[test]
fn a_bundle_exports_what_the_filter_exports_and_nothing_else() {
    let imports = format!("{LOG}{DONE}");
    let more = format!(r#"{EXPORTS} (export "proxy_on_log" (func 2))"#);
    for exports in [&*more, r#"(export "memory" (memory 0))"#, &EXPORTS.replace("func 2", "func 0")] {
        assert_eq!(defect(TYPES, &imports, exports), Some(Defect::Exports), "{exports}");
    }
    assert_eq!(defect(TYPES, &imports, EXPORTS), None);
}

#[test]
fn a_bundle_starts_as_the_filter_starts() {
    let started = format!("{EXPORTS} (start 2)");
    assert_eq!(defect(TYPES, &format!("{LOG}{DONE}"), &started), Some(Defect::Start));
}

#[test]
fn a_bundle_is_valid() {
    let filter = module(TYPES, LOG, "");
    let bundle = r#"(module (func (result i32) i64.const 0))"#;
    let invalid = check(&Filter::read(&filter).unwrap(), &wat::parse_str(bundle).unwrap());
    assert!(matches!(invalid, Err(LinkError::Bundle(Defect::Invalid(_)))), "{invalid:?}");
}
