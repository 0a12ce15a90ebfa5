//! Whatever the bytes, `read` returns, and it accepts nothing that is not a policy.

use proptest::prelude::*;
use std::sync::LazyLock;
use wasmparser::{Payload, Validator, types::Types};

use super::{
    super::{PolicyModule, read},
    fixtures::{LONER, by_hand, component_around, component_of, earlier_world, world},
};
use crate::lower::function_type;
use crate::refusal::Refusal;

static SEEDS: LazyLock<[Vec<u8>; 3]> =
    LazyLock::new(|| [by_hand(&[]), component_around(LONER), component_of(world(&[]))]);

/// One change of a sequence of bytes, at places that are taken modulo its length.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Truncate(usize),
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        let at = |place: usize| place % bytes.len().max(1);
        let run = |place: usize, length: usize| at(place)..bytes.len().min(at(place) + length);
        match *self {
            _ if bytes.is_empty() => {}
            Self::Set(place, byte) => {
                let place = at(place);
                bytes[place] = byte;
            }
            Self::Flip(place, bit) => {
                let place = at(place);
                bytes[place] ^= 1 << bit;
            }
            Self::Insert(place, byte) => bytes.insert(at(place), byte),
            Self::Remove(place, length) => {
                let run = run(place, length);
                bytes.drain(run);
            }
            Self::Repeat(place, length) => {
                let run = run(place, length);
                let (end, repeated) = (run.end, bytes[run].to_vec());
                bytes.splice(end..end, repeated);
            }
            Self::Truncate(place) => bytes.truncate(at(place)),
        }
    }
}

/// Mostly small numbers, for indices and counts are small.
fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![3 => 0_u8..32, 1 => any::<u8>()];
    prop_oneof![
        8 => (any::<usize>(), byte.clone()).prop_map(|(place, byte)| Change::Set(place, byte)),
        4 => (any::<usize>(), 0_u8..8).prop_map(|(place, bit)| Change::Flip(place, bit)),
        1 => (any::<usize>(), byte).prop_map(|(place, byte)| Change::Insert(place, byte)),
        1 => (any::<usize>(), 0_usize..40).prop_map(|(place, length)| Change::Remove(place, length)),
        1 => (any::<usize>(), 0_usize..40).prop_map(|(place, length)| Change::Repeat(place, length)),
        1 => any::<usize>().prop_map(Change::Truncate),
    ]
}

/// The component with this version of the contract in the names of its imports, whichever they had: others compare names to the
/// letter. Names in the module are nobody's but its own.
fn of_version(component: &[u8], patch: u8) -> Vec<u8> {
    let mut component = component.to_vec();
    for earlier in (b'0'..=b'2').filter(|earlier| *earlier != patch) {
        let name = [b'@', b'0', b'.', b'1', b'.', earlier];
        while let Some(at) = component.windows(name.len()).position(|bytes| bytes == name) {
            component[at + 5] = patch;
        }
    }
    component
}

/// What is accepted conforms to the contract in the eyes of others, too, and what was read of it is true. Others know one
/// version at a time: the last one with as many cases.
fn check(component: &[u8], policy: &PolicyModule<'_>) {
    let ((resolve, world), patch) = match policy.obligation_cases {
        2 => (earlier_world("0.1.1", &[]), b'1'),
        _ => (world(&[]), b'2'),
    };
    wit_component::targets(&resolve, world, &of_version(component, patch), false).unwrap();
    let (types, imports) = examine(policy.module);
    assert_eq!(imports.len(), policy.imports.len());
    for (function, host) in imports.into_iter().zip(&policy.imports) {
        let ty = &types.as_ref()[types.as_ref().core_function_at(function)];
        assert_eq!(*ty.unwrap_func(), function_type(host.signature()));
    }
    let exports: Vec<_> = types.as_ref().core_exports().unwrap().map(|(name, _)| name).collect();
    let named = &policy.exports;
    let functions = [&named.describe, &named.configure, &named.check, &named.realloc, &named.memory];
    let called_after = [&named.post_describe, &named.post_configure, &named.post_check].into_iter().flatten();
    for name in functions.into_iter().chain(called_after).chain(&policy.start) {
        assert!(exports.contains(&name.as_str()), "{name}");
    }
}

/// The types of a core module, and the indices of the functions that it imports.
fn examine(module: &[u8]) -> (Types, Vec<u32>) {
    let types = Validator::new().validate_all(module).unwrap();
    let imported = wasmparser::Parser::new(0)
        .parse_all(module)
        .filter_map(|section| match section.unwrap() {
            Payload::ImportSection(section) => Some(section.into_imports()),
            _ => None,
        })
        .flatten()
        .count();
    (types, (0..u32::try_from(imported).unwrap()).collect())
}

#[test]
fn the_unchanged_components_are_accepted() {
    for seed in SEEDS.iter() {
        check(seed, &read(seed).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_components_are_read_to_an_end(
        seed in 0_usize..3,
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut component = SEEDS[seed].clone();
        changes.iter().for_each(|change| change.make(&mut component));
        if let Ok(policy) = read(&component) {
            check(&component, &policy);
        }
    }

    #[test]
    fn noise_after_the_header_is_refused(noise in prop::collection::vec(any::<u8>(), 1..200)) {
        let component = [b"\0asm\x0d\0\x01\0", noise.as_slice()].concat();
        prop_assert!(read(&component).is_err());
    }
}

/// A section of a component, or a type, with its size in five bytes.
fn sized(prefix: &[u8], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap();
    let groups = [0, 7, 14, 21, 28].map(|shift| ((size >> shift) & 0x7f).to_le_bytes()[0]);
    let size = [groups[0] | 0x80, groups[1] | 0x80, groups[2] | 0x80, groups[3] | 0x80, groups[4]];
    [prefix, &size, content].concat()
}

#[test]
fn components_within_components_within_components_are_refused() {
    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
    // Written from the outside in, as every level is but its header and the length of the rest.
    let depth = 2_000;
    let level = sized(&[4], HEADER).len();
    let mut component = HEADER.to_vec();
    for rest in (1..=depth).rev() {
        let inner = vec![0; level * (rest - 1) + HEADER.len()];
        component.extend(&sized(&[4], &inner)[..level - HEADER.len()]);
        component.extend(HEADER);
    }
    let Err(Refusal::Invalid { problem, .. }) = read(&component) else { panic!() };
    assert!(problem.contains("exceeds limit"), "{problem}");
}

#[test]
fn types_within_types_within_types_are_refused() {
    // An instance type that declares a type, which is an instance type that …
    let mut ty = vec![0x42, 0];
    for _ in 0..20_000 {
        ty = [&[0x42, 1, 1], ty.as_slice()].concat();
    }
    let section = sized(&[7], &[&[1], ty.as_slice()].concat());
    let component = [b"\0asm\x0d\0\x01\0", section.as_slice()].concat();
    let Err(Refusal::Invalid { problem, .. }) = read(&component) else { panic!() };
    assert!(problem.contains("too deep"), "{problem}");
}
