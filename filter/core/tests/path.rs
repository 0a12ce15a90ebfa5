//! Paths and prefixes: vectors, and what holds for every input.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use mandate_core::{
    denial::PathError,
    http::{NormalPath, PathPrefix},
    limits,
};
use proptest::prelude::*;

#[test]
fn paths_come_out_in_their_normal_form() {
    for (raw, normal) in [
        ("/", "/"),
        ("/v1", "/v1"),
        ("/v1/", "/v1/"),
        ("/v1/tickets/7", "/v1/tickets/7"),
        ("//", "/"),
        ("//v1///x//", "/v1/x/"),
        ("/.", "/"),
        ("/./", "/"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/../b", "/b"),
        ("/a/b/../../c", "/c"),
        ("/a/b/..", "/a/"),
        ("/a//../b", "/b"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/...", "/..."),
        ("/a/..b/.c/d..", "/a/..b/.c/d.."),
        ("/%41%7a%30%2D%5F%7e", "/Az0-_~"),
        ("/%c3%a9", "/%C3%A9"),
        ("/a%20b%2b%22", "/a%20b+%22"),
        // Servers decode before they route: a character that may stand plain in a segment is the plain one.
        ("/a2a/message%3Asend", "/a2a/message:send"),
        ("/%21%24%26%27%28%29%2A%2a%2B%2C%3D%3a%40", "/!$&'()**+,=:@"),
        ("/a%C2%A0b/%E3%80%80c", "/a%C2%A0b/%E3%80%80c"),
        ("/%252e%252e/x", "/%252e%252e/x"),
        ("/%25%32%65", "/%252e"),
        // Whoever decodes twice is on his own, for a semicolon as for a dot.
        ("/a/%253bx", "/a/%253bx"),
        ("/a%3fb%23", "/a%3Fb%23"),
        ("/:@!$&'()*+,=-._~", "/:@!$&'()*+,=-._~"),
        ("/V1", "/V1"),
    ] {
        let path = NormalPath::normalise(raw).unwrap();
        assert_eq!(path.as_str(), normal, "{raw}");
        assert_eq!(path.query(), None, "{raw}");
        assert_eq!(path.changed(), raw != normal, "{raw}");
        assert_eq!(path.to_header(), normal, "{raw}");
    }
}

#[test]
fn a_query_stays_as_it_came() {
    for (raw, path, query, header) in [
        ("/?", "/", "", "/?"),
        ("/a?b=c", "/a", "b=c", "/a?b=c"),
        ("/a?b?c/../d//e", "/a", "b?c/../d//e", "/a?b?c/../d//e"),
        // A semicolon begins a parameter in the path only.
        ("/a?b;c=%3Bd", "/a", "b;c=%3Bd", "/a?b;c=%3Bd"),
        ("//a/./?x=%2f%41%zz[]{}|\"\\", "/a/", "x=%2f%41%zz[]{}|\"\\", "/a/?x=%2f%41%zz[]{}|\"\\"),
    ] {
        let normal = NormalPath::normalise(raw).unwrap();
        assert_eq!((normal.as_str(), normal.query()), (path, Some(query)), "{raw}");
        assert_eq!((normal.to_header(), normal.changed()), (header.to_owned(), raw != header), "{raw}");
    }
}

#[test]
fn what_could_be_read_two_ways_is_refused() {
    use PathError::{
        AboveRoot, AmbiguousTriplet, BadTriplet, ForbiddenByte, Fragment, NotAbsolute, NotUtf8, Parameter,
        TrailingSpace,
    };
    let cases: Vec<(&[u8], PathError)> = vec![
        (b"/a%ff", NotUtf8 { at: 2 }),
        (b"/a/%C3%A9%c3/b", NotUtf8 { at: 9 }),
        // Overlong for a slash, and half of a surrogate pair.
        (b"/%C0%AF", NotUtf8 { at: 1 }),
        (b"/%ED%A0%80", NotUtf8 { at: 1 }),
        (b"/a%20", TrailingSpace { at: 5 }),
        (b"/a%20/b", TrailingSpace { at: 5 }),
        (b"/%20/b", TrailingSpace { at: 4 }),
        (b"/a%C2%A0/b", TrailingSpace { at: 8 }),
        (b"", NotAbsolute),
        (b"*", NotAbsolute),
        (b"v1", NotAbsolute),
        (b"?x", NotAbsolute),
        (b"http://a/b", NotAbsolute),
        (b"example.com:443", NotAbsolute),
        (b"%2Fv1", NotAbsolute),
        (b"\\v1", NotAbsolute),
        (b"/a#b", Fragment { at: 2 }),
        (b"/a?b#c", Fragment { at: 4 }),
        (b"/#", Fragment { at: 1 }),
        (b"/a\\b", ForbiddenByte { byte: b'\\', at: 2 }),
        (b"/a b", ForbiddenByte { byte: b' ', at: 2 }),
        (b"/a\0", ForbiddenByte { byte: 0, at: 2 }),
        (b"/a\r\n", ForbiddenByte { byte: b'\r', at: 2 }),
        (b"/\x7f", ForbiddenByte { byte: 0x7f, at: 1 }),
        (b"/\xc3\xa9", ForbiddenByte { byte: 0xc3, at: 1 }),
        (b"/a[1]", ForbiddenByte { byte: b'[', at: 2 }),
        (b"/a|b", ForbiddenByte { byte: b'|', at: 2 }),
        (b"/{a}", ForbiddenByte { byte: b'{', at: 1 }),
        (b"/a\"", ForbiddenByte { byte: b'"', at: 2 }),
        (b"/a?b c", ForbiddenByte { byte: b' ', at: 4 }),
        (b"/a?\xff", ForbiddenByte { byte: 0xff, at: 3 }),
        (b"/a?\n", ForbiddenByte { byte: b'\n', at: 3 }),
        (b"/%", BadTriplet { at: 1 }),
        (b"/a%2", BadTriplet { at: 2 }),
        (b"/a%2?f", BadTriplet { at: 2 }),
        (b"/%zz", BadTriplet { at: 1 }),
        (b"/%+1", BadTriplet { at: 1 }),
        (b"/a%2fb", AmbiguousTriplet { byte: b'/', at: 2 }),
        (b"/a%2F..", AmbiguousTriplet { byte: b'/', at: 2 }),
        (b"/a%5Cb", AmbiguousTriplet { byte: b'\\', at: 2 }),
        (b"/a%5cb", AmbiguousTriplet { byte: b'\\', at: 2 }),
        (b"/%00", AmbiguousTriplet { byte: 0, at: 1 }),
        (b"/a%0d%0a", AmbiguousTriplet { byte: 13, at: 2 }),
        (b"/%1f", AmbiguousTriplet { byte: 31, at: 1 }),
        (b"/%7F", AmbiguousTriplet { byte: 127, at: 1 }),
        (b"/..", AboveRoot),
        (b"/../", AboveRoot),
        (b"/a/../..", AboveRoot),
        (b"/%2e%2e/a", AboveRoot),
        (b"//../a", AboveRoot),
        (b"/a/..;x/b", Parameter { at: 5 }),
        (b"/a/..;", Parameter { at: 5 }),
        (b"/a/.;x=1", Parameter { at: 4 }),
        (b"/a/%2e%2e;x", Parameter { at: 9 }),
        (b"/a/..%3Bx", Parameter { at: 5 }),
        (b"/a/..%3b;x", Parameter { at: 5 }),
        (b"/admin;x/y", Parameter { at: 6 }),
        (b"/;x/a", Parameter { at: 1 }),
        (b"/a/%3bx", Parameter { at: 3 }),
    ];
    for (raw, error) in cases {
        assert_eq!(NormalPath::normalise(raw), Err(error), "{}", raw.escape_ascii());
    }
}

#[test]
fn the_length_is_bounded() {
    let longest = format!("/{}", "a".repeat(limits::PATH_BYTES - 1));
    assert!(NormalPath::normalise(&longest).is_ok());
    let bytes = limits::PATH_BYTES + 1;
    assert_eq!(NormalPath::normalise(format!("{longest}a")), Err(PathError::TooLong { bytes }));
}

#[test]
fn a_prefix_matches_whole_segments_with_regard_to_case() {
    for (prefix, path, matches) in [
        ("/v1", "/v1", true),
        ("/v1", "/v1/", true),
        ("/v1", "/v1/x", true),
        ("/v1", "/v1?q", true),
        ("/v1", "/v10", false),
        ("/v1", "/v1.x", false),
        ("/v1", "/V1", false),
        ("/v1", "/", false),
        ("/v1", "/x/v1", false),
        ("/v1/", "/v1", true),
        ("/v1/", "/v1/", true),
        ("/v1/", "/v1/x", true),
        ("/v1/", "/v10", false),
        ("/v1", "/a/../v1/x", true),
        ("/v1", "/v1/../v2", false),
        ("/v1", "//v%31/x", true),
        ("/", "/", true),
        ("/", "/anything/at/all", true),
        ("/a%20b", "/a%20b/c", true),
        ("/a/b", "/a", false),
    ] {
        let path = NormalPath::normalise(path).unwrap();
        assert_eq!(PathPrefix::parse(prefix).unwrap().matches(&path), matches, "{prefix} {path}");
    }
}

#[test]
fn a_prefix_covers_what_matches_no_more_than_itself() {
    for (wide, narrow, covers) in [
        ("/", "/", true),
        ("/", "/v1", true),
        ("/v1", "/", false),
        ("/v1", "/v1/", true),
        ("/v1/", "/v1", true),
        ("/v1", "/v1/x", true),
        ("/v1/x", "/v1", false),
        ("/v1", "/v10", false),
    ] {
        let (wide, narrow) = (PathPrefix::parse(wide).unwrap(), PathPrefix::parse(narrow).unwrap());
        assert_eq!(wide.covers(&narrow), covers, "{wide} {narrow}");
    }
}

#[test]
fn a_prefix_must_be_normal_itself() {
    for (text, normal) in
        [("//v1", "/v1"), ("/v1/./x", "/v1/x"), ("/v%31", "/v1"), ("/a%22%c3%a9", "/a%22%C3%A9")]
    {
        assert_eq!(
            PathPrefix::parse(text),
            Err(PathError::NotNormal { normal: normal.to_owned() }),
            "{text}"
        );
    }
    for text in ["/v1?", "/v1?a=b", "//v1?a"] {
        assert_eq!(PathPrefix::parse(text), Err(PathError::PrefixQuery), "{text}");
    }
    for (text, at) in
        [("/v1;x", 3), ("/;", 1), ("/v1/..;/x", 6), ("/v1%3Bx", 3), ("/v1%3bx", 3), ("//v1;?a", 4)]
    {
        assert_eq!(PathPrefix::parse(text), Err(PathError::Parameter { at }), "{text}");
    }
    assert_eq!(PathPrefix::parse(""), Err(PathError::NotAbsolute));
    assert_eq!(PathPrefix::parse("/v1/").unwrap().as_str(), "/v1/");
}

/// Text that is likely to be a path.
fn pathlike() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "..", ".", "a", "B", "%2e", "%2E", "%41", "%7e", "%25", "%c3%A9", "%3b", "%3B", ";",
        ";x=1", "?", "v1", "%20", "+", "%2f", "%5c", "#", "%", "é", "~", "%0a", "%3F", "%23", ":", "2e",
        "%3a", "%C3", "%A9", "%ff",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn check(raw: &[u8]) -> Result<(), TestCaseError> {
    let Ok(path) = NormalPath::normalise(raw) else { return Ok(()) };
    let again =
        NormalPath::normalise(path.to_header()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(!again.changed());
    prop_assert_eq!((again.as_str(), again.query()), (path.as_str(), path.query()));
    prop_assert_eq!(path.changed(), path.to_header().as_bytes() != raw);
    prop_assert!(path.as_str().starts_with('/') && !path.as_str().contains("//"));
    prop_assert!(path.as_str().bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\;".contains(&byte)));
    prop_assert!(!path.as_str().contains("%3B"));
    prop_assert!(path.as_str().split('/').all(|segment| segment != "." && segment != ".."));
    prop_assert!(path.to_header().len() <= raw.len());
    let prefix = PathPrefix::parse(path.as_str()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(prefix.matches(&path) && PathPrefix::parse("/").unwrap().matches(&path));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn normal_forms_of_likely_paths_are_stable(raw in pathlike()) {
        check(raw.as_bytes())?;
    }

    #[test]
    fn normal_forms_of_any_bytes_are_stable(mut raw in prop::collection::vec(any::<u8>(), 0..40)) {
        check(&raw)?;
        raw.insert(0, b'/');
        check(&raw)?;
    }

    #[test]
    fn a_prefix_that_covers_another_matches_what_that_matches(
        wide in pathlike(), narrow in pathlike(), path in pathlike()
    ) {
        if let (Ok(wide), Ok(narrow), Ok(path)) =
            (PathPrefix::parse(&wide), PathPrefix::parse(&narrow), NormalPath::normalise(path))
            && wide.covers(&narrow)
            && narrow.matches(&path)
        {
            prop_assert!(wide.matches(&path));
        }
    }

    #[test]
    fn what_lies_below_a_prefix_matches_it(prefix in pathlike(), below in "[a-z/]{0,8}") {
        if let Ok(prefix) = PathPrefix::parse(&prefix) {
            let path = NormalPath::normalise(format!("{prefix}/{below}")).unwrap();
            prop_assert!(prefix.matches(&path));
        }
    }
}
