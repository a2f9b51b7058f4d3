//! What the host keeps beside a guest: its bounds and the answers to its imports (`log`, `device`).
//!
//! One [`Guest`] per instance. It never sees a payload or an answer; between calls it holds nothing of a device.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};

use super::wit::{device, log, types};
use super::{DeviceCard, Limits, LogLine};

/// Elements of all tables of an instance, at most.
const TABLE_ELEMENTS: usize = 20_000;
/// What the structure of an answer may take on the host besides its values, before it is even looked at.
pub(super) const STRUCTURE_BYTES: usize = 4 << 20;

/// The state behind one store.
pub(super) struct Guest {
    pub(super) bounds: Bounds,
    pub(super) watch: Watch,
    pub(super) journal: Journal,
    pub(super) device: Option<Arc<DeviceCard>>,
    /// Most log lines of a call.
    log_lines: usize,
}

impl Guest {
    /// A store for one instance of the component, bounded from the first instruction on.
    pub(super) fn store(engine: &Engine, limits: &Limits) -> Store<Self> {
        let guest = Self {
            bounds: Bounds { memory: 0, limit: limits.memory_bytes, tables: 0 },
            watch: Watch {
                limit: Duration::from_millis(limits.deadline_ms),
                limit_ticks: limits.deadline_ms,
                began: None,
                ticks: 0,
            },
            journal: Journal::default(),
            device: None,
            log_lines: limits.log_lines,
        };
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.bounds);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().watch.tick(thread_time())));
        store.set_hostcall_fuel(limits.output_bytes.saturating_add(STRUCTURE_BYTES));
        store.set_epoch_deadline(1);
        store
    }
}

/// Processor time that this thread has used.
fn thread_time() -> Option<Duration> {
    cpu_time::ThreadTime::try_now().ok().map(|time| time.as_duration())
}

/// Measures a call. Free for a call that ends before the next tick, which is nearly all of them.
pub(super) struct Watch {
    limit: Duration,
    limit_ticks: u64,
    /// Processor time at the first tick within the call, none before it.
    began: Option<Duration>,
    /// Ticks since the call began.
    ticks: u64,
}

impl Watch {
    /// A call begins; its next tick is the first.
    pub(super) fn restart(&mut self, limits: &Limits) {
        self.limit = Duration::from_millis(limits.deadline_ms);
        self.limit_ticks = limits.deadline_ms;
        self.began = None;
        self.ticks = 0;
    }

    /// `spent` = processor time of the thread, none where the machine cannot tell: then ticks are what counts.
    fn tick(&mut self, spent: Option<Duration>) -> UpdateDeadline {
        let Some(began) = self.began else {
            self.began = Some(spent.unwrap_or_default());
            self.ticks = 1;
            return self.again(self.limit_ticks.max(1));
        };
        let used = match spent {
            Some(spent) => spent.saturating_sub(began),
            None => Duration::from_millis(self.ticks.saturating_sub(1)),
        };
        let left = self.limit.saturating_sub(used);
        let stalled = self.ticks > self.limit_ticks.saturating_mul(Limits::STALL_FACTOR);
        // The last half of a tick is noise of the ticker; waiting for it would cost a whole one.
        if left < super::ticker::TICK / 2 || stalled {
            return UpdateDeadline::Interrupt;
        }
        let ticks = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
        self.again(ticks)
    }

    fn again(&mut self, ticks: u64) -> UpdateDeadline {
        self.ticks = self.ticks.saturating_add(ticks);
        UpdateDeadline::Continue(ticks)
    }
}

/// Memory and tables of one instance.
pub(super) struct Bounds {
    /// Bytes of all linear memories.
    pub(super) memory: usize,
    limit: usize,
    tables: usize,
}

/// The guest asked for more memory than it may have.
#[derive(Debug, thiserror::Error)]
#[error("the codec asked for {asked} bytes of memory, the limit is {limit}")]
pub(super) struct OutOfMemory {
    asked: usize,
    limit: usize,
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.memory.saturating_add(desired.saturating_sub(current));
        if asked > self.limit {
            return Err(OutOfMemory { asked, limit: self.limit }.into());
        }
        self.memory = asked;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.tables = self.tables.saturating_add(desired.saturating_sub(current));
        Ok(self.tables <= TABLE_ELEMENTS)
    }

    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }

    fn instances(&self) -> usize {
        16
    }
}

/// What one call logged.
#[derive(Default)]
pub(super) struct Journal {
    pub(super) lines: Vec<LogLine>,
    /// Lines past the budget.
    pub(super) dropped: u32,
    /// The text of the last line if that was an error: a panic hook speaks just before the trap.
    pub(super) last_words: Option<String>,
}

impl Journal {
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.dropped = 0;
        self.last_words = None;
    }

    fn add(&mut self, level: log::Level, text: String, budget: usize) {
        let text = cut(text, LogLine::MAX_BYTES);
        self.last_words = matches!(level, log::Level::Error).then(|| text.clone());
        if self.lines.len() < budget {
            self.lines.push(LogLine { level: level_text(level), text });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }
}

fn level_text(level: log::Level) -> &'static str {
    match level {
        log::Level::Debug => "debug",
        log::Level::Info => "info",
        log::Level::Warn => "warn",
        log::Level::Error => "error",
    }
}

/// At most `max` bytes of the text, cut at a character.
pub(super) fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.shrink_to_fit();
    }
    text
}

impl types::Host for Guest {}

impl log::Host for Guest {
    fn log(&mut self, level: log::Level, text: String) {
        self.journal.add(level, text, self.log_lines);
    }
}

/// While a codec is admitted there is no device: an empty name, no attribute.
impl device::Host for Guest {
    fn endpoint(&mut self) -> String {
        self.device.as_ref().map(|card| card.endpoint.as_str().to_owned()).unwrap_or_default()
    }

    fn attribute(&mut self, name: String) -> Option<String> {
        self.device.as_ref()?.attributes.get(&name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(limit_ms: u64) -> Watch {
        Watch { limit: Duration::from_millis(limit_ms), limit_ticks: limit_ms, began: None, ticks: 0 }
    }

    fn continues(update: UpdateDeadline) -> Option<u64> {
        match update {
            UpdateDeadline::Continue(ticks) => Some(ticks),
            _ => None,
        }
    }

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn a_runaway_is_stopped_when_its_processor_time_is_spent() {
        let mut watch = watch(10);
        assert_eq!(continues(watch.tick(ms(500))), Some(10));
        assert_eq!(continues(watch.tick(ms(510))), None);
    }

    #[test]
    fn time_in_which_the_machine_ran_something_else_does_not_count() {
        let mut watch = watch(10);
        assert_eq!(continues(watch.tick(ms(500))), Some(10));
        assert_eq!(continues(watch.tick(ms(503))), Some(7));
        assert_eq!(continues(watch.tick(ms(509))), Some(1));
        assert_eq!(continues(watch.tick(ms(510))), None);
    }

    #[test]
    fn a_call_that_gets_no_processor_ends_nevertheless() {
        let mut watch = watch(10);
        let mut waited = 0;
        while let Some(ticks) = continues(watch.tick(ms(500))) {
            waited += ticks;
        }
        assert!((1_000..1_100).contains(&waited), "{waited}");
    }

    #[test]
    fn without_a_processor_clock_ticks_count() {
        let mut watch = watch(10);
        assert_eq!(continues(watch.tick(None)), Some(10));
        assert_eq!(continues(watch.tick(None)), None);
    }

    #[test]
    fn a_new_call_starts_from_nothing() {
        let mut watch = watch(10);
        watch.tick(ms(500));
        watch.restart(&Limits::default());
        assert_eq!(continues(watch.tick(ms(600))), Some(10));
    }

    #[test]
    fn lines_past_the_budget_are_counted_and_long_ones_cut_at_a_character() {
        let mut journal = Journal::default();
        journal.add(log::Level::Info, "é".repeat(200), 2);
        journal.add(log::Level::Warn, "two".into(), 2);
        journal.add(log::Level::Error, "the reason".into(), 2);
        assert_eq!(journal.lines.len(), 2);
        assert_eq!(journal.lines[0].text.len(), 256);
        assert_eq!(journal.dropped, 1);
        assert_eq!(journal.last_words.as_deref(), Some("the reason"));
    }

    #[test]
    fn only_an_error_in_the_last_line_counts_as_last_words() {
        let mut journal = Journal::default();
        journal.add(log::Level::Error, "earlier".into(), 2);
        journal.add(log::Level::Info, "going on".into(), 2);
        assert_eq!(journal.last_words, None);
    }

    #[test]
    fn all_memories_together_keep_the_limit() {
        let mut bounds = Bounds { memory: 0, limit: 1_000, tables: 0 };
        assert!(bounds.memory_growing(0, 600, None).unwrap());
        assert!(bounds.memory_growing(600, 900, None).unwrap());
        assert!(bounds.memory_growing(0, 200, None).is_err());
        assert_eq!(bounds.memory, 900);
    }
}
