//! What a policy returns.

/// The verdict of a policy about one request. The set is closed: 0.1 will not get a fourth case.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a verdict that is not returned decides nothing"]
pub enum Verdict {
    /// The policy has no objection, and each obligation must be carried out if the request is allowed. Two policies that
    /// want the same header with different values deny the request.
    Allow(Vec<Obligation>),
    /// The request is denied.
    Deny(Denial),
    /// The policy does not apply to this request. The audit record says so; the other policies decide.
    Abstain,
}

/// Why a policy denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Stable code for programs, sent to the client: 1 to 64 of `a-z`, `0-9`, `-` and `_`.
    pub code: String,
    /// Explanation for people. It is written to the audit record and never sent to the client.
    pub message: String,
}

/// An action that belongs to an allow. Further cases may follow within 0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obligation {
    /// Add the header `x-mandate-ext-<name>` to the request that is sent to the upstream.
    Header(Field),
    /// Add a field to the audit record.
    Audit(Field),
    /// The request needs an approval: a signed yes to this action with these arguments. Without a valid approval the request is
    /// denied (`approval_required`). The text says why, for the person who approves and for the audit record: 1 to 256
    /// characters, all of them printable.
    Approve(String),
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// 1 to 64 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// For a header: visible ASCII characters and spaces. For an audit field: any text.
    pub value: String,
}

/// In debug builds the constructors check the syntax of codes, names and values, so that a test finds an invalid one where
/// it is written. In the proxy the host checks them; an invalid one is a fault, which denies the request.
impl Verdict {
    /// An allow without obligations.
    pub const fn allow() -> Self {
        Self::Allow(Vec::new())
    }

    /// A denial. The client receives the code; the audit record contains code and message: see [`Denial`].
    ///
    /// # Panics
    /// In debug builds, if the code is not a valid one.
    #[track_caller]
    pub fn deny(code: impl Into<String>, message: impl Into<String>) -> Self {
        let denial = Denial { code: code.into(), message: message.into() };
        debug_assert!(is_code(&denial.code), "a code is 1 to 64 of [a-z0-9_-], not `{}`", denial.code);
        Self::Deny(denial)
    }

    /// The policy does not apply to this request.
    pub const fn abstain() -> Self {
        Self::Abstain
    }

    /// Adds the obligation to send the header `x-mandate-ext-<name>` to the upstream. Only an allow has obligations.
    ///
    /// # Panics
    /// In debug builds, if the verdict is not an allow, or if name or value are not valid.
    #[track_caller]
    pub fn with_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let field = Field { name: name.into(), value: value.into() };
        debug_assert!(is_name(&field.name), "a header's name is 1 to 64 of [a-z0-9-], not `{}`", field.name);
        debug_assert!(
            is_header_value(&field.value),
            "a header is visible ASCII and spaces, not {:?}",
            field.value
        );
        self.with(Obligation::Header(field))
    }

    /// Adds the obligation to add a field to the audit record. Only an allow has obligations; a denial has a message.
    ///
    /// # Panics
    /// In debug builds, if the verdict is not an allow, or if the name is not valid.
    #[track_caller]
    pub fn with_audit(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let field = Field { name: name.into(), value: value.into() };
        debug_assert!(is_name(&field.name), "a field's name is 1 to 64 of [a-z0-9-], not `{}`", field.name);
        self.with(Obligation::Audit(field))
    }

    /// Adds the obligation that the request needs an approval: a signed yes to this action with these arguments. Without a valid
    /// one it is denied. The reason is read by the person who approves. Only an allow has obligations.
    ///
    /// # Panics
    /// In debug builds, if the verdict is not an allow, or if the reason is not valid: see [`Obligation::Approve`].
    #[track_caller]
    pub fn with_approval(self, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        debug_assert!(
            is_reason(&reason),
            "a reason for an approval is 1 to 256 printable characters, not {reason:?}"
        );
        self.with(Obligation::Approve(reason))
    }

    #[track_caller]
    fn with(mut self, obligation: Obligation) -> Self {
        debug_assert!(matches!(self, Self::Allow(_)), "only an allow has obligations");
        if let Self::Allow(obligations) = &mut self {
            obligations.push(obligation);
        }
        self
    }
}

fn is_code(code: &str) -> bool {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&code.len()) && code.bytes().all(is_plain)
}

fn is_name(name: &str) -> bool {
    let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}

fn is_header_value(value: &str) -> bool {
    value.bytes().all(|b| matches!(b, 0x20..=0x7e))
}

fn is_reason(reason: &str) -> bool {
    (1..=256).contains(&reason.chars().count()) && !reason.contains(is_unprintable)
}

/// As the filter tells: line and paragraph separators, control characters, and those that change the direction of text or have
/// no width (UAX #9, Unicode category Cf).
const fn is_unprintable(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a code is 1 to 64 of [a-z0-9_-], not `Tool not allowed`")]
    fn a_denial_is_not_made_with_a_code_for_people() {
        drop(Verdict::deny("Tool not allowed", ""));
    }

    #[test]
    #[should_panic(expected = "not `under_score`")]
    fn a_header_is_not_made_with_a_name_that_the_host_refuses() {
        drop(Verdict::allow().with_header("under_score", "1"));
    }

    #[test]
    #[should_panic(expected = "a header is visible ASCII and spaces")]
    fn a_header_is_not_made_with_a_line_break() {
        drop(Verdict::allow().with_header("tier", "gold\r\nx-admin: 1"));
    }

    #[test]
    #[should_panic(expected = "1 to 256 printable characters, not \"a\\nb\"")]
    fn an_approval_is_not_asked_for_with_a_reason_of_two_lines() {
        drop(Verdict::allow().with_approval("a\nb"));
    }

    #[test]
    fn a_reason_for_an_approval_is_1_to_256_characters_that_can_be_seen() {
        for wrong in ["", "\t", "a\u{202e}b", "\u{200b}", "\u{e0041}", &"é".repeat(257)] {
            assert!(!is_reason(wrong), "{wrong:?}");
        }
        for right in ["a", "more than 500 €", &"é".repeat(256)] {
            assert!(is_reason(right), "{right:?}");
        }
    }

    #[test]
    #[should_panic(expected = "only an allow has obligations")]
    fn a_denial_is_not_up_for_approval() {
        drop(Verdict::deny("closed", "").with_approval("a new payee"));
    }

    #[test]
    #[should_panic(expected = "only an allow has obligations")]
    fn a_denial_takes_no_obligation() {
        drop(Verdict::deny("closed", "").with_audit("hours", "outside"));
    }

    #[test]
    fn codes_and_names_are_1_to_64_long() {
        let (longest, longer) = ("a".repeat(64), "a".repeat(65));
        assert!(!is_code("") && !is_name("") && !is_code(&longer) && !is_name(&longer));
        assert!(is_code(&longest) && is_name(&longest));
    }

    #[test]
    fn an_allow_keeps_its_obligations_in_order() {
        let field = |name: &str, value: &str| Field { name: name.to_owned(), value: value.to_owned() };
        assert_eq!(
            Verdict::allow().with_audit("posture", "fresh").with_approval("why").with_header("tier", "gold"),
            Verdict::Allow(vec![
                Obligation::Audit(field("posture", "fresh")),
                Obligation::Approve("why".to_owned()),
                Obligation::Header(field("tier", "gold")),
            ]),
        );
    }
}
