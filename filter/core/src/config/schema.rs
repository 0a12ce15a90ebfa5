//! The JSON schema of the configuration, generated from the types.
//!
//! The schema says what a document's structure says; what its parts demand of each other (unique names, routes
//! that name known policies) only [`super::Config::parse`] can tell. It accepts whatever that accepts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use super::Config;
use crate::{algorithm::Algorithm, limits};

pub(super) const HTTP_URL: &str = r##"^https?://[A-Za-z0-9._:\[\]-]+/[^\s"#<>\\^`{|}]*$"##;
pub(super) const HTTPS_URL: &str = r##"^https://[A-Za-z0-9._:\[\]-]+(/[^\s"#<>\\^`{|}]*)?$"##;

/// The JSON schema (draft 2020-12) of the plugin configuration.
#[must_use]
pub fn schema() -> Value {
    let root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>();
    let mut schema = Value::from(root);
    without_null(&mut schema);
    without_line_ends(&mut schema);
    if let Value::Object(members) = &mut schema {
        members.insert("title".to_owned(), json!("Mandate plugin configuration"));
    }
    schema
}

/// `Option` stands for a member that may be absent, never for one that may be null.
fn without_null(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(without_null),
        Value::Object(members) => {
            members.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
                choices.retain(|choice| *choice != json!({ "type": "null" }));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only: Map<String, Value> = only.clone();
                    members.remove("anyOf");
                    for (name, member) in only {
                        members.entry(name).or_insert(member);
                    }
                }
            }
        }
        _ => {}
    }
}

/// A comment's lines end where its source is wrapped, which means nothing; an empty line separates paragraphs.
fn without_line_ends(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(without_line_ends),
        Value::Object(members) => {
            members.values_mut().for_each(without_line_ends);
            if let Some(Value::String(text)) = members.get_mut("description") {
                let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
        }
        _ => {}
    }
}

impl JsonSchema for Algorithm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> =
            Self::ALL.into_iter().map(Self::name).chain(core::iter::once(Self::ED25519)).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

/// An array of so many different elements.
pub(super) struct Set<T, const LEAST: usize, const MOST: usize>(core::marker::PhantomData<T>);

impl<T: JsonSchema, const LEAST: usize, const MOST: usize> JsonSchema for Set<T, LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Set{LEAST}To{MOST}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let items = generator.subschema_for::<T>();
        let mut schema =
            json_schema!({ "type": "array", "items": items, "uniqueItems": true, "maxItems": MOST });
        if LEAST > 0 {
            schema.insert("minItems".to_owned(), LEAST.into());
        }
        schema
    }
}

/// Stand-ins for the strings and objects whose grammar [`super::checks`] knows.
macro_rules! stand_ins {
    ($($(#[$doc:meta])* $name:ident = $schema:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

fn text(pattern: &str, most: usize) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern, "minLength": 1, "maxLength": most })
}

const MEDIA_TYPE: &str = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+(/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?$";
const POINTER: &str = "^(/([^/~]|~[01])*)+$";

fn or_null(schema: &Schema) -> Schema {
    json_schema!({ "oneOf": [schema, { "const": null }] })
}

/// A value that a mark or a rule may ask for, with numbers as they are described; `null`: none.
fn scalar(number: &Schema) -> Schema {
    json_schema!({ "oneOf": [
        { "type": "string", "minLength": 1, "maxLength": limits::IDENTITY_BYTES },
        number,
        { "type": "boolean" },
        { "const": null },
    ] })
}

fn number() -> Schema {
    json_schema!({ "type": "number" })
}

/// A number that every server can tell apart from its neighbours.
fn safe_number() -> Schema {
    json_schema!({ "type": "number", "minimum": -limits::MAX_SAFE_INTEGER, "maximum": limits::MAX_SAFE_INTEGER })
}

fn present() -> Schema {
    json_schema!({
        "type": "object",
        "required": ["present"],
        "properties": { "present": { "const": true, "description": "Any value." } },
        "additionalProperties": false,
    })
}

stand_ins! {
    /// A name without white space.
    Identity = text(r"^\S+$", limits::IDENTITY_BYTES);
    /// A media type, or `null`.
    MediaTypeOrNull = or_null(&text(MEDIA_TYPE, limits::NAME_BYTES));
    /// A JSON pointer to a member.
    Pointer = text(POINTER, limits::IDENTITY_BYTES);
    /// The same, or `null`.
    PointerOrNull = or_null(&text(POINTER, limits::IDENTITY_BYTES));
    /// A pointer, or several whose values are joined.
    JoinedPointers = json_schema!({ "oneOf": [
        text(POINTER, limits::IDENTITY_BYTES),
        {
            "type": "array",
            "items": text(POINTER, limits::IDENTITY_BYTES),
            "minItems": 1,
            "maxItems": limits::CLAIM_POINTERS,
        },
    ] });
    /// Marks by pointer.
    Marks = json_schema!({
        "type": "object",
        "propertyNames": text(POINTER, limits::IDENTITY_BYTES),
        "maxProperties": limits::CLAIM_POINTERS,
        "additionalProperties": { "oneOf": [
            scalar(&number()),
            {
                "type": "array",
                "items": scalar(&number()),
                "uniqueItems": true,
                "minItems": 1,
                "maxItems": limits::SMALL_LIST,
            },
            present(),
        ] },
    });
    /// The name of an action, or the beginning of names.
    ActionName = text(r"^[^\x00-\x1F\x7F*]*\*?$", limits::IDENTITY_BYTES);
    /// Values of arguments by pointer.
    Arguments = json_schema!({
        "type": "object",
        "propertyNames": text(POINTER, limits::IDENTITY_BYTES),
        "maxProperties": limits::CLAIM_POINTERS,
        "additionalProperties": {
            "type": "array",
            "items": scalar(&safe_number()),
            "uniqueItems": true,
            "minItems": 1,
            "maxItems": limits::SMALL_LIST,
        },
    });
    /// Words by pointer.
    Signs = json_schema!({
        "type": "object",
        "propertyNames": text(POINTER, limits::IDENTITY_BYTES),
        "maxProperties": limits::CLAIM_POINTERS,
        "additionalProperties": { "oneOf": [text(r"^\S+$", limits::IDENTITY_BYTES), present()] },
    });
    /// A list of words, or `null`.
    WordsOrNull = or_null(&json_schema!({
        "type": "array",
        "items": text(r"^\S+$", limits::IDENTITY_BYTES),
        "uniqueItems": true,
        "minItems": 1,
        "maxItems": limits::SMALL_LIST,
    }));
    /// An HTTP method in upper case, as requests may have it.
    Method = text("^[0-9A-Z_-]+$", limits::NAME_BYTES);
    /// A host, or `*.` and a host.
    HostName = text(r"^((\*\.)?[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$", limits::HOST_BYTES + 3);
    /// A header name in lower case.
    HeaderName = text(r"^[a-z0-9-]+$", limits::NAME_BYTES);
    /// A scope-token.
    Scope = text(r"^[\x21\x23-\x5B\x5D-\x7E]+$", limits::IDENTITY_BYTES);
    /// The name of a policy or of an entry.
    PolicyName = text("^[a-z0-9-]+$", limits::NAME_BYTES);
    /// The name of a cluster.
    ClusterName = text(r"^[\x21-\x7E]+$", limits::CLUSTER_BYTES);
    /// A path prefix in normal form, as far as a pattern can tell.
    Prefix = text(r"^/([A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-F]{2})*$", limits::PATH_BYTES);
    /// A resource: `https`, or `http` of this machine; its path as far as a pattern can tell.
    ResourceUrl = text(
        r"^(https://[A-Za-z0-9._:\[\]-]+|http://([Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]\.?|127\.0\.0\.1|\[::1\])(:[0-9]+)?)(/([A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-F]{2})*)?$",
        limits::URL_BYTES,
    );
    /// An address under which clients know a gateway: its path as far as a pattern can tell.
    ExternalUri = text(
        r"^https?://[A-Za-z0-9._:\[\]-]+(/([A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*)?$",
        limits::URL_BYTES,
    );
    /// An authorization server, likewise.
    ServerUrl = text(
        r##"^(https://[A-Za-z0-9._:\[\]-]+|http://([Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]\.?|127\.0\.0\.1|\[::1\])(:[0-9]+)?)(/[^\s"#<>?\\^`{|}]*)?$"##,
        limits::URL_BYTES,
    );
    /// A JWK set.
    JwkSet = json_schema!({
        "type": "object",
        "required": ["keys"],
        "properties": { "keys": {
            "type": "array",
            "maxItems": limits::KEYS,
            "description": "Public keys (RFC 7517 §4). A key that cannot be used for signatures, or whose type is not \
                supported, is ignored, and the log says so.",
            "examples": [[{
                "kty": "OKP", "crv": "Ed25519", "kid": "2026-a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            }]],
        } },
    });
    /// An object of the policy's own making.
    Settings = json_schema!({ "type": "object" });
}
