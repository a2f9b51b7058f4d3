//! The pump of one subscription: takes pieces of the log, keeps requests flying, publishes how far it came.
//!
//! What is sent when is the [`Window`]'s decision; this file does it. Knows no store: the log comes through a channel that is
//! read only when there is room, and the cursor leaves through a watch.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::health::{Activity, Counters, LastError, Report};
use super::post::{Answer, Failure, Poster, Target};
use super::window::{Mood, Sending, Wanted, Window};
use crate::model::{EventId, SubscriptionId};
use crate::trace::{Kind, Outcome, Tracer, Turn, Whom};

/// What the gateway wants of a subscription's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Go on.
    Run,
    /// Let the requests in flight land, keep the cursor, end.
    Stop,
    /// The subscription is gone: end at once.
    Discard,
}

/// A piece of the log, filtered.
#[derive(Debug)]
pub(super) struct Chunk {
    /// What the subscription wants of it, in order.
    pub(super) events: Vec<Wanted>,
    /// The last event of the piece, wanted or not.
    pub(super) scanned: Option<EventId>,
    /// Nothing followed it.
    pub(super) caught_up: bool,
}

/// How far a subscription came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// Everything up to and including this event is delivered or was not wanted.
    pub(super) cursor: Option<EventId>,
    /// Events delivered since the start.
    pub(super) delivered: u64,
}

/// What all pumps of a gateway share.
pub(super) struct Shared {
    pub(super) poster: Poster,
    pub(super) counters: Counters,
    /// Requests in flight over all subscriptions, beyond the one that each may always have: no dead receiver can starve
    /// another subscription.
    pub(super) permits: Arc<Semaphore>,
    /// How long requests in flight may take to land when the gateway stops.
    pub(super) stop_within: Duration,
    /// Told of deliveries that concern devices that are traced.
    pub(super) tracer: Tracer,
}

/// One subscription at work.
pub(super) struct Pump {
    pub(super) subscription: SubscriptionId,
    pub(super) target: Arc<Target>,
    pub(super) window: Window,
    pub(super) report: Arc<Report>,
    pub(super) shared: Arc<Shared>,
}

type Landed = (u64, Result<(), Failure>);

/// One request on its way.
async fn fly(
    shared: Arc<Shared>,
    (subscription, target): (SubscriptionId, Arc<Target>),
    sending: Sending,
    permit: Option<OwnedSemaphorePermit>,
) -> Landed {
    let begun = Instant::now();
    let result = shared.poster.post(&target, &sending.id.to_string(), sending.body.to_string()).await;
    drop(permit);
    tell(&shared.tracer, subscription, &sending, &result, begun.elapsed());
    (sending.seq, result.map(drop))
}

/// What came of a delivery, for who traces the device that it is about.
fn tell(tracer: &Tracer, subscription: SubscriptionId, sending: &Sending, result: &Result<Answer, Failure>, took: Duration) {
    let (outcome, turn) = if result.is_ok() { (Outcome::Ok, Turn::Nobody) } else { (Outcome::Failed, Turn::Application) };
    tracer.note(Whom::Device(sending.device), Kind::Push, outcome, turn, || {
        let (event, attempt, time) = (sending.id, sending.attempts + 1, took.as_millis());
        let came = match result {
            Ok(answer) => format!("{} after {time} ms", answer.status),
            Err(failure) => format!("{}; it is tried again", failure.text),
        };
        format!("event {event} to subscription {subscription}, attempt {attempt}: {came}")
    });
}

impl Pump {
    /// Runs until `phase` says otherwise; tells which way it ended.
    pub(super) async fn run(
        mut self,
        mut feed: mpsc::Receiver<Chunk>,
        progress: watch::Sender<Progress>,
        mut phase: watch::Receiver<Phase>,
    ) -> Phase {
        let began = Instant::now();
        let mut stop_at: Option<Instant> = None;
        let mut flights = FuturesUnordered::new();
        let mut feeding = true;
        loop {
            let now = began.elapsed();
            while stop_at.is_none() {
                let permit = if flights.is_empty() { None } else { Arc::clone(&self.shared.permits).try_acquire_owned().ok() };
                if permit.is_none() && !flights.is_empty() {
                    break;
                }
                let Some(sending) = self.window.poll_send(now) else { break };
                self.note_sent(&sending);
                flights.push(fly(Arc::clone(&self.shared), (self.subscription, Arc::clone(&self.target)), sending, permit));
            }
            self.show(now, flights.len());
            let delivered = self.report.lock().delivered;
            let reached = Progress { cursor: self.window.cursor(), delivered };
            progress.send_if_modified(|last| std::mem::replace(last, reached) != reached);
            if stop_at.is_some() && flights.is_empty() {
                return Phase::Stop;
            }
            let wake = stop_at.or_else(|| Some(began + self.window.poll_timeout(now)?));
            tokio::select! {
                Some(landed) = flights.next(), if !flights.is_empty() => {
                    self.handle_landed(landed, began.elapsed());
                    while let Some(Some(landed)) = flights.next().now_or_never() {
                        self.handle_landed(landed, began.elapsed());
                    }
                }
                chunk = feed.recv(), if feeding && stop_at.is_none() && self.window.room() > 0 => match chunk {
                    Some(chunk) => self.handle_chunk(chunk),
                    None => feeding = false,
                },
                () = sleep_until(wake.unwrap_or(began)), if wake.is_some() => {
                    if stop_at.is_some() {
                        // What is still in flight is delivered again after the restart.
                        return Phase::Stop;
                    }
                }
                changed = phase.changed(), if stop_at.is_none() => {
                    match changed.map_or(Phase::Discard, |()| *phase.borrow_and_update()) {
                        Phase::Run => {}
                        Phase::Stop => stop_at = Some(Instant::now() + self.shared.stop_within),
                        Phase::Discard => return Phase::Discard,
                    }
                }
            }
        }
    }

    fn handle_chunk(&mut self, chunk: Chunk) {
        self.report.lock().caught_up = chunk.caught_up;
        self.window.handle_read(chunk.events, chunk.scanned);
    }

    fn note_sent(&self, sending: &Sending) {
        self.shared.counters.count_attempt();
        if sending.attempts == 0 {
            self.shared.counters.observe_latency(self.shared.poster.now().since(sending.time));
        }
        self.report.lock().attempts += 1;
    }

    fn handle_landed(&mut self, (seq, result): Landed, now: Duration) {
        let time = self.shared.poster.now();
        match result {
            Ok(()) => {
                self.window.handle_delivered(seq);
                self.shared.counters.count_success();
                let mut health = self.report.lock();
                health.delivered += 1;
                health.last_success = Some(time);
            }
            Err(failure) => {
                self.window.handle_failed(seq, now, failure.rest);
                self.shared.counters.count_failure();
                let status = failure.status.map(|status| status.as_u16());
                self.report.lock().last_error = Some(LastError { time, status, text: failure.text });
            }
        }
    }

    /// Writes the health, and logs when the subscription begins or ceases to be in trouble.
    fn show(&self, now: Duration, in_flight: usize) {
        let (state, paused_until) = match self.window.mood(now) {
            Mood::Delivering => (Activity::Delivering, None),
            Mood::Retrying => (Activity::Retrying, None),
            Mood::Paused(until) => (Activity::Paused, until.map(|until| until.saturating_sub(now))),
        };
        let mut health = self.report.lock();
        let before = std::mem::replace(&mut health.state, state);
        health.paused_until =
            paused_until.map(|left| self.shared.poster.now().plus_ms(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)));
        health.waiting = self.window.waiting();
        health.oldest_undelivered = self.window.oldest();
        health.in_flight = in_flight;
        health.consecutive_failures = self.window.failures();
        if before == state {
            return;
        }
        let (subscription, failures) = (self.subscription, health.consecutive_failures);
        let error = health.last_error.as_ref().map_or("", |error| &*error.text);
        match (state, paused_until) {
            (Activity::Delivering, _) => tracing::info!(%subscription, "webhook delivers again"),
            (Activity::Retrying, _) => tracing::info!(%subscription, error, "webhook delivery failed and is tried again"),
            (Activity::Paused, Some(left)) => {
                tracing::warn!(%subscription, failures, error, pause_s = left.as_secs(), "webhook receiver is left alone");
            }
            (Activity::Paused, None) => tracing::debug!(%subscription, "webhook receiver is probed"),
        }
    }
}
