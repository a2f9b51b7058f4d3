//! Whether a subscription may send at all: the breaker of a dead receiver, the rest it asked for, and how many requests it
//! bears at once. Pure: knows no event and no socket, `now` is the time since the lane began.
//!
//! A receiver that failed [`trip_after`](Gate::new) times in a row is left alone for a while and then probed with one request;
//! a success clears it (REFERENCE D.9: 10 failures, 3 minutes, one probe).

use std::time::Duration;

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Up to this many requests at once.
    Free(usize),
    /// One, to find out whether the receiver is back.
    Probe,
    /// None before this time; none = an answer is awaited.
    Shut(Option<Duration>),
}

/// The breaker, the rest and the load of one receiver.
#[derive(Debug)]
pub(super) struct Gate {
    trip_after: u32,
    pause: Duration,
    max_load: usize,
    load: usize,
    failures: u32,
    rest_until: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Tripped { until: Duration },
    Probing { seq: u64 },
}

/// Requests at once that an unknown receiver begins with.
const FIRST_LOAD: usize = 8;

impl Gate {
    /// Trips after `trip_after` failures in a row, for `pause`; lets at most `max_load` requests fly at once.
    pub(super) fn new(trip_after: u32, pause: Duration, max_load: usize) -> Self {
        let max_load = max_load.max(1);
        Self {
            trip_after: trip_after.max(1),
            pause,
            max_load,
            load: FIRST_LOAD.min(max_load),
            failures: 0,
            rest_until: Duration::ZERO,
            state: State::Closed,
        }
    }

    /// What may be sent at `now`.
    pub(super) fn pass(&self, now: Duration) -> Pass {
        if let Some(until) = self.shut_until().filter(|until| *until > now) {
            return Pass::Shut(Some(until));
        }
        match self.state {
            State::Closed => Pass::Free(self.load),
            State::Tripped { .. } => Pass::Probe,
            State::Probing { .. } => Pass::Shut(None),
        }
    }

    /// The probe left.
    pub(super) fn handle_probe_sent(&mut self, seq: u64) {
        self.state = State::Probing { seq };
    }

    /// A request succeeded. True when that brings a receiver back that was given up.
    pub(super) fn handle_success(&mut self) -> bool {
        let came_back = self.state != State::Closed;
        self.state = State::Closed;
        self.failures = 0;
        self.load = self.load.saturating_add(1).min(self.max_load);
        came_back
    }

    /// A request failed. Half the load is tried from now on; it grows back by one with each success.
    pub(super) fn handle_failure(&mut self, seq: u64, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.load = (self.load / 2).max(1);
        let trips = match self.state {
            State::Closed => self.failures >= self.trip_after,
            State::Probing { seq: probe } => probe == seq,
            State::Tripped { .. } => false,
        };
        if trips {
            self.state = State::Tripped { until: now.saturating_add(self.pause) };
        }
    }

    /// The receiver asked for silence until then (`Retry-After`).
    pub(super) fn handle_rest(&mut self, until: Duration) {
        self.rest_until = self.rest_until.max(until);
    }

    /// Failures since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// When the pause or the rest ends, if there is one; may lie in the past.
    fn shut_until(&self) -> Option<Duration> {
        match self.state {
            State::Tripped { until } => Some(until.max(self.rest_until)),
            State::Closed | State::Probing { .. } => (self.rest_until > Duration::ZERO).then_some(self.rest_until),
        }
    }
}

/// Exponential waiting with jitter, from a seed.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    random: u64,
}

impl Backoff {
    /// From `min`, doubled with each attempt, up to `max`.
    pub(super) fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self { min, max: max.max(min), random: seed }
    }

    /// How long to wait after the `attempts`th failure of an event: between half and all of `min` * 2^(attempts-1).
    pub(super) fn delay(&mut self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let full = self.min.saturating_mul(1_u32 << doublings).min(self.max);
        let half = full / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_millis(self.next_random() % spread)
    }

    /// The longest wait.
    pub(super) fn longest(&self) -> Duration {
        self.max
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): enough to keep receivers from being hit in step.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ten_failures_in_a_row_trip_it_and_one_probe_decides() {
        let mut gate = Gate::new(10, 180 * SECOND, 64);
        for seq in 0..9 {
            gate.handle_failure(seq, SECOND);
        }
        gate.handle_success();
        for seq in 0..9 {
            gate.handle_failure(seq, SECOND);
            assert!(matches!(gate.pass(SECOND), Pass::Free(_)), "nine after a success do not trip it");
        }
        gate.handle_failure(9, SECOND);
        assert_eq!(gate.pass(2 * SECOND), Pass::Shut(Some(181 * SECOND)));
        gate.handle_failure(10, 100 * SECOND);
        assert_eq!(gate.pass(101 * SECOND), Pass::Shut(Some(181 * SECOND)), "a straggler does not prolong the pause");
        assert_eq!(gate.pass(181 * SECOND), Pass::Probe);
        gate.handle_probe_sent(3);
        assert_eq!(gate.pass(182 * SECOND), Pass::Shut(None), "one probe, not two");
        gate.handle_failure(3, 190 * SECOND);
        assert_eq!(gate.pass(191 * SECOND), Pass::Shut(Some(370 * SECOND)));
        gate.handle_probe_sent(4);
        assert!(gate.handle_success());
        assert_eq!((gate.pass(371 * SECOND), gate.failures()), (Pass::Free(2), 0));
    }

    #[test]
    fn load_halves_with_a_failure_and_grows_with_success() {
        let mut gate = Gate::new(100, SECOND, 32);
        for _ in 0..100 {
            gate.handle_success();
        }
        assert_eq!(gate.pass(SECOND), Pass::Free(32));
        gate.handle_failure(0, SECOND);
        assert_eq!(gate.pass(SECOND), Pass::Free(16));
        for seq in 0..9 {
            gate.handle_failure(seq, SECOND);
        }
        assert_eq!(gate.pass(SECOND), Pass::Free(1));
    }

    #[test]
    fn a_rest_that_was_asked_for_is_kept() {
        let mut gate = Gate::new(10, SECOND, 4);
        gate.handle_rest(30 * SECOND);
        gate.handle_rest(20 * SECOND);
        gate.handle_success();
        assert_eq!(gate.pass(29 * SECOND), Pass::Shut(Some(30 * SECOND)));
        assert!(matches!(gate.pass(30 * SECOND), Pass::Free(_)));
    }

    #[test]
    fn waiting_doubles_within_its_limits_and_jitters() {
        let mut backoff = Backoff::new(SECOND, 300 * SECOND, 7);
        for (attempts, full) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (u32::MAX, 300)] {
            for _ in 0..50 {
                let delay = backoff.delay(attempts);
                assert!(delay >= full * SECOND / 2 && delay <= full * SECOND, "{attempts}: {delay:?}");
            }
        }
        let many: std::collections::BTreeSet<_> = (0..50).map(|_| backoff.delay(10)).collect();
        assert!(many.len() > 40, "{many:?}");
    }
}
