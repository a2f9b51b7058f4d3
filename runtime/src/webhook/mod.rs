//! Webhook push: what happened leaves the gateway at least once, in order per device and subscription (ARCHITECTURE, invariant 5).
//!
//! The event log is the outbox. Each subscription has a task of its own with a cursor into the log, so a receiver that is dead
//! or slow holds up only itself. The only module that names an HTTP client; it knows nothing of devices, codecs or the API.
//!
//! A push is `POST url` with [`Event::to_json`](crate::model::Event::to_json) as body; any 2xx is success, a redirect is not.
//! A failed event is tried again after 1 s, doubled up to 5 min, with jitter; the same device's later events wait, others go
//! on while the window has room. Ten failures in a row and the receiver is left alone for 3 minutes, then probed with one
//! request (REFERENCE D.9). `Retry-After` of a 429 or 503 is kept, up to the longest wait.
//!
//! # Signature
//! Headers as in Standard Webhooks: `webhook-id` (stable, the same in each repetition: what a receiver deduplicates by),
//! `webhook-timestamp` (seconds, of this attempt) and `webhook-signature`. The secret is `whsec_` and base64, or any text.
//! A receiver checks, before it reads the JSON:
//!
//! ```python
//! import base64, hashlib, hmac, time
//!
//! def is_genuine(secret: str, headers: dict, body: bytes) -> bool:
//!     key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
//!     signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
//!     want = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
//!     fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
//!     return fresh and any(hmac.compare_digest(want, got) for got in headers["webhook-signature"].split())
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::model::{Subscription, SubscriptionId, Timestamp};
use crate::store::{Store, StoreError};
use crate::trace::Tracer;

mod address;
mod gate;
mod health;
mod lane;
mod post;
mod pump;
mod sign;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
mod window;

pub use address::{BadUrl, check_url};
pub use health::{Activity, Health, LATENCY_BOUNDS_MS, LastError, Totals};
pub use post::Attempt;
pub use reqwest::Url;

use gate::{Backoff, Gate};
use health::{Counters, Report};
use lane::Pace;
use post::{Poster, Target};
use pump::{Phase, Pump, Shared};
use window::{Limits, Window};

/// How events are pushed.
#[derive(Debug, Clone)]
pub struct PushConfig {
    /// The wall clock.
    pub clock: fn() -> Timestamp,
    /// Undelivered events that one subscription holds in memory; 4 MiB of them at most.
    pub window: usize,
    /// Requests of one subscription in flight; at most one per device.
    pub in_flight: usize,
    /// Requests in flight over all subscriptions, beyond the one that each may always have.
    pub total_in_flight: usize,
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// Longest time of a whole request.
    pub request_timeout: Duration,
    /// Wait after the first failure of an event.
    pub retry_min: Duration,
    /// Longest wait after a failure, and the most that `Retry-After` may ask for.
    pub retry_max: Duration,
    /// Failures in a row after which the receiver is left alone.
    pub pause_after: u32,
    /// For how long.
    pub pause: Duration,
    /// How long requests in flight may take to land when the gateway stops.
    pub stop_within: Duration,
    /// The log is read again after this time even if no hint came.
    pub sweep: Duration,
    /// Shortest time between two writes of a cursor.
    pub save_every: Duration,
    /// Told of deliveries that concern devices that are traced.
    pub tracer: Tracer,
}

impl PushConfig {
    /// The defaults, with a clock.
    #[must_use]
    pub fn new(clock: fn() -> Timestamp) -> Self {
        Self {
            clock,
            window: 1_024,
            in_flight: 64,
            total_in_flight: 512,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
            pause_after: 10,
            pause: Duration::from_secs(180),
            stop_within: Duration::from_secs(2),
            sweep: Duration::from_secs(5),
            save_every: Duration::from_millis(200),
            tracer: Tracer::default(),
        }
    }
}

/// Why pushing cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// TLS or the resolver could not be set up.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    /// The subscriptions or their cursors cannot be read.
    #[error("the subscriptions cannot be read")]
    Store(#[from] StoreError),
}

/// Pushes the events of all subscriptions. Owns a task per subscription; [`stop`](Self::stop) ends them in order, dropping it
/// ends them at once.
pub struct Pusher {
    store: Store,
    config: PushConfig,
    shared: Arc<Shared>,
    lanes: Mutex<Lanes>,
    failed: watch::Sender<Option<SubscriptionId>>,
}

#[derive(Default)]
struct Lanes {
    tasks: JoinSet<()>,
    live: HashMap<SubscriptionId, Live>,
    stopped: bool,
}

struct Live {
    subscription: Arc<Subscription>,
    phase: watch::Sender<Phase>,
    report: Arc<Report>,
}

impl Pusher {
    /// Starts a task for every stored subscription. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`PushError`] when TLS cannot be set up or the store cannot be read.
    pub fn start(store: Store, config: PushConfig) -> Result<Self, PushError> {
        let shared = shared(&config).map_err(PushError::Client)?;
        let pusher = Self { store, config, shared: Arc::new(shared), lanes: Mutex::default(), failed: watch::Sender::new(None) };
        for subscription in pusher.store.subscriptions()? {
            pusher.begin(subscription)?;
        }
        Ok(pusher)
    }

    /// Makes the tasks those of the stored subscriptions, after many changed at once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let stored = self.store.subscriptions()?;
        let live: Vec<_> = self.lock().live.keys().copied().collect();
        for id in live.into_iter().filter(|id| stored.iter().all(|subscription| subscription.id != *id)) {
            self.end(id, Phase::Discard).await;
        }
        for subscription in stored {
            self.put(subscription).await?;
        }
        Ok(())
    }

    /// A subscription was stored, or stored again with changes. It begins behind its stored cursor; without one it gets what
    /// happened since it was created.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn added(&self, id: SubscriptionId) -> Result<(), StoreError> {
        match self.store.subscription(id)? {
            Some(subscription) => self.put(subscription).await,
            None => Ok(()),
        }
    }

    /// A subscription is gone, or about to be: returns when nothing is sent for it any more and its cursor is no longer
    /// written.
    pub async fn removed(&self, id: SubscriptionId) {
        self.end(id, Phase::Discard).await;
    }

    /// How a subscription is doing; none = there is no such.
    #[must_use]
    pub fn health(&self, id: SubscriptionId) -> Option<Health> {
        let report = Arc::clone(&self.lock().live.get(&id)?.report);
        let health = report.lock().clone();
        Some(health)
    }

    /// The counters over all subscriptions.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.counters.totals()
    }

    /// Sends one test event to a subscription, stored or not, and tells what came of it. Not retried, not counted.
    pub async fn test_delivery(&self, subscription: &Subscription) -> Attempt {
        self.shared.poster.test(subscription).await
    }

    /// Resolves when the task of a subscription ended unasked, which only a fault in the gateway can cause: the gateway then
    /// stops (ARCHITECTURE, invariant 12).
    pub async fn failed(&self) -> SubscriptionId {
        let mut failed = self.failed.subscribe();
        loop {
            if let Some(id) = *failed.borrow_and_update() {
                return id;
            }
            if failed.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Sends nothing new, lets what is in flight land, stores the cursors. Later [`added`](Self::added) does nothing. Call it
    /// before the store is closed.
    pub async fn stop(&self) {
        let (mut tasks, live) = {
            let mut lanes = self.lock();
            lanes.stopped = true;
            (std::mem::take(&mut lanes.tasks), std::mem::take(&mut lanes.live))
        };
        for lane in live.values() {
            lane.phase.send_replace(Phase::Stop);
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn put(&self, subscription: Subscription) -> Result<(), StoreError> {
        let id = subscription.id;
        match self.lock().live.get(&id) {
            Some(live) if *live.subscription == subscription => return Ok(()),
            Some(_) | None => {}
        }
        self.end(id, Phase::Stop).await;
        self.begin(subscription)
    }

    fn begin(&self, subscription: Subscription) -> Result<(), StoreError> {
        let id = subscription.id;
        let cursor = self.store.cursor(id)?;
        let subscription = Arc::new(subscription);
        let (phase, phases) = watch::channel(Phase::Run);
        let report = Arc::new(Report::default());
        let pump = pump(&self.config, &subscription, cursor, &report, &self.shared);
        let pace = Pace { chunk: (self.config.window / 4).max(1), sweep: self.config.sweep, save_every: self.config.save_every };
        let run = lane::run(self.store.clone(), Arc::clone(&subscription), cursor, pump, pace, phases.clone());
        let notice = ExitNotice { id, phase: phases, failed: self.failed.clone() };
        let mut lanes = self.lock();
        while lanes.tasks.try_join_next().is_some() {}
        if !lanes.stopped && !lanes.live.contains_key(&id) {
            lanes.tasks.spawn(async move {
                let _notice = notice;
                run.await;
            });
            lanes.live.insert(id, Live { subscription, phase, report });
        }
        Ok(())
    }

    async fn end(&self, id: SubscriptionId, how: Phase) {
        let ended = self.lock().live.remove(&id);
        if let Some(live) = ended {
            live.phase.send_replace(how);
            live.phase.closed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shared(config: &PushConfig) -> reqwest::Result<Shared> {
    Ok(Shared {
        poster: Poster::new(config.clock, config.connect_timeout, config.request_timeout, config.in_flight)?,
        counters: Counters::default(),
        permits: Arc::new(Semaphore::new(config.total_in_flight.min(Semaphore::MAX_PERMITS))),
        stop_within: config.stop_within,
        tracer: config.tracer.clone(),
    })
}

fn pump(
    config: &PushConfig,
    subscription: &Subscription,
    cursor: Option<crate::model::EventId>,
    report: &Arc<Report>,
    shared: &Arc<Shared>,
) -> Pump {
    // Without randomness receivers are hit in step after an outage, nothing worse.
    let seed = getrandom::u64().unwrap_or_else(|_| u64::from(subscription.id.0));
    let limits = Limits { waiting: config.window.max(1), bytes: 4 << 20, span: config.window.max(1).saturating_mul(16) };
    let gate = Gate::new(config.pause_after, config.pause, config.in_flight);
    let backoff = Backoff::new(config.retry_min, config.retry_max, seed);
    Pump {
        subscription: subscription.id,
        target: Arc::new(Target::new(subscription)),
        window: Window::new(cursor, limits, gate, backoff),
        report: Arc::clone(report),
        shared: Arc::clone(shared),
    }
}

/// Notices a task that ends without having been told to, also by a panic.
struct ExitNotice {
    id: SubscriptionId,
    phase: watch::Receiver<Phase>,
    failed: watch::Sender<Option<SubscriptionId>>,
}

impl Drop for ExitNotice {
    fn drop(&mut self) {
        if *self.phase.borrow() == Phase::Run {
            tracing::error!(subscription = %self.id, "a webhook task ended unasked");
            self.failed.send_replace(Some(self.id));
        }
    }
}
