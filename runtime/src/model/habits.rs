//! What the operator knows of a product's devices before the first one spoke: how long silence is normal, how long they listen.

use serde::{Deserialize, Serialize};

/// The settings of a product about presence (REFERENCE C.5, C.6). A stored product without them has the defaults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Habits {
    /// A device that says nothing for so many seconds is *abnormal*; 25 h by default.
    pub abnormal_after_s: u32,
    /// A device that says nothing for so many seconds is *offline*; 49 h by default.
    pub offline_after_s: u32,
    /// How long a sleeping device listens after it spoke, seconds, until experience tells better. None = 20 s, what an NB-IoT module
    /// without early release does (REFERENCE C.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awake_s: Option<u8>,
    /// How often an eDRX device listens, seconds (3GPP TS 24.008 10.5.5.32): downlinks wait so much longer before they are sent again. 0 =
    /// the documented times, as for all others.
    pub edrx_cycle_s: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Self { abnormal_after_s: 25 * 3_600, offline_after_s: 49 * 3_600, awake_s: None, edrx_cycle_s: 0.0 }
    }
}

impl Habits {
    /// Longest silence that can be waited for: a year.
    pub const MOST_SILENCE_S: u32 = 31_536_000;
    /// Shortest and longest time that a device is taken to listen after it spoke, seconds.
    pub const AWAKE_S: (u8, u8) = (2, 120);
    /// Shortest and longest eDRX cycle of NB-IoT, seconds.
    pub const EDRX_S: (f64, f64) = (5.12, 10_485.76);

    /// Every setting that cannot be, by its name in documents, with what it may be. Empty = all can.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        let most = Self::MOST_SILENCE_S;
        if !(1..=most).contains(&self.abnormal_after_s) {
            mistakes.push(("abnormalAfterS", format!("{} is not 1 to {most} seconds", self.abnormal_after_s)));
        }
        if !(1..=most).contains(&self.offline_after_s) {
            mistakes.push(("offlineAfterS", format!("{} is not 1 to {most} seconds", self.offline_after_s)));
        } else if self.offline_after_s <= self.abnormal_after_s {
            let reason = format!("{} is not more than abnormalAfterS, {}", self.offline_after_s, self.abnormal_after_s);
            mistakes.push(("offlineAfterS", reason));
        }
        let (least, most) = Self::AWAKE_S;
        if let Some(awake) = self.awake_s.filter(|awake| !(least..=most).contains(awake)) {
            mistakes.push(("awakeS", format!("{awake} is not {least} to {most} seconds")));
        }
        let (least, most) = Self::EDRX_S;
        if self.edrx_cycle_s != 0.0 && !(least..=most).contains(&self.edrx_cycle_s) {
            mistakes.push(("edrxCycleS", format!("{} is not 0 or {least} to {most} seconds", self.edrx_cycle_s)));
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_vendors_and_all_mistakes_come_at_once() {
        let default: Habits = serde_json::from_str("{}").unwrap();
        assert_eq!((default.abnormal_after_s, default.offline_after_s), (90_000, 176_400));
        assert_eq!(default.mistakes(), []);
        let names = |habits: Habits| habits.mistakes().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let bad = Habits { abnormal_after_s: 0, offline_after_s: 0, awake_s: Some(1), edrx_cycle_s: f64::NAN };
        assert_eq!(names(bad), ["abnormalAfterS", "offlineAfterS", "awakeS", "edrxCycleS"]);
        assert_eq!(names(Habits { offline_after_s: 90_000, ..default }), ["offlineAfterS"]);
        assert_eq!(names(Habits { abnormal_after_s: u32::MAX, ..default }), ["abnormalAfterS", "offlineAfterS"]);
    }
}
