//! What lies between a device and its server: datagrams that get lost, come twice, come late and overtake each other, and a NAT that
//! forgets (RFC 7252 4.2 and 4.5 are about the former, REFERENCE C.6 about the latter).
//!
//! Sans-IO: it says when copies of a datagram arrive and when the address changes; who carries them out is another's business, be it
//! virtual time or real sockets.

use std::time::{Duration, Instant};

use crate::coap::Random;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Chance that a copy is lost, 0 to 1.
    pub loss: f64,
    /// Chance that a datagram comes twice, 0 to 1.
    pub duplicates: f64,
    /// Every copy takes this long at most: later ones overtake earlier ones.
    pub delay: Duration,
}

impl Conditions {
    /// Everything arrives, once and at once.
    pub const PERFECT: Self = Self { loss: 0.0, duplicates: 0.0, delay: Duration::ZERO };

    /// Whether a datagram can simply be sent.
    #[must_use]
    pub fn is_perfect(&self) -> bool {
        *self == Self::PERFECT
    }
}

/// One way of the network. Two devices may share it.
#[derive(Debug)]
pub struct Network {
    conditions: Conditions,
    random: Random,
    lost: u64,
    doubled: u64,
}

impl Network {
    /// `seed` decides what happens to which datagram.
    #[must_use]
    pub fn new(conditions: Conditions, seed: [u8; 32]) -> Self {
        Self { conditions, random: Random::new(seed), lost: 0, doubled: 0 }
    }

    /// It gets better or worse.
    pub fn change(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// When the copies of a datagram arrive that is sent now: none, one or two moments.
    pub fn carry(&mut self, now: Instant) -> impl Iterator<Item = Instant> + use<> {
        let Conditions { loss, duplicates, delay } = self.conditions;
        let twice = self.random.draw_fraction() < duplicates;
        self.doubled += u64::from(twice);
        let mut copy = |wanted: bool| {
            let lost = wanted && self.random.draw_fraction() < loss;
            self.lost += u64::from(lost);
            (wanted && !lost).then(|| now + delay.mul_f64(self.random.draw_fraction()))
        };
        [copy(true), copy(twice)].into_iter().flatten()
    }

    /// Copies lost, and datagrams that came twice.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.lost, self.doubled)
    }
}

/// When a NAT gives a device another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rebind {
    /// After it was silent for this long; what comes down later finds nobody.
    pub silence: Option<Duration>,
    /// After every so many datagrams that it sends.
    pub datagrams: Option<u32>,
}

/// The mapping that a NAT keeps for one device.
#[derive(Debug)]
pub struct Nat {
    rebind: Rebind,
    heard: Option<Instant>,
    sent: u32,
}

impl Nat {
    /// None yet.
    #[must_use]
    pub fn new(rebind: Rebind) -> Self {
        Self { rebind, heard: None, sent: 0 }
    }

    /// A datagram passes in either direction.
    pub fn passes(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// The device sends. True if it does so from another address than before.
    pub fn sends(&mut self, now: Instant) -> bool {
        let since = self.heard.replace(now).map(|heard| now.saturating_duration_since(heard));
        let forgotten = since.zip(self.rebind.silence).is_some_and(|(since, silence)| since >= silence);
        let used = self.rebind.datagrams.is_some_and(|most| self.sent >= most.max(1));
        let fresh = forgotten || used;
        self.sent = if fresh { 1 } else { self.sent.saturating_add(1) };
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn copies_are_as_many_and_as_late_as_the_conditions_say() {
        let now = origin();
        let perfect: Vec<Instant> = Network::new(Conditions::PERFECT, [1; 32]).carry(now).collect();
        assert_eq!(perfect, [now]);
        let foul = Conditions { loss: 0.25, duplicates: 0.5, delay: Duration::from_secs(2) };
        let mut network = Network::new(foul, [1; 32]);
        let copies: Vec<Instant> = (0..10_000).flat_map(|_| network.carry(now)).collect();
        assert!((10_900..11_600).contains(&copies.len()), "0.75 of 1.5 each: {}", copies.len());
        assert!(copies.iter().all(|at| (now..=now + foul.delay).contains(at)));
        let (lost, doubled) = network.counts();
        assert_eq!(copies.len() as u64 + lost, 10_000 + doubled);
        network.change(Conditions { loss: 1.0, ..foul });
        assert_eq!(network.carry(now).count(), 0);
    }

    #[test]
    fn the_same_seed_is_the_same_fate() {
        let now = origin();
        let foul = Conditions { loss: 0.3, duplicates: 0.3, delay: Duration::from_secs(1) };
        let fate = |seed: u8| {
            let mut network = Network::new(foul, [seed; 32]);
            (0..100).map(|_| network.carry(now).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(fate(1), fate(1));
        assert_ne!(fate(1), fate(2));
    }

    #[test]
    fn a_nat_forgets_after_silence_or_after_so_many_datagrams() {
        let now = origin();
        let second = Duration::from_secs(1);
        let mut silent = Nat::new(Rebind { silence: Some(second * 30), datagrams: None });
        assert!(!silent.sends(now) && !silent.sends(now + second * 29));
        assert!(silent.sends(now + second * 59) && !silent.sends(now + second * 60));
        silent.passes(now + second * 80);
        assert!(!silent.sends(now + second * 100));
        let mut counted = Nat::new(Rebind { silence: None, datagrams: Some(2) });
        assert_eq!([0; 6].map(|_| counted.sends(now)), [false, false, true, false, true, false]);
        assert!(!Nat::new(Rebind::default()).sends(now));
    }
}
