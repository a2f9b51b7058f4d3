//! The loop of a shard: takes jobs, works them out, submits what must become durable, and answers when it is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::hands::Hands;
use super::{Counters, Job, Lane, Router};
use crate::catalog::Catalog;
use crate::clock;
use crate::coap::Random;
use crate::codec::{Host, Instances};
use crate::lwm2m::{Names, Occurrence};
use crate::model::DeviceId;
use crate::shadow::Shadow;
use crate::store::{Store, StoreError};
use crate::transport::Answers;

/// Jobs that a shard takes before it submits what they came to.
const BATCH: usize = 64;

/// How shards are set up.
#[derive(Debug, Clone)]
pub struct ShardsConfig {
    /// Threads; devices are spread over them.
    pub count: usize,
    /// Jobs that may wait for one shard.
    pub queue: usize,
    /// Makes the numbers by which devices are known.
    pub names: Names,
    /// Feeds their nonces; each shard makes its own of it.
    pub seed: [u8; 32],
    /// How long a sleeping device listens after it spoke, ms.
    pub awake_ms: u64,
    /// After this a command without an outcome is TIMEOUT, whatever the transport knows, ms. Longer than every retransmission span.
    pub span_ms: u64,
}

/// The running shards. Stop them before the store is closed.
pub struct Shards {
    senders: Vec<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Shards {
    /// Starts the threads; the router leads to them.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        config: &ShardsConfig,
        (store, catalog): (Store, Arc<Catalog>),
        host: &Arc<Host>,
        shadow: &Shadow,
        answers: &Answers,
    ) -> std::io::Result<(Self, Router)> {
        let counters = Arc::new(Counters::default());
        let started = clock::wall().0;
        let mut shards = Self { senders: Vec::new(), threads: Vec::new() };
        for index in 0..config.count.max(1) {
            let (sender, jobs) = sync_channel(config.queue);
            let hands = Hands {
                awake_ms: config.awake_ms,
                span_ms: config.span_ms,
                names: config.names.clone(),
                random: Random::new(*blake3::Hasher::new_keyed(&config.seed).update(&index.to_le_bytes()).finalize().as_bytes()),
                store: store.clone(),
                catalog: Arc::clone(&catalog),
                instances: Instances::new(Arc::clone(host)),
                answers: answers.clone(),
                counters: Arc::clone(&counters),
                mailbox: Mailbox { moved: Arc::default(), bell: sender.clone() },
                batch: Vec::new(),
                shadow: shadow.clone(),
                // Start time, shard and counter: unique enough to find an uplink again.
                trace: (started << 20) ^ ((index as u64) << 56),
            };
            let worker = Worker { lanes: HashMap::new(), hands };
            let thread = std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || worker.run(&jobs))?;
            shards.senders.push(sender);
            shards.threads.push(thread);
        }
        let router = Router::new(shards.senders.clone(), counters, answers.clone(), (store, catalog));
        Ok((shards, router))
    }

    /// Whether a shard ended without being asked.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Lets the shards finish what is queued, then ends them. Blocks.
    pub fn stop(self) {
        for sender in &self.senders {
            let _gone = sender.send(Job::Stop);
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a shard ended in a panic");
            }
        }
    }
}

/// Where the committer leaves word that a device's command write is done.
#[derive(Clone)]
pub(super) struct Mailbox {
    moved: Arc<Mutex<Vec<DeviceId>>>,
    bell: SyncSender<Job>,
}

impl Mailbox {
    pub(super) fn push(&self, device: DeviceId) {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).push(device);
        // A full queue means that the shard is awake and looks into the mailbox soon.
        let _ring = self.bell.try_send(Job::Wake);
    }

    fn take(&self) -> Vec<DeviceId> {
        std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Worker {
    lanes: HashMap<DeviceId, Lane>,
    hands: Hands,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut next = Some(first);
            for _ in 0..BATCH {
                match next.take() {
                    None => break,
                    Some(Job::Stop) => return self.hands.submit(),
                    Some(job) => self.handle(job),
                }
                if let Ok(job) = jobs.try_recv() {
                    next = Some(job);
                }
            }
            if let Some(job) = next {
                if matches!(job, Job::Stop) {
                    return self.hands.submit();
                }
                self.handle(job);
            }
            self.hands.submit();
            for device in self.hands.mailbox.take() {
                self.settled(device);
            }
            self.hands.submit();
        }
    }

    fn handle(&mut self, job: Job) {
        let handled = match job {
            Job::Occurrence(Occurrence::Register(request), Some(device)) => {
                self.with_lane(device.id, |hands, lane| hands.register(lane, &device, request))
            }
            Job::Occurrence(occurrence, _) => self.occurrence(occurrence),
            Job::Hint(device) => self.with_lane(device, Hands::advance),
            Job::Forget(device) => {
                self.lanes.remove(&device);
                Ok(())
            }
            Job::Wake | Job::Stop => Ok(()),
        };
        if let Err(error) = handled {
            tracing::error!(%error, "a job was given up; the device sends again, a sweep finds the command again");
        }
    }

    fn occurrence(&mut self, occurrence: Occurrence) -> Result<(), StoreError> {
        let (device, ticket) = match &occurrence {
            Occurrence::Recall { device } => return self.hands.recall(*device),
            Occurrence::Uplink(message) | Occurrence::Resources(message, _) => (message.device, Some(message.ticket)),
            Occurrence::Update { ticket, registration } => (registration.device, Some(*ticket)),
            Occurrence::Deregister { ticket, device } => (*device, Some(*ticket)),
            Occurrence::Keep { registration } => (registration.device, None),
            Occurrence::Expired { device }
            | Occurrence::Answered { device, .. }
            | Occurrence::Reset { device, .. }
            | Occurrence::TimedOut { device, .. } => (*device, None),
            Occurrence::Register(request) => {
                self.hands.forget(request.ticket);
                return Ok(());
            }
        };
        let mut occurrence = Some(occurrence);
        let done = self.with_lane(device, |hands, lane| match occurrence.take() {
            Some(occurrence) if lane.moving => {
                lane.waiting.push_back(occurrence);
                Ok(())
            }
            Some(occurrence) => hands.occurrence(lane, occurrence),
            None => Ok(()),
        });
        // Nobody took it: the device was deleted, or the store could not be read.
        if let (Some(unheard), Some(ticket)) = (occurrence, ticket) {
            self.hands.unheard(&unheard, ticket);
        }
        done
    }

    /// A command's write is known: what waited for it goes on, until the next write is under way.
    fn settled(&mut self, device: DeviceId) {
        let settled = self.with_lane(device, |hands, lane| {
            lane.moving = false;
            while !lane.moving {
                let Some(occurrence) = lane.waiting.pop_front() else { break };
                hands.occurrence(lane, occurrence)?;
            }
            hands.advance(lane)
        });
        if let Err(error) = settled {
            tracing::error!(%device, %error, "the device's commands cannot be read; a sweep tries again");
        }
    }

    fn with_lane(
        &mut self,
        device: DeviceId,
        work: impl FnOnce(&mut Hands, &mut Lane) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let lane = match self.lanes.entry(device) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match Lane::load(&self.hands.store, device)? {
                Some(lane) => place.insert(lane),
                None => return Ok(()),
            },
        };
        work(&mut self.hands, lane)
    }
}
