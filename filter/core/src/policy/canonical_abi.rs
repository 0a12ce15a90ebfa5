//! The Canonical ABI of the contract `mandate:policy@0.1`: values between a policy's memory and ours.
//!
//! A policy is not trusted: every pointer, length, discriminant and byte of text that comes from it is checked, and what
//! breaks a rule is [`Fault::Malformed`]. The types are closed, so their layouts are known (`seam::layout`); the linker takes
//! no component whose types differ.

use super::context::HeaderError;
use super::policies::Complaint;
use super::verdict::{Fault, Obligation, Verdict};
use crate::chain::Identity;
use crate::limits;
use crate::routes::MatchedRoute;
use mandate_seam::layout::{
    BYTE, Layout, claim, configured, denial, field, header, header_error, identity, obligation,
    optional_claim, optional_identity, optional_text, problem, route, span, verdict,
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
/// [`limits::POLICY_ELEMENT_BYTES`] for each obligation.
pub fn lift_verdict(inside: &dyn PolicyMemory, at: u32, budget: u32) -> Result<Verdict, Fault> {
    let record: [u8; verdict::SIZE] = record(inside, at)?;
    let budget = &mut Budget(budget);
    match record[0] {
        verdict::ALLOW => {
            lift_list(inside, &record, verdict::PAYLOAD, budget, lift_obligation).map(Verdict::Allow)
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

/// `variant obligation { header(field), audit(field) }`.
fn lift_obligation(
    inside: &dyn PolicyMemory,
    element: &[u8; obligation::SIZE],
    budget: &mut Budget,
) -> Result<Obligation, Fault> {
    let at = obligation::PAYLOAD;
    let [name, value] = lift_texts(inside, element, [at + field::NAME, at + field::VALUE], budget)?;
    match element[0] {
        obligation::HEADER => Ok(Obligation::Header { name, value }),
        obligation::AUDIT => Ok(Obligation::Audit { name, value }),
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

/// Two strings at their places in a record.
fn lift_texts(
    inside: &dyn PolicyMemory,
    record: &[u8],
    places: [usize; 2],
    budget: &mut Budget,
) -> Result<[String; 2], Fault> {
    let mut text = |place| {
        let (at, len) = (word(record, place + span::START)?, word(record, place + span::LENGTH)?);
        budget.take(len)?;
        lift_text(inside, at, len)
    };
    let [first, second] = places;
    Ok([text(first)?, text(second)?])
}

/// `list<T>` of elements that are aligned as the strings in them; it is at `offset` of `record`. Each element
/// takes from the budget beside its text, so that a long list of nothing is bounded too.
fn lift_list<T, const SIZE: usize>(
    inside: &dyn PolicyMemory,
    record: &[u8],
    offset: usize,
    budget: &mut Budget,
    lift: fn(&dyn PolicyMemory, &[u8; SIZE], &mut Budget) -> Result<T, Fault>,
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
pub(crate) fn put_texts(inside: &mut dyn PolicyMemory, at: u32, texts: &[String]) -> Result<(), Fault> {
    let mut record = Record::<{ span::SIZE }>::at(inside, at, span::LAYOUT)?;
    let len = u32::try_from(texts.len()).map_err(|_| Fault::Memory)?;
    // The list before its elements: in which order memory is asked for is for a policy to see.
    let list =
        allocate(inside, span::LAYOUT.align, len.checked_mul(span::LAYOUT.size).ok_or(Fault::Memory)?)?;
    let mut elements = Vec::with_capacity(texts.len() * span::SIZE);
    for text in texts {
        let (at, len) = lower_text(inside, text)?;
        elements.extend([at, len].map(u32::to_le_bytes).as_flattened());
    }
    inside.write(list, &elements)?;
    record.word(span::START, list).word(span::LENGTH, len).put(inside)
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
        Err(HeaderError::Repeated) => record.byte(0, header::ERROR).byte(PAYLOAD, header_error::REPEATED),
        Err(HeaderError::NotText) => record.byte(0, header::ERROR).byte(PAYLOAD, header_error::NOT_TEXT),
    };
    record.put(inside)
}

/// `option<claim>`, of `variant claim { null, boolean(bool), integer(s64), float(f64), text(string), array(u32), object(u32) }`.
pub(crate) fn put_claim(inside: &mut dyn PolicyMemory, at: u32, value: Option<&Value>) -> Result<(), Fault> {
    const CASE: usize = optional_claim::PAYLOAD;
    const PAYLOAD: usize = CASE + claim::PAYLOAD;
    let mut record = Record::<{ optional_claim::SIZE }>::at(inside, at, optional_claim::LAYOUT)?;
    let Some(value) = value else { return record.byte(0, optional_claim::NONE).put(inside) };
    let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    record.byte(0, optional_claim::SOME);
    match value {
        Value::Null => record.byte(CASE, claim::NULL),
        Value::Bool(value) => record.byte(CASE, claim::BOOLEAN).byte(PAYLOAD, u8::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => record.byte(CASE, claim::INTEGER).set(PAYLOAD, integer.to_le_bytes()),
            (None, Some(float)) => record.byte(CASE, claim::FLOAT).set(PAYLOAD, float.to_le_bytes()),
            (None, None) => return Err(Fault::Malformed),
        },
        Value::String(text) => record.byte(CASE, claim::TEXT).text(inside, PAYLOAD, text)?,
        Value::Array(elements) => record.byte(CASE, claim::ARRAY).word(PAYLOAD, count(elements.len())),
        Value::Object(members) => record.byte(CASE, claim::OBJECT).word(PAYLOAD, count(members.len())),
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
