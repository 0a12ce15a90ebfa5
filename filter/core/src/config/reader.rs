//! A reader over strict JSON that goes on after a problem.
//!
//! Every method that returns `None` has reported a problem first, so a caller reads all members of an object
//! before it gives up on any. Members that were never asked for are unknown: [`Object::finish`] reports them.

use core::{cell::RefCell, ops::RangeInclusive};

use serde_json::{Map, Value};

use super::{Problem, suggest};
use crate::{json, limits};

/// The problems found so far, at most [`limits::PROBLEMS`].
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn push(&self, pointer: &str, message: impl Into<String>, suggestion: Option<String>) {
        let mut list = self.0.borrow_mut();
        if list.len() < limits::PROBLEMS {
            list.push(Problem { pointer: pointer.to_owned(), message: message.into(), suggestion });
        }
    }

    /// Whether further problems are no longer listed, so that no work need go into wording them.
    pub(super) fn is_full(&self) -> bool {
        self.0.borrow().len() >= limits::PROBLEMS
    }

    pub(super) fn into_list(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One value of the document, and where it stands.
pub(super) struct Node<'a> {
    value: &'a Value,
    pointer: String,
    problems: &'a Problems,
}

impl<'a> Node<'a> {
    pub(super) const fn root(value: &'a Value, problems: &'a Problems) -> Self {
        Self { value, pointer: String::new(), problems }
    }

    pub(super) const fn value(&self) -> &'a Value {
        self.value
    }

    /// Reports a problem with this value; always `None`, for the caller to return.
    pub(super) fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.push(&self.pointer, message, None);
        None
    }

    /// The same, with what to write instead.
    pub(super) fn refuse_with<T>(
        &self,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Option<T> {
        self.problems.push(&self.pointer, message, Some(suggestion.into()));
        None
    }

    /// Reports a word that is none of the known ones, naming the nearest or all of them.
    pub(super) fn refuse_word<T>(&self, what: &str, word: &str, known: &[&str]) -> Option<T> {
        if !self.problems.is_full() {
            self.problems.push(
                &self.pointer,
                format!("`{}` is no {what}", shown(word)),
                hint(word, known, |all| format!("known: {all}")),
            );
        }
        None
    }

    pub(super) fn mismatch<T>(&self, wanted: &str) -> Option<T> {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.refuse(format!("must be {wanted}, not {found}"))
    }

    pub(super) fn object(&self) -> Option<Object<'a>> {
        match self.value {
            Value::Object(members) => Some(Object {
                members,
                asked: Vec::new(),
                pointer: self.pointer.clone(),
                problems: self.problems,
            }),
            _ => self.mismatch("an object"),
        }
    }

    /// The members of an object whose names are not known beforehand.
    pub(super) fn members(&self, most: usize) -> Option<Vec<(&'a str, Self)>> {
        let Value::Object(members) = self.value else {
            return self.mismatch("an object");
        };
        if members.len() > most {
            return self.refuse(format!("must not have more than {most} members, but has {}", members.len()));
        }
        let member =
            |(name, value): (&'a String, &'a Value)| (name.as_str(), self.child(&shown(name), value));
        Some(members.iter().map(member).collect())
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.mismatch("true or false"))
    }

    pub(super) fn integer(&self, range: &RangeInclusive<u64>) -> Option<u64> {
        let (least, most) = (range.start(), range.end());
        let Value::Number(number) = self.value else {
            return self.mismatch(&format!("a whole number from {least} to {most}"));
        };
        // `3.0` and `3e0` are whole numbers too: some serialisers know floats only.
        match number.as_u64().or_else(|| whole(number.as_f64()?)) {
            Some(number) if range.contains(&number) => Some(number),
            _ => self.refuse(format!("must be a whole number from {least} to {most}")),
        }
    }

    /// A string that is neither empty nor longer than `most` bytes.
    pub(super) fn string(&self, most: usize) -> Option<&'a str> {
        match self.value {
            Value::String(text) if text.is_empty() => self.refuse("must not be empty"),
            Value::String(text) if text.len() > most => {
                self.refuse(format!("must not be longer than {most} bytes, but has {}", text.len()))
            }
            Value::String(text) => Some(text),
            _ => self.mismatch("a string"),
        }
    }

    /// An array of so many elements.
    pub(super) fn elements(&self, count: RangeInclusive<usize>) -> Option<Vec<Self>> {
        let Value::Array(elements) = self.value else {
            return self.mismatch("an array");
        };
        if elements.len() < *count.start() {
            return self.refuse("must not be empty");
        }
        if elements.len() > *count.end() {
            return self.refuse(format!(
                "must not have more than {} elements, but has {}",
                count.end(),
                elements.len()
            ));
        }
        Some(
            elements.iter().enumerate().map(|(index, value)| self.child(&index.to_string(), value)).collect(),
        )
    }

    fn child(&self, segment: &str, value: &'a Value) -> Self {
        Self { value, pointer: json::pointer_push(&self.pointer, segment), problems: self.problems }
    }

    /// Reports every object of an array that carries the same text in `member` as an earlier one, whatever else
    /// is wrong with either. Says nothing about an array of more than `most` elements, or of anything else.
    pub(super) fn refuse_repeated(&self, member: &str, most: usize) {
        self.refuse_repeated_of(member, most, |_| false);
    }

    /// The same, where elements of two sorts may have the same text.
    pub(super) fn refuse_repeated_of(&self, member: &str, most: usize, sort: impl Fn(&Value) -> bool) {
        let Value::Array(elements) = self.value else { return };
        if elements.len() > most {
            return;
        }
        let mut seen: Vec<(&str, bool)> = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let Some(value) = element.get(member) else { continue };
            let Some(text) = value.as_str() else { continue };
            let text = (text, sort(element));
            if seen.contains(&text) {
                self.child(&index.to_string(), element)
                    .child(member, value)
                    .refuse::<()>(format!("`{}` is taken by an earlier element", shown(text.0)));
            }
            seen.push(text);
        }
    }

    /// An array whose elements are read one by one; `None` when any of them had a problem.
    pub(super) fn list<T>(
        &self,
        count: RangeInclusive<usize>,
        read: impl Fn(&Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let nodes = self.elements(count)?;
        let values: Vec<T> = nodes.iter().filter_map(read).collect();
        (values.len() == nodes.len()).then_some(values)
    }

    /// The same, where no two elements may be the same.
    pub(super) fn set<T>(
        &self,
        count: RangeInclusive<usize>,
        read: impl Fn(&Self) -> Option<T>,
        same: impl Fn(&T, &T) -> bool,
    ) -> Option<Vec<T>> {
        let nodes = self.elements(count)?;
        let mut values: Vec<T> = Vec::with_capacity(nodes.len());
        for node in &nodes {
            match read(node) {
                Some(value) if values.iter().any(|earlier| same(earlier, &value)) => {
                    node.problems.push(&node.pointer, "is listed twice", Some("remove it".to_owned()));
                }
                Some(value) => values.push(value),
                None => {}
            }
        }
        (values.len() == nodes.len()).then_some(values)
    }
}

/// A number with a fraction or an exponent that is whole all the same, such as `3.0` and `3e0`: tools that keep numbers as
/// doubles write them so, and to JSON they are the same number.
fn whole(number: f64) -> Option<u64> {
    const LAST: u64 = (1 << 53) - 1;
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact as a double")]
    let is_whole = number.fract() == 0.0 && (0.0..=LAST as f64).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative and below 2^53"
    )]
    is_whole.then_some(number as u64)
}

/// An object whose members are asked for by name.
pub(super) struct Object<'a> {
    members: &'a Map<String, Value>,
    asked: Vec<&'static str>,
    pointer: String,
    problems: &'a Problems,
}

impl<'a> Object<'a> {
    /// The member, if it is there.
    pub(super) fn member(&mut self, name: &'static str) -> Option<Node<'a>> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        let value = self.members.get(name)?;
        Some(Node { value, pointer: json::pointer_push(&self.pointer, name), problems: self.problems })
    }

    /// A member that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.member(name) {
            Some(node) => read(&node),
            None => self.missing(name, None),
        }
    }

    /// The same, with what to write for a member that is missing.
    pub(super) fn required_as<T>(
        &mut self,
        name: &'static str,
        suggestion: impl FnOnce() -> String,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.member(name) {
            Some(node) => read(&node),
            None => self.missing(name, Some(suggestion())),
        }
    }

    fn missing<T>(&self, name: &str, suggestion: Option<String>) -> Option<T> {
        self.problems.push(&json::pointer_push(&self.pointer, name), "is required but missing", suggestion);
        None
    }

    /// A member that may be absent; the outer `None` means that it is there and wrong.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.member(name) {
            Some(node) => read(&node).map(Some),
            None => Some(None),
        }
    }

    /// A member that has a default.
    pub(super) fn defaulted<T>(
        &mut self,
        name: &'static str,
        default: impl FnOnce() -> T,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        Some(self.optional(name, read)?.unwrap_or_else(default))
    }

    /// Reports every member that was not asked for.
    pub(super) fn finish(self) {
        for name in self.members.keys() {
            if self.problems.is_full() {
                return;
            }
            if !self.asked.contains(&name.as_str()) {
                self.problems.push(
                    &json::pointer_push(&self.pointer, &shown(name)),
                    "is not a known member",
                    hint(name, &self.asked, |all| format!("known: {all}")),
                );
            }
        }
    }
}

fn hint(word: &str, known: &[&str], otherwise: impl FnOnce(&str) -> String) -> Option<String> {
    match suggest::nearest(word, known.iter().copied()) {
        Some(nearest) => Some(format!("did you mean `{nearest}`?")),
        None if known.is_empty() => None,
        None => Some(otherwise(&known.join(", "))),
    }
}

/// A word of the document, short enough for a message.
pub(super) fn shown(word: &str) -> String {
    const MOST: usize = 80;
    let mut characters = word.chars();
    let mut shown: String = characters.by_ref().take(MOST).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}
