//! Policies that ask the request at random, and answer from what they read: mostly as the contract wants it.
//!
//! All that a policy reads goes into a hash, pointers and the bytes between fields with it, and most answers spell it out.

use super::dice::Dice;
use super::guests::Guest;
use super::requests::{HEADERS, SCOPES, pointer};
use std::fmt::Write as _;

/// Where texts are; slots, the answers' lists and the allocator's room follow.
const POOL: usize = 1024;
const POOL_BYTES: usize = 2048;
const SLOTS: u64 = 4096;
const LIST: u64 = 8192;
/// The hash, spelled out.
pub const SPELLED: &str = "(i32.const 768) (i32.const 16)";

/// Statements that end a call, mostly.
const BAD_ENDS: [&str; 8] = [
    "(unreachable)",
    "(loop (br 0))",
    "(call $mix (i64.extend_i32_u (call $down (i32.const 0))))",
    "(drop (i32.load (i32.const -4)))",
    "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
    "(if (i32.eq (memory.grow (i32.const 40)) (i32.const -1)) (then (unreachable)))",
    "(call $drop (local.get $request))",
    "(call $drop (i32.const 5))",
];

/// A policy under construction.
struct Program<'d> {
    dice: &'d mut Dice,
    pool: Vec<u8>,
    /// Slots with a text: where its pointer and length are.
    texts: Vec<u64>,
    /// How deep statements may nest.
    depth: u64,
}

/// A random policy. The first ones of a batch end badly, in one way each.
pub fn component(dice: &mut Dice, index: u64) -> Vec<u8> {
    let mut program = Program { dice, pool: Vec::new(), texts: Vec::new(), depth: 2 };
    let configure = program.configure();
    let mut check = String::from("(global.set $armed (i32.const 1))");
    for _ in 0..program.dice.below(9) {
        check += &program.statement();
    }
    check += usize::try_from(index).ok().and_then(|index| BAD_ENDS.get(index)).unwrap_or(&"");
    check += "(call $spell)";
    check += &program.answer();
    let realloc = program.realloc();
    let post = program.post();
    let pool: String = program.pool.iter().fold(String::new(), |mut pool, byte| {
        write!(pool, "\\{byte:02x}").unwrap();
        pool
    });
    let fields = format!(r#"(data (i32.const {POOL}) "{pool}") {post} {FIELDS}"#);
    let returns = !program.dice.once_in(60);
    let pages = u32::try_from(program.dice.within(1, 3)).unwrap();
    let guest =
        Guest { fields: &fields, configure: &configure, check: &check, realloc: &realloc, pages, returns };
    // For a component of 0.1.1, an obligation of the third case is garbage.
    if index % 4 == 3 { guest.second_component() } else { guest.component() }
}

impl Program<'_> {
    /// One choice of several.
    fn one_of(&mut self, choices: &[&str]) -> String {
        self.dice.pick(choices).to_owned()
    }

    /// Pointer and length of a text that the policy has.
    fn text(&mut self, bytes: &[u8]) -> String {
        let at = POOL + self.pool.len();
        if self.pool.len() + bytes.len() > POOL_BYTES {
            return format!("(i32.const {POOL}) (i32.const 1)");
        }
        self.pool.extend_from_slice(bytes);
        format!("(i32.const {at}) (i32.const {})", bytes.len())
    }

    /// Pointer and length of anything: what is asked for, a text that was read, no text at all.
    fn any_text(&mut self, good: &[u8]) -> String {
        match self.dice.below(120) {
            0 => self.text(b"broken \xff\xfe"),
            1 => self.text(b"cut \xf0\x9f\x98"),
            2 => self.text(b"surrogate \xed\xa0\x80"),
            3 => self.text(b""),
            4 => self.one_of(&[
                "(i32.const 65536) (i32.const 0)",
                "(i32.const -1) (i32.const 0)",
                "(i32.const -1) (i32.const -1)",
                "(i32.const 65530) (i32.const 7)",
                "(i32.const 2) (i32.const 65537)",
                "(i32.const 0) (i32.const 4000)",
            ]),
            5..=20 => self.read_text().unwrap_or_else(|| self.text(good)),
            _ => self.text(good),
        }
    }

    /// Pointer and length of a text that was read.
    fn read_text(&mut self) -> Option<String> {
        if self.texts.is_empty() {
            return None;
        }
        let at = self.dice.pick(&self.texts);
        Some(format!("(i32.load (i32.const {at})) (i32.load offset=4 (i32.const {at}))"))
    }

    fn handle(&mut self) -> String {
        if self.dice.once_in(300) {
            return self.one_of(&["(i32.const 0)", "(i32.const 2)", "(i32.const -1)"]);
        }
        "(local.get $request)".to_owned()
    }

    /// Where an answer shall go.
    fn slot(&mut self) -> u64 {
        if self.dice.once_in(200) {
            return self.dice.pick(&[65_536, 65_530, 4_294_967_295, 4097, 4098, 4100, 65_512]);
        }
        SLOTS + 32 * self.dice.below(64)
    }

    fn statement(&mut self) -> String {
        let handle = self.handle();
        let slot = self.slot();
        match self.dice.below(54) {
            0..=2 => self.reads_text("method", &handle, "", slot, 0),
            3..=5 => self.reads_text("path", &handle, "", slot, 0),
            6..=10 => {
                let name = self.dice.pick(&HEADERS);
                let name = self.any_text(name.as_bytes());
                let ask = self.reads_text("header", &handle, &name, slot, 8);
                format!("{ask} (call $mix-bytes (i32.const {slot}) (i32.const 8))")
            }
            11 | 12 => self.reads_identity("principal", &handle, "", slot, 0),
            13 | 14 => self.reads_identity("agent", &handle, "", slot, 4),
            15 | 16 => {
                let index = self.dice.pick(&[0, 0, 1, 2, 7, 8, 4_294_967_295_u64]);
                self.reads_identity("hop", &handle, &format!("(i32.const {index})"), slot, 4)
            }
            17 | 18 => {
                format!("(call $scopes {handle} (i32.const {slot})) (call $mix-list (i32.const {slot}))")
            }
            19..=24 => {
                let pointer = pointer(self.dice);
                let pointer = self.any_text(pointer.as_bytes());
                // Only text is text; anything else looks like one that is nowhere.
                if self.dice.once_in(6) {
                    self.texts.push(slot.wrapping_add(16));
                }
                format!(
                    "(call $claim {handle} {pointer} (i32.const {slot}))
                    (call $mix-bytes (i32.const {slot}) (i32.const 24)) (call $mix-claim (i32.const {slot}))"
                )
            }
            25 => self.reads_text("route", &handle, "", slot, 4),
            26 => format!("(call $mix (i64.extend_i32_u (call $depth {handle})))"),
            27 => format!("(call $mix (call $now {handle}))"),
            28 | 29 => {
                let scope = self.dice.pick(&SCOPES);
                let scope = self.any_text(scope.as_bytes());
                format!("(call $mix (i64.extend_i32_u (call $has-scope {handle} {scope})))")
            }
            30..=32 => {
                let level = if self.dice.once_in(60) { 3 } else { self.dice.below(3) };
                let text = self.any_text("a line\twith ünïcode".as_bytes());
                format!(
                    "(call $spell) (call $log (i32.const {level}) {text}) (call $log (i32.const 1) {SPELLED})"
                )
            }
            33 => {
                let pages = self.dice.pick(&[0, 1, 2, 3, 16, 2000, 65_536, 4_294_967_295_u64]);
                format!(
                    "(call $mix (i64.extend_i32_s (memory.grow (i32.const {pages})))) (call $mix (i64.extend_i32_u (memory.size)))"
                )
            }
            34 => format!("(i64.store (i32.const {}) (global.get $hash))", self.dice.below(66_000)),
            35..=37 if self.depth > 0 => self.block(),
            40..=43 => {
                let pointer = pointer(self.dice);
                let pointer = self.any_text(pointer.as_bytes());
                format!(
                    "(call $argument {handle} {pointer} (i32.const {slot}))
                    (call $mix-bytes (i32.const {slot}) (i32.const 32))
                    (if (i32.eqz (i32.load8_u (i32.const {slot})))
                        (then (call $mix-claim (i32.add (i32.const {slot}) (i32.const 8)))))"
                )
            }
            44 => self.reads_text("arguments", &handle, "", slot, 0),
            45 | 46 => {
                let text = |at| format!("(call $mix-text (i32.add (i32.const {slot}) (i32.const {at})))");
                let texts: String = [4, 12, 20, 28].map(text).concat();
                format!(
                    "(call $action {handle} (i32.const {slot})) (call $mix-bytes (i32.const {slot}) (i32.const 36))
                    (if (i32.load8_u (i32.const {slot})) (then {texts}))"
                )
            }
            47 => Self::reads_optional_text("authority", &handle, "", slot),
            48 => Self::reads_optional_text("query", &handle, "", slot),
            49 => {
                let name = self.dice.pick(&HEADERS);
                let name = self.any_text(name.as_bytes());
                format!(
                    "(call $header-values {handle} {name} (i32.const {slot}))
                    (call $mix-bytes (i32.const {slot}) (i32.const 12))
                    (if (i32.eqz (i32.load8_u (i32.const {slot})))
                        (then (call $mix-list (i32.add (i32.const {slot}) (i32.const 4)))))"
                )
            }
            50 => {
                format!(
                    "(call $header-names {handle} (i32.const {slot})) (call $mix-list (i32.const {slot}))"
                )
            }
            51 | 52 => {
                let pointer = pointer(self.dice);
                let pointer = self.any_text(pointer.as_bytes());
                Self::reads_optional_text("claim-json", &handle, &pointer, slot)
            }
            53 => {
                let index = self.dice.pick(&[0, 0, 1, 2, 7, 8, 4_294_967_295_u64]);
                Self::reads_optional_text("hop-kind", &handle, &format!("(i32.const {index})"), slot)
            }
            38 => self.one_of(&BAD_ENDS),
            39 => {
                let (to, what, len) =
                    (self.dice.below(66_000), self.dice.below(66_000), self.dice.below(300));
                let moves = if self.dice.once_in(2) { "fill" } else { "copy" };
                format!("(memory.{moves} (i32.const {to}) (i32.const {what}) (i32.const {len}))")
            }
            _ => "(call $mix (i64.const 7))".to_owned(),
        }
    }

    /// Asks for something that begins with a text, `after` so many bytes.
    fn reads_text(&mut self, function: &str, handle: &str, arguments: &str, slot: u64, after: u64) -> String {
        let text = slot.wrapping_add(after);
        self.texts.push(text);
        format!(
            "(call ${function} {handle} {arguments} (i32.const {slot}))
            (call $mix-bytes (i32.const {slot}) (i32.const {})) (call $mix-text (i32.const {text}))",
            after + 8
        )
    }

    /// Asks for a text that there may be.
    fn reads_optional_text(function: &str, handle: &str, arguments: &str, slot: u64) -> String {
        format!(
            "(call ${function} {handle} {arguments} (i32.const {slot}))
            (call $mix-bytes (i32.const {slot}) (i32.const 12))
            (if (i32.load8_u (i32.const {slot}))
                (then (call $mix-text (i32.add (i32.const {slot}) (i32.const 4)))))"
        )
    }

    fn reads_identity(
        &mut self,
        function: &str,
        handle: &str,
        arguments: &str,
        slot: u64,
        after: u64,
    ) -> String {
        let ask = self.reads_text(function, handle, arguments, slot, after);
        format!("{ask} (call $mix-text (i32.const {}))", slot.wrapping_add(after + 8))
    }

    /// Some statements that may run, or run several times.
    fn block(&mut self) -> String {
        self.depth -= 1;
        let statements: String = (0..self.dice.within(1, 3)).map(|_| self.statement()).collect();
        self.depth += 1;
        if self.dice.once_in(3) {
            // Each nesting has a counter of its own.
            let counter = format!("(i32.const {})", 16 * (self.depth + 40));
            return format!(
                "(i32.store {counter} (i32.const {}))
                (loop {statements}
                    (i32.store {counter} (i32.sub (i32.load {counter}) (i32.const 1)))
                    (br_if 0 (i32.gt_s (i32.load {counter}) (i32.const 0))))",
                self.dice.within(1, 4)
            );
        }
        let bit = self.dice.below(64);
        format!(
            "(if (i32.wrap_i64 (i64.and (i64.shr_u (global.get $hash) (i64.const {bit})) (i64.const 1)))
                (then {statements}))"
        )
    }

    /// Body of `configure`: what it does to memory and globals is where every `check` begins.
    fn configure(&mut self) -> String {
        let problem = |program: &mut Self| {
            let (pointer, message) =
                (program.any_text(b"/list/0"), program.any_text("nein, höchstens 3".as_bytes()));
            let len = program.dice.within(0, 3);
            let list: String =
                (0..len).map(|index| obligation(LIST + 16 * index, &pointer, &message)).collect();
            format!("{list} (call $refuse (i32.const {LIST}) (i32.const {len}))")
        };
        match self.dice.below(24) {
            0 => problem(self),
            1 => "(drop (call $depth (i32.const 1))) (call $accept)".to_owned(),
            2 => "(call $log (i32.const 1) (i32.const 256) (i32.const 5)) (call $accept)".to_owned(),
            3 => self.ends_badly_without_request(),
            4..=7 => "(drop (memory.grow (i32.const 1))) (i64.store (i32.const 65528) (i64.const 77)) (call $accept)".to_owned(),
            8..=15 => "(call $mix-bytes (local.get $settings) (local.get $length)) (call $accept)".to_owned(),
            _ => "(call $accept)".to_owned(),
        }
    }

    fn ends_badly_without_request(&mut self) -> String {
        self.one_of(&[
            "(unreachable)",
            "(i32.const -4)",
            "(i32.const 66)",
            "(i32.store8 (i32.const 64) (i32.const 2)) (i32.const 64)",
        ])
    }

    /// Body of `check`'s end.
    fn answer(&mut self) -> String {
        match self.dice.below(30) {
            0..=11 => {
                let code = match self.dice.below(12) {
                    0 if self.dice.once_in(4) => self.any_text(b"Not-A-Code"),
                    0..=4 => SPELLED.to_owned(),
                    _ => self.any_text(b"no_way-1"),
                };
                let message =
                    if self.dice.once_in(2) { SPELLED.to_owned() } else { self.any_text("nö".as_bytes()) };
                let message = if self.dice.once_in(20) {
                    "(i32.const 1024) (i32.const 4100)".to_owned()
                } else {
                    message
                };
                format!("(call $deny {code} {message})")
            }
            12..=23 => {
                let len = self.dice.below(5);
                let list: String = (0..len).map(|index| self.obligation(LIST + 20 * index)).collect();
                let list_at = if self.dice.once_in(60) { LIST + 1 } else { LIST };
                let len =
                    if self.dice.once_in(40) { self.dice.pick(&[300, 70_000, 4_294_967_295]) } else { len };
                format!("{list} (call $allow (i32.const {list_at}) (i32.const {len}))")
            }
            24..=28 => format!("(call $log (i32.const 2) {SPELLED}) (call $abstain)"),
            _ => self.one_of(&[
                "(i32.store8 (i32.const 16) (i32.const 3)) (i32.const 16)",
                "(i32.store8 (i32.const 16) (i32.const 255)) (i32.const 16)",
                "(drop (call $abstain)) (i32.const 18)",
                "(i32.const 65520)",
                "(i32.const -20)",
            ]),
        }
    }

    /// Writes one obligation.
    fn obligation(&mut self, at: u64) -> String {
        let case = if self.dice.once_in(60) { 3 } else { self.dice.pick(&[0, 1, 0, 2]) };
        // Of the third case it is the text, of which more is right.
        let name = match self.dice.below(10) {
            0 if self.dice.once_in(4) => self.any_text(b"No Name"),
            0 | 1 => SPELLED.to_owned(),
            _ => self.text(b"plan"),
        };
        let value = match self.dice.below(5) {
            0 => self.any_text(b"gold"),
            1 => self.read_text().unwrap_or_else(|| SPELLED.to_owned()),
            2 => self.text(b"gold"),
            _ => SPELLED.to_owned(),
        };
        // Above the case there is padding, and nobody should look at it.
        format!(
            "(i32.store (i32.const {at}) (i32.const {})) {}",
            case + 256 * 77,
            obligation(at + 4, &name, &value)
        )
    }

    /// Body of `cabi_realloc`: it finds room, or not.
    fn realloc(&mut self) -> String {
        let odd = match self.dice.below(80) {
            0 => "(unreachable)",
            1 => "(return (i32.const -1))",
            2 => "(return (i32.const 65536))",
            3 => "(return (i32.const 16385))",
            4 => "(call $log (i32.const 1) (i32.const 256) (i32.const 5))",
            5 => "(loop (br 0))",
            // The same place for everything.
            6 => "(return (i32.const 16384))",
            _ => "",
        };
        let grow = "(if (i32.gt_u (global.get $next) (i32.shl (memory.size) (i32.const 16)))
            (then (drop (memory.grow (i32.const 1)))))";
        let grow = if self.dice.once_in(2) { grow } else { "" };
        let odd = format!("(if (global.get $armed) (then {odd}))");
        format!("{odd} (block (result i32) {}) {grow}", Guest::default().realloc)
    }

    fn post(&mut self) -> String {
        let body = match self.dice.below(60) {
            0 => "(unreachable)",
            1 => "(loop (br 0))",
            2 => "(call $log (i32.const 1) (i32.const 256) (i32.const 5))",
            3..=9 => "(call $mix (i64.load (local.get 0)))",
            _ => return String::new(),
        };
        format!(r#"(func (export "cabi_post_check") (param i32) {body})"#)
    }
}

/// Writes two texts, one after the other.
fn obligation(at: u64, first: &str, second: &str) -> String {
    format!("(call $pair (i32.const {at}) {first}) (call $pair (i32.const {}) {second})", at + 8)
}

/// What goes into the hash, and how it is spelled.
pub const FIELDS: &str = r"
    (global $hash (mut i64) (i64.const 0x1234567))
    (global $armed (mut i32) (i32.const 0))
    (func $mix (param i64)
        (global.set $hash (i64.add
            (i64.mul (i64.rotl (global.get $hash) (i64.const 7)) (i64.const 0x9e3779b97f4a7c15))
            (local.get 0))))
    (func $mix-bytes (param $at i32) (param $len i32)
        (loop $next
            (if (local.get $len) (then
                (call $mix (i64.load8_u (local.get $at)))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                (br $next)))))
    (func $mix-text (param $at i32)
        (call $mix (i64.load (local.get $at)))
        (call $mix-bytes (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))
    (func $mix-claim (param $at i32)
        (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 1)) (then
            (if (i32.eq (i32.load8_u offset=8 (local.get $at)) (i32.const 4)) (then
                (call $mix-text (i32.add (local.get $at) (i32.const 16))))))))
    (func $mix-list (param $at i32) (local $len i32) (local $element i32)
        (call $mix (i64.load (local.get $at)))
        (local.set $element (i32.load (local.get $at)))
        (local.set $len (i32.load offset=4 (local.get $at)))
        (loop $next
            (if (local.get $len) (then
                (call $mix-text (local.get $element))
                (local.set $element (i32.add (local.get $element) (i32.const 8)))
                (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                (br $next)))))
    ;; sixteen letters, which are a code, a name and a value
    (func $spell (local $index i32)
        (loop $next
            (i32.store8 offset=768 (local.get $index) (i32.add (i32.const 97) (i32.wrap_i64 (i64.and
                (i64.shr_u (global.get $hash) (i64.extend_i32_u (i32.shl (local.get $index) (i32.const 2))))
                (i64.const 15)))))
            (br_if $next (i32.lt_u
                (local.tee $index (i32.add (local.get $index) (i32.const 1)))
                (i32.const 16)))))
    (func $down (param i32) (result i32)
        (i32.add (local.get 0) (call $down (i32.add (local.get 0) (i32.const 1)))))";
