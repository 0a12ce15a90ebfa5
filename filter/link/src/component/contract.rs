//! The contract itself, as types that a component's can be compared with.

use std::{fmt, sync::LazyLock};

use mandate_seam::wit::{self, AddedCase};
use wasmparser::{
    Validator,
    component_types::{
        ComponentAnyTypeId, ComponentEntityType, ComponentItem, ComponentType, ComponentTypeId,
    },
    types::{Types, TypesRef},
};
use wit_parser::{Resolve, SourceMap};

use crate::refusal::{Refusal, shown};

static CONTRACT: LazyLock<Result<Contract, String>> = LazyLock::new(Contract::load);

/// The world `policy`.
pub(super) struct Contract {
    types: Types,
    world: ComponentTypeId,
    version: Version,
}

/// The contract that this linker was built with.
pub(super) fn contract() -> Result<&'static Contract, Refusal> {
    CONTRACT.as_ref().map_err(|problem| Refusal::Contract(problem.clone()))
}

impl Contract {
    /// WIT is compared in the form that the component model gives it, so both sides speak of the same kinds of types.
    fn load() -> Result<Self, String> {
        let mut sources = SourceMap::new();
        for (name, text) in wit::FILES {
            sources.push_str(name, text);
        }
        let group = sources.parse().map_err(|(_, error)| error.to_string())?;
        let mut resolve = Resolve::default();
        let package = resolve.push_group(group).map_err(|error| error.to_string())?;
        let version = resolve
            .packages
            .get(package)
            .and_then(|package| Version::parse(&package.name.version.as_ref()?.to_string()))
            .ok_or("its package has no version")?;
        let encoded = wit_component::encode(&resolve, package, false).map_err(|error| error.to_string())?;
        let types = Validator::new().validate_all(&encoded).map_err(|error| error.to_string())?;
        let world = find_world(types.as_ref()).ok_or("it has no world `policy`")?;
        Ok(Self { types, world, version })
    }

    pub(super) fn types(&self) -> TypesRef<'_> {
        self.types.as_ref()
    }

    pub(super) fn imports(&self) -> impl Iterator<Item = (&str, &ComponentItem)> {
        self.world().into_iter().flat_map(|world| &world.imports).map(|(name, item)| (name.as_str(), item))
    }

    pub(super) fn exports(&self) -> impl Iterator<Item = (&str, &ComponentItem)> {
        self.world().into_iter().flat_map(|world| &world.exports).map(|(name, item)| (name.as_str(), item))
    }

    /// What a component may import under this name: the contract's own version, or an older one of the same series,
    /// which the contract only ever adds to.
    pub(super) fn import(&self, name: &str) -> Result<&ComponentItem, Refusal> {
        let (base, version) = split_version(name);
        let served = || Version::parse(version?).filter(|version| self.version.serves(*version));
        if base.starts_with(wit::PACKAGE) && served().is_none() {
            return Err(Refusal::Version { name: shown(name), ours: self.version.to_string() });
        }
        self.imports()
            .find_map(|(ours, item)| (split_version(ours).0 == base).then_some(item))
            .ok_or_else(|| Refusal::NotGranted { name: shown(name), hint: hint(base) })
    }

    /// The version that a component was made for, as the imported interface with what a policy returns is called; a component
    /// that imports no such interface is held to today's.
    pub(super) fn made_for<'n>(&self, imports: impl IntoIterator<Item = &'n str>) -> Version {
        let named = imports.into_iter().find_map(|name| {
            let (base, version) = split_version(name);
            (base.strip_prefix(wit::PACKAGE) == Some(wit::TYPES)).then(|| Version::parse(version?))
        });
        named.flatten().unwrap_or(self.version)
    }

    fn world(&self) -> Option<&ComponentType> {
        self.types().get(self.world)
    }
}

/// The encoded form of a world is a component that exports, under the world's name, the type of a component that
/// exports the world's type.
fn find_world(types: TypesRef<'_>) -> Option<ComponentTypeId> {
    let ComponentEntityType::Type { created: ComponentAnyTypeId::Component(wrapper), .. } =
        types.component_item_for_export(wit::WORLD)?.ty
    else {
        return None;
    };
    match types.get(wrapper)?.exports.values().next()?.ty {
        ComponentEntityType::Component(world) => Some(world),
        _ => None,
    }
}

/// `mandate:policy/request@0.1.0` without, and only, its version.
pub(super) fn split_version(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((base, version)) => (base, Some(version)),
        None => (name, None),
    }
}

/// A released version of the contract; one in preparation (`0.2.0-draft`) is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// `version = number "." number "." number`
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let version = Self { major: numbers.next()??, minor: numbers.next()??, patch: numbers.next()?? };
        numbers.next().is_none().then_some(version)
    }

    pub(super) fn serves(self, component: Self) -> bool {
        (self.major, self.minor) == (component.major, component.minor) && component.patch <= self.patch
    }

    /// The cases that variants of the contract do not have in this version, but in a later one.
    pub(super) fn later_cases(self) -> impl Iterator<Item = AddedCase> {
        let is_later = move |added: &AddedCase| Version::parse(added.since).is_none_or(|since| since > self);
        wit::ADDED_CASES.into_iter().filter(is_later)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What to do instead of importing this.
fn hint(base: &str) -> &'static str {
    const HINTS: [(&str, &str); 9] = [
        ("wasi:clocks/", "there is no clock, `now` is a function of the request"),
        ("wasi:random/", "there is no randomness, the same request always gets the same verdict"),
        ("wasi:filesystem/", "there are no files, what a policy needs to know comes with its settings"),
        ("wasi:http/", "there is no network, a policy decides by the request and its settings alone"),
        ("wasi:sockets/", "there is no network, a policy decides by the request and its settings alone"),
        ("wasi:logging/", "lines for the operator go to `mandate:policy/log`"),
        ("wasi:config/", "configuration comes through `configure`"),
        (
            "wasi:",
            "there is no system beneath a policy; build it for a target without WASI, such as \
             `wasm32-unknown-unknown`, and in languages with a runtime of their own leave out what needs the system",
        ),
        (wit::PACKAGE, "the contract has no such interface"),
    ];
    HINTS
        .iter()
        .find_map(|(prefix, hint)| base.starts_with(prefix).then_some(*hint))
        .unwrap_or("only `mandate:policy/request` and `mandate:policy/log` are")
}
