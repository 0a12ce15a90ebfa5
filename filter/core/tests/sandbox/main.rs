//! What crosses the boundary between the filter and a linked policy: every question, every answer, every lie.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, its memories are small, and it takes the `json!` that is written in place"
)]

mod questions;
#[path = "../support/mod.rs"]
mod support;

use mandate_core::decision::Decision;
use mandate_core::flow::Gate;
use mandate_core::limits;
use mandate_core::policy::{Complaint, Fault, Obligation, Verdict};
use mandate_core::policy::{LinkedPolicies, PolicyCall, Seam, host_call};
use mandate_core::policy::{PolicyMemory, lift_configured, lift_verdict};
use mandate_core::reason::Reason;
use mandate_core::seam::{HostFunction as F, PolicyFunction};
use proptest::prelude::*;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use support::{act_of_depth, config, decide, head, token};

const SIZE: usize = 64 * 1024;
/// Where a policy keeps what it is given: beyond what tests place by hand.
const HEAP: u32 = 32 * 1024;

/// A policy written in Rust, whose memory is a vector.
type Script = dyn Fn(&mut Fake, PolicyFunction, [u32; 4], Option<&PolicyCall<'_>>) -> Result<u32, Fault>;

#[derive(Clone)]
struct Fake {
    memory: Vec<u8>,
    heap: u32,
    fuel: u64,
    script: Rc<Script>,
    /// How many it has: of an older contract, fewer.
    obligation_cases: u8,
    /// What the module says is linked, if it is something else.
    list: Option<&'static str>,
    /// The images that it was put back to.
    restored: Rc<RefCell<Vec<u32>>>,
}

impl Fake {
    fn new(
        script: impl Fn(&mut Self, PolicyFunction, [u32; 4], Option<&PolicyCall<'_>>) -> Result<u32, Fault>
        + 'static,
    ) -> Self {
        let script = Rc::new(script);
        Self {
            memory: vec![0; SIZE],
            heap: HEAP,
            fuel: u64::MAX,
            script,
            obligation_cases: 3,
            list: None,
            restored: Rc::default(),
        }
    }

    /// One that answers `check` as it is told, and is content with its settings.
    fn checking(check: impl Fn(&mut Self, &PolicyCall<'_>) -> Result<u32, Fault> + 'static) -> Self {
        Self::new(move |fake, function, [old, _, align, size], visit| match function {
            PolicyFunction::Check => check(fake, visit.unwrap()),
            PolicyFunction::Realloc => {
                assert_eq!(old, 0, "nothing is ever grown in place");
                Ok(fake.room(align, size))
            }
            _ => Ok(0),
        })
    }

    fn room(&mut self, align: u32, size: u32) -> u32 {
        self.heap = self.heap.next_multiple_of(align);
        self.heap += size;
        self.heap - size
    }

    fn put(&mut self, at: u32, bytes: &[u8]) -> u32 {
        self.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
        at
    }

    fn words(&mut self, at: u32, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes)
    }

    fn word(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.memory[at as usize..][..4].try_into().unwrap())
    }

    fn text(&self, at: u32) -> String {
        let (place, len) = (self.word(at) as usize, self.word(at + 4) as usize);
        String::from_utf8(self.memory[place..][..len].to_vec()).unwrap()
    }

    fn ask(&mut self, visit: &PolicyCall<'_>, function: F, args: [u32; 4]) -> Result<u64, Fault> {
        host_call(self, 0, visit, function as u32, args)
    }

    /// Asks with a text, which it places at 256; the result goes to 512.
    fn ask_with(&mut self, visit: &PolicyCall<'_>, function: F, text: &str) -> Result<u64, Fault> {
        self.put(256, text.as_bytes());
        self.ask(visit, function, [1, 256, text.len() as u32, 512])
    }
}

impl PolicyMemory for Fake {
    fn read(&self, at: u32, into: &mut [u8]) -> Result<(), Fault> {
        let bytes = self.memory.get(at as usize..).and_then(|rest| rest.get(..into.len()));
        into.copy_from_slice(bytes.ok_or(Fault::Malformed)?);
        Ok(())
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let place = self.memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..bytes.len()));
        place.ok_or(Fault::Malformed)?.copy_from_slice(bytes);
        Ok(())
    }

    fn allocate(&mut self, align: u32, size: u32) -> Result<u32, Fault> {
        Seam::call(self, 0, PolicyFunction::Realloc, [0, 0, align, size], None)
    }

    fn charge(&mut self, units: u64) -> Result<(), Fault> {
        self.fuel = self.fuel.checked_sub(units).ok_or(Fault::Fuel)?;
        Ok(())
    }
}

impl Seam for Fake {
    fn linked(&self) -> Vec<u8> {
        if let Some(list) = self.list {
            return list.into();
        }
        let cases = self.obligation_cases;
        format!(r#"[{{"name":"guard","sha256":"{:0>64}","obligation_cases":{cases}}}]"#, 7).into_bytes()
    }

    fn initialise(&mut self, _: u32) -> u32 {
        self.memory.fill(0);
        SIZE as u32
    }

    fn allow(&mut self, fuel: u64, _: u32) {
        self.fuel = fuel;
    }

    fn fuel(&self) -> u64 {
        self.fuel
    }

    fn charge(&mut self, units: u64) -> Result<(), Fault> {
        PolicyMemory::charge(self, units)
    }

    fn call(
        &mut self,
        _: u32,
        function: PolicyFunction,
        args: [u32; 4],
        visit: Option<&PolicyCall<'_>>,
    ) -> Result<u32, Fault> {
        let script = Rc::clone(&self.script);
        script(self, function, args, visit)
    }

    fn size(&self) -> u32 {
        SIZE as u32
    }

    fn read(&self, _: u32, at: u32, into: &mut [u8]) -> Result<(), Fault> {
        PolicyMemory::read(self, at, into)
    }

    fn write(&mut self, _: u32, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        PolicyMemory::write(self, at, bytes)
    }

    fn save_globals(&self, _: u32, into: &mut [u64; limits::POLICY_GLOBALS]) -> usize {
        into[0] = u64::from(self.heap);
        1
    }

    fn restore(&mut self, _: u32, memory: &[u8], globals: &[u64], image: u32) {
        self.restored.borrow_mut().push(image);
        self.memory.copy_from_slice(memory);
        self.heap = globals[0] as u32;
    }
}

/// What becomes of a request when the one policy is this.
fn decided(fake: Fake) -> Decision {
    let config = config(|c| {
        c["policies"] = json!([{ "name": "guard" }]);
        c["routes"] = json!([{ "match": { "path_prefix": "/v1" }, "policies": ["guard"] }]);
    });
    let mut gate = Gate::new(config, Box::new(LinkedPolicies::new(fake).unwrap()), [7; 16]).unwrap();
    let claims = json!({
        "act": act_of_depth(2),
        "scope": "tickets.read tickets.write",
        "b": true, "i": -7, "big": u64::MAX, "f": 2.5, "t": "tëxt", "a": [null, "two"], "o": { "x/y": { "~": 1 } },
    });
    let bearer = format!("Bearer {}", token(claims));
    let headers = [("authorization", bearer.as_str()), ("x-one", "1"), ("x-two", "1"), ("X-Two", "2")];
    decide(&mut gate, head("POST", "/v1/a/../b", &headers))
}

/// The policy's record: its verdict and its code.
fn record(decision: &Decision) -> (&str, Option<&str>) {
    let record = &decision.policies()[0];
    (record.verdict, record.code.as_deref())
}

fn fault_of(check: impl Fn(&mut Fake, &PolicyCall<'_>) -> Result<u32, Fault> + 'static) -> Option<String> {
    let decision = decided(Fake::checking(check));
    let (verdict, code) = record(&decision);
    let denied = decision.reason() == Some(Reason::PolicyFault);
    (verdict == "fault" && denied).then(|| code.unwrap_or_default().to_owned())
}

fn abstains(fake: &mut Fake, visit: &PolicyCall<'_>) -> Result<u32, Fault> {
    fake.ask(visit, F::Drop, [1, 0, 0, 0])?;
    Ok(fake.words(1024, &[2, 0, 0, 0, 0]))
}

#[test]
fn a_policy_that_keeps_the_request_is_at_fault() {
    assert_eq!(fault_of(|fake, _| Ok(fake.words(1024, &[2]))).as_deref(), Some("malformed"));
    assert_eq!(record(&decided(Fake::checking(abstains))), ("abstain", None));
}

#[test]
fn a_handle_that_was_not_lent_is_refused_by_every_function() {
    for number in F::ALL.map(F::number).into_iter().filter(|n| *n != F::Log as u32) {
        let forged = move |fake: &mut Fake, visit: &PolicyCall<'_>| {
            host_call(fake, 0, visit, number, [2, 0, 0, 512]).map(|_| 0)?;
            abstains(fake, visit)
        };
        assert_eq!(fault_of(forged).as_deref(), Some("malformed"), "function {number}, forged");
        let returned = move |fake: &mut Fake, visit: &PolicyCall<'_>| {
            let end = abstains(fake, visit)?;
            host_call(fake, 0, visit, number, [1, 0, 0, 512]).map(|_| end)
        };
        assert_eq!(
            fault_of(returned).as_deref(),
            Some("malformed"),
            "function {number}, after it was given back"
        );
    }
    let unknown = |fake: &mut Fake, visit: &PolicyCall<'_>| {
        host_call(fake, 0, visit, u32::try_from(F::ALL.len()).unwrap(), [1, 0, 0, 0]).map(|_| 0)
    };
    assert_eq!(fault_of(unknown).as_deref(), Some("malformed"));
}

#[test]
fn a_place_for_an_answer_that_is_askew_or_beyond_the_end_is_refused() {
    for (function, at) in [
        (F::Method, 513),
        (F::Method, SIZE as u32 - 4),
        (F::Principal, u32::MAX - 3),
        (F::Agent, 514),
        (F::Scopes, SIZE as u32),
        (F::Route, 1),
        (F::Action, 514),
        (F::Arguments, SIZE as u32 - 4),
        (F::Authority, 513),
        (F::Query, u32::MAX - 3),
        (F::HeaderNames, SIZE as u32),
    ] {
        let fault = fault_of(move |fake, visit| fake.ask(visit, function, [1, at, 0, 0]).map(|_| 0));
        assert_eq!(fault.as_deref(), Some("malformed"), "{function:?} at {at}");
    }
    // A claim has eight-byte members.
    let askew = |fake: &mut Fake, visit: &PolicyCall<'_>| {
        fake.put(256, b"/t");
        fake.ask(visit, F::Claim, [1, 256, 2, 516]).map(|_| 0)
    };
    assert_eq!(fault_of(askew).as_deref(), Some("malformed"));
    let askew = |fake: &mut Fake, visit: &PolicyCall<'_>| {
        fake.put(256, b"/t");
        fake.ask(visit, F::Argument, [1, 256, 2, 516]).map(|_| 0)
    };
    assert_eq!(fault_of(askew).as_deref(), Some("malformed"));
}

#[test]
fn a_question_that_is_no_text_is_refused() {
    for (at, len) in [(256, 2), (SIZE as u32 - 1, 2), (u32::MAX, 1), (0, limits::POLICY_TEXT_BYTES + 1)] {
        let fault = fault_of(move |fake, visit| {
            fake.put(256, &[0xc3, 0x28]);
            fake.ask(visit, F::Header, [1, at, len, 512]).map(|_| 0)
        });
        assert!(matches!(fault.as_deref(), Some("malformed" | "output")), "{len} bytes at {at}: {fault:?}");
    }
}

#[test]
fn an_allocator_that_lies_is_at_fault() {
    for place in [SIZE as u32, SIZE as u32 - 1, u32::MAX] {
        let fake = Fake::new(move |fake, function, _, visit| match function {
            PolicyFunction::Check => fake.ask(visit.unwrap(), F::Method, [1, 512, 0, 0]).map(|_| 0),
            // Settings are placed by the same allocator, and must fit for the policy to be asked at all.
            PolicyFunction::Realloc => Ok(if fake.heap == HEAP { fake.room(1, 2) } else { place }),
            _ => Ok(0),
        });
        assert_eq!(record(&decided(fake)), ("fault", Some("malformed")), "a text at {place}");
    }
}

#[test]
fn every_question_takes_fuel_and_long_ones_take_more() {
    let fuel = |len: usize| {
        let decision = decided(Fake::checking(move |fake, visit| {
            fake.ask_with(visit, F::HasScope, &"s".repeat(len))?;
            abstains(fake, visit)
        }));
        decision.policies()[0].fuel.unwrap()
    };
    assert_eq!(fuel(0), 2 * limits::HOST_CALL_FUEL);
    assert_eq!(fuel(160), 2 * limits::HOST_CALL_FUEL + 10);
    let endless = |fake: &mut Fake, visit: &PolicyCall<'_>| {
        loop {
            fake.ask(visit, F::Now, [1, 0, 0, 0])?;
        }
    };
    assert_eq!(fault_of(endless).as_deref(), Some("fuel"));
}

#[test]
fn a_log_is_bounded_and_one_line_stays_one_line() {
    let decision = decided(Fake::checking(|fake, visit| {
        for (level, text) in [(0, "one\ntwo"), (1, ""), (2, "three")] {
            fake.put(256, text.as_bytes());
            fake.ask(visit, F::Log, [level, 256, text.len() as u32, 0])?;
        }
        for _ in 0..1000 {
            fake.ask(visit, F::Log, [0, 4096, 500, 0])?;
        }
        abstains(fake, visit)
    }));
    let log = &decision.policies()[0].log;
    let lines: Vec<&str> = log.lines().iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines[..3], ["one two", "", "three"]);
    assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= limits::POLICY_LOG_BYTES);
    assert_eq!(log.dropped() as usize, 1003 - lines.len());
    assert_eq!(
        fault_of(|fake, visit| fake.ask(visit, F::Log, [3, 0, 0, 0]).map(|_| 0)).as_deref(),
        Some("malformed")
    );
}

/// Reads an answer of `check` that is made of these words at 1024.
fn lifted(budget: u32, words: &[u32]) -> Result<Verdict, Fault> {
    lifted_of(3, budget, words)
}

/// The same of a policy with so many cases of obligations.
fn lifted_of(cases: u8, budget: u32, words: &[u32]) -> Result<Verdict, Fault> {
    let mut fake = Fake::checking(|_, _| Ok(0));
    fake.put(64, b"name");
    fake.put(72, b"value");
    fake.put(80, &[0xff, 0xfe]);
    // Three obligations; what follows the text of the last one is nobody's.
    fake.words(2048, &[0, 64, 4, 72, 5, 1, 64, 4, 72, 5, 2, 72, 5, u32::MAX, u32::MAX]);
    fake.words(1024, words);
    lift_verdict(&fake, 1024, budget, cases)
}

#[test]
fn an_answer_that_breaks_a_rule_is_malformed() {
    let end = SIZE as u32;
    for (what, words) in [
        ("no such case", &[3, 0, 0, 0, 0][..]),
        ("a list askew", &[0, 2050, 1]),
        ("a list beyond the end", &[0, end - 16, 1]),
        ("a list that wraps around", &[0, u32::MAX - 3, 2]),
        ("an obligation of no such case", &[0, 1024, 1, 0, 0]),
        ("a code that is no text", &[1, 80, 2, 64, 4]),
        ("a code beyond the end", &[1, end - 1, 2, 64, 4]),
        ("a message that wraps around", &[1, 64, 4, u32::MAX, 4]),
        ("nothing, from beyond the end", &[1, end + 1, 0, 64, 4]),
    ] {
        let mut words = words.to_vec();
        if what.starts_with("an obligation") {
            words = vec![0, 1032, 1, 0, 0];
            words.splice(2.., [1, 3, 64, 4, 64, 4]);
            words[1] = 1036;
        }
        assert_eq!(lifted(4096, &words), Err(Fault::Malformed), "{what}");
    }
    assert_eq!(lift_verdict(&Fake::checking(|_, _| Ok(0)), 1026, 99, 3), Err(Fault::Malformed), "askew");
    assert_eq!(
        lift_verdict(&Fake::checking(|_, _| Ok(0)), end - 4, 99, 3),
        Err(Fault::Malformed),
        "beyond the end"
    );
}

/// It can only be garbage: the policy does not know what it would say.
#[test]
fn a_case_that_came_after_the_policy_is_malformed() {
    let approve = [0, 2048 + 40, 1, 0, 0];
    assert_eq!(lifted_of(2, 4096, &approve), Err(Fault::Malformed));
    let reason = "value".to_owned();
    assert_eq!(lifted_of(3, 4096, &approve), Ok(Verdict::Allow(vec![Obligation::Approve { reason }])));
    assert!(lifted_of(2, 4096, &[0, 2048, 2, 0, 0]).is_ok(), "what it has always known");

    // The list in the module says how many there are.
    let asks = |obligation_cases| {
        let fake = Fake::checking(|fake, visit| {
            fake.ask(visit, F::Drop, [1, 0, 0, 0])?;
            fake.put(72, b"value");
            fake.words(2048, &[2, 72, 5, 0, 0]);
            Ok(fake.words(1024, &[0, 2048, 1, 0, 0]))
        });
        decided(Fake { obligation_cases, ..fake })
    };
    assert_eq!(record(&asks(2)), ("fault", Some("malformed")));
    let decision = asks(3);
    assert_eq!((record(&decision), decision.reason()), (("allow", None), Some(Reason::ApprovalRequired)));
}

#[test]
fn a_list_of_policies_that_does_not_say_all_is_not_read() {
    for (list, is_read) in [
        (r#"[{"name":"guard","sha256":"00"}]"#, false),
        (r#"[{"name":"guard","sha256":"00","obligation_cases":"3"}]"#, false),
        (r#"[{"name":"guard","sha256":"00","obligation_cases":256}]"#, false),
        (r#"[{"name":"guard","sha256":"00","obligation_cases":3}]"#, true),
    ] {
        let fake = Fake { list: Some(list), ..Fake::checking(abstains) };
        assert_eq!(LinkedPolicies::new(fake).is_ok(), is_read, "{list}");
    }
}

#[test]
fn an_answer_within_its_budget_is_read_and_one_byte_more_is_too_much() {
    let field = || ("name".to_owned(), "value".to_owned());
    let obligations = vec![
        Obligation::Header { name: field().0, value: field().1 },
        Obligation::Audit { name: field().0, value: field().1 },
        Obligation::Approve { reason: field().1 },
    ];
    let denial = Verdict::Deny { code: field().0, message: field().1 };
    for (words, size, verdict) in [
        (&[0, 2048, 3, 0, 0][..], 2 * (16 + 9) + 16 + 5, Verdict::Allow(obligations)),
        (&[0, 0, 0, 0, 0], 0, Verdict::Allow(Vec::new())),
        (&[1, 64, 4, 72, 5], 9, denial),
        (&[2, 0, 0, 0, 0], 0, Verdict::Abstain),
    ] {
        assert_eq!(lifted(size, words), Ok(verdict));
        if size > 0 {
            assert_eq!(lifted(size - 1, words), Err(Fault::Output));
        }
    }
    assert_eq!(
        lifted(u32::MAX, &[0, 2048, u32::MAX, 0, 0]),
        Err(Fault::Output),
        "a list that nobody could hold"
    );
}

#[test]
fn problems_with_settings_are_read_with_their_places() {
    let mut fake = Fake::checking(|_, _| Ok(0));
    fake.put(64, b"/a/b");
    fake.put(72, b"wrong");
    fake.words(128, &[64, 4, 72, 5]);
    fake.words(1024, &[1, 128, 1]);
    let complaint = Complaint { pointer: "/a/b".to_owned(), message: "wrong".to_owned() };
    assert_eq!(lift_configured(&fake, 1024, 25), Ok(Err(vec![complaint])));
    assert_eq!(lift_configured(&fake, 1024, 24), Err(Fault::Output));
    fake.words(1024, &[0, 9, 9]);
    assert_eq!(lift_configured(&fake, 1024, 0), Ok(Ok(())));
    fake.words(1024, &[2, 0, 0]);
    assert_eq!(lift_configured(&fake, 1024, 99), Err(Fault::Malformed));
}

fn configured(fake: Fake) -> Vec<String> {
    let config = config(|c| c["policies"] = json!([{ "name": "guard", "settings": { "a": [1] } }]));
    let gate = Gate::new(config, Box::new(LinkedPolicies::new(fake).unwrap()), [7; 16]);
    gate.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn a_policy_that_fails_while_it_is_configured_fails_the_configuration() {
    for (function, name) in [
        (PolicyFunction::Start, "start"),
        (PolicyFunction::Initialise, "initialise"),
        (PolicyFunction::Configure, "configure"),
        (PolicyFunction::PostConfigure, "post"),
    ] {
        let failing = Fake::new(move |fake, called, [_, _, align, size], _| match called {
            _ if called == function => Err(Fault::Trap),
            PolicyFunction::Realloc => Ok(fake.room(align, size)),
            _ => Ok(0),
        });
        assert_eq!(configured(failing), ["`/policies/0/settings`: the policy failed: trap"], "{name}");
    }
    let silent = Fake::new(|fake, called, [_, _, align, size], _| match called {
        PolicyFunction::Realloc => Ok(fake.room(align, size)),
        PolicyFunction::Configure => Ok(fake.words(1024, &[1, 0, 0])),
        _ => Ok(0),
    });
    assert_eq!(
        configured(silent),
        ["`/policies/0/settings`: the policy refuses its settings and does not say why"]
    );
}

#[test]
fn a_policy_gets_its_settings_as_json_and_may_ask_nothing_before_it_is_asked() {
    let fake = Fake::new(|fake, called, [at, len, align, size], visit| match called {
        PolicyFunction::Start => {
            assert!(visit.is_none(), "nothing can be asked while a component is instantiated");
            Ok(0)
        }
        PolicyFunction::Realloc => Ok(fake.room(align, size)),
        PolicyFunction::Configure => {
            assert_eq!(&fake.memory[at as usize..][..len as usize], br#"{"a":[1]}"#);
            assert_eq!(fake.ask(visit.unwrap(), F::Now, [1, 0, 0, 0]), Err(Fault::Malformed));
            Ok(fake.words(1024, &[0]))
        }
        _ => Ok(0),
    });
    assert_eq!(configured(fake), Vec::<String>::new());
}

#[test]
fn every_call_starts_from_the_state_after_configure() {
    let remembers = Fake::new(|fake, called, [_, _, align, size], visit| match called {
        PolicyFunction::Realloc => Ok(fake.room(align, size)),
        PolicyFunction::Configure => Ok(fake.words(1024, &[0, 7])),
        PolicyFunction::Check => {
            assert_eq!((fake.word(1028), fake.word(4096)), (7, 0), "what configure wrote, and nothing else");
            fake.words(1028, &[8]);
            fake.words(4096, &[1]);
            abstains(fake, visit.unwrap())
        }
        _ => Ok(0),
    });
    let config = config(|c| {
        c["policies"] = json!([{ "name": "guard" }, { "name": "again", "policy": "guard" }]);
        c["routes"] = json!([{ "match": { "path_prefix": "/" }, "policies": ["guard", "again"] }]);
    });
    let mut gate = Gate::new(config, Box::new(LinkedPolicies::new(remembers).unwrap()), [7; 16]).unwrap();
    for _ in 0..3 {
        let bearer = format!("Bearer {}", token(json!({})));
        let decision = decide(&mut gate, head("GET", "/", &[("authorization", &bearer)]));
        assert_eq!(decision.policies().len(), 2);
        assert_eq!(decision.reason(), None);
    }
}

proptest! {
    #[test]
    fn no_memory_makes_the_reading_of_an_answer_fail_in_another_way(
        bytes in proptest::collection::vec(any::<u8>(), 0..512),
        at in prop_oneof![0_u32..600, any::<u32>()],
        budget in 0_u32..65_536,
    ) {
        let mut fake = Fake::checking(|_, _| Ok(0));
        fake.memory.truncate(512);
        fake.put(0, &bytes);
        let verdicts = [0, 2, 3, u8::MAX].map(|cases| lift_verdict(&fake, at, budget, cases).map(drop));
        for result in verdicts.into_iter().chain([lift_configured(&fake, at, budget).map(drop)]) {
            prop_assert!(matches!(result, Ok(()) | Err(Fault::Malformed | Fault::Output)));
        }
    }
}

#[test]
fn every_image_has_a_number_of_its_own() {
    let restored: Rc<RefCell<Vec<u32>>> = Rc::default();
    let mut gates: Vec<Gate> = (0..2)
        .map(|_| {
            let config = config(|c| {
                c["policies"] =
                    json!([{ "name": "one", "policy": "guard" }, { "name": "two", "policy": "guard" }]);
                c["routes"] = json!([{ "match": { "path_prefix": "/v1" }, "policies": ["one", "two"] }]);
            });
            let fake = Fake { restored: Rc::clone(&restored), ..Fake::checking(abstains) };
            Gate::new(config, Box::new(LinkedPolicies::new(fake).unwrap()), [7; 16]).unwrap()
        })
        .collect();
    let bearer = format!("Bearer {}", token(json!({ "scope": "tickets.read" })));
    for _ in 0..2 {
        for gate in &mut gates {
            decide(gate, head("GET", "/v1", &[("authorization", &bearer)]));
        }
    }
    let restored = restored.borrow();
    let (first, second) = restored.split_at(4);
    assert_eq!(first, second, "an image keeps its number");
    let mut different = first.to_vec();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() == 4 && !different.contains(&0), "{restored:?}: also of two configurations");
}
