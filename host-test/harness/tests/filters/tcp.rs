//! TCP connections.

use mandate_harness::{HarnessError, HostCall, Peer};

use crate::{guest, messages};

#[test]
fn data_passes_both_ways_and_is_rewritten() {
    let mut vm = guest("tcp").start().unwrap();
    let connection = vm.connect().unwrap();
    let state = vm.downstream_data(connection, "hello\n", false).unwrap();
    assert_eq!(state.to_upstream, b"> hello\n");
    let state = vm.upstream_data(connection, "welcome\n", false).unwrap();
    assert_eq!(state.to_downstream, b"WELCOME\n");
    vm.upstream_data(connection, "", true).unwrap();
    assert_eq!(messages(&vm), ["the upstream's end was closed: Unknown"]);
    let last = vm.close_downstream(connection, Peer::Remote).unwrap();
    assert!(!last.closed);
    let said = messages(&vm);
    assert_eq!(said[1..], ["the client's end was closed: Remote", "the connection is over"]);
    assert!(vm.connections().is_empty() && vm.contexts() == [1]);
    assert!(matches!(vm.connection(connection), Err(HarnessError::UnknownConnection(_))));
}

#[test]
fn data_that_is_held_is_shown_again_with_what_follows() {
    let mut vm = guest("tcp").start().unwrap();
    let connection = vm.connect().unwrap();
    for piece in ["he", "ll"] {
        let state = vm.downstream_data(connection, piece, false).unwrap();
        assert!(state.downstream_paused && state.to_upstream.is_empty());
    }
    let state = vm.downstream_data(connection, "o\n", false).unwrap();
    assert_eq!((state.to_upstream.as_slice(), state.downstream_paused), (&b"> hello\n"[..], false));
    let state = vm.downstream_data(connection, "bye", true).unwrap();
    assert_eq!(state.to_upstream, b"> hello\n> bye");
    assert!(matches!(vm.downstream_data(connection, "", true), Err(HarnessError::ConnectionEnded(_))));
}

#[test]
fn the_filter_closes_a_connection() {
    let mut vm = guest("tcp").start().unwrap();
    let connection = vm.connect().unwrap();
    let state = vm.downstream_data(connection, "quit\n", false).unwrap();
    assert!(state.closed && state.to_upstream.is_empty());
    assert!(matches!(vm.upstream_data(connection, "", false), Err(HarnessError::ConnectionEnded(_))));
    vm.close_downstream(connection, Peer::Local).unwrap();
}

#[test]
fn a_trap_closes_the_connection_and_all_that_follow() {
    let trap = mandate_harness::Injection {
        call: HostCall::SetBufferBytes,
        nth: mandate_harness::Nth::Only(1),
        effect: mandate_harness::Effect::Trap,
    };
    let mut vm = guest("tcp").inject(trap).start().unwrap();
    let connection = vm.connect().unwrap();
    let state = vm.downstream_data(connection, "hello\n", false).unwrap();
    assert!(state.trapped.unwrap().starts_with("proxy_on_downstream_data: "));
    assert_eq!(state.to_upstream, b"");
    let next = vm.connect().unwrap();
    assert!(vm.connection(next).unwrap().trapped.is_some());
}
