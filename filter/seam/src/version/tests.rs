use super::{DIGEST, VERSION, VERSION_SECTION, version_of};
use crate::{ANSWER, Fault, HostFunction, PREFIX, PolicyFunction, Stub, layout, limits, list, passed, wit};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::string::String;

extern crate std;

/// Everything that is defined here, a line each. Comments in the contract tell people, and nobody else.
fn everything() -> String {
    let mut all = String::new();
    macro_rules! line {
        ($($line:tt)*) => { writeln!(all, $($line)*).unwrap() };
    }
    line!("version {VERSION} in {VERSION_SECTION:?}, functions {PREFIX:?}");
    for function in Stub::ALL.map(Stub::function).iter().chain([&ANSWER]) {
        line!("{function:?}");
    }
    for function in PolicyFunction::ALL {
        let (number, name) = (function.number(), function.name());
        line!("policy function {number} {name} {:?}", function.signature());
    }
    for function in HostFunction::ALL {
        let (number, interface, name) = (function.number(), function.interface(), function.name());
        line!("host function {number} {interface} {name} {:?}", function.signature());
    }
    for fault in Fault::ALL {
        line!("fault {} {}", fault.number(), fault.name());
    }
    for ty in layout::TYPES {
        line!("{ty:?}");
    }
    line!("{:?}", (layout::BYTE, layout::WORD, layout::DOUBLE_WORD, layout::span::LAYOUT));
    line!("span {} {}", layout::span::START, layout::span::LENGTH);
    for (name, number) in passed::ALL.iter().chain(limits::ALL) {
        line!("{name} {number}");
    }
    line!("list {} {}", list::SECTION, list::Element { name: "n", sha256: "d", obligation_cases: 3 });
    for added in wit::ADDED_CASES {
        line!("{added:?}");
    }
    for (file, text) in wit::FILES {
        line!("{file}");
        for text in text.lines() {
            let (code, _) = text.split_once("//").unwrap_or((text, ""));
            if !code.trim().is_empty() {
                line!("{}", code.trim());
            }
        }
    }
    all
}

#[test]
fn what_is_changed_gets_another_version() {
    let mut digest = String::new();
    for byte in Sha256::digest(everything()) {
        write!(digest, "{byte:02x}").unwrap();
    }
    assert_eq!(
        digest, DIGEST,
        "what the filter, the linker and policies agree on is no longer what it was. Is there a filter that was compiled \
         before, and a linker that is compiled now, or the other way round, which would not understand each other? Then raise \
         `VERSION` in `filter/seam/src/version.rs`. In any case write the digest on the left (as it is with the new version) \
         into `DIGEST` below it"
    );
}

#[test]
fn a_version_is_four_bytes() {
    assert_eq!(version_of(&VERSION.to_le_bytes()), Some(VERSION));
    assert_eq!(version_of(&[0x12, 0, 0, 0x80]), Some(0x8000_0012));
    for wrong in [&[][..], &[1, 0, 0], &[1, 0, 0, 0, 1], &[1, 0, 0, 0, 1, 0, 0, 0]] {
        assert_eq!(version_of(wrong), None, "{wrong:?}");
    }
}
