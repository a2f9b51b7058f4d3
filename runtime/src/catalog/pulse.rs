//! What is known of a version at work: how its calls ended, how long they took, where it trapped, and whether it is left alone.
//!
//! Shared by all shards. A call costs a few atomic additions; the lock of the breaker is taken only where a codec misbehaves.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ShadowRuns;
use super::sites::{Seen, Site, SiteView, Sites};
use crate::breaker::{Breaker, Change, Ending, Score, Settings, Turn};
use crate::codec::CallError;
use crate::model::{ProductId, Timestamp, VersionNumber};

/// Upper bounds of the latency buckets, microseconds; one more bucket takes the rest.
pub const LATENCY_BOUNDS_US: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 20_000];

/// Upper bounds of the fuel buckets; one more bucket takes the rest.
pub const FUEL_BOUNDS: [u64; 11] =
    [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// One uplink of so many is weighed, the first one among them.
const WEIGH_EVERY: u64 = 1_024;

/// How a decode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// With messages.
    Decoded,
    /// The codec refused the payload.
    Refused,
    /// It trapped.
    Trap,
    /// It ran past its deadline.
    Deadline,
    /// The payload or the answer passed a limit.
    TooLarge,
    /// It broke what its tables promise.
    BrokenPromise,
    /// It was not called: the version is degraded.
    Held,
}

impl CallEnd {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Decoded, Self::Refused, Self::Trap, Self::Deadline, Self::TooLarge, Self::BrokenPromise, Self::Held];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Refused => "refused",
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::TooLarge => "too-large",
            Self::BrokenPromise => "broken-promise",
            Self::Held => "held",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Decoded => 0,
            Self::Refused => 1,
            Self::Trap => 2,
            Self::Deadline => 3,
            Self::TooLarge => 4,
            Self::BrokenPromise => 5,
            Self::Held => 6,
        }
    }
}

impl From<&CallError> for CallEnd {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Refused(_) => Self::Refused,
            CallError::Trap { .. } => Self::Trap,
            CallError::Deadline { .. } | CallError::OutOfFuel { .. } => Self::Deadline,
            CallError::TooLarge { .. } => Self::TooLarge,
        }
    }
}

/// What was counted of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PulseView {
    /// In the order of [`CallEnd::ALL`].
    pub ends: [u64; CallEnd::ALL.len()],
    /// In the order of [`LATENCY_BOUNDS_US`], then the rest.
    pub latency: [u64; LATENCY_BOUNDS_US.len() + 1],
    /// Sum of all latencies, nanoseconds.
    pub latency_sum_ns: u64,
    /// Uplinks whose fuel was counted, in the order of [`FUEL_BOUNDS`], then the rest.
    pub fuel: [u64; FUEL_BOUNDS.len() + 1],
    /// Sum of their fuel.
    pub fuel_sum: u64,
    /// Most linear memory that an instance had after a call, bytes.
    pub memory_high: usize,
    /// Whether the version is left alone.
    pub degraded: bool,
}

impl PulseView {
    /// What policies look at: uplinks that the codec was called for.
    #[must_use]
    pub fn score(&self) -> Score {
        let count = |end: CallEnd| self.ends.get(end.index()).copied().unwrap_or_default();
        let uplinks = self.ends.iter().sum::<u64>().saturating_sub(count(CallEnd::Held));
        Score { uplinks, failed: uplinks.saturating_sub(count(CallEnd::Decoded)) }
    }
}

/// The counts of one version.
pub struct Pulse {
    begun: Instant,
    ends: [AtomicU64; CallEnd::ALL.len()],
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_ns: AtomicU64,
    fuel: [AtomicU64; FUEL_BOUNDS.len() + 1],
    fuel_sum: AtomicU64,
    /// Uplinks that were asked about, to pick those to weigh.
    asked: AtomicU64,
    weighs: ShadowRuns,
    memory_high: AtomicUsize,
    /// The breaker is not closed: ask it.
    wary: AtomicBool,
    settings: Settings,
    breaker: Mutex<Breaker>,
    sites: Mutex<Sites>,
}

impl Pulse {
    /// `begun` = any moment before the first call. Where nothing is decoded beside the traffic, nothing is weighed.
    #[must_use]
    pub fn new(settings: Settings, weighs: ShadowRuns, begun: Instant) -> Self {
        Self {
            begun,
            ends: Default::default(),
            latency: Default::default(),
            latency_sum_ns: AtomicU64::new(0),
            fuel: Default::default(),
            fuel_sum: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            weighs,
            memory_high: AtomicUsize::new(0),
            wary: AtomicBool::new(false),
            settings,
            breaker: Mutex::new(Breaker::new(settings)),
            sites: Mutex::default(),
        }
    }

    /// What an uplink may do.
    pub fn ask(&self, now: Instant) -> Turn {
        if !self.wary.load(Ordering::Relaxed) {
            return Turn::Call;
        }
        self.breaker().ask(self.ms(now))
    }

    /// A call ended: counts it, and tells what it changed.
    pub fn ended(&self, turn: Turn, end: CallEnd, took: Duration, memory_bytes: usize, now: Instant) -> Option<Change> {
        if let Some(counter) = self.ends.get(end.index()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if turn == Turn::Hold {
            return None;
        }
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.iter().position(|bound| nanos <= bound * 1_000).unwrap_or(LATENCY_BOUNDS_US.len());
        if let Some(counter) = self.latency.get(bucket) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.latency_sum_ns.fetch_add(nanos, Ordering::Relaxed);
        if memory_bytes > self.memory_high.load(Ordering::Relaxed) {
            self.memory_high.fetch_max(memory_bytes, Ordering::Relaxed);
        }
        let ending = if matches!(end, CallEnd::Trap | CallEnd::Deadline) { Ending::Fault } else { Ending::Fine };
        if ending == Ending::Fine && turn == Turn::Call {
            return None;
        }
        let mut breaker = self.breaker();
        let change = breaker.ended(turn, ending, self.ms(now));
        self.wary.store(!breaker.is_closed(), Ordering::Relaxed);
        change
    }

    /// Whether this uplink is one of those that are decoded once more to count its fuel.
    pub fn is_to_weigh(&self) -> bool {
        self.weighs == ShadowRuns::On && self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(WEIGH_EVERY)
    }

    /// What an uplink cost in a metered host.
    pub fn weighed(&self, fuel: u64) {
        let bucket = FUEL_BOUNDS.iter().position(|bound| fuel <= *bound).unwrap_or(FUEL_BOUNDS.len());
        if let Some(counter) = self.fuel.get(bucket) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.fuel_sum.fetch_add(fuel, Ordering::Relaxed);
    }

    /// Whether the fuel of any uplink was counted.
    #[must_use]
    pub fn was_weighed(&self) -> bool {
        self.fuel_sum.load(Ordering::Relaxed) > 0
    }

    /// The version is put to work again: what it did before is forgiven, its counts stay.
    pub fn forgive(&self) {
        let mut breaker = self.breaker();
        *breaker = Breaker::new(self.settings);
        self.wary.store(false, Ordering::Relaxed);
    }

    /// When the breaker opens and for how long.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// A call trapped or ran on. Tells what is known of the place.
    pub fn trapped(&self, site: Site, payload: &[u8], frames: &[String], now: Timestamp) -> Seen {
        self.sites().seen(site, payload, frames, now)
    }

    /// The place was looked at with an engine that can tell file and line.
    pub fn explained(&self, site: &Site, frames: Vec<String>) {
        self.sites().explained(site, frames);
    }

    /// Where the version trapped, the most frequent first.
    #[must_use]
    pub fn sites_seen(&self) -> Vec<SiteView> {
        self.sites().view()
    }

    /// What was counted so far.
    #[must_use]
    pub fn view(&self) -> PulseView {
        PulseView {
            ends: self.ends.each_ref().map(|counter| counter.load(Ordering::Relaxed)),
            latency: self.latency.each_ref().map(|counter| counter.load(Ordering::Relaxed)),
            latency_sum_ns: self.latency_sum_ns.load(Ordering::Relaxed),
            fuel: self.fuel.each_ref().map(|counter| counter.load(Ordering::Relaxed)),
            fuel_sum: self.fuel_sum.load(Ordering::Relaxed),
            memory_high: self.memory_high.load(Ordering::Relaxed),
            degraded: self.wary.load(Ordering::Relaxed),
        }
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sites(&self) -> MutexGuard<'_, Sites> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pulses of all versions that were loaded since the start.
#[derive(Default)]
pub(super) struct Pulses {
    by_version: Mutex<HashMap<(ProductId, VersionNumber), Arc<Pulse>>>,
}

impl Pulses {
    pub(super) fn of(&self, version: (ProductId, VersionNumber), new: impl FnOnce() -> Pulse) -> Arc<Pulse> {
        Arc::clone(self.lock().entry(version).or_insert_with(|| Arc::new(new())))
    }

    pub(super) fn find(&self, version: (ProductId, VersionNumber)) -> Option<Arc<Pulse>> {
        self.lock().get(&version).cloned()
    }

    /// Forgets the versions of a product for which this is false.
    pub(super) fn retain(&self, product: ProductId, keep: impl Fn(VersionNumber) -> bool) {
        self.lock().retain(|(of, number), _| *of != product || keep(*number));
    }

    /// All, in order of product and number.
    pub(super) fn all(&self) -> Vec<((ProductId, VersionNumber), Arc<Pulse>)> {
        let mut all: Vec<_> = self.lock().iter().map(|(version, pulse)| (*version, Arc::clone(pulse))).collect();
        all.sort_by_key(|(version, _)| *version);
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(ProductId, VersionNumber), Arc<Pulse>>> {
        self.by_version.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_counts_and_opens() {
        let begun = crate::clock::monotonic();
        let pulse = Pulse::new(Settings { faults: 2, window_ms: 1_000, pause_ms: 500 }, ShadowRuns::On, begun);
        let at = |ms| begun + Duration::from_millis(ms);
        let took = Duration::from_micros(3);
        assert_eq!(pulse.ask(at(0)), Turn::Call);
        assert_eq!(pulse.ended(Turn::Call, CallEnd::Decoded, took, 70_000, at(0)), None);
        assert_eq!(pulse.ended(Turn::Call, CallEnd::Trap, took, 65_536, at(1)), None);
        assert_eq!(pulse.ended(Turn::Call, CallEnd::Deadline, took, 0, at(2)), Some(Change::Degraded));
        assert_eq!(pulse.ask(at(3)), Turn::Hold);
        assert_eq!(pulse.ended(Turn::Hold, CallEnd::Held, Duration::ZERO, 0, at(3)), None);
        let view = pulse.view();
        assert_eq!((view.ends, view.degraded, view.memory_high), ([1, 0, 1, 1, 0, 0, 1], true, 70_000));
        assert_eq!((view.latency[2], view.latency_sum_ns), (3, 9_000), "held ones have no latency");
        assert_eq!(view.score(), Score { uplinks: 3, failed: 2 });
        assert_eq!(pulse.ask(at(502)), Turn::Probe);
        assert_eq!(pulse.ended(Turn::Probe, CallEnd::Refused, took, 0, at(503)), Some(Change::Recovered));
        assert!(!pulse.view().degraded);
    }

    #[test]
    fn the_first_uplink_is_weighed_and_then_one_of_many() {
        let begun = crate::clock::monotonic();
        let settings = Settings { faults: 2, window_ms: 1_000, pause_ms: 500 };
        let pulse = Pulse::new(settings, ShadowRuns::On, begun);
        let picked: Vec<u64> = (0..3_000).filter(|_| pulse.is_to_weigh()).collect();
        assert_eq!(picked, [0, 1_024, 2_048]);
        assert!(!pulse.was_weighed());
        pulse.weighed(2_000);
        assert!(pulse.was_weighed());
        pulse.weighed(u64::from(u32::MAX));
        let view = pulse.view();
        assert_eq!((view.fuel[2], view.fuel[FUEL_BOUNDS.len()], view.fuel_sum), (1, 1, 2_000 + u64::from(u32::MAX)));
        assert!(!Pulse::new(settings, ShadowRuns::Off, begun).is_to_weigh());
    }

    #[test]
    fn a_version_that_is_put_to_work_again_is_called_again() {
        let begun = crate::clock::monotonic();
        let pulse = Pulse::new(Settings { faults: 1, window_ms: 1_000, pause_ms: 500 }, ShadowRuns::On, begun);
        assert_eq!(pulse.ended(Turn::Call, CallEnd::Trap, Duration::ZERO, 0, begun), Some(Change::Degraded));
        pulse.forgive();
        assert_eq!(pulse.ask(begun), Turn::Call);
    }
}
