//! When a confirmable message is sent again, and when its sender gives up (RFC 7252 4.2, 4.8). Knows no message.

use std::time::{Duration, Instant};

/// Longest paging cycle of eDRX in NB-IoT (3GPP TS 24.008, 10.5.5.32).
const LONGEST_PAGING: Duration = Duration::from_millis(10_485_760);
/// No first wait is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(4 * 3_600);

/// Transmission parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// ACK_TIMEOUT
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR, 1.0 or more
    pub random_factor: f64,
    /// MAX_RETRANSMIT
    pub max_retransmit: u8,
}

impl Timing {
    /// For a network that answers after many seconds: resends after 10-15, +20-30, +40-60 s, gives up after 150-225 s in all
    /// (REFERENCE C.6, J.8).
    pub const NARROWBAND: Self = Self { ack_timeout: Duration::from_secs(10), random_factor: 1.5, max_retransmit: 3 };

    /// For a device that hears nothing until its next paging (eDRX): the network keeps what is sent meanwhile, and a resend before that is
    /// only a second copy, so the first wait has the paging cycle added to it. Zero leaves the documented times.
    #[must_use]
    pub fn suited(self, paging: Duration) -> Self {
        Self { ack_timeout: self.ack_timeout.saturating_add(paging.min(LONGEST_PAGING)), ..self }
    }
}

/// The clock of one confirmable message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmable {
    /// First waiting time, T.
    first: Duration,
    /// Waiting time now.
    wait: Duration,
    started: Instant,
    /// Resends in all.
    max: u8,
    left: u8,
    deadline: Instant,
}

/// What to do at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Not due.
    Wait,
    /// Send the same bytes again.
    Resend,
    /// Nobody answers.
    GiveUp,
}

impl Confirmable {
    /// Starts with the first transmission. `fraction` is the random number, 0 to 1.
    #[must_use]
    #[expect(clippy::manual_clamp, reason = "`clamp` lets NaN through")]
    pub fn start(now: Instant, timing: &Timing, fraction: f64) -> Self {
        let stretch = 1.0 + fraction.max(0.0).min(1.0) * (timing.random_factor - 1.0).max(0.0).min(100.0);
        let first = timing.ack_timeout.min(LONGEST_WAIT).mul_f64(stretch);
        let max = timing.max_retransmit.min(10);
        Self { first, wait: first, started: now, max, left: max, deadline: now + first }
    }

    /// When to ask for the next step.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The other side has it, its response is still to come: no more resends, patience until the whole span ends.
    pub fn acknowledged(&mut self) {
        self.left = 0;
        self.deadline = self.started + self.first * ((2_u32 << self.max) - 1);
    }

    /// What is due. A step that comes late does not shorten the next wait.
    pub fn step(&mut self, now: Instant) -> Step {
        if now < self.deadline {
            return Step::Wait;
        }
        if self.left == 0 {
            return Step::GiveUp;
        }
        self.left -= 1;
        self.wait *= 2;
        self.deadline = now + self.wait;
        Step::Resend
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
    fn the_narrowband_timing_is_the_documented_one() {
        for (fraction, expected) in [(0.0, [10, 30, 70, 150]), (1.0, [15, 45, 105, 225])] {
            let start = origin();
            let mut clock = Confirmable::start(start, &Timing::NARROWBAND, fraction);
            for (index, at) in expected.into_iter().enumerate() {
                assert_eq!(clock.deadline() - start, Duration::from_secs(at));
                assert_eq!(clock.step(clock.deadline() - Duration::from_millis(1)), Step::Wait);
                let step = if index == 3 { Step::GiveUp } else { Step::Resend };
                assert_eq!(clock.step(clock.deadline()), step);
            }
        }
    }

    #[test]
    fn an_acknowledged_message_waits_for_its_response_until_the_span_ends() {
        let start = origin();
        let mut clock = Confirmable::start(start, &Timing::NARROWBAND, 0.0);
        clock.step(clock.deadline());
        clock.acknowledged();
        assert_eq!(clock.deadline() - start, Duration::from_secs(150));
        assert_eq!(clock.step(clock.deadline()), Step::GiveUp);
    }

    #[test]
    fn an_edrx_device_is_not_sent_to_twice_before_it_can_have_heard() {
        let base = Timing::NARROWBAND;
        assert_eq!(base.suited(Duration::ZERO), base, "the documented times");
        let paging = Duration::from_millis(81_920);
        let (start, timing) = (origin(), base.suited(paging));
        for fraction in [0.0, 0.5, 1.0] {
            assert!(Confirmable::start(start, &timing, fraction).deadline() >= start + paging + base.ack_timeout);
        }
        assert_eq!(base.suited(Duration::MAX).ack_timeout, LONGEST_PAGING + base.ack_timeout);
    }

    #[test]
    fn odd_parameters_do_not_panic() {
        for factor in [f64::NAN, -1.0, f64::INFINITY, 1.0] {
            let timing = Timing { ack_timeout: Duration::MAX, random_factor: factor, max_retransmit: u8::MAX };
            let mut clock = Confirmable::start(origin(), &timing, f64::NAN);
            clock.acknowledged();
        }
    }
}
