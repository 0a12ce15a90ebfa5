//! Policies that try to remember. Whatever they do, every call finds what `configure` left, as in a fresh instance.

use super::guests::Guest;
use super::suspects::RECURSION;
use super::world::{self, Ask, Proxy, Seen};
use mandate_core::config::PolicyEntry;
use mandate_core::policy::{CheckResult, Complaint, LinkedPolicy, Policies, RequestContext};
use mandate_harness::Filter;
use mandate_host::oracle::{Oracle, Reusable};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const POLICY: &str = "rememberer";
/// Modes in which it answers, and those in which it fails, all of them after it has left traces everywhere.
const ANSWERS: [usize; 2] = [0, 1];
const FAULTS: [(usize, &str); 7] = [
    (2, "trap"),
    (3, "fuel"),
    (4, "stack"),
    (5, "malformed"),
    (6, "memory"),
    (7, "malformed"),
    (8, "output"),
];

/// Says what it finds, as a field for the audit record: sixteen hexadecimal digits each for four globals, the size of its
/// memory, where its allocator is, how many bytes are not zero, and their checksum. In `configure` it takes as many pages as
/// the settings say, and fills them.
fn rememberer() -> Vec<u8> {
    Guest {
        fields: &format!("{RECURSION}{REPORT}{SOIL}"),
        configure: "
            (local $pages i32)
            (local.set $pages (call $number (local.get $settings) (local.get $length)))
            (global.set $i (i32.add (local.get $pages) (i32.const 1)))
            (drop (memory.grow (local.get $pages)))
            (memory.fill (i32.const 65536) (i32.const 0x77) (i32.mul (local.get $pages) (i32.const 65536)))
            (call $accept)",
        check: "
            (call $report)
            (call $header (local.get $request) (i32.const 288) (i32.const 6) (i32.const 96))
            (local.set $answer (if (result i32) (i32.load8_u (i32.const 100))
                (then (call $number (i32.load (i32.const 104)) (i32.load (i32.const 108))))
                (else (i32.const 0))))
            (call $scopes (local.get $request) (i32.const 96))
            (call $soil)
            (if (i32.eq (local.get $answer) (i32.const 2)) (then (unreachable)))
            (if (i32.eq (local.get $answer) (i32.const 3)) (then (loop (call $soil) (br 0))))
            (if (i32.eq (local.get $answer) (i32.const 4)) (then (drop (call $down (i32.const 0)))))
            (if (i32.eq (local.get $answer) (i32.const 5)) (then (call $path (local.get $request) (i32.const -4))))
            (if (i32.eq (local.get $answer) (i32.const 6)) (then
                (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)))
            (if (i32.eq (local.get $answer) (i32.const 7)) (then (call $drop (local.get $request))))
            (if (i32.eq (local.get $answer) (i32.const 8)) (then (br 1 (call $allow (i32.const 0) (i32.const 999)))))
            (call $tell)",
        ..Guest::default()
    }
    .component()
}

/// What reports.
const REPORT: &str = r#"
    (data (i32.const 288) "x-mode") (data (i32.const 296) "state")
    (global $i (mut i32) (i32.const 1))
    (global $l (mut i64) (i64.const 2))
    (global $f (mut f32) (f32.const 3.5))
    (global $d (mut f64) (f64.const -0))
    (func $number (param $at i32) (param $len i32) (result i32) (local $number i32) (local $digit i32)
        (block $end
            (loop $next
                (br_if $end (i32.eqz (local.get $len)))
                (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
                (if (i32.lt_u (local.get $digit) (i32.const 10)) (then (local.set $number
                    (i32.add (i32.mul (local.get $number) (i32.const 10)) (local.get $digit)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                (br $next)))
        (local.get $number))
    ;; a number at 512, or so many places behind
    (func $put (param $slot i32) (param $value i64) (local $at i32) (local $digit i32)
        (local.set $slot (i32.add (i32.const 512) (i32.mul (local.get $slot) (i32.const 16))))
        (local.set $at (i32.add (local.get $slot) (i32.const 16)))
        (loop $next
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (local.set $digit (i32.wrap_i64 (i64.and (local.get $value) (i64.const 15))))
            (local.set $value (i64.shr_u (local.get $value) (i64.const 4)))
            (i32.store8 (local.get $at) (i32.add (local.get $digit)
                (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10)))))
            (br_if $next (i32.ne (local.get $at) (local.get $slot)))))
    (func $report (local $at i32) (local $byte i64) (local $count i64) (local $sum i64)
        (loop $next
            (local.set $byte (i64.load8_u (local.get $at)))
            (local.set $count (i64.add (local.get $count) (i64.extend_i32_u (i64.ne (local.get $byte) (i64.const 0)))))
            (local.set $sum (i64.xor (i64.mul (local.get $sum) (i64.const 0x100000001b3)) (local.get $byte)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $next (i32.ne (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
        (call $put (i32.const 0) (i64.extend_i32_u (global.get $i)))
        (call $put (i32.const 1) (global.get $l))
        (call $put (i32.const 2) (i64.extend_i32_u (i32.reinterpret_f32 (global.get $f))))
        (call $put (i32.const 3) (i64.reinterpret_f64 (global.get $d)))
        (call $put (i32.const 4) (i64.extend_i32_u (memory.size)))
        (call $put (i32.const 5) (i64.extend_i32_u (global.get $next)))
        (call $put (i32.const 6) (local.get $count))
        (call $put (i32.const 7) (local.get $sum)))
    (func $tell (result i32)
        (i32.store8 (i32.const 704) (i32.const 1))
        (call $pair (i32.const 708) (i32.const 296) (i32.const 5))
        (call $pair (i32.const 716) (i32.const 512) (i32.const 128))
        (call $allow (i32.const 704) (i32.const 1)))"#;

/// What leaves traces.
const SOIL: &str = r#"
    (table 1 funcref) (elem (i32.const 0) $soil)
    ;; leaves traces in all that it can reach, but for the answer
    (func $soil (local $old i32)
        (global.set $i (i32.add (global.get $i) (i32.const 100)))
        (global.set $l (i64.add (global.get $l) (i64.const 0x0101010101010101)))
        (global.set $f (f32.reinterpret_i32 (i32.const 0x7fa00001)))
        (global.set $d (f64.reinterpret_i64 (i64.const 0xfff4000000000001)))
        (global.set $next (i32.add (global.get $next) (i32.const 8)))
        (memory.fill (i32.const 1024) (i32.const 0x5a) (i32.const 64512))
        (local.set $old (memory.grow (i32.const 1)))
        (if (i32.ne (local.get $old) (i32.const -1)) (then
            (memory.fill (i32.shl (local.get $old) (i32.const 16)) (i32.const 0xa5) (i32.const 65536)))))
    (func (export "cabi_post_check") (param i32) (call $soil)
        (memory.fill (i32.const 0) (i32.const 0x66) (i32.const 1024)))"#;

fn entries() -> Vec<Value> {
    let entry = |name: &str, settings: Value| json!({ "name": name, "policy": POLICY, "settings": settings, "limits": { "fuel": 20_000_000 } });
    vec![
        entry("plain", json!({})),
        entry("grown", json!({ "pages": 3, "secret": "swordfish" })),
        entry("grown-more", json!({ "pages": 7 })),
        entry("plain-again", json!({})),
    ]
}

/// All entries, in all modes, in an order that has every one come after every other.
fn asks() -> Vec<Ask> {
    let names: Vec<String> =
        entries().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect();
    let modes: Vec<usize> = ANSWERS.into_iter().chain(FAULTS.map(|(mode, _)| mode)).collect();
    let mut asks: Vec<Ask> = names.iter().map(|name| Ask::new(name, 0)).collect();
    for first in &names {
        for mode in &modes {
            for second in &names {
                asks.push(Ask::new(first, *mode));
                asks.push(Ask::new(second, 0));
            }
        }
    }
    asks
}

fn oracle() -> Oracle {
    let mut oracle = Oracle::new().unwrap();
    oracle.add(POLICY, &rememberer()).unwrap();
    oracle
}

fn bundle() -> &'static [u8] {
    static BUNDLE: OnceLock<Vec<u8>> = OnceLock::new();
    BUNDLE.get_or_init(|| world::link(&[(POLICY.to_owned(), rememberer())]))
}

/// What it found, number by number.
fn found(seen: &Seen) -> Vec<u64> {
    numbers(seen.obligations.get(0).unwrap_or_else(|| panic!("{seen:?}")))
}

fn numbers(obligation: &Value) -> Vec<u64> {
    let report = obligation["value"].as_str().unwrap();
    let numbers = report.as_bytes().chunks(16);
    numbers.map(|digits| u64::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()).collect()
}

fn assert_nothing_is_remembered(seen: &[Seen]) {
    let asks = asks();
    let fresh: BTreeMap<String, Vec<u64>> = {
        let config = world::configuration(&entries());
        let first = &asks[..entries().len()];
        let seen = world::on_core(oracle(), &config, first);
        first.iter().zip(&seen).map(|(ask, seen)| (ask.entry.clone(), found(seen))).collect()
    };
    for (ask, seen) in asks.iter().zip(seen) {
        match FAULTS.into_iter().find(|(mode, _)| *mode == ask.mode) {
            Some((_, kind)) => assert_eq!(seen.code(), Some(kind), "{ask:?}: {seen:?}"),
            None => assert_eq!(found(seen), fresh[&ask.entry], "{ask:?}: {seen:?}"),
        }
    }
    assert!(seen.iter().all(|one| one.vm() == seen[0].vm()), "one virtual machine answered everything");
}

#[test]
fn every_call_finds_what_a_fresh_instance_would() {
    let filter = Filter::compile(bundle()).unwrap();
    let mut vm = world::start(&filter, &world::configuration(&entries()));
    assert_nothing_is_remembered(&world::on_harness(&mut vm, &asks()));
}

#[test]
fn every_call_in_envoy_finds_what_a_fresh_instance_would() {
    let Some(binary) = super::support::envoy() else { return };
    let proxy = Proxy::start(&binary, bundle(), &world::configuration(&entries()));
    assert_nothing_is_remembered(&proxy.ask(&asks()));
}

#[test]
fn plugins_that_share_a_virtual_machine_share_no_state() {
    let Some(binary) = super::support::envoy() else { return };
    let of = |settings: Value| {
        let limits = json!({ "fuel": 20_000_000 });
        json!({ "name": "plain", "policy": POLICY, "settings": settings, "limits": limits })
    };
    let last = world::configuration(&[of(json!({}))]);
    let mut first = world::configuration(&[of(json!({ "pages": 3, "secret": "swordfish" }))]);
    first["upstream"] = json!({ "forward_token": true });
    let ask = Ask::new("plain", 0);
    let fresh =
        [&first, &last].map(|config| found(&world::on_core(oracle(), config, std::slice::from_ref(&ask))[0]));
    let proxy = Proxy::start_behind(&binary, bundle(), &[first], &last);
    let asks = vec![ask; 6];
    assert!(proxy.ask(&asks).iter().all(|seen| found(seen) == fresh[1]));
    let reports: Vec<Vec<u64>> =
        proxy.audits().values().map(|audit| numbers(&audit["obligations"][0])).collect();
    let count = |wanted: &Vec<u64>| reports.iter().filter(|report| *report == wanted).count();
    assert_eq!(fresh.each_ref().map(count), [asks.len(); 2], "{reports:x?}");
}

#[test]
fn no_entry_sees_a_byte_of_another() {
    let filter = Filter::compile(bundle()).unwrap();
    let first = |entries: &[Value], ask: &Ask| {
        let mut vm = world::start(&filter, &world::configuration(entries));
        found(&world::ask_vm(&mut vm, ask).0)
    };
    for entry in entries() {
        let ask = Ask::new(entry["name"].as_str().unwrap(), 0);
        let alone = first(&[entry], &ask);
        // Configured before the others, and after them.
        let mut all = entries();
        assert_eq!(first(&all, &ask), alone, "{ask:?}");
        all.reverse();
        assert_eq!(first(&all, &ask), alone, "{ask:?}");
    }
    let plain = first(&entries(), &Ask::new("plain", 0));
    let grown = first(&entries(), &Ask::new("grown", 0));
    assert_eq!(plain[..5], [1, 2, u64::from(3.5_f32.to_bits()), (-0.0_f64).to_bits(), 1]);
    assert_eq!((grown[0], grown[4]), (4, 4));
    // What its text takes, and the pages that it filled.
    assert_eq!(
        grown[6] - plain[6],
        r#"{"pages":3,"secret":"swordfish"}"#.len() as u64 - "{}".len() as u64 + 3 * 65536
    );
}

/// The oracle, with instances that are used again.
struct Reusing(Oracle, BTreeMap<String, Reusable>);
impl Policies for Reusing {
    fn linked(&self) -> &[LinkedPolicy] {
        self.0.linked()
    }
    fn configure(&mut self, entry: &PolicyEntry) -> Result<(), Vec<Complaint>> {
        self.1.insert(entry.name.clone(), self.0.reusable(entry)?);
        Ok(())
    }
    fn check(&mut self, entry: &PolicyEntry, request: &RequestContext<'_>) -> CheckResult {
        self.1.get_mut(&entry.name).unwrap().check(request)
    }
}

/// Otherwise the tests above would prove nothing.
#[test]
fn an_instance_that_is_used_again_finds_its_traces() {
    let config = world::configuration(&entries());
    let ask = Ask::new("plain", 0);
    let seen = world::on_core(Reusing(oracle(), BTreeMap::new()), &config, &[ask.clone(), ask]);
    let (first, second) = (found(&seen[0]), found(&seen[1]));
    assert!(first.iter().zip(&second).all(|(first, second)| first != second), "{first:x?} {second:x?}");
}

/// Numbers that follow from a seed (Marsaglia's xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Reports what it finds, then stores here and there: numbers of every width, at addresses of every form, most of them next
/// to where one KiB ends and another begins, in the pages that it has and in one that it takes.
fn sprinkler(seed: u64) -> Vec<u8> {
    const STORES: [(&str, &str); 9] = [
        ("i32.store8", "i32"),
        ("i32.store16", "i32"),
        ("i32.store", "i32"),
        ("i64.store8", "i64"),
        ("i64.store16", "i64"),
        ("i64.store32", "i64"),
        ("i64.store", "i64"),
        ("f32.store", "f32"),
        ("f64.store", "f64"),
    ];
    let dice = &mut Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let store = |dice: &mut Dice, offset: usize, address: &str| {
        let (store, ty) = dice.pick(&STORES);
        format!("({store} offset={offset} {address} ({ty}.const -7))\n")
    };
    let near_an_edge = |dice: &mut Dice, page: usize| {
        let card = page * 64 + 2 + dice.below(60);
        card * 1024 + dice.pick(&[0, 1, 7, 8, 500, 1016, 1017, 1020, 1023])
    };
    let mut stores = String::new();
    for page in [0, 1, 2] {
        if page == 2 {
            stores.push_str("(drop (memory.grow (i32.const 1)))");
        }
        for _ in 0..2 + dice.below(3) {
            let at = near_an_edge(dice, page);
            match dice.below(4) {
                0 => stores.push_str(&store(dice, 0, &format!("(i32.const {at})"))),
                1 => stores.push_str(&store(
                    dice,
                    3,
                    &format!("(i32.add (i32.const {}) (i32.const 5))", at - 8),
                )),
                2 => {
                    stores.push_str(&format!("(local.set $at (i32.const {at}))"));
                    for _ in 0..1 + dice.below(4) {
                        let offset = dice.pick(&[0, 8, 40, 55, 56, 57, 64, 112, 113, 120, 1000, 1024]);
                        stores.push_str(&store(dice, offset, "(local.get $at)"));
                    }
                }
                _ => {
                    let inner = store(dice, 56, "(local.get $at)");
                    stores.push_str(&format!(
                        "(local.set $at (i32.const {at})) {} (if (i32.const 1) (then {inner}))",
                        store(dice, 0, "(local.get $at)"),
                    ));
                }
            }
        }
    }
    let fields = format!("{REPORT} (func $sprinkle (local $at i32) {stores})");
    let check = "(call $report) (call $sprinkle) (call $tell)";
    Guest { fields: &fields, check, pages: 2, ..Guest::default() }.component()
}

#[test]
fn every_store_is_undone_wherever_it_went() {
    let config = world::configuration(&[json!({ "name": POLICY, "limits": { "fuel": 20_000_000 } })]);
    let asks = vec![Ask::new(POLICY, 0); 3];
    for seed in 1..=16 {
        let component = sprinkler(seed);
        let mut oracle = Oracle::new().unwrap();
        oracle.add(POLICY, &component).unwrap();
        let fresh = found(&world::on_core(oracle.clone(), &config, &asks[..1])[0]);
        let used_again = world::on_core(Reusing(oracle, BTreeMap::new()), &config, &asks);
        assert_ne!(found(&used_again[1]), fresh, "seed {seed}: it leaves no traces");
        let filter = Filter::compile(&world::link(&[(POLICY.to_owned(), component)])).unwrap();
        let mut vm = world::start(&filter, &config);
        for (turn, seen) in world::on_harness(&mut vm, &asks).iter().enumerate() {
            assert_eq!(found(seen), fresh, "seed {seed}, turn {turn}");
        }
    }
}

#[test]
fn the_largest_memory_is_put_back_to_its_end() {
    // All the cards that there may be, with a mark that is not at the beginning of a word, and one at the very end.
    let check = "
        (i64.store (i32.const 67108856) (i64.add (i64.load (i32.const 67108856)) (i64.const 1)))
        (i32.store8 (i32.const 1024) (i32.add (i32.load8_u (i32.const 1024)) (i32.const 1)))
        (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.wrap_i64 (i64.load (i32.const 67108856)))))
        (i32.store8 (i32.const 65) (i32.add (i32.const 48) (i32.load8_u (i32.const 1024))))
        (call $deny (i32.const 64) (i32.const 2) (i32.const 0) (i32.const 0))";
    let component = Guest { check, pages: 1024, ..Guest::default() }.component();
    let limits = json!({ "memory_bytes": 67_108_864 });
    let config = world::configuration(&[json!({ "name": POLICY, "limits": limits })]);
    let filter = Filter::compile(&world::link(&[(POLICY.to_owned(), component)])).unwrap();
    let mut vm = world::start(&filter, &config);
    for (turn, seen) in world::on_harness(&mut vm, &vec![Ask::new(POLICY, 0); 4]).iter().enumerate() {
        assert_eq!(seen.code(), Some("11"), "turn {turn}: {seen:?}");
    }
}
