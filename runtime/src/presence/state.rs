//! The states of a device and the one function that moves it (REFERENCE C.6, C.7, E.2).
//!
//! ```text
//! registered --let in--> activated --speaks--> online --silent 25 h--> abnormal --silent 49 h--> offline
//!                                   any --deregisters, lifetime over--> offline --speaks--> online
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Habits, Timestamp};

/// Where a device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceState {
    /// It was added and never came.
    Registered,
    /// Its first Register or Update was let in; it said nothing since.
    Activated,
    /// It spoke lately.
    Online,
    /// It is silent for longer than is normal.
    Abnormal,
    /// It is silent for much longer, or it deregistered, or its lifetime is over.
    Offline,
}

impl DeviceState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Registered, Self::Activated, Self::Online, Self::Abnormal, Self::Offline];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Activated => "activated",
            Self::Online => "online",
            Self::Abnormal => "abnormal",
            Self::Offline => "offline",
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may move a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A Register or an Update was let in.
    Joined,
    /// It said something else.
    Spoke,
    /// Somebody looked at the clock; this is when it was heard last.
    Looked {
        /// Time of its last word.
        heard: Timestamp,
    },
    /// It deregistered.
    Left,
    /// The lifetime of its registration is over.
    Lapsed,
}

/// Why a device is in another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A Register or an Update was let in.
    Registration,
    /// It spoke.
    Spoke,
    /// It was silent for too long.
    Silent,
    /// It deregistered.
    Deregistered,
    /// The lifetime of its registration is over.
    LifetimeExpired,
}

impl Reason {
    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Spoke => "spoke",
            Self::Silent => "silent",
            Self::Deregistered => "deregistered",
            Self::LifetimeExpired => "lifetime-expired",
        }
    }
}

/// A device is in another state now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: DeviceState,
    /// Now.
    pub to: DeviceState,
    /// Why.
    pub reason: Reason,
    /// Since when: of silence, the moment at which the time was over, whenever it was found.
    pub since: Timestamp,
}

/// How long silence is normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds of silence until abnormal.
    pub abnormal_ms: u64,
    /// Milliseconds of silence until offline; more than `abnormal_ms`.
    pub offline_ms: u64,
}

impl From<&Habits> for Limits {
    fn from(habits: &Habits) -> Self {
        let ms = |seconds: u32| u64::from(seconds) * 1_000;
        Self { abnormal_ms: ms(habits.abnormal_after_s), offline_ms: ms(habits.offline_after_s) }
    }
}

/// Moves a device; none = it stays as it is. Silence only ever leads further away, and over both limits at once where nobody
/// looked meanwhile: one change, not two.
#[must_use]
pub fn transition(state: DeviceState, happening: Happening, now: Timestamp, limits: Limits) -> Option<Change> {
    use DeviceState::{Abnormal, Activated, Offline, Online, Registered};
    let to = |to, reason, since| (to != state).then_some(Change { from: state, to, reason, since });
    match (happening, state) {
        (Happening::Joined, Registered) => to(Activated, Reason::Registration, now),
        (Happening::Joined, _) => to(Online, Reason::Registration, now),
        (Happening::Spoke, _) => to(Online, Reason::Spoke, now),
        (Happening::Left, _) => to(Offline, Reason::Deregistered, now),
        (Happening::Lapsed, _) => to(Offline, Reason::LifetimeExpired, now),
        (Happening::Looked { .. }, Registered | Offline) => None,
        (Happening::Looked { heard }, Activated | Online | Abnormal) => {
            let silent = now.since(heard);
            if silent >= limits.offline_ms {
                to(Offline, Reason::Silent, heard.plus_ms(limits.offline_ms))
            } else if silent >= limits.abnormal_ms {
                to(Abnormal, Reason::Silent, heard.plus_ms(limits.abnormal_ms))
            } else {
                None
            }
        }
    }
}

/// When somebody should look at the clock for a device; none = never before it speaks.
#[must_use]
pub fn next_look(state: DeviceState, heard: Timestamp, limits: Limits) -> Option<Timestamp> {
    match state {
        DeviceState::Registered | DeviceState::Offline => None,
        DeviceState::Activated | DeviceState::Online => Some(heard.plus_ms(limits.abnormal_ms)),
        DeviceState::Abnormal => Some(heard.plus_ms(limits.offline_ms)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;
    const HEARD: Timestamp = Timestamp(1_000 * HOUR);

    fn limits() -> Limits {
        Limits::from(&Habits::default())
    }

    fn after(state: DeviceState, happening: Happening, now: Timestamp) -> DeviceState {
        transition(state, happening, now, limits()).map_or(state, |change| change.to)
    }

    #[test]
    fn every_state_meets_every_happening() {
        use DeviceState::{Abnormal, Activated, Offline, Online, Registered};
        let looked = Happening::Looked { heard: HEARD };
        let hours = |hours: u64| HEARD.plus_ms(hours * HOUR);
        // happening, at, then from registered, activated, online, abnormal, offline
        for (happening, at, ends) in [
            (Happening::Joined, hours(1), [Activated, Online, Online, Online, Online]),
            (Happening::Spoke, hours(1), [Online, Online, Online, Online, Online]),
            (Happening::Left, hours(1), [Offline, Offline, Offline, Offline, Offline]),
            (Happening::Lapsed, hours(1), [Offline, Offline, Offline, Offline, Offline]),
            (looked, hours(1), [Registered, Activated, Online, Abnormal, Offline]),
            (looked, hours(25), [Registered, Abnormal, Abnormal, Abnormal, Offline]),
            (looked, hours(49), [Registered, Offline, Offline, Offline, Offline]),
        ] {
            for (state, end) in DeviceState::ALL.into_iter().zip(ends) {
                assert_eq!(after(state, happening, at), end, "{state} {happening:?} {at}");
                let change = transition(state, happening, at, limits());
                assert_eq!(change.is_some(), state != end, "an event at each change and at nothing else");
                assert!(change.is_none_or(|change| change.from == state && change.since <= at));
            }
        }
    }

    #[test]
    fn silence_is_counted_to_the_second() {
        let looked = |state, ms| after(state, Happening::Looked { heard: HEARD }, HEARD.plus_ms(ms));
        assert_eq!(looked(DeviceState::Online, 25 * HOUR - 1_000), DeviceState::Online);
        assert_eq!(looked(DeviceState::Online, 25 * HOUR), DeviceState::Abnormal);
        assert_eq!(looked(DeviceState::Abnormal, 49 * HOUR - 1_000), DeviceState::Abnormal);
        assert_eq!(looked(DeviceState::Abnormal, 49 * HOUR), DeviceState::Offline);
    }

    #[test]
    fn what_passed_while_nobody_looked_is_one_change_dated_back() {
        let change =
            transition(DeviceState::Online, Happening::Looked { heard: HEARD }, HEARD.plus_ms(500 * HOUR), limits()).unwrap();
        assert_eq!((change.to, change.since), (DeviceState::Offline, HEARD.plus_ms(49 * HOUR)));
    }

    proptest! {
        /// Whoever looks exactly when told finds a change each time, and two of them end in offline.
        #[test]
        fn looking_when_due_always_finds_something(abnormal in 1_u32..100_000, more in 1_u32..100_000, heard in 0_u64..1 << 41) {
            let habits = Habits { abnormal_after_s: abnormal, offline_after_s: abnormal + more, ..Habits::default() };
            prop_assert_eq!(habits.mistakes(), []);
            let (limits, heard) = (Limits::from(&habits), Timestamp(heard));
            let (mut state, mut changes) = (DeviceState::Online, 0);
            while let Some(due) = next_look(state, heard, limits) {
                let looked = Happening::Looked { heard };
                prop_assert_eq!(transition(state, looked, Timestamp(due.0 - 1), limits), None);
                let change = transition(state, looked, due, limits);
                prop_assert_eq!(change.map(|change| change.since), Some(due));
                state = change.map_or(state, |change| change.to);
                changes += 1;
            }
            prop_assert_eq!((state, changes), (DeviceState::Offline, 2));
        }

        /// A device that speaks is online or just activated, whatever was before.
        #[test]
        fn speaking_brings_it_back(state in proptest::sample::select(DeviceState::ALL.to_vec()), joined: bool) {
            let happening = if joined { Happening::Joined } else { Happening::Spoke };
            prop_assert!(matches!(after(state, happening, HEARD), DeviceState::Activated | DeviceState::Online));
        }
    }
}
