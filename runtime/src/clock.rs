//! The one place that reads clocks. Everything that decides takes the time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// The wall clock, for what is stored and shown.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the named place")]
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The monotonic clock, for timers.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the named place")]
pub fn monotonic() -> Instant {
    Instant::now()
}
