use super::{Filter, SeamVersion};
use crate::LinkError;
use mandate_seam::{PREFIX, VERSION, VERSION_SECTION};
use std::fmt::Write as _;

/// A module with these exports and sections about its version.
fn module(exports: &[&str], versions: &[&[u8]]) -> Vec<u8> {
    let mut text = "(module (memory 1) (func)".to_owned();
    for export in exports {
        write!(text, r#"(export "{export}" (func 0))"#).unwrap();
    }
    for version in versions {
        let bytes: String = version.iter().map(|byte| format!("\\{byte:02x}")).collect();
        write!(text, r#"(@custom "{VERSION_SECTION}" "{bytes}")"#).unwrap();
    }
    text.push(')');
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What stands in the way of linking, as far as it is the version.
fn refused(exports: &[&str], versions: &[&[u8]]) -> Option<SeamVersion> {
    match Filter::read(&module(exports, versions)) {
        Ok(_) => None,
        Err(LinkError::SeamVersion { found, needed: VERSION }) => Some(found),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_filter_must_have_the_linkers_version() {
    let seam = format!("{PREFIX}linked");
    let ours = VERSION.to_le_bytes();
    let later = (VERSION + 1).to_le_bytes();
    for exports in [&[seam.as_str()][..], &[]] {
        assert_eq!(refused(exports, &[&ours]), None);
        assert_eq!(refused(exports, &[&later]), Some(SeamVersion::Of(VERSION + 1)));
        assert_eq!(refused(exports, &[b""]), Some(SeamVersion::Unreadable));
        assert_eq!(refused(exports, &[&ours[..3]]), Some(SeamVersion::Unreadable));
        assert_eq!(refused(exports, &[&ours, &ours]), Some(SeamVersion::Unreadable));
    }
    assert_eq!(refused(&[&seam], &[]), Some(SeamVersion::None));
}

#[test]
fn what_is_no_filter_is_not_asked_for_a_version() {
    assert_eq!(refused(&["proxy_on_tick"], &[]), None);
    let module = module(&["proxy_on_tick"], &[]);
    let missing = Filter::read(&module).unwrap().seam();
    assert!(
        matches!(&missing, Err(LinkError::Filter(why)) if why.contains("mandate_seam_linked")),
        "{missing:?}"
    );
}
