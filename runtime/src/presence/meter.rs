//! Flow control: how much one device, and all devices of one application, may say (REFERENCE D.10).
//!
//! Windows are fixed: they begin with the first message after the one before ended. A device that says too much is heard again
//! when its window ends, so there are at most two changes in a window, however much it sends.

use crate::model::Timestamp;

/// Most messages in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// 0 = no limit.
    pub messages: u32,
    /// Length of the window, ms.
    pub window_ms: u64,
}

/// One device's messages in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meter {
    begun: Timestamp,
    counted: u32,
    throttled: bool,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is taken.
    Taken,
    /// It is taken, the first after some that were not.
    TakenAgain,
    /// It is not taken, the first one.
    RefusedFirst,
    /// It is not taken.
    Refused,
}

impl Admission {
    /// Whether the message is taken.
    #[must_use]
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Taken | Self::TakenAgain)
    }
}

impl Meter {
    /// Counts one message. What is not taken does not count, or a device that repeats it would never be heard again.
    pub fn admit(&mut self, now: Timestamp, limit: Limit) -> Admission {
        if limit.messages == 0 {
            let was = std::mem::take(self).throttled;
            return if was { Admission::TakenAgain } else { Admission::Taken };
        }
        let was = self.throttled;
        if self.is_over(now, limit) {
            *self = Self { begun: now, counted: 0, throttled: false };
        }
        if self.counted >= limit.messages {
            self.throttled = true;
            return if was { Admission::Refused } else { Admission::RefusedFirst };
        }
        self.counted += 1;
        self.throttled = false;
        if was { Admission::TakenAgain } else { Admission::Taken }
    }

    /// Messages of the window that runs, 0 when none does.
    #[must_use]
    pub fn counted(&self, now: Timestamp, limit: Limit) -> u32 {
        if self.is_over(now, limit) { 0 } else { self.counted }
    }

    /// Whether messages were refused and none was taken since.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.throttled
    }

    /// Milliseconds until the window ends.
    #[must_use]
    pub fn left_ms(&self, now: Timestamp, limit: Limit) -> u64 {
        self.begun.plus_ms(limit.window_ms).since(now)
    }

    /// Whether forgetting it gives the device nothing worth mentioning: an eighth of its window.
    #[must_use]
    pub fn is_forgettable(&self, now: Timestamp, limit: Limit) -> bool {
        !self.throttled && self.counted(now, limit) <= limit.messages / 8
    }

    fn is_over(&self, now: Timestamp, limit: Limit) -> bool {
        // A clock that was set back ends the window as well.
        now.since(self.begun) >= limit.window_ms || now < self.begun
    }
}

/// Counts one message in a second of many senders: `word` is what it gave the last time, 0 at first; none = the second is full.
#[must_use]
pub fn count_in_second(word: u64, now: Timestamp, most: u32) -> Option<u64> {
    let second = (now.0 / 1_000) & 0xffff_ffff;
    let counted = if word >> 32 == second { word & 0xffff_ffff } else { 0 };
    (counted < u64::from(most)).then_some((second << 32) | (counted + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VENDORS: Limit = Limit { messages: 1_200, window_ms: 1_200_000 };

    #[test]
    fn twelve_hundred_in_twenty_minutes_and_one_change_at_each_edge() {
        let mut meter = Meter::default();
        let start = Timestamp(1 << 40);
        for n in 0..1_200 {
            assert_eq!(meter.admit(start.plus_ms(n), VENDORS), Admission::Taken);
        }
        assert_eq!(meter.admit(start.plus_ms(1_300), VENDORS), Admission::RefusedFirst);
        assert_eq!(meter.admit(start.plus_ms(1_199_999), VENDORS), Admission::Refused);
        assert_eq!((meter.is_throttled(), meter.left_ms(start.plus_ms(1_199_000), VENDORS)), (true, 1_000));
        assert_eq!(meter.admit(start.plus_ms(1_200_000), VENDORS), Admission::TakenAgain);
        assert_eq!(meter.admit(start.plus_ms(1_200_001), VENDORS), Admission::Taken);
        assert_eq!(meter.counted(start.plus_ms(1_200_001), VENDORS), 2);
        assert!(!meter.is_throttled() && meter.is_forgettable(start, VENDORS));
    }

    #[test]
    fn without_a_limit_everything_is_taken() {
        let mut meter = Meter::default();
        let off = Limit { messages: 0, window_ms: 1_000 };
        assert!((0..10_000).all(|_| meter.admit(Timestamp(5), off) == Admission::Taken));
        assert!(meter.is_forgettable(Timestamp(5), off));
    }

    #[test]
    fn a_second_of_an_application_is_counted_in_one_word() {
        let mut word = 0;
        for _ in 0..120 {
            word = count_in_second(word, Timestamp(7_000), 120).unwrap();
        }
        assert_eq!(count_in_second(word, Timestamp(7_999), 120), None);
        assert!(count_in_second(word, Timestamp(8_000), 120).is_some());
    }

    proptest! {
        /// Between two edges the answers alternate: refused first, taken again.
        #[test]
        fn edges_alternate_and_no_window_has_more(steps in proptest::collection::vec(0_u64..700, 1..300), messages in 1_u32..9) {
            let limit = Limit { messages, window_ms: 1_000 };
            let (mut meter, mut now, mut taken) = (Meter::default(), Timestamp(10_000), Vec::new());
            let mut edges = Vec::new();
            for step in steps {
                now = now.plus_ms(step);
                let admission = meter.admit(now, limit);
                if admission.is_taken() {
                    taken.push(now);
                }
                edges.extend(matches!(admission, Admission::TakenAgain | Admission::RefusedFirst).then_some(admission));
                prop_assert!(meter.counted(now, limit) <= messages);
            }
            prop_assert!(edges.windows(2).all(|pair| pair[0] != pair[1]));
            prop_assert!(edges.first().is_none_or(|first| *first == Admission::RefusedFirst));
            // A window of its own length anywhere holds at most the end of one and the beginning of the next.
            for (index, first) in taken.iter().enumerate() {
                let within = taken.iter().skip(index).take_while(|at| at.since(*first) < limit.window_ms).count();
                prop_assert!(within <= usize::try_from(2 * messages).unwrap());
            }
        }
    }
}
