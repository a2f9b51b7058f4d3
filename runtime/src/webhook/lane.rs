//! The task of one subscription: reads the store's log for the pump and writes the pump's cursor back.
//!
//! Hints that events became durable may be lost; a sweep reads on all the same (ARCHITECTURE, invariant 3). Knows no HTTP.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::health::{LastError, Report};
use super::pump::{Chunk, Phase, Progress, Pump, Shared};
use super::window::Wanted;
use crate::model::{Event, EventId, Subscription, SubscriptionId};
use crate::store::{Commit, Store, StoreError, Write};

/// Most events that are looked at before a piece of the log is handed on.
const SCANNED_AT_ONCE: usize = 4_096;
/// Most bytes of bodies in a piece.
const BYTES_AT_ONCE: usize = 1 << 20;
/// A cursor that moved over unwanted events alone costs a repeated scan after a crash, no repeated delivery.
const IDLE_SAVE: Duration = Duration::from_secs(5);

/// How the log is read and the cursor kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Most wanted events in a piece.
    pub(super) chunk: usize,
    /// Reads on after this time without a hint.
    pub(super) sweep: Duration,
    /// Shortest time between two writes of the cursor.
    pub(super) save_every: Duration,
}

/// Pushes until told to end. `pump` begins behind `cursor`.
pub(super) async fn run(
    store: Store,
    subscription: Arc<Subscription>,
    cursor: Option<EventId>,
    pump: Pump,
    pace: Pace,
    phase: watch::Receiver<Phase>,
) {
    let id = subscription.id;
    let (pieces, feed) = mpsc::channel(1);
    let (progress, reached) = watch::channel(Progress { cursor, delivered: 0 });
    let reader = Reader { store: store.clone(), scan: Scan::new(subscription, cursor, pace.chunk) };
    let report = Arc::clone(&pump.report);
    let shared = Arc::clone(&pump.shared);
    let end = tokio::select! {
        end = pump.run(feed, progress, phase) => end,
        never = read_on(reader, pieces, pace.sweep, &report, &shared) => never,
        never = keep_cursor(&store, id, reached.clone(), pace.save_every) => never,
    };
    let last = reached.borrow().cursor;
    if end == Phase::Stop && last != cursor {
        save(&store, id, last).await;
    }
}

/// Writes the cursor whenever it moved, not too often.
async fn keep_cursor(store: &Store, id: SubscriptionId, mut reached: watch::Receiver<Progress>, every: Duration) -> Phase {
    let mut saved = *reached.borrow_and_update();
    while reached.changed().await.is_ok() {
        tokio::select! {
            delivery = reached.wait_for(|now| now.delivered != saved.delivered) => if delivery.is_err() { break },
            () = sleep(IDLE_SAVE.max(every)) => {}
        }
        sleep(every).await;
        let now = *reached.borrow_and_update();
        if now.cursor == saved.cursor || save(store, id, now.cursor).await {
            saved = now;
        }
    }
    std::future::pending().await
}

async fn save(store: &Store, subscription: SubscriptionId, cursor: Option<EventId>) -> bool {
    let Some(cursor) = cursor else { return true };
    let writes = vec![Write::PutCursor(subscription, cursor)];
    match store.commit(Commit { events: Vec::new(), writes }).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%subscription, %error, "webhook cursor not stored; a restart would deliver again");
            false
        }
    }
}

#[derive(Clone)]
struct Reader {
    store: Store,
    scan: Scan,
}

/// Hands pieces of the log to the pump, one ahead of it.
async fn read_on(mut reader: Reader, pieces: mpsc::Sender<Chunk>, sweep: Duration, report: &Report, shared: &Shared) -> Phase {
    let mut hints = reader.store.watch_events();
    while let Ok(place) = pieces.reserve().await {
        hints.mark_unchanged();
        let mut next = reader.clone();
        let read = tokio::task::spawn_blocking(move || {
            let store = &next.store;
            let piece = next.scan.read(|after, limit| store.events_after(after, limit));
            (next, piece)
        });
        let subscription = reader.scan.subscription.id;
        let caught_up = match read.await {
            Ok((read, Ok(piece))) => {
                if let Some(lost_after) = piece.gap {
                    shared.counters.count_gap();
                    report.lock().gaps += 1;
                    let found = piece.chunk.scanned.map(|id| id.to_string());
                    tracing::error!(%subscription, %lost_after, found, "retention dropped events before they were pushed");
                }
                reader = read;
                let caught_up = piece.chunk.caught_up;
                place.send(piece.chunk);
                caught_up
            }
            Ok((_, Err(error))) => {
                tracing::error!(%subscription, %error, "webhook cannot read the log");
                let text = format!("the log cannot be read: {error}");
                report.lock().last_error = Some(LastError { time: shared.poster.now(), status: None, text });
                true
            }
            Err(error) => {
                tracing::error!(%subscription, %error, "webhook's reading of the log ended");
                true
            }
        };
        if caught_up {
            tokio::select! {
                Ok(()) = hints.changed() => {}
                () = sleep(sweep) => {}
            }
        }
    }
    std::future::pending().await
}

/// Where a subscription is in the log. Pure but for the reading that is passed in.
#[derive(Clone)]
struct Scan {
    subscription: Arc<Subscription>,
    scanned: Option<EventId>,
    /// The log was read to its end here; what is dropped up to this place is no loss.
    complete: Option<EventId>,
    /// Without a stored cursor the log is read from its beginning, and what lies before the subscription is passed over.
    from_the_start: bool,
    chunk: usize,
}

struct Piece {
    chunk: Chunk,
    /// Retention dropped unread events after this one.
    gap: Option<EventId>,
}

impl Scan {
    fn new(subscription: Arc<Subscription>, cursor: Option<EventId>, chunk: usize) -> Self {
        Self { subscription, scanned: cursor, complete: None, from_the_start: cursor.is_none(), chunk }
    }

    /// Reads on: until enough wanted events were found, or enough others were seen, or the log ends.
    fn read(
        &mut self,
        mut events_after: impl FnMut(Option<EventId>, usize) -> Result<Vec<Event>, StoreError>,
    ) -> Result<Piece, StoreError> {
        let mut piece = Piece { chunk: Chunk { events: Vec::new(), scanned: self.scanned, caught_up: false }, gap: None };
        let (mut seen, mut bytes) = (0, 0);
        while piece.chunk.events.len() < self.chunk && seen < SCANNED_AT_ONCE && bytes < BYTES_AT_ONCE {
            let after = piece.chunk.scanned;
            let found = events_after(after, self.chunk - piece.chunk.events.len())?;
            let Some(first) = found.first() else {
                piece.chunk.caught_up = true;
                break;
            };
            if let Some(after) = after.filter(|after| after.day < first.id.day && self.complete != Some(*after)) {
                // The day may simply have ended here. It is gone only if the log begins later than it.
                let oldest = events_after(None, 1)?.first().map(|event| event.id);
                piece.gap = oldest.filter(|oldest| oldest.day > after.day).map(|_| after).or(piece.gap);
            }
            seen += found.len();
            for event in found {
                let before = piece.chunk.scanned.replace(event.id);
                let since = !self.from_the_start || event.fact.time >= self.subscription.created;
                if since && self.subscription.wants(&event.fact) {
                    let body: Arc<str> = event.to_json().into();
                    bytes += body.len();
                    let (device, time) = (event.fact.device, event.fact.time);
                    piece.chunk.events.push(Wanted { id: event.id, before, device, time, body });
                }
            }
        }
        self.scanned = piece.chunk.scanned;
        if piece.chunk.caught_up {
            self.complete = self.scanned;
        }
        Ok(piece)
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
