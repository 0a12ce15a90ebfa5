//! Where the parts of the contract's types lie in a policy's memory (Canonical ABI, `alignment`, `elem_size` and `store`).
//!
//! The types are written down as in the contract, and their layouts follow. A test compares them with the contract itself.

/// How many bytes a value takes, and to what its place is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// In bytes.
    pub size: u32,
    /// In bytes, a power of two.
    pub align: u32,
}

/// `bool`, and the discriminant of everything that has cases: no type of the contract has more than 256.
pub const BYTE: Layout = Layout { size: 1, align: 1 };
/// `u32`
pub const WORD: Layout = Layout { size: 4, align: 4 };
/// `s64` and `f64`
pub const DOUBLE_WORD: Layout = Layout { size: 8, align: 8 };
/// A case without a payload.
const NOTHING: Layout = Layout { size: 0, align: 1 };

impl Layout {
    /// Of fields, one after the other.
    const fn of_fields(fields: &[Self]) -> Self {
        let (size, align) = Self::walk(fields, fields.len());
        Self { size: size.next_multiple_of(align), align }
    }

    /// Of cases, of which there is one at a time.
    const fn of_cases(payloads: &[Self]) -> Self {
        let payload = Self::widest(payloads);
        Self::of_fields(&[BYTE, payload])
    }

    /// Where a field begins.
    const fn offset(fields: &[Self], field: usize) -> u32 {
        let (end, _) = Self::walk(fields, field);
        match fields.split_at(field) {
            (_, [field, ..]) => end.next_multiple_of(field.align),
            _ => end,
        }
    }

    /// Where the payload of a case begins.
    const fn payload(payloads: &[Self]) -> u32 {
        Self::offset(&[BYTE, Self::widest(payloads)], 1)
    }

    /// The end of so many fields, and the largest of their alignments.
    const fn walk(fields: &[Self], count: usize) -> (u32, u32) {
        let (mut rest, _) = fields.split_at(count);
        let (mut end, mut align) = (0_u32, 1);
        while let [field, others @ ..] = rest {
            end = end.next_multiple_of(field.align) + field.size;
            align = if field.align > align { field.align } else { align };
            rest = others;
        }
        (end, align)
    }

    /// What has room for each of these, at its place.
    const fn widest(payloads: &[Self]) -> Self {
        let mut rest = payloads;
        let mut widest = NOTHING;
        while let [payload, others @ ..] = rest {
            widest = Self {
                size: if payload.size > widest.size { payload.size } else { widest.size },
                align: if payload.align > widest.align { payload.align } else { widest.align },
            };
            rest = others;
        }
        widest
    }
}

/// A type of the contract.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    /// The type's name there, or, if it has none, how it is written.
    pub name: &'static str,
    /// Its layout.
    pub layout: Layout,
    /// The fields of a record, and where each begins; or the cases of the rest, and the number of each.
    pub parts: &'static [(&'static str, usize)],
    /// Where the payload of a case begins; `None` for a record.
    pub payload: Option<usize>,
}

/// A module for a record: its layout, and where each field begins.
macro_rules! record {
    ($(#[$doc:meta])* $module:ident, $name:literal { $($(#[$field_doc:meta])* $field:ident, $field_name:literal: $of:expr;)+ }) => {
        $(#[$doc])*
        pub mod $module {
            use super::*;

            #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "the names of the constants")]
            enum Position {
                $($field,)+
            }

            const FIELDS: &[Layout] = &[$($of),+];
            /// Its layout.
            pub const LAYOUT: Layout = Layout::of_fields(FIELDS);
            /// Its size in bytes.
            pub const SIZE: usize = LAYOUT.size as usize;
            $(
                $(#[$field_doc])*
                pub const $field: usize = Layout::offset(FIELDS, Position::$field as usize) as usize;
            )+
            /// As it is in the list of all.
            pub const TYPE: Type =
                Type { name: $name, layout: LAYOUT, parts: &[$(($field_name, $field)),+], payload: None };
        }
    };
}

/// A module for what has cases: its layout, where the payload begins, and the number of each case.
macro_rules! cases {
    ($(#[$doc:meta])* $module:ident, $name:literal { $($(#[$case_doc:meta])* $case:ident, $case_name:literal: $of:expr;)+ }) => {
        $(#[$doc])*
        pub mod $module {
            use super::*;

            #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "the names of the constants")]
            enum Position {
                $($case,)+
            }

            const PAYLOADS: &[Layout] = &[$($of),+];
            /// Its layout.
            pub const LAYOUT: Layout = Layout::of_cases(PAYLOADS);
            /// Its size in bytes.
            pub const SIZE: usize = LAYOUT.size as usize;
            /// Where the payload begins, if the case has one.
            pub const PAYLOAD: usize = Layout::payload(PAYLOADS) as usize;
            $(
                $(#[$case_doc])*
                pub const $case: u8 = Position::$case as u8;
            )+
            /// As it is in the list of all.
            pub const TYPE: Type = Type {
                name: $name,
                layout: LAYOUT,
                parts: &[$(($case_name, $case as usize)),+],
                payload: Some(PAYLOAD),
            };
        }
    };
}

record! {
    /// `string` and `list`; no name of the contract.
    span, "span" {
        /// Where it begins.
        START, "start": WORD;
        /// How many bytes, or elements, it has.
        LENGTH, "length": WORD;
    }
}

record! {
    /// `record identity`
    identity, "identity" {
        /// `issuer: string`
        ISSUER, "issuer": span::LAYOUT;
        /// `subject: string`
        SUBJECT, "subject": span::LAYOUT;
    }
}

record! {
    /// `record route`
    route, "route" {
        /// `index: u32`
        INDEX, "index": WORD;
        /// `path-prefix: string`
        PATH_PREFIX, "path-prefix": span::LAYOUT;
    }
}

record! {
    /// `record action`
    action, "action" {
        /// `protocol: string`
        PROTOCOL, "protocol": span::LAYOUT;
        /// `kind: string`
        KIND, "kind": span::LAYOUT;
        /// `name: string`
        NAME, "name": span::LAYOUT;
        /// `method: string`
        METHOD, "method": span::LAYOUT;
    }
}

cases! {
    /// `enum argument-error`
    argument_error, "argument-error" {
        /// Servers would find different values.
        AMBIGUOUS, "ambiguous": NOTHING;
        /// It is no pointer.
        NOT_A_POINTER, "not-a-pointer": NOTHING;
        /// There is no action.
        NO_ACTION, "no-action": NOTHING;
    }
}

cases! {
    /// `enum header-error`
    header_error, "header-error" {
        /// It came more than once.
        REPEATED, "repeated": NOTHING;
        /// It is no text.
        NOT_TEXT, "not-text": NOTHING;
    }
}

cases! {
    /// `variant claim`
    claim, "claim" {
        /// `null`
        NULL, "null": NOTHING;
        /// `boolean(bool)`
        BOOLEAN, "boolean": BYTE;
        /// `integer(s64)`
        INTEGER, "integer": DOUBLE_WORD;
        /// `float(f64)`
        FLOAT, "float": DOUBLE_WORD;
        /// `text(string)`
        TEXT, "text": span::LAYOUT;
        /// `array(u32)`
        ARRAY, "array": WORD;
        /// `object(u32)`
        OBJECT, "object": WORD;
    }
}

record! {
    /// `record problem`
    problem, "problem" {
        /// `pointer: string`
        POINTER, "pointer": span::LAYOUT;
        /// `message: string`
        MESSAGE, "message": span::LAYOUT;
    }
}

record! {
    /// `record denial`
    denial, "denial" {
        /// `code: string`
        CODE, "code": span::LAYOUT;
        /// `message: string`
        MESSAGE, "message": span::LAYOUT;
    }
}

record! {
    /// `record field`
    field, "field" {
        /// `name: string`
        NAME, "name": span::LAYOUT;
        /// `value: string`
        VALUE, "value": span::LAYOUT;
    }
}

cases! {
    /// `variant obligation`
    obligation, "obligation" {
        /// `header(field)`
        HEADER, "header": field::LAYOUT;
        /// `audit(field)`
        AUDIT, "audit": field::LAYOUT;
        /// `approve(string)`
        APPROVE, "approve": span::LAYOUT;
    }
}

cases! {
    /// `variant verdict`
    verdict, "verdict" {
        /// `allow(list<obligation>)`
        ALLOW, "allow": span::LAYOUT;
        /// `deny(denial)`
        DENY, "deny": denial::LAYOUT;
        /// `abstain`
        ABSTAIN, "abstain": NOTHING;
    }
}

record! {
    /// `record description`
    description, "description" {
        /// `name: string`
        NAME, "name": span::LAYOUT;
        /// `version: string`
        VERSION, "version": span::LAYOUT;
        /// `summary: string`
        SUMMARY, "summary": span::LAYOUT;
    }
}

cases! {
    /// `option<string>`
    optional_text, "option<string>" {
        /// Nothing.
        NONE, "none": NOTHING;
        /// A text.
        SOME, "some": span::LAYOUT;
    }
}

cases! {
    /// `option<identity>`
    optional_identity, "option<identity>" {
        /// Nobody.
        NONE, "none": NOTHING;
        /// Somebody.
        SOME, "some": identity::LAYOUT;
    }
}

cases! {
    /// `option<claim>`
    optional_claim, "option<claim>" {
        /// There is no such claim.
        NONE, "none": NOTHING;
        /// A claim.
        SOME, "some": claim::LAYOUT;
    }
}

cases! {
    /// `result<option<string>, header-error>`
    header, "result<option<string>, header-error>" {
        /// A header, or none.
        OK, "ok": optional_text::LAYOUT;
        /// It has no one value.
        ERROR, "err": header_error::LAYOUT;
    }
}

cases! {
    /// `result<list<string>, header-error>`
    header_values, "result<list<string>, header-error>" {
        /// The values.
        OK, "ok": span::LAYOUT;
        /// One of them cannot be returned.
        ERROR, "err": header_error::LAYOUT;
    }
}

cases! {
    /// `option<action>`
    optional_action, "option<action>" {
        /// There is no action.
        NONE, "none": NOTHING;
        /// An action.
        SOME, "some": action::LAYOUT;
    }
}

cases! {
    /// `result<option<claim>, argument-error>`
    argument, "result<option<claim>, argument-error>" {
        /// An argument, or none.
        OK, "ok": optional_claim::LAYOUT;
        /// It is not known what the argument is.
        ERROR, "err": argument_error::LAYOUT;
    }
}

cases! {
    /// `result<_, list<problem>>`
    configured, "result<_, list<problem>>" {
        /// The settings were taken.
        OK, "ok": NOTHING;
        /// They were not.
        ERROR, "err": span::LAYOUT;
    }
}

cases! {
    /// `enum level`
    level, "level" {
        /// For the author.
        DEBUG, "debug": NOTHING;
        /// For the operator.
        INFO, "info": NOTHING;
        /// A warning to the operator.
        WARN, "warn": NOTHING;
    }
}

/// All of them. A type of the contract that is not among them fails a test.
pub const TYPES: [Type; 21] = [
    identity::TYPE,
    route::TYPE,
    header_error::TYPE,
    claim::TYPE,
    problem::TYPE,
    denial::TYPE,
    field::TYPE,
    obligation::TYPE,
    verdict::TYPE,
    description::TYPE,
    optional_text::TYPE,
    optional_identity::TYPE,
    optional_claim::TYPE,
    header::TYPE,
    action::TYPE,
    argument_error::TYPE,
    header_values::TYPE,
    optional_action::TYPE,
    argument::TYPE,
    configured::TYPE,
    level::TYPE,
];
