//! What the commands say to mistakes: what is wrong, and what to do.

use super::{Desk, NAME, built, configuration, request};
use mandate_host::FILTER;
use mandate_link::seam::{VERSION, VERSION_SECTION};
use mandate_link::{LinkError, Policy, SeamVersion, link, validate};
use wasm_encoder::{CustomSection, Module, RawSection};
use wasmparser::{Parser, Payload};

#[test]
fn a_failing_case_says_how_it_differs() {
    let (desk, built) = (Desk::new(), built());
    let differences = [
        (
            "{ verdict: allow }",
            "verdict: expected allow, got deny (tenant_mismatch): `acme` asked for `evil`",
        ),
        ("{ verdict: deny, code: other }", "verdict: expected deny (other), got deny (tenant_mismatch)"),
        ("{ verdict: deny, max_fuel: 10 }", "fuel: expected at most 10, got "),
        ("{ refused: [/prefix] }", "settings: expected them to be refused, got deny"),
    ];
    let mut table = "
defaults: { settings: { prefix: /v1/tenants/ }, request: { path: /v1/tenants/evil }, claims: { tenant: acme } }
cases:
  - { name: good, expect: { verdict: deny } }
"
    .to_owned();
    for (number, (expect, _)) in differences.iter().enumerate() {
        table.push_str(&format!("  - {{ name: bad {number}, expect: {expect} }}\n"));
    }
    desk.write("cases.yaml", &table);
    let said = desk.exits(1, &["policy", "test", built.component.to_str().unwrap(), "--cases", "cases.yaml"]);
    for (number, (_, difference)) in differences.iter().enumerate() {
        assert!(said.contains(&format!("✗ bad {number}\n  {difference}")), "{said}");
    }
    assert!(said.contains("4 of 5 cases did not") && !said.contains("disagree"), "{said}");
}

#[test]
fn a_case_that_does_not_reach_the_policy_fails() {
    let (desk, built) = (Desk::new(), built());
    desk.write(
        "cases.yaml",
        "cases: [{ name: off, route: /v2/, request: { path: /v1/x }, expect: { verdict: abstain } }]",
    );
    let said = desk.exits(1, &["policy", "test", built.component.to_str().unwrap(), "--cases", "cases.yaml"]);
    assert!(said.contains("not asked") && said.contains("is not on the route `/v2/`"), "{said}");
}

#[test]
fn a_project_is_not_written_over_another() {
    let desk = Desk::new();
    desk.ok(&["policy", "new", NAME]);
    std::fs::write(desk.path(NAME).join("src/lib.rs"), "mine").unwrap();
    let said = desk.exits(2, &["policy", "new", NAME]);
    assert!(said.contains("exists") && said.contains("--path"), "{said}");
    assert_eq!(std::fs::read_to_string(desk.path(NAME).join("src/lib.rs")).unwrap(), "mine");
}

#[test]
fn a_name_that_no_configuration_could_use_is_refused() {
    let (desk, built) = (Desk::new(), built());
    for name in ["Ticket", "ticket_guard", "7up", "a b", "../up", "mandate-policy"] {
        let said = desk.exits(2, &["policy", "new", name]);
        assert!(said.contains("begin with a lower-case letter"), "{said}");
    }
    assert_eq!(std::fs::read_dir(desk.0.path()).unwrap().count(), 0);
    let component = built.component.to_str().unwrap();
    std::fs::copy(component, desk.path("My_Guard.wasm")).unwrap();
    let said = desk.exits(2, &["bundle", "--policy", "My_Guard.wasm", "-o", "out.wasm"]);
    assert!(said.contains("`My_Guard` is no name") && said.contains("my-policy=My_Guard.wasm"), "{said}");
    let twice = desk.exits(2, &["bundle", "--policy", component, "--policy", component, "-o", "out.wasm"]);
    assert!(twice.contains("two policies are called `ticket-guard`"), "{twice}");
    assert!(!desk.path("out.wasm").exists());
}

#[test]
fn what_is_no_policy_is_refused_and_says_why() {
    let desk = Desk::new();
    std::fs::write(desk.path("empty.wasm"), wat::parse_str("(component)").unwrap()).unwrap();
    std::fs::write(desk.path("core.wasm"), wat::parse_str("(module (memory 1))").unwrap()).unwrap();
    desk.write("text.wasm", "(component)");
    let mut config = configuration();
    config["policies"][0]["policy"] = "empty".into();
    desk.write("config.json", &config.to_string());
    desk.write("request.json", &request("/v1/x"));
    for (file, why) in [
        ("empty.wasm", "the component does not export `"),
        ("core.wasm", "a core module, not a component: build it with `mandate policy build`"),
        ("text.wasm", "no WebAssembly"),
        ("missing.wasm", "`missing.wasm`"),
    ] {
        let said = desk.exits(2, &["bundle", "--policy", file, "-o", "out.wasm"]);
        assert!(said.contains(why), "{file}: {said}");
        desk.exits(2, &["decide", "--config", "config.json", "--request", "request.json", "--policy", file]);
        desk.exits(2, &["check", "config.json", "--policy", file]);
        desk.exits(2, &["up", "--config", "config.json", "--upstream", "127.0.0.1:1", "--policy", file]);
    }
    assert!(!desk.path("out.wasm").exists());
    let said = desk.exits(1, &["policy", "inspect", "empty.wasm"]);
    assert!(said.contains("it cannot be linked: the component does not export `"), "{said}");
    assert!(desk.exits(1, &["policy", "inspect", "core.wasm"]).contains("neither a component nor a filter"));
    assert!(desk.exits(2, &["policy", "inspect", "text.wasm"]).contains("no WebAssembly"));
}

/// What the filter that the tool carries says about the version of the seam.
fn versions() -> Vec<&'static [u8]> {
    let sections = Parser::new(0).parse_all(FILTER).filter_map(|payload| match payload.unwrap() {
        Payload::CustomSection(section) if section.name() == VERSION_SECTION => Some(section.data()),
        _ => None,
    });
    sections.collect()
}

/// That filter, but for what it says about the version.
fn filter_that_says(versions: &[&[u8]]) -> Vec<u8> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(FILTER) {
        match payload.unwrap() {
            Payload::CustomSection(section) if section.name() == VERSION_SECTION => {}
            payload => {
                if let Some((id, range)) = payload.as_section() {
                    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                    module.section(&RawSection { id, data: &FILTER[range] });
                }
            }
        }
    }
    for version in versions {
        module.section(&CustomSection { name: VERSION_SECTION.into(), data: (*version).into() });
    }
    module.finish()
}

#[test]
fn a_filter_of_another_seam_is_refused_and_runs_by_itself() {
    let (desk, built) = (Desk::new(), built());
    let component = std::fs::read(&built.component).unwrap();
    let policies = [Policy { name: NAME, component: &component }];
    let ours = VERSION.to_le_bytes();
    assert_eq!(versions(), [ours], "what the compiler made of it");
    let same = link(&filter_that_says(&[&ours]), &policies).unwrap();
    assert_eq!(same, link(FILTER, &policies).unwrap());

    let later = (VERSION + 1).to_le_bytes();
    let refused: [(&[&[u8]], _, String); 5] = [
        (&[], SeamVersion::None, "none".to_owned()),
        (&[&later], SeamVersion::Of(VERSION + 1), (VERSION + 1).to_string()),
        (&[&[0; 4]], SeamVersion::Of(0), "0".to_owned()),
        (&[&ours[..3]], SeamVersion::Unreadable, "unreadable".to_owned()),
        (&[&ours, &ours], SeamVersion::Unreadable, "unreadable".to_owned()),
    ];
    for (says, found, named) in refused {
        let filter = filter_that_says(says);
        let error = LinkError::SeamVersion { found, needed: VERSION };
        assert_eq!(link(&filter, &policies), Err(error));
        std::fs::write(desk.path("other.wasm"), &filter).unwrap();
        let arguments = ["bundle", "--filter", "other.wasm", "--policy", built.component.to_str().unwrap()];
        let said = desk.exits(2, &[&arguments[..], &["-o", "out.wasm"]].concat());
        let needed = format!("is {named}");
        assert!(said.contains(&needed) && said.contains(&format!("needs version {VERSION}")), "{said}");
        assert!(said.contains("`mandate build`") && said.contains("leave out `--filter`"), "{said}");
        assert!(!desk.path("out.wasm").exists());
        // Without policies there is nobody whom it could misunderstand.
        assert_eq!(validate(&filter), Ok(()));
        assert!(desk.exits(1, &["policy", "inspect", "other.wasm"]).contains(&needed));
    }
}

#[test]
fn a_folder_without_a_policy_says_what_it_lacks() {
    let desk = Desk::new();
    let said = desk.exits(2, &["policy", "build"]);
    assert!(said.contains("it has no Cargo.toml") && said.contains("mandate policy new"), "{said}");
    desk.write("Cargo.toml", "[workspace]\n");
    assert!(desk.exits(2, &["policy", "build"]).contains("take one of its members"));
    desk.write("Cargo.toml", "[package]\nname = \"guard\"\nedition = \"2024\"\n[workspace]\n");
    std::fs::create_dir(desk.path("src")).unwrap();
    desk.write("src/main.rs", "fn main() {}");
    assert!(desk.exits(2, &["policy", "build"]).contains("it has no library"));
    desk.write("src/lib.rs", "");
    let said = desk.exits(2, &["policy", "build"]);
    assert!(said.contains("`guard` cannot be linked") && said.contains("mandate_policy::policy!"), "{said}");
    desk.write("src/lib.rs", "fn nonsense(");
    assert!(desk.exits(2, &["policy", "build"]).contains("the policy does not compile"));
}

#[test]
fn what_is_asked_for_and_not_there_is_named() {
    let (desk, built) = (Desk::new(), built());
    let component = built.component.to_str().unwrap();
    assert!(desk.exits(2, &["bundle", "-o", "out.wasm"]).contains("--policy ticket-guard.wasm"));
    let said = desk.exits(2, &["policy", "test", component]);
    assert!(said.contains("tests.yaml") && said.contains("--cases"), "{said}");
    let project = built.project();
    let said = desk.exits(2, &["policy", "explain", project.to_str().unwrap(), "--case", "tenant"]);
    assert!(said.contains("which case is `tenant`?") && said.contains("another tenant's data"), "{said}");
    desk.write("config.json", &configuration().to_string());
    desk.write("request.json", &request("/v1/tenants/evil/x"));
    let renamed = format!("other={component}");
    let said = desk
        .exits(2, &["policy", "explain", &renamed, "--config", "config.json", "--request", "request.json"]);
    assert!(said.contains("no entry for `other`"), "{said}");
}
