//! The loop of a shard: takes jobs, works them out, submits what must become durable, and answers when it is.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::flow::{Flow, FlowLimits};
use super::hands::Hands;
use super::patience::Patience;
use super::silence::Silence;
use super::{Counters, Job, Lane, LaneView, Router};
use crate::catalog::Catalog;
use crate::clock;
use crate::coap::Random;
use crate::codec::{Host, Instances};
use crate::lwm2m::{Names, Occurrence};
use crate::model::{DeviceId, Paged, Timestamp};
use crate::presence::Rhythm;
use crate::shadow::Shadow;
use crate::store::{Store, StoreError};
use crate::trace::Tracer;
use crate::transport::Answers;

/// Jobs that a shard takes before it submits what they came to.
const BATCH: usize = 64;
/// Lanes that are looked at after each job, whether they can be forgotten: more than a job can add.
const TIDY: usize = 2;
/// How long a shard without jobs waits until it tidies, and how many lanes it looks at then.
const IDLE: Duration = Duration::from_millis(500);
const TIDY_IDLE: usize = 1_024;

/// How shards are set up.
#[derive(Debug, Clone)]
pub struct ShardsConfig {
    /// Threads; devices are spread over them.
    pub count: usize,
    /// Jobs that may wait for one shard.
    pub queue: usize,
    /// Registers of a registered device from another address that are let in within an hour.
    pub moves_per_hour: u16,
    /// Makes the numbers by which devices are known.
    pub names: Names,
    /// Feeds their nonces; each shard makes its own of it.
    pub seed: [u8; 32],
    /// How much devices may say.
    pub flow: FlowLimits,
    /// Told what becomes of devices that are traced.
    pub tracer: Tracer,
    /// Added to the span of a downlink's retransmissions, so that the transport gives up first, ms.
    pub grace_ms: u64,
    /// The longest wait for the acknowledgement of a downlink's first transmission, ms; each later wait is twice the one before.
    pub ack_ms: u64,
    /// Retransmissions of a downlink.
    pub max_retransmit: u8,
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
        let (flow, silence) = (Arc::new(Flow::new(config.flow)), Arc::new(Silence::default()));
        let started = clock::wall().0;
        let mut shards = Self { senders: Vec::new(), threads: Vec::new() };
        for index in 0..config.count.max(1) {
            let (sender, jobs) = sync_channel(config.queue);
            let hands = Hands {
                flow: Arc::clone(&flow),
                silence: Arc::clone(&silence),
                moves_per_hour: config.moves_per_hour,
                names: config.names.clone(),
                random: Random::new(*blake3::Hasher::new_keyed(&config.seed).update(&index.to_le_bytes()).finalize().as_bytes()),
                patience: Patience { ack_ms: config.ack_ms, max_retransmit: config.max_retransmit, grace_ms: config.grace_ms },
                started: Timestamp(started),
                store: store.clone(),
                catalog: Arc::clone(&catalog),
                instances: Instances::new(Arc::clone(host)),
                answers: answers.clone(),
                counters: Arc::clone(&counters),
                mailbox: Mailbox { letters: Arc::default(), bell: sender.clone() },
                batch: Vec::new(),
                shadow: shadow.clone(),
                tracer: config.tracer.clone(),
                // Start time, shard and counter: unique enough to find an uplink again.
                trace: (started << 20) ^ ((index as u64) << 56),
            };
            let worker = Worker { lanes: HashMap::new(), turns: VecDeque::new(), rhythms: Paged::default(), hands };
            let thread = std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || worker.run(&jobs))?;
            shards.senders.push(sender);
            shards.threads.push(thread);
        }
        let router = Router::new(
            shards.senders.clone(),
            counters,
            answers.clone(),
            (store, catalog),
            (flow, silence),
            config.tracer.clone(),
        );
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

/// Where the committer leaves word of what became of a device's commits.
#[derive(Clone)]
pub(super) struct Mailbox {
    letters: Arc<Mutex<Vec<Letter>>>,
    bell: SyncSender<Job>,
}

enum Letter {
    /// A command's write is done.
    Moved(DeviceId),
    /// What the lane says of the device's presence was not stored.
    Unstored(DeviceId),
    /// The device was removed.
    Gone(DeviceId),
}

impl Mailbox {
    pub(super) fn push(&self, device: DeviceId) {
        self.leave(Letter::Moved(device));
    }

    pub(super) fn unstored(&self, device: DeviceId) {
        self.leave(Letter::Unstored(device));
    }

    pub(super) fn gone(&self, device: DeviceId) {
        self.leave(Letter::Gone(device));
    }

    fn leave(&self, letter: Letter) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        // A full queue means that the shard is awake and looks into the mailbox soon.
        let _ring = self.bell.try_send(Job::Wake);
    }

    fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Worker {
    /// Boxed, so that the table stays small and is cheap to grow.
    lanes: HashMap<DeviceId, Box<Lane>>,
    /// Every lane once, in the order in which they are looked at, whether they can be forgotten.
    turns: VecDeque<DeviceId>,
    /// What was learned of devices whose lanes were forgotten, newer than what is stored; 24 bytes a device.
    rhythms: Paged<Rhythm>,
    hands: Hands,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let first = match jobs.recv_timeout(IDLE) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    self.tidy(TIDY_IDLE);
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
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
            for letter in self.hands.mailbox.take() {
                match letter {
                    Letter::Moved(device) => self.settled(device),
                    Letter::Unstored(device) => self.unstored(device),
                    Letter::Gone(device) => self.forget(device),
                }
            }
            self.hands.submit();
        }
    }

    /// Forgets idle lanes: the next ones in turn, so that no job waits for many.
    fn tidy(&mut self, most: usize) {
        let (now, limit) = (clock::wall(), self.hands.flow.device_limit());
        for _ in 0..most.min(self.turns.len()) {
            let Some(device) = self.turns.pop_front() else { break };
            match self.lanes.entry(device) {
                Entry::Vacant(_) => {}
                Entry::Occupied(lane) if lane.get().is_idle(now, limit) => {
                    self.rhythms.set(device, lane.remove().presence.rhythm);
                }
                Entry::Occupied(_) => self.turns.push_back(device),
            }
        }
    }

    /// The lane is ahead of the store: what was not stored must happen again when the device sends again.
    fn unstored(&mut self, device: DeviceId) {
        let Some(lane) = self.lanes.get_mut(&device) else { return };
        let stored =
            self.hands.store.device(device).and_then(|found| found.map(|f| self.hands.store.presence(&f.doc)).transpose());
        match stored {
            Ok(stored) => lane.presence = stored.unwrap_or(lane.presence),
            Err(error) => tracing::error!(%device, %error, "the device's presence cannot be read"),
        }
    }

    fn forget(&mut self, device: DeviceId) {
        self.lanes.remove(&device);
        self.rhythms.set(device, Rhythm::default());
        self.hands.silence.set(device, None);
    }

    fn handle(&mut self, job: Job) {
        let handled = match job {
            Job::Occurrence(Occurrence::Register(request), Some(device)) => {
                self.with_lane(device.id, |hands, lane| hands.register(lane, &device, request))
            }
            Job::Occurrence(occurrence, _) => self.occurrence(occurrence),
            Job::Look(device) => self.with_lane(device, Hands::look),
            Job::View(device, asker) => {
                if let Some(lane) = self.lanes.get(&device) {
                    // Who asked may be gone.
                    let _ = asker.send(LaneView::of(lane, self.hands.flow.device_limit(), clock::wall()));
                }
                Ok(())
            }
            Job::Hint(device) => self.visit(device, Hands::advance),
            Job::Due(device, command) => self.visit(device, |hands, lane| hands.due(lane, command)),
            Job::Forget(device) => {
                self.forget(device);
                Ok(())
            }
            Job::Wake | Job::Stop => Ok(()),
        };
        self.tidy(TIDY);
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

    /// Work that nobody waits for: it makes no lane that stays, unless something is under way then.
    fn visit(
        &mut self,
        device: DeviceId,
        work: impl FnOnce(&mut Hands, &mut Lane) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let was_here = self.lanes.contains_key(&device);
        let done = self.with_lane(device, work);
        if !was_here && self.lanes.get(&device).is_some_and(|lane| !lane.moving) {
            self.lanes.remove(&device);
            // It was made a moment ago, so its turn is the last.
            self.turns.pop_back_if(|last| *last == device);
        }
        done
    }

    fn with_lane(
        &mut self,
        device: DeviceId,
        work: impl FnOnce(&mut Hands, &mut Lane) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let lane = match self.lanes.entry(device) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match Lane::load(&self.hands.store, device, self.rhythms.at(device))? {
                Some(lane) => {
                    self.turns.push_back(device);
                    place.insert(Box::new(lane))
                }
                None => return Ok(()),
            },
        };
        work(&mut self.hands, lane)
    }
}
