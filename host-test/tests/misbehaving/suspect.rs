//! A policy that behaves until it is told not to.

use crate::guests::Guest;
use std::fmt::Write as _;

/// What a misdeed must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The call fails, in this way.
    Fault(&'static str),
    /// It is no misdeed, though it comes close to one.
    Fine,
}

/// One thing that a policy may do wrong.
#[derive(Debug, Clone)]
pub struct Misdeed {
    pub name: String,
    pub outcome: Outcome,
    /// What the oracle says, where that is something else.
    pub oracle: Option<Outcome>,
    place: Place,
    code: String,
}

/// Where in the policy it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Check,
    Configure,
    Realloc,
    PostCheck,
    PostConfigure,
}

/// A policy with many misdeeds, numbered from 1. The request header `x-mode`, or the digits in the settings, tell it which
/// one it is to commit; with none it abstains.
///
/// Code of a misdeed sees `$request`, the locals `$i`, `$j` (`i32`) and `$l` (`i64`), and the functions of [`Guest`]; and
/// `$must`, which traps unless its argument is true.
#[derive(Debug, Clone)]
pub struct Suspect {
    pub name: String,
    pub misdeeds: Vec<Misdeed>,
    /// What one call may use.
    pub fuel: u64,
    fields: String,
    returns: bool,
}

impl Suspect {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            misdeeds: Vec::new(),
            fuel: 1_000_000,
            fields: String::new(),
            returns: true,
        }
    }

    /// Further fields of its module.
    pub fn with(mut self, fields: &str) -> Self {
        self.fields.push_str(fields);
        self
    }

    /// Another budget.
    pub fn with_fuel(mut self, fuel: u64) -> Self {
        self.fuel = fuel;
        self
    }

    /// Leaves it to the misdeeds to give the request back.
    pub fn keeps_the_request(mut self) -> Self {
        self.returns = false;
        self
    }

    /// In `check`, and then it abstains.
    pub fn does(self, outcome: Outcome, name: impl Into<String>, code: impl AsRef<str>) -> Self {
        let code = format!("{} (call $abstain)", code.as_ref());
        self.add(Place::Check, outcome, name, code)
    }

    /// The answer of `check`: an address.
    pub fn answers(self, outcome: Outcome, name: impl Into<String>, code: impl Into<String>) -> Self {
        self.add(Place::Check, outcome, name, code.into())
    }

    /// In `configure`, which answers with an address.
    pub fn configures(self, outcome: Outcome, name: impl Into<String>, code: impl Into<String>) -> Self {
        self.add(Place::Configure, outcome, name, code.into())
    }

    /// When room is needed for the answer to a question.
    pub fn reallocates(self, outcome: Outcome, name: impl Into<String>, code: impl Into<String>) -> Self {
        self.add(Place::Realloc, outcome, name, code.into())
    }

    /// After the answer of `check` was read.
    pub fn cleans_up(self, outcome: Outcome, name: impl Into<String>, code: impl Into<String>) -> Self {
        self.add(Place::PostCheck, outcome, name, code.into())
    }

    /// After the answer of `configure` was read.
    pub fn cleans_up_settings(
        self,
        outcome: Outcome,
        name: impl Into<String>,
        code: impl Into<String>,
    ) -> Self {
        self.add(Place::PostConfigure, outcome, name, code.into())
    }

    /// What the oracle says of the misdeed before, for it measures in another way.
    pub fn but_by_the_oracle(mut self, outcome: Outcome) -> Self {
        self.misdeeds.last_mut().expect("a misdeed before").oracle = Some(outcome);
        self
    }

    fn add(mut self, place: Place, outcome: Outcome, name: impl Into<String>, code: String) -> Self {
        self.misdeeds.push(Misdeed { name: name.into(), outcome, oracle: None, place, code });
        self
    }

    /// Runs the code of the misdeed that is asked for, if it belongs here.
    fn switch(&self, place: Place, act: impl Fn(usize, &str) -> String) -> String {
        let mut code = String::new();
        for (number, misdeed) in (1..).zip(&self.misdeeds) {
            if misdeed.place == place {
                let act = act(number, &misdeed.code);
                write!(code, "(if (i32.eq (global.get $mode) (i32.const {number})) (then {act}))").unwrap();
            }
        }
        code
    }

    pub fn component(&self) -> Vec<u8> {
        let mut fields = format!("{COMMON}{}", self.fields);
        for (number, misdeed) in (1..).zip(&self.misdeeds) {
            if misdeed.place == Place::Check {
                let code = &misdeed.code;
                write!(
                    fields,
                    "(func $misdeed-{number} (param $request i32) (result i32)
                        (local $i i32) (local $j i32) (local $l i64) {code})"
                )
                .unwrap();
            }
        }
        let as_it_is = |_, code: &str| code.to_owned();
        for (export, place) in [("check", Place::PostCheck), ("configure", Place::PostConfigure)] {
            let code = self.switch(place, as_it_is);
            if !code.is_empty() {
                write!(fields, r#"(func (export "cabi_post_{export}") (param i32) {code})"#).unwrap();
            }
        }
        let mode_of_settings = "(global.set $mode (call $number (local.get $settings) (local.get $length)))";
        let configure = self.switch(Place::Configure, |_, code| format!("(return {code})"));
        // Somebody who asks needs room for the answer.
        let ask = "(call $scopes (local.get $request) (i32.const 96))";
        let asks = self.switch(Place::Realloc, |_, _| ask.to_owned());
        let misbehave = self.switch(Place::Check, |number, _| {
            format!("(br 1 (call $misdeed-{number} (local.get $request)))")
        });
        let answer = if self.returns {
            "(call $abstain)"
        } else {
            "(call $drop (local.get $request)) (call $abstain)"
        };
        let check =
            format!("(global.set $mode (call $asked (local.get $request))) {asks} {misbehave} {answer}");
        let realloc = self.switch(Place::Realloc, as_it_is) + Guest::default().realloc;
        Guest {
            fields: &fields,
            configure: &format!("{mode_of_settings} {configure} (call $accept)"),
            check: &check,
            realloc: &realloc,
            returns: self.returns,
            pages: 1,
        }
        .component()
    }
}

const COMMON: &str = r#"
    (global $mode (mut i32) (i32.const 0))
    (data (i32.const 288) "x-mode")
    (func $must (param i32) (if (i32.eqz (local.get 0)) (then (unreachable))))
    ;; the digits of a text, read as one number
    (func $number (param $at i32) (param $len i32) (result i32) (local $number i32) (local $digit i32)
        (block $end
            (loop $next
                (br_if $end (i32.eqz (local.get $len)))
                (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
                (if (i32.lt_u (local.get $digit) (i32.const 10))
                    (then (local.set $number
                        (i32.add (i32.mul (local.get $number) (i32.const 10)) (local.get $digit)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                (br $next)))
        (local.get $number))
    ;; the number in the header, or 0
    (func $asked (param $request i32) (result i32)
        (call $header (local.get $request) (i32.const 288) (i32.const 6) (i32.const 96))
        (if (result i32) (i32.load8_u (i32.const 100))
            (then (call $number (i32.load (i32.const 104)) (i32.load (i32.const 108))))
            (else (i32.const 0))))
"#;
