//! The room where requests wait for keys: bounded for all together and for each source, and left in turn.
//!
//! Whoever waits is unverified, and cheap to make: without a bound of its own, one client with forged tokens would take all
//! places before the first key set comes.

use crate::limits;
use std::collections::BTreeMap;

/// Where a request comes from. Those of whom it is not known are one source.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(Option<Box<[u8]>>);

impl Source {
    /// From the address of a client as the proxy writes it, `192.0.2.1:4711` or `[2001:db8::1]:4711`: without the port, which a
    /// client chooses, and of an IPv6 address the first half, for a client has all of the second (RFC 4291 §2.5.4).
    #[must_use]
    pub fn of(address: &[u8]) -> Self {
        let parsed = core::str::from_utf8(address).ok().and_then(|text| text.parse().ok());
        Self(Some(match parsed {
            Some(core::net::SocketAddr::V4(address)) => Box::from(address.ip().octets()),
            Some(core::net::SocketAddr::V6(address)) => address.ip().octets().split_at(8).0.into(),
            // Such as the path of a Unix socket.
            None => address.into(),
        }))
    }
}

/// What is taken of the room.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    requests: usize,
    bytes: usize,
}

impl Taken {
    fn has_room(self, size: usize, requests: usize, bytes: usize) -> bool {
        self.requests < requests && self.bytes.saturating_add(size) <= bytes
    }

    fn add(&mut self, size: usize) {
        self.requests = self.requests.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
    }

    fn remove(&mut self, size: usize) {
        self.requests = self.requests.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }
}

/// Who waits, by the number of the request.
#[derive(Debug)]
pub struct WaitingRoom<T> {
    waiting: BTreeMap<u32, (Source, usize, T)>,
    sources: BTreeMap<Source, Taken>,
    all: Taken,
}

impl<T> Default for WaitingRoom<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), sources: BTreeMap::new(), all: Taken::default() }
    }
}

impl<T> WaitingRoom<T> {
    /// Whether there is room for a request of so many bytes from this source.
    #[must_use]
    pub fn has_room(&self, source: &Source, size: usize) -> bool {
        let of_source = self.sources.get(source).copied().unwrap_or_default();
        self.all.has_room(size, limits::WAITING_REQUESTS, limits::WAITING_BYTES)
            && of_source.has_room(size, limits::WAITING_SOURCE_REQUESTS, limits::WAITING_SOURCE_BYTES)
    }

    /// Lets a request in; whether there is [room](Self::has_room) for it was asked before.
    pub fn enter(&mut self, request: u32, source: Source, size: usize, what: T) {
        self.leave(request);
        self.all.add(size);
        self.sources.entry(source.clone()).or_default().add(size);
        self.waiting.insert(request, (source, size, what));
    }

    /// Lets a request out, if it waits.
    pub fn leave(&mut self, request: u32) -> Option<T> {
        let (source, size, what) = self.waiting.remove(&request)?;
        self.all.remove(size);
        if let Some(taken) = self.sources.get_mut(&source) {
            taken.remove(size);
            if taken.requests == 0 {
                self.sources.remove(&source);
            }
        }
        Some(what)
    }

    /// A request that waits.
    pub fn get_mut(&mut self, request: u32) -> Option<&mut T> {
        self.waiting.get_mut(&request).map(|(_, _, what)| what)
    }

    /// Everyone who waits, in turn: the first of each source, then the second of each, and so on.
    #[must_use]
    pub fn in_turn(&self) -> Vec<u32> {
        let mut seen: BTreeMap<&Source, u32> = BTreeMap::new();
        let mut turns: Vec<(u32, u32)> = Vec::with_capacity(self.waiting.len());
        for (request, (source, ..)) in &self.waiting {
            let turn = seen.entry(source).or_default();
            turns.push((*turn, *request));
            *turn = turn.saturating_add(1);
        }
        turns.sort_unstable();
        turns.into_iter().map(|(_, request)| request).collect()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> Source {
        Source::of(address.as_bytes())
    }

    #[test]
    fn a_port_makes_no_other_source_nor_does_the_second_half_of_an_ipv6_address() {
        assert_eq!(source("192.0.2.1:1"), source("192.0.2.1:2"));
        assert_eq!(source("[2001:db8::1]:1"), source("[2001:db8::2]:1"));
        assert_ne!(source("192.0.2.1:1"), source("192.0.2.2:1"));
        assert_ne!(source("[2001:db8::1]:1"), source("[2001:db8:0:1::1]:1"));
        assert_ne!(source("/run/socket"), Source::default());
    }

    #[test]
    fn one_source_cannot_take_all_places() {
        let mut room = WaitingRoom::default();
        let (crowd, other) = (source("192.0.2.1:1"), source("192.0.2.2:1"));
        for request in 0..2000 {
            if room.has_room(&crowd, 10) {
                room.enter(request, crowd.clone(), 10, ());
            }
        }
        assert_eq!(room.len(), limits::WAITING_SOURCE_REQUESTS);
        assert!(room.has_room(&other, 10));
        assert!(!room.has_room(&other, limits::WAITING_SOURCE_BYTES + 1), "nor all bytes");
        // Who leaves makes room.
        assert_eq!(room.leave(0), Some(()));
        assert!(room.has_room(&crowd, 10));
    }

    #[test]
    fn the_room_is_bounded_for_all_together() {
        let mut room = WaitingRoom::default();
        let places = u32::try_from(limits::WAITING_REQUESTS).unwrap_or(u32::MAX);
        for request in 0..places + 10 {
            let of = source(&format!("10.0.{}.{}:1", request / 250, request % 250));
            if room.has_room(&of, 1) {
                room.enter(request, of, 1, ());
            }
        }
        assert_eq!(room.len(), limits::WAITING_REQUESTS);
    }

    #[test]
    fn sources_take_turns() {
        let mut room = WaitingRoom::default();
        for (request, address) in [(1, "10.0.0.1:1"), (2, "10.0.0.1:2"), (3, "10.0.0.1:3"), (4, "10.0.0.2:1")]
        {
            room.enter(request, source(address), 1, ());
        }
        assert_eq!(room.in_turn(), [1, 4, 2, 3]);
    }

    #[test]
    fn a_request_that_enters_again_takes_one_place() {
        let mut room = WaitingRoom::default();
        room.enter(1, Source::default(), 5, "first");
        room.enter(1, Source::default(), 7, "second");
        assert_eq!((room.len(), room.leave(1), room.is_empty()), (1, Some("second"), true));
    }
}
