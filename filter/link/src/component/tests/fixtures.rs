//! Components, made from text.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, SourceMap, WorldId};

use mandate_seam::wit;

/// Replaces a text that must be there, so that no test tests something else than it says.
pub fn edit(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "there is no `{from}` in {text}");
    text.replace(from, to)
}

/// A text of the contract without its comments, which may be written anew at any time.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The contract's world, with its text edited.
pub fn world(edits: &[(&str, &str)]) -> (Resolve, WorldId) {
    edited(wit::FILES, edits)
}

fn edited(files: Files, edits: &[(&str, &str)]) -> (Resolve, WorldId) {
    let mut texts = files.map(|(name, text)| (name, code(text)));
    for (from, to) in edits {
        assert!(texts.iter().any(|(_, text)| text.contains(from)), "there is no `{from}` in the contract");
        texts.iter_mut().for_each(|(_, text)| *text = text.replace(from, to));
    }
    resolve(&texts)
}

/// The files of an earlier version, as they were.
macro_rules! earlier {
    ($version:literal) => {
        (
            $version,
            [
                (
                    "world.wit",
                    include_str!(concat!("../../../../seam/tests/contract-", $version, "/world.wit")),
                ),
                (
                    "types.wit",
                    include_str!(concat!("../../../../seam/tests/contract-", $version, "/types.wit")),
                ),
                (
                    "request.wit",
                    include_str!(concat!("../../../../seam/tests/contract-", $version, "/request.wit")),
                ),
                ("log.wit", include_str!(concat!("../../../../seam/tests/contract-", $version, "/log.wit"))),
            ],
        )
    };
}

type Files = [(&'static str, &'static str); 4];

const EARLIER: [(&str, Files); 2] = [earlier!("0.1.0"), earlier!("0.1.1")];

/// The world of an earlier version, with its text edited.
pub fn earlier_world(version: &str, edits: &[(&str, &str)]) -> (Resolve, WorldId) {
    let (_, files) = EARLIER.into_iter().find(|(earlier, _)| *earlier == version).unwrap();
    edited(files, edits)
}

/// A world of these sources, by the name of `policy`.
pub fn resolve(sources: &[(&str, String)]) -> (Resolve, WorldId) {
    let mut map = SourceMap::new();
    sources.iter().for_each(|(name, text)| map.push_str(name, text));
    let mut resolve = Resolve::default();
    let group = map.parse().map_err(|(_, error)| error).unwrap();
    let package = resolve.push_group(group).unwrap();
    let world = resolve.packages[package].worlds["policy"];
    (resolve, world)
}

/// A component that imports and exports all of a world, as toolchains make it.
pub fn component_of((resolve, world): (Resolve, WorldId)) -> Vec<u8> {
    let mangling = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let module = wit_component::dummy_module(&resolve, world, mangling);
    encode(module, &resolve, world)
}

/// What a toolchain makes of a core module for the contract's world.
pub fn component_around(module: &str) -> Vec<u8> {
    let (resolve, world) = world(&[]);
    encode(wat::parse_str(module).unwrap(), &resolve, world)
}

pub fn encode(mut module: Vec<u8>, resolve: &Resolve, world: WorldId) -> Vec<u8> {
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// What a toolchain makes of a core module that imports `old` `f`, which an adapter for an older interface answers.
pub fn component_with_adapter(adapter: &str) -> Vec<u8> {
    let (resolve, world) = world(&[]);
    let mut module = wat::parse_str(edit(LONER, "(memory", "(import \"old\" \"f\" (func)) (memory")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    let adapter = wat::parse_str(adapter).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).unwrap().adapter("old", &adapter).unwrap().validate(true).encode().unwrap()
}

/// A core module that exports what the contract asks for and imports nothing.
pub const LONER: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "describe") (result i32) unreachable)
    (func (export "configure") (param i32 i32) (result i32) unreachable)
    (func (export "check") (param i32) (result i32) unreachable)
)"#;

/// A component made by hand, in which every part of the wiring can be edited: one import goes through a table, one
/// directly, and one drops the request.
pub const BY_HAND: &str = include_str!("by_hand.wat");

/// `BY_HAND` with edits.
pub fn by_hand(edits: &[(&str, &str)]) -> Vec<u8> {
    let text = edits.iter().fold(BY_HAND.to_owned(), |text, (from, to)| edit(&text, from, to));
    wat::parse_str(text).unwrap()
}
