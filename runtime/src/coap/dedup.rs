//! What was heard already, so that a duplicate is answered again and not acted on again (RFC 7252 4.5).
//!
//! Memory is bounded: when the table is full, the oldest go early, and a very late duplicate counts as new. A message
//! is known by peer, message id and a fingerprint of its bytes: a resend repeats every byte, while another device behind the
//! same address, or one that restarted with the same message id, says something else.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::generations::{Generations, Room};
use super::hash::KeyedState;

/// How long a confirmable message may come again (RFC 7252 4.8.2).
pub const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);
/// How long a non-confirmable message may come again (RFC 7252 4.8.2).
pub const NON_LIFETIME: Duration = Duration::from_secs(145);

/// Names one message. Half the size of the address type it is made from: there are as many as messages in four minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    address: [u8; 16],
    port: u16,
    mid: u16,
    fingerprint: u32,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.address));
        state.write_u64(u64::from(self.port) << 48 | u64::from(self.mid) << 32 | u64::from(self.fingerprint));
    }
}

/// What is known of a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// It is being worked on: stay silent, the answer comes.
    Open,
    /// It was answered with these bytes; none = an empty ACK, or nothing for a non-confirmable message.
    Answered(&'a [u8]),
}

#[derive(Debug)]
struct Heard {
    until: Instant,
    reply: Option<Box<[u8]>>,
}

/// The memory.
#[derive(Debug)]
pub struct Dedup {
    heard: Generations<Key, Heard>,
    state: KeyedState,
}

impl Dedup {
    /// Remembers at most `entries` messages.
    #[must_use]
    pub fn new(entries: usize, state: KeyedState) -> Self {
        let room = Room { entries, weight: usize::MAX, turn: EXCHANGE_LIFETIME };
        Self { heard: Generations::new(room, state, |_| 0), state }
    }

    /// The name of a message that came now.
    #[must_use]
    pub fn key(&self, peer: SocketAddr, mid: u16, datagram: &[u8]) -> Key {
        let mut hasher = self.state.build_hasher();
        hasher.write(datagram);
        let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
        let address = match peer.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        Key { address, port: peer.port(), mid, fingerprint: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Was it heard before, within its lifetime?
    #[must_use]
    pub fn find(&self, now: Instant, key: &Key) -> Option<Seen<'_>> {
        let heard = self.heard.find(key).filter(|heard| now < heard.until)?;
        Some(heard.reply.as_deref().map_or(Seen::Open, Seen::Answered))
    }

    /// Remembers a message that is being worked on. True when a generation was turned: time to sweep what refers to it.
    pub fn open(&mut self, now: Instant, key: Key, lifetime: Duration) -> bool {
        self.heard.put(now, key, Heard { until: now + lifetime, reply: None }).is_some()
    }

    /// It was answered with these bytes.
    pub fn settle(&mut self, key: &Key, reply: &[u8]) {
        if let Some(heard) = self.heard.find_mut(key) {
            heard.reply = Some(reply.into());
        }
    }

    /// As if it had never come.
    pub fn forget(&mut self, key: &Key) {
        self.heard.take(key);
    }

    /// Messages remembered now, some of them perhaps over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heard.len()
    }

    /// Is nothing remembered?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::Random;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn dedup(entries: usize) -> Dedup {
        Dedup::new(entries, KeyedState::new(&mut Random::new([7; 32])))
    }

    fn peer() -> SocketAddr {
        "192.0.2.1:5683".parse().unwrap()
    }

    #[test]
    fn a_message_is_known_until_its_lifetime_ends() {
        let (start, mut dedup) = (origin(), dedup(100));
        let key = dedup.key(peer(), 1, b"x");
        assert_eq!(dedup.find(start, &key), None);
        dedup.open(start, key, EXCHANGE_LIFETIME);
        assert_eq!(dedup.find(start, &key), Some(Seen::Open));
        dedup.settle(&key, b"reply");
        let last = start + EXCHANGE_LIFETIME - Duration::from_millis(1);
        assert_eq!(dedup.find(last, &key), Some(Seen::Answered(b"reply")));
        assert_eq!(dedup.find(start + EXCHANGE_LIFETIME, &key), None);
    }

    #[test]
    fn a_turn_keeps_what_is_not_over() {
        let (start, mut dedup) = (origin(), dedup(100));
        dedup.open(start, dedup.key(peer(), 1, b"x"), EXCHANGE_LIFETIME);
        let late = start + Duration::from_secs(240);
        let key = dedup.key(peer(), 2, b"x");
        dedup.open(late, key, EXCHANGE_LIFETIME);
        let after = start + Duration::from_secs(250);
        assert!(dedup.open(after, dedup.key(peer(), 3, b"x"), EXCHANGE_LIFETIME));
        dedup.settle(&key, b"");
        assert_eq!(dedup.find(after, &key), Some(Seen::Answered(b"")));
        dedup.forget(&key);
        assert_eq!(dedup.find(after, &key), None);
    }

    #[test]
    fn other_bytes_with_the_same_message_id_are_another_message() {
        let dedup = dedup(100);
        assert_ne!(dedup.key(peer(), 1, b"x"), dedup.key(peer(), 1, b"y"));
        assert_eq!(dedup.key(peer(), 1, b"x"), dedup.key(peer(), 1, b"x"));
    }

    /// Two million messages from 65,536 addresses, a thousand a second: never more than the cap, and what came within the
    /// last half of it is known.
    #[test]
    fn millions_of_messages_stay_within_the_cap() {
        let (start, mut dedup) = (origin(), dedup(20_000));
        let peer = |n: u32| SocketAddr::from(([10, 0, 0, 1], u16::try_from(n & 0xffff).unwrap()));
        let key = |dedup: &Dedup, n: u32| dedup.key(peer(n), u16::try_from(n >> 16).unwrap(), b"x");
        for n in 0..2_000_000_u32 {
            let now = start + Duration::from_millis(u64::from(n));
            let (new, recent) = (key(&dedup, n), key(&dedup, n.saturating_sub(9_999)));
            dedup.open(now, new, EXCHANGE_LIFETIME);
            dedup.settle(&new, b"");
            assert!(dedup.len() <= 20_000);
            assert_eq!(dedup.find(now, &recent), Some(Seen::Answered(b"")));
        }
    }
}
