//! Components that are not linked at all. Each is shown beside one that is, so that it is refused for what it is meant to be.

use super::guests::{Guest, check_with, component};
use mandate_host::FILTER;
use mandate_link::seam::limits::POLICIES;
use mandate_link::{LinkError, Policy, Refusal, check, link};

fn refusal(component: &[u8]) -> Option<Refusal> {
    let refusal = check(component).err();
    let policy = Policy { name: "refused", component };
    match (&refusal, link(FILTER, &[policy])) {
        (None, Ok(_)) => {}
        (Some(refusal), Err(LinkError::Refused { name, refusal: same })) => {
            assert_eq!((name.as_str(), refusal), ("refused", &*same));
        }
        (_, linked) => panic!("{refusal:?}, but {:?}", linked.map(drop)),
    }
    refusal
}

/// Fields of the module with `BAD` in them, what may stand there, and what may not.
const MODULES: &[(&str, &str, &str, &str)] = &[
    (
        "memory.init",
        r#"(data $d "x") (func BAD)"#,
        "nop",
        "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))",
    ),
    ("data.drop", r#"(data $d "x") (func BAD)"#, "nop", "(data.drop $d)"),
    ("table.get", "(table 2 funcref) (func BAD)", "nop", "(drop (ref.is_null (table.get (i32.const 0))))"),
    ("table.set", "(table 2 funcref) (func BAD)", "nop", "(table.set (i32.const 0) (ref.null func))"),
    (
        "table.grow",
        "(table 2 funcref) (func BAD)",
        "nop",
        "(drop (table.grow (ref.null func) (i32.const 1)))",
    ),
    ("table.size", "(table 2 funcref) (func BAD)", "nop", "(drop (table.size))"),
    (
        "table.fill",
        "(table 2 funcref) (func BAD)",
        "nop",
        "(table.fill (i32.const 0) (ref.null func) (i32.const 1))",
    ),
    (
        "table.copy",
        "(table 2 funcref) (func BAD)",
        "nop",
        "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))",
    ),
    (
        "table.init",
        "(table 2 funcref) (func $f) (elem $e func $f) (func BAD)",
        "nop",
        "(table.init $e (i32.const 0) (i32.const 0) (i32.const 1))",
    ),
    ("elem.drop", "(func $f) (elem $e func $f) (func BAD)", "nop", "(elem.drop $e)"),
    (
        "a reference to a function",
        "(func $f) (elem declare func $f) (func BAD)",
        "nop",
        "(drop (ref.func $f))",
    ),
    ("a vector", "(func BAD)", "nop", "(drop (v128.const i64x2 0 0))"),
    ("a global of references", "BAD", "", "(global (mut externref) (ref.null extern))"),
    ("a local of references", "(func (local BAD))", "i32", "funcref"),
    ("a parameter of references", "(func (param BAD))", "i32", "externref"),
    ("two tables", "(table 1 funcref) BAD", "", "(table 1 funcref)"),
    ("a table of anything", "(table 1 BAD)", "funcref", "externref"),
    ("a large table", "(table BAD funcref)", "16384", "16385"),
    ("functions beyond the table", "(table 2 funcref) (func $f) (elem (i32.const BAD) $f)", "1", "2"),
    ("functions far beyond the table", "(table 2 funcref) (func $f) (elem (i32.const BAD) $f)", "0", "-1"),
    ("no functions beyond the table", "(table 2 funcref) (elem (i32.const BAD) func)", "2", "3"),
    ("bytes beyond memory", r#"(data (i32.const BAD) "xy")"#, "65534", "65535"),
    ("bytes far beyond memory", r#"(data (i32.const BAD) "xy")"#, "1024", "-1"),
    ("no bytes beyond memory", r#"(data (i32.const BAD) "")"#, "65536", "65537"),
];

#[test]
fn what_cannot_be_contained_is_refused() {
    let module = |fields: &str| check_with(fields, "(call $abstain)");
    for (name, fields, good, bad) in MODULES {
        assert_eq!(refusal(&module(&fields.replace("BAD", good))), None, "{name}");
        let refused = refusal(&module(&fields.replace("BAD", bad)));
        assert!(matches!(refused, Some(Refusal::Module(_))), "{name}: {refused:?}");
    }
    let frame = |locals: usize| module(&format!("(func (local {}))", "i64 ".repeat(locals)));
    // 64 KiB, of which every frame takes some.
    assert_eq!(refusal(&frame(8000)), None);
    assert!(matches!(refusal(&frame(8192)), Some(Refusal::Module(_))));
    // What a branch or a return moves at once, for the fuel of one operator.
    let zeros = |count: usize| "(i64.const 0)".repeat(count);
    let (results, drops) =
        (|n: usize| format!("(result {})", "i64 ".repeat(n)), |n: usize| "drop ".repeat(n));
    let giving = |n: usize| module(&format!("(func {} {})", results(n), zeros(n)));
    let block = |n: usize| module(&format!("(func (block {} {}) {})", results(n), zeros(n), drops(n)));
    let turn =
        |n: usize| module(&format!("(func {} (loop (param {}) {}))", zeros(n), "i64 ".repeat(n), drops(n)));
    for carrying in [&giving as &dyn Fn(usize) -> Vec<u8>, &block, &turn] {
        assert_eq!(refusal(&carrying(16)), None);
        assert!(matches!(refusal(&carrying(17)), Some(Refusal::Module(_))));
    }
    // V8 takes no more.
    let targets = |n: usize| module(&format!("(func (br_table {} 0 (i32.const 0)))", "0 ".repeat(n)));
    assert_eq!(refusal(&targets(65_520)), None);
    assert!(matches!(refusal(&targets(65_521)), Some(Refusal::Module(_))));
    let globals = |count: usize| module(&"(global (mut i64) (i64.const 0))".repeat(count));
    // The module has one of its own.
    assert_eq!(refusal(&globals(255)), None);
    assert!(matches!(refusal(&globals(256)), Some(Refusal::Module(_))));
    let pages = |pages: u32| Guest { pages, ..Guest::default() }.component();
    assert_eq!(refusal(&pages(1024)), None);
    assert!(matches!(refusal(&pages(1025)), Some(Refusal::Module(_))));
}

#[test]
fn what_is_beyond_the_webassembly_of_policies_is_invalid() {
    for (name, fields) in [
        ("an exception", "(tag $oops) (func (throw $oops))"),
        ("a tail call", "(func $f (return_call $f))"),
        ("an atomic access", "(func (drop (i32.atomic.load (i32.const 0))))"),
        ("a second memory", "(memory 1) (memory 1)"),
        ("a structure", "(type (struct (field i32)))"),
        ("wide arithmetic", "(func (drop (drop (i64.mul_wide_u (i64.const 1) (i64.const 1)))))"),
    ] {
        let wat = format!("(component (core module {fields}))");
        let component = wat::parse_str(wat).unwrap_or_else(|error| panic!("{name}: {error}"));
        let refused = refusal(&component);
        assert!(matches!(refused, Some(Refusal::Invalid { .. })), "{name}: {refused:?}");
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    let text = |wat: &str| wat::parse_str(wat).unwrap();
    assert_eq!(refusal(b""), Some(Refusal::NotWebAssembly));
    assert_eq!(refusal(FILTER), Some(Refusal::CoreModule));
    assert_eq!(refusal(&text("(module)")), Some(Refusal::CoreModule));
    assert!(matches!(refusal(b"\0asm\x0d\0\x01\0\xff"), Some(Refusal::Invalid { .. })));
    assert!(matches!(refusal(&text("(component)")), Some(Refusal::MissingExport { .. })));
    let wasi = text(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance
        (export "get-arguments" (func (result (list string)))))))"#,
    );
    assert!(
        matches!(refusal(&wasi), Some(Refusal::NotGranted { name, .. }) if name == "wasi:cli/environment@0.2.0")
    );
    let later = text(r#"(component (import "mandate:policy/log@0.2.0" (instance)))"#);
    assert!(matches!(refusal(&later), Some(Refusal::Version { .. })));
    let other = text(
        r#"(component (import "mandate:policy/log@0.1.0" (instance
        (export "shout" (func (param "message" string))))))"#,
    );
    assert!(matches!(refusal(&other), Some(Refusal::UnknownImport { .. })));
}

#[test]
fn whatever_is_cut_off_or_turned_over_is_refused_or_linked_but_never_a_panic() {
    let whole = component(&SMALL.replace("BODY", "(i32.const 0)"));
    assert_eq!(refusal(&whole), None);
    let cut = (0..whole.len()).step_by(7).map(|len| whole[..len].to_vec());
    let turned = (8..whole.len()).step_by(3).map(|position| {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x15;
        bytes
    });
    let (refused, taken): (Vec<_>, Vec<_>) = cut.chain(turned).partition(|bytes| check(bytes).is_err());
    assert!(refused.len() > taken.len(), "{} are refused", refused.len());
    // Whatever they are now, a bundle of them is valid: the linker looks at that itself.
    for bytes in taken.chunks(POLICIES) {
        let names: Vec<String> = (0..bytes.len()).map(|number| format!("taken-{number}")).collect();
        let policies = names.iter().zip(bytes).map(|(name, component)| Policy { name, component });
        link(FILTER, &policies.collect::<Vec<_>>()).unwrap();
    }
}

const SMALL: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "describe") (result i32) BODY)
    (func (export "configure") (param i32 i32) (result i32) BODY)
    (func (export "check") (param i32) (result i32) BODY))"#;
