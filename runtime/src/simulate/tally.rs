//! What a fleet has done so far, in numbers. Knows happenings, prints itself as a line and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Happening;

/// Sums since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Devices that are registered now.
    pub registered: u64,
    /// 2.01
    pub registrations: u64,
    /// 2.04 to an Update
    pub updates: u64,
    /// Registration requests that were refused.
    pub refused: u64,
    /// Registration requests that nobody answered.
    pub unanswered: u64,
    /// Reports that went out.
    pub sent: u64,
    /// Reports that were acknowledged.
    pub acknowledged: u64,
    /// Reports that nobody acknowledged, or that found no room.
    pub lost: u64,
    /// Downlinks heard.
    pub downlinks: u64,
    /// Datagrams missed while asleep.
    pub missed: u64,
    /// Reports answered with a reset: the device registered anew.
    pub resets: u64,
    /// Times that a NAT gave a device another address.
    pub rebound: u64,
}

impl Tally {
    /// Counts one happening.
    pub fn add(&mut self, happening: &Happening) {
        match happening {
            Happening::Registered => {
                self.registrations += 1;
                self.registered += 1;
            }
            Happening::Observed => {}
            Happening::Updated => self.updates += 1,
            Happening::Deregistered => self.registered = self.registered.saturating_sub(1),
            Happening::Sent { .. } => self.sent += 1,
            Happening::Acknowledged { .. } => self.acknowledged += 1,
            Happening::Lost { .. } => self.lost += 1,
            Happening::Refused { code: Some(_) } => self.refused += 1,
            Happening::Refused { code: None } => self.unanswered += 1,
            Happening::Dropped => self.registered = self.registered.saturating_sub(1),
            Happening::Unobserved => self.resets += 1,
            Happening::Downlink { .. } => self.downlinks += 1,
            Happening::Missed => self.missed += 1,
            Happening::Rebound => self.rebound += 1,
        }
    }

    /// As JSON, with the time since the start and the rates since an earlier tally.
    #[must_use]
    pub fn json(&self, earlier: &Self, at: Duration, span: Duration) -> String {
        let mut object = serde_json::json!(self);
        if let Some(members) = object.as_object_mut() {
            members.insert("seconds".to_owned(), (at.as_millis() as f64 / 1_000.0).into());
            for (name, now, before) in [
                ("registrationsPerSecond", self.registrations, earlier.registrations),
                ("sentPerSecond", self.sent, earlier.sent),
                ("acknowledgedPerSecond", self.acknowledged, earlier.acknowledged),
            ] {
                members.insert(name.to_owned(), rate(now, before, span).into());
            }
        }
        object.to_string()
    }

    /// As a line for people, with the rates since an earlier tally.
    #[must_use]
    pub fn line(&self, earlier: &Self, at: Duration, span: Duration) -> String {
        format!(
            "{:>5} s  {self}; {}/s registered, {}/s acknowledged",
            at.as_secs(),
            rate(self.registrations, earlier.registrations, span),
            rate(self.acknowledged, earlier.acknowledged, span),
        )
    }
}

/// All that is not zero, and what is always wanted.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} registered; reports {} sent, {} acknowledged, {} lost",
            self.registered, self.sent, self.acknowledged, self.lost
        )?;
        for (count, words) in [
            (self.updates, "updates"),
            (self.downlinks, "downlinks"),
            (self.missed, "missed asleep"),
            (self.resets, "resets"),
            (self.refused, "refusals"),
            (self.unanswered, "unanswered"),
            (self.rebound, "rebound"),
        ] {
            if count > 0 {
                write!(f, ", {count} {words}")?;
            }
        }
        Ok(())
    }
}

/// Whole ones a second.
fn rate(now: u64, before: u64, span: Duration) -> u64 {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
    now.saturating_sub(before).saturating_mul(1_000) / millis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn happenings_are_counted_and_told() {
        let mut tally = Tally::default();
        for happening in [
            Happening::Registered,
            Happening::Registered,
            Happening::Sent { n: 0 },
            Happening::Acknowledged { n: 0 },
            Happening::Unobserved,
            Happening::Dropped,
            Happening::Registered,
            Happening::Deregistered,
        ] {
            tally.add(&happening);
        }
        assert_eq!((tally.registered, tally.registrations, tally.resets), (1, 3, 1));
        let second = Duration::from_secs(1);
        let line = tally.line(&Tally::default(), second * 2, second);
        assert_eq!(
            line,
            "    2 s  1 registered; reports 1 sent, 1 acknowledged, 0 lost, 1 resets; 3/s registered, 1/s acknowledged"
        );
        let json: serde_json::Value = serde_json::from_str(&tally.json(&Tally::default(), second * 2, second / 2)).unwrap();
        assert_eq!((&json["registrations"], &json["registrationsPerSecond"]), (&3.into(), &6.into()));
    }
}
