//! What was heard already, so that a duplicate is answered again and not acted on again (RFC 7252 4.5).
//!
//! Two generations of a table: the older one is dropped whole, so nothing is ever searched for what is over. Memory is
//! bounded: when the younger generation is full, the older goes early, and a very late duplicate counts as new. A message
//! is known by peer, message id and a fingerprint of its bytes: a resend repeats every byte, while another device behind the
//! same address, or one that restarted with the same message id, says something else.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::hash::KeyedState;

/// How long a confirmable message may come again (RFC 7252 4.8.2).
pub const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);
/// How long a non-confirmable message may come again (RFC 7252 4.8.2).
pub const NON_LIFETIME: Duration = Duration::from_secs(145);

/// Names one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    peer: SocketAddr,
    mid: u16,
    fingerprint: u32,
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
    young: HashMap<Key, Heard, KeyedState>,
    old: HashMap<Key, Heard, KeyedState>,
    turned: Option<Instant>,
    half: usize,
    state: KeyedState,
}

impl Dedup {
    /// Remembers at most `entries` messages.
    #[must_use]
    pub fn new(entries: usize, state: KeyedState) -> Self {
        let table = || HashMap::with_hasher(state);
        Self { young: table(), old: table(), turned: None, half: (entries / 2).max(1), state }
    }

    /// The name of a message that came now.
    #[must_use]
    pub fn key(&self, peer: SocketAddr, mid: u16, datagram: &[u8]) -> Key {
        let mut hasher = self.state.build_hasher();
        hasher.write(datagram);
        let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
        Key { peer, mid, fingerprint: u32::from_be_bytes([a, b, c, d]) }
    }

    /// Was it heard before, within its lifetime?
    #[must_use]
    pub fn find(&self, now: Instant, key: &Key) -> Option<Seen<'_>> {
        let heard = self.young.get(key).or_else(|| self.old.get(key)).filter(|heard| now < heard.until)?;
        Some(heard.reply.as_deref().map_or(Seen::Open, Seen::Answered))
    }

    /// Remembers a message that is being worked on. True when a generation was turned: time to sweep what refers to it.
    pub fn open(&mut self, now: Instant, key: Key, lifetime: Duration) -> bool {
        let turned = *self.turned.get_or_insert(now);
        let turn = self.young.len() >= self.half || now.saturating_duration_since(turned) >= EXCHANGE_LIFETIME;
        if turn {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young = HashMap::with_hasher(self.state);
            self.turned = Some(now);
        }
        self.old.remove(&key);
        self.young.insert(key, Heard { until: now + lifetime, reply: None });
        turn
    }

    /// It was answered with these bytes.
    pub fn settle(&mut self, key: &Key, reply: &[u8]) {
        if let Some(heard) = self.young.get_mut(key).or_else(|| self.old.get_mut(key)) {
            heard.reply = Some(reply.into());
        }
    }

    /// As if it had never come.
    pub fn forget(&mut self, key: &Key) {
        if self.young.remove(key).is_none() {
            self.old.remove(key);
        }
    }

    /// Messages remembered now, some of them perhaps over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
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

    #[test]
    fn a_flood_is_bounded() {
        let (start, mut dedup) = (origin(), dedup(100));
        for mid in 0..10_000 {
            dedup.open(start, dedup.key(peer(), mid, b"x"), EXCHANGE_LIFETIME);
            assert!(dedup.len() <= 100);
        }
    }
}
