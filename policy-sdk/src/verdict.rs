//! What a policy answers.

/// What a policy says about one request. Closed: there will be no fourth case in 0.1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a verdict that is not returned decides nothing"]
pub enum Verdict {
    /// Yes, and all of this must be done. Two policies that want one header to say different things deny together.
    Allow(Vec<Obligation>),
    /// No.
    Deny(Denial),
    /// Not this policy's concern; recorded as such, and the others decide.
    Abstain,
}

/// Why a policy says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Stable, for programs, and shown to the client: 1 to 64 lower-case letters, digits, `-` and `_`.
    pub code: String,
    /// For people, in the audit record only.
    pub message: String,
}

/// What an allowing policy asks to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obligation {
    /// Give the upstream the header `x-mandate-ext-<name>`.
    Header(Field),
    /// Add a field to the audit record.
    Audit(Field),
}

/// A name and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// 1 to 64 lower-case letters, digits and `-`.
    pub name: String,
    /// For a header: visible ASCII and spaces.
    pub value: String,
}

/// The constructors hold what they are given to its form in debug builds, so that a test finds a bad code or name where
/// it is written. In the proxy the host does, and a verdict that breaks a rule is a fault, which denies.
impl Verdict {
    /// Yes, as far as this policy goes.
    pub const fn allow() -> Self {
        Self::Allow(Vec::new())
    }

    /// No. The client is shown the code, and the audit record has both: see [`Denial`].
    ///
    /// # Panics
    /// In debug builds, if the code breaks its form.
    #[track_caller]
    pub fn deny(code: impl Into<String>, message: impl Into<String>) -> Self {
        let denial = Denial { code: code.into(), message: message.into() };
        debug_assert!(is_code(&denial.code), "a code is 1 to 64 of [a-z0-9_-], not `{}`", denial.code);
        Self::Deny(denial)
    }

    /// Not this policy's concern.
    pub const fn abstain() -> Self {
        Self::Abstain
    }

    /// Also gives the upstream the header `x-mandate-ext-<name>`. Only an allow can: a request that is denied reaches no
    /// upstream, and who abstains asks for nothing.
    ///
    /// # Panics
    /// In debug builds, if this is no allow, or name or value break their form.
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

    /// Also adds a field to the audit record. Only an allow can: what a denial has to say is its message.
    ///
    /// # Panics
    /// In debug builds, if this is no allow, or the name breaks its form.
    #[track_caller]
    pub fn with_audit(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let field = Field { name: name.into(), value: value.into() };
        debug_assert!(is_name(&field.name), "a field's name is 1 to 64 of [a-z0-9-], not `{}`", field.name);
        self.with(Obligation::Audit(field))
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
            Verdict::allow().with_audit("posture", "fresh").with_header("tier", "gold"),
            Verdict::Allow(vec![
                Obligation::Audit(field("posture", "fresh")),
                Obligation::Header(field("tier", "gold")),
            ]),
        );
    }
}
