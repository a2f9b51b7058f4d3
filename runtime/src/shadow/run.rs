//! What a candidate's shadow run came to: counters, sums, and a few examples of each kind. Bounded; decodes nothing.

use std::time::Duration;

use serde_json::Value;

use super::compare::{self, Difference};
use crate::codec::Cost;
use crate::model::{DeviceId, Timestamp, VersionNumber};

/// Examples that are kept of each kind of finding.
const EXAMPLES: usize = 4;
/// Most bytes of a decoded text that an example carries.
const EXAMPLE_JSON: usize = 16 << 10;

/// What one codec made of a payload.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// The messages, as one object.
    Content(Value),
    /// Why there are none: kind or code, and all of it as a text.
    Nothing {
        /// `checksum`, `trap`, ...
        code: String,
        /// In words.
        detail: String,
    },
}

/// What one codec made of a payload, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The answer.
    pub made: Made,
    /// Fuel and memory.
    pub cost: Cost,
    /// By the clock, in the metered host.
    pub took: Duration,
}

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Both say the same, or refuse for the same reason.
    Equal,
    /// Both decode it, to something else.
    Different,
    /// Only the candidate decodes it.
    Repaired,
    /// Only the version at work decodes it.
    Broken,
    /// Neither decodes it, each for its own reason.
    BothFail,
}

impl Finding {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Equal, Self::Different, Self::Repaired, Self::Broken, Self::BothFail];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Different => "different",
            Self::Repaired => "repaired",
            Self::Broken => "broken",
            Self::BothFail => "both-fail",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Equal => 0,
            Self::Different => 1,
            Self::Repaired => 2,
            Self::Broken => 3,
            Self::BothFail => 4,
        }
    }
}

/// Holds what two codecs made of the same bytes against each other.
#[must_use]
pub fn hold(active: &Made, candidate: &Made) -> (Finding, Vec<Difference>) {
    match (active, candidate) {
        (Made::Content(active), Made::Content(candidate)) => {
            let found = compare::differences(active, candidate);
            (if found.is_empty() { Finding::Equal } else { Finding::Different }, found)
        }
        (Made::Nothing { .. }, Made::Content(_)) => (Finding::Repaired, Vec::new()),
        (Made::Content(_), Made::Nothing { .. }) => (Finding::Broken, Vec::new()),
        (Made::Nothing { code: active, .. }, Made::Nothing { code: candidate, .. }) => {
            (if active == candidate { Finding::Equal } else { Finding::BothFail }, Vec::new())
        }
    }
}

/// A payload of which the two codecs make something else.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// What was found.
    pub finding: Finding,
    /// When it came.
    pub time: Timestamp,
    /// From whom.
    pub device: DeviceId,
    /// The bytes.
    pub payload: Vec<u8>,
    /// What the version at work makes of it.
    pub active: Made,
    /// What the candidate makes of it.
    pub candidate: Made,
    /// Where they differ.
    pub differences: Vec<Difference>,
}

/// Sums over one codec's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// Calls that told their fuel.
    pub calls: u64,
    /// Fuel of all calls.
    pub fuel: u64,
    /// Fuel of the dearest call.
    pub fuel_max: u64,
    /// Time of all calls, nanoseconds.
    pub nanos: u64,
    /// Time of the longest call, nanoseconds.
    pub nanos_max: u64,
    /// Most memory after a call, bytes.
    pub memory_max: usize,
}

impl Spent {
    fn add(&mut self, side: &Side) {
        let fuel = side.cost.fuel.unwrap_or_default();
        let nanos = u64::try_from(side.took.as_nanos()).unwrap_or(u64::MAX);
        self.calls = self.calls.saturating_add(1);
        self.fuel = self.fuel.saturating_add(fuel);
        self.fuel_max = self.fuel_max.max(fuel);
        self.nanos = self.nanos.saturating_add(nanos);
        self.nanos_max = self.nanos_max.max(nanos);
        self.memory_max = self.memory_max.max(side.cost.memory_bytes);
    }
}

/// The run of one candidate against one version at work.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Who is tried.
    pub candidate: VersionNumber,
    /// Against whom.
    pub active: VersionNumber,
    /// Since when.
    pub since: Timestamp,
    /// Comparisons by finding, in the order of [`Finding::ALL`].
    pub findings: [u64; Finding::ALL.len()],
    /// Uplinks that were not compared because the queue was full.
    pub dropped: u64,
    /// What the version at work spent.
    pub spent_active: Spent,
    /// What the candidate spent.
    pub spent_candidate: Spent,
    /// A few of each kind, in the order in which they came.
    pub examples: Vec<Example>,
    /// Why nothing can be compared, if that is so.
    pub obstacle: Option<String>,
}

impl Run {
    /// Nothing compared yet.
    #[must_use]
    pub fn new(candidate: VersionNumber, active: VersionNumber, since: Timestamp) -> Self {
        Self {
            candidate,
            active,
            since,
            findings: Default::default(),
            dropped: 0,
            spent_active: Spent::default(),
            spent_candidate: Spent::default(),
            examples: Vec::new(),
            obstacle: None,
        }
    }

    /// How many were compared.
    #[must_use]
    pub fn compared(&self) -> u64 {
        self.findings.iter().sum()
    }

    /// Takes in one comparison.
    pub fn add(&mut self, (time, device, payload): (Timestamp, DeviceId, &[u8]), active: Side, candidate: Side) {
        let (finding, differences) = hold(&active.made, &candidate.made);
        self.spent_active.add(&active);
        self.spent_candidate.add(&candidate);
        if let Some(count) = self.findings.get_mut(finding.index()) {
            *count = count.saturating_add(1);
        }
        let kept = self.examples.iter().filter(|example| example.finding == finding).count();
        if finding != Finding::Equal && kept < EXAMPLES {
            let (active, candidate) = (bounded(active.made), bounded(candidate.made));
            self.examples.push(Example { finding, time, device, payload: payload.to_vec(), active, candidate, differences });
        }
    }
}

fn bounded(made: Made) -> Made {
    match made {
        Made::Content(value) if value.to_string().len() > EXAMPLE_JSON => {
            Made::Content(Value::String(format!("more than {EXAMPLE_JSON} bytes of JSON")))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn side(made: Made, fuel: u64) -> Side {
        Side { made, cost: Cost { fuel: Some(fuel), memory_bytes: 65_536 }, took: Duration::from_nanos(fuel) }
    }

    fn content(value: u64) -> Made {
        Made::Content(json!({ "reports": [{ "values": { "reading": value } }] }))
    }

    fn nothing(code: &str) -> Made {
        Made::Nothing { code: code.to_owned(), detail: String::new() }
    }

    #[test]
    fn findings_are_a_table() {
        for (active, candidate, finding, paths) in [
            (content(1), content(1), Finding::Equal, 0),
            (content(1), content(2), Finding::Different, 1),
            (nothing("trap"), content(2), Finding::Repaired, 0),
            (content(1), nothing("trap"), Finding::Broken, 0),
            (nothing("checksum"), nothing("checksum"), Finding::Equal, 0),
            (nothing("trap"), nothing("checksum"), Finding::BothFail, 0),
        ] {
            let (found, differences) = hold(&active, &candidate);
            assert_eq!((found, differences.len()), (finding, paths), "{active:?} against {candidate:?}");
        }
    }

    #[test]
    fn a_run_counts_all_and_keeps_a_few() {
        let mut run = Run::new(VersionNumber(2), VersionNumber(1), Timestamp(0));
        for n in 0..100 {
            run.add((Timestamp(n), DeviceId(1), &[1]), side(content(1), 10), side(content(n % 2), 20 + n));
        }
        assert_eq!((run.findings, run.compared()), ([50, 50, 0, 0, 0], 100));
        assert_eq!(run.examples.len(), EXAMPLES);
        assert_eq!(run.examples[0].differences[0].path, "/reports/0/values/reading");
        assert_eq!((run.spent_active.fuel, run.spent_candidate.fuel_max), (1_000, 119));
    }

    #[test]
    fn a_large_example_is_not_kept_whole() {
        let mut run = Run::new(VersionNumber(2), VersionNumber(1), Timestamp(0));
        let large = Made::Content(json!({ "reports": ["x".repeat(100_000)] }));
        run.add((Timestamp(0), DeviceId(1), &[]), side(large, 1), side(content(1), 1));
        let Made::Content(Value::String(told)) = &run.examples[0].active else { panic!("{:?}", run.examples[0]) };
        assert!(told.contains("more than"));
    }
}
