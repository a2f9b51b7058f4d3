//! What can be seen of the pushing from outside: the health of one subscription, and the counters of all.
//!
//! Plain numbers; how they are exported is the API's business.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::model::Timestamp;

/// What a subscription is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// Sends, or has nothing to send.
    #[default]
    Delivering,
    /// Something failed and is tried again.
    Retrying,
    /// The receiver is left alone, or a single probe is under way.
    Paused,
}

/// The last failure of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// When.
    pub time: Timestamp,
    /// HTTP status, if the receiver answered at all.
    pub status: Option<u16>,
    /// What happened, in a sentence.
    pub text: String,
}

/// The health of one subscription since the gateway started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// What it is doing.
    pub state: Activity,
    /// Until when the receiver is left alone.
    pub paused_until: Option<Timestamp>,
    /// Undelivered events that were read from the log; more may follow there, see `caught_up`.
    pub waiting: usize,
    /// The log was read to its end: `waiting` is the whole backlog.
    pub caught_up: bool,
    /// Time of the oldest undelivered event.
    pub oldest_undelivered: Option<Timestamp>,
    /// Requests on their way.
    pub in_flight: usize,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Events delivered.
    pub delivered: u64,
    /// Requests made.
    pub attempts: u64,
    /// How often retention dropped days of the log before this subscription had read them.
    pub gaps: u64,
    /// When an event was last delivered.
    pub last_success: Option<Timestamp>,
    /// The last failure.
    pub last_error: Option<LastError>,
}

/// Where a lane writes its health and the API reads it.
#[derive(Debug, Default)]
pub(super) struct Report(Mutex<Health>);

impl Report {
    /// Locked for a few assignments; never held across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Upper bounds of the latency histogram, milliseconds.
pub const LATENCY_BOUNDS_MS: [u64; 14] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000, 30_000, 300_000, 3_600_000];

/// Counters over all subscriptions since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    attempts: AtomicU64,
    successes: AtomicU64,
    failures: AtomicU64,
    gaps: AtomicU64,
    latency: [AtomicU64; LATENCY_BOUNDS_MS.len() + 1],
    latency_sum_ms: AtomicU64,
}

impl Counters {
    pub(super) fn count_attempt(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    pub(super) fn count_success(&self) {
        self.successes.fetch_add(1, Relaxed);
    }

    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    pub(super) fn count_gap(&self) {
        self.gaps.fetch_add(1, Relaxed);
    }

    /// An event is sent for the first time, that long after it happened.
    pub(super) fn observe_latency(&self, ms: u64) {
        let bucket = LATENCY_BOUNDS_MS.partition_point(|bound| *bound < ms);
        if let Some(count) = self.latency.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.latency_sum_ms.fetch_add(ms, Relaxed);
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            attempts: self.attempts.load(Relaxed),
            successes: self.successes.load(Relaxed),
            failures: self.failures.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
            latency_counts: self.latency.each_ref().map(|count| count.load(Relaxed)),
            latency_sum_ms: self.latency_sum_ms.load(Relaxed),
        }
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Requests made.
    pub attempts: u64,
    /// Requests answered with 2xx.
    pub successes: u64,
    /// All others that ended.
    pub failures: u64,
    /// How often retention dropped days of the log before a subscription had read them.
    pub gaps: u64,
    /// Time from the event to its first request: how many fell up to each of [`LATENCY_BOUNDS_MS`] (not cumulative), and
    /// at the end those above the last bound.
    pub latency_counts: [u64; LATENCY_BOUNDS_MS.len() + 1],
    /// Sum of those times, milliseconds.
    pub latency_sum_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_up_to_its_bound() {
        let counters = Counters::default();
        for ms in [0, 1, 2, 20, 21, u64::from(u32::MAX)] {
            counters.observe_latency(ms);
        }
        let totals = counters.totals();
        assert_eq!(totals.latency_counts, [2, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(totals.latency_sum_ms, 44 + u64::from(u32::MAX));
    }

    #[test]
    fn health_is_shown_in_the_api_s_words() {
        let health = Health { state: Activity::Paused, paused_until: Some(Timestamp(5)), ..Health::default() };
        let shown = serde_json::to_value(&health).unwrap();
        assert_eq!(shown.pointer("/state"), Some(&"paused".into()));
        assert_eq!(shown.pointer("/pausedUntil"), Some(&5.into()));
        assert_eq!(shown.pointer("/consecutiveFailures"), Some(&0.into()));
    }
}
