//! `docs/configuration.md`: the reference of the plugin configuration, generated from its JSON schema.
//!
//! A section for each object and a row for each of its members: first those that are required, then the rest by name.
//! The texts are the comments of the types in the core's `config`.

use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// What the page begins with.
const INTRODUCTION: &str = "\
<!-- Generated from the schema: do not edit. `mandate check --reference > docs/configuration.md` writes it anew. -->

# Configuration reference

The plugin configuration is one JSON object. It is read strictly: an unknown member, a wrong type, a value out of range or a name
given twice is an error, and a configuration with an error is refused as a whole. What happens then is described in
[operators.md](operators.md#a-wrong-configuration). `null` is a value only where the table says so; elsewhere leave the member out instead.

`mandate check FILE` lists every error with its JSON pointer (RFC 6901), and warnings for settings that are valid but probably a mistake.
[`envoy/mandate.schema.json`](../envoy/mandate.schema.json) is the JSON Schema (draft 2020-12) for editors and other tools. A complete
example is in the [README](../README.md#configuration).

In the member names below, `[]` stands for each element of an array. Lengths of strings are counted in bytes of UTF-8.
";

/// The page for a schema, as [`mandate_core::config::schema`] gives it.
#[must_use]
pub fn markdown(schema: &Value) -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut sections = VecDeque::from([Section { path: String::new(), schema: schema.clone() }]);
    let document = Document { schema };
    while let Some(section) = sections.pop_front() {
        let below = document.write(&section, &mut page);
        // What belongs to an object follows it.
        for section in below.into_iter().rev() {
            sections.push_front(section);
        }
    }
    page
}

/// An object of the configuration.
struct Section {
    /// Where it is: `issuers[].keys`. Empty: the whole document.
    path: String,
    schema: Value,
}

impl Section {
    fn heading(&self) -> String {
        if self.path.is_empty() { "Top level".to_owned() } else { format!("`{}`", self.path) }
    }

    /// What GitHub calls the heading's anchor: lower case, without punctuation.
    fn anchor(path: &str) -> String {
        path.chars()
            .filter(|character| character.is_ascii_alphanumeric() || matches!(character, '_' | '-'))
            .collect()
    }
}

/// A member of an object.
struct Member {
    name: String,
    schema: Value,
    /// Absent members are errors, or (`None`) exactly one of several must be there.
    required: Option<bool>,
}

struct Document<'a> {
    schema: &'a Value,
}

impl Document<'_> {
    /// Writes the section of an object, and gives the objects that it has as members.
    fn write(&self, section: &Section, page: &mut String) -> Vec<Section> {
        let mut below = Vec::new();
        write!(page, "\n## {}\n\n", section.heading()).ok();
        if let Some(description) = text(&section.schema, "description") {
            write!(page, "{}\n\n", linked(description)).ok();
        }
        page.push_str("| member | type and range | default | meaning |\n|---|---|---|---|\n");
        for member in self.members(&section.schema) {
            let path = if section.path.is_empty() {
                member.name.clone()
            } else {
                format!("{}.{}", section.path, member.name)
            };
            let mut schema = self.resolved(&member.schema);
            let mut place = path.clone();
            let mut type_name = self.type_of(&schema);
            if let Some(items) = schema.get("items").filter(|items| self.is_object(items)) {
                place.push_str("[]");
                schema = self.resolved(items);
            }
            if self.is_object(&schema) {
                write!(type_name, ", see [`{place}`](#{})", Section::anchor(&place)).ok();
                below.push(Section { path: place, schema: schema.clone() });
            }
            let default = match (member.required, member.schema.get("default")) {
                (Some(true), _) => "required".to_owned(),
                (None, _) => "one of them is required".to_owned(),
                (_, Some(default)) => format!("`{default}`"),
                (Some(false), None) => text(&member.schema, "x-default").unwrap_or("none").to_owned(),
            };
            let meaning = self.meaning(&member.schema);
            writeln!(page, "| `{path}` | {} | {} | {} |", cell(&type_name), cell(&default), cell(&meaning))
                .ok();
        }
        below
    }

    /// The members of an object; of a choice of objects with one member each, these.
    fn members(&self, schema: &Value) -> Vec<Member> {
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let one = |choice: &Value| -> Option<Member> {
                let (name, schema) = choice.get("properties")?.as_object()?.iter().next()?;
                let mut schema = schema.clone();
                if let (Value::Object(members), Some(description)) = (&mut schema, choice.get("description"))
                {
                    members.insert("description".to_owned(), description.clone());
                }
                Some(Member { name: name.clone(), schema, required: None })
            };
            return choices.iter().filter_map(one).collect();
        }
        let required: Vec<&str> = (schema.get("required").and_then(Value::as_array).into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let rest = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
        let member = |name: &str| {
            let schema = properties.get(name)?.clone();
            Some(Member { name: name.to_owned(), schema, required: Some(required.contains(&name)) })
        };
        required.iter().copied().chain(rest).filter_map(member).collect()
    }

    /// The schema that a reference leads to.
    fn resolved(&self, schema: &Value) -> Value {
        let reference = text(schema, "$ref").and_then(|reference| reference.strip_prefix('#'));
        reference.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(schema).clone()
    }

    /// An object whose members are described one by one.
    fn is_object(&self, schema: &Value) -> bool {
        let schema = self.resolved(schema);
        let first = schema.pointer("/oneOf/0").unwrap_or(&schema);
        first.get("properties").is_some()
    }

    /// Type and range in words.
    fn type_of(&self, schema: &Value) -> String {
        let number = |name: &str| schema.get(name).and_then(Value::as_u64);
        if let Some(words) = words(schema) {
            let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            return format!("string, one of {}", quoted.join(", "));
        }
        if schema.get("const").is_some_and(Value::is_null) {
            return "`null`".to_owned();
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let choices: Vec<String> =
                choices.iter().map(|choice| self.type_of(&self.resolved(choice))).collect();
            return choices.join(" or ");
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            return format!("object, by JSON pointer: {}", self.type_of(values));
        }
        if schema.pointer("/properties/present/const") == Some(&Value::Bool(true)) {
            return "`{\"present\": true}`".to_owned();
        }
        match text(schema, "type") {
            Some("array") => {
                let items = schema.get("items").map(|items| self.resolved(items));
                let mut parts = vec![match items.as_ref() {
                    Some(items) if self.is_object(items) => "array of objects".to_owned(),
                    Some(items) => format!("array of ({})", self.type_of(items)),
                    None => "array".to_owned(),
                }];
                parts.extend(match (number("minItems"), number("maxItems")) {
                    (Some(least), Some(most)) => Some(format!("{least} to {most} elements")),
                    (None, Some(most)) => Some(format!("at most {most} elements")),
                    _ => None,
                });
                if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
                    parts.push("no element twice".to_owned());
                }
                parts.join("; ")
            }
            Some("string") => match (number("minLength"), number("maxLength")) {
                (Some(least), Some(most)) => format!("string, {least} to {most} bytes"),
                (None, Some(most)) => format!("string, at most {most} bytes"),
                _ => "string".to_owned(),
            },
            Some("integer") => match (number("minimum"), number("maximum")) {
                (Some(least), Some(most)) => format!("integer, {least} to {most}"),
                _ => "integer".to_owned(),
            },
            Some(other) => other.to_owned(),
            None => "object".to_owned(),
        }
    }

    /// The description, what each word of a choice means, and an example.
    fn meaning(&self, member: &Value) -> String {
        let schema = self.resolved(member);
        let mut meaning =
            linked(text(member, "description").or_else(|| text(&schema, "description")).unwrap_or_default());
        for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
            if let (Some(word), Some(description)) = (text(choice, "const"), text(choice, "description")) {
                write!(meaning, "\n`{word}`: {description}").ok();
            }
        }
        for example in member.get("examples").and_then(Value::as_array).into_iter().flatten() {
            write!(meaning, "\nExample: `{example}`").ok();
        }
        meaning
    }
}

fn text<'a>(schema: &'a Value, name: &str) -> Option<&'a str> {
    schema.get(name)?.as_str()
}

/// The strings that a value may be, where they are listed.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(list) = schema.get("enum") {
        return list.as_array()?.iter().map(Value::as_str).collect();
    }
    schema.get("oneOf")?.as_array()?.iter().map(|choice| text(choice, "const")).collect()
}

/// A file of the documentation is a link from the page, which lies beside it.
fn linked(text: &str) -> String {
    let mut parts = text.split("`docs/");
    let mut linked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('`') {
            Some((file, rest)) => write!(linked, "[{file}]({file}){rest}").ok(),
            None => write!(linked, "`docs/{part}").ok(),
        };
    }
    linked
}

/// Text in a table of GitHub's Markdown: one line, in which a bar would end the cell even inside of code.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", "\n").replace('\n', "<br>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bar_and_a_line_end_do_not_end_a_row() {
        assert_eq!(cell("a|b\n\nc\nd"), "a\\|b<br>c<br>d");
    }

    #[test]
    fn a_file_of_the_documentation_becomes_a_link() {
        assert_eq!(linked("see `docs/a.md`, not `b.md`"), "see [a.md](a.md), not `b.md`");
        assert_eq!(linked("`docs/unfinished"), "`docs/unfinished");
    }

    #[test]
    fn a_member_is_a_row_with_its_path_type_range_default_meaning_and_example() {
        let schema = json!({
            "$defs": {
                "Part": {
                    "description": "A part.",
                    "properties": {
                        "size": {
                            "type": "integer", "minimum": 1, "maximum": 9, "default": 3, "description": "How big.",
                            "examples": [4],
                        },
                        "mode": { "$ref": "#/$defs/Mode", "default": "a", "description": "How." },
                    },
                },
                "Mode": { "oneOf": [
                    { "const": "a", "description": "So." }, { "const": "b", "description": "Else." },
                ] },
            },
            "required": ["parts"],
            "properties": {
                "parts": { "type": "array", "items": { "$ref": "#/$defs/Part" }, "minItems": 1, "maxItems": 2 },
            },
        });
        let page = markdown(&schema);
        for row in [
            "| `parts` | array of objects; 1 to 2 elements, see [`parts[]`](#parts) | required |  |",
            "\n## `parts[]`\n\nA part.\n",
            "| `parts[].size` | integer, 1 to 9 | `3` | How big.<br>Example: `4` |",
            "| `parts[].mode` | string, one of `a`, `b` | `\"a\"` | How.<br>`a`: So.<br>`b`: Else. |",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
    }
}
