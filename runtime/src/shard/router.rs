//! Finds the shard that owns a device and leaves work there; never blocks.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::flow::Flow;
use super::gate::{self, LogBudget, Stop};
use super::silence::{Scan, Silence, removal};
use super::{Counters, Job, LaneView, UplinkCounts};
use crate::catalog::Catalog;
use crate::clock;
use crate::lwm2m::{Answer, Counters as CoapCounts, Occurrence, RegisterRequest};
use crate::model::{CommandId, Device, DeviceId, ProductId, Timestamp};
use crate::presence::Limit;
use crate::store::{Store, StoreError};
use crate::trace::{Kind, Outcome, Tracer, Turn, Whom};
use crate::transport::Answers;
use crate::uplink::Ignored;

/// Silent devices that are given to their shards in one go.
const SILENT_AT_ONCE: usize = 1_024;
/// How long somebody who wants to see a lane waits for it.
const VIEW_LIMIT: Duration = Duration::from_secs(1);

/// Sends work to the shard that owns the device. Cheap to clone.
#[derive(Clone)]
pub struct Router {
    shared: Arc<Shared>,
}

struct Shared {
    shards: Vec<SyncSender<Job>>,
    counters: Arc<Counters>,
    answers: Answers,
    store: Store,
    catalog: Arc<Catalog>,
    refusals: Mutex<LogBudget>,
    flow: Arc<Flow>,
    silence: Arc<Silence>,
    tracer: Tracer,
}

impl Router {
    pub(super) fn new(
        shards: Vec<SyncSender<Job>>,
        counters: Arc<Counters>,
        answers: Answers,
        (store, catalog): (Store, Arc<Catalog>),
        (flow, silence): (Arc<Flow>, Arc<Silence>),
        tracer: Tracer,
    ) -> Self {
        let refusals = Mutex::new(LogBudget::default());
        Self { shared: Arc::new(Shared { shards, counters, answers, store, catalog, refusals, flow, silence, tracer }) }
    }

    /// Takes what a device did, or hands it back when the shard's queue is full.
    ///
    /// # Errors
    /// The occurrence itself: forget its ticket, the device sends again.
    pub fn route(&self, occurrence: Occurrence) -> Result<(), Box<Occurrence>> {
        match occurrence {
            Occurrence::Register(request) => self.register(request),
            Occurrence::Uplink(uplink) => {
                Counters::add(&self.shared.counters.received);
                let device = uplink.device;
                let sent = self.give(device, Job::Occurrence(Occurrence::Uplink(uplink), None));
                if sent.is_err() {
                    Counters::add(&self.shared.counters.not_stored);
                }
                sent
            }
            Occurrence::Resources(ref message, _) => self.give(message.device, Job::Occurrence(occurrence, None)),
            Occurrence::Update { ref registration, .. } | Occurrence::Keep { ref registration } => {
                self.give(registration.device, Job::Occurrence(occurrence, None))
            }
            Occurrence::Deregister { device, .. }
            | Occurrence::Expired { device }
            | Occurrence::Recall { device }
            | Occurrence::Answered { device, .. }
            | Occurrence::Reset { device, .. }
            | Occurrence::TimedOut { device, .. } => self.give(device, Job::Occurrence(occurrence, None)),
        }
    }

    /// Look at the device's commands. A hint: may be lost, a sweep finds what it missed.
    pub fn hint(&self, device: DeviceId) {
        let _lost = self.give(device, Job::Hint(device));
    }

    /// The time of this command may be over. A hint, as [`Router::hint`].
    pub fn due(&self, device: DeviceId, command: CommandId) {
        let _lost = self.give(device, Job::Due(device, command));
    }

    /// Responses since start that moved no command, by the reason.
    #[must_use]
    pub fn ignored_responses(&self) -> Vec<(&'static str, u64)> {
        let counts = self.shared.counters.ignored.iter().map(|count| count.load(Ordering::Relaxed));
        Ignored::ALL.iter().map(|why| why.as_str()).zip(counts).collect()
    }

    /// The device was deleted: forget its registration and what is under way.
    pub fn forget(&self, device: DeviceId) {
        self.shared.answers.push(Answer::Remove { device });
        let _lost = self.give(device, Job::Forget(device));
    }

    /// A device was added: it is removed if it does not come in time.
    pub fn added(&self, device: &Device) {
        self.shared.silence.set(device.id, removal(device));
    }

    /// Has shards look at the devices whose moment has come. Call now and then.
    pub fn look_at_silent(&self, now: Timestamp) {
        loop {
            let due = self.shared.silence.take_due(now, SILENT_AT_ONCE);
            if due.is_empty() {
                return;
            }
            for device in due {
                if self.try_give(device, Job::Look(device)).is_err() {
                    self.shared.silence.set(device, Some(now.plus_ms(1_000)));
                }
            }
        }
    }

    /// Reads when to look at devices: at the start at all, later at those of a product whose limits are others now. Blocks.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn learn_silent(&self, product: Option<ProductId>) -> Result<(), StoreError> {
        let scan = product.map_or(Scan::Missing, Scan::Product);
        self.shared.silence.scan(&self.shared.store, &self.shared.catalog, scan)
    }

    /// What the device's lane shows; none = it is not in memory, or its shard is too busy to say.
    pub async fn view(&self, device: DeviceId) -> Option<LaneView> {
        let (asker, told) = oneshot::channel();
        self.try_give(device, Job::View(device, asker)).ok()?;
        tokio::time::timeout(VIEW_LIMIT, told).await.ok()?.ok()
    }

    /// How much one device may say.
    #[must_use]
    pub fn device_limit(&self) -> Limit {
        self.shared.flow.device_limit()
    }

    /// Messages that flow control did not let in since the start: for their device, for their application.
    #[must_use]
    pub fn throttled(&self) -> (u64, u64) {
        let counters = &self.shared.counters;
        (counters.device_throttled.load(Ordering::Relaxed), counters.application_throttled.load(Ordering::Relaxed))
    }

    /// Where steps of traced devices are told.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.shared.tracer
    }

    /// Uplinks since start by how they ended.
    #[must_use]
    pub fn uplink_counts(&self) -> UplinkCounts {
        self.shared.counters.snapshot()
    }

    /// What the CoAP side counted since start.
    #[must_use]
    pub fn coap_counts(&self) -> CoapCounts {
        self.shared.answers.counters()
    }

    fn register(&self, request: RegisterRequest) -> Result<(), Box<Occurrence>> {
        match gate::admit(&self.shared.store, &self.shared.catalog, &request.endpoint) {
            Ok(device) => {
                self.shared.tracer.met(&request.endpoint, device.id);
                self.give(device.id, Job::Occurrence(Occurrence::Register(request), Some(Box::new(device))))
            }
            Err(stop) => {
                self.explain(&request, &stop);
                let code = if matches!(stop, Stop::Unknown(_)) { 403 } else { 503 };
                self.shared.answers.push(Answer::Refuse { ticket: request.ticket, code });
                Ok(())
            }
        }
    }

    fn explain(&self, request: &RegisterRequest, stop: &Stop) {
        let whom = Whom::Endpoint(&request.endpoint);
        let told = || format!("not let in: {stop}");
        self.shared.tracer.note(whom, Kind::Registration, Outcome::Failed, Turn::Operator, told);
        let mut budget = self.shared.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(unlogged) = budget.take(clock::wall().0) else { return };
        let endpoint = request.endpoint.escape_debug();
        tracing::warn!(%endpoint, peer = %request.peer, unlogged, "refused a device: {stop}");
    }

    fn give(&self, device: DeviceId, job: Job) -> Result<(), Box<Occurrence>> {
        self.try_give(device, job).or_else(|refused| match *refused {
            Job::Occurrence(occurrence, _) => Err(Box::new(occurrence)),
            _ => Ok(()),
        })
    }

    fn try_give(&self, device: DeviceId, job: Job) -> Result<(), Box<Job>> {
        let count = self.shared.shards.len().max(1) as u64;
        // Device numbers are handed out in turn, so the remainder spreads them evenly.
        let index = usize::try_from(device.0 % count).unwrap_or_default();
        let Some(shard) = self.shared.shards.get(index) else { return Ok(()) };
        match shard.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Err(Box::new(job)),
        }
    }
}
