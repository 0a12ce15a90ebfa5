//! The Canonical ABI of the contract `mandate:policy@0.1`: values between a policy's memory and ours.
//!
//! A policy is not trusted: every pointer, length, discriminant and byte of text that comes from it is checked, and what
//! breaks a rule is [`Fault::Malformed`]. The types are closed, so their layouts are known (`seam::layout`); the linker takes
//! no component whose types differ.

use super::context::{ArgumentError, HeaderError};
use super::policies::Complaint;
use super::verdict::{Fault, Obligation, Verdict};
use crate::action::Action;
use crate::chain::Identity;
use crate::limits;
use crate::routes::MatchedRoute;
use mandate_seam::layout::{
    BYTE, Layout, action, argument, argument_error, claim, configured, denial, field, header, header_error,
    header_values, identity, obligation, optional_action, optional_claim, optional_identity, optional_text,
    problem, route, span, verdict,
};
use serde_json::Value;

/// The memory of one policy during one call.
pub trait PolicyMemory {
    /// Reads from the policy's memory.
    ///
    /// # Errors
    /// [`Fault::Malformed`] beyond its end.
    fn read(&self, at: u32, into: &mut [u8]) -> Result<(), Fault>;

    /// Writes into the policy's memory.
    ///
    /// # Errors
    /// [`Fault::Malformed`] beyond its end.
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault>;

    /// Has the policy's own `cabi_realloc` find room for a new value.
    ///
    /// # Errors
    /// How that call failed.
    fn allocate(&mut self, align: u32, size: u32) -> Result<u32, Fault>;

    /// Takes fuel for work that is done on behalf of the policy.
    ///
    /// # Errors
    /// [`Fault::Fuel`].
    fn charge(&mut self, units: u64) -> Result<(), Fault>;
}

/// Reads the answer of `check`: `variant { allow(list<obligation>), deny(denial), abstain }`.
///
/// # Errors
/// [`Fault::Malformed`], and [`Fault::Output`] if it is larger than `budget` bytes: its text, and
/// [`limits::POLICY_ELEMENT_BYTES`] for each obligation. Of obligations a policy has so many cases as the version of the
/// contract has that it was made for; a later one is [`Fault::Malformed`].
pub fn lift_verdict(
    inside: &dyn PolicyMemory,
    at: u32,
    budget: u32,
    obligation_cases: u8,
) -> Result<Verdict, Fault> {
    let record: [u8; verdict::SIZE] = record(inside, at)?;
    let budget = &mut Budget(budget);
    match record[0] {
        verdict::ALLOW => {
            let lift = |inside: &dyn PolicyMemory, element: &_, budget: &mut Budget| {
                lift_obligation(inside, element, budget, obligation_cases)
            };
            lift_list(inside, &record, verdict::PAYLOAD, budget, lift).map(Verdict::Allow)
        }
        verdict::DENY => {
            let at = verdict::PAYLOAD;
            let places = [at + denial::CODE, at + denial::MESSAGE];
            let [code, message] = lift_texts(inside, &record, places, budget)?;
            Ok(Verdict::Deny { code, message })
        }
        verdict::ABSTAIN => Ok(Verdict::Abstain),
        _ => Err(Fault::Malformed),
    }
}

/// Reads the answer of `configure`: `result<_, list<problem>>`.
///
/// # Errors
/// As [`lift_verdict`].
pub fn lift_configured(
    inside: &dyn PolicyMemory,
    at: u32,
    budget: u32,
) -> Result<Result<(), Vec<Complaint>>, Fault> {
    let record: [u8; configured::SIZE] = record(inside, at)?;
    match record[0] {
        configured::OK => Ok(Ok(())),
        configured::ERROR => {
            lift_list(inside, &record, configured::PAYLOAD, &mut Budget(budget), lift_problem).map(Err)
        }
        _ => Err(Fault::Malformed),
    }
}

/// `string`, in UTF-8: the linker takes no other encoding.
pub(crate) fn lift_text(inside: &dyn PolicyMemory, at: u32, len: u32) -> Result<String, Fault> {
    if len > limits::POLICY_TEXT_BYTES {
        return Err(Fault::Output);
    }
    let mut bytes = vec![0; len as usize];
    inside.read(at, &mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Fault::Malformed)
}

/// What an answer may still take.
struct Budget(u32);

impl Budget {
    fn take(&mut self, bytes: u32) -> Result<(), Fault> {
        self.0 = self.0.checked_sub(bytes).ok_or(Fault::Output)?;
        Ok(())
    }
}

/// `variant obligation { header(field), audit(field), approve(string) }`, or its first `cases`.
fn lift_obligation(
    inside: &dyn PolicyMemory,
    element: &[u8; obligation::SIZE],
    budget: &mut Budget,
    cases: u8,
) -> Result<Obligation, Fault> {
    let at = obligation::PAYLOAD;
    let mut field = || lift_texts(inside, element, [at + field::NAME, at + field::VALUE], budget);
    match element[0] {
        case if case >= cases => Err(Fault::Malformed),
        obligation::HEADER => field().map(|[name, value]| Obligation::Header { name, value }),
        obligation::AUDIT => field().map(|[name, value]| Obligation::Audit { name, value }),
        obligation::APPROVE => {
            lift_texts(inside, element, [at], budget).map(|[reason]| Obligation::Approve { reason })
        }
        _ => Err(Fault::Malformed),
    }
}

/// `record problem { pointer: string, message: string }`.
fn lift_problem(
    inside: &dyn PolicyMemory,
    element: &[u8; problem::SIZE],
    budget: &mut Budget,
) -> Result<Complaint, Fault> {
    let places = [problem::POINTER, problem::MESSAGE];
    let [pointer, message] = lift_texts(inside, element, places, budget)?;
    Ok(Complaint { pointer, message })
}

/// Strings at their places in a record.
fn lift_texts<const N: usize>(
    inside: &dyn PolicyMemory,
    record: &[u8],
    places: [usize; N],
    budget: &mut Budget,
) -> Result<[String; N], Fault> {
    let mut texts = places.map(|_| String::new());
    for (text, place) in texts.iter_mut().zip(places) {
        let (at, len) = (word(record, place + span::START)?, word(record, place + span::LENGTH)?);
        budget.take(len)?;
        *text = lift_text(inside, at, len)?;
    }
    Ok(texts)
}

/// `list<T>` of elements that are aligned as the strings in them; it is at `offset` of `record`. Each element
/// takes from the budget beside its text, so that a long list of nothing is bounded too.
fn lift_list<T, const SIZE: usize>(
    inside: &dyn PolicyMemory,
    record: &[u8],
    offset: usize,
    budget: &mut Budget,
    lift: impl Fn(&dyn PolicyMemory, &[u8; SIZE], &mut Budget) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let (at, len) = (word(record, offset + span::START)?, word(record, offset + span::LENGTH)?);
    aligned(at, span::LAYOUT.align)?;
    budget.take(len.checked_mul(limits::POLICY_ELEMENT_BYTES).ok_or(Fault::Output)?)?;
    let mut bytes = vec![0; len as usize * SIZE];
    inside.read(at, &mut bytes)?;
    let (elements, _) = bytes.as_chunks::<SIZE>();
    elements.iter().map(|element| lift(inside, element, budget)).collect()
}

fn record<const SIZE: usize>(inside: &dyn PolicyMemory, at: u32) -> Result<[u8; SIZE], Fault> {
    aligned(at, span::LAYOUT.align)?;
    let mut bytes = [0; SIZE];
    inside.read(at, &mut bytes)?;
    Ok(bytes)
}

fn word(record: &[u8], offset: usize) -> Result<u32, Fault> {
    let bytes = record.get(offset..).and_then(|rest| rest.first_chunk()).ok_or(Fault::Malformed)?;
    Ok(u32::from_le_bytes(*bytes))
}

fn aligned(at: u32, to: u32) -> Result<(), Fault> {
    if at.is_multiple_of(to) { Ok(()) } else { Err(Fault::Malformed) }
}

/// A record under construction, to be written at once. What a value does not take of it stays as the policy has it, as the
/// Canonical ABI stores values: a policy may see what it should not look at.
struct Record<const SIZE: usize> {
    at: u32,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Record<SIZE> {
    /// At the place where the policy wants the result, which is checked before anything is asked of the policy.
    fn at(inside: &dyn PolicyMemory, at: u32, layout: Layout) -> Result<Self, Fault> {
        aligned(at, layout.align)?;
        let mut bytes = [0; SIZE];
        inside.read(at, &mut bytes)?;
        Ok(Self { at, bytes })
    }

    fn set<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) -> &mut Self {
        // Offsets are those of the layout, and the tests write every one of them.
        if let Some(place) = self.bytes.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
        }
        self
    }

    fn byte(&mut self, offset: usize, byte: u8) -> &mut Self {
        self.set(offset, [byte])
    }

    fn word(&mut self, offset: usize, word: u32) -> &mut Self {
        self.set(offset, word.to_le_bytes())
    }

    /// Copies `text` into the policy, and its place into the record.
    fn text(&mut self, inside: &mut dyn PolicyMemory, offset: usize, text: &str) -> Result<&mut Self, Fault> {
        let (at, len) = lower_text(inside, text)?;
        Ok(self.word(offset + span::START, at).word(offset + span::LENGTH, len))
    }

    fn identity(
        &mut self,
        inside: &mut dyn PolicyMemory,
        offset: usize,
        who: &Identity,
    ) -> Result<&mut Self, Fault> {
        self.text(inside, offset + identity::ISSUER, &who.issuer)?.text(
            inside,
            offset + identity::SUBJECT,
            &who.subject,
        )
    }

    /// Copies a list of texts into the policy, and its place into the record.
    fn texts<T: AsRef<str>>(
        &mut self,
        inside: &mut dyn PolicyMemory,
        offset: usize,
        texts: &[T],
    ) -> Result<&mut Self, Fault> {
        let len = u32::try_from(texts.len()).map_err(|_| Fault::Memory)?;
        // The list before its elements: in which order memory is asked for is for a policy to see.
        let list =
            allocate(inside, span::LAYOUT.align, len.checked_mul(span::LAYOUT.size).ok_or(Fault::Memory)?)?;
        let mut elements = Vec::with_capacity(texts.len() * span::SIZE);
        for text in texts {
            let (at, len) = lower_text(inside, text.as_ref())?;
            elements.extend([at, len].map(u32::to_le_bytes).as_flattened());
        }
        inside.write(list, &elements)?;
        Ok(self.word(offset + span::START, list).word(offset + span::LENGTH, len))
    }

    /// `variant claim { null, boolean(bool), integer(s64), float(f64), text(string), array(u32), object(u32) }`.
    fn claim(
        &mut self,
        inside: &mut dyn PolicyMemory,
        case: usize,
        value: &Value,
    ) -> Result<&mut Self, Fault> {
        let payload = case + claim::PAYLOAD;
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        Ok(match value {
            Value::Null => self.byte(case, claim::NULL),
            Value::Bool(value) => self.byte(case, claim::BOOLEAN).byte(payload, u8::from(*value)),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => self.byte(case, claim::INTEGER).set(payload, integer.to_le_bytes()),
                (None, Some(float)) => self.byte(case, claim::FLOAT).set(payload, float.to_le_bytes()),
                (None, None) => return Err(Fault::Malformed),
            },
            Value::String(text) => self.byte(case, claim::TEXT).text(inside, payload, text)?,
            Value::Array(elements) => self.byte(case, claim::ARRAY).word(payload, count(elements.len())),
            Value::Object(members) => self.byte(case, claim::OBJECT).word(payload, count(members.len())),
        })
    }

    /// Writes the record.
    fn put(&self, inside: &mut dyn PolicyMemory) -> Result<(), Fault> {
        inside.write(self.at, &self.bytes)
    }
}

/// Room in the policy, paid for before it is asked for.
fn allocate(inside: &mut dyn PolicyMemory, align: u32, size: u32) -> Result<u32, Fault> {
    inside.charge(limits::ALLOCATE_FUEL + u64::from(size) / limits::BYTES_PER_FUEL)?;
    let at = inside.allocate(align, size)?;
    aligned(at, align)?;
    Ok(at)
}

/// Copies text into the policy, and gives its place and length.
fn lower_text(inside: &mut dyn PolicyMemory, text: &str) -> Result<(u32, u32), Fault> {
    let len = u32::try_from(text.len()).map_err(|_| Fault::Memory)?;
    let at = allocate(inside, BYTE.align, len)?;
    inside.write(at, text.as_bytes())?;
    Ok((at, len))
}

/// `string`.
pub(crate) fn put_text(inside: &mut dyn PolicyMemory, at: u32, text: &str) -> Result<(), Fault> {
    Record::<{ span::SIZE }>::at(inside, at, span::LAYOUT)?.text(inside, 0, text)?.put(inside)
}

/// `list<string>`.
pub(crate) fn put_texts<T: AsRef<str>>(
    inside: &mut dyn PolicyMemory,
    at: u32,
    texts: &[T],
) -> Result<(), Fault> {
    Record::<{ span::SIZE }>::at(inside, at, span::LAYOUT)?.texts(inside, 0, texts)?.put(inside)
}

/// `option<string>`.
pub(crate) fn put_optional_text(
    inside: &mut dyn PolicyMemory,
    at: u32,
    text: Option<&str>,
) -> Result<(), Fault> {
    let mut record = Record::<{ optional_text::SIZE }>::at(inside, at, optional_text::LAYOUT)?;
    match text {
        None => record.byte(0, optional_text::NONE),
        Some(text) => record.byte(0, optional_text::SOME).text(inside, optional_text::PAYLOAD, text)?,
    };
    record.put(inside)
}

/// `option<action>`, of `record action { protocol: string, kind: string, name: string, method: string }`.
pub(crate) fn put_action(
    inside: &mut dyn PolicyMemory,
    at: u32,
    about: Option<&Action>,
) -> Result<(), Fault> {
    const PAYLOAD: usize = optional_action::PAYLOAD;
    let mut record = Record::<{ optional_action::SIZE }>::at(inside, at, optional_action::LAYOUT)?;
    let Some(about) = about else { return record.byte(0, optional_action::NONE).put(inside) };
    record
        .byte(0, optional_action::SOME)
        .text(inside, PAYLOAD + action::PROTOCOL, about.protocol().word())?
        .text(inside, PAYLOAD + action::KIND, about.kind().word())?
        .text(inside, PAYLOAD + action::NAME, about.name())?
        .text(inside, PAYLOAD + action::METHOD, about.method())?
        .put(inside)
}

/// `record identity { issuer: string, subject: string }`.
pub(crate) fn put_identity(inside: &mut dyn PolicyMemory, at: u32, who: &Identity) -> Result<(), Fault> {
    Record::<{ identity::SIZE }>::at(inside, at, identity::LAYOUT)?.identity(inside, 0, who)?.put(inside)
}

/// `option<identity>`.
pub(crate) fn put_optional_identity(
    inside: &mut dyn PolicyMemory,
    at: u32,
    who: Option<&Identity>,
) -> Result<(), Fault> {
    let mut record = Record::<{ optional_identity::SIZE }>::at(inside, at, optional_identity::LAYOUT)?;
    match who {
        None => record.byte(0, optional_identity::NONE),
        Some(who) => {
            record.byte(0, optional_identity::SOME).identity(inside, optional_identity::PAYLOAD, who)?
        }
    };
    record.put(inside)
}

/// `result<option<string>, header-error>`.
pub(crate) fn put_header(
    inside: &mut dyn PolicyMemory,
    at: u32,
    value: Result<Option<&str>, HeaderError>,
) -> Result<(), Fault> {
    const PAYLOAD: usize = header::PAYLOAD;
    const TEXT: usize = PAYLOAD + optional_text::PAYLOAD;
    let mut record = Record::<{ header::SIZE }>::at(inside, at, header::LAYOUT)?;
    match value {
        Ok(None) => record.byte(0, header::OK).byte(PAYLOAD, optional_text::NONE),
        Ok(Some(value)) => {
            record.byte(0, header::OK).byte(PAYLOAD, optional_text::SOME).text(inside, TEXT, value)?
        }
        Err(error) => record.byte(0, header::ERROR).byte(PAYLOAD, header_error_case(error)),
    };
    record.put(inside)
}

/// `enum header-error`.
const fn header_error_case(error: HeaderError) -> u8 {
    match error {
        HeaderError::Repeated => header_error::REPEATED,
        HeaderError::NotText => header_error::NOT_TEXT,
    }
}

/// `result<list<string>, header-error>`.
pub(crate) fn put_header_values(
    inside: &mut dyn PolicyMemory,
    at: u32,
    values: Result<Vec<&str>, HeaderError>,
) -> Result<(), Fault> {
    const PAYLOAD: usize = header_values::PAYLOAD;
    let mut record = Record::<{ header_values::SIZE }>::at(inside, at, header_values::LAYOUT)?;
    match values {
        Ok(values) => record.byte(0, header_values::OK).texts(inside, PAYLOAD, &values)?,
        Err(error) => record.byte(0, header_values::ERROR).byte(PAYLOAD, header_error_case(error)),
    };
    record.put(inside)
}

/// `option<claim>`.
pub(crate) fn put_claim(inside: &mut dyn PolicyMemory, at: u32, value: Option<&Value>) -> Result<(), Fault> {
    let mut record = Record::<{ optional_claim::SIZE }>::at(inside, at, optional_claim::LAYOUT)?;
    match value {
        None => record.byte(0, optional_claim::NONE),
        Some(value) => record.byte(0, optional_claim::SOME).claim(inside, optional_claim::PAYLOAD, value)?,
    };
    record.put(inside)
}

/// `result<option<claim>, argument-error>`.
pub(crate) fn put_argument(
    inside: &mut dyn PolicyMemory,
    at: u32,
    found: Result<Option<&Value>, ArgumentError>,
) -> Result<(), Fault> {
    const PAYLOAD: usize = argument::PAYLOAD;
    let mut record = Record::<{ argument::SIZE }>::at(inside, at, argument::LAYOUT)?;
    match found {
        Ok(None) => record.byte(0, argument::OK).byte(PAYLOAD, optional_claim::NONE),
        Ok(Some(value)) => record.byte(0, argument::OK).byte(PAYLOAD, optional_claim::SOME).claim(
            inside,
            PAYLOAD + optional_claim::PAYLOAD,
            value,
        )?,
        Err(error) => record.byte(0, argument::ERROR).byte(
            PAYLOAD,
            match error {
                ArgumentError::Ambiguous => argument_error::AMBIGUOUS,
                ArgumentError::NotAPointer => argument_error::NOT_A_POINTER,
                ArgumentError::NoAction => argument_error::NO_ACTION,
            },
        ),
    };
    record.put(inside)
}

/// `record route { index: u32, path-prefix: string }`.
pub(crate) fn put_route(inside: &mut dyn PolicyMemory, at: u32, matched: &MatchedRoute) -> Result<(), Fault> {
    let index = u32::try_from(matched.index()).unwrap_or(u32::MAX);
    let prefix = matched.entry().matcher.path_prefix.as_str();
    Record::<{ route::SIZE }>::at(inside, at, route::LAYOUT)?
        .word(route::INDEX, index)
        .text(inside, route::PATH_PREFIX, prefix)?
        .put(inside)
}
