//! Components that are not of the contract's world.

use super::{
    super::{MAX_COMPONENT_BYTES, contract::contract, read},
    fixtures::{LONER, by_hand, component_around, component_of, earlier_world, edit, resolve, world},
};
use crate::refusal::Refusal;
use mandate_seam::wit;

fn refusal(component: &[u8]) -> Refusal {
    read(component).unwrap_err()
}

/// The refusal of a component of the contract's world, with its text edited.
fn refusal_of(edits: &[(&str, &str)]) -> Refusal {
    refusal(&component_of(world(edits)))
}

/// What is said about the type of an item in a component of an edited world.
fn difference(edits: &[(&str, &str)]) -> (String, String) {
    match refusal_of(edits) {
        Refusal::Type { item, difference } => (item, difference),
        other => panic!("refused for another reason: {other:?}"),
    }
}

/// The contract's world with one more import, of one function `it` in an interface of another package.
fn importing(interface: &str) -> Vec<u8> {
    let (package, name) = interface.split_once('/').unwrap();
    let (name, version) = name.split_once('@').unwrap();
    let nested = format!("package {package}@{version} {{ interface {name} {{ it: func(); }} }}");
    let texts = wit::FILES.map(|(file, text)| match file {
        "world.wit" => {
            (file, edit(text, "import log;", &format!("import log; import {interface};")) + &nested)
        }
        _ => (file, text.to_owned()),
    });
    component_of(resolve(&texts))
}

#[test]
fn the_linker_s_own_contract_can_be_read() {
    let contract = contract().unwrap();
    let imports: Vec<_> = contract.imports().map(|(name, _)| name).collect();
    let exports: Vec<_> = contract.exports().map(|(name, _)| name).collect();
    for interface in ["request", "log", "types"] {
        assert!(imports.contains(&format!("mandate:policy/{interface}@0.1.2").as_str()), "{imports:?}");
    }
    assert_eq!(exports, ["describe", "configure", "check"]);
}

#[test]
fn what_is_no_webassembly_is_refused() {
    for bytes in [&b""[..], b"\0as", b"(component)", b"\x7fELF\x02\x01\x01\0\0\0\0\0"] {
        assert_eq!(refusal(bytes), Refusal::NotWebAssembly);
    }
}

#[test]
fn a_core_module_is_refused_with_advice() {
    let refusal = refusal(&wat::parse_str(LONER).unwrap());
    assert_eq!(refusal, Refusal::CoreModule);
    assert!(refusal.to_string().contains("`mandate policy build`"), "{refusal}");
}

#[test]
fn more_bytes_than_a_policy_may_have_are_not_read() {
    let mut component = component_around(LONER);
    component.resize(MAX_COMPONENT_BYTES + 1, 0);
    let bytes = component.len();
    assert_eq!(refusal(&component), Refusal::TooLarge { bytes, bound: MAX_COMPONENT_BYTES });
}

#[test]
fn a_broken_component_is_refused_with_the_place() {
    let mut component = component_around(LONER);
    component.truncate(component.len() - 3);
    let Refusal::Invalid { offset, .. } = refusal(&component) else { panic!() };
    assert!(offset > 8 && offset <= component.len() as u64);
}

#[test]
fn proposals_that_cannot_be_contained_are_refused() {
    let memory = "(memory (export \"memory\") 1)";
    for (instead, word) in [
        ("(memory (export \"memory\") 1 1 shared)", "threads"),
        ("(memory (export \"memory\") i64 1)", "memory64"),
        ("(memory (export \"memory\") 1) (tag)", "exceptions"),
        ("(memory (export \"memory\") 1) (memory 1)", "memories"),
        ("(memory (export \"memory\") 1) (type (struct))", "gc"),
    ] {
        let component = by_hand(&[(memory, instead)]);
        let Refusal::Invalid { problem, .. } = refusal(&component) else { panic!("{instead}") };
        assert!(problem.contains(word), "{problem}");
    }
}

#[test]
fn asynchronous_functions_are_refused() {
    let component = wat::parse_str(r#"(component (import "f" (func async)))"#).unwrap();
    let Refusal::Invalid { problem, .. } = refusal(&component) else { panic!() };
    assert!(problem.contains("async"), "{problem}");
}

#[test]
fn what_is_not_granted_is_refused_with_what_to_do_instead() {
    for (interface, word) in [
        ("wasi:clocks/wall-clock@0.2.0", "`now` is a function of the request"),
        ("wasi:random/random@0.2.3", "no randomness"),
        ("wasi:filesystem/types@0.2.0", "no files"),
        ("wasi:http/outgoing-handler@0.2.0", "no network"),
        ("wasi:sockets/tcp@0.2.0", "no network"),
        ("wasi:cli/environment@0.2.6", "`wasm32-unknown-unknown`"),
        ("wasi:io/streams@0.2.6", "`wasm32-unknown-unknown`"),
        ("wasi:logging/logging@0.1.0", "`mandate:policy/log`"),
        ("wasi:config/store@0.2.0", "`configure`"),
        ("acme:cache/store@1.0.0", "only `mandate:policy/request`"),
    ] {
        let refusal = refusal(&importing(interface));
        let Refusal::NotGranted { name, hint } = &refusal else { panic!("{refusal:?}") };
        assert_eq!(name, interface);
        assert!(hint.contains(word), "{hint}");
        assert!(refusal.to_string().contains(interface), "{refusal}");
    }
}

#[test]
fn an_interface_that_the_contract_does_not_have_is_refused() {
    let refusal = refusal_of(&[("interface log", "interface clock"), ("import log", "import clock")]);
    let Refusal::NotGranted { name, hint } = refusal else { panic!("{refusal:?}") };
    assert_eq!(name, "mandate:policy/clock@0.1.2");
    assert!(hint.contains("no such interface"), "{hint}");
}

#[test]
fn imports_that_are_no_interfaces_are_refused() {
    for (import, name) in [
        (r#"(import "run" (func))"#, "run"),
        (r#"(import "code" (core module))"#, "code"),
        (r#"(import "part" (component))"#, "part"),
        (r#"(import "thing" (type (sub resource)))"#, "thing"),
    ] {
        let component = by_hand(&[("(component\n", &format!("(component\n{import}"))]);
        let refusal = refusal(&component);
        assert!(matches!(&refusal, Refusal::NotGranted { name: found, .. } if found == name), "{refusal:?}");
    }
}

#[test]
fn another_version_of_the_contract_is_refused() {
    for version in ["0.2.0", "0.1.3", "1.0.0", "0.1.2-draft"] {
        let refusal = refusal_of(&[
            ("package mandate:policy@0.1.2", &format!("package mandate:policy@{version}")),
            ("    @since(version = 0.1.0)\n", ""),
            ("@since(version = 0.1.0)\n", ""),
            ("    @since(version = 0.1.1)\n", ""),
        ]);
        let Refusal::Version { name, ours } = &refusal else { panic!("{refusal:?}") };
        assert!(name.ends_with(&format!("@{version}")), "{name}");
        assert_eq!(ours, "0.1.2");
        assert!(refusal.to_string().contains(version), "{refusal}");
    }
}

#[test]
fn an_unknown_function_of_an_interface_is_refused() {
    let refusal = refusal_of(&[("depth: func", "body: func")]);
    let (interface, item) = ("mandate:policy/request@0.1.2".to_owned(), "[method]request.body".to_owned());
    assert_eq!(refusal, Refusal::UnknownImport { interface, item });
}

#[test]
fn an_unknown_export_is_refused() {
    let refusal = refusal_of(&[("    export describe", "    export teardown: func();\n    export describe")]);
    assert_eq!(refusal, Refusal::UnknownExport { name: "teardown".into() });
}

#[test]
fn a_missing_export_is_refused() {
    let since = "    @since(version = 0.1.0)\n    export describe: func() -> description;\n";
    let refusal = refusal_of(&[(since, "")]);
    assert_eq!(refusal, Refusal::MissingExport { name: "describe".into() });
    assert!(refusal.to_string().contains("`describe`"), "{refusal}");
}

#[test]
fn an_export_of_another_kind_is_refused() {
    let (item, difference) =
        difference(&[("export describe: func() -> description;", "export describe: interface { }")]);
    assert_eq!(item, "`describe`");
    assert_eq!(difference, "it is an interface, and the contract says a function");
}

#[test]
fn a_verdict_in_another_order_is_refused() {
    let (item, difference) = difference(&[
        ("        deny(denial),", "        hold,"),
        ("        abstain,", "        deny(denial),"),
        ("        hold,", "        abstain,"),
    ]);
    assert_eq!(item, "`verdict` of `mandate:policy/types@0.1.2`");
    assert_eq!(
        difference,
        "it is a variant of `allow`, `abstain`, `deny`, and the contract says a variant of `allow`, `deny`, `abstain`"
    );
}

#[test]
fn a_case_of_a_later_version_is_refused_and_one_of_the_own_version_is_not_missing() {
    let approve = "        approve(string),\n";
    let (item, without) = difference(&[(approve, "")]);
    assert_eq!(item, "`obligation` of `mandate:policy/types@0.1.2`");
    assert_eq!(
        without,
        "it is a variant of `header`, `audit`, and the contract says a variant of `header`, `audit`, `approve`"
    );
    let audit = "        audit(field),\n";
    for version in ["0.1.0", "0.1.1"] {
        for (case, expected) in [
            (format!("{audit}{approve}"), "`header`, `audit`, `approve`"),
            (format!("{approve}{audit}"), "`header`, `approve`, `audit`"),
            (String::new(), "`header`"),
        ] {
            let refusal = refusal(&component_of(earlier_world(version, &[(audit, &case)])));
            let Refusal::Type { item, difference } = refusal else { panic!("{refusal:?}") };
            assert_eq!(item, format!("`obligation` of `mandate:policy/types@{version}`"));
            let expected = format!(
                "it is a variant of {expected}, and the contract says a variant of `header`, `audit`"
            );
            assert_eq!(difference, expected);
        }
    }
    let (_, other) = difference(&[("approve(string)", "approve(field)")]);
    assert!(other.contains("in the case `approve`, it is a record"), "{other}");
}

#[test]
fn what_a_component_returns_is_held_to_the_first_version_that_it_names() {
    let today = [
        ("types@0.1.0", "types@0.1.2"),
        (r#"(case "audit" $field)"#, r#"(case "audit" $field) (case "approve" string)"#),
    ];
    assert_eq!(read(&by_hand(&today)).unwrap().obligation_cases, 3);
    let first = r#"(component
        (import "mandate:policy/types@0.1.0" (instance
            (type (record (field "name" string) (field "version" string) (field "summary" string)))
            (export "description" (type (eq 0)))))"#;
    let [version, case] = today;
    let Refusal::Type { item, difference } = refusal(&by_hand(&[version, case, ("(component\n", first)]))
    else {
        panic!()
    };
    assert_eq!(item, "`check`");
    assert!(difference.contains("`approve`, and the contract says"), "{difference}");
}

#[test]
fn every_kind_of_type_that_lies_is_found() {
    let types = "mandate:policy/types@0.1.2";
    let request = "mandate:policy/request@0.1.2";
    let log = "mandate:policy/log@0.1.2";
    for (edit, item, interface, words) in [
        (
            ("        code: string,", "        code: u32,"),
            "denial",
            types,
            "in the field `code`, it is `u32`",
        ),
        (
            ("        code: string,", "        kode: string,"),
            "denial",
            types,
            "a record of `kode`, `message`",
        ),
        (
            ("        code: string,\n        message: string,\n", "        code: string,\n"),
            "denial",
            types,
            "a record of `code`,",
        ),
        (
            ("allow(list<obligation>)", "allow(list<field>)"),
            "verdict",
            types,
            "in the case `allow`, in the elements of the list",
        ),
        (("allow(list<obligation>)", "allow"), "verdict", types, "in the case `allow`, it is empty"),
        (
            ("        abstain,", "        abstain(string),"),
            "verdict",
            types,
            "in the case `abstain`, it is `string`",
        ),
        (("        warn,", "        error,"), "level", log, "an enum of `debug`, `info`, `error`"),
        (
            ("        integer(s64),", "        integer(u64),"),
            "claim",
            request,
            "in the case `integer`, it is `u64`",
        ),
        (
            ("header: func(name: string)", "header: func(title: string)"),
            "[method]request.header",
            request,
            "a function of (`self`, `title`)",
        ),
        (
            ("header: func(name: string)", "header: func(name: list<u8>)"),
            "[method]request.header",
            request,
            "in its parameter `name`, it is a list",
        ),
        (
            ("result<option<string>, header-error>", "result<option<char>, header-error>"),
            "[method]request.header",
            request,
            "in its result, in the ok of the result, in the option, it is `char`",
        ),
        (
            ("result<option<string>, header-error>", "result<option<string>>"),
            "[method]request.header",
            request,
            "in the error of the result, it is empty",
        ),
        (
            ("depth: func() -> u32", "depth: func()"),
            "[method]request.depth",
            request,
            "in its result, it is empty",
        ),
        (
            ("depth: func() -> u32", "depth: func() -> tuple<u32>"),
            "[method]request.depth",
            request,
            "in its result, it is a tuple",
        ),
        (
            (
                "log: func(level: level, message: string);",
                "log: func(level: level, message: string) -> bool;",
            ),
            "log",
            log,
            "there is nothing",
        ),
    ] {
        let (found, difference) = difference(&[edit]);
        assert_eq!(found, format!("`{item}` of `{interface}`"));
        assert!(difference.contains(words), "{difference}");
    }
}

#[test]
fn an_export_with_other_types_is_refused() {
    for (edit, item, words) in [
        (
            ("settings: string", "settings: list<u8>"),
            "configure",
            "in its parameter `settings`, it is a list",
        ),
        (("settings: string", "options: string"), "configure", "a function of (`options`)"),
        (
            ("result<_, list<problem>>", "result<bool, list<problem>>"),
            "configure",
            "in the ok of the result, it is `bool`",
        ),
        (
            ("result<_, list<problem>>", "result<_, problem>"),
            "configure",
            "in the error of the result, it is a record",
        ),
        (
            ("request: borrow<request>", "request: request"),
            "check",
            "in its parameter `request`, it is an owned resource",
        ),
        (("-> verdict", "-> option<verdict>"), "check", "in its result, it is an option"),
    ] {
        let (found, difference) = difference(&[edit]);
        assert_eq!(found, format!("`{item}`"));
        assert!(difference.contains(words), "{difference}");
    }
}

#[test]
fn a_type_of_the_world_that_lies_is_refused() {
    // A type that is imported by itself, under a name of the contract.
    let component = by_hand(&[(
        "(alias export $types \"problem\"",
        "(import \"problem\" (type (eq $description))) (alias export $types \"problem\"",
    )]);
    let Refusal::Type { item, difference } = refusal(&component) else { panic!() };
    assert_eq!(item, "`problem`");
    assert!(difference.contains("a record of `name`, `version`, `summary`"), "{difference}");
}

#[test]
fn a_request_that_is_not_the_imported_one_is_refused() {
    let other = by_hand(&[
        ("(component\n", "(component\n(import \"request\" (type $other (sub resource)))"),
        ("(param \"request\" (borrow $resource))", "(param \"request\" (borrow $other))"),
    ]);
    let Refusal::Type { item, difference } = refusal(&other) else { panic!() };
    assert_eq!(item, "`request`");
    assert!(difference.contains("a resource of its own"), "{difference}");
}

#[test]
fn names_in_messages_cannot_steer_a_terminal_nor_fill_it() {
    use crate::refusal::shown;
    assert_eq!(shown("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
    assert_eq!(shown(&"x".repeat(1000)).chars().count(), 81);
}
