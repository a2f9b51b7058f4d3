//! Beside the live traffic: a thread that decodes again what shards drop into its queue. It holds a candidate version against the
//! version at work, counts the fuel of some uplinks, and looks at traps with an engine that can tell file and line.
//!
//! Off the hot path: a shard never waits. A full queue drops and counts. What is found is kept in memory and shown by the
//! API; nothing is stored, no device notices.
//!
//! ```text
//! shard -> queue -> thread.rs: both versions in the metered host -> run.rs: counters, examples
//!                                                                    compare.rs: where they differ
//! ```

pub mod compare;
mod run;
mod thread;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

pub use run::{Example, Finding, Made, Run, Side, Spent, hold};

use crate::catalog::{ActiveProduct, Catalog, Site};
use crate::codec::{DeviceCard, Limits};
use crate::model::{DeviceId, Origin, ProductId, VersionNumber};
use crate::store::Store;

/// Samples that may wait.
const QUEUE: usize = 1_024;

/// An uplink to be decoded again.
pub(crate) struct Sample {
    pub(crate) product: Arc<ActiveProduct>,
    pub(crate) device: DeviceId,
    pub(crate) card: Arc<DeviceCard>,
    pub(crate) payload: Vec<u8>,
    pub(crate) origin: Origin,
}

enum Job {
    /// Hold the candidate against the version at work.
    Compare(Sample, VersionNumber),
    /// Count what it costs.
    Weigh(Sample),
    /// Find out file and line of a trap.
    Explain(Sample, Site),
    Stop,
}

/// Where shards drop samples and readers find what came of them. Cheap to clone.
#[derive(Clone)]
pub struct Shadow {
    jobs: SyncSender<Job>,
    board: Arc<Board>,
}

/// The runs, one per product at most: a new candidate, or another version at work, begins a new one.
#[derive(Default)]
struct Board {
    /// What waits is dropped.
    stopping: AtomicBool,
    runs: Mutex<HashMap<ProductId, Run>>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, HashMap<ProductId, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running thread.
pub struct ShadowThread {
    board: Arc<Board>,
    jobs: SyncSender<Job>,
    thread: JoinHandle<()>,
}

impl Shadow {
    /// Starts the thread. It makes its engine when there is something to do.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(store: Store, catalog: Arc<Catalog>, limits: Limits) -> std::io::Result<(Self, ShadowThread)> {
        let (jobs, queue) = sync_channel(QUEUE);
        let board = Arc::new(Board::default());
        let worker = thread::Worker::new(store, catalog, limits, Arc::clone(&board));
        let thread = std::thread::Builder::new().name("shadow".to_owned()).spawn(move || worker.run(&queue))?;
        Ok((Self { jobs: jobs.clone(), board: Arc::clone(&board) }, ShadowThread { board, jobs, thread }))
    }

    /// An uplink for the candidate. Never waits.
    pub(crate) fn compare(&self, sample: Sample, candidate: VersionNumber) {
        let product = sample.product.product.id;
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Compare(sample, candidate))
            && let Some(run) = self.board.lock().get_mut(&product)
        {
            run.dropped = run.dropped.saturating_add(1);
        }
    }

    /// An uplink of a product without candidate, to count its fuel. Never waits; what finds no room is not counted.
    pub(crate) fn weigh(&self, sample: Sample) {
        let _lost = self.jobs.try_send(Job::Weigh(sample));
    }

    /// A trap at a place that nobody looked at. Never waits; what finds no room stays unexplained.
    pub(crate) fn explain(&self, sample: Sample, site: Site) {
        let _lost = self.jobs.try_send(Job::Explain(sample, site));
    }

    /// What the product's newest run came to.
    #[must_use]
    pub fn run(&self, product: ProductId) -> Option<Run> {
        self.board.lock().get(&product).cloned()
    }

    /// Product, candidate, findings in the order of [`Finding::ALL`], dropped; of all runs, in order of product.
    #[must_use]
    pub fn counts(&self) -> Vec<(ProductId, VersionNumber, [u64; Finding::ALL.len()], u64)> {
        let runs = self.board.lock();
        let mut counts: Vec<_> = runs.iter().map(|(product, run)| (*product, run.candidate, run.findings, run.dropped)).collect();
        counts.sort_by_key(|(product, ..)| *product);
        counts
    }
}

impl ShadowThread {
    /// Whether it ended without being asked.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it after what it is at; what waits is dropped. Blocks.
    pub fn stop(self) {
        self.board.stopping.store(true, Ordering::Relaxed);
        let _gone = self.jobs.send(Job::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the shadow thread ended in a panic");
        }
    }
}
