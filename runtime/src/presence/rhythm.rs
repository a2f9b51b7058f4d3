//! What is learned of one device's rhythm: how often it wakes, how exactly, and how long it listens after it spoke.
//!
//! A *wake* begins with a word after a pause longer than the time that the device listens; words of the same wake are not counted
//! again. The interval is smoothed as a round-trip time is (RFC 6298: mean and mean deviation). One wake out of step is a report
//! that was lost or one that was sent by hand, and teaches nothing; three in a row are a new rhythm.

use serde::{Deserialize, Serialize};

use crate::model::{Habits, Timestamp};

/// Taken for the time that a device listens until experience tells: a module without early release stays connected about 20 s
/// (REFERENCE C.3).
const AWAKE_S: u8 = 20;
/// Wakes out of step after which the rhythm is another.
const SURPRISES: u8 = 3;
/// Intervals that must be known before one is foretold.
const ENOUGH: u8 = 3;
/// Wakes that may be missed before nothing is foretold any more.
const MISSED: u64 = 8;
/// From here the count of wakes goes back by half: it says "many".
const MANY: u8 = 240;
/// A device that reported once is taken to report for so long: three days.
const CEASED_MS: u64 = 3 * 86_400_000;
/// A device is foretold no more exactly than this.
const LEAST_SPREAD_MS: u64 = 1_000;

/// How a device showed that it is awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A report that it sent by itself.
    Report,
    /// A Register or an Update.
    Registration,
    /// An acknowledgement or a response: it listens, and did not wake by itself.
    Answer,
}

/// Whose wakes the interval is learned from: reports as soon as there are any, registrations before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    #[default]
    Registrations,
    Reports,
}

/// What is known of one device, 24 bytes. Times in ms but where said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rhythm {
    /// When the newest wake began.
    woke: Timestamp,
    /// Its last word so far, after `woke`.
    spoke: u32,
    /// Smoothed time from wake to wake.
    interval: u32,
    /// Smoothed deviation from that.
    deviation: u32,
    /// How long it listens, s; 0 = nothing learned.
    awake_s: u8,
    /// Intervals that were learned from; beyond [`MANY`] it starts again at half of that.
    learned: u8,
    /// Wakes out of step since the last one in step.
    surprises: u8,
    source: Source,
}

/// When a device will wake, most likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The moment.
    pub at: Timestamp,
    /// It may be so much earlier or later.
    pub spread_ms: u64,
    /// Learned from so many wakes.
    pub wakes: u8,
}

impl Rhythm {
    /// It spoke. True when a wake began with it.
    pub fn heard(&mut self, now: Timestamp, sign: Sign, habits: &Habits) -> bool {
        let source = match sign {
            Sign::Report => Some(Source::Reports),
            Sign::Registration => Some(Source::Registrations),
            Sign::Answer => None,
        };
        if self.woke == Timestamp(0) {
            self.begin(now, source.unwrap_or_default());
            return true;
        }
        let is_same_wake = now.since(self.last_word()) <= self.awake_ms(habits);
        match source {
            // The first report of a device of which only registrations were known: its wakes count from here.
            Some(Source::Reports) if self.source == Source::Registrations => {
                self.begin(if is_same_wake { self.woke } else { now }, Source::Reports);
                self.speak(now);
                !is_same_wake
            }
            // Reports ceased: registrations are all that is left to go by.
            Some(Source::Registrations) if self.source == Source::Reports && now.since(self.woke) > self.ceased_ms() => {
                self.begin(now, Source::Registrations);
                true
            }
            Some(source) if source == self.source && !is_same_wake => {
                self.learn(now.since(self.woke));
                self.woke = now;
                self.spoke = 0;
                true
            }
            _ => {
                self.speak(now);
                false
            }
        }
    }

    /// A downlink was acknowledged: it listened until now. The time grows when it came near its end.
    pub fn acknowledged(&mut self, now: Timestamp, habits: &Habits) {
        let (awake, listened) = (self.awake_s(habits), seconds(now.since(self.last_word())));
        if listened >= awake - awake / 4 {
            self.set_awake(listened.min(awake).saturating_add((awake / 8).max(1)).max(awake));
        }
        self.speak(now);
    }

    /// A downlink that was sent then was never acknowledged: it listened no longer. The time shrinks by a quarter at most, since the
    /// radio loses things too.
    pub fn unanswered(&mut self, sent: Timestamp, habits: &Habits) {
        let (awake, listened) = (self.awake_s(habits), seconds(sent.since(self.last_word())));
        if listened < awake && sent >= self.last_word() {
            self.set_awake(listened.max(awake - (awake / 4).max(1)));
        }
    }

    /// How long it listens after it spoke, ms: 2 s to 120 s.
    #[must_use]
    pub fn awake_ms(&self, habits: &Habits) -> u64 {
        u64::from(self.awake_s(habits)) * 1_000
    }

    /// When it will wake next, if it has a rhythm and kept to it lately. Wakes that were missed make it less certain.
    #[must_use]
    pub fn expected_next_wake(&self, now: Timestamp) -> Option<Expected> {
        if self.learned < ENOUGH || self.interval == 0 {
            return None;
        }
        let interval = u64::from(self.interval);
        let spread = self.spread_ms();
        // The first one that is not over yet, its spread included.
        let passed = now.since(self.woke.plus_ms(interval.saturating_add(spread)));
        let missed = passed.div_ceil(interval);
        let turn = missed + 1;
        (missed <= MISSED).then(|| Expected {
            at: self.woke.plus_ms(interval.saturating_mul(turn)),
            spread_ms: spread.saturating_mul(turn),
            wakes: self.learned,
        })
    }

    /// The same rhythm after a wake that is only known from when the device was heard last; to look at, not to learn from.
    #[must_use]
    pub fn seen_at(mut self, heard: Option<Timestamp>) -> Self {
        if let Some(heard) = heard.filter(|heard| *heard > self.last_word()) {
            let step = u64::from(self.interval).max(1);
            let turns = heard.since(self.woke).saturating_add(step / 2) / step;
            if turns > 0 {
                self.woke = heard;
            }
        }
        self
    }

    /// Whether so much was learned since it was stored that it is worth a write: every eighth wake.
    #[must_use]
    pub fn is_worth_writing(&self) -> bool {
        self.learned.is_multiple_of(8)
    }

    fn spread_ms(&self) -> u64 {
        u64::from(self.deviation).saturating_mul(4).max(LEAST_SPREAD_MS)
    }

    fn last_word(&self) -> Timestamp {
        self.woke.plus_ms(u64::from(self.spoke))
    }

    fn speak(&mut self, now: Timestamp) {
        self.spoke = short(now.since(self.woke)).max(self.spoke);
    }

    /// No report for so long: it sends none any more.
    fn ceased_ms(&self) -> u64 {
        if self.interval == 0 { CEASED_MS } else { u64::from(self.interval).saturating_mul(4) }
    }

    fn begin(&mut self, now: Timestamp, source: Source) {
        *self = Self { woke: now, awake_s: self.awake_s, source, ..Self::default() };
    }

    fn learn(&mut self, interval: u64) {
        let interval = short(interval);
        if self.learned == 0 {
            (self.interval, self.deviation, self.learned) = (interval, interval / 16, 1);
            return;
        }
        let error = interval.abs_diff(self.interval);
        let limit = self.spread_ms().max(u64::from(self.interval / 4));
        if u64::from(error) > limit {
            self.surprises += 1;
            if self.surprises >= SURPRISES {
                (self.interval, self.deviation, self.learned, self.surprises) = (interval, interval / 16, ENOUGH, 0);
            }
            return;
        }
        self.surprises = 0;
        self.deviation = self.deviation - self.deviation / 4 + error / 4;
        let step = error / 8;
        self.interval = if interval > self.interval { self.interval.saturating_add(step) } else { self.interval - step };
        self.learned = if self.learned >= MANY { MANY / 2 } else { self.learned + 1 };
    }

    fn awake_s(&self, habits: &Habits) -> u8 {
        let (least, most) = Habits::AWAKE_S;
        if self.awake_s == 0 { habits.awake_s.unwrap_or(AWAKE_S).clamp(least, most) } else { self.awake_s }
    }

    fn set_awake(&mut self, seconds: u8) {
        let (least, most) = Habits::AWAKE_S;
        self.awake_s = seconds.clamp(least, most);
    }
}

fn seconds(ms: u64) -> u8 {
    u8::try_from(ms / 1_000).unwrap_or(u8::MAX)
}

fn short(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "rhythm_tests.rs"]
mod tests;
