//! Finds the shard that owns a device and leaves work there; never blocks.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use super::gate::{self, LogBudget, Stop};
use super::{Counters, Job, UplinkCounts};
use crate::catalog::Catalog;
use crate::clock;
use crate::lwm2m::{Answer, Counters as CoapCounts, Occurrence, RegisterRequest};
use crate::model::DeviceId;
use crate::store::Store;
use crate::transport::Answers;

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
}

impl Router {
    pub(super) fn new(
        shards: Vec<SyncSender<Job>>,
        counters: Arc<Counters>,
        answers: Answers,
        (store, catalog): (Store, Arc<Catalog>),
    ) -> Self {
        let refusals = Mutex::new(LogBudget::default());
        Self { shared: Arc::new(Shared { shards, counters, answers, store, catalog, refusals }) }
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

    /// The device was deleted: forget its registration and what is under way.
    pub fn forget(&self, device: DeviceId) {
        self.shared.answers.push(Answer::Remove { device });
        let _lost = self.give(device, Job::Forget(device));
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
            Ok(device) => self.give(device.id, Job::Occurrence(Occurrence::Register(request), Some(Box::new(device)))),
            Err(stop) => {
                self.explain(&request, &stop);
                let code = if matches!(stop, Stop::Unknown(_)) { 403 } else { 503 };
                self.shared.answers.push(Answer::Refuse { ticket: request.ticket, code });
                Ok(())
            }
        }
    }

    fn explain(&self, request: &RegisterRequest, stop: &Stop) {
        let mut budget = self.shared.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(unlogged) = budget.take(clock::wall().0) else { return };
        let endpoint = request.endpoint.escape_debug();
        tracing::warn!(%endpoint, peer = %request.peer, unlogged, "refused a device: {stop}");
    }

    fn give(&self, device: DeviceId, job: Job) -> Result<(), Box<Occurrence>> {
        let count = self.shared.shards.len().max(1) as u64;
        // Device numbers are handed out in turn, so the remainder spreads them evenly.
        let index = usize::try_from(device.0 % count).unwrap_or_default();
        let Some(shard) = self.shared.shards.get(index) else { return Ok(()) };
        match shard.try_send(job) {
            Ok(()) => Ok(()),
            Err(refused) => match refused {
                std::sync::mpsc::TrySendError::Full(job) | std::sync::mpsc::TrySendError::Disconnected(job) => match job {
                    Job::Occurrence(occurrence, _) => Err(Box::new(occurrence)),
                    _ => Ok(()),
                },
            },
        }
    }
}
