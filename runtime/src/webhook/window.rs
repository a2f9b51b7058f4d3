//! Which events of one subscription wait, fly, rest after a failure or are done; and how far its cursor may move.
//!
//! Pure: knows no socket, store or clock; `now` is the time since the lane began. Order is kept per device: a device's next
//! event waits until the one before it was delivered, other devices' events go on (ARCHITECTURE, invariant 5).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::gate::{Backoff, Gate, Pass};
use crate::model::{DeviceId, EventId, Timestamp};

/// An event that the subscription wants.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its place in the log.
    pub(super) id: EventId,
    /// The place right before it, wanted or not; none = it is the first of the log.
    pub(super) before: Option<EventId>,
    /// Whom it is about.
    pub(super) device: DeviceId,
    /// When it happened.
    pub(super) time: Timestamp,
    /// What is posted.
    pub(super) body: Arc<str>,
}

/// A request to make.
#[derive(Debug, Clone)]
pub(super) struct Sending {
    /// Number of the event in this window; comes back with the result.
    pub(super) seq: u64,
    /// The event.
    pub(super) id: EventId,
    /// Whom it is about.
    pub(super) device: DeviceId,
    /// When it happened.
    pub(super) time: Timestamp,
    /// What is posted.
    pub(super) body: Arc<str>,
    /// Attempts made before this one.
    pub(super) attempts: u32,
}

/// How much a window holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Undelivered events held.
    pub(super) waiting: usize,
    /// Bytes of their bodies.
    pub(super) bytes: usize,
    /// Events from the oldest undelivered one to the newest held, delivered ones included.
    pub(super) span: usize,
}

/// What the subscription is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Sends, or has nothing to send.
    Delivering,
    /// Something failed and is tried again.
    Retrying,
    /// The receiver is left alone until then; none = a probe is under way.
    Paused(Option<Duration>),
}

/// The window of one subscription.
#[derive(Debug)]
pub(super) struct Window {
    limits: Limits,
    gate: Gate,
    backoff: Backoff,
    /// From the oldest undelivered event on; `None` = delivered.
    slots: VecDeque<(Option<EventId>, Option<Open>)>,
    /// Number of the first slot.
    first: u64,
    /// The newest undelivered event of each device.
    tails: HashMap<DeviceId, u64>,
    /// Oldest undelivered events of their devices: may go, wait for their time, fly.
    ready: BTreeSet<u64>,
    resting: BTreeSet<(Duration, u64)>,
    flying: usize,
    waiting: usize,
    bytes: usize,
    scanned: Option<EventId>,
}

#[derive(Debug)]
struct Open {
    event: Wanted,
    attempts: u32,
    /// The device's next event.
    next: Option<u64>,
}

impl Window {
    /// An empty window behind the cursor.
    pub(super) fn new(cursor: Option<EventId>, limits: Limits, gate: Gate, backoff: Backoff) -> Self {
        Self {
            limits,
            gate,
            backoff,
            slots: VecDeque::new(),
            first: 0,
            tails: HashMap::new(),
            ready: BTreeSet::new(),
            resting: BTreeSet::new(),
            flying: 0,
            waiting: 0,
            bytes: 0,
            scanned: cursor,
        }
    }

    /// How many more events it takes. 0 until a quarter is free, so that the log is read in pieces that are worth it.
    pub(super) fn room(&self) -> usize {
        if self.bytes >= self.limits.bytes {
            return 0;
        }
        let waiting = self.limits.waiting.saturating_sub(self.waiting);
        let span = self.limits.span.saturating_sub(self.slots.len());
        let room = waiting.min(span);
        if room * 4 >= self.limits.waiting { room } else { 0 }
    }

    /// Takes wanted events, in the order of the log, and the place up to which the log was read for them.
    pub(super) fn handle_read(&mut self, events: Vec<Wanted>, scanned: Option<EventId>) {
        for event in events {
            let seq = self.first + self.slots.len() as u64;
            let behind = self.tails.insert(event.device, seq);
            match behind.and_then(|tail| self.open(tail)) {
                Some(tail) => tail.next = Some(seq),
                None => _ = self.ready.insert(seq),
            }
            self.waiting += 1;
            self.bytes += event.body.len();
            self.slots.push_back((event.before, Some(Open { event, attempts: 0, next: None })));
        }
        self.scanned = self.scanned.max(scanned);
    }

    /// The next request to make at `now`, if one may be made.
    pub(super) fn poll_send(&mut self, now: Duration) -> Option<Sending> {
        let seq = match self.gate.pass(now) {
            Pass::Free(load) if self.flying < load => {
                self.wake_rested(now);
                self.ready.pop_first()?
            }
            Pass::Free(_) | Pass::Shut(_) => return None,
            Pass::Probe => {
                let seq = self.take_probe()?;
                self.gate.handle_probe_sent(seq);
                seq
            }
        };
        let open = self.open(seq)?;
        let Wanted { id, device, time, body, .. } = open.event.clone();
        let attempts = open.attempts;
        self.flying += 1;
        Some(Sending { seq, id, device, time, body, attempts })
    }

    /// When [`Self::poll_send`] may have more to say without anything else having happened.
    pub(super) fn poll_timeout(&self, now: Duration) -> Option<Duration> {
        let rested = self.resting.first().map(|(due, _)| *due);
        if self.ready.is_empty() && rested.is_none() {
            return None;
        }
        match self.gate.pass(now) {
            Pass::Shut(until) => until,
            Pass::Free(load) if self.flying < load && self.ready.is_empty() => rested,
            Pass::Free(_) | Pass::Probe => None,
        }
    }

    /// The receiver took the event.
    pub(super) fn handle_delivered(&mut self, seq: u64) {
        self.flying = self.flying.saturating_sub(1);
        if self.gate.handle_success() {
            // The receiver is back: nothing waits out a time that was meant for a dead one.
            self.ready.extend(std::mem::take(&mut self.resting).into_iter().map(|(_, seq)| seq));
        }
        let Some(done) = self.slot(seq).and_then(|slot| slot.1.take()) else { return };
        self.waiting = self.waiting.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(done.event.body.len());
        match done.next {
            Some(next) => _ = self.ready.insert(next),
            None => _ = self.tails.remove(&done.event.device),
        }
        while matches!(self.slots.front(), Some((_, None))) {
            self.slots.pop_front();
            self.first += 1;
        }
    }

    /// The receiver did not take it; `rest` is what it asked for, counted from now.
    pub(super) fn handle_failed(&mut self, seq: u64, now: Duration, rest: Option<Duration>) {
        self.flying = self.flying.saturating_sub(1);
        self.gate.handle_failure(seq, now);
        if let Some(rest) = rest {
            self.gate.handle_rest(now.saturating_add(rest.min(self.backoff.longest())));
        }
        let Some(open) = self.open(seq) else { return };
        open.attempts = open.attempts.saturating_add(1);
        let attempts = open.attempts;
        let due = now.saturating_add(self.backoff.delay(attempts));
        self.resting.insert((due, seq));
    }

    /// Everything up to and including this event has been delivered or was not wanted.
    pub(super) fn cursor(&self) -> Option<EventId> {
        self.slots.front().map_or(self.scanned, |(before, _)| *before)
    }

    /// Undelivered events held.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Time of the oldest undelivered event held.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.slots.front().and_then(|(_, open)| open.as_ref()).map(|open| open.event.time)
    }

    /// Failures since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.gate.failures()
    }

    /// What the subscription is doing at `now`.
    pub(super) fn mood(&self, now: Duration) -> Mood {
        match self.gate.pass(now) {
            Pass::Shut(until) => Mood::Paused(until),
            Pass::Probe => Mood::Paused(Some(now)),
            Pass::Free(_) if self.resting.is_empty() && self.gate.failures() == 0 => Mood::Delivering,
            Pass::Free(_) => Mood::Retrying,
        }
    }

    fn wake_rested(&mut self, now: Duration) {
        while let Some((due, seq)) = self.resting.first().copied() {
            if due > now {
                break;
            }
            self.resting.pop_first();
            self.ready.insert(seq);
        }
    }

    /// The event that was tried least: one that the receiver will never take must not be every probe.
    fn take_probe(&mut self) -> Option<u64> {
        let heads = self.ready.iter().copied().chain(self.resting.iter().map(|(_, seq)| *seq));
        let tried = |seq: u64| self.slot_at(seq).and_then(|at| self.slots.get(at)?.1.as_ref()).map_or(0, |open| open.attempts);
        let probe = heads.min_by_key(|seq| (tried(*seq), *seq))?;
        self.ready.remove(&probe);
        self.resting.retain(|(_, seq)| *seq != probe);
        Some(probe)
    }

    fn slot_at(&self, seq: u64) -> Option<usize> {
        usize::try_from(seq.checked_sub(self.first)?).ok()
    }

    fn slot(&mut self, seq: u64) -> Option<&mut (Option<EventId>, Option<Open>)> {
        let at = self.slot_at(seq)?;
        self.slots.get_mut(at)
    }

    fn open(&mut self, seq: u64) -> Option<&mut Open> {
        self.slot(seq)?.1.as_mut()
    }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
