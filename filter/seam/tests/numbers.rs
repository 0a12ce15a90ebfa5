//! Numbers and names stand for one thing each, and come back as what they were passed for.

use mandate_seam::passed::{self, answered, returned, settled};
use mandate_seam::{ANSWER, Fault, HostFunction, PREFIX, PolicyFunction, Stub, limits};
use std::collections::BTreeSet;

macro_rules! numbers_and_names {
    ($($test:ident: $of:ty, $first:expr;)+) => {
        $(
            #[test]
            fn $test() {
                for (number, member) in ($first..).zip(<$of>::ALL) {
                    assert_eq!(member.number(), number);
                    assert_eq!(<$of>::from_number(number), Some(member));
                    assert_eq!(<$of>::from_name(member.name()), Some(member));
                }
                let end = <$of>::ALL.map(<$of>::number)[<$of>::ALL.len() - 1] + 1;
                for number in [$first.wrapping_sub(1), end, u32::MAX] {
                    assert_eq!(<$of>::from_number(number), None, "{number}");
                }
                assert_eq!(<$of>::from_name(""), None);
            }
        )+
    };
}

numbers_and_names! {
    faults_are_told_apart: Fault, 1_u32;
    policy_functions_are_told_apart: PolicyFunction, 0_u32;
    host_functions_are_told_apart: HostFunction, 0_u32;
}

#[test]
fn a_result_and_a_fault_share_a_word() {
    assert_eq!(returned(0), Ok(0));
    assert_eq!(returned(u64::from(u32::MAX)), Ok(u32::MAX));
    assert_eq!(settled(passed::NO_FAULT), Ok(()));
    for fault in Fault::ALL {
        assert_eq!(returned(u64::from(fault.number()) << passed::RESULT_BITS), Err(fault));
        assert_eq!(settled(fault.number()), Err(fault));
        assert_eq!(answered(Err(fault)) >> passed::VALUE_BITS, u64::from(fault.number()));
    }
    for unknown in [Fault::Missing.number() + 1, u32::MAX] {
        assert_eq!(settled(unknown), Err(Fault::Trap), "{unknown}");
    }
    let largest = (1 << passed::VALUE_BITS) - 1;
    for value in [0, 1, largest] {
        assert_eq!(answered(Ok(value)), value);
    }
    assert_eq!(answered(Ok(largest + 1)), 0, "a value that is too large is no fault");
}

#[test]
fn the_functions_of_the_filter_have_names_of_their_own() {
    let functions = Stub::ALL.map(Stub::function);
    let names: BTreeSet<&str> = functions.iter().chain([&ANSWER]).map(|function| function.name).collect();
    assert_eq!(names.len(), Stub::ALL.len() + 1);
    assert!(names.iter().all(|name| name.starts_with(PREFIX)), "{names:?}");
}

#[test]
fn what_is_passed_fits() {
    for function in PolicyFunction::ALL {
        assert!(function.signature().params.len() <= passed::ARGUMENTS, "{function:?}");
    }
    for function in HostFunction::ALL {
        assert!(function.signature().params.len() <= passed::ARGUMENTS, "{function:?}");
    }
    // The fault has what is left of the word.
    assert!(Fault::ALL.iter().all(|fault| u64::from(fault.number()) < 1 << (u64::BITS - passed::VALUE_BITS)));
}

#[test]
fn names_of_policies() {
    let longest = "a".repeat(limits::NAME_BYTES);
    for name in ["a", "ticket-guard", "7", "-", longest.as_str()] {
        assert!(limits::is_policy_name(name), "{name}");
    }
    let longer = "a".repeat(limits::NAME_BYTES + 1);
    for name in ["", "A", "ticket_guard", "a b", "ä", "a\"", longer.as_str()] {
        assert!(!limits::is_policy_name(name), "{name}");
    }
}
