//! When a codec is left alone: too many traps or deadlines in a window, and uplinks are stored without calling it until a probe
//! succeeds. And when a new version is taken back by itself.
//!
//! Pure: the time is an argument, in milliseconds of a clock that never goes back. Knows no codec, no product and no store.
//!
//! ```text
//!            K faults in the window                 the pause is over
//!  Closed ------------------------> Open --------------------------------> Probing
//!    ^                               ^                                        |
//!    |                               +-------- the probe failed --------------+
//!    +---------------------------------------- the probe succeeded -----------+
//! ```

mod policy;

use std::collections::VecDeque;

pub use policy::{Policy, Score, Verdict, judge};

/// When to leave a codec alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// So many faults open the breaker; at least 1.
    pub faults: u32,
    /// If they happen within this time, ms.
    pub window_ms: u64,
    /// From opening to the first probe, and from one probe to the next, ms.
    pub pause_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { faults: 5, window_ms: 60_000, pause_ms: 30_000 }
    }
}

/// What an uplink may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Call the codec.
    Call,
    /// Call the codec; how it ends decides.
    Probe,
    /// Leave the codec alone.
    Hold,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, be it a refusal: the codec works.
    Fine,
    /// In a trap or at its deadline.
    Fault,
}

/// What a call's end changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The codec is left alone from now on.
    Degraded,
    /// It is called again.
    Recovered,
}

/// The breaker of one codec version.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    state: State,
    /// Times of the last faults while closed, oldest first, fewer than `settings.faults`.
    faults: VecDeque<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: u64,
    },
    /// A probe is under way; one that was not heard of until then is taken for lost.
    Probing {
        until: u64,
    },
}

impl Breaker {
    /// Closed, with no faults.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::Closed, faults: VecDeque::new() }
    }

    /// Whether the codec is called without more ado.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// What an uplink that came now may do. Whoever calls the codec tells how it ended.
    pub fn ask(&mut self, now: u64) -> Turn {
        match self.state {
            State::Closed => Turn::Call,
            State::Open { until } | State::Probing { until } if now < until => Turn::Hold,
            State::Open { .. } | State::Probing { .. } => {
                self.state = State::Probing { until: self.after_pause(now) };
                Turn::Probe
            }
        }
    }

    /// A call ended. One that began before the breaker opened decides nothing.
    pub fn ended(&mut self, turn: Turn, ending: Ending, now: u64) -> Option<Change> {
        match (self.state, turn, ending) {
            (State::Closed, Turn::Call, Ending::Fault) => self.count(now),
            (State::Probing { .. }, Turn::Probe, Ending::Fine) => {
                self.state = State::Closed;
                Some(Change::Recovered)
            }
            (State::Probing { .. }, Turn::Probe, Ending::Fault) => {
                self.state = State::Open { until: self.after_pause(now) };
                None
            }
            _ => None,
        }
    }

    fn count(&mut self, now: u64) -> Option<Change> {
        let begin = now.saturating_sub(self.settings.window_ms);
        self.faults.push_back(now);
        self.faults.retain(|fault| *fault >= begin);
        if self.faults.len() < usize::try_from(self.settings.faults).unwrap_or(usize::MAX) {
            return None;
        }
        self.faults.clear();
        self.state = State::Open { until: self.after_pause(now) };
        Some(Change::Degraded)
    }

    fn after_pause(&self, now: u64) -> u64 {
        now.saturating_add(self.settings.pause_ms)
    }
}

#[cfg(test)]
mod tests;
