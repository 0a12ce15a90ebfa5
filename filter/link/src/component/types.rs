//! Compares types of a component with the contract's.
//!
//! The filter reads and writes values by the layouts that follow from the contract's types, so a component's types
//! must be the very same, down to the order of cases and the names of fields. Each comparison descends both sides at
//! once, and therefore never further than the contract goes. Cases that a later version added behind the others change no
//! layout, and a component of an earlier version must not have them.

use std::fmt;

use wasmparser::{
    PrimitiveValType,
    component_types::{
        ComponentAnyTypeId, ComponentDefinedType, ComponentFuncType, ComponentValType, ResourceId,
    },
    types::TypesRef,
};

use mandate_seam::wit::AddedCase;

use crate::refusal::shown;

/// How many names a message lists.
const LISTED: usize = 8;

/// Where two types differ, and how.
#[derive(Debug)]
pub(super) struct Difference {
    /// Innermost first.
    places: Vec<String>,
    found: String,
    expected: String,
}

impl Difference {
    pub(super) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { places: Vec::new(), found: found.into(), expected: expected.into() }
    }

    fn within(mut self, place: impl Into<String>) -> Self {
        self.places.push(place.into());
        self
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in self.places.iter().rev() {
            write!(f, "{place}, ")?;
        }
        write!(f, "it is {}, and the contract says {}", self.found, self.expected)
    }
}

/// The two sides of a comparison.
pub(super) struct Comparison<'a> {
    /// The component's types.
    pub(super) found: TypesRef<'a>,
    /// The contract's.
    pub(super) expected: TypesRef<'a>,
    /// The request, on both sides. No other resource is the contract's, however alike.
    pub(super) request: Option<(ResourceId, ResourceId)>,
    /// Cases of the contract that are left out, for they are younger than the component. A name stands for one case only.
    pub(super) later: Vec<AddedCase>,
}

impl Comparison<'_> {
    pub(super) fn function(
        &self,
        found: &ComponentFuncType,
        expected: &ComponentFuncType,
    ) -> Result<(), Difference> {
        if found.async_ != expected.async_ {
            return Err(Difference::new("an asynchronous function", "a synchronous one"));
        }
        same(describe_function(found), describe_function(expected))?;
        same_names(found.params.iter().map(|(name, _)| name), expected.params.iter().map(|(name, _)| name))?;
        for ((name, found), (_, expected)) in found.params.iter().zip(&expected.params) {
            self.value(*found, *expected).map_err(|d| d.within(format!("in its parameter `{name}`")))?;
        }
        self.payload(found.result, expected.result).map_err(|d| d.within("in its result"))
    }

    pub(super) fn any_type(
        &self,
        found: ComponentAnyTypeId,
        expected: ComponentAnyTypeId,
    ) -> Result<(), Difference> {
        match (found, expected) {
            (ComponentAnyTypeId::Defined(found), ComponentAnyTypeId::Defined(expected)) => {
                self.value(ComponentValType::Type(found), ComponentValType::Type(expected))
            }
            (ComponentAnyTypeId::Resource(found), ComponentAnyTypeId::Resource(expected)) => {
                self.resource(found.resource(), expected.resource())
            }
            _ => Err(Difference::new("another kind of type", "otherwise")),
        }
    }

    fn resource(&self, found: ResourceId, expected: ResourceId) -> Result<(), Difference> {
        if self.request == Some((found, expected)) {
            Ok(())
        } else {
            Err(Difference::new("a resource of its own", "the resource `request` that is imported"))
        }
    }

    fn value(&self, found: ComponentValType, expected: ComponentValType) -> Result<(), Difference> {
        use ComponentDefinedType as D;
        let (found, expected) = (Shape::of(self.found, found), Shape::of(self.expected, expected));
        // The description of a shape is what of it is not a type in turn: its kind, and the names in it.
        same(found.describe(), self.describe_expected(&expected))?;
        let (Shape::Defined(found), Shape::Defined(expected)) = (found, expected) else { return Ok(()) };
        match (found, expected) {
            (D::Record(found), D::Record(expected)) => {
                same_names(found.fields.keys(), expected.fields.keys())?;
                for ((name, found), expected) in found.fields.iter().zip(expected.fields.values()) {
                    self.value(*found, *expected).map_err(|d| d.within(format!("in the field `{name}`")))?;
                }
                Ok(())
            }
            (D::Variant(found), D::Variant(expected)) => {
                let expected = || expected.cases.iter().filter(|(name, _)| self.is_known(name));
                same_names(found.cases.keys(), expected().map(|(name, _)| name))?;
                for ((name, found), (_, expected)) in found.cases.iter().zip(expected()) {
                    self.payload(found.ty, expected.ty)
                        .map_err(|d| d.within(format!("in the case `{name}`")))?;
                }
                Ok(())
            }
            (D::Enum(found), D::Enum(expected)) => same_names(found, expected),
            (D::List { element: found, .. }, D::List { element: expected, .. }) => {
                self.value(*found, *expected).map_err(|d| d.within("in the elements of the list"))
            }
            (D::Option { ty: found, .. }, D::Option { ty: expected, .. }) => {
                self.value(*found, *expected).map_err(|d| d.within("in the option"))
            }
            (D::Result { ok, err, .. }, D::Result { ok: expected_ok, err: expected_err, .. }) => {
                self.payload(*ok, *expected_ok).map_err(|d| d.within("in the ok of the result"))?;
                self.payload(*err, *expected_err).map_err(|d| d.within("in the error of the result"))
            }
            (D::Own(found), D::Own(expected)) | (D::Borrow(found), D::Borrow(expected)) => {
                self.resource(found.resource(), expected.resource())
            }
            // The contract uses no other kinds of types. Should it come to, this refuses until it is taught.
            _ => Err(Difference::new("a kind of type that this linker does not know", "otherwise")),
        }
    }

    fn payload(
        &self,
        found: Option<ComponentValType>,
        expected: Option<ComponentValType>,
    ) -> Result<(), Difference> {
        match (found, expected) {
            (None, None) => Ok(()),
            (Some(found), Some(expected)) => self.value(found, expected),
            (Some(found), None) => {
                Err(Difference::new(Shape::of(self.found, found).describe(), "that there is nothing"))
            }
            (None, Some(expected)) => {
                Err(Difference::new("empty", self.describe_expected(&Shape::of(self.expected, expected))))
            }
        }
    }

    /// Whether the version that the component was made for has this case.
    fn is_known(&self, case: &str) -> bool {
        !self.later.iter().any(|added| added.case == case)
    }

    fn describe_expected(&self, shape: &Shape<'_>) -> String {
        shape.describe_with(|case| self.is_known(case))
    }
}

/// A type, as far as one look goes.
enum Shape<'a> {
    Primitive(PrimitiveValType),
    Defined(&'a ComponentDefinedType),
    Unknown,
}

impl<'a> Shape<'a> {
    /// A primitive type may be had by a name, and is the same type then.
    fn of(types: TypesRef<'a>, value: ComponentValType) -> Self {
        match value {
            ComponentValType::Primitive(primitive) => Self::Primitive(primitive),
            ComponentValType::Type(id) => match types.get(id) {
                Some(ComponentDefinedType::Primitive(primitive)) => Self::Primitive(*primitive),
                Some(defined) => Self::Defined(defined),
                None => Self::Unknown,
            },
        }
    }

    fn describe(&self) -> String {
        self.describe_with(|_| true)
    }

    /// With these cases of a variant only.
    fn describe_with(&self, is_known: impl Fn(&str) -> bool) -> String {
        use ComponentDefinedType as D;
        match self {
            Self::Primitive(primitive) => format!("`{primitive}`"),
            Self::Defined(D::Record(record)) => {
                format!("a record of {}", list(record.fields.keys().map(|name| name.as_str())))
            }
            Self::Defined(D::Variant(variant)) => {
                let names = variant.cases.keys().map(|name| name.as_str());
                format!("a variant of {}", list(names.filter(|name| is_known(name))))
            }
            Self::Defined(D::Enum(names)) => {
                format!("an enum of {}", list(names.iter().map(|name| name.as_str())))
            }
            Self::Defined(D::List { .. }) => "a list".to_owned(),
            Self::Defined(D::Option { .. }) => "an option".to_owned(),
            Self::Defined(D::Result { .. }) => "a result".to_owned(),
            Self::Defined(D::Own(_)) => "an owned resource".to_owned(),
            Self::Defined(D::Borrow(_)) => "a borrowed resource".to_owned(),
            Self::Defined(D::Flags(_)) => "a set of flags".to_owned(),
            Self::Defined(D::Tuple(_)) => "a tuple".to_owned(),
            Self::Defined(_) | Self::Unknown => "a kind of type that the contract does not use".to_owned(),
        }
    }
}

fn describe_function(function: &ComponentFuncType) -> String {
    format!("a function of ({})", list(function.params.iter().map(|(name, _)| name.as_str())))
}

fn same(found: String, expected: String) -> Result<(), Difference> {
    if found == expected { Ok(()) } else { Err(Difference::new(found, expected)) }
}

/// Compares names beyond those that a message lists.
fn same_names<N: PartialEq>(
    found: impl IntoIterator<Item = N>,
    expected: impl IntoIterator<Item = N>,
) -> Result<(), Difference> {
    if found.into_iter().eq(expected) {
        Ok(())
    } else {
        Err(Difference::new("longer or shorter", "otherwise"))
    }
}

fn list<'n>(mut names: impl Iterator<Item = &'n str>) -> String {
    let mut listed: Vec<_> = names.by_ref().take(LISTED).map(|name| format!("`{}`", shown(name))).collect();
    if names.next().is_some() {
        listed.push("…".to_owned());
    }
    listed.join(", ")
}
