//! Is a notify newer than the one before (RFC 7641 3.4)? A number of 24 bits that wraps, and 128 seconds after which any is.
//!
//! Only what came within these 128 seconds can be newer than something, so an observation that is silent costs nothing.

use std::time::{Duration, Instant};

use super::generations::{Generations, Room};
use super::hash::KeyedState;

/// After this long any notify is newer.
const CERTAIN: Duration = Duration::from_secs(128);

/// The newest notify of each observation.
#[derive(Debug)]
pub struct Freshness {
    newest: Generations<(u64, u64), (u32, Instant)>,
}

impl Freshness {
    /// Knows at most this many observations; of the others every notify is new.
    #[must_use]
    pub fn new(observations: usize, state: KeyedState) -> Self {
        let room = Room { entries: observations, weight: usize::MAX, turn: CERTAIN };
        Self { newest: Generations::new(room, state, |_| 0) }
    }

    /// Is this notify, that came now, newer than all before, or the newest once more? That one comes again if it could not be
    /// stored. `observation` are two numbers that name it.
    pub fn admit(&mut self, now: Instant, observation: (u64, u64), number: u32) -> bool {
        let number = number & 0x00ff_ffff;
        let before = self.newest.find(&observation);
        let newer = before.is_none_or(|(newest, at)| {
            *newest == number || is_newer(*newest, number) || now.saturating_duration_since(*at) > CERTAIN
        });
        if newer {
            self.newest.put(now, observation, (number, now));
        }
        newer
    }

    /// The observation was begun anew: its numbers too.
    pub fn forget(&mut self, observation: (u64, u64)) {
        self.newest.take(&observation);
    }

    /// Observations that are known now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.newest.len()
    }

    /// Is none known?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn is_newer(before: u32, now: u32) -> bool {
    const HALF: u32 = 1 << 23;
    (before < now && now - before < HALF) || (before > now && before - now > HALF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::Random;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn freshness() -> Freshness {
        Freshness::new(100, KeyedState::new(&mut Random::new([7; 32])))
    }

    #[test]
    fn numbers_in_order_wrap_at_24_bits() {
        for (before, now, newer) in [
            (1, 2, true),
            (2, 2, true),
            (2, 1, false),
            (0xff_ffff, 0, true),
            (0xff_fff0, 5, true),
            (0, 0xff_ffff, false),
            (0, (1 << 23) - 1, true),
            (0, 1 << 23, false),
            (1 << 23, 0, false),
            ((1 << 23) + 1, 0, true),
        ] {
            let (start, mut freshness) = (origin(), freshness());
            assert!(freshness.admit(start, (1, 1), before), "the first is new");
            assert_eq!(freshness.admit(start, (1, 1), now), newer, "{before} then {now}");
            assert!(freshness.admit(start, (1, 2), now), "another observation");
        }
    }

    #[test]
    fn after_128_seconds_any_number_is_newer() {
        let (start, mut freshness) = (origin(), freshness());
        assert!(freshness.admit(start, (1, 1), 10));
        assert!(!freshness.admit(start + CERTAIN, (1, 1), 9));
        assert!(freshness.admit(start + CERTAIN + Duration::from_millis(1), (1, 1), 9));
        freshness.forget((1, 1));
        assert!(freshness.admit(start + CERTAIN, (1, 1), 3), "begun anew");
    }

    #[test]
    fn a_million_observations_stay_within_the_cap() {
        let (start, mut freshness) = (origin(), freshness());
        for observation in 0..1_000_000 {
            freshness.admit(start, (observation, 0), 1);
            assert!(freshness.len() <= 100);
        }
    }
}
